//! The words by which servers say why an answer ended.
//!
//! Compatible servers pass on the words of the models behind them, so those are listed too. Case and separators do
//! not matter: `END_TURN`, `end-turn` and `endTurn` are one word.

use super::report::machine_name;
use crate::api::ending::FinishReason;

/// What a server says about an answer's end.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Reason {
    /// The answer is complete.
    Finished(FinishReason),
    /// It is complete for a reason that no list below has. Clients get `other`; the log gets the server's word, if that
    /// is a machine-readable name.
    Other(Option<String>),
    /// The server failed.
    Failed(Option<String>),
}

/// Words that mean that the answer is not over.
const UNFINISHED: &str = "null none nil undefined unspecified not_finished in_progress queued";

const STOP: &str = "
    stop stopped stop_sequence stop_sequence_reached stop_token eos eos_token end end_turn
    end_of_turn end_of_text end_of_message endoftext complete completed done finish finished
    normal success succeeded";

const LENGTH: &str = "
    length max_length max_len max_token max_tokens maximum_tokens max_new_tokens max_output_tokens
    max_completion_tokens out_of_tokens token_limit error_limit model_length
    model_context_window_exceeded context_window_exceeded context_length_exceeded context_length
    max_context repetition_truncation compaction";

const CONTENT_FILTER: &str = "
    content_filter content_filtered content_policy_violation sensitive safety recitation blocklist
    blocked prohibited_content spii language escalation image_safety image_prohibited_content
    image_recitation guardrail guardrails guardrail_intervened moderation error_toxic";

const TOOL_CALLS: &str = "tool_call tool_calls tool_use function_call";

const REFUSAL: &str = "refusal refused";

const FAILED: &str = "
    error abort abort_error aborted cancel canceled cancelled user_cancel user_cancelled
    disconnect client_disconnect incomplete rate_limit fail failed failure exception interrupted
    timeout timed_out time_limit network_error connection_error server_error internal_error
    internal_server_error model_error upstream_error engine_overloaded overloaded unavailable
    insufficient_system_resource malformed_function_call malformed_response malformed_model_output
    malformed_tool_use missing_thought_signature";

const FINISHED: [(FinishReason, &str); 5] = [
    (FinishReason::Stop, STOP),
    (FinishReason::Length, LENGTH),
    (FinishReason::ContentFilter, CONTENT_FILTER),
    (FinishReason::ToolCalls, TOOL_CALLS),
    (FinishReason::Refusal, REFUSAL),
];

/// Prefixes of a word that is the name of a constant, such as `FINISH_REASON_STOP`.
const PREFIXES: [&str; 2] = ["finishreason", "reason"];

impl Reason {
    /// Parses a word; `None` when it means that the answer is not over.
    pub(super) fn parse(word: &str) -> Option<Self> {
        // Some servers add the model's own word to theirs: `content_filter: RECITATION`.
        if let Some(reason) = word.split(':').find_map(Self::known) {
            return Some(reason);
        }
        let letters = letters(word);
        let is_over = !letters.is_empty() && !is_in(UNFINISHED, &letters);
        is_over.then(|| Self::Other(machine_name(word.trim())))
    }

    fn known(word: &str) -> Option<Self> {
        let letters = letters(word);
        if is_in(FAILED, &letters) {
            return Some(Self::Failed(machine_name(word.trim())));
        }
        let mut finished = FINISHED.iter();
        let (reason, _) = finished.find(|(_, words)| is_in(words, &letters))?;
        Some(Self::Finished(*reason))
    }
}

fn is_in(words: &str, letters: &str) -> bool {
    let mut words = words.split_ascii_whitespace();
    words.any(|word| {
        word.chars()
            .filter(|letter| *letter != '_')
            .eq(letters.chars())
    })
}

/// A word in lower case, without separators and prefix.
fn letters(word: &str) -> String {
    let separates = |letter: char| letter.is_ascii_whitespace() || "_-.".contains(letter);
    let letters = word.chars().filter(|letter| !separates(*letter));
    let letters: String = letters.map(|letter| letter.to_ascii_lowercase()).collect();
    let rest = PREFIXES
        .iter()
        .find_map(|prefix| letters.strip_prefix(prefix));
    rest.unwrap_or(&letters).to_owned()
}

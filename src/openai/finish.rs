//! The words by which servers say why an answer ended.
//!
//! Compatible servers pass on the words of the models behind them, so the table holds those too. They are
//! compared without regard to case and to what joins their parts: `END_TURN`, `end-turn` and `endTurn` are one.

use super::reported::machine_name;
use crate::api::ending::FinishReason;

/// What a server says about an answer's end.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Reason {
    /// The answer is complete.
    Finished(FinishReason),
    /// It is complete for a reason that is unknown here; the word, if it is a name.
    Unknown(Option<String>),
    /// The server could not go on.
    Failed(Option<String>),
}

/// Not an ending, whatever the field is called: the answer goes on.
const UNDER_WAY: &[&str] = &[
    "null",
    "none",
    "nil",
    "undefined",
    "unspecified",
    "not_finished",
    "in_progress",
    "queued",
];

const STOP: &[&str] = &[
    "stop",
    "stopped",
    "stop_sequence",
    "stop_sequence_reached",
    "stop_token",
    "eos",
    "eos_token",
    "end",
    "end_turn",
    "end_of_turn",
    "end_of_text",
    "end_of_message",
    "endoftext",
    "complete",
    "completed",
    "done",
    "finish",
    "finished",
    "normal",
    "success",
    "succeeded",
];

const LENGTH: &[&str] = &[
    "length",
    "max_length",
    "max_len",
    "max_token",
    "max_tokens",
    "maximum_tokens",
    "max_new_tokens",
    "max_output_tokens",
    "max_completion_tokens",
    "out_of_tokens",
    "token_limit",
    "error_limit",
    "model_length",
    "model_context_window_exceeded",
    "context_window_exceeded",
    "context_length_exceeded",
    "context_length",
    "max_context",
    "repetition_truncation",
    "compaction",
];

const CONTENT_FILTER: &[&str] = &[
    "content_filter",
    "content_filtered",
    "content_policy_violation",
    "sensitive",
    "safety",
    "recitation",
    "blocklist",
    "blocked",
    "prohibited_content",
    "spii",
    "language",
    "escalation",
    "image_safety",
    "image_prohibited_content",
    "image_recitation",
    "guardrail",
    "guardrails",
    "guardrail_intervened",
    "moderation",
    "error_toxic",
];

const TOOL_CALLS: &[&str] = &["tool_call", "tool_calls", "tool_use", "function_call"];

const REFUSAL: &[&str] = &["refusal", "refused"];

const FAILED: &[&str] = &[
    "error",
    "abort",
    "abort_error",
    "aborted",
    "cancel",
    "canceled",
    "cancelled",
    "user_cancel",
    "user_cancelled",
    "disconnect",
    "client_disconnect",
    "incomplete",
    "rate_limit",
    "fail",
    "failed",
    "failure",
    "exception",
    "interrupted",
    "timeout",
    "timed_out",
    "time_limit",
    "network_error",
    "connection_error",
    "server_error",
    "internal_error",
    "internal_server_error",
    "model_error",
    "upstream_error",
    "engine_overloaded",
    "overloaded",
    "unavailable",
    "insufficient_system_resource",
    "malformed_function_call",
    "malformed_response",
    "malformed_model_output",
    "malformed_tool_use",
    "missing_thought_signature",
];

const FINISHED: [(FinishReason, &[&str]); 5] = [
    (FinishReason::Stop, STOP),
    (FinishReason::Length, LENGTH),
    (FinishReason::ContentFilter, CONTENT_FILTER),
    (FinishReason::ToolCalls, TOOL_CALLS),
    (FinishReason::Refusal, REFUSAL),
];

/// What comes before a word where it is the name of a constant.
const PREFIXES: [&str; 2] = ["finishreason", "reason"];

impl Reason {
    /// What a word says; nothing when it says that the answer goes on.
    pub(super) fn read(word: &str) -> Option<Self> {
        // Some servers put the model's own word behind theirs: `content_filter: RECITATION`.
        if let Some(reason) = word.split(':').find_map(Self::known) {
            return Some(reason);
        }
        let bare = bare(word);
        let goes_on = bare.is_empty() || is_one_of(&bare, UNDER_WAY);
        (!goes_on).then(|| Self::Unknown(machine_name(word.trim())))
    }

    fn known(word: &str) -> Option<Self> {
        let bare = bare(word);
        if is_one_of(&bare, FAILED) {
            return Some(Self::Failed(machine_name(word.trim())));
        }
        let finished = FINISHED.iter().find(|(_, words)| is_one_of(&bare, words));
        finished.map(|(reason, _)| Self::Finished(*reason))
    }
}

fn is_one_of(bare: &str, words: &[&str]) -> bool {
    words.iter().any(|word| letters(word) == bare)
}

/// A word without what comes before it in the name of a constant.
fn bare(word: &str) -> String {
    let letters = letters(word);
    let rest = PREFIXES.iter().find_map(|name| letters.strip_prefix(name));
    rest.unwrap_or(&letters).to_owned()
}

/// A word without case and without what joins its parts.
fn letters(word: &str) -> String {
    let joins = |letter: char| letter.is_ascii_whitespace() || "_-.".contains(letter);
    let letters = word.chars().filter(|letter| !joins(*letter));
    letters.map(|letter| letter.to_ascii_lowercase()).collect()
}

//! The tokens that an answer counts with: those that upstream has told, or else an estimate, which is marked.

use super::sql::Row;
use crate::api::request::Turn;
use crate::stream::seen::{BYTES_PER_TOKEN, End, Seen};

/// What an answer may cost.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Ceiling {
    /// The tokens of all that goes upstream, by estimate.
    pub sent_tokens: u64,
    /// Most tokens of the answer.
    pub max_tokens: u64,
}

impl Ceiling {
    /// That of an exchange: two columns of a row.
    pub(super) fn of(row: &mut Row) -> Self {
        Self {
            sent_tokens: row.number(),
            max_tokens: row.number(),
        }
    }
}

/// The tokens that an answer counts with.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Spent {
    /// Tokens of the conversation sent.
    pub input_tokens: u64,
    /// Tokens of the answer.
    pub output_tokens: u64,
    /// Those of the input that upstream had in its cache.
    pub cached_tokens: u64,
    /// Those of the output that were reasoning.
    pub reasoning_tokens: u64,
    /// Whether upstream did not tell them, or not to the end.
    pub is_estimated: bool,
    /// At most so many more tokens count, as many as other answers of the model thought: the model may have thought
    /// without a word of it.
    pub most_unseen: u64,
}

impl Spent {
    /// What an answer counts with; `None` for one that upstream has refused, or failed to begin.
    ///
    /// What upstream told of a complete answer is true. Of another one, it may have told too early: then the estimate of
    /// what was seen counts, if that is more. Where nothing was seen of an answer that was left, the model may have
    /// thought for all that it was allowed to say.
    pub fn of(seen: Option<Seen>, ceiling: Ceiling) -> Option<Self> {
        let seen = seen.filter(|seen| !seen.is_refused())?;
        let Seen {
            told,
            text_bytes,
            reasoning_bytes,
            end,
        } = seen;
        let output_tokens = match text_bytes.saturating_add(reasoning_bytes) {
            0 if end == End::Left => ceiling.max_tokens,
            bytes => estimate(bytes),
        };
        let usage = told.unwrap_or_default();
        let cached_tokens = usage.cached_tokens.unwrap_or_default();
        let told_reasoning = usage.reasoning_tokens.unwrap_or_default();
        // Some servers have reasoning in the total alone.
        let beside_input = usage.total_tokens.saturating_sub(usage.input_tokens);
        let told_output = with_part(usage.output_tokens.max(beside_input), told_reasoning);
        let told_input = with_part(usage.input_tokens, cached_tokens);
        if told.is_some() && (end == End::Complete || told_output >= output_tokens) {
            return Some(Self {
                input_tokens: told_input,
                output_tokens: told_output,
                cached_tokens,
                reasoning_tokens: told_reasoning,
                ..Self::default()
            });
        }
        let may_have_thought = end == End::Left && reasoning_bytes == 0;
        let unseen = ceiling.max_tokens.saturating_sub(output_tokens);
        Some(Self {
            input_tokens: match told_input {
                0 => ceiling.sent_tokens,
                told => told,
            },
            output_tokens,
            cached_tokens,
            reasoning_tokens: 0,
            is_estimated: true,
            most_unseen: if may_have_thought { unseen } else { 0 },
        })
    }

    /// The same as numbers, in the order of the fields.
    pub fn numbers(self) -> [u64; 6] {
        [
            self.input_tokens,
            self.output_tokens,
            self.cached_tokens,
            self.reasoning_tokens,
            u64::from(self.is_estimated),
            self.most_unseen,
        ]
    }

    /// What [`Spent::numbers`] gave.
    pub fn of_numbers(numbers: [u64; 6]) -> Self {
        let [
            input_tokens,
            output_tokens,
            cached_tokens,
            reasoning_tokens,
            estimated,
            most_unseen,
        ] = numbers;
        Self {
            input_tokens,
            output_tokens,
            cached_tokens,
            reasoning_tokens,
            is_estimated: estimated > 0,
            most_unseen,
        }
    }
}

/// Adds a part to its whole if it is the larger one: then the server counts it separately.
fn with_part(whole: u64, part: u64) -> u64 {
    if part > whole {
        whole.saturating_add(part)
    } else {
        whole
    }
}

/// The tokens of a text of so many bytes, in UTF-8, by estimate.
pub fn estimate(bytes: usize) -> u64 {
    u64::try_from(bytes.div_ceil(BYTES_PER_TOKEN)).unwrap_or(u64::MAX)
}

/// The tokens of all that goes upstream, by estimate. `instruction_bytes` are those of the system prompt.
pub fn sent(instruction_bytes: usize, history: &[Turn], message: &str) -> u64 {
    let bytes = history.iter().map(|turn| turn.content.len());
    let all = bytes.chain([instruction_bytes, message.len()]);
    estimate(all.fold(0, usize::saturating_add))
}

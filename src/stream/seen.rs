//! What has come of an answer, by which it is counted.

use crate::api::ending::Usage;
use crate::json;
use crate::openai::failure::Failure;
use crate::openai::{Ended, WholeAnswer};

/// What has come of an answer that upstream was asked for.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Seen {
    /// The tokens that upstream has told last.
    pub told: Option<Usage>,
    /// Bytes of its text, in UTF-8.
    pub text_bytes: usize,
    /// Bytes of what the model thought, whether it is shown or not.
    pub reasoning_bytes: usize,
    /// How it ended at upstream.
    pub end: End,
}

impl Seen {
    /// How a whole answer has failed and what has come of it, if it has failed without any text. Text is sent even if the
    /// answer is incomplete.
    pub fn of_failed(answer: &WholeAnswer) -> Option<(Failure, Self)> {
        let delta = &answer.0;
        let Some(Ended::Failed(failure)) = &delta.ending else {
            return None;
        };
        let reasoning = delta.reasoning.as_ref();
        let seen = Self {
            told: delta.usage.and_then(Result::ok),
            text_bytes: 0,
            reasoning_bytes: reasoning.map_or(0, |reasoning| json::text_bytes(&reasoning.text)),
            end: End::Failed,
        };
        let has_text = delta.content.is_some() || delta.refusal.is_some();
        (!has_text).then(|| (Failure::clone(failure), seen))
    }

    /// What has come of a whole answer of which so many bytes came and no end. Nobody knows how much of them is text.
    pub fn of_cut(bytes: usize) -> Self {
        Self {
            text_bytes: bytes,
            end: End::Failed,
            ..Self::default()
        }
    }

    /// Whether the model was at work on it, as far as can be told.
    pub fn shows_work(&self) -> bool {
        self.told.is_some() || self.text_bytes > 0 || self.reasoning_bytes > 0
    }
}

/// How an answer ended at upstream.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum End {
    /// It was left while it ran: upstream may have made more than was seen.
    #[default]
    Left,
    /// Upstream failed, or its bytes ended too soon.
    Failed,
    /// It is complete, and what upstream told last is its bill.
    Complete,
}

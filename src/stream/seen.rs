//! What has come of an answer, by which it is counted.

use crate::api::ending::Usage;
use crate::api::error::ErrorCode;
use crate::json;
use crate::openai::failure::Failure;
use crate::openai::{Ended, WholeAnswer};

/// Bytes of text that are taken for a token where upstream does not count.
pub const BYTES_PER_TOKEN: usize = 4;

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
    /// An answer that upstream has not even begun.
    pub fn refused() -> Self {
        Self {
            end: End::Refused,
            ..Self::default()
        }
    }

    /// How a whole answer has failed and what has come of it, if it has failed without any text. Text is sent even if the
    /// answer is incomplete. `body` is what it was parsed from.
    pub fn of_failed(
        answer: &WholeAnswer,
        body: &[u8],
        max_tokens: u32,
    ) -> Option<(Failure, Self)> {
        let delta = &answer.0;
        let Some(Ended::Failed(failure)) = &delta.ending else {
            return None;
        };
        let told = delta.usage.and_then(Result::ok);
        let reasoning = delta.reasoning.as_ref();
        let seen = match (told, failure.error.code) {
            (None, ErrorCode::UpstreamProtocol) => Self::of_cut(body, max_tokens),
            (_, code) => Self {
                told,
                text_bytes: 0,
                reasoning_bytes: reasoning.map_or(0, |reasoning| json::text_bytes(&reasoning.text)),
                end: End::of(code),
            },
        };
        let has_text = delta.content.is_some() || delta.refusal.is_some();
        (!has_text).then(|| (Failure::clone(failure), seen))
    }

    /// What has come of a whole answer that cannot be read, or not to its end. Nobody knows how much of it is text, but it is
    /// no more than was asked for.
    pub fn of_cut(body: &[u8], max_tokens: u32) -> Self {
        let most = usize::try_from(max_tokens).unwrap_or(usize::MAX);
        let most_bytes = most.saturating_mul(BYTES_PER_TOKEN);
        Self {
            text_bytes: body.trim_ascii().len().min(most_bytes),
            end: End::Failed,
            ..Self::default()
        }
    }

    /// Whether nothing at all was done for it.
    pub fn is_refused(&self) -> bool {
        *self == Self::refused()
    }
}

/// How an answer ended at upstream.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum End {
    /// It was left while it ran: upstream may have made more than was seen.
    #[default]
    Left,
    /// Its bytes ended too soon, could not be read, or told of a failure in its middle.
    Failed,
    /// Upstream said that it failed. If nothing of it had come, it is not paid for.
    Refused,
    /// It is complete, and what upstream told last is its bill.
    Complete,
}

impl End {
    /// The end of an answer that has failed with this before anything of it was seen.
    pub fn of(code: ErrorCode) -> Self {
        match code {
            // The model may have been at work all the while.
            ErrorCode::UpstreamTimeout | ErrorCode::StreamTooLong => Self::Left,
            ErrorCode::UpstreamTruncated | ErrorCode::UpstreamProtocol => Self::Failed,
            _ => Self::Refused,
        }
    }
}

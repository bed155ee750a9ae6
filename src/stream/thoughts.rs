//! What of a model's reasoning is sent on, and how much there is of it.

use std::borrow::Cow;

use super::pieces::{MAX_OVERHEAD_BYTES, MAX_REASONING_BYTES};
use super::surrogates::Surrogates;
use crate::json;
use crate::openai::Reasoning;

/// The reasoning of one answer.
#[derive(Debug, Default)]
pub(super) struct Thoughts {
    surrogates: Surrogates,
    /// Whether there are some of which no word has come.
    pub(super) are_unseen: bool,
    /// The field that it is taken from.
    field: Option<&'static str>,
    /// Bytes of its pieces, at most.
    bytes: usize,
    /// Bytes of its text, also of what is not sent on.
    seen_bytes: usize,
}

impl Thoughts {
    /// The next piece, as a JSON string of whole characters. `None` for the same text in another field, for what is not
    /// shown, where a character is not complete yet, and from [`MAX_REASONING_BYTES`] on.
    pub(super) fn next<'a>(&mut self, reasoning: &'a Reasoning<'_>) -> Option<Cow<'a, str>> {
        if *self.field.get_or_insert(reasoning.field) != reasoning.field {
            return None;
        }
        let bytes = json::text_bytes(&reasoning.text);
        self.seen_bytes = self.seen_bytes.saturating_add(bytes);
        if !reasoning.is_shown {
            return None;
        }
        let json = self.surrogates.join(&reasoning.text);
        self.fits(&json).then_some(json)
    }

    /// Whether the model thinks, or has thought.
    pub(super) fn have_begun(&self) -> bool {
        self.are_unseen || self.seen_bytes > 0
    }

    /// Bytes of its text so far, in UTF-8, also of what is not sent on.
    pub(super) fn seen_bytes(&self) -> usize {
        self.seen_bytes
    }

    /// At the answer's end, what replaces half a character.
    pub(super) fn finish(&mut self) -> Option<String> {
        let json = self.surrogates.finish()?;
        self.fits(&json).then_some(json)
    }

    /// Nothing follows what does not fit, so that there is no gap.
    fn fits(&mut self, json: &str) -> bool {
        if json == "\"\"" {
            return false;
        }
        let bytes = json.len().saturating_add(MAX_OVERHEAD_BYTES);
        self.bytes = self.bytes.saturating_add(bytes);
        self.bytes <= MAX_REASONING_BYTES
    }
}

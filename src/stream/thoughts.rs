//! What of a model's reasoning is sent on, and how much there is of it.

use std::borrow::Cow;

use super::pieces::{MAX_OVERHEAD_BYTES, MAX_REASONING_BYTES};
use super::surrogates::Surrogates;
use crate::json;
use crate::openai::{Extent, PARAGRAPH, Reasoning, ReasoningSource};

/// The reasoning of one answer.
#[derive(Debug, Default)]
pub(super) struct Thoughts {
    surrogates: Surrogates,
    /// Whether there are some of which no word has come.
    pub(super) are_unseen: bool,
    /// Where that of the present item is taken from.
    source: Option<ReasoningSource>,
    /// Whether the next piece begins a paragraph.
    begins_paragraph: bool,
    /// Bytes of its pieces, at most.
    bytes: usize,
    /// Bytes of its text, also of what is not sent on.
    seen_bytes: usize,
}

impl Thoughts {
    /// The next piece, as a JSON string of whole characters. `None` for what was told before, for what is not shown, where a
    /// character is not complete yet, and from [`MAX_REASONING_BYTES`] on.
    ///
    /// In Responses, an item's text may come twice: as a text and as a summary. It is taken from the one that begins.
    pub(super) fn next<'a>(
        &mut self,
        reasoning: &'a Reasoning<'_>,
        extent: Extent,
    ) -> Option<Cow<'a, str>> {
        let is_new = match extent {
            Extent::Delta | Extent::DeltaOf(_) => {
                *self.source.get_or_insert(reasoning.source) == reasoning.source
            }
            Extent::Part(Some(_)) => self.source.is_none(),
            _ => self.seen_bytes == 0,
        };
        if !is_new {
            return None;
        }
        let begins_paragraph = std::mem::take(&mut self.begins_paragraph);
        let bytes = json::text_bytes(&reasoning.text);
        self.seen_bytes = self.seen_bytes.saturating_add(bytes);
        if matches!(extent, Extent::Part(Some(_))) {
            self.begin_item();
        }
        if !reasoning.is_shown {
            return None;
        }
        let json = match reasoning.text.strip_prefix('"') {
            Some(rest) if begins_paragraph => {
                let paragraph = [PARAGRAPH.trim_end_matches('"'), rest].concat();
                Cow::Owned(self.surrogates.join(&paragraph).into_owned())
            }
            _ => self.surrogates.join(&reasoning.text),
        };
        self.fits(&json).then_some(json)
    }

    /// What follows is in a new item.
    pub(super) fn begin_item(&mut self) {
        self.source = None;
        self.begins_paragraph = self.seen_bytes > 0;
    }

    /// Whether the model thinks, or has thought.
    pub(super) fn have_begun(&self) -> bool {
        self.are_unseen || self.seen_bytes > 0
    }

    /// Bytes of its text so far, in UTF-8, also of what is not sent on.
    pub(super) fn seen_bytes(&self) -> usize {
        self.seen_bytes
    }

    /// Where text follows, or the answer's end, what replaces half a character.
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

//! Which parts of an answer have been sent.
//!
//! Responses repeats each part once it is over, and all of them at the end. Most servers send deltas before that; some
//! leave them out, for some parts or for all.

use crate::openai::Part;

/// Most parts that are kept. An answer has one or two.
const MAX_PARTS: usize = 64;

/// The parts whose text has been sent.
#[derive(Debug, Default)]
pub(super) struct SentParts {
    parts: Vec<Part>,
    /// Whether a repeated part was seen under the indices of its deltas: not every server keeps them.
    keeps_indices: bool,
}

impl SentParts {
    pub(super) fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// Text of this part was sent.
    pub(super) fn add(&mut self, part: Part) {
        if !self.parts.contains(&part) && self.parts.len() < MAX_PARTS {
            self.parts.push(part);
        }
    }

    /// The server repeats this part.
    pub(super) fn repeated(&mut self, part: Part) {
        self.keeps_indices |= self.contains(part);
    }

    /// Whether a repeated part was not sent before. An unknown part of a server that does not keep its indices may have
    /// been sent under others.
    pub(super) fn lacks(&self, part: Part) -> bool {
        self.is_empty() || (self.keeps_indices && !self.contains(part))
    }

    /// Whether some of these, all parts of the answer, were not sent before.
    pub(super) fn lacks_any(&self, parts: impl ExactSizeIterator<Item = Part>) -> bool {
        let are_more = parts.len() > self.parts.len();
        let mut known = parts.filter(|part| self.contains(*part));
        self.is_empty() || (are_more && known.next().is_some())
    }

    pub(super) fn contains(&self, part: Part) -> bool {
        self.parts.iter().any(|sent| part.overlaps(*sent))
    }
}

//! Which parts of an answer have been told.
//!
//! The Responses API says a part again when it is over, and all of them at the end. Most servers say it by deltas
//! first; some leave those out, for some parts or for all.

use crate::openai::Part;

/// Most parts that are kept apart. An answer has one or two.
const MAX_PARTS: usize = 64;

/// The parts that have been told.
#[derive(Debug, Default)]
pub(super) struct Told {
    parts: Vec<Part>,
    /// Whether the server was seen to count its parts in the same way when it says them again.
    is_counted_alike: bool,
}

impl Told {
    pub(super) fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// A delta has added to a part.
    pub(super) fn add(&mut self, part: Part) {
        if !self.parts.contains(&part) && self.parts.len() < MAX_PARTS {
            self.parts.push(part);
        }
    }

    /// The server says a part again.
    pub(super) fn hear_again(&mut self, part: Part) {
        self.is_counted_alike |= self.holds(part);
    }

    /// Whether a part that is said again was not told before. A server that counts otherwise here than in its deltas
    /// has told it by another number, so its parts are new only once one of them was known.
    pub(super) fn lacks(&self, part: Part) -> bool {
        self.is_empty() || (self.is_counted_alike && !self.holds(part))
    }

    /// Whether these, all parts of the answer, are more than were told, and are counted alike.
    pub(super) fn is_less_than(&self, parts: impl ExactSizeIterator<Item = Part>) -> bool {
        let is_more = parts.len() > self.parts.len();
        let mut known = parts.filter(|part| self.holds(*part));
        self.is_empty() || (is_more && known.next().is_some())
    }

    pub(super) fn holds(&self, part: Part) -> bool {
        self.parts.iter().any(|told| part.is_within(*told))
    }
}

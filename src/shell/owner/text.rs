//! The text of an answer: what its readers may see, and what has to be stored first.

use crate::stream::pieces::{MAX_BYTES, Pieces, split_first};

/// The text so far, in the encoding of [`Pieces`].
#[derive(Default)]
pub(super) struct Text {
    /// What is in the store, and may be shown.
    pub(super) stored: Pieces,
    /// What is not in the store yet.
    pub(super) pending: Vec<u8>,
}

impl Text {
    /// Stored and pending text together.
    pub(super) fn whole(&self) -> Pieces {
        let mut whole = self.stored.clone();
        whole.extend(&self.pending);
        whole
    }

    /// Drops the pending pieces that the store has no room for, and those after them; true if there were any.
    pub(super) fn cut_to_fit(&mut self) -> bool {
        let room = MAX_BYTES.saturating_sub(self.stored.as_bytes().len());
        if self.pending.len() <= room {
            return false;
        }
        let mut fitting = 0;
        let mut rest = self.pending.as_slice();
        while let Some((_, after)) = split_first(rest) {
            let end = self.pending.len().saturating_sub(after.len());
            if end > room {
                break;
            }
            fitting = end;
            rest = after;
        }
        self.pending.truncate(fitting);
        true
    }
}

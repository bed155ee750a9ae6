//! What has come of an answer, by which it is counted.

use crate::api::ending::Usage;

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

//! How a stream ended.

use crate::api::ending::EndReason;
use crate::openai::failure::Failure;

/// How a stream ended.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Outcome {
    /// In one word.
    pub end_reason: EndReason,
    /// What went wrong, when something did.
    pub failure: Option<Failure>,
}

//! How an answer ends when its instance is gone: with the text that was kept, and one honest final frame.
//!
//! The ending follows from what is stored, so readers get it even before it is stored, or where the disk is full.

use crate::api::error::{ApiError, ErrorCode};
use crate::api::frame::{Ending, kept_fields, model_field};

/// What its final frame says, without the fields of [`kept_fields`].
pub(super) fn fields() -> String {
    let error = ApiError::from(ErrorCode::Interrupted);
    Ending::Failed(&error).fields()
}

/// What its final frame says, as [`Ended::ending`](super::answer::Ended::ending) has it. `model` has answered, if that is
/// to be told.
pub(super) fn ending(turn_id: &str, history_turns: u64, model: Option<&str>) -> String {
    let mut all = vec![fields()];
    all.extend(model.map(model_field));
    all.push(kept_fields(turn_id, history_turns));
    all.join(",")
}

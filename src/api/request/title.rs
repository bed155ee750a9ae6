//! The body of a `PATCH` → the new title of a conversation.

use super::body::{object, required};
use super::invalid::Invalid;
use crate::api::value;

/// Longest title of a conversation, in Unicode scalar values.
const MAX_TITLE_CHARACTERS: usize = 200;

/// The new title in the body of a `PATCH`, without white space around it.
///
/// # Errors
///
/// The first rule that the body breaks.
pub fn title(body: &[u8]) -> Result<String, Invalid> {
    const FIELD: &str = "body.title";
    let fields = object(body)?;
    let json = required(&fields, "title", FIELD)?;
    let (text, _) = value::text_up_to(MAX_TITLE_CHARACTERS, json).map_err(Invalid::at(FIELD))?;
    match text.trim() {
        "" => Err(Invalid::new(FIELD, "Value error, title must not be blank")),
        title => Ok(title.to_owned()),
    }
}

//! A request's body, up to its fields.

use serde_json::value::RawValue;

use super::invalid::Invalid;
use crate::api::error::{ApiError, ErrorCode};
use crate::json::Fields;

/// Largest body that is read, in bytes.
pub const MAX_BODY_BYTES: usize = 65_536;

/// Checks the headers of a body: it has to be JSON, and must not be compressed.
///
/// # Errors
///
/// A 415 that says which header to change.
pub fn require_uncompressed_json(
    content_type: Option<&str>,
    content_encoding: Option<&str>,
) -> Result<(), ApiError> {
    const COMPRESSED: &str = "This service does not accept compressed bodies. Send the body uncompressed, without the header 'Content-Encoding'.";
    let mut words = content_type.unwrap_or_default().split(';');
    let is_json = words
        .next()
        .is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/json"));
    if !is_json {
        return Err(ErrorCode::UnsupportedMediaType.into());
    }
    for coding in content_encoding.unwrap_or_default().split(',') {
        let coding = coding.trim();
        // Both `identity` and an empty header mean that the body is not compressed.
        if !coding.is_empty() && !coding.eq_ignore_ascii_case("identity") {
            return Err(ApiError::new(ErrorCode::UnsupportedMediaType, COMPRESSED));
        }
    }
    Ok(())
}

/// The fields of a body.
pub(super) fn object(body: &[u8]) -> Result<Fields<'_>, Invalid> {
    let decode_error = |error| Invalid::new("body", format!("JSON decode error: {error}"));
    let json = serde_json::from_slice::<&RawValue>(require_utf8(body)?).map_err(decode_error)?;
    if !json.get().starts_with('{') {
        return Err(Invalid::new("body", "Input should be a valid object"));
    }
    serde_json::from_str(json.get()).map_err(decode_error)
}

/// A body without the byte order mark that some editors and shells write. JSON in UTF-16 or UTF-32 begins with a byte
/// order mark of its own, or has a NUL among its first two bytes.
fn require_utf8(body: &[u8]) -> Result<&[u8], Invalid> {
    match body {
        [0, ..] | [_, 0, ..] | [0xFE, 0xFF, ..] | [0xFF, 0xFE, ..] => {
            let rule = "JSON decode error: expected UTF-8, found UTF-16 or UTF-32";
            Err(Invalid::new("body", rule))
        }
        _ => Ok(body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body)),
    }
}

/// A field that has to be there. `field` is its path in reports.
pub(super) fn required<'a>(
    fields: &Fields<'a>,
    name: &str,
    field: &str,
) -> Result<&'a str, Invalid> {
    fields
        .get(name)
        .ok_or_else(|| Invalid::new(field, "Field required"))
}

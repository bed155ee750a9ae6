//! Joins characters that upstream splits between two deltas.
//!
//! JSON may write a character beyond U+FFFF as two escapes, and a server that counts in UTF-16 units may put them into
//! two deltas. Half a character is not valid text: strict clients refuse it, others show a replacement character. So
//! the first half is held back until the second one comes.

use std::borrow::Cow;

use memchr::memchr_iter;

/// Replaces half a character whose other half never comes.
const REPLACEMENT: &str = "\\ufffd";

/// The first half that is held back, if any.
#[derive(Debug, Default)]
pub(super) struct Surrogates {
    /// An escape such as `\ud83d`, as upstream wrote it.
    held: Option<String>,
}

impl Surrogates {
    /// The next piece of text, as a JSON string of whole characters.
    pub(super) fn join<'a>(&mut self, json: &'a str) -> Cow<'a, str> {
        if self.held.is_none() && !may_have_surrogate(json) {
            return Cow::Borrowed(json);
        }
        let inner = json
            .strip_prefix('"')
            .and_then(|rest| rest.strip_suffix('"'))
            .unwrap_or_default();
        let mut joined = self.held.take().unwrap_or_default();
        joined.push_str(inner);
        let mut whole = String::with_capacity(joined.len().saturating_add(2));
        whole.push('"');
        self.held = copy_whole(&joined, &mut whole);
        whole.push('"');
        Cow::Owned(whole)
    }

    /// At the answer's end, what replaces a half that is still held back, as a JSON string.
    pub(super) fn finish(&mut self) -> Option<String> {
        self.held.take().map(|_| format!("\"{REPLACEMENT}\""))
    }
}

/// Whether a JSON string may contain half a character.
fn may_have_surrogate(json: &str) -> bool {
    memchr_iter(b'\\', json.as_bytes()).any(|at| {
        let escape = json.as_bytes().get(at..).unwrap_or_default();
        escape.starts_with(b"\\ud") || escape.starts_with(b"\\uD")
    })
}

/// Copies the inside of a JSON string, except for a first half at its end, which is returned.
fn copy_whole(inner: &str, out: &mut String) -> Option<String> {
    let mut rest = inner;
    while let Some((before, escape)) = rest.find('\\').and_then(|at| rest.split_at_checked(at)) {
        out.push_str(before);
        let unit = code_unit(escape);
        let len = if unit.is_some() { 6 } else { 2 };
        let (escape, after) = escape.split_at_checked(len).unwrap_or((escape, ""));
        rest = after;
        match unit {
            Some(0xD800..=0xDBFF) if after.is_empty() => return Some(escape.to_owned()),
            Some(0xD800..=0xDBFF) if matches!(code_unit(after), Some(0xDC00..=0xDFFF)) => {
                let (second, after) = after.split_at_checked(6).unwrap_or((after, ""));
                out.push_str(escape);
                out.push_str(second);
                rest = after;
            }
            Some(0xD800..=0xDFFF) => out.push_str(REPLACEMENT),
            _ => out.push_str(escape),
        }
    }
    out.push_str(rest);
    None
}

/// The UTF-16 code unit of a `\uXXXX` that `text` begins with.
fn code_unit(text: &str) -> Option<u16> {
    let digits = text.strip_prefix("\\u")?.get(..4)?;
    u16::from_str_radix(digits, 16).ok()
}

//! The values that servers put where an answer's text belongs.
//!
//! Text is kept as the JSON string that upstream wrote, quotes and escapes included: it goes into a frame
//! verbatim. Passing over a value that may be text would lose a part of the answer without a word, so
//! whatever is none of the known shapes is an error.

use std::borrow::Cow;

use super::meaning::Malformed;
use crate::json::{self, Fields};

/// The text of an event, as JSON strings that are not empty.
#[derive(Debug, Default)]
pub(super) struct Texts<'a> {
    pub(super) content: Option<Cow<'a, str>>,
    pub(super) refusal: Option<Cow<'a, str>>,
}

impl<'a> Texts<'a> {
    /// The text of a delta or a message.
    pub(super) fn of_message(fields: &Fields<'a>) -> Result<Self, Malformed> {
        let mut texts = Self::of(fields.get("content"))?;
        // A refusal is no text of tokens: `false` is none.
        let refusal = fields.get("refusal").filter(|refusal| *refusal != "false");
        join(&mut texts.refusal, refusal.map_or(Ok(None), plain)?);
        Ok(texts)
    }

    /// The text of a value: a string, a number or a boolean (some servers read each token as JSON before they
    /// write it), a part, or a list of these.
    pub(super) fn of(value: Option<&'a str>) -> Result<Self, Malformed> {
        let mut texts = Self::default();
        if let Some(value) = value {
            texts.add(value)?;
        }
        Ok(texts)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.content.is_none() && self.refusal.is_none()
    }

    /// Adds more text behind this.
    pub(super) fn append(&mut self, more: Self) {
        join(&mut self.content, more.content);
        join(&mut self.refusal, more.refusal);
    }

    /// Adds what a list or a part holds.
    fn add(&mut self, value: &'a str) -> Result<(), Malformed> {
        if value.starts_with('[') {
            let parts = json::list(value).ok_or(Malformed)?;
            return parts.into_iter().try_for_each(|part| self.add_part(part));
        }
        self.add_part(value)
    }

    fn add_part(&mut self, part: &'a str) -> Result<(), Malformed> {
        if !part.starts_with('{') {
            join(&mut self.content, plain(part)?);
            return Ok(());
        }
        let fields = Fields::read(part).ok_or(Malformed)?;
        match fields.text("type").as_deref() {
            Some("text" | "output_text") => {
                join(&mut self.content, text_of_part(&fields)?);
            }
            Some("refusal") => {
                let refusal = fields.get("refusal").map_or(Ok(None), plain);
                join(&mut self.refusal, refusal?);
            }
            // Thinking, citations, pictures, calls of tools.
            Some(_) => {}
            None if fields.get("text").is_some() => {
                join(&mut self.content, text_of_part(&fields)?);
            }
            None => return Err(Malformed),
        }
        Ok(())
    }
}

fn text_of_part<'a>(part: &Fields<'a>) -> Result<Option<Cow<'a, str>>, Malformed> {
    let text = part.get("text").unwrap_or("null");
    // The Assistants API wraps a text in an object.
    let wrapped = Fields::read(text).and_then(|fields| fields.get("value"));
    plain(wrapped.unwrap_or(text))
}

/// A value that is neither a list nor an object, as a JSON string; nothing where it is empty.
fn plain(value: &str) -> Result<Option<Cow<'_, str>>, Malformed> {
    match value.as_bytes().first() {
        Some(b'"') if value == "\"\"" => Ok(None),
        Some(b'"') => Ok(Some(Cow::Borrowed(value))),
        Some(b'n') => Ok(None),
        Some(b't' | b'f' | b'-' | b'0'..=b'9') => Ok(Some(Cow::Owned(format!("\"{value}\"")))),
        _ => Err(Malformed),
    }
}

/// Puts a text behind another one.
fn join<'a>(text: &mut Option<Cow<'a, str>>, more: Option<Cow<'a, str>>) {
    match (text.as_mut(), more) {
        (Some(text), Some(more)) => {
            let text = text.to_mut();
            text.pop();
            text.push_str(more.get(1..).unwrap_or_default());
        }
        (None, more) => *text = more,
        (Some(_), None) => {}
    }
}

//! The values that servers put where an answer's text belongs.
//!
//! Text is kept as the JSON string that upstream wrote, with quotes and escapes: it goes into a frame verbatim.
//! A value of unknown shape is an error, since ignoring it could silently lose a part of the answer.

use std::borrow::Cow;

use super::delta::Malformed;
use crate::json::{self, Fields};

/// The text of an event, as non-empty JSON strings.
#[derive(Debug, Default)]
pub(super) struct Texts<'a> {
    pub(super) content: Option<Cow<'a, str>>,
    pub(super) refusal: Option<Cow<'a, str>>,
}

impl<'a> Texts<'a> {
    /// The text of a delta or a message.
    pub(super) fn of_message(fields: &Fields<'a>) -> Result<Self, Malformed> {
        let mut texts = Self::of(fields.get("content"))?;
        // Unlike content, which may be a bare `false` of the model's, a refusal of `false` means that there is none.
        let refusal = fields.get("refusal").filter(|refusal| *refusal != "false");
        join(&mut texts.refusal, refusal.map_or(Ok(None), plain)?);
        Ok(texts)
    }

    /// The text of a value: a string, a content part, a list of these, or a number or boolean, since some servers
    /// decode tokens that look like JSON.
    pub(super) fn of(value: Option<&'a str>) -> Result<Self, Malformed> {
        let mut texts = Self::default();
        if let Some(value) = value {
            texts.add(value)?;
        }
        Ok(texts)
    }

    /// The same text as a refusal.
    pub(super) fn into_refusal(self) -> Self {
        Self {
            content: None,
            refusal: self.content,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.content.is_none() && self.refusal.is_none()
    }

    /// Appends more text.
    pub(super) fn append(&mut self, more: Self) {
        join(&mut self.content, more.content);
        join(&mut self.refusal, more.refusal);
    }

    /// Appends the text of a list or a part.
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
        let fields = Fields::parse(part).ok_or(Malformed)?;
        match fields.text("type").as_deref() {
            Some("text" | "output_text") => {
                join(&mut self.content, text_of_part(&fields)?);
            }
            Some("refusal") => {
                let refusal = fields.get("refusal").map_or(Ok(None), plain);
                join(&mut self.refusal, refusal?);
            }
            // Thinking, citations, images, tool calls.
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
    // The Assistants API wraps text in an object.
    let wrapped = Fields::parse(text).and_then(|fields| fields.get("value"));
    plain(wrapped.unwrap_or(text))
}

/// A value that is neither a list nor an object, as a JSON string; `None` when it is empty.
fn plain(value: &str) -> Result<Option<Cow<'_, str>>, Malformed> {
    match value.as_bytes().first() {
        Some(b'"') if value == "\"\"" => Ok(None),
        Some(b'"') => Ok(Some(Cow::Borrowed(value))),
        Some(b'n') => Ok(None),
        Some(b't' | b'f' | b'-' | b'0'..=b'9') => Ok(Some(Cow::Owned(format!("\"{value}\"")))),
        _ => Err(Malformed),
    }
}

/// Appends one JSON string to another.
pub(super) fn join<'a>(text: &mut Option<Cow<'a, str>>, more: Option<Cow<'a, str>>) {
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

//! Facts → one JSON log line.
//!
//! Fields with a secret name lose their value, and every text passes the [`Scrubber`] before it is stored. So there is
//! no unredacted form of a line that could be printed by accident.

use std::any::Any;
use std::panic::Location;

use serde::Serialize;

use super::redact::{REDACTED, Scrubber, is_secret_name};
use crate::json;

/// The importance of a log line.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Level {
    /// Details of every frame.
    Debug,
    /// The course of each request.
    Info,
    /// Something that the owner may want to look at.
    Warning,
    /// Something that failed.
    Error,
}

impl Level {
    /// Parses a level's name, in any case.
    pub fn parse(name: &str) -> Option<Self> {
        let named = |level: &Self| level.name().eq_ignore_ascii_case(name);
        [Self::Debug, Self::Info, Self::Warning, Self::Error]
            .into_iter()
            .find(named)
    }

    /// The name in log lines.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Debug => "DEBUG",
            Self::Info => "INFO",
            Self::Warning => "WARNING",
            Self::Error => "ERROR",
        }
    }
}

/// Longest id from outside, in characters.
pub const MAX_ID_LENGTH: usize = 128;

/// Whether a text is an id: 1–128 characters of `[A-Za-z0-9._:-]`, which are safe in a header, in JSON and in a log
/// line. Anything else may be a sentence.
pub fn is_id(text: &str) -> bool {
    let is_safe = |byte: u8| byte.is_ascii_alphanumeric() || b"._:-".contains(&byte);
    (1..=MAX_ID_LENGTH).contains(&text.len()) && text.bytes().all(is_safe)
}

/// What may be logged of a panic: its place, and its message if that is a literal of the program's. A formatted message
/// may quote a conversation.
pub fn panic_cause(payload: &dyn Any, location: Option<&Location<'_>>) -> String {
    let words = payload.downcast_ref::<&'static str>();
    let words = words.copied().unwrap_or("its message is not logged");
    match location {
        Some(place) => format!("panic at {place}: {words}"),
        None => format!("panic: {words}"),
    }
}

/// The first `max_chars` characters of a text. Scrub a text from outside before it is cut, as [`Record::outside`] does:
/// a piece of a secret is no longer recognised.
pub fn cut(text: &str, max_chars: usize) -> &str {
    let end = text.char_indices().nth(max_chars);
    end.and_then(|(end, _)| text.get(..end)).unwrap_or(text)
}

/// A log line under construction: `timestamp`, `level`, `event`, `correlation_id`, then its own fields in the order of
/// the calls.
#[derive(Debug)]
pub struct Record<'a> {
    json: Vec<u8>,
    scrubber: &'a Scrubber,
}

impl<'a> Record<'a> {
    /// Begins a line. `timestamp` is RFC 3339.
    pub fn new(
        scrubber: &'a Scrubber,
        timestamp: &str,
        level: Level,
        event: &str,
        correlation_id: Option<&str>,
    ) -> Self {
        let mut record = Self {
            json: Vec::new(),
            scrubber,
        };
        record.json.push(b'{');
        record.word("timestamp", timestamp);
        record.word("level", level.name());
        record.word("event", event);
        if let Some(id) = correlation_id {
            record.text("correlation_id", id);
        }
        record
    }

    /// Adds a literal of this program's, which needs neither redaction nor escapes.
    pub fn word(&mut self, name: &str, value: &str) -> &mut Self {
        self.key(name);
        self.json.push(b'"');
        self.json.extend_from_slice(value.as_bytes());
        self.json.push(b'"');
        self
    }

    /// Adds a text that is known to be short.
    pub fn text(&mut self, name: &str, value: &str) -> &mut Self {
        let scrubbed = self.scrubber.scrub(value);
        self.field(name, &scrubbed)
    }

    /// Adds a text, if there is one.
    pub fn optional_text(&mut self, name: &str, value: Option<&str>) -> &mut Self {
        if let Some(value) = value {
            self.text(name, value);
        }
        self
    }

    /// Adds the first `max_chars` characters of a text from outside, which is scrubbed before it is cut.
    pub fn outside(&mut self, name: &str, value: &str, max_chars: usize) -> &mut Self {
        let scrubbed = self.scrubber.scrub_outside(value);
        self.field(name, cut(&scrubbed, max_chars))
    }

    /// Adds an id from outside, if there is one and it is well-formed (see [`is_id`]).
    pub fn optional_id(&mut self, name: &str, id: Option<&str>) -> &mut Self {
        self.optional_text(name, id.filter(|id| is_id(id)))
    }

    /// Adds a whole number.
    pub fn number(&mut self, name: &str, value: u64) -> &mut Self {
        self.field(name, &value)
    }

    /// Adds a whole number, if there is one.
    pub fn optional_number(&mut self, name: &str, value: Option<u64>) -> &mut Self {
        if let Some(value) = value {
            self.number(name, value);
        }
        self
    }

    /// Adds an object whose fields `fill` adds, with the same redaction.
    pub fn object(&mut self, name: &str, fill: impl FnOnce(&mut Self)) -> &mut Self {
        if is_secret_name(name) {
            return self.field(name, &REDACTED);
        }
        self.key(name);
        self.json.push(b'{');
        fill(self);
        self.json.push(b'}');
        self
    }

    /// The finished line, without a line end.
    pub fn finish(mut self) -> String {
        self.json.push(b'}');
        // All of its pieces are UTF-8.
        String::from_utf8(self.json).unwrap_or_default()
    }

    fn field(&mut self, name: &str, value: &(impl Serialize + ?Sized)) -> &mut Self {
        self.key(name);
        if is_secret_name(name) {
            json::append(REDACTED, &mut self.json);
        } else {
            json::append(value, &mut self.json);
        }
        self
    }

    fn key(&mut self, name: &str) {
        if !self.json.ends_with(b"{") {
            self.json.push(b',');
        }
        self.json.push(b'"');
        self.json.extend_from_slice(name.as_bytes());
        self.json.extend_from_slice(b"\":");
    }
}

//! One request's facts → one JSON line.
//!
//! A line is written straight to its text, so what is redacted never exists in a form that could be
//! printed by accident: secret names lose their value, every text passes the [`Scrubber`].

use std::any::Any;
use std::panic::Location;
use std::time::{Duration, UNIX_EPOCH};

use serde::Serialize;

use crate::json;
use crate::openai::{FinishReason, Usage};
use crate::stream::outcome::EndReason;

use super::redact::{REDACTED, Scrubber, is_secret_name};

/// How much a line matters.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Level {
    /// Details of every frame.
    Debug,
    /// One request's course.
    Info,
    /// Something a person may want to look at.
    Warning,
    /// Something that failed.
    Error,
}

impl Level {
    /// Reads a level's name, in any case.
    pub fn parse(name: &str) -> Option<Self> {
        let named = |level: &Self| level.name().eq_ignore_ascii_case(name);
        [Self::Debug, Self::Info, Self::Warning, Self::Error]
            .into_iter()
            .find(named)
    }

    /// The name that a line carries.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Debug => "DEBUG",
            Self::Info => "INFO",
            Self::Warning => "WARNING",
            Self::Error => "ERROR",
        }
    }
}

/// A time in milliseconds since the epoch as RFC 3339 in UTC, with microsecond digits.
pub fn timestamp(now_ms: u64) -> String {
    // Only a time beyond the year 9999 could not be written; a clock does not show one.
    let latest_ms = 253_402_300_799_000;
    let since_epoch = Duration::from_millis(now_ms.min(latest_ms));
    let time = UNIX_EPOCH.checked_add(since_epoch).unwrap_or(UNIX_EPOCH);
    let mut text = humantime::format_rfc3339_micros(time).to_string();
    text.truncate(text.len().saturating_sub(1));
    text.push_str("+00:00");
    text
}

/// Longest id of somebody else's that a line repeats, in characters.
pub const MAX_ID_LENGTH: usize = 128;

/// Whether a text is an id: 1–128 characters of `[A-Za-z0-9._:-]`, safe in a header, in JSON and in a log line
/// as it is. Anything else under that name could be somebody's text.
pub fn is_id(text: &str) -> bool {
    let is_safe = |byte: u8| byte.is_ascii_alphanumeric() || b"._:-".contains(&byte);
    (1..=MAX_ID_LENGTH).contains(&text.len()) && text.bytes().all(is_safe)
}

/// What a panic may say of itself: where it was, and its words where they are the program's own. Words that
/// were put together at the time may quote what was being worked on, a conversation for example.
pub fn panic_cause(payload: &dyn Any, location: Option<&Location<'_>>) -> String {
    let words = payload.downcast_ref::<&'static str>();
    let words = words.copied().unwrap_or("its words may quote a text");
    match location {
        Some(place) => format!("panic at {place}: {words}"),
        None => format!("panic: {words}"),
    }
}

/// The beginning of a text, of at most `max_chars` characters. To cut a text before it is scrubbed leaves a
/// piece of a secret that nothing recognises: what comes from outside is for [`Record::outside`].
pub fn cut(text: &str, max_chars: usize) -> &str {
    let end = text.char_indices().nth(max_chars);
    end.and_then(|(end, _)| text.get(..end)).unwrap_or(text)
}

/// A log line in the making: `timestamp`, `level`, `event`, `correlation_id`, then its own fields in
/// the order of the calls.
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

    /// Adds a text of this program's own, in which there is nothing to redact and nothing to escape.
    fn word(&mut self, name: &str, value: &str) -> &mut Self {
        self.key(name);
        self.json.push(b'"');
        self.json.extend_from_slice(value.as_bytes());
        self.json.push(b'"');
        self
    }

    /// Adds a text of this program's own making, or one that was checked to be short.
    pub fn text(&mut self, name: &str, value: &str) -> &mut Self {
        let scrubbed = self.scrubber.scrub(value);
        self.field(name, &scrubbed)
    }

    /// Adds a text where there is one.
    pub fn optional_text(&mut self, name: &str, value: Option<&str>) -> &mut Self {
        if let Some(value) = value {
            self.text(name, value);
        }
        self
    }

    /// Adds at most `max_chars` characters of a text from outside, scrubbed as a whole before it is cut.
    pub fn outside(&mut self, name: &str, value: &str, max_chars: usize) -> &mut Self {
        let scrubbed = self.scrubber.scrub_outside(value);
        self.field(name, cut(&scrubbed, max_chars))
    }

    /// Adds an id that came from outside, unless there is none or it is none (see [`is_id`]).
    pub fn optional_id(&mut self, name: &str, id: Option<&str>) -> &mut Self {
        self.optional_text(name, id.filter(|id| is_id(id)))
    }

    /// Adds a whole number.
    pub fn number(&mut self, name: &str, value: u64) -> &mut Self {
        self.field(name, &value)
    }

    /// Adds a whole number where there is one.
    pub fn optional_number(&mut self, name: &str, value: Option<u64>) -> &mut Self {
        if let Some(value) = value {
            self.number(name, value);
        }
        self
    }

    /// Adds an object whose fields `fill` adds; the rules of redaction hold in it as well.
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
        // Made of texts alone.
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

/// Reasoning counts as output, and can use all of it up.
const HINT_NO_TEXT: &str =
    "the token limit was reached before any text; raise max_tokens of the request or MAX_TOKENS";

/// What became of a request, for its last line.
#[derive(Clone, Copy, Debug)]
pub struct Completion {
    /// Status of the response; nothing when the client left before there was one.
    pub http_status: Option<u16>,
    /// How it ended.
    pub end_reason: EndReason,
    /// From the request's arrival to its end.
    pub duration_ms: u64,
    /// From the request's arrival to the first frame with text.
    pub ttft_ms: Option<u64>,
    /// Frames with text.
    pub chunk_count: u64,
    /// Why the answer ended.
    pub finish_reason: Option<FinishReason>,
    /// What the answer cost.
    pub usage: Option<Usage>,
    /// Attempts after the first.
    pub retries: u32,
}

impl Completion {
    /// Adds the facts to a line.
    pub fn write(&self, record: &mut Record<'_>) {
        let status = match self.end_reason {
            EndReason::Done => "success",
            EndReason::ClientGone => "cancelled",
            _ => "error",
        };
        record
            .word("status", status)
            .optional_number("http_status", self.http_status.map(u64::from))
            .word("end_reason", self.end_reason.name())
            .number("duration_ms", self.duration_ms)
            .optional_number("ttft_ms", self.ttft_ms)
            .number("chunk_count", self.chunk_count)
            .optional_text("finish_reason", self.finish_reason.map(FinishReason::name));
        if let Some(usage) = self.usage {
            record.object("usage", |record| {
                record
                    .number("input_tokens", usage.input_tokens)
                    .number("output_tokens", usage.output_tokens)
                    .number("total_tokens", usage.total_tokens);
            });
        }
        record.number("retries", u64::from(self.retries));
        if self.finish_reason == Some(FinishReason::Length) && self.chunk_count == 0 {
            record.text("hint", HINT_NO_TEXT);
        }
    }
}

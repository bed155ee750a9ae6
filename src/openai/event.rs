//! What the events of both APIs have in common: fillers, the end mark, and errors wherever servers put them.

use super::meaning::Malformed;
use crate::json::{self, Fields};

/// An event's data, as far as both APIs read it alike.
pub(super) enum Event<'a> {
    /// Nothing of the answer: what some servers send to keep the connection alive.
    Filler,
    /// `[DONE]`.
    Done,
    /// An error; the data says which.
    Error,
    /// Everything else.
    Object(Fields<'a>),
}

/// The mark that ends a stream of Chat Completions.
const DONE: &str = "[DONE]";

/// The same from servers that write everything as JSON.
const QUOTED_DONE: &str = "\"[DONE]\"";

/// Types of events that say no more than that the server is still there.
const KEEP_ALIVES: [&str; 5] = ["ping", "heartbeat", "keepalive", "keep-alive", "keep_alive"];

impl<'a> Event<'a> {
    /// Reads an event. `kind` is its type, empty when it has none.
    pub(super) fn read(kind: &str, data: &'a str) -> Result<Self, Malformed> {
        if kind.eq_ignore_ascii_case("error") {
            return Ok(Self::Error);
        }
        let data = unwrapped(data);
        if data.is_empty() || data == "null" || data.starts_with(':') {
            return Ok(Self::Filler);
        }
        if data.starts_with(DONE) || data == QUOTED_DONE {
            return Ok(Self::Done);
        }
        if let Some(fields) = Fields::read(data) {
            return Ok(Self::Object(fields));
        }
        let elements = json::list(data).unwrap_or_default();
        let first = elements.first().and_then(|first| Fields::read(first));
        if first.is_some_and(|first| first.says("error")) {
            return Ok(Self::Error);
        }
        // An event of another kind need not be JSON. What begins as an object does, or a part of the
        // answer would be passed over.
        let is_other = !matches!(kind, "" | "message") && !kind.starts_with("response.");
        if is_other && !data.starts_with('{') {
            return Ok(Self::Filler);
        }
        Err(Malformed)
    }
}

/// Whether the data of an event that nothing follows is all of it: bytes that end may end anywhere.
pub fn is_whole(data: &str) -> bool {
    let data = unwrapped(data);
    let is_json = || Fields::read(data).is_some() || json::list(data).is_some();
    data == DONE || data == QUOTED_DONE || is_json()
}

/// Data without the field name that some servers write twice.
fn unwrapped(data: &str) -> &str {
    let mut data = data.trim();
    while let Some(rest) = data.strip_prefix("data:") {
        data = rest.trim_start();
    }
    data
}

/// Fields that only errors have.
const ERROR_FIELDS: [&str; 8] = [
    "error_type",
    "error_message",
    "error_msg",
    "error_code",
    "errorMessage",
    "errorCode",
    "errors",
    "detail",
];

/// Whether an event's object reports an error. `brings_answer` tells whether it also has a part of the answer
/// or its cost: then an `error` that is there but empty, as some servers write it always, is none.
pub(super) fn reports_error(fields: &Fields<'_>, brings_answer: bool) -> bool {
    let names_error = |name| fields.text(name).is_some_and(|text| text == "error");
    if fields.says("error") || names_error("object") || names_error("type") {
        return true;
    }
    if brings_answer {
        return false;
    }
    let empty = fields.given("error").is_some_and(|error| error != "false");
    let status = fields.text("status").unwrap_or_default();
    let mut codes = ["code", "status", "status_code", "statusCode"].iter();
    let fails = codes.any(|name| fields.get(name).is_some_and(is_failing));
    let base = fields.object("base_resp");
    empty
        || fails
        || ERROR_FIELDS.iter().any(|name| fields.says(name))
        || ["error", "failed", "failure", "fail"].contains(&status.as_str())
        || fields.get("success") == Some("false")
        || base.is_some_and(|base| base.says("status_code"))
        || says_message(fields)
}

/// Whether a value is the HTTP status of an error.
fn is_failing(json: &str) -> bool {
    let status = json.trim_matches('"').parse();
    status.is_ok_and(|status: u16| (400..600).contains(&status))
}

/// Whether an object without an answer has a sentence for one, as errors do.
fn says_message(fields: &Fields<'_>) -> bool {
    let kind = fields.text("type").unwrap_or_default();
    let message = ["message", "msg", "Message"]
        .iter()
        .find_map(|name| fields.text(name));
    message.is_some_and(|message| !message.is_empty()) && !KEEP_ALIVES.contains(&kind.as_str())
}

//! What the events of both APIs have in common: fillers, the end mark, usage, and errors wherever servers put them.

use super::delta::Malformed;
use crate::api::ending::Usage;
use crate::json::{self, Fields};

/// An event's data, as far as both APIs agree on it.
pub(super) enum Event<'a> {
    /// Nothing: some servers send it to keep the connection alive.
    Filler,
    /// `[DONE]`.
    Done,
    /// An error; the data says which.
    Error,
    /// Everything else.
    Object(Fields<'a>),
}

/// The end mark of Chat Completions.
const DONE: &str = "[DONE]";

/// The end mark of servers that write everything as JSON.
const QUOTED_DONE: &str = "\"[DONE]\"";

/// Types of events that only keep the connection alive.
const PING_KINDS: [&str; 5] = ["ping", "heartbeat", "keepalive", "keep-alive", "keep_alive"];

impl<'a> Event<'a> {
    /// Parses an event. `kind` is its type, empty when it has none.
    pub(super) fn parse(kind: &str, data: &'a str) -> Result<Self, Malformed> {
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
        if let Some(fields) = Fields::parse(data) {
            return Ok(Self::Object(fields));
        }
        let elements = json::list(data).unwrap_or_default();
        let first = elements.first().and_then(|first| Fields::parse(first));
        if first.is_some_and(|first| first.non_blank("error").is_some()) {
            return Ok(Self::Error);
        }
        // Events of other kinds need not be JSON. But a broken object is an error whatever its kind: to ignore it
        // could lose a part of the answer.
        let is_other = !matches!(kind, "" | "message") && !kind.starts_with("response.");
        if is_other && !data.starts_with('{') {
            return Ok(Self::Filler);
        }
        Err(Malformed)
    }
}

/// Whether an event's data is whole. The last event of a stream may be cut off anywhere.
pub fn is_whole(data: &str) -> bool {
    let data = unwrapped(data);
    let is_json = || Fields::parse(data).is_some() || json::list(data).is_some();
    data == DONE || data == QUOTED_DONE || is_json()
}

/// Data without a second `data:`, which some servers write.
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

/// Whether an event's object reports an error. `brings_answer` tells whether it also brings text or usage: some
/// servers write an empty `error` into each of those.
pub(super) fn reports_error(fields: &Fields<'_>, brings_answer: bool) -> bool {
    let names_error = |name| fields.text(name).is_some_and(|text| text == "error");
    if fields.non_blank("error").is_some() || names_error("object") || names_error("type") {
        return true;
    }
    if brings_answer {
        return false;
    }
    let empty = fields
        .non_null("error")
        .is_some_and(|error| error != "false");
    let status = fields.text("status").unwrap_or_default();
    let mut codes = ["code", "status", "status_code", "statusCode"].iter();
    let fails = codes.any(|name| fields.get(name).is_some_and(is_failing));
    let base = fields.object("base_resp");
    empty
        || fails
        || ERROR_FIELDS
            .iter()
            .any(|name| fields.non_blank(name).is_some())
        || ["error", "failed", "failure", "fail"].contains(&status.as_str())
        || fields.get("success") == Some("false")
        || base.is_some_and(|base| base.non_blank("status_code").is_some())
        || says_message(fields)
}

/// Whether a value is the HTTP status of an error.
fn is_failing(json: &str) -> bool {
    let status = json.trim_matches('"').parse();
    status.is_ok_and(|status: u16| (400..600).contains(&status))
}

/// Whether an object has a message for a person, as errors do.
fn says_message(fields: &Fields<'_>) -> bool {
    let kind = fields.text("type").unwrap_or_default();
    let message = ["message", "msg", "Message"]
        .iter()
        .find_map(|name| fields.text(name));
    message.is_some_and(|message| !message.is_empty()) && !PING_KINDS.contains(&kind.as_str())
}

/// The names of the counts, in Chat Completions and in Responses.
const INPUT: [&str; 2] = ["prompt_tokens", "input_tokens"];
const OUTPUT: [&str; 2] = ["completion_tokens", "output_tokens"];

/// The largest count that is believed. No model reads or writes as many at once.
const MAX_COUNT: u64 = 100_000_000;

/// The objects with parts of the counts. Some servers leave them out, and tell the parts beside the counts.
const INPUT_DETAILS: [&str; 2] = ["prompt_tokens_details", "input_tokens_details"];
const OUTPUT_DETAILS: [&str; 2] = ["completion_tokens_details", "output_tokens_details"];

/// Parses a `usage`: `None` for a placeholder. [`Malformed`] means that the usage is unknown, and does not spoil the
/// answer. A missing count is not taken for 0, but a missing total is the sum.
pub(super) fn usage(json: Option<&str>) -> Option<Result<Usage, Malformed>> {
    let json = json.filter(|json| !json::is_blank(json))?;
    Some(
        Fields::parse(json)
            .ok_or(Malformed)
            .and_then(|usage| counts(&usage)),
    )
}

fn counts(usage: &Fields<'_>) -> Result<Usage, Malformed> {
    let count = |names: &[&str]| {
        let given = names.iter().find_map(|name| usage.non_null(name));
        given.map(whole_number).transpose()
    };
    let input_tokens = count(&INPUT)?.ok_or(Malformed)?;
    let output_tokens = count(&OUTPUT)?.ok_or(Malformed)?;
    let sum = input_tokens.checked_add(output_tokens);
    let total_tokens = count(&["total_tokens"])?.or(sum).ok_or(Malformed)?;
    let detail = |parents: [&str; 2], name| {
        let mut parents = parents.iter();
        let told = parents.find_map(|parent| usage.object(parent)?.non_null(name));
        whole_number(told.or_else(|| usage.non_null(name))?).ok()
    };
    let hits = || whole_number(usage.non_null("prompt_cache_hit_tokens")?).ok();
    Ok(Usage {
        input_tokens,
        output_tokens,
        total_tokens,
        reasoning_tokens: detail(OUTPUT_DETAILS, "reasoning_tokens"),
        cached_tokens: detail(INPUT_DETAILS, "cached_tokens").or_else(hits),
    })
}

/// A count, which some servers write as `7.0`; at most [`MAX_COUNT`].
fn whole_number(json: &str) -> Result<u64, Malformed> {
    let digits = json.strip_suffix(".0").unwrap_or(json);
    let count = serde_json::from_str(digits).ok();
    count.filter(|count| *count <= MAX_COUNT).ok_or(Malformed)
}

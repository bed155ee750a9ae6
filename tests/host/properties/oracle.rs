//! The WHATWG event stream format the way its specification is written: all bytes at once, step by
//! step, no thought of speed. It shares nothing with the decoder, which has to come to the same.
//!
//! See <https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation>.

use std::mem::take;

use serde_json::Value;

use personal_ai_assistant::openai::Api;
use personal_ai_assistant::stream::sse::{DecodeError, MAX_EVENT_BYTES};

use crate::support::Decoded;

/// What the decoder has to make of these bytes, however they were cut. Four rules are ours: an event's size has a limit;
/// invalid UTF-8 in what is dispatched is an error; a field `error` makes its event one of that type, in which nothing
/// else counts; and a line that begins with `{` is data without the field's name, and an event of its own where none has
/// data yet.
pub fn decode_whole(stream: &[u8]) -> Decoded {
    let stream = stream.strip_prefix(b"\xef\xbb\xbf").unwrap_or(stream);
    let (lines, unfinished) = lines(stream);
    let mut events = Vec::new();
    let (mut kind, mut data, mut event_bytes) = (Vec::new(), Vec::new(), 0);
    let mut is_error = false;
    for line in lines {
        let is_comment = line.starts_with(b":");
        let size_bytes = line.len() + 1 + if is_comment { 0 } else { event_bytes };
        if size_bytes > MAX_EVENT_BYTES {
            return (events, Some(DecodeError::EventTooLarge));
        }
        if is_comment {
            continue;
        }
        event_bytes = size_bytes;
        let is_object = line.starts_with(b"{") && !is_error;
        let is_bare = is_object && data.is_empty();
        if is_object {
            data.extend_from_slice(line);
            data.push(b'\n');
        }
        if line.is_empty() || is_bare {
            event_bytes = 0;
            is_error = false;
            let (kind, mut data) = (take(&mut kind), take(&mut data));
            if data.pop().is_some() {
                match (String::from_utf8(kind), String::from_utf8(data)) {
                    (Ok(kind), Ok(data)) => events.push((kind, data)),
                    _ => return (events, Some(DecodeError::InvalidUtf8)),
                }
            }
            continue;
        }
        match field(line) {
            _ if is_error => {}
            (b"error", value) => {
                is_error = true;
                kind = b"error".to_vec();
                data = [value, b"\n"].concat();
            }
            (b"event", value) => kind = value.to_vec(),
            (b"data", value) => {
                data.extend_from_slice(value);
                data.push(b'\n');
            }
            _ => {}
        }
    }
    let is_comment = unfinished.starts_with(b":");
    let size_bytes = unfinished.len() + if is_comment { 0 } else { event_bytes };
    let error = (size_bytes > MAX_EVENT_BYTES).then_some(DecodeError::EventTooLarge);
    (events, error)
}

/// Every line that has an end, without it, and what follows the last one.
pub fn lines(stream: &[u8]) -> (Vec<&[u8]>, &[u8]) {
    let mut lines = Vec::new();
    let mut rest = stream;
    while let Some(at) = rest.iter().position(|byte| matches!(byte, b'\r' | b'\n')) {
        let (line, end) = rest.split_at(at);
        lines.push(line);
        rest = end.strip_prefix(b"\r\n").unwrap_or(&end[1..]);
    }
    (lines, rest)
}

/// Whether upstream said, in words that mean it, that its answer is complete. It reads a stream's bytes as a person
/// would who looks for such words, and shares nothing with the relay but the list of words that are none.
pub fn says_complete(api: Api, stream: &[u8]) -> bool {
    // A last event without its blank line may be whole.
    let (events, _) = decode_whole(&[stream, b"\n\n"].concat());
    let mut has_begun = false;
    events.iter().any(|(kind, data)| {
        // Some servers make one event of several.
        [data.as_str()].into_iter().chain(data.lines()).any(|data| {
            let data = data.trim().trim_start_matches("data:").trim();
            // Half a surrogate pair is JSON all the same; which character it is does not matter here.
            let whole = data.replace("\\ud", "\\u0").replace("\\uD", "\\u0");
            let json = serde_json::from_str(&whole).unwrap_or(Value::Null);
            match api {
                Api::ChatCompletions => {
                    let choices = json["choices"].as_array().map_or(&[][..], Vec::as_slice);
                    has_begun |= !choices.is_empty();
                    let is_mark = data.trim_matches('"').starts_with("[DONE]");
                    is_mark && has_begun || choices.iter().any(gives_reason)
                }
                Api::Responses => completes(kind, &json),
            }
        })
    })
}

/// Words that are no end of an answer, or the end of none.
const NO_REASONS: [&str; 12] = [
    "",
    "null",
    "none",
    "error",
    "abort",
    "aborted",
    "cancelled",
    "failed",
    "timeout",
    "network_error",
    "not_finished",
    "in_progress",
];

fn gives_reason(choice: &Value) -> bool {
    let words = [&choice["finish_reason"], &choice["finishReason"]];
    words.iter().filter_map(|word| word.as_str()).any(|word| {
        let word = word.trim().to_lowercase();
        !NO_REASONS.contains(&word.as_str())
    })
}

fn completes(kind: &str, event: &Value) -> bool {
    let response = &event["response"];
    let status = response["status"].as_str().map(str::to_ascii_lowercase);
    let is_complete =
        |status: &str| ["completed", "complete", "succeeded", "success"].contains(&status);
    let why = response["incomplete_details"]["reason"].as_str();
    if !response.is_object() || !response["error"].is_null() {
        return false;
    }
    match event["type"].as_str().unwrap_or(kind) {
        "response.incomplete" => why.is_some(),
        "response.completed" | "response.done" if status.as_deref() == Some("incomplete") => {
            why.is_some()
        }
        "response.completed" => status.as_deref().is_none_or(is_complete),
        "response.done" => status.as_deref().is_some_and(is_complete),
        _ => false,
    }
}

fn field(line: &[u8]) -> (&[u8], &[u8]) {
    let Some(colon) = line.iter().position(|byte| *byte == b':') else {
        return (line, b"");
    };
    let value = &line[colon + 1..];
    (&line[..colon], value.strip_prefix(b" ").unwrap_or(value))
}

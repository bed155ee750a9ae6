//! The WHATWG event stream format the way its specification is written: all bytes at once, step by
//! step, no thought of speed. It shares nothing with the decoder, which has to come to the same.
//!
//! See <https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation>.

use std::mem::take;

use personal_ai_assistant::stream::sse::{DecodeError, MAX_EVENT_BYTES};

use crate::support::Decoded;

/// What the decoder has to make of these bytes, however they were cut. Two rules are ours: an event's size has a limit,
/// and invalid UTF-8 in what is dispatched is an error.
pub fn decode_whole(stream: &[u8]) -> Decoded {
    let stream = stream.strip_prefix(b"\xef\xbb\xbf").unwrap_or(stream);
    let (lines, unfinished) = lines(stream);
    let mut events = Vec::new();
    let (mut kind, mut data, mut event_bytes) = (Vec::new(), Vec::new(), 0);
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
        if line.is_empty() {
            event_bytes = 0;
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

fn field(line: &[u8]) -> (&[u8], &[u8]) {
    let Some(colon) = line.iter().position(|byte| *byte == b':') else {
        return (line, b"");
    };
    let value = &line[colon + 1..];
    (&line[..colon], value.strip_prefix(b" ").unwrap_or(value))
}

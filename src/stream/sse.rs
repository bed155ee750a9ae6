//! Bytes → events, by the WHATWG event stream format. Knows no `OpenAI`.
//!
//! See <https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream>.
//! `id` and `retry` serve reconnection, which a streamed answer does not support, and are ignored.
//! Unlike in a browser, invalid UTF-8 is an error: replacing it would change the answer.
//!
//! Three things that the format ignores are read all the same, because servers send errors or answers that way:
//!
//! - A field `error` makes its event one of that type, with the field's value as its data.
//! - A line that begins with `{` is data without the field name, and an event of its own unless it is within one.
//! - At the end of the bytes, an event counts without its blank line.

use std::ops::Range;
use std::str;

use memchr::{memchr, memchr2};

/// Most bytes of one event's lines, including field names and line ends. A comment counts by itself.
pub const MAX_EVENT_BYTES: usize = 1 << 20;

/// The byte order mark that may begin the stream.
const BOM: &[u8] = b"\xef\xbb\xbf";

/// A decoded event.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Event<'a> {
    /// The `event` field; empty when there was none.
    pub kind: &'a str,
    /// The `data` fields, joined by line feeds.
    pub data: &'a str,
}

/// Why bytes cannot be decoded.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum DecodeError {
    /// An event has more than [`MAX_EVENT_BYTES`].
    EventTooLarge,
    /// An event's data or type is not UTF-8.
    InvalidUtf8,
}

impl DecodeError {
    /// The cause, for the log.
    pub const fn cause(self) -> &'static str {
        match self {
            Self::EventTooLarge => "an event is larger than 1 MiB",
            Self::InvalidUtf8 => "an event is not UTF-8",
        }
    }
}

/// An incremental decoder. It keeps at most one event and one chunk.
///
/// ```
/// use personal_ai_assistant::stream::sse::Decoder;
///
/// let mut decoder = Decoder::default();
/// decoder.feed(b"data: hel");
/// assert_eq!(decoder.next_event(), Ok(None));
/// decoder.feed(b"lo\n\n");
/// assert_eq!(decoder.next_event().map(|event| event.map(|event| event.data)), Ok(Some("hello")));
/// ```
#[derive(Debug, Default)]
pub struct Decoder {
    /// Bytes that are not decoded yet.
    buffer: Vec<u8>,
    /// Where the current line begins in `buffer`.
    line_start: usize,
    /// How far `buffer` was searched for the end of that line.
    searched: usize,
    /// Whether the last line ended in CR, so that a following LF belongs to its end.
    after_cr: bool,
    /// Whether the start of the stream, where a byte order mark may be, is over.
    started: bool,
    event: Pending,
    /// Whether `event` has been returned, and is to be cleared.
    dispatched: bool,
}

/// The type of an event that has a field `error`.
const ERROR: &[u8] = b"error";

/// The fields of the current event.
#[derive(Debug, Default)]
struct Pending {
    size_bytes: usize,
    kind: Vec<u8>,
    /// Whether a field `error` came, after which no other field counts.
    is_error: bool,
    has_data: bool,
    /// The `data` lines, joined.
    data: Vec<u8>,
}

impl Decoder {
    /// Adds a chunk. Call [`Decoder::next_event`] until it returns `None` before feeding the next one.
    pub fn feed(&mut self, chunk: &[u8]) {
        let done = self.line_start.min(self.buffer.len());
        self.buffer.drain(..done);
        self.searched = self.searched.saturating_sub(done);
        self.line_start = 0;
        self.buffer.extend_from_slice(chunk);
    }

    /// The bytes have ended: returns what there is of a last event, as if its blank line had come. It may have been cut
    /// off.
    ///
    /// # Errors
    ///
    /// [`DecodeError`], also when the bytes end inside a character.
    pub fn finish(&mut self) -> Result<Option<Event<'_>>, DecodeError> {
        self.feed(b"\n\n");
        self.next_event()
    }

    /// The next event whose blank line has come. An event without `data` is ignored, unless its type is `error`.
    ///
    /// # Errors
    ///
    /// [`DecodeError::InvalidUtf8`] concerns this event alone. After [`DecodeError::EventTooLarge`], nothing more can be
    /// decoded.
    pub fn next_event(&mut self) -> Result<Option<Event<'_>>, DecodeError> {
        if self.dispatched {
            self.event.clear();
            self.dispatched = false;
        }
        if !self.skip_bom() {
            return Ok(None);
        }
        while let Some(line) = self.next_line() {
            // The line end counts as one byte, so that the size does not depend on how the bytes were split.
            self.check_size(&line, 1)?;
            if !line.is_empty() {
                let is_alone = !self.event.has_data;
                if !self.is_bare_object(&line) {
                    self.field(line);
                    continue;
                }
                self.add_data(line);
                if is_alone {
                    return self.dispatch().map(Some);
                }
            } else if self.event.has_data || self.event.kind == ERROR {
                return self.dispatch().map(Some);
            } else {
                self.event.clear();
            }
        }
        let unfinished = self.line_start..self.buffer.len();
        self.check_size(&unfinished, 0)?;
        Ok(None)
    }

    fn dispatch(&mut self) -> Result<Event<'_>, DecodeError> {
        self.dispatched = true;
        let text = |bytes| str::from_utf8(bytes).map_err(|_| DecodeError::InvalidUtf8);
        Ok(Event {
            kind: text(&self.event.kind)?,
            data: text(&self.event.data)?,
        })
    }

    /// Adds a line to the size of its event.
    fn check_size(
        &mut self,
        line: &Range<usize>,
        line_end_bytes: usize,
    ) -> Result<(), DecodeError> {
        let line_bytes = line.len().saturating_add(line_end_bytes);
        let is_comment = self.bytes(line).first() == Some(&b':');
        let others_bytes = if is_comment { 0 } else { self.event.size_bytes };
        let size_bytes = others_bytes.saturating_add(line_bytes);
        if size_bytes > MAX_EVENT_BYTES {
            return Err(DecodeError::EventTooLarge);
        }
        if !is_comment && line_end_bytes > 0 {
            self.event.size_bytes = size_bytes;
        }
        Ok(())
    }

    /// Whether a line is a JSON object without a field name.
    fn is_bare_object(&self, line: &Range<usize>) -> bool {
        !self.event.is_error && self.bytes(line).first() == Some(&b'{')
    }

    fn field(&mut self, line: Range<usize>) {
        let bytes = self.bytes(&line);
        let colon = memchr(b':', bytes);
        let (name, value) = bytes.split_at(colon.unwrap_or(bytes.len()));
        let value = value.strip_prefix(b":").unwrap_or(value);
        let value = value.strip_prefix(b" ").unwrap_or(value);
        let value = line.end.saturating_sub(value.len())..line.end;
        match name {
            _ if self.event.is_error => {}
            b"data" => self.add_data(value),
            b"event" => self.event.kind = self.bytes(&value).to_vec(),
            ERROR => {
                let size_bytes = self.event.size_bytes;
                self.event.clear();
                self.event.size_bytes = size_bytes;
                self.event.is_error = true;
                self.event.kind.extend_from_slice(ERROR);
                self.add_data(value);
            }
            _ => {}
        }
    }

    fn add_data(&mut self, line: Range<usize>) {
        if self.event.has_data {
            self.event.data.push(b'\n');
        }
        self.event.has_data = true;
        let added = self.buffer.get(line).unwrap_or_default();
        self.event.data.extend_from_slice(added);
    }

    /// The next complete line, without its end: LF, CR or CRLF.
    fn next_line(&mut self) -> Option<Range<usize>> {
        if self.after_cr {
            let next = *self.buffer.get(self.line_start)?;
            if next == b'\n' {
                self.line_start = self.line_start.saturating_add(1);
                self.searched = self.line_start;
            }
            self.after_cr = false;
        }
        let rest = self.buffer.get(self.searched..).unwrap_or_default();
        let Some(offset) = memchr2(b'\n', b'\r', rest) else {
            self.searched = self.buffer.len();
            return None;
        };
        self.after_cr = rest.get(offset) == Some(&b'\r');
        let end = self.searched.saturating_add(offset);
        let line = self.line_start..end;
        self.line_start = end.saturating_add(1);
        self.searched = self.line_start;
        Some(line)
    }

    /// Skips a byte order mark; false while the bytes so far may still become one.
    fn skip_bom(&mut self) -> bool {
        if self.started {
            return true;
        }
        if self.buffer.starts_with(BOM) {
            self.line_start = BOM.len();
            self.searched = BOM.len();
        } else if BOM.starts_with(&self.buffer) {
            return false;
        }
        self.started = true;
        true
    }

    fn bytes(&self, range: &Range<usize>) -> &[u8] {
        self.buffer.get(range.clone()).unwrap_or_default()
    }
}

impl Pending {
    /// Clears the fields but keeps their memory.
    fn clear(&mut self) {
        self.size_bytes = 0;
        self.kind.clear();
        self.is_error = false;
        self.has_data = false;
        self.data.clear();
    }
}

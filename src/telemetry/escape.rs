//! Characters as URLs and JSON escape them: `%2F` and `\u002F` are a slash.
//!
//! Nested escapes (`%252F`) and hexadecimal digits of either case are undone as well. Other encodings, such as Base64,
//! can hide a secret.

/// The length of the beginning of `text` that spells `word`, any byte of which may be escaped. If there are several
/// readings, the longest one counts.
pub(super) fn prefix_len(text: &[u8], word: &[u8]) -> Option<usize> {
    // Most texts differ in the first byte.
    let first = text.first()?;
    if word.first() != Some(first) && !matches!(first, b'%' | b'\\') {
        return None;
    }
    let mut ends = vec![0];
    for byte in word {
        let mut next = Vec::new();
        for end in ends {
            let rest = text.get(end..).unwrap_or_default();
            let mut readings = Readings::of(rest);
            while let Some((read, len)) = readings.next() {
                let end = end.saturating_add(len);
                if read == *byte && !next.contains(&end) {
                    next.push(end);
                }
            }
        }
        ends = next;
    }
    ends.into_iter().max()
}

/// The first character of a text, with all escapes undone, and its length as written.
pub(super) fn character(text: &[u8]) -> Option<(u8, usize)> {
    let mut readings = Readings::of(text);
    let mut last = None;
    while let Some(reading) = readings.next() {
        last = Some(reading);
    }
    last
}

/// A text with one layer of escapes undone; `None` when it has none.
pub(super) fn undo(text: &[u8]) -> Option<Vec<u8>> {
    let mut undone = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.first() {
        let mut readings = Readings::of(rest);
        readings.next();
        let (byte, len) = readings.next().unwrap_or((*first, 1));
        undone.push(byte);
        rest = rest.get(len..).unwrap_or_default();
    }
    (undone.len() < text.len()).then_some(undone)
}

/// The readings of a text's beginning, each a byte and its length as written: the byte itself, then what it escapes.
/// In `%252541`, each `25` is a percent sign that was escaped again.
struct Readings<'a> {
    text: &'a [u8],
    /// The length of the last reading.
    len: usize,
    /// Whether the next two bytes may be digits of an escape.
    is_escape: bool,
}

impl<'a> Readings<'a> {
    fn of(text: &'a [u8]) -> Self {
        Self {
            text,
            len: 0,
            is_escape: false,
        }
    }

    fn next(&mut self) -> Option<(u8, usize)> {
        let (byte, len) = match self.text.get(self.len..)? {
            [first, ..] if self.len == 0 => (*first, 1),
            [high, low, ..] if self.is_escape => (hex(*high, *low)?, self.len.saturating_add(2)),
            [b'u', b'0', b'0', high, low, ..]
                if self.text.first() == Some(&b'\\') && self.len == 1 =>
            {
                (hex(*high, *low)?, 6)
            }
            [b'n' | b'r' | b't', ..] if self.text.first() == Some(&b'\\') && self.len == 1 => {
                (b' ', 2)
            }
            [byte @ (b'"' | b'\\' | b'/' | b'\''), ..]
                if self.text.first() == Some(&b'\\') && self.len == 1 =>
            {
                (*byte, 2)
            }
            _ => return None,
        };
        self.len = len;
        self.is_escape = byte == b'%';
        Some((byte, len))
    }
}

/// The byte of two hexadecimal digits.
fn hex(high: u8, low: u8) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let byte = digit(high)?.checked_mul(16)?.checked_add(digit(low)?)?;
    u8::try_from(byte).ok()
}

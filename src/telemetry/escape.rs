//! Characters as URLs and JSON write them: `%2F` and `\u002F` are a slash.
//!
//! Only what such writers do by themselves is undone, in either case of hexadecimal digits and however often
//! it was done (`%252F`). Who turns a secret into another text on purpose, as Base64 does, can hide it.

/// How much of `text` spells `word`, each byte of which may be escaped; nothing when it does not begin so.
/// Where it can be read in several ways, the longest counts.
pub(super) fn prefix_len(text: &[u8], word: &[u8]) -> Option<usize> {
    // Nearly always it ends here.
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

/// The character at the beginning of a text, escapes undone as far as possible, and its length as written.
pub(super) fn character(text: &[u8]) -> Option<(u8, usize)> {
    let mut readings = Readings::of(text);
    let mut last = None;
    while let Some(reading) = readings.next() {
        last = Some(reading);
    }
    last
}

/// A text whose escapes are undone once; nothing when it has none.
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

/// What the beginning of a text may mean, a byte and its length as written: itself, then, where it is an escape,
/// what that stands for. In `%252541` each `25` is a percent sign that was escaped again.
struct Readings<'a> {
    text: &'a [u8],
    /// Bytes of the last reading.
    len: usize,
    /// Whether the next two bytes are digits of an escape.
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

/// The byte that two hexadecimal digits mean.
fn hex(high: u8, low: u8) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let byte = digit(high)?.checked_mul(16)?.checked_add(digit(low)?)?;
    u8::try_from(byte).ok()
}

//! An answer's text, in the pieces in which upstream sent it.
//!
//! Piece *n* is the content of frame *n*: a JSON string with its quotes, exactly as it came. All pieces stand in one
//! sequence of bytes, each behind its length. The journal's rows, an answer in motion and a finished one hold the same
//! bytes, so joining rows is joining bytes, and a replay from any frame repeats what was sent.

/// Most bytes of an answer that are kept. A row holds 2 MB, and the message stands in the same row.
pub const MAX_PIECES_BYTES: usize = 1_900_000;

/// Replaces half a surrogate pair whose other half never comes.
const REPLACEMENT: char = '\u{FFFD}';

/// The pieces of one answer so far.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Pieces {
    bytes: Vec<u8>,
    count: u64,
}

impl Pieces {
    /// Adds a piece: a JSON string with its quotes.
    pub fn push(&mut self, json: &str) {
        push_length(json.len(), &mut self.bytes);
        self.bytes.extend_from_slice(json.as_bytes());
        self.count = self.count.saturating_add(1);
    }

    /// The encoded pieces, for the store.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Reads encoded pieces. What follows the last whole piece is dropped.
    pub fn from_bytes(mut bytes: Vec<u8>) -> Self {
        let mut pieces = Iter(&bytes);
        let count = pieces.by_ref().count();
        let rest = pieces.0.len();
        bytes.truncate(bytes.len().saturating_sub(rest));
        Self {
            bytes,
            count: u64::try_from(count).unwrap_or(u64::MAX),
        }
    }

    /// How many pieces there are, which is the sequence of the next frame.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The pieces as JSON strings, in their order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        Iter(&self.bytes)
    }

    /// The text that all pieces make together. Half a surrogate pair becomes U+FFFD.
    pub fn text(&self) -> String {
        let mut text = Text::default();
        for json in self.iter() {
            text.push(json);
        }
        text.finish()
    }
}

/// The pieces in front of these bytes. What it cannot read stays.
struct Iter<'a>(&'a [u8]);

impl<'a> Iterator for Iter<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let (length, rest) = take_length(self.0)?;
        let (piece, rest) = rest.split_at_checked(length)?;
        let json = std::str::from_utf8(piece).ok()?;
        let is_string = json.len() >= 2 && json.starts_with('"') && json.ends_with('"');
        if is_string {
            self.0 = rest;
        }
        is_string.then_some(json)
    }
}

/// Appends a length in base 128, lowest digit first; all digits but the last have their highest bit set.
fn push_length(length: usize, out: &mut Vec<u8>) {
    let mut rest = length;
    loop {
        let digit = u8::try_from(rest & 0x7F).unwrap_or_default();
        rest >>= 7;
        if rest == 0 {
            return out.push(digit);
        }
        out.push(digit | 0x80);
    }
}

/// The length that these bytes begin with, and what follows it.
fn take_length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let mut length = 0_usize;
    // Four digits reach 256 MiB: more is no length of ours.
    for (at, byte) in bytes.iter().enumerate().take(4) {
        let digit = usize::from(byte & 0x7F);
        length |= digit << at.saturating_mul(7);
        if byte & 0x80 == 0 {
            return Some((length, bytes.get(at.saturating_add(1)..)?));
        }
    }
    None
}

/// Decoded text, and the first half of a surrogate pair that waits for the second.
#[derive(Default)]
struct Text {
    out: String,
    first_half: Option<u16>,
}

impl Text {
    /// Appends what a JSON string says.
    fn push(&mut self, json: &str) {
        let inner = json
            .strip_prefix('"')
            .and_then(|rest| rest.strip_suffix('"'));
        let mut rest = inner.unwrap_or_default();
        while let Some((before, escape)) = rest.find('\\').and_then(|at| rest.split_at_checked(at))
        {
            self.plain(before);
            rest = self.escape(escape);
        }
        self.plain(rest);
    }

    fn plain(&mut self, text: &str) {
        if !text.is_empty() {
            self.settle();
            self.out.push_str(text);
        }
    }

    /// Appends what an escape stands for, and returns the text behind it.
    fn escape<'a>(&mut self, escape: &'a str) -> &'a str {
        let mut letters = escape.chars();
        letters.next();
        let letter = match letters.next() {
            Some('u') => {
                let (digits, after) = letters.as_str().split_at_checked(4).unwrap_or_default();
                match u16::from_str_radix(digits, 16) {
                    Ok(unit) => self.unit(unit),
                    Err(_) => self.letter(REPLACEMENT),
                }
                return after;
            }
            Some('b') => '\u{8}',
            Some('f') => '\u{C}',
            Some('n') => '\n',
            Some('r') => '\r',
            Some('t') => '\t',
            Some(letter) => letter,
            None => REPLACEMENT,
        };
        self.letter(letter);
        letters.as_str()
    }

    /// Appends a UTF-16 code unit.
    fn unit(&mut self, unit: u16) {
        let first_half = self.first_half.take();
        let pair = first_half.and_then(|first| char::decode_utf16([first, unit]).next()?.ok());
        if let Some(letter) = pair {
            return self.out.push(letter);
        }
        if first_half.is_some() {
            self.out.push(REPLACEMENT);
        }
        match unit {
            0xD800..=0xDBFF => self.first_half = Some(unit),
            _ => self
                .out
                .push(char::from_u32(unit.into()).unwrap_or(REPLACEMENT)),
        }
    }

    fn letter(&mut self, letter: char) {
        self.settle();
        self.out.push(letter);
    }

    /// Whatever comes next, it is no second half.
    fn settle(&mut self) {
        if self.first_half.take().is_some() {
            self.out.push(REPLACEMENT);
        }
    }

    fn finish(mut self) -> String {
        self.settle();
        self.out
    }
}

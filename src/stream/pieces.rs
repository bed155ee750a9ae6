//! An answer's text as it is kept: piece by piece, each as the model's server wrote it.
//!
//! Piece *n* is the content of frame *n*. The journal of a running answer, its copy in memory and the finished answer
//! all hold these bytes, so frames made of them are the same at any time.

use crate::json;

/// Most bytes of an answer that are kept. A row of the store holds 2 MB, of which the message takes some.
pub const MAX_BYTES: usize = 1_900_000;

/// The most bytes that a piece's length takes: enough for a `u32`.
const MAX_LENGTH_BYTES: usize = 5;

/// Pieces of an answer's text. Each is its length, seven bits a byte, lowest first (LEB128), then its JSON string.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Pieces(Vec<u8>);

impl Pieces {
    /// Wraps bytes that [`Pieces::as_bytes`] gave. What follows the last whole piece is dropped.
    pub fn from_bytes(mut bytes: Vec<u8>) -> Self {
        let mut rest = bytes.as_slice();
        while let Some((_, after)) = split_first(rest) {
            rest = after;
        }
        bytes.truncate(bytes.len().saturating_sub(rest.len()));
        Self(bytes)
    }

    /// The pieces as they are stored.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Appends a piece. `json` is a JSON string.
    pub fn push(&mut self, json: &str) {
        append(json, &mut self.0);
    }

    /// Appends pieces.
    pub fn extend(&mut self, pieces: &[u8]) {
        self.0.extend_from_slice(pieces);
    }

    /// The pieces in order, as JSON strings.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        let mut rest = self.as_bytes();
        std::iter::from_fn(move || {
            let (json, after) = split_first(rest)?;
            rest = after;
            Some(json)
        })
    }

    /// The number of pieces.
    pub fn count(&self) -> u64 {
        self.iter().fold(0, |count, _| count.saturating_add(1))
    }

    /// The text of all pieces.
    pub fn text(&self) -> String {
        self.iter().filter_map(json::text).collect()
    }
}

/// Appends a piece to bytes that hold pieces.
pub(super) fn append(json: &str, out: &mut Vec<u8>) {
    let mut length = json.len();
    loop {
        let [lowest, ..] = length.to_le_bytes();
        length >>= 7;
        if length == 0 {
            out.push(lowest & 0x7F);
            break;
        }
        out.push(lowest | 0x80);
    }
    out.extend_from_slice(json.as_bytes());
}

/// Splits the first piece off: its JSON string, and what follows. `None` at the end, and when the rest is no piece.
pub fn split_first(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let mut length = 0_usize;
    let mut rest = bytes;
    for shift in (0..).step_by(7).take(MAX_LENGTH_BYTES) {
        let (byte, after) = rest.split_first()?;
        rest = after;
        length |= usize::from(byte & 0x7F).checked_shl(shift)?;
        if byte & 0x80 == 0 {
            let (json, after) = rest.split_at_checked(length)?;
            return Some((std::str::from_utf8(json).ok()?, after));
        }
    }
    None
}

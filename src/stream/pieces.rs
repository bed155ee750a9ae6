//! An answer's text as it is kept: piece by piece, each as the model's server wrote it.
//!
//! Piece *n* is what frame *n* says: text of the answer, or what the model thought. The journal of a running answer, its
//! copy in memory and the finished answer all hold these bytes, so frames made of them are the same at any time.

use super::seen::Seen;
use crate::json;

/// Most bytes of an answer that are kept. A row of the store holds 2 MB, of which the message takes some.
pub const MAX_BYTES: usize = 1_900_000;

/// Most bytes of pieces with reasoning in an answer: the model may think at length, and the answer needs the room.
pub const MAX_REASONING_BYTES: usize = 524_288;

/// The most bytes that a piece's length takes: enough for a `u32`.
const MAX_LENGTH_BYTES: usize = 5;

/// The most that a piece has beside its JSON string.
pub(super) const MAX_OVERHEAD_BYTES: usize = MAX_LENGTH_BYTES + 1;

/// Stands before the JSON string of a piece with reasoning.
const REASONING_MARK: u8 = b'~';

/// What a frame says, as a JSON string.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Piece<'a> {
    /// Text of the answer.
    Text(&'a str),
    /// What the model thought.
    Reasoning(&'a str),
}

/// Pieces of an answer. Each is its length, seven bits a byte, lowest first (LEB128), then its JSON string, which has a
/// mark before it if it is reasoning.
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

    /// Appends a piece.
    pub fn push(&mut self, piece: Piece<'_>) {
        append(piece, &mut self.0);
    }

    /// Appends pieces.
    pub fn extend(&mut self, pieces: &[u8]) {
        self.0.extend_from_slice(pieces);
    }

    /// The pieces in order.
    pub fn iter(&self) -> impl Iterator<Item = Piece<'_>> {
        let mut rest = self.as_bytes();
        std::iter::from_fn(move || {
            let (piece, after) = split_first(rest)?;
            rest = after;
            Some(piece)
        })
    }

    /// The number of pieces.
    pub fn count(&self) -> u64 {
        self.iter().fold(0, |count, _| count.saturating_add(1))
    }

    /// The number of pieces with text.
    pub fn text_count(&self) -> u64 {
        self.texts().fold(0, |count, _| count.saturating_add(1))
    }

    /// The text of all pieces, without the reasoning.
    pub fn text(&self) -> String {
        self.texts().filter_map(json::text).collect()
    }

    /// What they show of an answer that was left.
    pub fn seen(&self) -> Seen {
        let mut seen = Seen::default();
        for piece in self.iter() {
            let (bytes, json) = match piece {
                Piece::Text(json) => (&mut seen.text_bytes, json),
                Piece::Reasoning(json) => (&mut seen.reasoning_bytes, json),
            };
            *bytes = bytes.saturating_add(json::text_bytes(json));
        }
        seen
    }

    /// The reasoning of all pieces.
    pub fn reasoning(&self) -> String {
        let reasoning = self.iter().filter_map(|piece| match piece {
            Piece::Reasoning(json) => json::text(json),
            Piece::Text(_) => None,
        });
        reasoning.collect()
    }

    fn texts(&self) -> impl Iterator<Item = &str> {
        self.iter().filter_map(|piece| match piece {
            Piece::Text(json) => Some(json),
            Piece::Reasoning(_) => None,
        })
    }
}

/// Appends a piece to bytes that hold pieces.
pub(super) fn append(piece: Piece<'_>, out: &mut Vec<u8>) {
    let (mark, json) = match piece {
        Piece::Text(json) => (None, json),
        Piece::Reasoning(json) => (Some(REASONING_MARK), json),
    };
    let mut length = json.len().saturating_add(usize::from(mark.is_some()));
    loop {
        let [lowest, ..] = length.to_le_bytes();
        length >>= 7;
        if length == 0 {
            out.push(lowest & 0x7F);
            break;
        }
        out.push(lowest | 0x80);
    }
    out.extend(mark);
    out.extend_from_slice(json.as_bytes());
}

/// Splits the first piece off, and gives what follows, too. `None` at the end, and when the rest is no piece.
pub fn split_first(bytes: &[u8]) -> Option<(Piece<'_>, &[u8])> {
    let mut length = 0_usize;
    let mut rest = bytes;
    for shift in (0..).step_by(7).take(MAX_LENGTH_BYTES) {
        let (byte, after) = rest.split_first()?;
        rest = after;
        length |= usize::from(byte & 0x7F).checked_shl(shift)?;
        if byte & 0x80 == 0 {
            let (json, after) = rest.split_at_checked(length)?;
            let json = std::str::from_utf8(json).ok()?;
            let piece = match json.strip_prefix(char::from(REASONING_MARK)) {
                Some(json) => Piece::Reasoning(json),
                None => Piece::Text(json),
            };
            return Some((piece, after));
        }
    }
    None
}

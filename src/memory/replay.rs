//! Pieces of an answer → the frames that a reader has not got yet.
//!
//! Whether the answer is running or was finished a year ago, a reader has a position of its own and gets the same bytes.

use crate::api::answer_id::AnswerId;
use crate::api::correlation::CorrelationId;
use crate::api::frame::FrameEncoder;
use crate::stream::pieces::{Piece, Pieces, split_first};

/// A reader's position in an answer.
#[derive(Debug)]
pub struct Replay {
    frames: FrameEncoder,
    /// Where the next piece begins.
    offset: usize,
    /// Pieces before the reader's first frame that have not been passed over yet.
    to_skip: u64,
    /// Frames with text that were given.
    frame_count: u64,
}

impl Replay {
    /// A reader that gets the frames strictly after `after`, or all of them. `asker` is the correlation id of the request
    /// that asked for the answer, which all of its frames carry.
    pub fn new(asker: CorrelationId, answer_id: AnswerId, after: Option<u64>) -> Self {
        let first = after.map_or(0, |sequence| sequence.saturating_add(1));
        Self {
            frames: FrameEncoder::resumed(asker, answer_id, first),
            offset: 0,
            to_skip: first,
            frame_count: 0,
        }
    }

    /// Appends the frames of the pieces that follow, until `out` has `max_bytes` or more.
    pub fn read(&mut self, pieces: &Pieces, max_bytes: usize, out: &mut Vec<u8>) {
        let all = pieces.as_bytes();
        while out.len() < max_bytes {
            let rest = all.get(self.offset..).unwrap_or_default();
            let Some((piece, after)) = split_first(rest) else {
                break;
            };
            self.offset = all.len().saturating_sub(after.len());
            if self.to_skip > 0 {
                self.to_skip = self.to_skip.saturating_sub(1);
            } else {
                match piece {
                    Piece::Text(json) => {
                        self.frames.content(json, out);
                        self.frame_count = self.frame_count.saturating_add(1);
                    }
                    Piece::Reasoning(json) => self.frames.reasoning(json, out),
                }
            }
        }
    }

    /// Whether there are pieces that were not read.
    pub fn has_more(&self, pieces: &Pieces) -> bool {
        pieces.as_bytes().len() > self.offset
    }

    /// Whether the final frame is due once all pieces are read: false when the reader already has it, or asked for frames
    /// behind it.
    pub fn lacks_ending(&self) -> bool {
        self.to_skip == 0
    }

    /// Appends the final frame. `fields` are those of [`Ending::fields`](crate::api::frame::Ending::fields) and
    /// [`kept_fields`](crate::api::frame::kept_fields).
    pub fn finish(&mut self, fields: &str, out: &mut Vec<u8>) {
        self.frames.ending_of(fields, out);
    }

    /// Frames with text that were given so far.
    pub fn frame_count(&self) -> u64 {
        self.frame_count
    }
}

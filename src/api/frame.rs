//! Frames: the server-sent events that a client reads.
//!
//! A frame is one `data:` line of compact JSON and a blank line. Its keys come in a fixed order, its
//! `sequence` counts 0, 1, 2, … without gaps.

use serde::Serialize;

use super::correlation::CorrelationId;
use super::ending::{FinishReason, Usage};
use super::error::ApiError;
use crate::json;

/// The comment line that keeps an otherwise silent connection alive.
pub const KEEP_ALIVE: &[u8] = b": keep-alive\n\n";

/// Writes the frames of one stream.
#[derive(Debug)]
pub struct FrameEncoder {
    correlation_id: CorrelationId,
    /// What follows the sequence in every frame but the last.
    content_tail: String,
    next_sequence: u64,
}

/// What the final frame says.
#[derive(Clone, Copy, Debug)]
pub enum Ending<'a> {
    /// The answer is complete.
    Finished {
        /// Why it ended.
        finish_reason: FinishReason,
        /// Its tokens, if upstream has counted them.
        usage: Option<Usage>,
    },
    /// The answer is not complete.
    Failed(&'a ApiError),
}

impl FrameEncoder {
    /// The encoder of a new stream.
    pub fn new(correlation_id: CorrelationId) -> Self {
        let content_tail =
            format!(",\"is_final\":false,\"correlation_id\":\"{correlation_id}\"}}\n\n");
        Self {
            correlation_id,
            content_tail,
            next_sequence: 0,
        }
    }

    /// The next frame's number.
    pub fn next_sequence(&self) -> u64 {
        self.next_sequence
    }

    /// Writes a frame with the next piece of text. `content` is a JSON string.
    pub fn content(&mut self, content: &str, out: &mut Vec<u8>) {
        out.extend_from_slice(b"data: {\"content\":");
        out.extend_from_slice(content.as_bytes());
        out.extend_from_slice(b",\"sequence\":");
        self.number(out);
        out.extend_from_slice(self.content_tail.as_bytes());
    }

    /// Writes the final frame. Nothing may follow it.
    pub fn ending(&mut self, ending: Ending<'_>, out: &mut Vec<u8>) {
        out.extend_from_slice(b"data: {\"content\":\"\",\"sequence\":");
        self.number(out);
        out.extend_from_slice(b",\"is_final\":true,\"correlation_id\":\"");
        out.extend_from_slice(self.correlation_id.as_str().as_bytes());
        out.push(b'"');
        match ending {
            Ending::Finished {
                finish_reason,
                usage,
            } => {
                field("finish_reason", finish_reason.name(), out);
                if let Some(usage) = usage {
                    field("usage", &usage, out);
                }
            }
            Ending::Failed(error) => {
                field("error", error.code.title(), out);
                field("detail", &error.detail, out);
                field("code", error.code.name(), out);
            }
        }
        out.extend_from_slice(b"}\n\n");
    }

    fn number(&mut self, out: &mut Vec<u8>) {
        json::append(&self.next_sequence, out);
        self.next_sequence = self.next_sequence.saturating_add(1);
    }
}

fn field(name: &str, value: &(impl Serialize + ?Sized), out: &mut Vec<u8>) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
    json::append(value, out);
}

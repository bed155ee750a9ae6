//! Frames: the server-sent events that a client reads.
//!
//! A frame is one `data:` line of compact JSON and a blank line. Its keys come in a fixed order, its
//! `sequence` counts 0, 1, 2, … without gaps. A frame of a kept answer has an `id:` line before it.

use super::answer_id::AnswerId;
use super::correlation::CorrelationId;
use super::ending::{FinishReason, Usage};
use super::error::ApiError;
use crate::json::{self, Object};

/// The comment line that keeps an otherwise silent connection alive.
pub const KEEP_ALIVE: &[u8] = b": keep-alive\n\n";

/// Writes the frames of one stream.
#[derive(Debug)]
pub struct FrameEncoder {
    correlation_id: CorrelationId,
    /// The id of a kept answer: its frames have ids, so that a reader can resume behind any of them.
    answer_id: Option<AnswerId>,
    /// What follows the sequence in every frame but the last.
    content_tail: String,
    /// The last fields of the final frame, with a comma before them.
    ending_tail: String,
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
            answer_id: None,
            content_tail,
            ending_tail: String::new(),
            next_sequence: 0,
        }
    }

    /// The encoder of a reader of a kept answer. `correlation_id` is that of the request that asked for it.
    pub fn resumed(correlation_id: CorrelationId, answer_id: AnswerId, next_sequence: u64) -> Self {
        Self {
            answer_id: Some(answer_id),
            next_sequence,
            ..Self::new(correlation_id)
        }
    }

    /// Has the final frame tell which model answers.
    #[must_use]
    pub fn answered_by(self, model: &str) -> Self {
        Self {
            ending_tail: format!(",{}", model_field(model)),
            ..self
        }
    }

    /// Writes a frame with the next piece of text. `content` is a JSON string.
    pub fn content(&mut self, content: &str, out: &mut Vec<u8>) {
        self.begun(b"data: {\"content\":", content, out);
    }

    /// Writes a frame with the next piece of what the model thinks. `reasoning` is a JSON string.
    pub fn reasoning(&mut self, reasoning: &str, out: &mut Vec<u8>) {
        self.begun(b"data: {\"content\":\"\",\"reasoning\":", reasoning, out);
    }

    /// Writes a frame that begins so and goes on with a JSON string.
    fn begun(&mut self, beginning: &[u8], text: &str, out: &mut Vec<u8>) {
        self.id(out);
        out.extend_from_slice(beginning);
        out.extend_from_slice(text.as_bytes());
        out.extend_from_slice(b",\"sequence\":");
        self.number(out);
        out.extend_from_slice(self.content_tail.as_bytes());
    }

    /// Writes the final frame. Nothing may follow it.
    pub fn ending(&mut self, ending: Ending<'_>, out: &mut Vec<u8>) {
        let mut fields = ending.fields();
        fields.push_str(&self.ending_tail);
        self.ending_of(&fields, out);
    }

    /// Writes the final frame of fields as [`Ending::fields`] gives them.
    pub fn ending_of(&mut self, fields: &str, out: &mut Vec<u8>) {
        self.id(out);
        out.extend_from_slice(b"data: {\"content\":\"\",\"sequence\":");
        self.number(out);
        out.extend_from_slice(b",\"is_final\":true,\"correlation_id\":\"");
        out.extend_from_slice(self.correlation_id.as_str().as_bytes());
        out.extend_from_slice(b"\",");
        out.extend_from_slice(fields.as_bytes());
        out.extend_from_slice(b"}\n\n");
    }

    fn id(&self, out: &mut Vec<u8>) {
        if let Some(answer_id) = &self.answer_id {
            out.extend_from_slice(b"id: ");
            out.extend_from_slice(answer_id.as_str().as_bytes());
            out.push(b'.');
            json::append(&self.next_sequence, out);
            out.push(b'\n');
        }
    }

    fn number(&mut self, out: &mut Vec<u8>) {
        json::append(&self.next_sequence, out);
        self.next_sequence = self.next_sequence.saturating_add(1);
    }
}

impl Ending<'_> {
    /// The fields of the final frame that tell the ending: JSON without braces.
    pub fn fields(&self) -> String {
        let mut fields = Object::default();
        match self {
            Self::Finished {
                finish_reason,
                usage,
            } => {
                fields.text("finish_reason", finish_reason.name());
                if let Some(usage) = usage {
                    let mut counts = Object::default();
                    for (name, count) in usage.counts() {
                        counts.number(name, count);
                    }
                    fields.raw("usage", &counts.to_json());
                }
            }
            Self::Failed(error) => {
                fields
                    .text("error", error.code.title())
                    .text("detail", &error.detail)
                    .text("code", error.code.name());
            }
        }
        fields.fields().to_owned()
    }
}

/// The final frame's field that tells which model has answered, behind those of its ending. Only a deployment with fallbacks
/// has it.
pub fn model_field(model: &str) -> String {
    Object::default().text("model", model).fields().to_owned()
}

/// What [`model_field`] tells, among the final frame's own fields.
pub fn model_in(fields: &str) -> Option<String> {
    json::text_in(fields, "model")
}

/// The fields that only the final frame of a kept answer has, behind those of its ending: the turn that it is kept as, and
/// how many earlier turns the model saw.
pub fn kept_fields(turn_id: &str, history_turns: u64) -> String {
    let mut fields = Object::default();
    fields
        .text("turn_id", turn_id)
        .number("history_turns", history_turns);
    fields.fields().to_owned()
}

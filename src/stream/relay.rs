//! Upstream's bytes, time and aborts → the client's frames, and one [`Outcome`].
//!
//! The relay does no I/O: whoever drives it tells it what happened ([`Relay::handle`]), writes what it
//! produced ([`Relay::output`]) and asks when to come back ([`Relay::deadline_ms`]).
//!
//! # Invariants
//!
//! 1. Exactly one final frame per stream unless the client is gone; nothing after it.
//! 2. The end of the bytes without a terminal event is `upstream_truncated`.
//! 3. Output does not depend on how upstream's bytes were split.
//! 4. No upstream error text reaches a frame or a log unredacted.
//! 5. Memory per stream is bounded, whatever upstream sends.
//! 6. Time is an input. The relay reads no clock and makes no random numbers.
//! 7. It never panics.

use std::time::Duration;

use super::outcome::{EndReason, Outcome};
use super::sse::Decoder;
use super::surrogates::Surrogates;
use crate::api::correlation::CorrelationId;
use crate::api::error::ErrorCode;
use crate::api::frame::{Ending, FrameEncoder, KEEP_ALIVE};
use crate::openai::failure::Failure;
use crate::openai::{Api, Delta, EventReader, FinishReason, Meaning, Usage};

/// Something that happened to a stream.
#[derive(Clone, Copy, Debug)]
pub enum Input<'a> {
    /// Upstream sent bytes.
    Chunk(&'a [u8]),
    /// Upstream ended its body in order.
    End,
    /// The connection to upstream broke.
    Broken,
    /// Time has passed.
    Tick,
    /// The client no longer listens.
    ClientGone,
}

/// The clocks of a stream.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Longest wait between upstream's bytes.
    pub idle: Duration,
    /// Longest whole answer.
    pub total: Duration,
    /// Longest silence towards the client.
    pub heartbeat: Duration,
}

/// A frame with text that went out, for the log.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SentFrame {
    /// Its number.
    pub sequence: u64,
    /// Its text's length, in Unicode scalar values.
    pub content_length: usize,
}

/// The state of one stream.
#[derive(Debug)]
pub struct Relay {
    decoder: Decoder,
    events: EventReader,
    writer: Writer,
    idle_ms: u64,
    heartbeat_ms: u64,
    last_deadline_ms: u64,
    /// When upstream last sent a byte, put off by the time that the client took to read.
    progress_ms: u64,
    /// When something last happened; a write that follows begins then.
    handled_ms: u64,
    sent_ms: u64,
    first_text_ms: Option<u64>,
    outcome: Option<Outcome>,
}

/// The client's side of a stream. It is apart from the decoder, whose events it reads.
#[derive(Debug)]
struct Writer {
    frames: FrameEncoder,
    surrogates: Surrogates,
    output: Vec<u8>,
    finish_reason: Option<FinishReason>,
    refused: bool,
    /// Frames with text so far.
    text_frames: u64,
    usage: Option<Usage>,
    /// Frames since the last [`Relay::take_sent`]; kept only when somebody wants to know.
    sent: Option<Vec<SentFrame>>,
}

impl Relay {
    /// A stream of this API's events that begins now. `traces_frames` keeps the facts for [`Relay::take_sent`].
    pub fn new(
        api: Api,
        correlation_id: CorrelationId,
        limits: Limits,
        now_ms: u64,
        traces_frames: bool,
    ) -> Self {
        Self {
            decoder: Decoder::default(),
            events: EventReader::new(api),
            writer: Writer {
                frames: FrameEncoder::new(correlation_id),
                surrogates: Surrogates::default(),
                output: Vec::new(),
                finish_reason: None,
                refused: false,
                text_frames: 0,
                usage: None,
                sent: traces_frames.then(Vec::new),
            },
            idle_ms: millis(limits.idle),
            heartbeat_ms: millis(limits.heartbeat),
            last_deadline_ms: now_ms.saturating_add(millis(limits.total)),
            progress_ms: now_ms,
            handled_ms: now_ms,
            sent_ms: now_ms,
            first_text_ms: None,
            outcome: None,
        }
    }

    /// Takes note of what happened. After an outcome nothing more happens, but that the client may
    /// turn out to have left before it took the last frame.
    pub fn handle(&mut self, input: Input<'_>, now_ms: u64) {
        let is_unread = !self.writer.output.is_empty();
        if self.outcome.is_some() && !(matches!(input, Input::ClientGone) && is_unread) {
            return;
        }
        self.handled_ms = now_ms;
        match input {
            Input::Chunk(chunk) => {
                self.receive(chunk.len(), |space| space.copy_from_slice(chunk), now_ms);
            }
            Input::End => self.end("the bytes ended without a terminal event"),
            Input::Broken => self.end("the connection broke without a terminal event"),
            Input::Tick => self.tick(now_ms),
            Input::ClientGone => {
                self.writer.output.clear();
                self.outcome = Some(Outcome {
                    end_reason: EndReason::ClientGone,
                    failure: None,
                });
            }
        }
    }

    /// [`Input::Chunk`] whose `len` bytes `fill` writes in place.
    pub fn receive(&mut self, len: usize, fill: impl FnOnce(&mut [u8]), now_ms: u64) {
        if self.outcome.is_some() {
            return;
        }
        self.handled_ms = now_ms;
        self.progress_ms = now_ms;
        self.decoder.feed_with(len, fill);
        while self.outcome.is_none() {
            match self.decoder.next_event() {
                Ok(None) => break,
                Ok(Some(event)) => match self.events.meaning(event.kind, event.data) {
                    Ok(Meaning::Delta(delta)) => self.writer.delta(&delta),
                    Ok(Meaning::Done(delta)) => {
                        self.writer.delta(&delta);
                        self.finish();
                    }
                    Ok(Meaning::Failed(failure)) => self.fail(failure),
                    Err(_) => self.fail_with(
                        ErrorCode::UpstreamProtocol,
                        "an event's data is not what the API promises",
                    ),
                },
                Err(error) => self.fail_with(ErrorCode::UpstreamProtocol, error.cause()),
            }
        }
        if !self.writer.output.is_empty() {
            self.sent_ms = now_ms;
        }
        if self.writer.text_frames > 0 {
            self.first_text_ms.get_or_insert(now_ms);
        }
    }

    /// Bytes for the client, in order.
    pub fn output(&self) -> &[u8] {
        &self.writer.output
    }

    /// Forgets the output, which has been written. Nobody listened to upstream while the client took
    /// it, so that time is no silence of upstream's.
    pub fn output_written(&mut self, now_ms: u64) {
        self.writer.output.clear();
        let writing_ms = now_ms.saturating_sub(self.handled_ms);
        self.progress_ms = self.progress_ms.saturating_add(writing_ms);
        self.handled_ms = now_ms;
    }

    /// When [`Input::Tick`] is due, unless something else happens first.
    pub fn deadline_ms(&self) -> u64 {
        self.idle_deadline_ms()
            .min(self.heartbeat_deadline_ms())
            .min(self.last_deadline_ms)
    }

    /// When the whole answer has to be over.
    pub fn last_deadline_ms(&self) -> u64 {
        self.last_deadline_ms
    }

    fn idle_deadline_ms(&self) -> u64 {
        self.progress_ms.saturating_add(self.idle_ms)
    }

    fn heartbeat_deadline_ms(&self) -> u64 {
        self.sent_ms.saturating_add(self.heartbeat_ms)
    }

    /// How the stream ended, once it has.
    pub fn outcome(&self) -> Option<&Outcome> {
        self.outcome.as_ref()
    }

    /// Frames with text produced so far.
    pub fn text_frame_count(&self) -> u64 {
        self.writer.text_frames
    }

    /// When the first frame with text was ready.
    pub fn first_text_ms(&self) -> Option<u64> {
        self.first_text_ms
    }

    /// Why the answer ended, once upstream has said.
    pub fn finish_reason(&self) -> Option<FinishReason> {
        match self.writer.finish_reason {
            Some(_) if self.writer.refused => Some(FinishReason::Refusal),
            reason => reason,
        }
    }

    /// What the answer cost, as far as upstream has said.
    pub fn usage(&self) -> Option<Usage> {
        self.writer.usage
    }

    /// The frames with text since the last call.
    pub fn take_sent(&mut self) -> Vec<SentFrame> {
        self.writer
            .sent
            .as_mut()
            .map(std::mem::take)
            .unwrap_or_default()
    }

    fn tick(&mut self, now_ms: u64) {
        if now_ms >= self.last_deadline_ms {
            self.expire(
                ErrorCode::StreamTooLong,
                "the answer took longer than MAX_STREAM_SECONDS",
            );
        } else if now_ms >= self.idle_deadline_ms() {
            self.expire(
                ErrorCode::UpstreamTimeout,
                "upstream was silent for TIMEOUT_SECONDS",
            );
        } else if now_ms >= self.heartbeat_deadline_ms() {
            self.writer.output.extend_from_slice(KEEP_ALIVE);
            self.sent_ms = now_ms;
        }
    }

    /// A terminal event makes an answer complete; what upstream could still add is its cost.
    fn expire(&mut self, code: ErrorCode, cause: &str) {
        if self.writer.finish_reason.is_some() {
            self.finish();
        } else {
            self.fail_with(code, cause);
        }
    }

    fn end(&mut self, cause: &str) {
        self.expire(ErrorCode::UpstreamTruncated, cause);
    }

    fn finish(&mut self) {
        self.writer.finish_reason.get_or_insert(FinishReason::Stop);
        if let Some(text) = self.writer.surrogates.finish() {
            self.writer.content(&text);
        }
        let ending = Ending::Finished {
            finish_reason: self.finish_reason().unwrap_or(FinishReason::Stop),
            usage: self.writer.usage,
        };
        self.writer.frames.ending(ending, &mut self.writer.output);
        self.outcome = Some(Outcome {
            end_reason: EndReason::Done,
            failure: None,
        });
    }

    fn fail_with(&mut self, code: ErrorCode, cause: &str) {
        self.fail(Failure::new(code, cause));
    }

    fn fail(&mut self, failure: Failure) {
        self.writer
            .frames
            .ending(Ending::Failed(&failure.error), &mut self.writer.output);
        self.outcome = Some(Outcome {
            end_reason: failure.error.code.into(),
            failure: Some(failure),
        });
    }
}

impl Writer {
    fn delta(&mut self, delta: &Delta<'_>) {
        for text in [delta.content, delta.refusal].into_iter().flatten() {
            let whole = self.surrogates.join(text.get());
            if whole != "\"\"" {
                self.content(&whole);
            }
        }
        self.refused |= delta.refusal.is_some();
        self.finish_reason = delta.finish_reason.or(self.finish_reason);
        self.usage = delta.usage.or(self.usage);
    }

    fn content(&mut self, json: &str) {
        if let Some(sent) = &mut self.sent {
            let text: String = serde_json::from_str(json).unwrap_or_default();
            sent.push(SentFrame {
                sequence: self.frames.next_sequence(),
                content_length: text.chars().count(),
            });
        }
        self.text_frames = self.text_frames.saturating_add(1);
        self.frames.content(json, &mut self.output);
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

//! Upstream's bytes, time and aborts → the client's frames, and one [`Outcome`].
//!
//! The relay does no I/O: whoever drives it tells it what happened ([`Relay::handle`]), writes what it
//! produced ([`Relay::output`]) and asks when to come back ([`Relay::deadline_ms`]).
//!
//! # Invariants
//!
//! 1. Exactly one final frame per stream unless the client is gone; nothing after it.
//! 2. An answer is told as complete only if upstream said so, in words that mean it.
//! 3. After upstream has said so, nothing that follows turns the answer into a failure.
//! 4. Output does not depend on how upstream's bytes were split.
//! 5. No upstream text reaches a frame or a log unless it is part of the answer (frame) or a machine-readable
//!    name (log).
//! 6. Memory and time per stream are bounded, whatever upstream or the client does.
//! 7. Time is an input. The relay reads no clock and makes no random numbers.
//! 8. It never panics.
//! 9. It shares nothing with the relay of another stream.

use std::time::Duration;

use super::outcome::Outcome;
use super::sse::{DecodeError, Decoder};
use super::writer::{Step, Writer};
use crate::api::correlation::CorrelationId;
use crate::api::ending::{EndReason, FinishReason, Usage};
use crate::api::error::ErrorCode;
use crate::api::frame::KEEP_ALIVE;
use crate::openai::failure::Failure;
use crate::openai::{Api, Ended, EventReader, Whole};

pub use super::writer::SentFrame;

/// How long upstream may still send what the answer cost and the end mark, once it has said why the answer ended.
const GRACE_MS: u64 = 2_000;

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
    /// `TIMEOUT_SECONDS`: longest wait for upstream without progress: for its headers, then between its bytes.
    pub idle: Duration,
    /// `MAX_STREAM_SECONDS`: longest whole answer.
    pub total: Duration,
    /// `HEARTBEAT_SECONDS`: longest silence towards the client.
    pub heartbeat: Duration,
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
    /// When upstream first said why the answer ended, put off like `progress_ms`, and how many frames had gone
    /// out then.
    ended: Option<(u64, u64)>,
    outcome: Option<Outcome>,
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
            writer: Writer::new(correlation_id, traces_frames),
            idle_ms: millis(limits.idle),
            heartbeat_ms: millis(limits.heartbeat),
            last_deadline_ms: now_ms.saturating_add(millis(limits.total)),
            progress_ms: now_ms,
            handled_ms: now_ms,
            sent_ms: now_ms,
            first_text_ms: None,
            ended: None,
            outcome: None,
        }
    }

    /// The same for a client that leaves the model to this service: an unknown model is its owner's to mend then.
    #[must_use]
    pub fn asking_default_model(self, is_default: bool) -> Self {
        Self {
            events: self.events.asking_default_model(is_default),
            ..self
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
            Input::End => self.end("the bytes ended before the answer was complete", now_ms),
            Input::Broken => self.end(
                "the connection broke before the answer was complete",
                now_ms,
            ),
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
            let step = match self.decoder.next_event() {
                Ok(None) => break,
                Ok(Some(event)) => self.writer.read(&mut self.events, event, false),
                Err(error @ DecodeError::InvalidUtf8) => Step::Spoil(error.cause()),
                Err(error @ DecodeError::EventTooLarge) => Step::Stop(error.cause()),
            };
            self.step(step, now_ms);
        }
        self.note_output(now_ms);
    }

    /// Gives an answer that came whole: its text, and the final frame, which is that of a failure if the answer does
    /// not say that it is complete.
    pub fn answer_whole(&mut self, whole: &Whole, now_ms: u64) {
        if self.outcome.is_some() {
            return;
        }
        self.handled_ms = now_ms;
        self.writer.delta(&whole.0);
        match &whole.0.ending {
            Some(Ended::Failed(failure)) => self.fail((**failure).clone()),
            _ => self.finish(),
        }
        self.note_output(now_ms);
    }

    /// Does what an event asks for. Once the answer is complete, nothing can make it a failure.
    fn step(&mut self, step: Step, now_ms: u64) {
        let is_complete = self.writer.finish_reason().is_some();
        match step {
            Step::Finish => self.finish(),
            Step::Stop(_) if is_complete => self.finish(),
            _ if is_complete => {}
            Step::GoOn => {}
            Step::Fail(failure) => self.fail(*failure),
            Step::Spoil(cause) | Step::Stop(cause) => {
                self.fail_with(ErrorCode::UpstreamProtocol, cause);
            }
        }
        if is_complete {
            let ended = (now_ms, self.writer.text_frames());
            self.ended.get_or_insert(ended);
        }
    }

    fn note_output(&mut self, now_ms: u64) {
        if !self.writer.output.is_empty() {
            self.sent_ms = now_ms;
        }
        if self.writer.text_frames() > 0 {
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
        if let Some((ended_ms, _)) = &mut self.ended {
            *ended_ms = ended_ms.saturating_add(writing_ms);
        }
        self.handled_ms = now_ms;
    }

    /// When [`Input::Tick`] is due, unless something else happens first.
    pub fn deadline_ms(&self) -> u64 {
        self.silence_deadline_ms()
            .min(self.heartbeat_deadline_ms())
            .min(self.last_deadline_ms)
    }

    /// When the whole answer has to be over.
    pub fn last_deadline_ms(&self) -> u64 {
        self.last_deadline_ms
    }

    /// When nothing more is waited for. Text after the reason shows that it was not the end: some servers give
    /// one with every chunk. Then it takes the usual silence.
    fn silence_deadline_ms(&self) -> u64 {
        let idle_ms = self.progress_ms.saturating_add(self.idle_ms);
        match self.ended {
            Some((ended_ms, frames)) if frames == self.writer.text_frames() => {
                idle_ms.min(ended_ms.saturating_add(GRACE_MS))
            }
            _ => idle_ms,
        }
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
        self.writer.text_frames()
    }

    /// When the first frame with text was ready.
    pub fn first_text_ms(&self) -> Option<u64> {
        self.first_text_ms
    }

    /// Why the answer ended, once upstream has said.
    pub fn finish_reason(&self) -> Option<FinishReason> {
        self.writer.finish_reason()
    }

    /// Upstream's word for a reason that is told as [`FinishReason::Other`], if it is a machine-readable name.
    pub fn unknown_finish_reason(&self) -> Option<&str> {
        self.writer.unknown_finish_reason()
    }

    /// What the answer cost, as far as upstream has said.
    pub fn usage(&self) -> Option<Usage> {
        self.writer.usage()
    }

    /// The frames with text since the last call.
    pub fn take_sent(&mut self) -> Vec<SentFrame> {
        self.writer.take_sent()
    }

    fn tick(&mut self, now_ms: u64) {
        if now_ms >= self.last_deadline_ms {
            self.expire(
                ErrorCode::StreamTooLong,
                "the answer took longer than MAX_STREAM_SECONDS",
            );
        } else if now_ms >= self.silence_deadline_ms() {
            self.expire(
                ErrorCode::UpstreamTimeout,
                "upstream was silent for TIMEOUT_SECONDS",
            );
        } else if now_ms >= self.heartbeat_deadline_ms() {
            self.writer.output.extend_from_slice(KEEP_ALIVE);
            self.sent_ms = now_ms;
        }
    }

    /// An answer that has its reason is complete; what upstream could still add is its cost.
    fn expire(&mut self, code: ErrorCode, cause: &str) {
        if self.writer.finish_reason().is_some() {
            self.finish();
        } else {
            self.fail_with(code, cause);
        }
    }

    /// The bytes are over. A last event without its blank line counts if it is whole; half of one is none.
    fn end(&mut self, cause: &str, now_ms: u64) {
        if let Ok(Some(event)) = self.decoder.finish() {
            let step = self.writer.read(&mut self.events, event, true);
            self.step(step, now_ms);
        }
        if self.outcome.is_none() {
            self.expire(ErrorCode::UpstreamTruncated, cause);
        }
        self.note_output(now_ms);
    }

    fn finish(&mut self) {
        self.writer.finish();
        self.outcome = Some(Outcome {
            end_reason: EndReason::Done,
            failure: None,
        });
    }

    fn fail_with(&mut self, code: ErrorCode, cause: &str) {
        self.fail(Failure::new(code, cause));
    }

    fn fail(&mut self, failure: Failure) {
        self.writer.fail(&failure.error);
        self.outcome = Some(Outcome {
            end_reason: failure.error.code.into(),
            failure: Some(failure),
        });
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

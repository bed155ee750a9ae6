//! Upstream's bytes, time and aborts → the client's frames, and one [`Outcome`].
//!
//! The relay does no I/O. Its caller says what happened ([`Relay::handle`]), writes the frames that follow from it
//! ([`Relay::output`]), and calls again by the deadline ([`Relay::deadline_ms`]).
//!
//! # Invariants
//!
//! 1. Exactly one final frame per stream unless the client is gone; nothing after it.
//! 2. An answer is reported complete only if upstream said so: by a finish reason, or an end mark after part
//!    of the answer.
//! 3. After upstream has said so, nothing that follows turns the answer into a failure.
//! 4. Output does not depend on how upstream's bytes were split.
//! 5. No upstream text reaches a frame or a log unless it is part of the answer (frame) or a machine-readable
//!    name (log).
//! 6. Memory and time per stream are bounded, whatever upstream or the client does.
//! 7. Time is an input. The relay reads no clock and makes no random numbers.
//! 8. It never panics.
//! 9. Whatever happens to one stream, its neighbours do not notice.

use super::clocks::{Clocks, Due};
use super::seen::Seen;
use super::sse::{DecodeError, Decoder};
use super::writer::{Step, Writer};
use crate::api::ending::{EndReason, FinishReason, Usage};
use crate::api::error::ErrorCode;
use crate::api::frame::KEEP_ALIVE;
use crate::openai::failure::Failure;
use crate::openai::{Ended, EventParser, WholeAnswer};

pub use super::clocks::Limits;
pub use super::writer::{Form, SentFrame};

/// Something that happened to a stream.
#[derive(Clone, Copy, Debug)]
pub enum Input<'a> {
    /// Upstream sent bytes.
    Chunk(&'a [u8]),
    /// Upstream ended its body cleanly.
    End,
    /// The connection to upstream broke.
    Broken,
    /// Time has passed.
    Tick,
    /// The client has left.
    ClientGone,
}

/// How a stream ended.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Outcome {
    /// In one word.
    pub end_reason: EndReason,
    /// What went wrong, if anything did.
    pub failure: Option<Failure>,
}

/// The state of one stream.
#[derive(Debug)]
pub struct Relay {
    decoder: Decoder,
    events: EventParser,
    writer: Writer,
    clocks: Clocks,
    first_text_ms: Option<u64>,
    outcome: Option<Outcome>,
}

impl Relay {
    /// A stream that begins now. `form` says what its output is made of; `traces_frames` keeps the facts for [`Relay::take_sent`].
    pub fn new(
        events: EventParser,
        form: Form,
        limits: Limits,
        now_ms: u64,
        traces_frames: bool,
    ) -> Self {
        Self {
            decoder: Decoder::default(),
            events,
            writer: Writer::new(form, traces_frames),
            clocks: Clocks::new(limits, now_ms),
            first_text_ms: None,
            outcome: None,
        }
    }

    /// Has another parser read what comes.
    pub fn read_with(&mut self, events: EventParser) {
        self.events = events;
    }

    /// Handles what happened. After an outcome nothing changes, except that the client may leave before it has read
    /// the last frames.
    pub fn handle(&mut self, input: Input<'_>, now_ms: u64) {
        if let Input::ClientGone = input {
            return self.client_gone(now_ms);
        }
        if self.outcome.is_some() {
            return;
        }
        self.clocks.handled(now_ms);
        match input {
            Input::Chunk(chunk) => self.receive(chunk, now_ms),
            Input::End => self.body_ended("the bytes ended before the answer was complete", now_ms),
            Input::Broken => self.body_ended(
                "the connection broke before the answer was complete",
                now_ms,
            ),
            Input::Tick => self.tick(now_ms),
            Input::ClientGone => {}
        }
    }

    fn receive(&mut self, chunk: &[u8], now_ms: u64) {
        self.clocks.received(now_ms);
        self.decoder.feed(chunk);
        while self.outcome.is_none() {
            let step = match self.decoder.next_event() {
                Ok(None) => break,
                Ok(Some(event)) => self.writer.handle(&mut self.events, event, false),
                Err(error @ DecodeError::InvalidUtf8) => Step::Malformed(error.cause()),
                Err(error @ DecodeError::EventTooLarge) => Step::Undecodable(error.cause()),
            };
            self.step(step, now_ms);
        }
        self.note_output(now_ms);
    }

    /// Sends an answer that came whole: its text, then the final frame.
    pub fn answer_whole(&mut self, answer: &WholeAnswer, now_ms: u64) {
        if self.outcome.is_some() {
            return;
        }
        self.clocks.handled(now_ms);
        self.writer.delta(&answer.0);
        match &answer.0.ending {
            Some(Ended::Failed(failure)) => self.fail((**failure).clone()),
            _ => self.finish(),
        }
        self.note_output(now_ms);
    }

    /// Whether the model has shown that it is at work on the answer: by text, by reasoning, or by its end.
    pub fn is_at_work(&self) -> bool {
        self.writer.is_at_work()
    }

    /// Bytes for the client, in order.
    pub fn output(&self) -> &[u8] {
        &self.writer.output
    }

    /// Discards the output, which has been written.
    pub fn output_written(&mut self, now_ms: u64) {
        self.writer.output.clear();
        self.clocks.written(now_ms);
    }

    /// When [`Input::Tick`] is due, unless something else happens first.
    pub fn deadline_ms(&self) -> u64 {
        self.clocks.deadline_ms(self.text_frame_count())
    }

    /// When the whole answer has to be over.
    pub fn total_deadline_ms(&self) -> u64 {
        self.clocks.total_deadline_ms()
    }

    /// How the stream ended, once it has.
    pub fn outcome(&self) -> Option<&Outcome> {
        self.outcome.as_ref()
    }

    /// Frames with text so far.
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

    /// Upstream's word for [`FinishReason::Other`], if it is a machine-readable name.
    pub fn unknown_finish_reason(&self) -> Option<&str> {
        self.writer.unknown_finish_reason()
    }

    /// The answer's tokens, if upstream has counted them.
    pub fn usage(&self) -> Option<Usage> {
        self.writer.usage()
    }

    /// What has come of the answer so far.
    pub fn seen(&self) -> Seen {
        self.writer.seen()
    }

    /// The frames with text since the last call.
    pub fn take_sent(&mut self) -> Vec<SentFrame> {
        self.writer.take_sent()
    }

    /// Does what an event asks for. Once the answer is complete, nothing can make it a failure.
    fn step(&mut self, step: Step, now_ms: u64) {
        let is_complete = self.writer.finish_reason().is_some();
        match step {
            Step::Finish => self.finish(),
            Step::Undecodable(_) if is_complete => self.finish(),
            _ if is_complete => {}
            Step::Continue => {}
            Step::Fail(failure) => self.fail(*failure),
            Step::Malformed(cause) | Step::Undecodable(cause) => {
                self.fail_with(ErrorCode::UpstreamProtocol, cause);
            }
        }
        if is_complete {
            self.clocks.finished(now_ms, self.writer.text_frames());
        }
    }

    fn note_output(&mut self, now_ms: u64) {
        if !self.writer.output.is_empty() {
            self.clocks.sent(now_ms);
        }
        if self.writer.text_frames() > 0 {
            self.first_text_ms.get_or_insert(now_ms);
        }
    }

    fn client_gone(&mut self, now_ms: u64) {
        let is_unread = !self.writer.output.is_empty();
        if self.outcome.is_none() || is_unread {
            self.clocks.handled(now_ms);
            self.writer.output.clear();
            self.outcome = Some(Outcome {
                end_reason: EndReason::ClientGone,
                failure: None,
            });
        }
    }

    fn tick(&mut self, now_ms: u64) {
        match self.clocks.due(now_ms, self.text_frame_count()) {
            Some(Due::Total) => self.finish_or_fail(
                ErrorCode::StreamTooLong,
                "the answer took longer than MAX_STREAM_SECONDS",
            ),
            Some(Due::Silence) => self.finish_or_fail(
                ErrorCode::UpstreamTimeout,
                "upstream was silent for TIMEOUT_SECONDS",
            ),
            Some(Due::Heartbeat) => {
                self.writer.output.extend_from_slice(KEEP_ALIVE);
                self.clocks.sent(now_ms);
            }
            None => {}
        }
    }

    /// Ends the stream: in order if upstream has given a finish reason, so that only usage could still follow.
    fn finish_or_fail(&mut self, code: ErrorCode, cause: &str) {
        if self.writer.finish_reason().is_some() {
            self.finish();
        } else {
            self.fail_with(code, cause);
        }
    }

    /// Upstream's body has ended. A last event without its blank line counts if it is whole.
    fn body_ended(&mut self, cause: &str, now_ms: u64) {
        if let Ok(Some(event)) = self.decoder.finish() {
            let step = self.writer.handle(&mut self.events, event, true);
            self.step(step, now_ms);
        }
        if self.outcome.is_none() {
            self.finish_or_fail(ErrorCode::UpstreamTruncated, cause);
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

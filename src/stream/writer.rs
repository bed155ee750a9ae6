//! The client's side of a stream: what events add → frames.

use super::sse::Event;
use super::surrogates::Surrogates;
use super::told::Told;
use crate::api::correlation::CorrelationId;
use crate::api::ending::{FinishReason, Usage};
use crate::api::error::{ApiError, ErrorCode};
use crate::api::frame::{Ending, FrameEncoder};
use crate::openai::failure::Failure;
use crate::openai::{Delta, Ended, EventReader, Meaning, Origin, PartText, is_whole};

/// A frame with text that went out, for the log.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SentFrame {
    /// Its number.
    pub sequence: u64,
    /// Its text's length, in Unicode scalar values.
    pub content_length: usize,
}

/// What an event asks for.
#[derive(Debug)]
pub(super) enum Step {
    /// Nothing but to read on.
    GoOn,
    /// The answer is complete, and nothing follows.
    Finish,
    /// Upstream could not go on.
    Fail(Box<Failure>),
    /// The event cannot be read.
    Spoil(&'static str),
    /// Neither the event nor what follows it can be read.
    Stop(&'static str),
}

/// Writes the frames of one stream, and knows what upstream has said so far. It is apart from the decoder, whose
/// events it reads.
#[derive(Debug)]
pub(super) struct Writer {
    frames: FrameEncoder,
    surrogates: Surrogates,
    pub(super) output: Vec<u8>,
    finish_reason: Option<FinishReason>,
    /// Upstream's word for [`FinishReason::Other`].
    unknown_reason: Option<String>,
    refused: bool,
    /// Whether any part of the answer came, with text or without.
    has_begun: bool,
    /// Whether any text came as a delta of no part that has a name.
    has_deltas: bool,
    /// The parts whose text came.
    told: Told,
    /// Frames with text so far.
    text_frames: u64,
    usage: Option<Usage>,
    /// Frames since the last [`Writer::take_sent`]; kept only when somebody wants to know.
    sent: Option<Vec<SentFrame>>,
}

impl Writer {
    pub(super) fn new(correlation_id: CorrelationId, traces_frames: bool) -> Self {
        Self {
            frames: FrameEncoder::new(correlation_id),
            surrogates: Surrogates::default(),
            output: Vec::new(),
            finish_reason: None,
            unknown_reason: None,
            refused: false,
            has_begun: false,
            has_deltas: false,
            told: Told::default(),
            text_frames: 0,
            usage: None,
            sent: traces_frames.then(Vec::new),
        }
    }

    /// Reads an event. Of one that the end of the bytes has cut off, what is whole counts.
    pub(super) fn read(
        &mut self,
        events: &mut EventReader,
        event: Event<'_>,
        is_cut: bool,
    ) -> Step {
        let Event { kind, data } = event;
        let counts = |data: &str| !is_cut || is_whole(data);
        let spoilt = Step::Spoil("an event's data is not what the API promises");
        if counts(data) {
            match events.meaning(kind, data) {
                Ok(meaning) => return self.take_in(meaning),
                Err(_) if !data.contains('\n') => return spoilt,
                Err(_) => {}
            }
        }
        // Some servers end their events with one line end, and so make one of them all.
        for line in data.lines().take_while(|line| counts(line)) {
            let Ok(meaning) = events.meaning(kind, line) else {
                return spoilt;
            };
            let step = self.take_in(meaning);
            if !matches!(step, Step::GoOn) {
                return step;
            }
        }
        Step::GoOn
    }

    /// Takes in what an event means.
    fn take_in(&mut self, meaning: Meaning<'_>) -> Step {
        let (delta, is_done) = match meaning {
            Meaning::Nothing => return Step::GoOn,
            Meaning::Delta(delta) => (delta, false),
            Meaning::Done(delta) => (delta, true),
        };
        let has_all = self.delta(&delta);
        if self.finish_reason.is_none() {
            if let Some(Ended::Failed(failure)) = delta.ending {
                return Step::Fail(failure);
            }
            if !has_all {
                return Step::Spoil("an answer's text cannot be read");
            }
        }
        match (is_done, self.has_begun) {
            (false, _) => Step::GoOn,
            (true, true) => Step::Finish,
            (true, false) => {
                let cause = "the end mark came without an answer";
                let failure = Failure::new(ErrorCode::UpstreamTruncated, cause);
                Step::Fail(Box::new(failure))
            }
        }
    }

    /// Writes the final frame of a complete answer.
    pub(super) fn finish(&mut self) {
        self.finish_reason.get_or_insert(FinishReason::Stop);
        if let Some(text) = self.surrogates.finish() {
            self.content(&text);
        }
        let ending = Ending::Finished {
            finish_reason: self.finish_reason().unwrap_or(FinishReason::Stop),
            usage: self.usage,
        };
        self.frames.ending(ending, &mut self.output);
    }

    /// Writes the final frame of an answer that is not complete.
    pub(super) fn fail(&mut self, error: &ApiError) {
        self.frames.ending(Ending::Failed(error), &mut self.output);
    }

    pub(super) fn finish_reason(&self) -> Option<FinishReason> {
        match self.finish_reason {
            Some(_) if self.refused => Some(FinishReason::Refusal),
            reason => reason,
        }
    }

    pub(super) fn unknown_finish_reason(&self) -> Option<&str> {
        let reason = self.unknown_reason.as_deref();
        reason.filter(|_| self.finish_reason() == Some(FinishReason::Other))
    }

    pub(super) fn usage(&self) -> Option<Usage> {
        self.usage
    }

    pub(super) fn text_frames(&self) -> u64 {
        self.text_frames
    }

    pub(super) fn take_sent(&mut self) -> Vec<SentFrame> {
        let sent = self.sent.as_mut();
        sent.map(std::mem::take).unwrap_or_default()
    }

    /// Takes in what an event adds; false when a text is lost with it, and so whatever else it says.
    pub(super) fn delta(&mut self, delta: &Delta<'_>) -> bool {
        let is_new = self.is_new(delta.origin);
        if is_new && delta.origin == Origin::Lost {
            return false;
        }
        let has_text = delta.content.is_some() || delta.refusal.is_some();
        if is_new && has_text {
            self.text(delta.content.as_deref(), delta.refusal.as_deref());
            match delta.origin {
                // One that is like the one before it has its part.
                Origin::Delta => self.has_deltas |= self.told.is_empty(),
                Origin::DeltaOf(part) => self.told.add(part),
                Origin::Part(Some(part)) => {
                    self.told.add(part);
                    self.told.hear_again(part);
                }
                Origin::Part(None) | Origin::Whole | Origin::Lost => {}
            }
        }
        self.missing_parts(&delta.parts);
        self.has_begun |= delta.is_answer;
        self.end(delta.ending.as_ref());
        if let Some(usage) = delta.usage {
            self.usage = usage.ok();
        }
        true
    }

    /// Whether a text was not read before.
    fn is_new(&mut self, origin: Origin) -> bool {
        match origin {
            Origin::Delta | Origin::DeltaOf(_) => true,
            Origin::Part(None) => !self.has_deltas,
            Origin::Part(Some(part)) => {
                self.told.hear_again(part);
                !self.has_deltas && self.told.lacks(part)
            }
            Origin::Whole | Origin::Lost => self.text_frames == 0,
        }
    }

    /// Adds the text of those parts that did not come before.
    fn missing_parts(&mut self, parts: &[PartText<'_>]) {
        let numbers = parts.iter().map(|part| part.part);
        if self.has_deltas || !self.told.is_less_than(numbers) {
            return;
        }
        for PartText {
            part,
            content,
            refusal,
        } in parts
        {
            if !self.told.holds(*part) {
                self.text(content.as_deref(), refusal.as_deref());
            }
        }
    }

    fn text(&mut self, content: Option<&str>, refusal: Option<&str>) {
        for text in [content, refusal].into_iter().flatten() {
            let whole = self.surrogates.join(text);
            if whole != "\"\"" {
                self.content(&whole);
            }
        }
        self.refused |= refusal.is_some();
    }

    /// Takes note of why the answer ended. A gateway may put a `stop` of its own behind the model's reason, which
    /// says more.
    fn end(&mut self, ending: Option<&Ended>) {
        match ending {
            Some(Ended::Finished(FinishReason::Stop)) => {
                self.finish_reason.get_or_insert(FinishReason::Stop);
            }
            Some(Ended::Finished(reason)) => self.finish_reason = Some(*reason),
            Some(Ended::Otherwise(name)) if self.finish_reason.is_none_or(is_vague) => {
                self.finish_reason = Some(FinishReason::Other);
                self.unknown_reason.clone_from(name);
            }
            Some(Ended::Otherwise(_) | Ended::Failed(_)) | None => {}
        }
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

/// Whether a reason says less than any that is known.
fn is_vague(reason: FinishReason) -> bool {
    matches!(reason, FinishReason::Stop | FinishReason::Other)
}

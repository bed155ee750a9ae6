//! Events → the client's frames.

use super::parts::SentParts;
use super::pieces::{self, Piece};
use super::seen::{End, Seen};
use super::sse::Event;
use super::surrogates::Surrogates;
use super::thoughts::Thoughts;
use crate::api::ending::{FinishReason, Usage};
use crate::api::error::{ApiError, ErrorCode};
use crate::api::frame::{Ending, FrameEncoder};
use crate::json;
use crate::openai::failure::Failure;
use crate::openai::{Delta, Ended, EventParser, Extent, Meaning, PartText, is_whole};

/// A frame before the final one, for the log.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SentFrame {
    /// Its number.
    pub sequence: u64,
    /// The length of its text, in Unicode scalar values.
    pub content_length: usize,
}

/// What follows from an event.
#[derive(Debug)]
pub(super) enum Step {
    /// The answer goes on.
    Continue,
    /// The answer is complete, and nothing follows.
    Finish,
    /// Upstream failed.
    Fail(Box<Failure>),
    /// This event cannot be read.
    Malformed(&'static str),
    /// Neither this event nor anything after it can be read.
    Undecodable(&'static str),
}

/// What the output is made of.
#[derive(Debug)]
pub enum Form {
    /// Frames for a client.
    Frames(FrameEncoder),
    /// [`Pieces`](super::pieces::Pieces) for the store, which adds the ending itself.
    Pieces,
}

/// Writes the frames of one stream, and keeps what upstream has said so far.
#[derive(Debug)]
pub(super) struct Writer {
    form: Form,
    surrogates: Surrogates,
    pub(super) output: Vec<u8>,
    finish_reason: Option<FinishReason>,
    /// Upstream's word for [`FinishReason::Other`].
    unknown_reason: Option<String>,
    is_refusal: bool,
    /// Whether the answer has begun, with or without text.
    has_begun: bool,
    /// Whether text came in a delta without indices, before any with indices.
    has_deltas: bool,
    sent_parts: SentParts,
    /// Frames so far.
    frames: u64,
    /// Those with text.
    text_frames: u64,
    /// Bytes of text.
    text_bytes: usize,
    thoughts: Thoughts,
    usage: Option<Usage>,
    /// How it ended at upstream.
    end: End,
    /// Frames since the last [`Writer::take_sent`], if they are traced.
    sent: Option<Vec<SentFrame>>,
}

impl Writer {
    pub(super) fn new(form: Form, traces_frames: bool) -> Self {
        Self {
            form,
            surrogates: Surrogates::default(),
            output: Vec::new(),
            finish_reason: None,
            unknown_reason: None,
            is_refusal: false,
            has_begun: false,
            has_deltas: false,
            sent_parts: SentParts::default(),
            frames: 0,
            text_frames: 0,
            text_bytes: 0,
            thoughts: Thoughts::default(),
            usage: None,
            end: End::Left,
            sent: traces_frames.then(Vec::new),
        }
    }

    /// Handles an event. `is_last`: the bytes ended, and may have cut it off; only what is whole counts.
    pub(super) fn handle(
        &mut self,
        events: &mut EventParser,
        event: Event<'_>,
        is_last: bool,
    ) -> Step {
        let Event { kind, data } = event;
        let counts = |data: &str| !is_last || is_whole(data);
        let malformed = Step::Malformed("an event's data does not follow the API");
        if counts(data) {
            match events.parse(kind, data) {
                Ok(meaning) => return self.apply(meaning),
                Err(_) if !data.contains('\n') => return malformed,
                Err(_) => {}
            }
        }
        // Some servers forget the blank line between events, which makes them lines of one event.
        for line in data.lines().take_while(|line| counts(line)) {
            let Ok(meaning) = events.parse(kind, line) else {
                return malformed;
            };
            let step = self.apply(meaning);
            if !matches!(step, Step::Continue) {
                return step;
            }
        }
        Step::Continue
    }

    /// Applies what an event means.
    fn apply(&mut self, meaning: Meaning<'_>) -> Step {
        let (delta, is_done) = match meaning {
            Meaning::Nothing => return Step::Continue,
            Meaning::Delta(delta) => (delta, false),
            Meaning::Done(delta) => (delta, true),
        };
        let is_readable = self.delta(&delta);
        if self.finish_reason.is_none() {
            if let Some(Ended::Failed(failure)) = delta.ending {
                return Step::Fail(failure);
            }
            if !is_readable {
                return Step::Malformed("the answer's text cannot be read");
            }
        }
        match (is_done, self.has_begun) {
            (false, _) => Step::Continue,
            (true, true) => Step::Finish,
            (true, false) => {
                let cause = "the end mark came before any part of the answer";
                let failure = Failure::new(ErrorCode::UpstreamTruncated, cause);
                Step::Fail(Box::new(failure))
            }
        }
    }

    /// Writes the final frame of a complete answer.
    pub(super) fn finish(&mut self) {
        self.end = End::Complete;
        self.finish_reason.get_or_insert(FinishReason::Stop);
        if let Some(text) = self.surrogates.finish() {
            self.content(&text);
        }
        self.finish_thoughts();
        let ending = Ending::Finished {
            finish_reason: self.finish_reason().unwrap_or(FinishReason::Stop),
            usage: self.usage,
        };
        self.ending(ending);
    }

    /// Writes the final frame of an answer that is not complete.
    pub(super) fn fail(&mut self, error: &ApiError) {
        self.end = match End::of(error.code) {
            End::Refused if self.is_at_work() => End::Failed,
            end => end,
        };
        self.ending(Ending::Failed(error));
    }

    fn ending(&mut self, ending: Ending<'_>) {
        if let Form::Frames(frames) = &mut self.form {
            frames.ending(ending, &mut self.output);
        }
    }

    pub(super) fn finish_reason(&self) -> Option<FinishReason> {
        match self.finish_reason {
            Some(_) if self.is_refusal => Some(FinishReason::Refusal),
            reason => reason,
        }
    }

    pub(super) fn unknown_finish_reason(&self) -> Option<&str> {
        let reason = self.unknown_reason.as_deref();
        reason.filter(|_| self.finish_reason() == Some(FinishReason::Other))
    }

    pub(super) fn is_at_work(&self) -> bool {
        self.thoughts.have_begun() || self.text_frames > 0 || self.finish_reason.is_some()
    }

    pub(super) fn usage(&self) -> Option<Usage> {
        self.usage
    }

    pub(super) fn text_frames(&self) -> u64 {
        self.text_frames
    }

    pub(super) fn seen(&self) -> Seen {
        Seen {
            told: self.usage,
            text_bytes: self.text_bytes,
            reasoning_bytes: self.thoughts.seen_bytes(),
            end: self.end,
        }
    }

    pub(super) fn take_sent(&mut self) -> Vec<SentFrame> {
        let sent = self.sent.as_mut();
        sent.map(std::mem::take).unwrap_or_default()
    }

    /// Applies a delta; false when its text cannot be read and is lost, and then the rest of it is not applied.
    pub(super) fn delta(&mut self, delta: &Delta<'_>) -> bool {
        let is_new = self.is_new(delta.extent);
        if is_new && delta.extent == Extent::Lost {
            return false;
        }
        if delta.begins_reasoning {
            self.thoughts.begin_item();
        }
        let reasoning = delta.reasoning.as_ref();
        let next = reasoning.and_then(|reasoning| self.thoughts.next(reasoning, delta.extent));
        if let Some(json) = next {
            self.reasoning(&json);
        }
        let has_text = delta.content.is_some() || delta.refusal.is_some();
        if is_new && has_text {
            self.text(delta.content.as_deref(), delta.refusal.as_deref());
            match delta.extent {
                // Once a delta has named a part, the others may leave it out.
                Extent::Delta => self.has_deltas |= self.sent_parts.is_empty(),
                Extent::DeltaOf(part) => self.sent_parts.add(part),
                Extent::Part(Some(part)) => {
                    self.sent_parts.add(part);
                    self.sent_parts.repeated(part);
                }
                Extent::Part(None) | Extent::Whole | Extent::Lost => {}
            }
        }
        self.missing_parts(&delta.parts);
        self.has_begun |= delta.is_answer;
        self.thoughts.are_unseen |= delta.shows_work;
        self.keep_finish_reason(delta.ending.as_ref());
        if let Some(usage) = delta.usage {
            self.usage = usage.ok();
        }
        true
    }

    /// Whether a delta's text was not sent before.
    fn is_new(&mut self, extent: Extent) -> bool {
        match extent {
            Extent::Delta | Extent::DeltaOf(_) => true,
            Extent::Part(None) => !self.has_deltas,
            Extent::Part(Some(part)) => {
                self.sent_parts.repeated(part);
                !self.has_deltas && self.sent_parts.lacks(part)
            }
            Extent::Whole | Extent::Lost => self.text_frames == 0,
        }
    }

    /// Sends the parts that were not sent before.
    fn missing_parts(&mut self, parts: &[PartText<'_>]) {
        let all = parts.iter().map(|part| part.part);
        if self.has_deltas || !self.sent_parts.lacks_any(all) {
            return;
        }
        for PartText {
            part,
            content,
            refusal,
        } in parts
        {
            if !self.sent_parts.contains(*part) {
                self.text(content.as_deref(), refusal.as_deref());
            }
        }
    }

    /// Half a character of reasoning stands before the text that follows it.
    fn finish_thoughts(&mut self) {
        if let Some(text) = self.thoughts.finish() {
            self.reasoning(&text);
        }
    }

    fn reasoning(&mut self, json: &str) {
        self.sent(0);
        match &mut self.form {
            Form::Frames(frames) => frames.reasoning(json, &mut self.output),
            Form::Pieces => pieces::append(Piece::Reasoning(json), &mut self.output),
        }
    }

    fn text(&mut self, content: Option<&str>, refusal: Option<&str>) {
        for text in [content, refusal].into_iter().flatten() {
            let whole = self.surrogates.join(text);
            if whole != "\"\"" {
                self.content(&whole);
            }
        }
        self.is_refusal |= refusal.is_some();
    }

    /// Keeps why the answer ended. A later `stop` does not replace a reason: a gateway may append its own to the
    /// model's, which says more.
    fn keep_finish_reason(&mut self, ending: Option<&Ended>) {
        match ending {
            Some(Ended::Finished(FinishReason::Stop)) => {
                self.finish_reason.get_or_insert(FinishReason::Stop);
            }
            Some(Ended::Finished(reason)) => self.finish_reason = Some(*reason),
            Some(Ended::Other(name)) if self.finish_reason.is_none_or(is_vague) => {
                self.finish_reason = Some(FinishReason::Other);
                self.unknown_reason.clone_from(name);
            }
            Some(Ended::Other(_) | Ended::Failed(_)) | None => {}
        }
    }

    fn content(&mut self, json: &str) {
        self.finish_thoughts();
        let mut length = 0;
        if self.sent.is_some() {
            let text: String = serde_json::from_str(json).unwrap_or_default();
            length = text.chars().count();
        }
        self.sent(length);
        self.text_frames = self.text_frames.saturating_add(1);
        self.text_bytes = self.text_bytes.saturating_add(json::text_bytes(json));
        match &mut self.form {
            Form::Frames(frames) => frames.content(json, &mut self.output),
            Form::Pieces => pieces::append(Piece::Text(json), &mut self.output),
        }
    }

    /// Counts a frame, and keeps what the log tells of it.
    fn sent(&mut self, content_length: usize) {
        if let Some(sent) = &mut self.sent {
            sent.push(SentFrame {
                sequence: self.frames,
                content_length,
            });
        }
        self.frames = self.frames.saturating_add(1);
    }
}

/// Whether an unknown reason may replace this one.
fn is_vague(reason: FinishReason) -> bool {
    matches!(reason, FinishReason::Stop | FinishReason::Other)
}

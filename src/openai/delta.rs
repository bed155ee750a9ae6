//! What upstream's events mean, whichever API they belong to.

use std::borrow::Cow;

use super::failure::Failure;
use super::finish::Reason;
use crate::api::ending::{FinishReason, Usage};
use crate::api::error::ErrorCode;

/// What one upstream event means to a stream.
#[derive(Debug)]
pub enum Meaning<'a> {
    /// Nothing for the answer: a sign of life, or an event of another kind.
    Nothing,
    /// A piece of the answer, what upstream says about its end, or both.
    Delta(Delta<'a>),
    /// The end of the stream, with a last delta. Nothing of interest follows.
    Done(Delta<'a>),
}

impl Meaning<'_> {
    /// Upstream reports that it failed.
    pub(super) fn failed(failure: Failure) -> Self {
        Self::Delta(Delta {
            ending: Some(Ended::Failed(Box::new(failure))),
            ..Delta::default()
        })
    }
}

/// An event's data that is not what the API promises.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Malformed;

/// An event's meaning, and what the parser may ignore in the next one.
pub(super) struct ParsedEvent<'a> {
    pub(super) meaning: Meaning<'a>,
    /// Values that mean nothing here and differ from event to event.
    pub(super) ignorable: [Option<&'a str>; 2],
}

impl<'a> From<Meaning<'a>> for ParsedEvent<'a> {
    fn from(meaning: Meaning<'a>) -> Self {
        Self {
            meaning,
            ignorable: [None; 2],
        }
    }
}

/// What an event adds to the answer.
///
/// Its texts are JSON strings that are not empty, with quotes and escapes. Where possible they are upstream's own
/// bytes, since they go into a frame verbatim.
#[derive(Debug, Default)]
pub struct Delta<'a> {
    /// Whether a new item of reasoning begins. It comes before the rest.
    pub begins_reasoning: bool,
    /// What the model thinks. It comes before the text.
    pub reasoning: Option<Reasoning<'a>>,
    /// Text of the answer.
    pub content: Option<Cow<'a, str>>,
    /// Text in which the model refuses to answer.
    pub refusal: Option<Cow<'a, str>>,
    /// How much of the answer the text is, which tells whether it is new.
    pub extent: Extent,
    /// What upstream says about the answer's end. It applies after the text.
    pub ending: Option<Ended>,
    /// Tokens used so far. The last one counts, even if it cannot be read.
    pub usage: Option<Result<Usage, Malformed>>,
    /// Whether this belongs to the answer at all, with or without text.
    pub is_answer: bool,
    /// Whether the model is at work, even without text or reasoning.
    pub shows_work: bool,
    /// The whole answer in its parts, as Responses repeats it at the end.
    pub parts: Vec<PartText<'a>>,
}

/// A piece of what the model thinks: a JSON string that is not empty.
#[derive(Debug)]
pub struct Reasoning<'a> {
    /// The text.
    pub text: Cow<'a, str>,
    /// Where it was.
    pub source: ReasoningSource,
    /// Whether it is wanted. If not, it is only counted.
    pub is_shown: bool,
}

impl<'a> Reasoning<'a> {
    /// The text of this source, if there is any.
    pub(super) fn of(text: Option<Cow<'a, str>>, source: ReasoningSource) -> Option<Self> {
        text.map(|text| Self {
            text,
            source,
            is_shown: true,
        })
    }

    /// The same without upstream's bytes, and shown or not.
    pub(super) fn into_owned(self, is_shown: bool) -> Reasoning<'static> {
        Reasoning {
            text: Cow::Owned(self.text.into_owned()),
            source: self.source,
            is_shown,
        }
    }
}

/// Where servers put a piece of reasoning.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ReasoningSource {
    /// In a message, or in a whole item of Responses.
    Message,
    /// In a summary that streams.
    Summary,
    /// In a text that streams. Some servers send it as a summary of itself, too, in events of their own.
    Text,
}

/// The text of one part of an answer, in the form that [`Delta`] has.
#[derive(Debug)]
pub struct PartText<'a> {
    /// Which part.
    pub part: Part,
    /// Text of the answer.
    pub content: Option<Cow<'a, str>>,
    /// Text in which the model refuses to answer.
    pub refusal: Option<Cow<'a, str>>,
}

/// How much of the answer a delta's text is. Servers repeat what they have sent, so this tells what is new.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Extent {
    /// The next piece of the answer.
    #[default]
    Delta,
    /// The next piece of this part of the answer.
    DeltaOf(Part),
    /// A part that is over, or an answer without parts; new only if no delta brought it.
    Part(Option<Part>),
    /// The whole answer; new only if no text came before.
    Whole,
    /// A part or the whole answer that cannot be read; a loss if no text came before.
    Lost,
}

/// A part of a response, by its indices.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Part {
    /// The index of its item.
    pub output_index: u64,
    /// Its index within the item; `None` for the whole item.
    pub content_index: Option<u64>,
}

impl Part {
    /// Whether the two parts overlap: they are equal, or one is the whole item that the other belongs to.
    pub fn overlaps(self, other: Self) -> bool {
        let is_item = self.content_index.is_none() || other.content_index.is_none();
        self.output_index == other.output_index && (is_item || self == other)
    }
}

/// What upstream says about the end of an answer.
#[derive(Clone, Debug)]
pub enum Ended {
    /// The answer is complete.
    Finished(FinishReason),
    /// The answer is complete for a reason that is not known: upstream's word for it, if that is a machine-readable name.
    Other(Option<String>),
    /// Upstream failed.
    Failed(Box<Failure>),
}

impl From<Reason> for Ended {
    fn from(reason: Reason) -> Self {
        match reason {
            Reason::Finished(reason) => Self::Finished(reason),
            Reason::Other(name) => Self::Other(name),
            Reason::Failed(name) => {
                let name = name.as_deref().unwrap_or_default();
                let cause = format!("upstream finish reason {name}");
                let failure = Failure::new(ErrorCode::UpstreamUnavailable, cause);
                Self::Failed(Box::new(failure))
            }
        }
    }
}

//! What events mean, whichever API they are of.

use std::borrow::Cow;

use super::failure::Failure;
use super::finish::Reason;
use crate::api::ending::{FinishReason, Usage};
use crate::api::error::ErrorCode;

/// What one upstream event means to a stream.
#[derive(Debug)]
pub enum Meaning<'a> {
    /// Nothing: upstream is still there, or says something that is not about the answer's text.
    Nothing,
    /// What a chunk of the answer adds.
    Delta(Delta<'a>),
    /// The end of the stream, and what it still brings; nothing of interest follows.
    Done(Delta<'a>),
}

impl Meaning<'_> {
    /// Upstream reports that it could not go on.
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

/// An event that was taken apart.
pub(super) struct Parts<'a> {
    pub(super) meaning: Meaning<'a>,
    /// Values that mean nothing here, and that no two events have in common.
    pub(super) noise: [Option<&'a str>; 2],
}

impl<'a> From<Meaning<'a>> for Parts<'a> {
    fn from(meaning: Meaning<'a>) -> Self {
        Self {
            meaning,
            noise: [None; 2],
        }
    }
}

/// What a chunk of the answer adds. Text is a JSON string that is not empty, quotes and escapes included, where
/// possible as upstream wrote it: it goes into a frame verbatim.
#[derive(Debug, Default)]
pub struct Delta<'a> {
    /// The answer's text.
    pub content: Option<Cow<'a, str>>,
    /// Text by which the model refuses to answer.
    pub refusal: Option<Cow<'a, str>>,
    /// How the text relates to what came before.
    pub origin: Origin,
    /// What upstream says about the answer's end, after this text.
    pub ending: Option<Ended>,
    /// Tokens used so far; the last that is given counts, also where it cannot be read.
    pub usage: Option<Result<Usage, Malformed>>,
    /// Whether this is a part of the answer, with text or without.
    pub is_answer: bool,
    /// All parts of the answer again, in order, at its end.
    pub parts: Vec<PartText<'a>>,
}

/// A part of an answer, as [`Delta`] has its text.
#[derive(Debug)]
pub struct PartText<'a> {
    /// Which one.
    pub part: Part,
    /// The answer's text.
    pub content: Option<Cow<'a, str>>,
    /// Text by which the model refuses to answer.
    pub refusal: Option<Cow<'a, str>>,
}

/// How a text relates to those before it.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Origin {
    /// It goes on where they end.
    #[default]
    Delta,
    /// It goes on with this part.
    DeltaOf(Part),
    /// It says a part of the answer again that deltas have said, if any came.
    Part(Option<Part>),
    /// It says the whole answer again, if any of it came.
    Whole,
    /// A part or the whole that cannot be read, which is a loss if nothing of the answer came.
    Lost,
}

/// Which part of a response a text is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Part {
    /// The number of its item.
    pub output_index: u64,
    /// Its number within the item; nothing for the whole item.
    pub content_index: Option<u64>,
}

impl Part {
    /// Whether all of this part is in the other one, or is the other one as a whole.
    pub fn is_within(self, other: Self) -> bool {
        let is_item = self.content_index.is_none() || other.content_index.is_none();
        self.output_index == other.output_index && (is_item || self == other)
    }
}

/// What upstream says about the end of an answer.
#[derive(Clone, Debug)]
pub enum Ended {
    /// The answer is complete.
    Finished(FinishReason),
    /// The answer is complete for [`FinishReason::Other`]: upstream's word, if it is a name.
    Otherwise(Option<String>),
    /// Upstream could not go on.
    Failed(Box<Failure>),
}

impl From<Reason> for Ended {
    fn from(reason: Reason) -> Self {
        match reason {
            Reason::Finished(reason) => Self::Finished(reason),
            Reason::Unknown(name) => Self::Otherwise(name),
            Reason::Failed(name) => {
                let name = name.as_deref().unwrap_or_default();
                let cause = format!("upstream finish reason {name}");
                let failure = Failure::new(ErrorCode::UpstreamUnavailable, cause);
                Self::Failed(Box::new(failure))
            }
        }
    }
}

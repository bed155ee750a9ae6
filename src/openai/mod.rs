//! What upstream speaks. Nothing outside this module knows a field of the `OpenAI` API.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use self::failure::Failure;

pub mod chat_completions;
pub mod failure;

/// What one upstream event means to a stream.
#[derive(Debug)]
pub enum Meaning<'a> {
    /// Zero or more of: text, the reason why the answer ended, what it cost.
    Delta(Delta<'a>),
    /// The stream's own end mark; nothing of interest follows.
    Done,
    /// Upstream reports that it could not go on.
    Failed(Failure),
}

/// What a chunk of the answer adds. Text is kept as the JSON string that upstream wrote, quotes and
/// escapes included: it goes into a frame verbatim.
#[derive(Debug, Default)]
pub struct Delta<'a> {
    /// The answer's text.
    pub content: Option<&'a RawValue>,
    /// Text by which the model refuses to answer.
    pub refusal: Option<&'a RawValue>,
    /// Set once, by the chunk that ends the answer.
    pub finish_reason: Option<FinishReason>,
    /// Tokens used so far; the last one given counts.
    pub usage: Option<Usage>,
}

/// Why an answer is complete.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FinishReason {
    /// The model came to its end.
    Stop,
    /// The token limit was reached.
    Length,
    /// Upstream's content filter ended the answer.
    ContentFilter,
    /// The model refused to answer.
    Refusal,
    /// The model wants a tool called.
    ToolCalls,
}

impl FinishReason {
    /// The name that clients and logs see.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Length => "length",
            Self::ContentFilter => "content_filter",
            Self::Refusal => "refusal",
            Self::ToolCalls => "tool_calls",
        }
    }
}

/// Tokens that an answer used, as upstream counted them.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Usage {
    /// Tokens of the conversation sent.
    pub input_tokens: u64,
    /// Tokens of the answer, hidden reasoning included.
    pub output_tokens: u64,
    /// Both together.
    pub total_tokens: u64,
}

/// An event's data that is not what the API promises.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Malformed;

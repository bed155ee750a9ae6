//! What upstream speaks. Nothing outside this module knows a field of the `OpenAI` API.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use self::dialect::Dialect;
use self::failure::Failure;
use self::template::Template;
use crate::api::request::{ChatRequest, Role};
use crate::config::Config;

pub mod base_url;
mod chat_completions;
pub mod dialect;
pub mod failure;
mod responses;
mod template;

/// The two APIs by which a model is asked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Api {
    /// Chat Completions, which every compatible server speaks.
    ChatCompletions,
    /// Responses.
    Responses,
}

impl Api {
    /// Reads an API's name.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::ChatCompletions, Self::Responses]
            .into_iter()
            .find(|api| api.name() == name)
    }

    /// The name that the configuration and the log know.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ChatCompletions => "chat_completions",
            Self::Responses => "responses",
        }
    }

    /// Path below the base URL.
    pub const fn path(self) -> &'static str {
        match self {
            Self::ChatCompletions => "/chat/completions",
            Self::Responses => "/responses",
        }
    }

    /// The JSON body that asks for a streamed answer.
    pub fn body(self, request: &ChatRequest, config: &Config, dialect: Dialect) -> String {
        match self {
            Self::ChatCompletions => chat_completions::body(request, config, dialect),
            Self::Responses => responses::body(request, config),
        }
    }

    fn take_apart<'a>(self, kind: &str, data: &'a str) -> Result<Parts<'a>, Malformed> {
        match self {
            Self::ChatCompletions => chat_completions::take_apart(kind, data),
            Self::Responses => responses::take_apart(kind, data),
        }
    }
}

/// Reads the events of one answer.
#[derive(Debug)]
pub struct EventReader {
    api: Api,
    template: Template,
}

impl EventReader {
    /// The reader of a new answer.
    pub fn new(api: Api) -> Self {
        Self {
            api,
            template: Template::default(),
        }
    }

    /// What an event means. `kind` is the event's type, empty when it has none. The events before make it
    /// quicker to tell, and nothing else.
    ///
    /// # Errors
    ///
    /// [`Malformed`] when the data is not what the API promises.
    pub fn meaning<'a>(&mut self, kind: &str, data: &'a str) -> Result<Meaning<'a>, Malformed> {
        if let Some(content) = self.template.text(kind, data) {
            return Ok(Meaning::Delta(Delta {
                content: text(Some(content))?,
                ..Delta::default()
            }));
        }
        let Parts { meaning, noise } = self.api.take_apart(kind, data)?;
        if let Meaning::Delta(Delta {
            content: Some(content),
            refusal: None,
            finish_reason: None,
            usage: None,
        }) = meaning
        {
            self.template
                .keep(kind, data, content, noise.into_iter().flatten());
        }
        Ok(meaning)
    }
}

/// An event that was taken apart.
struct Parts<'a> {
    meaning: Meaning<'a>,
    /// Values that mean nothing here, and that no two events have in common.
    noise: [Option<&'a RawValue>; 2],
}

impl<'a> From<Meaning<'a>> for Parts<'a> {
    fn from(meaning: Meaning<'a>) -> Self {
        Self {
            meaning,
            noise: [None; 2],
        }
    }
}

/// A message as both APIs take it.
#[derive(Serialize)]
struct Message<'a> {
    role: &'static str,
    content: &'a str,
}

impl<'a> Message<'a> {
    fn system(content: &'a str) -> Self {
        Self {
            role: "system",
            content,
        }
    }

    /// The earlier turns, oldest first, then what the person says now.
    fn conversation(request: &'a ChatRequest) -> impl Iterator<Item = Self> {
        let earlier = request.history.iter().map(|turn| {
            let role = match turn.role {
                Role::User => "user",
                Role::Assistant => "assistant",
            };
            Self {
                role,
                content: &turn.content,
            }
        });
        earlier.chain([Self {
            role: "user",
            content: &request.message,
        }])
    }
}

/// What one upstream event means to a stream.
#[derive(Debug)]
pub enum Meaning<'a> {
    /// Zero or more of: text, the reason why the answer ended, what it cost.
    Delta(Delta<'a>),
    /// The end of the stream, and what it still brings; nothing of interest follows.
    Done(Delta<'a>),
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
    /// Upstream ended the answer in order, for a reason that is unknown here.
    Other,
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
            Self::Other => "other",
        }
    }
}

/// Tokens that an answer used, as upstream counted them.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default)]
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

/// A text, or nothing where there is none to send. Anything but a string is not a text: passing over
/// it would lose a part of the answer without a word.
fn text(value: Option<&RawValue>) -> Result<Option<&RawValue>, Malformed> {
    match value {
        Some(json) if json.get() == "\"\"" => Ok(None),
        Some(json) if json.get().starts_with('"') => Ok(Some(json)),
        Some(json) if json.get() != "null" => Err(Malformed),
        _ => Ok(None),
    }
}

//! What upstream speaks. Nothing outside this module knows a field of the `OpenAI` API.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use self::dialect::Dialect;
use self::failure::Failure;
use self::template::Template;
use crate::api::request::{ChatRequest, Role};
use crate::config::Config;

pub use self::event::is_whole;
pub use self::meaning::{Delta, Ended, Meaning, Origin, Part, PartText};
pub use self::whole::{MAX_WHOLE_BYTES, Sniffed, Whole, sniff};

pub mod base_url;
mod chat_completions;
pub mod dialect;
pub mod dialects;
mod event;
pub mod failure;
mod finish;
mod meaning;
mod reported;
mod responses;
pub mod retry;
mod template;
mod text;
mod usage;
mod whole;
mod words;

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

    fn take_apart<'a>(
        self,
        kind: &str,
        data: &'a str,
        failure: impl Fn(&str) -> Failure,
    ) -> Result<Parts<'a>, Malformed> {
        match self {
            Self::ChatCompletions => chat_completions::take_apart(kind, data, failure),
            Self::Responses => responses::take_apart(kind, data, failure),
        }
    }
}

/// Reads the events of one answer.
#[derive(Debug)]
pub struct EventReader {
    api: Api,
    names_model: bool,
    template: Template,
}

impl EventReader {
    /// The reader of a new answer, whose client named the model.
    pub fn new(api: Api) -> Self {
        Self {
            api,
            names_model: true,
            template: Template::default(),
        }
    }

    /// The same for a client that leaves the model to this service, or does not.
    #[must_use]
    pub fn asking_default_model(self, is_default: bool) -> Self {
        Self {
            names_model: !is_default,
            ..self
        }
    }

    /// What an event means. `kind` is the event's type, empty when it has none. The events before make it
    /// quicker to tell, and nothing else.
    ///
    /// # Errors
    ///
    /// [`Malformed`] when the data is not what the API promises.
    pub fn meaning<'a>(&mut self, kind: &str, data: &'a str) -> Result<Meaning<'a>, Malformed> {
        if let Some(text) = self.template.text(kind, data) {
            return Ok(Meaning::Delta(Delta {
                content: (text != "\"\"").then_some(Cow::Borrowed(text)),
                is_answer: true,
                ..Delta::default()
            }));
        }
        let failure = |data: &str| Failure::from_event(data, self.names_model);
        let Parts { meaning, noise } = self.api.take_apart(kind, data, failure)?;
        if let Meaning::Delta(Delta {
            content: Some(Cow::Borrowed(content)),
            refusal: None,
            origin: Origin::Delta | Origin::DeltaOf(_),
            ending: None,
            usage: None,
            is_answer: true,
            parts: _,
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
    noise: [Option<&'a str>; 2],
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

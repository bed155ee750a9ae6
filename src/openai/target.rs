//! The upstream server that a deployment talks to, and how it is asked.

use super::base_url::BaseUrl;
use super::dialect::Dialect;
use super::request;
use crate::api::request::ChatRequest;
use crate::telemetry::redact::Secret;

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
    const fn path(self) -> &'static str {
        match self {
            Self::ChatCompletions => "/chat/completions",
            Self::Responses => "/responses",
        }
    }
}

/// Where upstream is, and how a deployment wants it to be asked.
#[derive(Clone, Debug)]
pub struct Target {
    /// `OPENAI_BASE_URL`: the server.
    pub base_url: BaseUrl,
    /// `OPENAI_API_KEY`: sent with every request.
    pub api_key: Secret,
    /// `OPENAI_API`: the API that the server is asked by.
    pub api: Api,
    /// `SYSTEM_PROMPT`: the first instruction of every conversation.
    pub system_prompt: Option<String>,
    /// `MAX_RETRIES`: further attempts before the first byte.
    pub max_retries: u32,
}

impl Target {
    /// The address that requests are sent to.
    pub fn url(&self) -> String {
        self.base_url.join(self.api.path())
    }

    /// The JSON body that asks for an answer.
    pub fn body(&self, request: &ChatRequest, dialect: Dialect) -> String {
        let system_prompt = self.system_prompt.as_deref();
        match self.api {
            Api::ChatCompletions => request::chat_completions(request, system_prompt, dialect),
            Api::Responses => request::responses(request, system_prompt),
        }
    }
}

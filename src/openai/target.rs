//! Which server is upstream, and how a deployment wants it to be asked.

use super::dialect::{Asked, Dialect};
use super::fallback::{Fallbacks, Site};
use super::request;
use super::server::Server;
use crate::api::request::ChatRequest;

/// The two APIs that upstream may speak.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Api {
    /// Chat Completions, which every compatible server speaks.
    ChatCompletions,
    /// Responses.
    Responses,
}

impl Api {
    /// Parses the API's name.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::ChatCompletions, Self::Responses]
            .into_iter()
            .find(|api| api.name() == name)
    }

    /// The API's name in the configuration and in the log.
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

/// A deployment's settings for upstream.
#[derive(Clone, Debug)]
pub struct Target {
    /// `OPENAI_BASE_URL` and `OPENAI_API_KEY`: the usual server.
    pub server: Server,
    /// What is asked when a model fails.
    pub fallbacks: Fallbacks,
    /// `OPENAI_API`: the API that all servers speak.
    pub api: Api,
    /// `SYSTEM_PROMPT`: the first instruction of every conversation.
    pub system_prompt: Option<String>,
    /// `SHOW_SYSTEM_PROMPT`: whether those who may chat are told the system prompt.
    pub shows_system_prompt: bool,
    /// `MAX_RETRIES`: further attempts before the first byte.
    pub max_retries: u32,
}

impl Target {
    /// One of the deployment's servers.
    pub fn server(&self, site: Site) -> &Server {
        let fallback = self.fallbacks.server.as_ref();
        let fallback = fallback.filter(|_| site == Site::Fallback);
        fallback.unwrap_or(&self.server)
    }

    /// The address that requests are sent to.
    pub fn url(&self, site: Site) -> String {
        self.server(site).base_url.join(self.api.path())
    }

    /// The address that lists the usual server's models.
    pub fn models_url(&self) -> String {
        self.server.base_url.join("/models")
    }

    /// Bytes of the system prompt.
    pub fn instruction_bytes(&self) -> usize {
        self.system_prompt.as_ref().map_or(0, String::len)
    }

    /// The system prompt, where those who may chat are told it.
    pub fn shown_system_prompt(&self) -> Option<&str> {
        let prompt = self.system_prompt.as_deref();
        prompt.filter(|_| self.shows_system_prompt)
    }

    /// The JSON body that asks for an answer.
    pub fn body(&self, request: &ChatRequest, dialect: Dialect) -> String {
        let prompt = self.system_prompt.as_deref();
        let asked = self.asked(request);
        match self.api {
            Api::ChatCompletions => request::chat_completions(request, prompt, asked, dialect),
            Api::Responses => request::responses(request, prompt, asked, dialect),
        }
    }

    /// What of a request depends on the dialect.
    pub fn asked(&self, request: &ChatRequest) -> Asked {
        Asked {
            is_chat: self.api == Api::ChatCompletions,
            effort: request.reasoning_effort,
            include_reasoning: request.include_reasoning,
        }
    }
}

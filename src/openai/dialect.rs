//! What servers that speak Chat Completions disagree about.

use serde_json::Value;

use super::base_url::BaseUrl;

/// Where the API comes from.
const OPENAI_HOST: &str = "api.openai.com";

/// How one server wants its requests.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Dialect {
    /// The name of the token limit.
    pub token_limit: TokenLimit,
    /// Whether `stream_options` may ask for usage.
    pub stream_options: bool,
}

/// The two names of the token limit. `OpenAI`'s reasoning models refuse the old one, most other
/// servers do not know the new one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TokenLimit {
    /// The old name.
    MaxTokens,
    /// The new name.
    MaxCompletionTokens,
}

impl TokenLimit {
    const fn name(self) -> &'static str {
        match self {
            Self::MaxTokens => "max_tokens",
            Self::MaxCompletionTokens => "max_completion_tokens",
        }
    }

    const fn other(self) -> Self {
        match self {
            Self::MaxTokens => Self::MaxCompletionTokens,
            Self::MaxCompletionTokens => Self::MaxTokens,
        }
    }
}

impl Dialect {
    /// What the server at this address is likely to speak.
    pub fn of(base_url: &BaseUrl) -> Self {
        let token_limit = if base_url.host().eq_ignore_ascii_case(OPENAI_HOST) {
            TokenLimit::MaxCompletionTokens
        } else {
            TokenLimit::MaxTokens
        };
        Self {
            token_limit,
            stream_options: true,
        }
    }

    /// How to ask again after an error that refuses a parameter of the request; nothing when the
    /// error is about something else.
    pub fn adapted(self, status: u16, body: &[u8]) -> Option<Self> {
        if !matches!(status, 400 | 422) {
            return None;
        }
        let refusal = Refusal::read(body)?;
        if self.stream_options && refusal.names("stream_options") {
            return Some(Self {
                stream_options: false,
                ..self
            });
        }
        if refusal.names(self.token_limit.name()) {
            return Some(Self {
                token_limit: self.token_limit.other(),
                ..self
            });
        }
        None
    }
}

/// An error that refuses a parameter.
struct Refusal {
    /// The parameter, where the error names it in a field of its own.
    param: Option<String>,
    /// The whole error.
    text: String,
}

impl Refusal {
    /// `unsupported_parameter` and `unknown_parameter` are `OpenAI`'s codes, `extra_forbidden` is
    /// what servers say that check their requests with pydantic.
    fn read(body: &[u8]) -> Option<Self> {
        let error: Value = serde_json::from_slice(body).ok()?;
        let text = error.to_string();
        let codes = [
            "unsupported_parameter",
            "unknown_parameter",
            "extra_forbidden",
        ];
        if !codes.iter().any(|code| text.contains(code)) {
            return None;
        }
        let param = error.pointer("/error/param").or_else(|| error.get("param"));
        Some(Self {
            param: param.and_then(Value::as_str).map(str::to_owned),
            text,
        })
    }

    fn names(&self, parameter: &str) -> bool {
        match &self.param {
            Some(param) => param.split('.').next() == Some(parameter),
            None => self.text.contains(parameter),
        }
    }
}

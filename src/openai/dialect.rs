//! What servers that speak Chat Completions disagree about.

use super::base_url::BaseUrl;
use crate::json::Fields;

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
struct Refusal<'a> {
    /// The parameter, where the error names it in a field of its own.
    param: Option<String>,
    /// The whole error.
    text: &'a str,
}

impl<'a> Refusal<'a> {
    /// `unsupported_parameter` and `unknown_parameter` are `OpenAI`'s codes, `extra_forbidden` is
    /// what servers say that check their requests with pydantic.
    fn read(body: &'a [u8]) -> Option<Self> {
        let text = std::str::from_utf8(body).ok()?;
        let outer = Fields::read(text)?;
        let codes = [
            "unsupported_parameter",
            "unknown_parameter",
            "extra_forbidden",
        ];
        if !codes.iter().any(|code| text.contains(code)) {
            return None;
        }
        let inner = outer.get("error").and_then(Fields::read);
        let param = inner.and_then(|error| error.text("param"));
        Some(Self {
            param: param.or_else(|| outer.text("param")),
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

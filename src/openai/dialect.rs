//! What servers that speak Chat Completions disagree about.

use super::base_url::BaseUrl;
use super::reported::Reported;

/// Where the API comes from.
const OPENAI_HOST: &str = "api.openai.com";

/// How one server wants its requests.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Dialect {
    /// The name of the token limit.
    pub token_limit: TokenLimit,
    /// Whether `stream_options` may ask for usage.
    pub stream_options: bool,
    /// Whether `stream` may ask for a stream. Without it the answer comes whole.
    pub stream: bool,
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
            stream: true,
        }
    }

    /// How to ask again after an error that refuses a parameter of the request; nothing when the
    /// error is about something else. Each answer differs from this dialect.
    pub fn adapted(self, status: u16, body: &[u8]) -> Option<Self> {
        // A key, money, patience and size are not mended by other words.
        let may_be_worded =
            matches!(status, 400..500) && !matches!(status, 401..=403 | 408 | 413 | 429);
        if !may_be_worded {
            return None;
        }
        let reported = Reported::read(&String::from_utf8_lossy(body));
        let sent = [
            ("stream_options", self.stream_options && self.stream),
            ("stream", self.stream),
            (self.token_limit.name(), true),
        ];
        let sent = sent
            .into_iter()
            .filter_map(|(name, sent)| sent.then_some(name));
        // Behind the one that is refused, an error may list those that are known.
        let (_, refused) = sent
            .filter(|name| reported.may_be_about(name))
            .filter_map(|name| Some((reported.first_mention(name)?, name)))
            .min()?;
        match refused {
            "stream_options" if refuses_name(&reported) => Some(Self {
                stream_options: false,
                ..self
            }),
            "stream" if refuses_streams(&reported) => Some(Self {
                stream: false,
                ..self
            }),
            "max_tokens" | "max_completion_tokens"
                if refuses_token_limit(&reported, self.token_limit) =>
            {
                Some(Self {
                    token_limit: self.token_limit.other(),
                    ..self
                })
            }
            _ => None,
        }
    }
}

/// `OpenAI`'s codes, and what servers say that check their requests with pydantic.
const CODES: [&str; 3] = [
    "unsupported_parameter",
    "unknown_parameter",
    "extra_forbidden",
];

/// The words of other servers for a parameter that they do not know.
const WORDS: [&str; 18] = [
    "unsupported_parameter",
    "unknown_parameter",
    "extra_forbidden",
    "unsupported parameter",
    "unknown parameter",
    "unrecognized",
    "unknown field",
    "unknown name",
    "unknown argument",
    "unexpected keyword",
    "unexpected field",
    "unexpected property",
    "additional propert",
    "extra inputs are not permitted",
    "extra fields not permitted",
    "not supported",
    "does not support",
    "not allowed",
];

/// The words for a number that does not fit, whatever the parameter is called.
const VALUE_WORDS: [&str; 9] = [
    "too large",
    "too high",
    "at most",
    "at least",
    "must be",
    "cannot exceed",
    "less than",
    "range of",
    "value",
];

fn refuses_name(reported: &Reported) -> bool {
    reported.is_named(&CODES) || reported.says(&WORDS)
}

fn refuses_streams(reported: &Reported) -> bool {
    reported.is_named(&["unsupported_value"])
        || reported.says(&["verified to stream", "'stream' does not support"])
}

/// Servers that do not know a name pass over it, and the answer has no limit then. So it is changed only where the
/// name is refused, and not its number.
fn refuses_token_limit(reported: &Reported, limit: TokenLimit) -> bool {
    let is_plain =
        reported.is_named(&CODES) || reported.first_mention(limit.other().name()).is_some();
    refuses_name(reported) && (is_plain || !reported.says(&VALUE_WORDS))
}

//! What servers that speak Chat Completions disagree about.

use super::report::Report;

/// The host of `OpenAI` itself.
const OPENAI_HOST: &str = "api.openai.com";

/// How a server wants its requests.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Dialect {
    /// The name of the token limit.
    pub token_limit: TokenLimit,
    /// Whether `stream_options` may ask for usage.
    pub stream_options: bool,
    /// Whether `stream` may ask for a stream. Without it, the answer comes whole.
    pub stream: bool,
}

/// The two names of the token limit. `OpenAI`'s reasoning models refuse the old one, and most other servers do not
/// know the new one.
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
    /// What the server of this host most likely speaks.
    pub fn of(host: &str) -> Self {
        let token_limit = if host.eq_ignore_ascii_case(OPENAI_HOST) {
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

    /// Another dialect to try after an error that refuses a parameter of the request; `None` when the error is about
    /// something else.
    pub fn adapted(self, status: u16, body: &[u8]) -> Option<Self> {
        // No other parameters would help with the key, quota, rate, time or size.
        let may_help = matches!(status, 400..500) && !matches!(status, 401..=403 | 408 | 413 | 429);
        if !may_help {
            return None;
        }
        let report = Report::parse(&String::from_utf8_lossy(body));
        let parameters = [
            ("stream_options", self.stream_options && self.stream),
            ("stream", self.stream),
            (self.token_limit.name(), true),
        ];
        // The refused parameter comes first: the known ones may be listed after it.
        let (_, refused) = parameters
            .into_iter()
            .filter(|(name, is_sent)| *is_sent && report.may_be_about(name))
            .filter_map(|(name, _)| Some((report.first_mention(name)?, name)))
            .min()?;
        match refused {
            "stream_options" if refuses_name(&report) => Some(Self {
                stream_options: false,
                ..self
            }),
            "stream" if refuses_streams(&report) => Some(Self {
                stream: false,
                ..self
            }),
            _ if refused == self.token_limit.name()
                && refuses_token_limit(&report, self.token_limit) =>
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

/// Most models that are remembered. A client may name any number of them.
const MAX_MODELS: usize = 128;

/// The dialects of one server, by model. A gateway may serve its models from servers of different dialects. With one
/// dialect for all, their requests would have to learn it anew whenever the model changes.
#[derive(Debug)]
pub struct Dialects {
    first: Dialect,
    /// By model, the latest one last.
    learnt: Vec<(String, Dialect)>,
}

impl Dialects {
    /// Begins with `first` for every model.
    pub fn new(first: Dialect) -> Self {
        Self {
            first,
            learnt: Vec::new(),
        }
    }

    /// How to ask a model.
    pub fn of(&self, model: &str) -> Dialect {
        let learnt = self.learnt.iter().find(|(name, _)| name == model);
        learnt.map_or(self.first, |(_, dialect)| *dialect)
    }

    /// Remembers a dialect that a model answered to.
    pub fn learn(&mut self, model: &str, dialect: Dialect) {
        if self.of(model) == dialect {
            return;
        }
        self.learnt.retain(|(name, _)| name != model);
        if self.learnt.len() >= MAX_MODELS {
            self.learnt.remove(0);
        }
        self.learnt.push((model.to_owned(), dialect));
    }
}

/// `OpenAI`'s codes for a parameter that is not known, and those of servers that check requests with pydantic.
const UNKNOWN_CODES: &str = "unsupported_parameter unknown_parameter extra_forbidden";

/// What other servers say of a parameter that they do not know.
const UNKNOWN_SENTENCES: [&str; 18] = [
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

/// What servers say of a number that is too large or too small.
const VALUE_SENTENCES: [&str; 9] = [
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

fn refuses_name(report: &Report) -> bool {
    report.is_named(UNKNOWN_CODES) || report.says(&UNKNOWN_SENTENCES)
}

fn refuses_streams(report: &Report) -> bool {
    report.is_named("unsupported_value")
        || report.says(&["verified to stream", "'stream' does not support"])
}

/// Whether an error refuses the token limit's name, not its number. A server that ignores unknown names would answer
/// without a limit if it were sent the other one.
fn refuses_token_limit(report: &Report, limit: TokenLimit) -> bool {
    let is_clear =
        report.is_named(UNKNOWN_CODES) || report.first_mention(limit.other().name()).is_some();
    refuses_name(report) && (is_clear || !report.says(&VALUE_SENTENCES))
}

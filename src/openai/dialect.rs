//! What servers that speak the same API disagree about.

use super::report::Report;
use crate::api::request::Effort;

/// The host of `OpenAI` itself.
const OPENAI_HOST: &str = "api.openai.com";

/// How a server wants its requests.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "each is a parameter that a server takes or refuses"
)]
pub struct Dialect {
    /// The name of the token limit.
    pub token_limit: TokenLimit,
    /// Whether `stream_options` may ask for usage.
    pub stream_options: bool,
    /// Whether `stream` may ask for a stream. Without it, the answer comes whole.
    pub stream: bool,
    /// Whether `stream_options` may ask for events without padding, which only `OpenAI` sends.
    pub unpadded: bool,
    /// The efforts of reasoning that may be asked for.
    pub efforts: Efforts,
    /// Whether Responses may be asked for summaries of the reasoning.
    pub summaries: bool,
}

/// A set of efforts, which a server takes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Efforts(u8);

impl Efforts {
    /// Every effort.
    pub const ALL: Self = Self(0x7F);
    /// No effort.
    pub const NONE: Self = Self(0);

    /// Whether it has this one.
    pub const fn contains(self, effort: Effort) -> bool {
        self.0 & effort.bit() != 0
    }

    /// All but this one.
    #[must_use]
    pub const fn without(self, effort: Effort) -> Self {
        Self(self.0 & !effort.bit())
    }
}

/// What of a request depends on the dialect.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    /// Whether it is for Chat Completions. Responses has one name for everything, and always streams.
    pub is_chat: bool,
    /// How much the model is to reason.
    pub effort: Option<Effort>,
    /// Whether it wants to read what the model thinks.
    pub include_reasoning: bool,
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
        let is_openai = host.eq_ignore_ascii_case(OPENAI_HOST);
        let token_limit = if is_openai {
            TokenLimit::MaxCompletionTokens
        } else {
            TokenLimit::MaxTokens
        };
        Self {
            token_limit,
            stream_options: true,
            stream: true,
            unpadded: is_openai,
            efforts: Efforts::ALL,
            summaries: true,
        }
    }

    /// The effort that a request is sent with.
    pub fn effort(self, asked: Asked) -> Option<Effort> {
        asked.effort.filter(|effort| self.efforts.contains(*effort))
    }

    /// Whether a request is sent with the wish for summaries. Chat Completions has none.
    pub const fn wants_summary(self, asked: Asked) -> bool {
        !asked.is_chat && asked.include_reasoning && self.summaries
    }

    /// Another dialect to try after an error that refuses a parameter of the request; `None` when the error is about
    /// something else.
    pub fn adapted(self, asked: Asked, status: u16, body: &[u8]) -> Option<Self> {
        // No other parameters would help with the key, quota, rate, time or size.
        let may_help = matches!(status, 400..500) && !matches!(status, 401..=403 | 408 | 413 | 429);
        if !may_help {
            return None;
        }
        let report = Report::parse(&String::from_utf8_lossy(body));
        let has_options = if asked.is_chat {
            self.stream_options && self.stream
        } else {
            self.unpadded
        };
        let reasons = self.effort(asked).is_some() || self.wants_summary(asked);
        let parameters = [
            ("stream_options", has_options),
            ("include_obfuscation", has_options && self.unpadded),
            ("stream", asked.is_chat && self.stream),
            (self.token_limit.name(), asked.is_chat),
        ]
        .into_iter()
        .chain(REASONING.map(|word| (word, reasons)));
        // The refused parameter comes first: the known ones may be listed after it.
        let (_, refused) = parameters
            .filter(|(name, is_sent)| *is_sent && report.may_be_about(name))
            .filter_map(|(name, _)| Some((report.first_mention(name)?, name)))
            .min()?;
        match refused {
            "stream_options" | "include_obfuscation" if refuses_name(&report) => {
                let is_padding = report.first_mention("include_obfuscation").is_some();
                Some(if !asked.is_chat || (self.unpadded && is_padding) {
                    Self {
                        unpadded: false,
                        ..self
                    }
                } else {
                    Self {
                        stream_options: false,
                        ..self
                    }
                })
            }
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
            _ if REASONING.contains(&refused) => Some(self.without_reasoning(asked, &report)),
            _ => None,
        }
    }

    /// The dialect after an error about reasoning. Whatever it says, the answer is worth more than the effort.
    fn without_reasoning(self, asked: Asked, report: &Report) -> Self {
        let is_summary = self.wants_summary(asked) && report.says(&["summary", "summaries"]);
        match self.effort(asked) {
            Some(effort) if !is_summary => Self {
                efforts: if refuses_name(report) && !refuses_effort(report) {
                    Efforts::NONE
                } else {
                    self.efforts.without(effort)
                },
                ..self
            },
            _ => Self {
                summaries: false,
                ..self
            },
        }
    }
}

/// What servers call the effort and the summary, or what they ask of the model.
const REASONING: [&str; 7] = [
    "reasoning_effort",
    "reasoningeffort",
    "reasoning",
    "effort",
    "think",
    "thinking",
    "summary",
];

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

/// Whether an error refuses this effort, and may take another one.
fn refuses_effort(report: &Report) -> bool {
    report.is_named("unsupported_value invalid_value literal_error")
        || report.says(&[
            "one of",
            "must be",
            "should be",
            "supported value",
            "unsupported value",
            "invalid value",
            "unknown variant",
            "think value",
            "reasoning value",
            "thinking level",
        ])
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

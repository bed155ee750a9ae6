//! The body of `POST /chat` → [`ChatRequest`].
//!
//! The first broken rule is reported, in the order of the fields below. A report never repeats what the client sent,
//! except for a model name of safe characters.

use self::body::{object, required};
use super::value;
use crate::json::Fields;

mod body;
mod history;
mod invalid;
mod place;
mod reasoning;
mod title;

pub use self::body::{MAX_BODY_BYTES, require_uncompressed_json};
pub use self::history::{MAX_HISTORY_CHARACTERS, MAX_HISTORY_TURNS, Role, Turn};
pub use self::invalid::Invalid;
pub use self::place::{After, ConversationId, Place};
pub use self::reasoning::Effort;
pub use self::title::title;

/// Longest message, in Unicode scalar values.
pub const MAX_MESSAGE_CHARACTERS: usize = 8_000;
/// Longest model name, in characters.
const MAX_MODEL_CHARACTERS: usize = 128;

/// What a deployment lets requests ask for, and the defaults.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Rules {
    /// `OPENAI_MODEL`: the model of a request that names none.
    pub default_model: String,
    /// `ALLOWED_MODELS`: the models that a request may name, including the default; empty for any.
    pub allowed_models: Vec<String>,
    /// `MAX_TOKENS`: output tokens of a request that does not set a limit.
    pub max_tokens: u32,
    /// `MAX_TOKENS_LIMIT`: most output tokens that a request may ask for; at least `max_tokens`.
    pub max_tokens_limit: u32,
    /// `REASONING_EFFORT`: how much a model reasons if the request does not say; unset for as much as it likes.
    pub reasoning_effort: Option<Effort>,
}

impl Rules {
    /// Whether a request may name this model.
    pub fn allows_model(&self, model: &str) -> bool {
        self.allowed_models.is_empty() || self.allowed_models.iter().any(|allowed| allowed == model)
    }
}

/// Who has named a model, and so can name another one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ModelSource {
    /// The request itself.
    Client,
    /// `OPENAI_MODEL`.
    Default,
    /// `FALLBACK_MODELS`, of the usual server.
    Fallback,
    /// `FALLBACK_MODELS`, of the server of `FALLBACK_BASE_URL`.
    FallbackElsewhere,
}

/// A valid chat request, defaults filled in.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ChatRequest {
    /// The new message, without white space around it.
    pub message: String,
    /// The length of the message as it was sent, in Unicode scalar values.
    pub message_length: usize,
    /// The model to ask.
    pub model: String,
    /// Who has named it.
    pub model_source: ModelSource,
    /// Longest answer, in tokens.
    pub max_tokens: u32,
    /// Earlier turns of the conversation, oldest first.
    pub history: Vec<Turn>,
    /// How much the model is to reason; `None` for as much as it likes.
    pub reasoning_effort: Option<Effort>,
    /// Whether the client wants to read what the model thinks.
    pub include_reasoning: bool,
    /// Where the answer is kept, if it is.
    pub kept: Option<Place>,
}

impl ChatRequest {
    /// Parses a request body. If a key occurs twice, the last one counts.
    ///
    /// # Errors
    ///
    /// The first rule that the body breaks.
    pub fn parse(body: &[u8], rules: &Rules) -> Result<Self, Invalid> {
        let fields = object(body)?;
        let (message, message_length) = message(&fields)?;
        let named = model(&fields, rules)?;
        let max_tokens = max_tokens(&fields, rules)?;
        let history = history::history(&fields)?;
        let effort = reasoning::effort(&fields)?;
        let include_reasoning = reasoning::is_included(&fields)?;
        let asked = (message.as_str(), named.as_deref(), max_tokens);
        let kept = place::place(&fields, asked, (effort, include_reasoning))?;
        Ok(Self {
            message,
            message_length,
            model_source: match named {
                Some(_) => ModelSource::Client,
                None => ModelSource::Default,
            },
            model: named.unwrap_or_else(|| rules.default_model.clone()),
            max_tokens: max_tokens.unwrap_or(rules.max_tokens),
            history,
            reasoning_effort: effort.or(rules.reasoning_effort),
            include_reasoning,
            kept,
        })
    }
}

fn message(fields: &Fields<'_>) -> Result<(String, usize), Invalid> {
    const FIELD: &str = "body.message";
    let json = required(fields, "message", FIELD)?;
    let (text, length) =
        value::text_up_to(MAX_MESSAGE_CHARACTERS, json).map_err(Invalid::at(FIELD))?;
    match text.trim() {
        "" => Err(Invalid::new(
            FIELD,
            "Value error, message must not be blank",
        )),
        trimmed if trimmed.len() == text.len() => Ok((text, length)),
        trimmed => Ok((trimmed.to_owned(), length)),
    }
}

fn model(fields: &Fields<'_>, rules: &Rules) -> Result<Option<String>, Invalid> {
    const FIELD: &str = "body.model";
    let Some(json) = fields.non_null("model") else {
        return Ok(None);
    };
    let (name, _) = value::text_up_to(MAX_MODEL_CHARACTERS, json).map_err(Invalid::at(FIELD))?;
    if !is_model_name(&name) {
        return Err(Invalid::new(
            FIELD,
            "String should match pattern '^[A-Za-z0-9._:/-]+$'",
        ));
    }
    if !rules.allows_model(&name) {
        let allowed = rules.allowed_models.join(", ");
        let rule = format!("Value error, model '{name}' is not allowed; allowed models: {allowed}");
        return Err(Invalid {
            rule_without_input: Some("Value error, model is not allowed"),
            ..Invalid::new(FIELD, rule)
        });
    }
    Ok(Some(name))
}

/// Whether a request may name a model so: 1–128 characters of `[A-Za-z0-9._:/-]`.
pub fn is_model_name(name: &str) -> bool {
    let is_safe = |byte: u8| byte.is_ascii_alphanumeric() || b"._:/-".contains(&byte);
    (1..=MAX_MODEL_CHARACTERS).contains(&name.len()) && name.bytes().all(is_safe)
}

fn max_tokens(fields: &Fields<'_>, rules: &Rules) -> Result<Option<u32>, Invalid> {
    const FIELD: &str = "body.max_tokens";
    let Some(json) = fields.non_null("max_tokens") else {
        return Ok(None);
    };
    let max_tokens = value::integer_up_to(rules.max_tokens_limit, json);
    max_tokens.map(Some).map_err(Invalid::at(FIELD))
}

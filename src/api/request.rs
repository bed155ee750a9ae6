//! The body of `POST /chat` → [`ChatRequest`].
//!
//! Parsing yields a request that cannot be wrong. The first broken rule, in the order of the fields
//! below, is the one reported; a report never repeats what the client sent, but for a model name that
//! is safe to print.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::value::RawValue;

use super::error::{ApiError, ErrorCode};
use crate::config::Config;
use crate::json::{self, Fields};

/// Largest body that is read, in bytes.
pub const MAX_BODY_BYTES: usize = 65_536;
/// Longest message, in Unicode scalar values.
pub const MAX_MESSAGE_CHARACTERS: usize = 8_000;
/// Most earlier turns of a conversation.
pub const MAX_HISTORY_TURNS: usize = 64;
/// Longest history, all contents together, in Unicode scalar values.
pub const MAX_HISTORY_CHARACTERS: usize = 32_000;
/// Longest model name, in characters.
const MAX_MODEL_CHARACTERS: usize = 128;

/// A valid chat request, defaults filled in.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ChatRequest {
    /// What the person says, without white space around it.
    pub message: String,
    /// The message as it was sent, in Unicode scalar values.
    pub message_length: usize,
    /// The model to ask.
    pub model: String,
    /// Whether the client chose the model.
    pub names_model: bool,
    /// Longest answer, in tokens.
    pub max_tokens: u32,
    /// Earlier turns of the conversation, oldest first.
    pub history: Vec<Turn>,
}

/// An earlier turn of a conversation.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Turn {
    /// Whose turn it was.
    pub role: Role,
    /// What was said.
    pub content: String,
}

/// Who speaks in a conversation.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// The person.
    User,
    /// The model.
    Assistant,
}

/// A rule that a request breaks.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Invalid {
    /// Path of the field, such as `body.history[2].role`.
    pub field: String,
    /// The rule, in pydantic's words.
    pub rule: Cow<'static, str>,
    /// The rule for the log, where the one above names what the client sent.
    rule_without_input: Option<&'static str>,
}

impl Invalid {
    fn new(field: impl Into<String>, rule: impl Into<Cow<'static, str>>) -> Self {
        Self {
            field: field.into(),
            rule: rule.into(),
            rule_without_input: None,
        }
    }

    /// A body that ended before its length, or inside a chunk.
    pub fn cut_off() -> Self {
        Self::new("body", "JSON decode error: the body ended too soon")
    }

    /// The rule in words that hold nothing of the request.
    pub fn logged_rule(&self) -> &str {
        self.rule_without_input.unwrap_or(&self.rule)
    }
}

impl From<&Invalid> for ApiError {
    fn from(invalid: &Invalid) -> Self {
        let detail = format!("Field '{}': {}", invalid.field, invalid.rule);
        Self::new(ErrorCode::ValidationError, detail)
    }
}

impl ChatRequest {
    /// Parses a request body. Of a key that occurs twice, the last one counts.
    ///
    /// # Errors
    ///
    /// The first rule that the body breaks.
    pub fn parse(body: &[u8], config: &Config) -> Result<Self, Invalid> {
        let decode_error = |error| Invalid::new("body", format!("JSON decode error: {error}"));
        let json: &RawValue = serde_json::from_slice(body).map_err(decode_error)?;
        if !json.get().starts_with('{') {
            return Err(Invalid::new("body", "Input should be a valid object"));
        }
        let fields: Fields<'_> = serde_json::from_str(json.get()).map_err(decode_error)?;
        let (message, message_length) = message(&fields)?;
        let named = model(&fields, config)?;
        Ok(Self {
            message,
            message_length,
            names_model: named.is_some(),
            model: named.unwrap_or_else(|| config.default_model.clone()),
            max_tokens: max_tokens(&fields, config)?,
            history: history(&fields)?,
        })
    }
}

fn message(fields: &Fields<'_>) -> Result<(String, usize), Invalid> {
    const FIELD: &str = "body.message";
    let text = required_text(fields, "message", FIELD)?;
    let length = text.chars().count();
    if length == 0 {
        return Err(Invalid::new(
            FIELD,
            "String should have at least 1 character",
        ));
    }
    if length > MAX_MESSAGE_CHARACTERS {
        return Err(Invalid::new(
            FIELD,
            at_most("String", MAX_MESSAGE_CHARACTERS, "characters"),
        ));
    }
    match text.trim() {
        "" => Err(Invalid::new(
            FIELD,
            "Value error, message must not be blank",
        )),
        trimmed if trimmed.len() == text.len() => Ok((text, length)),
        trimmed => Ok((trimmed.to_owned(), length)),
    }
}

fn model(fields: &Fields<'_>, config: &Config) -> Result<Option<String>, Invalid> {
    const FIELD: &str = "body.model";
    let Some(json) = given(fields, "model") else {
        return Ok(None);
    };
    let name = text(json, FIELD)?;
    if name.is_empty() {
        return Err(Invalid::new(
            FIELD,
            "String should have at least 1 character",
        ));
    }
    if name.chars().count() > MAX_MODEL_CHARACTERS {
        return Err(Invalid::new(
            FIELD,
            at_most("String", MAX_MODEL_CHARACTERS, "characters"),
        ));
    }
    if !name
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"._:/-".contains(&byte))
    {
        return Err(Invalid::new(
            FIELD,
            "String should match pattern '^[A-Za-z0-9._:/-]+$'",
        ));
    }
    if !config.allows_model(&name) {
        let allowed = config.allowed_models.join(", ");
        let rule = format!("Value error, model '{name}' is not allowed; allowed models: {allowed}");
        return Err(Invalid {
            rule_without_input: Some("Value error, model is not allowed"),
            ..Invalid::new(FIELD, rule)
        });
    }
    Ok(Some(name))
}

fn max_tokens(fields: &Fields<'_>, config: &Config) -> Result<u32, Invalid> {
    const FIELD: &str = "body.max_tokens";
    let Some(json) = given(fields, "max_tokens") else {
        return Ok(config.max_tokens);
    };
    // JSON has one kind of number: 100.0 is an integer, as in JSON Schema.
    let number = serde_json::from_str::<f64>(json)
        .ok()
        .filter(|number| number.fract() == 0.0);
    let limit = config.max_tokens_limit;
    match number {
        None => Err(Invalid::new(FIELD, "Input should be a valid integer")),
        Some(number) if number < 1.0 => Err(Invalid::new(
            FIELD,
            "Input should be greater than or equal to 1",
        )),
        Some(number) if number > f64::from(limit) => Err(Invalid::new(
            FIELD,
            format!("Input should be less than or equal to {limit}"),
        )),
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a whole number from 1 to a u32"
        )]
        Some(number) => Ok(number as u32),
    }
}

fn history(fields: &Fields<'_>) -> Result<Vec<Turn>, Invalid> {
    const FIELD: &str = "body.history";
    let Some(json) = given(fields, "history") else {
        return Ok(Vec::new());
    };
    let Ok(items) = serde_json::from_str::<Vec<&RawValue>>(json) else {
        return Err(Invalid::new(FIELD, "Input should be a valid list"));
    };
    if items.len() > MAX_HISTORY_TURNS {
        return Err(Invalid::new(
            FIELD,
            at_most("List", MAX_HISTORY_TURNS, "items"),
        ));
    }
    let turns: Vec<Turn> = items
        .into_iter()
        .enumerate()
        .map(|(index, item)| turn(item.get(), &format!("{FIELD}[{index}]")))
        .collect::<Result<_, _>>()?;
    let characters: usize = turns.iter().map(|turn| turn.content.chars().count()).sum();
    if characters > MAX_HISTORY_CHARACTERS {
        let rule = format!(
            "Value error, contents should have at most {MAX_HISTORY_CHARACTERS} characters in all"
        );
        return Err(Invalid::new(FIELD, rule));
    }
    Ok(turns)
}

fn turn(json: &str, field: &str) -> Result<Turn, Invalid> {
    let Some(fields) = Fields::read(json) else {
        return Err(Invalid::new(field, "Input should be a valid object"));
    };
    let role_field = format!("{field}.role");
    let Some(role) = fields.get("role") else {
        return Err(Invalid::new(role_field, "Field required"));
    };
    let role = match json::text(role).as_deref() {
        Some("user") => Role::User,
        Some("assistant") => Role::Assistant,
        _ => {
            return Err(Invalid::new(
                role_field,
                "Input should be 'user' or 'assistant'",
            ));
        }
    };
    let content = required_text(&fields, "content", &format!("{field}.content"))?;
    Ok(Turn { role, content })
}

/// An optional field's JSON; `null` means absent.
fn given<'a>(fields: &Fields<'a>, name: &str) -> Option<&'a str> {
    fields.get(name).filter(|json| *json != "null")
}

fn required_text(fields: &Fields<'_>, name: &str, field: &str) -> Result<String, Invalid> {
    match fields.get(name) {
        Some(json) => text(json, field),
        None => Err(Invalid::new(field, "Field required")),
    }
}

fn text(json: &str, field: &str) -> Result<String, Invalid> {
    json::text(json).ok_or_else(|| {
        let rule = if json.starts_with('"') {
            "Input should be a valid string, unable to parse raw data as a unicode string"
        } else {
            "Input should be a valid string"
        };
        Invalid::new(field, rule)
    })
}

fn at_most(what: &str, limit: usize, unit: &str) -> String {
    format!("{what} should have at most {limit} {unit}")
}

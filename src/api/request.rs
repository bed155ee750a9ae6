//! The body of `POST /chat` → [`ChatRequest`].
//!
//! Parsing yields a request that cannot be wrong. The first broken rule, in the order of the fields
//! below, is the one reported; a report never repeats what the client sent, but for a model name that
//! is safe to print.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::{Map, Value};

use super::error::{ApiError, ErrorCode};
use crate::config::Config;

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
        let mut fields = match serde_json::from_slice(body) {
            Ok(Value::Object(fields)) => fields,
            Ok(_) => return Err(Invalid::new("body", "Input should be a valid object")),
            Err(error) => return Err(Invalid::new("body", format!("JSON decode error: {error}"))),
        };
        let (message, message_length) = message(&mut fields)?;
        let named = model(&mut fields, config)?;
        Ok(Self {
            message,
            message_length,
            names_model: named.is_some(),
            model: named.unwrap_or_else(|| config.default_model.clone()),
            max_tokens: max_tokens(&fields, config)?,
            history: history(&mut fields)?,
        })
    }
}

fn message(fields: &mut Map<String, Value>) -> Result<(String, usize), Invalid> {
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

fn model(fields: &mut Map<String, Value>, config: &Config) -> Result<Option<String>, Invalid> {
    const FIELD: &str = "body.model";
    let name = match fields.remove("model") {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::String(name)) => name,
        Some(_) => return Err(Invalid::new(FIELD, "Input should be a valid string")),
    };
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

fn max_tokens(fields: &Map<String, Value>, config: &Config) -> Result<u32, Invalid> {
    const FIELD: &str = "body.max_tokens";
    let number = match fields.get("max_tokens") {
        None | Some(Value::Null) => return Ok(config.max_tokens),
        // JSON has one kind of number: 100.0 is an integer, as in JSON Schema.
        Some(Value::Number(number)) => number.as_f64().filter(|number| number.fract() == 0.0),
        Some(_) => None,
    };
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

fn history(fields: &mut Map<String, Value>) -> Result<Vec<Turn>, Invalid> {
    const FIELD: &str = "body.history";
    let items = match fields.remove("history") {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Array(items)) => items,
        Some(_) => return Err(Invalid::new(FIELD, "Input should be a valid list")),
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
        .map(|(index, item)| turn(item, &format!("{FIELD}[{index}]")))
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

fn turn(item: Value, field: &str) -> Result<Turn, Invalid> {
    let Value::Object(mut fields) = item else {
        return Err(Invalid::new(field, "Input should be a valid object"));
    };
    let role_field = format!("{field}.role");
    let role = match fields.get("role") {
        None => return Err(Invalid::new(role_field, "Field required")),
        Some(Value::String(role)) if role == "user" => Role::User,
        Some(Value::String(role)) if role == "assistant" => Role::Assistant,
        Some(_) => {
            return Err(Invalid::new(
                role_field,
                "Input should be 'user' or 'assistant'",
            ));
        }
    };
    let content = required_text(&mut fields, "content", &format!("{field}.content"))?;
    Ok(Turn { role, content })
}

fn required_text(
    fields: &mut Map<String, Value>,
    key: &str,
    field: &str,
) -> Result<String, Invalid> {
    match fields.remove(key) {
        Some(Value::String(text)) => Ok(text),
        None => Err(Invalid::new(field, "Field required")),
        Some(_) => Err(Invalid::new(field, "Input should be a valid string")),
    }
}

fn at_most(what: &str, limit: usize, unit: &str) -> String {
    format!("{what} should have at most {limit} {unit}")
}

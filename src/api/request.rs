//! The body of `POST /chat` → [`ChatRequest`].
//!
//! The first broken rule is reported, in the order of the fields below. A report never repeats what the client sent,
//! except for a model name of safe characters.

use std::borrow::Cow;

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::access::hex;
use super::error::{ApiError, ErrorCode};
use super::value::{self, Rule};
use crate::json::{self, Fields};

/// Largest body that is read, in bytes.
pub const MAX_BODY_BYTES: usize = 65_536;
/// Longest message, in Unicode scalar values.
pub const MAX_MESSAGE_CHARACTERS: usize = 8_000;
/// Most earlier turns of a conversation.
pub const MAX_HISTORY_TURNS: usize = 64;
/// Longest history, all contents together, in Unicode scalar values.
pub const MAX_HISTORY_CHARACTERS: usize = 32_000;
/// Longest title of a conversation, in Unicode scalar values.
const MAX_TITLE_CHARACTERS: usize = 200;
/// Longest id of a conversation, in characters.
const MAX_CONVERSATION_ID_LENGTH: usize = 64;
/// Longest id of a turn, in characters.
const MAX_TURN_ID_LENGTH: usize = 64;
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
}

impl Rules {
    /// Whether a request may name this model.
    pub fn allows_model(&self, model: &str) -> bool {
        self.allowed_models.is_empty() || self.allowed_models.iter().any(|allowed| allowed == model)
    }
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
    /// Whether the request itself names the model.
    pub client_chose_model: bool,
    /// Longest answer, in tokens.
    pub max_tokens: u32,
    /// Earlier turns of the conversation, oldest first.
    pub history: Vec<Turn>,
    /// Where the answer is kept, if it is.
    pub kept: Option<Place>,
}

/// Where in a kept conversation a message belongs.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Place {
    /// The conversation.
    pub conversation_id: ConversationId,
    /// What the message follows.
    pub after: After,
    /// A digest of the fields as the client sent them: two requests that ask for the same have the same one.
    pub fingerprint: String,
}

/// What a message follows.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum After {
    /// The newest turn of its conversation.
    Newest,
    /// Nothing: it begins the conversation anew.
    Beginning,
    /// The turn of this id.
    Turn(String),
}

/// The id of a kept conversation, chosen by a client: 1–64 of `[A-Za-z0-9_-]`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ConversationId(String);

impl ConversationId {
    /// Parses an id; `None` when it breaks the rule.
    pub fn parse(id: &str) -> Option<Self> {
        let is_safe = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
        let fits = (1..=MAX_CONVERSATION_ID_LENGTH).contains(&id.len());
        (fits && id.bytes().all(is_safe)).then(|| Self(id.to_owned()))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
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
    /// The rule for the log, if the one above repeats what the client sent.
    rule_without_input: Option<&'static str>,
}

impl Invalid {
    fn new(field: impl Into<String>, rule: impl Into<Rule>) -> Self {
        Self {
            field: field.into(),
            rule: rule.into(),
            rule_without_input: None,
        }
    }

    /// Names the field of a broken rule.
    fn at(field: &str) -> impl FnOnce(Rule) -> Self + use<'_> {
        move |rule| Self::new(field, rule)
    }

    /// `after` names no turn of the conversation.
    pub fn unknown_turn() -> Self {
        Self::new(
            "body.after",
            "Value error, the conversation has no turn of this id",
        )
    }

    /// A header breaks its rule.
    pub fn header(name: &str, rule: &'static str) -> Self {
        Self::new(format!("header.{name}"), rule)
    }

    /// A query parameter breaks its rule.
    pub fn query(name: &str, rule: impl Into<Rule>) -> Self {
        Self::new(format!("query.{name}"), rule)
    }

    /// The body ended before its declared length, or inside a chunk.
    pub fn cut_off() -> Self {
        Self::new("body", "JSON decode error: the body ended too soon")
    }

    /// The rule for the log, which repeats nothing of the request.
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

/// Checks the headers of a body: it has to be JSON, and must not be compressed.
///
/// # Errors
///
/// A 415 that says which header to change.
pub fn require_uncompressed_json(
    content_type: Option<&str>,
    content_encoding: Option<&str>,
) -> Result<(), ApiError> {
    const COMPRESSED: &str = "This service does not accept compressed bodies. Send the body uncompressed, without the header 'Content-Encoding'.";
    let mut words = content_type.unwrap_or_default().split(';');
    let is_json = words
        .next()
        .is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/json"));
    if !is_json {
        return Err(ErrorCode::UnsupportedMediaType.into());
    }
    for coding in content_encoding.unwrap_or_default().split(',') {
        let coding = coding.trim();
        // Both `identity` and an empty header mean that the body is not compressed.
        if !coding.is_empty() && !coding.eq_ignore_ascii_case("identity") {
            return Err(ApiError::new(ErrorCode::UnsupportedMediaType, COMPRESSED));
        }
    }
    Ok(())
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
        let history = history(&fields)?;
        let kept = place(&fields, &message, named.as_deref(), max_tokens)?;
        Ok(Self {
            message,
            message_length,
            client_chose_model: named.is_some(),
            model: named.unwrap_or_else(|| rules.default_model.clone()),
            max_tokens: max_tokens.unwrap_or(rules.max_tokens),
            history,
            kept,
        })
    }
}

/// The new title in the body of a `PATCH`, without white space around it.
///
/// # Errors
///
/// The first rule that the body breaks.
pub fn title(body: &[u8]) -> Result<String, Invalid> {
    const FIELD: &str = "body.title";
    let fields = object(body)?;
    let json = required(&fields, "title", FIELD)?;
    let (text, _) = value::text_up_to(MAX_TITLE_CHARACTERS, json).map_err(Invalid::at(FIELD))?;
    match text.trim() {
        "" => Err(Invalid::new(FIELD, "Value error, title must not be blank")),
        title => Ok(title.to_owned()),
    }
}

/// The fields of a body.
fn object(body: &[u8]) -> Result<Fields<'_>, Invalid> {
    let decode_error = |error| Invalid::new("body", format!("JSON decode error: {error}"));
    let json = json::document(require_utf8(body)?).map_err(decode_error)?;
    if !json.starts_with('{') {
        return Err(Invalid::new("body", "Input should be a valid object"));
    }
    // A key may still have half a surrogate pair.
    Fields::parse(json)
        .ok_or_else(|| decode_error("lone leading surrogate in hex escape".to_owned()))
}

/// A body without the byte order mark that some editors and shells write. JSON in UTF-16 or UTF-32 begins with a byte
/// order mark of its own, or has a NUL among its first two bytes.
fn require_utf8(body: &[u8]) -> Result<&[u8], Invalid> {
    match body {
        [0, ..] | [_, 0, ..] | [0xFE, 0xFF, ..] | [0xFF, 0xFE, ..] => {
            let rule = "JSON decode error: expected UTF-8, found UTF-16 or UTF-32";
            Err(Invalid::new("body", rule))
        }
        _ => Ok(body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body)),
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

/// `message`, `model` and `max_tokens` as the client sent them: the configured defaults may change between two requests
/// that ask for the same.
fn place(
    fields: &Fields<'_>,
    message: &str,
    model: Option<&str>,
    max_tokens: Option<u32>,
) -> Result<Option<Place>, Invalid> {
    const FIELD: &str = "body.conversation_id";
    let Some(json) = fields.non_null("conversation_id") else {
        return Ok(None);
    };
    let (id, _) =
        value::text_up_to(MAX_CONVERSATION_ID_LENGTH, json).map_err(Invalid::at(FIELD))?;
    let conversation_id = ConversationId::parse(&id)
        .ok_or_else(|| Invalid::new(FIELD, "String should match pattern '^[A-Za-z0-9_-]+$'"))?;
    if fields.non_null("history").is_some() {
        let rule = "Value error, history cannot be sent with a conversation_id, whose earlier turns are kept";
        return Err(Invalid::new("body.history", rule));
    }
    let after = after(fields)?;
    let (is_beginning, turn) = match &after {
        After::Newest => (false, None),
        After::Beginning => (true, None),
        After::Turn(id) => (false, Some(id)),
    };
    let asked = (
        conversation_id.as_str(),
        is_beginning,
        turn,
        message,
        model,
        max_tokens,
    );
    Ok(Some(Place {
        fingerprint: fingerprint(&json::to_json(&asked)),
        conversation_id,
        after,
    }))
}

/// Unlike elsewhere, `null` is not the same as a missing field here.
fn after(fields: &Fields<'_>) -> Result<After, Invalid> {
    const FIELD: &str = "body.after";
    match fields.get("after") {
        None => Ok(After::Newest),
        Some("null") => Ok(After::Beginning),
        Some(json) => {
            let turn = value::text_up_to(MAX_TURN_ID_LENGTH, json);
            let (id, _) = turn.map_err(Invalid::at(FIELD))?;
            Ok(After::Turn(id))
        }
    }
}

/// SHA-256 in hexadecimal.
fn fingerprint(text: &str) -> String {
    hex(&Sha256::digest(text))
}

fn history(fields: &Fields<'_>) -> Result<Vec<Turn>, Invalid> {
    const FIELD: &str = "body.history";
    let Some(json) = fields.non_null("history") else {
        return Ok(Vec::new());
    };
    let turns: Vec<Turn> = value::list_up_to(MAX_HISTORY_TURNS, json)
        .map_err(Invalid::at(FIELD))?
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

fn turn(json: &str, field: &str) -> Result<Turn, Invalid> {
    let Some(fields) = Fields::parse(json) else {
        return Err(Invalid::new(field, "Input should be a valid object"));
    };
    let role_field = format!("{field}.role");
    let json = required(&fields, "role", &role_field)?;
    let role = match value::text(json) {
        Ok(role) if role == "user" => Role::User,
        Ok(role) if role == "assistant" => Role::Assistant,
        Err(rule) if json.starts_with('"') => return Err(Invalid::new(role_field, rule)),
        _ => {
            return Err(Invalid::new(
                role_field,
                "Input should be 'user' or 'assistant'",
            ));
        }
    };
    let content_field = format!("{field}.content");
    let content = required(&fields, "content", &content_field)?;
    let content = value::text(content).map_err(Invalid::at(&content_field))?;
    Ok(Turn { role, content })
}

fn required<'a>(fields: &Fields<'a>, name: &str, field: &str) -> Result<&'a str, Invalid> {
    fields
        .get(name)
        .ok_or_else(|| Invalid::new(field, "Field required"))
}

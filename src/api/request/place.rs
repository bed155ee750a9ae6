//! Where a message belongs among what is kept.

use sha2::{Digest, Sha256};

use super::invalid::Invalid;
use super::reasoning::Effort;
use crate::api::access::hex;
use crate::api::value;
use crate::json::{self, Fields};

/// Longest id of a conversation, in characters.
const MAX_CONVERSATION_ID_LENGTH: usize = 64;
/// Longest id of a turn, in characters.
const MAX_TURN_ID_LENGTH: usize = 64;

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

/// `message`, `model` and `max_tokens`, then `reasoning_effort` and `include_reasoning`, as the client sent them: the
/// configured defaults may change between two requests that ask for the same.
pub(super) fn place(
    fields: &Fields<'_>,
    (message, model, max_tokens): (&str, Option<&str>, Option<u32>),
    (effort, include_reasoning): (Option<Effort>, bool),
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
    let mut asked = json::to_json(&asked);
    // Digests of requests that say nothing of reasoning are stored without it.
    if effort.is_some() || include_reasoning {
        asked.push_str(&json::to_json(&(
            effort.map(Effort::name),
            include_reasoning,
        )));
    }
    Ok(Some(Place {
        fingerprint: fingerprint(&asked),
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

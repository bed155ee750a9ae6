//! The earlier turns that a client sends along.

use serde::Serialize;

use super::body::required;
use super::invalid::Invalid;
use crate::api::value;
use crate::json::Fields;

/// Most earlier turns of a conversation.
pub const MAX_HISTORY_TURNS: usize = 64;
/// Longest history, all contents together, in Unicode scalar values.
pub const MAX_HISTORY_CHARACTERS: usize = 32_000;

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

pub(super) fn history(fields: &Fields<'_>) -> Result<Vec<Turn>, Invalid> {
    const FIELD: &str = "body.history";
    let Some(json) = fields.non_null("history") else {
        return Ok(Vec::new());
    };
    let turns: Vec<Turn> = value::list_up_to(MAX_HISTORY_TURNS, json)
        .map_err(Invalid::at(FIELD))?
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

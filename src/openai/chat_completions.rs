//! Chat Completions: [`ChatRequest`] → request body, event → [`Meaning`].
//!
//! See <https://platform.openai.com/docs/api-reference/chat/create>.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::failure::Failure;
use super::{Delta, FinishReason, Malformed, Meaning, Usage};
use crate::api::request::{ChatRequest, Role, Turn};
use crate::config::Config;

/// Path below the base URL.
pub const PATH: &str = "/chat/completions";

/// Where the API comes from.
const OPENAI_HOST: &str = "api.openai.com";

/// The JSON body that asks for a streamed answer.
pub fn body(request: &ChatRequest, config: &Config) -> String {
    let system = config.system_prompt.iter().map(|content| Message {
        role: "system",
        content,
    });
    let history = request.history.iter().map(Message::from);
    let message = Message {
        role: "user",
        content: &request.message,
    };
    // OpenAI's reasoning models refuse the old name, most other servers do not know the new one.
    let is_openai = config.base_url.host() == OPENAI_HOST;
    let body = Body {
        model: &request.model,
        messages: system.chain(history).chain([message]).collect(),
        max_tokens: (!is_openai).then_some(request.max_tokens),
        max_completion_tokens: is_openai.then_some(request.max_tokens),
        stream: true,
        stream_options: StreamOptions {
            include_usage: true,
        },
    };
    // Texts, numbers and lists always serialise.
    serde_json::to_string(&body).unwrap_or_default()
}

#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    messages: Vec<Message<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_completion_tokens: Option<u32>,
    stream: bool,
    stream_options: StreamOptions,
}

#[derive(Serialize)]
struct Message<'a> {
    role: &'static str,
    content: &'a str,
}

impl<'a> From<&'a Turn> for Message<'a> {
    fn from(turn: &'a Turn) -> Self {
        let role = match turn.role {
            Role::User => "user",
            Role::Assistant => "assistant",
        };
        Self {
            role,
            content: &turn.content,
        }
    }
}

#[derive(Serialize)]
struct StreamOptions {
    include_usage: bool,
}

/// What an event means. `kind` is the event's type, empty when it has none.
///
/// # Errors
///
/// [`Malformed`] when the data is neither a chunk, an error nor the end mark.
pub fn meaning<'a>(kind: &str, data: &'a str) -> Result<Meaning<'a>, Malformed> {
    if data.starts_with("[DONE]") {
        return Ok(Meaning::Done);
    }
    // Some servers keep a connection alive with empty events.
    if data.is_empty() {
        return Ok(Meaning::Delta(Delta::default()));
    }
    if kind == "error" {
        return Ok(Meaning::Failed(Failure::from_event(data)));
    }
    let chunk: Chunk<'a> = serde_json::from_str(data).map_err(|_| Malformed)?;
    if chunk.error.is_some() || chunk.object.as_deref() == Some("error") {
        return Ok(Meaning::Failed(Failure::from_event(data)));
    }
    let mut delta = Delta {
        usage: chunk.usage.map(Usage::from),
        ..Delta::default()
    };
    let first = chunk
        .choices
        .unwrap_or_default()
        .into_iter()
        .find(|choice| choice.index.unwrap_or(0) == 0);
    if let Some(choice) = first {
        delta.finish_reason = choice.finish_reason.as_deref().map(finish_reason);
        if let Some(added) = choice.delta {
            delta.content = text(added.content)?;
            delta.refusal = text(added.refusal)?;
        }
    }
    Ok(Meaning::Delta(delta))
}

/// A chunk, as far as it matters here. Whatever else it carries is skipped.
#[derive(Deserialize)]
struct Chunk<'a> {
    #[serde(borrow, default)]
    choices: Option<Vec<Choice<'a>>>,
    #[serde(default)]
    usage: Option<TokenCounts>,
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
    #[serde(borrow, default)]
    object: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct Choice<'a> {
    #[serde(default)]
    index: Option<u64>,
    #[serde(borrow, default)]
    delta: Option<Added<'a>>,
    #[serde(borrow, default)]
    finish_reason: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct Added<'a> {
    #[serde(borrow, default)]
    content: Option<&'a RawValue>,
    #[serde(borrow, default)]
    refusal: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct TokenCounts {
    #[serde(rename = "prompt_tokens", default)]
    prompt: Option<u64>,
    #[serde(rename = "completion_tokens", default)]
    completion: Option<u64>,
    #[serde(rename = "total_tokens", default)]
    total: Option<u64>,
}

impl From<TokenCounts> for Usage {
    fn from(counts: TokenCounts) -> Self {
        Self {
            input_tokens: counts.prompt.unwrap_or_default(),
            output_tokens: counts.completion.unwrap_or_default(),
            total_tokens: counts.total.unwrap_or_default(),
        }
    }
}

/// A text, or nothing where there is none to send. Anything but a string is not a text: passing over
/// it would lose a part of the answer without a word.
fn text(value: Option<&RawValue>) -> Result<Option<&RawValue>, Malformed> {
    match value {
        Some(json) if json.get() == "\"\"" => Ok(None),
        Some(json) if json.get().starts_with('"') => Ok(Some(json)),
        Some(json) if json.get() != "null" => Err(Malformed),
        _ => Ok(None),
    }
}

/// Reasons that are not in the API's reference come from compatible servers, which have words of their
/// own for an answer that came to its end.
fn finish_reason(reason: &str) -> FinishReason {
    match reason {
        "length" | "max_tokens" => FinishReason::Length,
        "content_filter" => FinishReason::ContentFilter,
        "tool_calls" | "function_call" => FinishReason::ToolCalls,
        "refusal" => FinishReason::Refusal,
        _ => FinishReason::Stop,
    }
}

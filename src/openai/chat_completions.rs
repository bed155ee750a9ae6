//! Chat Completions: [`ChatRequest`] → request body, event → [`Parts`].
//!
//! See <https://platform.openai.com/docs/api-reference/chat/create>.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::dialect::{Dialect, TokenLimit};
use super::failure::Failure;
use super::{Delta, FinishReason, Malformed, Meaning, Message, Parts, Usage, text};
use crate::api::request::ChatRequest;
use crate::config::Config;

/// The JSON body that asks for a streamed answer, the way this server wants it.
pub(super) fn body(request: &ChatRequest, config: &Config, dialect: Dialect) -> String {
    let system = config.system_prompt.as_deref().map(Message::system);
    let max_tokens = Some(request.max_tokens);
    let body = Body {
        model: &request.model,
        messages: system
            .into_iter()
            .chain(Message::conversation(request))
            .collect(),
        max_tokens: max_tokens.filter(|_| dialect.token_limit == TokenLimit::MaxTokens),
        max_completion_tokens: max_tokens
            .filter(|_| dialect.token_limit == TokenLimit::MaxCompletionTokens),
        stream: true,
        stream_options: dialect.stream_options.then_some(StreamOptions {
            include_usage: true,
        }),
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
    #[serde(skip_serializing_if = "Option::is_none")]
    stream_options: Option<StreamOptions>,
}

#[derive(Serialize)]
struct StreamOptions {
    include_usage: bool,
}

/// Reads an event. `kind` is its type, empty when it has none.
pub(super) fn take_apart<'a>(kind: &str, data: &'a str) -> Result<Parts<'a>, Malformed> {
    if data.starts_with("[DONE]") {
        return Ok(Meaning::Done(Delta::default()).into());
    }
    // Some servers keep a connection alive with empty events.
    if data.is_empty() {
        return Ok(Meaning::Delta(Delta::default()).into());
    }
    if kind == "error" {
        return Ok(Meaning::Failed(Failure::from_event(data)).into());
    }
    let chunk: Chunk<'a> = serde_json::from_str(data).map_err(|_| Malformed)?;
    if chunk.error.is_some() || chunk.object.as_deref() == Some("error") {
        return Ok(Meaning::Failed(Failure::from_event(data)).into());
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
    Ok(Parts {
        meaning: Meaning::Delta(delta),
        noise: [chunk.obfuscation, None],
    })
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
    /// Padding that hides a text's length.
    #[serde(borrow, default)]
    obfuscation: Option<&'a RawValue>,
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

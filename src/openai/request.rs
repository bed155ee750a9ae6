//! [`ChatRequest`] → the JSON body that asks upstream for an answer.
//!
//! See <https://platform.openai.com/docs/api-reference/chat/create> and
//! <https://platform.openai.com/docs/api-reference/responses/create>.

use serde::Serialize;

use super::dialect::{Asked, Dialect, TokenLimit};
use crate::api::request::{ChatRequest, Effort, Role};
use crate::json;

/// The body for Chat Completions, in this server's dialect.
pub(super) fn chat_completions(
    request: &ChatRequest,
    system_prompt: Option<&str>,
    asked: Asked,
    dialect: Dialect,
) -> String {
    let max_tokens = Some(request.max_tokens);
    json::to_json(&ChatCompletions {
        model: &request.model,
        messages: system_prompt
            .map(Message::system)
            .into_iter()
            .chain(Message::conversation(request))
            .collect(),
        max_tokens: max_tokens.filter(|_| dialect.token_limit == TokenLimit::MaxTokens),
        max_completion_tokens: max_tokens
            .filter(|_| dialect.token_limit == TokenLimit::MaxCompletionTokens),
        stream: dialect.stream.then_some(true),
        stream_options: (dialect.stream && dialect.stream_options).then_some(StreamOptions {
            include_usage: Some(true),
            include_obfuscation: dialect.unpadded.then_some(false),
        }),
        reasoning_effort: dialect.effort(asked).map(Effort::name),
    })
}

/// The body for Responses. Upstream is not to keep the answer.
pub(super) fn responses(
    request: &ChatRequest,
    system_prompt: Option<&str>,
    asked: Asked,
    dialect: Dialect,
) -> String {
    let reasoning = Reasoning {
        effort: dialect.effort(asked).map(Effort::name),
        summary: dialect.wants_summary(asked).then_some("auto"),
    };
    let is_asked = reasoning.effort.is_some() || reasoning.summary.is_some();
    json::to_json(&Responses {
        model: &request.model,
        instructions: system_prompt,
        input: Message::conversation(request)
            .map(|message| Item {
                kind: "message",
                message,
            })
            .collect(),
        max_output_tokens: request.max_tokens,
        stream: true,
        store: false,
        stream_options: dialect.unpadded.then_some(StreamOptions {
            include_usage: None,
            include_obfuscation: Some(false),
        }),
        reasoning: is_asked.then_some(reasoning),
    })
}

#[derive(Serialize)]
struct ChatCompletions<'a> {
    model: &'a str,
    messages: Vec<Message<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_completion_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream_options: Option<StreamOptions>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_effort: Option<&'static str>,
}

#[derive(Serialize)]
struct StreamOptions {
    #[serde(skip_serializing_if = "Option::is_none")]
    include_usage: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    include_obfuscation: Option<bool>,
}

#[derive(Serialize)]
struct Responses<'a> {
    model: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    instructions: Option<&'a str>,
    input: Vec<Item<'a>>,
    max_output_tokens: u32,
    stream: bool,
    store: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream_options: Option<StreamOptions>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning: Option<Reasoning>,
}

#[derive(Serialize)]
struct Reasoning {
    #[serde(skip_serializing_if = "Option::is_none")]
    effort: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    summary: Option<&'static str>,
}

/// An item of the conversation. `OpenAI` does not need the type of a message, but other servers do.
#[derive(Serialize)]
struct Item<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(flatten)]
    message: Message<'a>,
}

/// A message as both APIs take it.
#[derive(Serialize)]
struct Message<'a> {
    role: &'static str,
    content: &'a str,
}

impl<'a> Message<'a> {
    fn system(content: &'a str) -> Self {
        Self {
            role: "system",
            content,
        }
    }

    /// The earlier turns, oldest first, then the new message.
    fn conversation(request: &'a ChatRequest) -> impl Iterator<Item = Self> {
        let earlier = request.history.iter().map(|turn| {
            let role = match turn.role {
                Role::User => "user",
                Role::Assistant => "assistant",
            };
            Self {
                role,
                content: &turn.content,
            }
        });
        earlier.chain([Self {
            role: "user",
            content: &request.message,
        }])
    }
}

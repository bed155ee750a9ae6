//! Responses: [`ChatRequest`] → request body, event → [`Parts`].
//!
//! See <https://platform.openai.com/docs/api-reference/responses-streaming>. Of its many events only
//! those that add text or end the answer matter; the others, and whatever comes next, are passed over.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::failure::Failure;
use super::{Delta, FinishReason, Malformed, Meaning, Message, Parts, Usage, text};
use crate::api::error::ErrorCode;
use crate::api::request::ChatRequest;
use crate::config::Config;

/// The JSON body that asks for a streamed answer, which upstream is not to keep.
pub(super) fn body(request: &ChatRequest, config: &Config) -> String {
    let body = Body {
        model: &request.model,
        instructions: config.system_prompt.as_deref(),
        input: Message::conversation(request)
            .map(|message| Item {
                kind: "message",
                message,
            })
            .collect(),
        max_output_tokens: request.max_tokens,
        stream: true,
        store: false,
    };
    // Texts, numbers and lists always serialise.
    serde_json::to_string(&body).unwrap_or_default()
}

#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    instructions: Option<&'a str>,
    input: Vec<Item<'a>>,
    max_output_tokens: u32,
    stream: bool,
    store: bool,
}

/// An item of the conversation. `OpenAI` takes a message for what it is, others want to be told.
#[derive(Serialize)]
struct Item<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(flatten)]
    message: Message<'a>,
}

/// Reads an event. `kind` is its type, empty when it has none; the data names it again.
pub(super) fn take_apart<'a>(kind: &str, data: &'a str) -> Result<Parts<'a>, Malformed> {
    // Some servers end the stream as Chat Completions does, behind the terminal event.
    if data.is_empty() || data.starts_with("[DONE]") {
        return Ok(Meaning::Delta(Delta::default()).into());
    }
    if kind == "error" {
        return Ok(Meaning::Failed(Failure::from_event(data)).into());
    }
    let event: Event<'a> = serde_json::from_str(data).map_err(|_| Malformed)?;
    let mut delta = Delta::default();
    match event.kind.as_deref().unwrap_or(kind) {
        "response.output_text.delta" => delta.content = text(event.delta)?,
        "response.refusal.delta" => delta.refusal = text(event.delta)?,
        "response.completed" => {
            return ended(event.response, |_| Some(FinishReason::Stop)).map(Parts::from);
        }
        "response.incomplete" => return ended(event.response, incomplete).map(Parts::from),
        "response.failed" => {
            let response = event.response.map_or("", RawValue::get);
            return Ok(Meaning::Failed(Failure::from_event(response)).into());
        }
        "error" => return Ok(Meaning::Failed(Failure::from_event(data)).into()),
        _ if event.error.is_some_and(|error| error.get() != "null") => {
            return Ok(Meaning::Failed(Failure::from_event(data)).into());
        }
        _ => {}
    }
    Ok(Parts {
        meaning: Meaning::Delta(delta),
        noise: [event.sequence_number, event.obfuscation],
    })
}

fn ended<'a>(
    response: Option<&RawValue>,
    reason: impl FnOnce(&Response<'_>) -> Option<FinishReason>,
) -> Result<Meaning<'a>, Malformed> {
    let response = response.ok_or(Malformed)?;
    let response: Response<'_> = serde_json::from_str(response.get()).map_err(|_| Malformed)?;
    let Some(finish_reason) = reason(&response) else {
        let cause = "upstream gave up on the answer for a reason unknown here";
        return Ok(Meaning::Failed(Failure::new(
            ErrorCode::UpstreamTruncated,
            cause,
        )));
    };
    Ok(Meaning::Done(Delta {
        finish_reason: Some(finish_reason),
        usage: response.usage,
        ..Delta::default()
    }))
}

fn incomplete(response: &Response<'_>) -> Option<FinishReason> {
    match response.incomplete_details.as_ref()?.reason.as_deref()? {
        "max_output_tokens" => Some(FinishReason::Length),
        "content_filter" => Some(FinishReason::ContentFilter),
        _ => None,
    }
}

/// An event, as far as it matters here.
#[derive(Deserialize)]
struct Event<'a> {
    #[serde(rename = "type", borrow, default)]
    kind: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    delta: Option<&'a RawValue>,
    #[serde(borrow, default)]
    response: Option<&'a RawValue>,
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
    #[serde(borrow, default)]
    sequence_number: Option<&'a RawValue>,
    /// Padding that hides a text's length.
    #[serde(borrow, default)]
    obfuscation: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Response<'a> {
    #[serde(default)]
    usage: Option<Usage>,
    #[serde(borrow, default)]
    incomplete_details: Option<IncompleteDetails<'a>>,
}

#[derive(Deserialize)]
struct IncompleteDetails<'a> {
    #[serde(borrow, default)]
    reason: Option<Cow<'a, str>>,
}

//! Successes that are not declared as an event stream: streams by another name, and whole JSON answers.

use std::borrow::Cow;

use super::failure::Failure;
use super::meaning::{Delta, Ended, Malformed, Meaning, Origin};
use super::target::Api;
use super::text::Texts;
use super::{chat_completions, responses};
use crate::api::error::ErrorCode;
use crate::json::Fields;

/// Most bytes that a whole answer may have.
pub const MAX_WHOLE_BYTES: usize = 1 << 20;

/// Most bytes without a sign of what they are. Some servers send line ends for a while before their answer.
const MAX_SNIFFED_BYTES: usize = 4_096;

/// What a success is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Sniffed {
    /// An event stream, or objects on a line each, which the decoder reads too.
    EventStream,
    /// A whole answer for [`Api::read_whole`], or an error.
    Json,
    /// No answer.
    Neither,
    /// It takes more bytes to tell.
    NeedMore,
}

/// What an answer is by its `Content-Type` and its first bytes, all that have come so far.
///
/// One `text/event-stream` is taken at its word, without a look at the bytes. Any other declaration says nothing:
/// streams come as `text/plain`, as `application/json`, as PHP's default `text/html` or without a type, and JSON comes as
/// anything. A page of HTML begins like neither.
pub fn sniff(content_type: Option<&str>, first_bytes: &[u8]) -> Sniffed {
    let essence = content_type.unwrap_or_default().split(';').next();
    let essence = essence.unwrap_or_default().trim().to_ascii_lowercase();
    if essence == "text/event-stream" {
        return Sniffed::EventStream;
    }
    let bytes = match first_bytes.strip_prefix(BOM) {
        Some(rest) => rest,
        None if BOM.starts_with(first_bytes) => return Sniffed::NeedMore,
        None => first_bytes,
    };
    let bytes = bytes.trim_ascii_start();
    if bytes.is_empty() {
        return match first_bytes.len() {
            ..=MAX_SNIFFED_BYTES => Sniffed::NeedMore,
            _ => Sniffed::Neither,
        };
    }
    let is_lines =
        essence.ends_with("ndjson") || essence.ends_with("nd-json") || essence.ends_with("jsonl");
    match bytes.first() {
        Some(b'{') if is_lines => Sniffed::EventStream,
        Some(b'{' | b'[') => Sniffed::Json,
        Some(b':') => Sniffed::EventStream,
        _ if FIELDS.iter().any(|field| bytes.starts_with(field)) => Sniffed::EventStream,
        _ if FIELDS.iter().any(|field| field.starts_with(bytes)) => Sniffed::NeedMore,
        _ => Sniffed::Neither,
    }
}

const BOM: &[u8] = b"\xef\xbb\xbf";

/// How a line of an event stream begins.
const FIELDS: [&[u8]; 5] = [b"data:", b"event:", b"id:", b"retry:", b"error:"];

/// An answer that came whole.
#[derive(Debug)]
pub struct Whole(pub(crate) Delta<'static>);

impl Api {
    /// Reads a success that is a JSON document: the answer of a server that does not stream, or an error in
    /// spite of the status. `names_model` tells whether the client chose the model.
    ///
    /// # Errors
    ///
    /// The [`Failure`] that the document reports; it may be retried as if its status had said so. What is no
    /// answer of this API is [`ErrorCode::UpstreamProtocol`].
    #[allow(
        clippy::result_large_err,
        reason = "a request has one such result, and its failure goes on as it is"
    )]
    pub fn read_whole(self, body: &[u8], names_model: bool) -> Result<Whole, Failure> {
        let protocol = |cause: &str| Failure::new(ErrorCode::UpstreamProtocol, cause);
        let json = body.strip_prefix(BOM).unwrap_or(body);
        let json = without_end_mark(std::str::from_utf8(json).unwrap_or_default());
        let failure = |json: &str| Failure::from_document(json, names_model);
        let read = match self {
            Self::ChatCompletions => whole_chat(json, failure),
            Self::Responses => whole_response(json, failure),
        };
        let delta = read.map_err(|Malformed| {
            protocol("a success is neither an event stream nor an answer of the API")
        })?;
        if delta.origin == Origin::Lost && !matches!(delta.ending, Some(Ended::Failed(_))) {
            return Err(protocol("an answer's text cannot be read"));
        }
        let mut texts = Texts {
            content: delta.content,
            refusal: delta.refusal,
        };
        for part in delta.parts {
            texts.append(Texts {
                content: part.content,
                refusal: part.refusal,
            });
        }
        // What can be read of an answer is not held back for its end.
        let has_text = !texts.is_empty();
        let ending = match delta.ending {
            Some(Ended::Failed(failure)) if !has_text => return Err(*failure),
            Some(ending) => ending,
            None => {
                let cause = "an answer without a stream does not say that it is complete";
                let failure = Failure::new(ErrorCode::UpstreamTruncated, cause);
                if !has_text {
                    return Err(failure);
                }
                Ended::Failed(Box::new(failure))
            }
        };
        Ok(Whole(Delta {
            content: texts.content.map(|text| Cow::Owned(text.into_owned())),
            refusal: texts.refusal.map(|text| Cow::Owned(text.into_owned())),
            origin: Origin::Whole,
            ending: Some(ending),
            usage: delta.usage,
            is_answer: true,
            parts: Vec::new(),
        }))
    }
}

/// A document without the mark that some servers put behind it as if it were a stream.
fn without_end_mark(json: &str) -> &str {
    let json = json.trim();
    let rest = json.strip_suffix("[DONE]").map(str::trim_end);
    let rest = rest.and_then(|rest| rest.strip_suffix("data:"));
    rest.unwrap_or(json).trim_end()
}

fn whole_chat(json: &str, failure: impl Fn(&str) -> Failure) -> Result<Delta<'_>, Malformed> {
    match chat_completions::take_apart("", json, failure)?.meaning {
        Meaning::Delta(delta) if delta.ending.is_some() || delta.is_answer => Ok(delta),
        _ => Err(Malformed),
    }
}

fn whole_response(json: &str, failure: impl Fn(&str) -> Failure) -> Result<Delta<'_>, Malformed> {
    let Some(fields) = Fields::read(json).filter(|fields| fields.given("output").is_some()) else {
        return match responses::take_apart("", json, failure)?.meaning {
            Meaning::Delta(delta) if delta.ending.is_some() => Ok(delta),
            _ => Err(Malformed),
        };
    };
    Ok(responses::ended("", &fields, || failure(json)))
}

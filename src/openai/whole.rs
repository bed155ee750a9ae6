//! Success responses that are not declared as an event stream: they may be one all the same, or a whole JSON answer.

use std::borrow::Cow;

use super::delta::{Delta, Ended, Extent, Malformed, Meaning};
use super::failure::Failure;
use super::target::Api;
use super::text::Texts;
use super::{chat_completions, event, responses};
use crate::api::error::ErrorCode;
use crate::api::request::ModelSource;
use crate::json::{self, Fields};

/// Most bytes that a whole answer may have.
pub const MAX_WHOLE_BYTES: usize = 1 << 20;

/// Most bytes of white space before an answer. Some servers send line ends until they have one.
const MAX_SNIFFED_BYTES: usize = 4_096;

/// What the body of a success response is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Sniffed {
    /// An event stream, or JSON lines, which the decoder reads as well.
    EventStream,
    /// A whole answer for [`Api::parse_whole`], or an error.
    Json,
    /// Neither of them.
    Neither,
    /// Too few bytes to tell.
    NeedMore,
}

/// What a body is, by its `Content-Type` and all of its bytes that have come so far.
///
/// `text/event-stream` is believed without a look at the bytes. Any other type says nothing: streams come as
/// `text/plain`, `application/json`, PHP's default `text/html` or without a type, and so does JSON.
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

/// The beginnings of an event stream's lines.
const FIELDS: [&[u8]; 5] = [b"data:", b"event:", b"id:", b"retry:", b"error:"];

/// An answer that came whole.
#[derive(Debug)]
pub struct WholeAnswer(pub(crate) Delta<'static>);

impl Api {
    /// Parses a success response that is a JSON document: the answer of a server that does not stream, or an error. What
    /// the model thought is shown if `shows_reasoning`.
    ///
    /// It ends with the [`Failure`] that the document reports, with [`ErrorCode::UpstreamTruncated`] if it does not say that
    /// it is complete, and with [`ErrorCode::UpstreamProtocol`] if it cannot be read. The model may have been at work all the
    /// same, so what a document tells of usage is kept.
    pub fn parse_whole(
        self,
        body: &[u8],
        source: ModelSource,
        shows_reasoning: bool,
    ) -> WholeAnswer {
        let failed = |code, cause| Ended::Failed(Box::new(Failure::new(code, cause)));
        let json = document_in(body);
        let failure = |json: &str| Failure::from_document(json, source);
        let read = match self {
            Self::ChatCompletions => whole_chat(json, failure),
            Self::Responses => whole_response(json, failure),
        };
        let delta = read.unwrap_or_else(|Malformed| Delta {
            usage: Fields::parse(json).and_then(|fields| event::usage(fields.get("usage"))),
            ending: Some(failed(
                ErrorCode::UpstreamProtocol,
                "a success response is neither an event stream nor an answer of the API",
            )),
            ..Delta::default()
        });
        let ending = match delta.ending {
            Some(ending @ Ended::Failed(_)) => ending,
            _ if delta.extent == Extent::Lost => failed(
                ErrorCode::UpstreamProtocol,
                "the answer's text cannot be read",
            ),
            Some(ending) => ending,
            None => failed(
                ErrorCode::UpstreamTruncated,
                "a whole answer does not say that it is complete",
            ),
        };
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
        WholeAnswer(Delta {
            reasoning: delta
                .reasoning
                .map(|reasoning| reasoning.into_owned(shows_reasoning)),
            content: texts.content.map(|text| Cow::Owned(text.into_owned())),
            refusal: texts.refusal.map(|text| Cow::Owned(text.into_owned())),
            extent: Extent::Whole,
            ending: Some(ending),
            usage: delta.usage,
            is_answer: true,
            shows_work: true,
            ..Delta::default()
        })
    }
}

/// Whether the body of a success response is a whole JSON document, so that nothing more of it can come.
pub fn is_document(body: &[u8]) -> bool {
    let json = document_in(body);
    Fields::parse(json).is_some() || json::list(json).is_some()
}

/// The document in a body, without a byte order mark. Of a body that is no text, nothing.
fn document_in(body: &[u8]) -> &str {
    let json = body.strip_prefix(BOM).unwrap_or(body);
    without_end_mark(str::from_utf8(json).unwrap_or_default())
}

/// A document without the end mark of a stream, which some servers append.
fn without_end_mark(json: &str) -> &str {
    let json = json.trim();
    let rest = json.strip_suffix("[DONE]").map(str::trim_end);
    let rest = rest.and_then(|rest| rest.strip_suffix("data:"));
    rest.unwrap_or(json).trim_end()
}

fn whole_chat(json: &str, failure: impl Fn(&str) -> Failure) -> Result<Delta<'_>, Malformed> {
    match chat_completions::parse_event("", json, failure)?.meaning {
        Meaning::Delta(delta) if delta.ending.is_some() || delta.is_answer => Ok(delta),
        _ => Err(Malformed),
    }
}

fn whole_response(json: &str, failure: impl Fn(&str) -> Failure) -> Result<Delta<'_>, Malformed> {
    let Some(fields) = Fields::parse(json).filter(|fields| fields.non_null("output").is_some())
    else {
        return match responses::parse_event("", json, failure)?.meaning {
            Meaning::Delta(delta) if delta.ending.is_some() => Ok(delta),
            _ => Err(Malformed),
        };
    };
    Ok(responses::whole_response("", &fields, || failure(json)))
}

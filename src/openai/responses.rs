//! The events of Responses → [`Parts`].
//!
//! See <https://platform.openai.com/docs/api-reference/responses-streaming>. Of its many events only
//! those that add text or end the answer matter; the others, and whatever comes next, are passed over.

use super::event::{Event, reports_error};
use super::failure::Failure;
use super::finish::Reason;
use super::meaning::{Delta, Ended, Malformed, Meaning, Origin, Part, PartText, Parts};
use super::reported::machine_name;
use super::text::Texts;
use super::usage;
use crate::api::ending::FinishReason;
use crate::api::error::ErrorCode;
use crate::json::{self, Fields};

/// Reads an event. `kind` is its type, empty when it has none; the data names it again.
pub(super) fn take_apart<'a>(
    kind: &str,
    data: &'a str,
    failure: impl Fn(&str) -> Failure,
) -> Result<Parts<'a>, Malformed> {
    let fields = match Event::read(kind, data)? {
        // Some servers end the stream as Chat Completions does, behind the terminal event.
        Event::Filler | Event::Done => return Ok(Meaning::Nothing.into()),
        Event::Error => return Ok(Meaning::failed(failure(data)).into()),
        Event::Object(fields) => fields,
    };
    let named = fields.text("type");
    let kind = named.as_deref().unwrap_or(kind);
    let texts = match kind {
        "response.output_text.delta" => Texts::of(fields.get("delta"))?,
        "response.refusal.delta" => refusal(Texts::of(fields.get("delta"))?),
        "response.output_text.done" => {
            let texts = Texts::of(fields.get("text"));
            return Ok(again(&fields, texts).into());
        }
        "response.refusal.done" => {
            let texts = Texts::of(fields.get("refusal")).map(refusal);
            return Ok(again(&fields, texts).into());
        }
        "response.output_item.done" => {
            let item = fields.object("item").unwrap_or_default();
            return Ok(again(&fields, item_text(&item)).into());
        }
        _ if kind.starts_with("response.") => {
            return ending(kind, &fields, failure).map(Parts::from);
        }
        // An event of a type that is not of this API says nothing here, unless it reports an error.
        _ if reports_error(&fields, named.is_some()) => {
            return Ok(Meaning::failed(failure(data)).into());
        }
        _ => return Ok(Meaning::Nothing.into()),
    };
    if fields.says("error") {
        return Ok(Meaning::failed(failure(data)).into());
    }
    Ok(Parts {
        meaning: Meaning::Delta(Delta {
            content: texts.content,
            refusal: texts.refusal,
            origin: part_of(&fields).map_or(Origin::Delta, Origin::DeltaOf),
            is_answer: true,
            ..Delta::default()
        }),
        noise: [fields.get("sequence_number"), fields.get("obfuscation")],
    })
}

/// The part that an event names by its indices, if it does.
fn part_of(fields: &Fields<'_>) -> Option<Part> {
    let index = |name| serde_json::from_str(fields.get(name)?).ok();
    Some(Part {
        output_index: index("output_index")?,
        content_index: Some(index("content_index")?),
    })
}

/// What an event adds that says a part of the answer again, or an item with all its parts.
fn again<'a>(fields: &Fields<'a>, texts: Result<Texts<'a>, Malformed>) -> Meaning<'a> {
    let index = |name| serde_json::from_str(fields.get(name)?).ok();
    let is_item = fields.get("item").is_some();
    let part = Part {
        output_index: index("output_index").unwrap_or_default(),
        content_index: (!is_item).then(|| index("content_index").unwrap_or_default()),
    };
    let (texts, origin) = match texts {
        Ok(texts) => (texts, Origin::Part(Some(part))),
        Err(Malformed) => (Texts::default(), Origin::Lost),
    };
    Meaning::Delta(Delta {
        content: texts.content,
        refusal: texts.refusal,
        origin,
        is_answer: true,
        ..Delta::default()
    })
}

/// A text by which the model refuses.
fn refusal(texts: Texts<'_>) -> Texts<'_> {
    Texts {
        content: None,
        refusal: texts.content,
    }
}

/// Reads an event about the response as a whole, which may end it.
fn ending<'a>(
    kind: &str,
    fields: &Fields<'a>,
    failure: impl Fn(&str) -> Failure,
) -> Result<Meaning<'a>, Malformed> {
    let response = fields.get("response");
    match kind {
        "response.failed" | "response.cancelled" | "response.canceled" | "response.error" => {
            let report = response.or(fields.get("error")).unwrap_or_default();
            Ok(Meaning::failed(failure(report)))
        }
        "response.completed" | "response.done" | "response.incomplete" => {
            let json = response.ok_or(Malformed)?;
            let response = Fields::read(json).ok_or(Malformed)?;
            Ok(Meaning::Done(ended(kind, &response, || failure(json))))
        }
        _ if fields.says("error") => {
            let report = fields.get("error").unwrap_or_default();
            Ok(Meaning::failed(failure(report)))
        }
        _ => Ok(Meaning::Nothing),
    }
}

/// The statuses of a response that is complete: the API's, and what some servers call it.
const COMPLETED: [&str; 4] = ["completed", "complete", "succeeded", "success"];

/// What the response inside a terminal event says. `kind` is that event's type: a response of no status has the
/// one that the type names.
pub(super) fn ended<'a>(
    kind: &str,
    response: &Fields<'a>,
    failure: impl FnOnce() -> Failure,
) -> Delta<'a> {
    let (texts, parts, origin) = match output(response) {
        Ok((texts, parts)) => (texts, parts, Origin::Whole),
        Err(Malformed) => (Texts::default(), Vec::new(), Origin::Lost),
    };
    let status = response.text("status");
    let status = match kind {
        "response.incomplete" => "incomplete",
        "response.completed" if response.given("status").is_none() => "completed",
        _ => status.as_deref().unwrap_or_default(),
    };
    let details = response.object("incomplete_details").unwrap_or_default();
    let why = details.text("reason").unwrap_or_default();
    let ending = if response.says("error") {
        Ended::Failed(Box::new(failure()))
    } else if status == "incomplete" {
        incomplete(&why)
    } else {
        match Reason::read(status) {
            _ if COMPLETED
                .iter()
                .any(|word| status.eq_ignore_ascii_case(word)) =>
            {
                Ended::Finished(FinishReason::Stop)
            }
            Some(Reason::Failed(_)) => Ended::Failed(Box::new(failure())),
            _ => truncated(status),
        }
    };
    Delta {
        content: texts.content,
        refusal: texts.refusal,
        origin,
        usage: usage::read(response.get("usage")),
        ending: Some(ending),
        is_answer: true,
        parts,
    }
}

/// Why a response is incomplete. Only the reasons that the contract knows are an ending that a reader can
/// understand; with any other the answer is cut off, as upstream says.
fn incomplete(why: &str) -> Ended {
    match Reason::read(why) {
        Some(Reason::Finished(FinishReason::Stop) | Reason::Unknown(_)) | None => truncated(why),
        Some(reason) => reason.into(),
    }
}

fn truncated(word: &str) -> Ended {
    let mut cause = "upstream does not say that the answer is complete".to_owned();
    if let Some(name) = machine_name(word) {
        cause = format!("{cause}: {name}");
    }
    Ended::Failed(Box::new(Failure::new(ErrorCode::UpstreamTruncated, cause)))
}

/// The text of a whole response: that of no part, and its parts.
fn output<'a>(response: &Fields<'a>) -> Result<(Texts<'a>, Vec<PartText<'a>>), Malformed> {
    let mut parts = Vec::new();
    let items = response.get("output").and_then(json::list);
    for (output_index, item) in (0..).zip(items.unwrap_or_default()) {
        let item = Fields::read(item).ok_or(Malformed)?;
        let Some(content) = item.get("content").filter(|_| is_message(&item)) else {
            continue;
        };
        let contents = json::list(content).unwrap_or_else(|| vec![content]);
        for (content_index, content) in (0..).zip(contents) {
            let texts = Texts::of(Some(content))?;
            if !texts.is_empty() {
                parts.push(PartText {
                    part: Part {
                        output_index,
                        content_index: Some(content_index),
                    },
                    content: texts.content,
                    refusal: texts.refusal,
                });
            }
        }
    }
    let texts = match parts.as_slice() {
        [] => Texts::of(response.get("output_text"))?,
        _ => Texts::default(),
    };
    Ok((texts, parts))
}

/// The text of an item.
fn item_text<'a>(item: &Fields<'a>) -> Result<Texts<'a>, Malformed> {
    Texts::of(item.get("content").filter(|_| is_message(item)))
}

/// Items that are no messages hold reasoning and calls of tools.
fn is_message(item: &Fields<'_>) -> bool {
    item.text("type").is_none_or(|kind| kind == "message")
}

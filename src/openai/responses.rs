//! The events of Responses.
//!
//! See <https://platform.openai.com/docs/api-reference/responses-streaming>. Of its many events only those that add
//! text or end the answer matter. All others are ignored, whatever the API adds to them.

use super::delta::{Delta, Ended, Extent, Malformed, Meaning, ParsedEvent, Part, PartText};
use super::event::{self, Event, reports_error};
use super::failure::Failure;
use super::finish::Reason;
use super::reasoning;
use super::report::machine_name;
use super::text::Texts;
use crate::api::ending::FinishReason;
use crate::api::error::ErrorCode;
use crate::json::{self, Fields};

/// Parses an event. `kind` is its type, empty when it has none; a `type` in the data comes before it.
pub(super) fn parse_event<'a>(
    kind: &str,
    data: &'a str,
    failure: impl Fn(&str) -> Failure,
) -> Result<ParsedEvent<'a>, Malformed> {
    let fields = match Event::parse(kind, data)? {
        // Some servers send the end mark of Chat Completions after the terminal event.
        Event::Filler | Event::Done => return Ok(Meaning::Nothing.into()),
        Event::Error => return Ok(Meaning::failed(failure(data)).into()),
        Event::Object(fields) => fields,
    };
    let named = fields.text("type");
    let kind = named.as_deref().unwrap_or(kind);
    let texts = match kind {
        "response.output_text.delta" => Texts::of(fields.get("delta"))?,
        "response.refusal.delta" => Texts::of(fields.get("delta"))?.into_refusal(),
        "response.output_text.done" => {
            let texts = Texts::of(fields.get("text"));
            return Ok(repeated(&fields, texts).into());
        }
        "response.refusal.done" => {
            let texts = Texts::of(fields.get("refusal")).map(Texts::into_refusal);
            return Ok(repeated(&fields, texts).into());
        }
        "response.output_item.done" => {
            let item = fields.object("item").unwrap_or_default();
            let mut meaning = repeated(&fields, item_text(&item));
            if let Meaning::Delta(delta) = &mut meaning {
                delta.reasoning = reasoning::of_items(fields.get("item"));
            }
            return Ok(meaning.into());
        }
        _ if kind.starts_with("response.") => {
            return about_response(kind, &fields, failure).map(ParsedEvent::from);
        }
        // Other APIs' events mean nothing here, unless they report an error.
        _ if reports_error(&fields, named.is_some()) => {
            return Ok(Meaning::failed(failure(data)).into());
        }
        _ => return Ok(Meaning::Nothing.into()),
    };
    if fields.non_blank("error").is_some() {
        return Ok(Meaning::failed(failure(data)).into());
    }
    Ok(ParsedEvent {
        meaning: Meaning::Delta(Delta {
            content: texts.content,
            refusal: texts.refusal,
            extent: part_of(&fields).map_or(Extent::Delta, Extent::DeltaOf),
            is_answer: true,
            ..Delta::default()
        }),
        ignorable: [fields.get("sequence_number"), fields.get("obfuscation")],
    })
}

/// The part that an event names by its indices, if it has both.
fn part_of(fields: &Fields<'_>) -> Option<Part> {
    Some(Part {
        output_index: index(fields, "output_index")?,
        content_index: Some(index(fields, "content_index")?),
    })
}

fn index(fields: &Fields<'_>, name: &str) -> Option<u64> {
    serde_json::from_str(fields.get(name)?).ok()
}

/// An event that repeats a part of the answer once it is over, or an item with all its parts.
fn repeated<'a>(fields: &Fields<'a>, texts: Result<Texts<'a>, Malformed>) -> Meaning<'a> {
    let is_item = fields.get("item").is_some();
    let part = Part {
        output_index: index(fields, "output_index").unwrap_or_default(),
        content_index: (!is_item).then(|| index(fields, "content_index").unwrap_or_default()),
    };
    let (texts, extent) = match texts {
        Ok(texts) => (texts, Extent::Part(Some(part))),
        Err(Malformed) => (Texts::default(), Extent::Lost),
    };
    Meaning::Delta(Delta {
        content: texts.content,
        refusal: texts.refusal,
        extent,
        is_answer: true,
        ..Delta::default()
    })
}

/// An event about the response as a whole, which may end it.
fn about_response<'a>(
    kind: &str,
    fields: &Fields<'a>,
    failure: impl Fn(&str) -> Failure,
) -> Result<Meaning<'a>, Malformed> {
    let response = fields.get("response");
    match kind {
        "response.failed" | "response.cancelled" | "response.canceled" | "response.error" => {
            let report = response.or(fields.get("error")).unwrap_or_default();
            let usage = Fields::parse(report).and_then(|report| event::usage(report.get("usage")));
            Ok(Meaning::Delta(Delta {
                usage,
                ending: Some(Ended::Failed(Box::new(failure(report)))),
                ..Delta::default()
            }))
        }
        "response.completed" | "response.done" | "response.incomplete" => {
            let json = response.ok_or(Malformed)?;
            let response = Fields::parse(json).ok_or(Malformed)?;
            let delta = whole_response(kind, &response, || failure(json));
            Ok(Meaning::Done(delta))
        }
        _ => Ok(match fields.non_blank("error") {
            Some(report) => Meaning::failed(failure(report)),
            None if shows_work(kind, fields) => Meaning::Delta(Delta {
                begins_reasoning: reasoning::begins_with(kind, fields),
                reasoning: reasoning::of_event(kind, fields),
                is_answer: true,
                shows_work: true,
                ..Delta::default()
            }),
            None => Meaning::Nothing,
        }),
    }
}

/// Whether an event shows that the model is at work. The events before only say that the request was taken in, and some
/// servers announce a message before they know that they can write it.
fn shows_work(kind: &str, fields: &Fields<'_>) -> bool {
    let item = || fields.object("item").unwrap_or_default();
    kind.starts_with("response.reasoning")
        || kind == "response.output_item.added" && !is_message(&item())
}

/// The statuses of a complete response: the API's own, and what some servers call it.
const COMPLETED: [&str; 4] = ["completed", "complete", "succeeded", "success"];

/// What a whole response says. `kind` is the type of the terminal event around it, empty when there is none: a
/// response without a status has the status that its event names.
pub(super) fn whole_response<'a>(
    kind: &str,
    response: &Fields<'a>,
    failure: impl FnOnce() -> Failure,
) -> Delta<'a> {
    let (texts, parts, extent) = match output(response) {
        Ok((texts, parts)) => (texts, parts, Extent::Whole),
        Err(Malformed) => (Texts::default(), Vec::new(), Extent::Lost),
    };
    let status = response.text("status");
    let status = match kind {
        "response.incomplete" => "incomplete",
        "response.completed" if response.non_null("status").is_none() => "completed",
        _ => status.as_deref().unwrap_or_default(),
    };
    let is_completed = || {
        COMPLETED
            .iter()
            .any(|word| status.eq_ignore_ascii_case(word))
    };
    let ending = if response.non_blank("error").is_some() {
        Ended::Failed(Box::new(failure()))
    } else if status == "incomplete" {
        incomplete(response)
    } else if is_completed() {
        Ended::Finished(FinishReason::Stop)
    } else if let Some(Reason::Failed(_)) = Reason::parse(status) {
        Ended::Failed(Box::new(failure()))
    } else {
        truncated(status)
    };
    Delta {
        reasoning: reasoning::of_items(items(response)),
        content: texts.content,
        refusal: texts.refusal,
        extent,
        usage: event::usage(response.get("usage")),
        ending: Some(ending),
        is_answer: true,
        parts,
        ..Delta::default()
    }
}

/// Why a response is incomplete. Only reasons that the contract knows count as an ending; with any other one the
/// answer is cut off, just as upstream says.
fn incomplete(response: &Fields<'_>) -> Ended {
    let details = response.object("incomplete_details").unwrap_or_default();
    let reason = details.text("reason").unwrap_or_default();
    match Reason::parse(&reason) {
        Some(Reason::Finished(FinishReason::Stop) | Reason::Other(_)) | None => truncated(&reason),
        Some(reason) => reason.into(),
    }
}

fn truncated(reason: &str) -> Ended {
    let mut cause = "upstream did not say that the answer is complete".to_owned();
    if let Some(name) = machine_name(reason) {
        cause = format!("{cause}: {name}");
    }
    Ended::Failed(Box::new(Failure::new(ErrorCode::UpstreamTruncated, cause)))
}

/// The text of a whole response: by its parts or, where it has none, in one piece.
fn output<'a>(response: &Fields<'a>) -> Result<(Texts<'a>, Vec<PartText<'a>>), Malformed> {
    let mut parts = Vec::new();
    for (output_index, item) in (0..).zip(items(response)) {
        let item = Fields::parse(item).ok_or(Malformed)?;
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

fn items<'a>(response: &Fields<'a>) -> Vec<&'a str> {
    let items = response.get("output").and_then(json::list);
    items.unwrap_or_default()
}

fn item_text<'a>(item: &Fields<'a>) -> Result<Texts<'a>, Malformed> {
    Texts::of(item.get("content").filter(|_| is_message(item)))
}

/// Other items hold reasoning and tool calls.
fn is_message(item: &Fields<'_>) -> bool {
    item.text("type").is_none_or(|kind| kind == "message")
}

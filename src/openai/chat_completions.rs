//! The events of Chat Completions.
//!
//! See <https://platform.openai.com/docs/api-reference/chat-streaming>.

use super::delta::{Delta, Ended, Extent, Malformed, Meaning, ParsedEvent};
use super::event::{self, Event, reports_error};
use super::failure::Failure;
use super::finish::Reason;
use super::reasoning;
use super::text::Texts;
use crate::api::ending::Usage;
use crate::json::{self, Fields};

/// Parses an event. `kind` is its type, empty when it has none.
pub(super) fn parse_event<'a>(
    kind: &str,
    data: &'a str,
    failure: impl Fn(&str) -> Failure,
) -> Result<ParsedEvent<'a>, Malformed> {
    let fields = match Event::parse(kind, data)? {
        Event::Filler => return Ok(Meaning::Nothing.into()),
        Event::Done => return Ok(Meaning::Done(Delta::default()).into()),
        Event::Error => return Ok(Meaning::failed(failure(data)).into()),
        Event::Object(fields) => fields,
    };
    let choice = choice(&fields);
    let readable_choice = choice.as_ref().ok().and_then(Option::as_ref);
    let usage = usage_of(&fields, readable_choice);
    let is_answer = !matches!(choice, Ok(None));
    let choice_error = readable_choice.and_then(|choice| choice.non_blank("error"));
    let is_error = choice_error.is_some() || reports_error(&fields, is_answer || usage.is_some());
    // An error counts, even beside a choice that cannot be read.
    let mut delta = match choice {
        Err(_) if is_error => Delta::default(),
        Err(malformed) => return Err(malformed),
        Ok(None) => Delta::default(),
        Ok(Some(choice)) if is_error => delta_of(&choice).unwrap_or_default(),
        Ok(Some(choice)) => delta_of(&choice)?,
    };
    delta.usage = usage;
    delta.is_answer = is_answer;
    if is_error {
        let failure = failure(choice_error.unwrap_or(data));
        delta.ending = Some(Ended::Failed(Box::new(failure)));
    }
    Ok(ParsedEvent {
        meaning: Meaning::Delta(delta),
        ignorable: [fields.get("obfuscation"), None],
    })
}

/// The choice with index 0, or else the first: only one is asked for, and some servers count tokens in the index.
fn choice<'a>(fields: &Fields<'a>) -> Result<Option<Fields<'a>>, Malformed> {
    let Some(choices) = fields.non_null("choices") else {
        return Ok(None);
    };
    let choices = json::list(choices).ok_or(Malformed)?;
    let mut first = None;
    for choice in choices {
        let choice = Fields::parse(choice).ok_or(Malformed)?;
        if choice.non_null("index").unwrap_or("0") == "0" {
            return Ok(Some(choice));
        }
        first = first.or(Some(choice));
    }
    Ok(first)
}

fn delta_of<'a>(choice: &Fields<'a>) -> Result<Delta<'a>, Malformed> {
    let mut extent = Extent::Delta;
    let mut texts = message(choice, "delta")?;
    if texts.is_empty() {
        extent = match message(choice, "message") {
            Ok(whole) if whole.is_empty() => Extent::Delta,
            Ok(whole) => {
                texts = whole;
                Extent::Part(None)
            }
            Err(Malformed) => Extent::Lost,
        };
    }
    if texts.is_empty() && extent == Extent::Delta {
        // The old Completions API calls it `text`.
        texts = Texts::of(choice.get("text"))?;
    }
    let delta = choice.object("delta").unwrap_or_default();
    let mut reasoning = reasoning::of_message(&delta);
    if reasoning.is_none() {
        let message = choice.object("message");
        reasoning = message.and_then(|message| reasoning::of_message(&message));
        if reasoning.is_some() && extent == Extent::Delta && texts.is_empty() {
            extent = Extent::Part(None);
        }
    }
    let reason = ["finish_reason", "finishReason"]
        .iter()
        .find_map(|name| Reason::parse(&choice.text(name)?));
    Ok(Delta {
        reasoning,
        content: texts.content,
        refusal: texts.refusal,
        extent,
        ending: reason.map(Ended::from),
        // Encrypted details have no text, but show that the model is at work.
        shows_work: delta.non_blank("reasoning_details").is_some(),
        ..Delta::default()
    })
}

/// The text of a choice's `delta` or `message`.
fn message<'a>(choice: &Fields<'a>, name: &str) -> Result<Texts<'a>, Malformed> {
    match choice.get(name) {
        Some(json) if json.starts_with('{') => {
            let fields = Fields::parse(json).ok_or(Malformed)?;
            Texts::of_message(&fields)
        }
        // Some servers send the text itself. PHP writes an empty object as an empty list.
        json => Texts::of(json),
    }
}

/// The usage, from where the API has it, or from where Moonshot or Groq put it.
fn usage_of(fields: &Fields<'_>, choice: Option<&Fields<'_>>) -> Option<Result<Usage, Malformed>> {
    event::usage(fields.get("usage"))
        .or_else(|| event::usage(choice?.get("usage")))
        .or_else(|| event::usage(fields.object("x_groq")?.get("usage")))
}

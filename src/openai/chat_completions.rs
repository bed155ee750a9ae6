//! The events of Chat Completions → [`Parts`].
//!
//! See <https://platform.openai.com/docs/api-reference/chat-streaming>.

use super::event::{Event, reports_error};
use super::failure::Failure;
use super::finish::Reason;
use super::meaning::{Delta, Ended, Malformed, Meaning, Origin, Parts};
use super::text::Texts;
use super::usage;
use crate::api::ending::Usage;
use crate::json::{self, Fields};

/// Reads an event. `kind` is its type, empty when it has none.
pub(super) fn take_apart<'a>(
    kind: &str,
    data: &'a str,
    failure: impl Fn(&str) -> Failure,
) -> Result<Parts<'a>, Malformed> {
    let fields = match Event::read(kind, data)? {
        Event::Filler => return Ok(Meaning::Nothing.into()),
        Event::Done => return Ok(Meaning::Done(Delta::default()).into()),
        Event::Error => return Ok(Meaning::failed(failure(data)).into()),
        Event::Object(fields) => fields,
    };
    let choice = choice(&fields);
    let usage = usage_of(&fields, choice.as_ref().ok().and_then(Option::as_ref));
    let is_answer = !matches!(choice, Ok(None));
    let inner = choice.as_ref().ok().and_then(Option::as_ref);
    let inner = inner.filter(|choice| choice.says("error"));
    let inner = inner.and_then(|choice| choice.get("error"));
    let is_error = inner.is_some() || reports_error(&fields, is_answer || usage.is_some());
    // An error counts whatever stands beside it.
    let choice = match choice {
        Err(_) if is_error => None,
        choice => choice?,
    };
    let mut delta = match choice {
        Some(choice) if is_error => delta_of(&choice).unwrap_or_default(),
        Some(choice) => delta_of(&choice)?,
        None => Delta::default(),
    };
    delta.usage = usage;
    delta.is_answer = is_answer;
    if is_error {
        delta.ending = Some(Ended::Failed(Box::new(failure(inner.unwrap_or(data)))));
    }
    Ok(Parts {
        meaning: Meaning::Delta(delta),
        noise: [fields.get("obfuscation"), None],
    })
}

/// The choice that is read. One is asked for; some servers count tokens in its index.
fn choice<'a>(fields: &Fields<'a>) -> Result<Option<Fields<'a>>, Malformed> {
    let Some(choices) = fields.given("choices") else {
        return Ok(None);
    };
    let choices = json::list(choices).ok_or(Malformed)?;
    let mut first = None;
    for choice in choices {
        let choice = Fields::read(choice).ok_or(Malformed)?;
        if choice.given("index").unwrap_or("0") == "0" {
            return Ok(Some(choice));
        }
        first = first.or(Some(choice));
    }
    Ok(first)
}

fn delta_of<'a>(choice: &Fields<'a>) -> Result<Delta<'a>, Malformed> {
    let mut origin = Origin::Delta;
    let mut texts = message(choice, "delta")?;
    if texts.is_empty() {
        origin = match message(choice, "message") {
            Ok(whole) if whole.is_empty() => Origin::Delta,
            Ok(whole) => {
                texts = whole;
                Origin::Part(None)
            }
            Err(Malformed) => Origin::Lost,
        };
    }
    if texts.is_empty() && origin == Origin::Delta {
        // The name of the API that came before Chat Completions.
        texts = Texts::of(choice.get("text"))?;
    }
    let reason = ["finish_reason", "finishReason"]
        .iter()
        .find_map(|name| Reason::read(&choice.text(name)?));
    Ok(Delta {
        content: texts.content,
        refusal: texts.refusal,
        origin,
        ending: reason.map(Ended::from),
        ..Delta::default()
    })
}

/// The text of a choice's `delta` or `message`.
fn message<'a>(choice: &Fields<'a>, name: &str) -> Result<Texts<'a>, Malformed> {
    match choice.get(name) {
        Some(json) if json.starts_with('{') => {
            let fields = Fields::read(json).ok_or(Malformed)?;
            Texts::of_message(&fields)
        }
        // Not the API's shape, but a text all the same. An empty list is an empty object in PHP.
        json => Texts::of(json),
    }
}

/// The cost, where the API has it, or where Moonshot and Groq have put it.
fn usage_of(fields: &Fields<'_>, choice: Option<&Fields<'_>>) -> Option<Result<Usage, Malformed>> {
    usage::read(fields.get("usage"))
        .or_else(|| usage::read(choice?.get("usage")))
        .or_else(|| usage::read(fields.object("x_groq")?.get("usage")))
}

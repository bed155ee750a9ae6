//! What a model thinks before it answers, wherever servers put it.
//!
//! Unlike in the answer's text, a value of unknown shape is passed over: nothing of the answer is lost with it.

use std::borrow::Cow;

use super::delta::Reasoning;
use super::text::join;
use crate::json::{self, Fields};

/// How deep a text may be nested: in a list of parts, in a part, in a list of its texts.
const MAX_DEPTH: u8 = 5;

/// The fields of a delta or a message. Servers repeat the same text in several of them.
const FIELDS: [&str; 3] = ["reasoning_content", "reasoning", "reasoning_details"];

/// What a part, an item or a detail calls its text.
const TEXTS: [&str; 4] = ["thinking", "text", "summary", "content"];

/// The reasoning in a delta or a message of Chat Completions.
pub(super) fn of_message<'a>(message: &Fields<'a>) -> Option<Reasoning<'a>> {
    let mut named = FIELDS.iter().filter_map(|field| {
        let text = text(message.get(field)?, MAX_DEPTH)?;
        Reasoning::of(Some(text), field)
    });
    named.next().or_else(|| {
        let mut thinking = None;
        for part in json::list(message.get("content")?)? {
            let kind = Fields::parse(part).and_then(|part| part.text("type"));
            if matches!(kind.as_deref(), Some("thinking" | "reasoning")) {
                join(&mut thinking, text(part, MAX_DEPTH));
            }
        }
        Reasoning::of(thinking, "content")
    })
}

/// The reasoning in an event of Responses.
pub(super) fn of_event<'a>(kind: &str, event: &Fields<'a>) -> Option<Reasoning<'a>> {
    let (json, field) = match kind {
        "response.reasoning_summary_text.delta" => (event.get("delta")?, "summary"),
        // Each part of a summary is a paragraph with a heading.
        "response.reasoning_summary_part.added" => {
            let index = event.non_null("summary_index").unwrap_or("0");
            (Some("\"\\n\\n\"").filter(|_| index != "0")?, "summary")
        }
        "response.reasoning_text.delta" => (event.get("delta")?, "text"),
        _ => return None,
    };
    Reasoning::of(text(json, MAX_DEPTH), field)
}

/// The reasoning in an item of Responses.
pub(super) fn of_item<'a>(item: &Fields<'a>) -> Option<Reasoning<'a>> {
    let kind = item.text("type");
    let text = kind.filter(|kind| kind == "reasoning").and_then(|_| {
        let mut names = ["summary", "content"].iter();
        names.find_map(|name| text(item.get(name)?, MAX_DEPTH))
    });
    Reasoning::of(text, "item")
}

/// All text in a value, as a JSON string that is not empty.
fn text(json: &str, depth: u8) -> Option<Cow<'_, str>> {
    let depth = depth.checked_sub(1)?;
    match json.as_bytes().first()? {
        b'"' => (json != "\"\"").then_some(Cow::Borrowed(json)),
        b'[' => {
            let mut all = None;
            for part in json::list(json)? {
                let is_paragraph = part.contains("\"summary_text\"") && all.is_some();
                join(
                    &mut all,
                    is_paragraph.then_some(Cow::Borrowed("\"\\n\\n\"")),
                );
                join(&mut all, text(part, depth));
            }
            all
        }
        _ => {
            let fields = Fields::parse(json)?;
            TEXTS.iter().find_map(|name| text(fields.get(name)?, depth))
        }
    }
}

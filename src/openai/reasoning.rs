//! What a model thinks before it answers, wherever servers put it.
//!
//! Unlike in the answer's text, a value of unknown shape is passed over: nothing of the answer is lost with it.

use std::borrow::Cow;

use super::delta::{Reasoning, ReasoningSource as Source};
use super::text::join;
use crate::json::{self, Fields};

/// How deep a text may be nested: in a list of parts, in a part, in a list of its texts.
const MAX_DEPTH: u8 = 5;

/// The fields of a delta or a message. Some servers repeat a text in several of these, always within one chunk; the first
/// one counts.
const FIELDS: [&str; 3] = ["reasoning_content", "reasoning", "reasoning_details"];

/// What stands between two paragraphs, as a JSON string.
pub const PARAGRAPH: &str = "\"\\n\\n\"";

/// What a part, an item or a detail calls its text.
const TEXTS: [&str; 4] = ["thinking", "text", "summary", "content"];

/// The reasoning in a delta or a message of Chat Completions.
pub(super) fn of_message<'a>(message: &Fields<'a>) -> Option<Reasoning<'a>> {
    let mut fields = FIELDS.iter();
    let told = fields.find_map(|name| text(message.get(name)?, MAX_DEPTH));
    let text = told.or_else(|| {
        let mut thinking = None;
        for part in json::list(message.get("content")?)? {
            let kind = Fields::parse(part).and_then(|part| part.text("type"));
            if matches!(kind.as_deref(), Some("thinking" | "reasoning")) {
                join(&mut thinking, text(part, MAX_DEPTH));
            }
        }
        thinking
    });
    Reasoning::of(text, Source::Message)
}

/// Whether an event of Responses begins an item of reasoning.
pub(super) fn begins_with(kind: &str, event: &Fields<'_>) -> bool {
    let item = event.object("item");
    kind == "response.output_item.added" && item.is_some_and(|item| is_reasoning(&item))
}

/// The reasoning in an event of Responses.
pub(super) fn of_event<'a>(kind: &str, event: &Fields<'a>) -> Option<Reasoning<'a>> {
    let (json, source) = match kind {
        "response.reasoning_summary_text.delta" => (event.get("delta")?, Source::Summary),
        // Each part of a summary is a paragraph with a heading.
        "response.reasoning_summary_part.added" => {
            let index = event.non_null("summary_index").unwrap_or("0");
            (Some(PARAGRAPH).filter(|_| index != "0")?, Source::Summary)
        }
        "response.reasoning_text.delta" => (event.get("delta")?, Source::Text),
        _ => return None,
    };
    Reasoning::of(text(json, MAX_DEPTH), source)
}

/// The reasoning in items of Responses, each in a paragraph of its own.
pub(super) fn of_items<'a>(items: impl IntoIterator<Item = &'a str>) -> Option<Reasoning<'a>> {
    let mut all = None;
    for item in items.into_iter().filter_map(Fields::parse) {
        if is_reasoning(&item) {
            let mut names = ["summary", "content"].iter();
            let text = names.find_map(|name| text(item.get(name)?, MAX_DEPTH));
            join_paragraph(&mut all, text);
        }
    }
    Reasoning::of(all, Source::Message)
}

fn is_reasoning(item: &Fields<'_>) -> bool {
    item.text("type").is_some_and(|kind| kind == "reasoning")
}

/// All text in a value, as a JSON string that is not empty.
fn text(json: &str, depth: u8) -> Option<Cow<'_, str>> {
    let depth = depth.checked_sub(1)?;
    match json.as_bytes().first()? {
        b'"' => (json != "\"\"").then_some(Cow::Borrowed(json)),
        b'[' => {
            let mut all = None;
            for part in json::list(json)? {
                let text = text(part, depth);
                if part.contains("\"summary_text\"") {
                    join_paragraph(&mut all, text);
                } else {
                    join(&mut all, text);
                }
            }
            all
        }
        _ => {
            let fields = Fields::parse(json)?;
            TEXTS.iter().find_map(|name| text(fields.get(name)?, depth))
        }
    }
}

/// Appends a text in a paragraph of its own.
fn join_paragraph<'a>(all: &mut Option<Cow<'a, str>>, text: Option<Cow<'a, str>>) {
    if all.is_some() && text.is_some() {
        join(all, Some(Cow::Borrowed(PARAGRAPH)));
    }
    join(all, text);
}

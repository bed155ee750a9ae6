//! What the store has → what a client reads: JSON and Markdown.

use super::markdown::Markdown;
use super::turns::{Exchange, Head};
use crate::json::{Fields, Object};
use crate::time::timestamp;

/// Writes conversations, an exchange at a time.
#[derive(Debug)]
pub(super) struct View {
    format: Format,
    /// The conversation that has begun and is not ended yet.
    open: Option<u64>,
}

#[derive(Debug)]
enum Format {
    Json,
    Lines,
    Markdown(Markdown),
}

impl View {
    pub(super) fn json() -> Self {
        Self::of(Format::Json)
    }

    pub(super) fn lines() -> Self {
        Self::of(Format::Lines)
    }

    pub(super) fn markdown() -> Self {
        Self::of(Format::Markdown(Markdown::default()))
    }

    fn of(format: Format) -> Self {
        Self { format, open: None }
    }

    /// Writes an exchange, and what comes before the first one of a conversation.
    pub(super) fn exchange(&mut self, head: &Head, exchange: &Exchange, out: &mut String) {
        let is_first = self.open != Some(head.number);
        if is_first {
            self.finish(out);
            self.open = Some(head.number);
        }
        match &mut self.format {
            Format::Json | Format::Lines => {
                out.push_str(&if is_first {
                    json_head(head)
                } else {
                    ",".to_owned()
                });
                json_turns(exchange, out);
            }
            Format::Markdown(markdown) => {
                if is_first {
                    markdown.head(&head.title, out);
                }
                markdown.exchange(exchange, out);
            }
        }
    }

    /// Writes the end of the conversation that was begun.
    pub(super) fn finish(&mut self, out: &mut String) {
        if self.open.take().is_some() {
            out.push_str(match self.format {
                Format::Json => "]}",
                Format::Lines => "]}\n",
                Format::Markdown(_) => "",
            });
        }
    }
}

/// A conversation up to its first turn.
fn json_head(head: &Head) -> String {
    let mut fields = Object::default();
    fields
        .text("id", &head.id)
        .text("title", &head.title)
        .text("created_at", &timestamp(head.created_ms))
        .text("updated_at", &timestamp(head.updated_ms));
    format!("{{{},\"turns\":[", fields.fields())
}

/// The two turns of an exchange. What the answer's final frame said is repeated as it was sent.
fn json_turns(exchange: &Exchange, out: &mut String) {
    let created_at = timestamp(exchange.created_ms);
    let mut question = Object::default();
    question
        .text("id", &exchange.question_turn)
        .optional_text("parent_id", exchange.parent.as_deref())
        .text("role", "user")
        .text("content", &exchange.message)
        .text("created_at", &created_at);
    let ending = format!("{{{}}}", exchange.ending);
    let ending = Fields::parse(&ending).unwrap_or_default();
    let said = |name: &str| ending.get(name).unwrap_or("null");
    let mut answer = Object::default();
    answer
        .text("id", &exchange.answer_turn)
        .text("parent_id", &exchange.question_turn)
        .text("role", "assistant")
        .text("content", &exchange.answer);
    if !exchange.reasoning.is_empty() {
        answer.text("reasoning", &exchange.reasoning);
    }
    answer
        .text("created_at", &created_at)
        .text("answer_id", &exchange.answer_id)
        .text("state", exchange.state.name())
        .text("model", &exchange.model)
        .raw("finish_reason", said("finish_reason"))
        .raw("usage", said("usage"));
    if let Some(error) = ending.get("error") {
        let mut failure = Object::default();
        failure
            .raw("error", error)
            .raw("detail", said("detail"))
            .raw("code", said("code"));
        answer.raw("error", &failure.to_json());
    }
    out.push_str(&question.to_json());
    out.push(',');
    out.push_str(&answer.to_json());
}

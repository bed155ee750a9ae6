//! What the store has → what a client reads: JSON and Markdown.

use serde::Serialize;
use serde_json::value::RawValue;

use super::markdown::Markdown;
use super::turns::{Exchange, Head};
use crate::api::request::Role;
use crate::json::{self, Fields};
use crate::telemetry::record::timestamp;

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
    #[derive(Serialize)]
    struct Shown<'a> {
        id: &'a str,
        title: &'a str,
        created_at: String,
        updated_at: String,
        turns: [u8; 0],
    }
    let mut json = json::to_json(&Shown {
        id: &head.id,
        title: &head.title,
        created_at: timestamp(head.created_ms),
        updated_at: timestamp(head.updated_ms),
        turns: [],
    });
    let end = "]}";
    json.truncate(json.len().saturating_sub(end.len()));
    json
}

/// The two turns of an exchange.
fn json_turns(exchange: &Exchange, out: &mut String) {
    let created_at = timestamp(exchange.created_ms);
    let question = Turn {
        id: &exchange.question_turn,
        parent_id: exchange.parent.as_deref(),
        role: Role::User,
        content: &exchange.message,
        created_at: &created_at,
        answer: None,
    };
    let ending = format!("{{{}}}", exchange.ending);
    let ending = Fields::parse(&ending).unwrap_or_default();
    let raw = |name: &str| {
        ending
            .get(name)
            .and_then(|json| serde_json::from_str(json).ok())
    };
    let error = raw("error").map(|error| Failure {
        error,
        detail: raw("detail"),
        code: raw("code"),
    });
    let answer = Turn {
        id: &exchange.answer_turn,
        parent_id: Some(&exchange.question_turn),
        role: Role::Assistant,
        content: &exchange.answer,
        created_at: &created_at,
        answer: Some(AnswerFields {
            answer_id: &exchange.answer_id,
            state: exchange.state.name(),
            model: &exchange.model,
            finish_reason: raw("finish_reason"),
            usage: raw("usage"),
            error,
        }),
    };
    out.push_str(&json::to_json(&question));
    out.push(',');
    out.push_str(&json::to_json(&answer));
}

/// A turn, in the client's shape.
#[derive(Serialize)]
struct Turn<'a> {
    id: &'a str,
    parent_id: Option<&'a str>,
    role: Role,
    content: &'a str,
    created_at: &'a str,
    #[serde(flatten)]
    answer: Option<AnswerFields<'a>>,
}

/// What only an answer's turn has. What its final frame said is repeated as it was sent.
#[derive(Serialize)]
struct AnswerFields<'a> {
    answer_id: &'a str,
    state: &'static str,
    model: &'a str,
    finish_reason: Option<&'a RawValue>,
    usage: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Failure<'a>>,
}

#[derive(Serialize)]
struct Failure<'a> {
    error: &'a RawValue,
    detail: Option<&'a RawValue>,
    code: Option<&'a RawValue>,
}

//! A conversation and its turns, as the store has them.

use super::sql::Row;
use super::store::State;
use crate::stream::pieces::Pieces;

/// What is said of a conversation as a whole.
#[derive(Clone, Debug)]
pub(super) struct Head {
    pub(super) number: u64,
    pub(super) id: String,
    pub(super) title: String,
    pub(super) created_ms: u64,
    pub(super) updated_ms: u64,
}

/// A message and its answer.
#[derive(Clone, Debug)]
pub(super) struct Exchange {
    pub(super) answer_id: String,
    pub(super) state: State,
    /// The turn that the message follows.
    pub(super) parent: Option<String>,
    pub(super) question_turn: String,
    pub(super) answer_turn: String,
    pub(super) model: String,
    pub(super) created_ms: u64,
    /// The final frame's own fields, without braces; empty while there are none.
    pub(super) ending: String,
    pub(super) message: String,
    pub(super) answer: String,
    /// What the model thought, if that was asked for.
    pub(super) reasoning: String,
}

impl Head {
    pub(super) fn of(row: &mut Row) -> Self {
        Self {
            number: row.number(),
            id: row.text(),
            title: row.text(),
            created_ms: row.number(),
            updated_ms: row.number(),
        }
    }
}

impl Exchange {
    pub(super) fn of(row: &mut Row) -> Self {
        let mut exchange = Self {
            answer_id: row.text(),
            state: State::parse(&row.text()),
            parent: row.optional_text(),
            question_turn: row.text(),
            answer_turn: row.text(),
            model: row.text(),
            created_ms: row.number(),
            ending: row.text(),
            message: row.text(),
            answer: String::new(),
            reasoning: String::new(),
        };
        exchange.answered(&Pieces::from_bytes(row.blob().unwrap_or_default()));
        exchange
    }

    /// The answer has these pieces.
    pub(super) fn answered(&mut self, pieces: &Pieces) {
        self.answer = pieces.text();
        self.reasoning = pieces.reasoning();
    }
}

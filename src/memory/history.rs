//! What the model gets to read before a message: the newest whole turns that fit.

use super::sql::{Database, Row, rows};
use crate::api::request::{MAX_HISTORY_CHARACTERS, MAX_HISTORY_TURNS, Role, Turn};
use crate::stream::pieces::{MAX_REASONING_BYTES, Pieces};

/// An answer of more bytes has more than [`MAX_HISTORY_CHARACTERS`], and is not read: each piece has a character at
/// least, whose longest form is two escapes of six bytes, in quotes, behind its length. Reasoning has no part in it.
const MAX_ANSWER_BYTES: usize = MAX_HISTORY_CHARACTERS * 15 + MAX_REASONING_BYTES;

/// The turn that a message follows.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Parent {
    /// Its exchange.
    pub(super) exchange: u64,
    /// Its id.
    pub(super) turn: String,
}

impl Parent {
    pub(super) fn into_parts(self) -> (u64, String) {
        (self.exchange, self.turn)
    }
}

/// The path from `parent` back to the beginning, as far as it fits, oldest turn first.
pub(super) fn before<D: Database>(database: &D, parent: &Parent) -> Result<Vec<Turn>, D::Error> {
    // Bytes are added up so that one query never reads much more than what can fit.
    const PATH: &str = "WITH RECURSIVE path (number, depth, bytes) AS (
            VALUES (?1, 1, 0)
            UNION ALL
            SELECT e.parent_exchange, p.depth + 1, p.bytes + coalesce(length(e.pieces), 0)
            FROM path p JOIN exchanges e ON e.number = p.number
            WHERE e.parent_exchange IS NOT NULL AND p.depth < ?2 AND p.bytes < ?3
        )
        SELECT e.parent_exchange, e.parent, e.question_turn, e.message,
            CASE WHEN coalesce(length(e.pieces), 0) <= ?3 THEN coalesce(e.pieces, x'') END
        FROM path p JOIN exchanges e ON e.number = p.number ORDER BY p.depth";
    let mut history = History::default();
    let mut next = Some(parent.clone());
    // Answers without text do not count, so one query may not be enough.
    while let Some(parent) = next.take() {
        let limits =
            [MAX_HISTORY_TURNS, MAX_ANSWER_BYTES].map(|limit| u64::try_from(limit).ok().into());
        let [turns, bytes] = limits;
        let mut turn = parent.turn;
        for mut row in rows(database, PATH, &[parent.exchange.into(), turns, bytes])? {
            let parent = row.integer().zip(row.optional_text());
            if !history.add(&mut row, &turn) {
                return Ok(history.finish());
            }
            let Some((exchange, parent_turn)) = parent else {
                return Ok(history.finish());
            };
            turn.clone_from(&parent_turn);
            next = Some(Parent {
                exchange,
                turn: parent_turn,
            });
        }
    }
    Ok(history.finish())
}

/// The turns that fit so far, newest first.
#[derive(Default)]
struct History {
    turns: Vec<Turn>,
    characters: usize,
}

impl History {
    /// Adds an exchange, from the turn on that the path has reached. False when that is all that fits.
    fn add(&mut self, row: &mut Row, turn: &str) -> bool {
        let is_answer = row.text() != turn;
        let message = row.text();
        if is_answer {
            // An answer that was not read is too long.
            let Some(pieces) = row.blob() else {
                return false;
            };
            let text = Pieces::from_bytes(pieces).text();
            if text.is_empty() {
                // A question without an answer would be followed by the next question.
                return true;
            }
            if !self.push(Role::Assistant, text) {
                return false;
            }
        }
        self.push(Role::User, message)
    }

    fn push(&mut self, role: Role, content: String) -> bool {
        let characters = self.characters.saturating_add(content.chars().count());
        let fits = self.turns.len() < MAX_HISTORY_TURNS && characters <= MAX_HISTORY_CHARACTERS;
        if fits {
            self.characters = characters;
            self.turns.push(Turn { role, content });
        }
        fits
    }

    fn finish(mut self) -> Vec<Turn> {
        self.turns.reverse();
        self.turns
    }
}

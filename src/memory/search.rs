//! The search index: its statements, and what a person searches for → queries of FTS5's.

use super::sql::Statement;
use crate::telemetry::record::cut;

/// Most words of a search that count: FTS5 limits how large a query may be.
const MAX_WORDS: usize = 16;

/// The index has beginnings of words up to this length. For a longer one FTS5 joins the lists of all words that begin so.
const INDEXED_LETTERS: usize = 6;

/// Only this much of a text is searched. `SQLite` holds the index of a text in memory until it is written.
const MAX_INDEXED_CHARACTERS: usize = 200_000;

/// Has a search find an exchange, or a renamed conversation, by its number.
pub(super) fn index(number: u64, text: &str) -> Statement {
    const INDEX: &str = "INSERT INTO search (rowid, text) VALUES (?1, ?2)";
    // SQLite's functions for texts stop at NUL.
    let text = cut(text, MAX_INDEXED_CHARACTERS).replace('\0', " ");
    Statement::new(INDEX, [number.into(), text.into()])
}

/// Takes it out of the index.
pub(super) fn unindex(number: u64) -> Statement {
    const UNINDEX: &str = "DELETE FROM search WHERE rowid = ?1";
    Statement::new(UNINDEX, [number.into()])
}

/// Takes the exchanges of a conversation out of the index.
pub(super) fn unindex_exchanges(conversation: u64) -> Statement {
    const UNINDEX: &str =
        "DELETE FROM search WHERE rowid IN (SELECT number FROM exchanges WHERE conversation = ?1)";
    Statement::new(UNINDEX, [conversation.into()])
}

/// The queries of one search. Between quotes, FTS5 knows no operators.
#[derive(Debug, Default)]
pub(super) struct Query {
    /// Finds texts with all of the words or beginnings of words.
    pub(super) prefixes: String,
    /// Finds only a part of them, those with the words themselves, but never joins lists.
    pub(super) words: String,
    /// Finds more, texts with words that begin alike, but never joins lists.
    pub(super) short_prefixes: String,
}

impl Query {
    /// The queries for these words, each a run of letters, digits and marks with one letter or digit at least; `None` when
    /// there is no word.
    pub(super) fn of(words: &[String]) -> Option<Self> {
        let mut queries = Self::default();
        for word in words.iter().take(MAX_WORDS) {
            add(&mut queries.prefixes, word, "\"* ");
            add(&mut queries.words, word, "\" ");
            add(
                &mut queries.short_prefixes,
                cut(word, INDEXED_LETTERS),
                "\"* ",
            );
        }
        (!words.is_empty()).then_some(queries)
    }
}

fn add(query: &mut String, word: &str, end: &str) {
    query.push('"');
    query.push_str(word);
    query.push_str(end);
}

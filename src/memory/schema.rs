//! The tables, and how an older file becomes a newer one.
//!
//! Rows written are the bill, rows of indexes included. So conversations and exchanges have small numbers as keys beside
//! the ids that clients know, and the journal is a table without row ids.

use std::fmt;

use super::sql::{Database, Statement, rows};

/// The statements that lead from each version to the next, beginning with the empty file's.
pub type Steps<'a> = &'a [&'a [&'static str]];

/// All versions so far. A step that was released never changes: files were made by it.
pub const STEPS: Steps<'static> = &[VERSION_1, VERSION_2, VERSION_3];

/// Columns that most queries read come first, because `SQLite` keeps the rest of a long row on other pages.
const VERSION_1: &[&str] = &[
    "CREATE TABLE conversations (
        number INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        title TEXT NOT NULL,
        created_ms INTEGER NOT NULL,
        updated_ms INTEGER NOT NULL,
        renamed_ms INTEGER
    )",
    "CREATE INDEX conversations_by_time ON conversations (updated_ms, number)",
    "CREATE TABLE exchanges (
        number INTEGER PRIMARY KEY,
        conversation INTEGER NOT NULL,
        id TEXT NOT NULL UNIQUE,
        state TEXT NOT NULL,
        parent TEXT,
        parent_exchange INTEGER,
        question_turn TEXT NOT NULL,
        answer_turn TEXT NOT NULL,
        request TEXT NOT NULL,
        correlation_id TEXT NOT NULL,
        model TEXT NOT NULL,
        history_turns INTEGER NOT NULL,
        created_ms INTEGER NOT NULL,
        ended_ms INTEGER,
        ending TEXT,
        message TEXT NOT NULL,
        pieces BLOB
    )",
    "CREATE INDEX exchanges_by_conversation ON exchanges (conversation, number)",
    // Finds what a crash left unfinished without reading everything.
    "CREATE INDEX exchanges_unfinished ON exchanges (number) WHERE state = 'streaming'",
    "CREATE TABLE journal (
        exchange INTEGER NOT NULL,
        number INTEGER NOT NULL,
        pieces BLOB NOT NULL,
        PRIMARY KEY (exchange, number)
    ) WITHOUT ROWID",
    SEARCH,
];

/// What answers cost. These tables stay when everything is forgotten: what was spent is spent.
const VERSION_2: &[&str] = &[
    // What an answer that runs may cost: the tokens that were sent, by estimate, and the most that may come.
    "ALTER TABLE exchanges ADD COLUMN sent_tokens INTEGER",
    "ALTER TABLE exchanges ADD COLUMN max_tokens INTEGER",
    "CREATE TABLE IF NOT EXISTS usage (
        day INTEGER NOT NULL,
        model TEXT NOT NULL,
        answers INTEGER NOT NULL,
        input_tokens INTEGER NOT NULL,
        output_tokens INTEGER NOT NULL,
        cached_tokens INTEGER NOT NULL,
        reasoning_tokens INTEGER NOT NULL,
        estimated_answers INTEGER NOT NULL,
        PRIMARY KEY (day, model)
    ) WITHOUT ROWID",
    // What stateless answers that run may cost. One whose end nobody told by `expires_ms` was counted as spent on
    // `counted_day`.
    "CREATE TABLE IF NOT EXISTS reservations (
        id TEXT PRIMARY KEY,
        expires_ms INTEGER NOT NULL,
        model TEXT NOT NULL,
        sent_tokens INTEGER NOT NULL,
        max_tokens INTEGER NOT NULL,
        counted_day INTEGER
    ) WITHOUT ROWID",
    // Stateless answers that were counted: one that is told again counts once. Their ids begin with their time.
    "CREATE TABLE IF NOT EXISTS counted (id TEXT PRIMARY KEY) WITHOUT ROWID",
];

/// How many tokens the budget had left when the answer began.
const VERSION_3: &[&str] = &["ALTER TABLE exchanges ADD COLUMN budget_left INTEGER"];

/// The search index. Row ids are the numbers of exchanges and of renamed conversations. Marks are parts of words, as the
/// vowel signs of Indian scripts are. `wordsOf` of `storage.js` takes a search apart by the same categories.
///
/// Beginnings of words are indexed, and positions within the texts (`detail`) are not: otherwise a word that is in most of
/// 100 000 conversations is found in a second instead of 40 ms.
const SEARCH: &str = "CREATE VIRTUAL TABLE search USING fts5 (
        text,
        detail = none,
        prefix = '1 2 3 4 5 6',
        tokenize = \"unicode61 categories 'L* N* Co M*'\"
    )";

/// Finds nothing in a file that is new.
const FIND_META: &str = "SELECT 1 FROM sqlite_schema WHERE name = 'meta'";
/// Its shape never changes: every version has to find its own number.
const META: &str = "CREATE TABLE meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID";
const READ_VERSION: &str = "SELECT value FROM meta WHERE key = 'schema'";
const WRITE_VERSION: &str = "INSERT OR REPLACE INTO meta (key, value) VALUES ('schema', ?1)";

/// Why a store cannot be opened.
#[derive(Debug)]
pub enum OpenError<E> {
    /// A newer program has written the file. Nothing was changed.
    Newer {
        /// The file's version.
        found: u64,
        /// The newest version that this program knows.
        known: u64,
    },
    /// The database failed.
    Database(E),
}

impl<E> From<E> for OpenError<E> {
    fn from(error: E) -> Self {
        Self::Database(error)
    }
}

impl<E: fmt::Display> fmt::Display for OpenError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Newer { found, known } => write!(
                f,
                "the conversations were written by a newer version of this program: \
                 their schema is {found}, this program knows up to {known}"
            ),
            Self::Database(error) => error.fmt(f),
        }
    }
}

/// Makes the tables, or brings those of an older version up to date, in one transaction. Tables that are up to date are only
/// read, so that a full disk can be.
///
/// # Errors
///
/// [`OpenError::Newer`] for tables of a later version, which stay as they are.
pub fn migrate<D: Database>(database: &D, steps: Steps<'_>) -> Result<(), OpenError<D::Error>> {
    if rows(database, FIND_META, &[])?.next().is_none() {
        database.write(&[Statement::new(META, [])])?;
    }
    let mut rows = rows(database, READ_VERSION, &[])?;
    let found = rows.next().map_or(0, |mut row| row.number());
    let known = u64::try_from(steps.len()).unwrap_or(u64::MAX);
    if found > known {
        return Err(OpenError::Newer { found, known });
    }
    if found < known {
        let done = usize::try_from(found).unwrap_or(usize::MAX);
        let mut statements = all(steps.iter().skip(done).copied().flatten());
        statements.push(Statement::new(WRITE_VERSION, [known.into()]));
        database.write(&statements)?;
    }
    Ok(())
}

/// The statements that forget every conversation and make their tables anew.
pub(super) fn clear(steps: Steps<'_>) -> Vec<Statement> {
    const DROP: [&str; 4] = [
        "DROP TABLE search",
        "DROP TABLE journal",
        "DROP TABLE exchanges",
        "DROP TABLE conversations",
    ];
    all(DROP.iter().chain(steps.iter().copied().flatten()))
}

fn all<'a>(sql: impl Iterator<Item = &'a &'static str>) -> Vec<Statement> {
    sql.map(|sql| Statement::new(sql, [])).collect()
}

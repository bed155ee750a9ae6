//! The list of conversations, newest first, and what a search leaves of it.

use std::fmt;

use serde::Serialize;

use super::pieces::Pieces;
use super::search;
use super::sql::{Database, MAX_INTEGER, Row, Value, rows};
use super::store::Store;
use crate::json;
use crate::telemetry::record::timestamp;

/// Most conversations of a page.
pub const MAX_LIMIT: u64 = 100;
/// Conversations of a page when the request does not say.
pub const DEFAULT_LIMIT: u64 = 30;

/// A page of the list.
#[derive(Clone, Copy, Debug)]
pub struct Listing<'a> {
    /// The words to search for.
    pub q: Option<&'a str>,
    /// Where the page before this one ended.
    pub before: Option<Cursor>,
    /// Most conversations, 1–[`MAX_LIMIT`].
    pub limit: u64,
}

/// A place in the list. Clients take it from `next` and need not understand it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Cursor {
    updated_ms: u64,
    number: u64,
}

impl Cursor {
    /// Reads a cursor; `None` for a text that is none.
    pub fn parse(text: &str) -> Option<Self> {
        let (updated_ms, number) = text.split_once('-')?;
        let is_hex = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let parse = |text: &str| {
            let number = u64::from_str_radix(text, 16).ok()?;
            (is_hex(text) && number <= MAX_INTEGER).then_some(number)
        };
        Some(Self {
            updated_ms: parse(updated_ms)?,
            number: parse(number)?,
        })
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}-{:x}", self.updated_ms, self.number)
    }
}

/// Up to here a search goes from its matches to their conversations. With more it would be quicker the other way round.
const FEW_MATCHES: u64 = 4_000;

/// What a page says of each conversation that an inner query has chosen.
const SHOWN: &str = "SELECT c.number, c.updated_ms, chosen.found, c.id, c.title, c.created_ms,
    (SELECT count(*) FROM exchanges e WHERE e.conversation = c.number),
    (SELECT e.state FROM exchanges e WHERE e.conversation = c.number ORDER BY e.number DESC LIMIT 1)";

impl<D: Database> Store<D> {
    /// A page of the list, as the JSON that the client gets.
    ///
    /// # Errors
    ///
    /// The database's.
    pub fn list(&self, listing: &Listing<'_>) -> Result<String, D::Error> {
        const NEWEST: &str = "SELECT number, number AS found FROM conversations
            WHERE (updated_ms, number) < (?1, ?2)
            ORDER BY updated_ms DESC, number DESC LIMIT ?3";
        let limit = listing.limit.clamp(1, MAX_LIMIT);
        let last = Cursor {
            updated_ms: MAX_INTEGER,
            number: MAX_INTEGER,
        };
        let Cursor { updated_ms, number } = listing.before.unwrap_or(last);
        // One more than the page has tells whether there are more.
        let place = [updated_ms, number, limit.saturating_add(1)].map(Value::from);
        let mut found = match listing.q {
            None => self.entries(NEWEST, &place)?,
            Some(q) => self.matching(q, place)?,
        };
        let page = usize::try_from(limit).unwrap_or(usize::MAX);
        let has_more = found.len() > page;
        found.truncate(page);
        if let Some(q) = listing.q {
            for entry in &mut found {
                entry.shown.snippet = Some(search::snippet(&self.found(entry)?, q));
            }
        }
        let last = found.last().filter(|_| has_more);
        let next = last.map(|entry| entry.place.to_string());
        let conversations = found.into_iter().map(|entry| entry.shown).collect();
        Ok(json::to_json(&Page {
            conversations,
            next,
        }))
    }

    /// The conversations that a search finds, each with its newest match.
    fn matching(&self, q: &str, place: [Value; 3]) -> Result<Vec<Entry>, D::Error> {
        const COUNT: &str =
            "SELECT count(*) FROM (SELECT 1 FROM search WHERE search MATCH ?1 LIMIT ?2)";
        // From the matches to their conversations.
        const FEW: &str = "SELECT c.number, max(matches.number) AS found
            FROM (SELECT rowid AS number FROM search WHERE search MATCH ?4) matches
            LEFT JOIN exchanges e ON e.number = matches.number
            JOIN conversations c ON c.number = coalesce(e.conversation, matches.number)
            WHERE (c.updated_ms, c.number) < (?1, ?2)
            GROUP BY c.number ORDER BY c.updated_ms DESC, c.number DESC LIMIT ?3";
        // From the newest conversations to their matches, until the page is full. The plus keeps SQLite from trying each
        // match for each conversation.
        const MANY: &str = "SELECT c.number, (
                SELECT max(n) FROM (
                    SELECT e.number AS n FROM exchanges e WHERE e.conversation = c.number
                    UNION ALL SELECT c.number
                ) WHERE +n IN (SELECT rowid FROM search WHERE search MATCH ?4)
            ) AS found
            FROM conversations c WHERE (c.updated_ms, c.number) < (?1, ?2) AND found IS NOT NULL
            ORDER BY c.updated_ms DESC, c.number DESC LIMIT ?3";
        let Some(query) = search::query(q) else {
            return Ok(Vec::new());
        };
        let most = FEW_MATCHES.saturating_add(1);
        let count = rows(&self.database, COUNT, &[query.as_str().into(), most.into()])?.next();
        let is_few = count.is_some_and(|mut row| row.number() <= FEW_MATCHES);
        let [updated_ms, number, limit] = place;
        let values = [updated_ms, number, limit, query.into()];
        self.entries(if is_few { FEW } else { MANY }, &values)
    }

    fn entries(&self, chosen: &str, values: &[Value]) -> Result<Vec<Entry>, D::Error> {
        let sql = format!(
            "{SHOWN} FROM ({chosen}) chosen JOIN conversations c ON c.number = chosen.number
            ORDER BY c.updated_ms DESC, c.number DESC"
        );
        let found = rows(&self.database, &sql, values)?;
        Ok(found.map(|mut row| Entry::of(&mut row)).collect())
    }

    /// The text that a search has found: a message with its answer, or a title.
    fn found(&self, entry: &Entry) -> Result<String, D::Error> {
        const FOUND: &str = "SELECT message, pieces FROM exchanges WHERE number = ?1";
        let mut found = rows(&self.database, FOUND, &[entry.found.into()])?;
        Ok(found.next().map_or_else(
            || entry.shown.title.clone(),
            |mut row| {
                let message = row.text();
                let answer = Pieces::from_bytes(row.blob().unwrap_or_default()).text();
                format!("{message}\n{answer}")
            },
        ))
    }
}

/// A conversation of a page.
struct Entry {
    place: Cursor,
    /// The number of its newest text that a search has found.
    found: u64,
    shown: Shown,
}

impl Entry {
    fn of(row: &mut Row) -> Self {
        let place = Cursor {
            number: row.number(),
            updated_ms: row.number(),
        };
        Self {
            place,
            found: row.number(),
            shown: Shown {
                id: row.text(),
                title: row.text(),
                created_at: timestamp(row.number()),
                updated_at: timestamp(place.updated_ms),
                turn_count: row.number().saturating_mul(2),
                state: row.text(),
                snippet: None,
            },
        }
    }
}

/// A page, in the client's shape.
#[derive(Serialize)]
struct Page {
    conversations: Vec<Shown>,
    next: Option<String>,
}

/// A conversation, in the client's shape.
#[derive(Serialize)]
struct Shown {
    id: String,
    title: String,
    created_at: String,
    updated_at: String,
    /// Messages and answers, of all branches.
    turn_count: u64,
    /// That of its newest answer.
    state: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    snippet: Option<String>,
}

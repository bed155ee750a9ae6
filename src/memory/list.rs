//! The list of conversations, newest first, and what a search leaves of it.

use std::fmt;

use super::search::Query;
use super::sql::{Database, MAX_INTEGER, Row, Value, rows};
use super::store::{self, Store};
use super::title::one_line;
use crate::api::listing::MAX_LIMIT;
use crate::json::Object;
use crate::time::timestamp;

/// A page of the list.
#[derive(Clone, Copy, Debug)]
pub struct Listing<'a> {
    /// The words to search for: runs of letters, digits and marks.
    pub words: Option<&'a [String]>,
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

/// Up to here a search goes from its matches to their conversations. With more it is quicker the other way round.
const FEW_MATCHES: u64 = 4_000;

/// When the words are in very many texts, this many of the newest matches usually fill a page.
const NEWEST_MATCHES: u64 = 4_000;

/// What a page says of each conversation that an inner query has chosen.
const SHOWN: &str = "SELECT c.number, c.updated_ms, chosen.found, c.id, c.title, c.created_ms,
    (SELECT count(*) FROM exchanges e WHERE e.conversation = c.number),
    (SELECT CASE WHEN e.state = 'streaming' AND e.number <= ?4 THEN 'interrupted' ELSE e.state END
        FROM exchanges e WHERE e.conversation = c.number ORDER BY e.number DESC LIMIT 1)";

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
        let limit = listing.limit.clamp(1, u64::from(MAX_LIMIT));
        let last = Cursor {
            updated_ms: MAX_INTEGER,
            number: MAX_INTEGER,
        };
        let Cursor { updated_ms, number } = listing.before.unwrap_or(last);
        // One more than the page has tells whether there are more.
        let limit_and_one = limit.saturating_add(1);
        let place = [updated_ms, number, limit_and_one, self.last_at_opening].map(Value::from);
        let query = listing.words.map(Query::of);
        let mut found = match &query {
            None => self.entries(NEWEST, &place)?,
            Some(Some(query)) => self.matching(query, updated_ms, &place)?,
            Some(None) => Vec::new(),
        };
        let page = usize::try_from(limit).unwrap_or(usize::MAX);
        let has_more = found.len() > page;
        found.truncate(page);
        // The text of each row is known: to find the word in it, its beginning is enough.
        if let Some(Some(query)) = &query {
            for entry in &mut found {
                entry.snippet = Some(self.snippet(entry.found, &query.short_prefixes)?);
            }
        }
        let last = found.last().filter(|_| has_more);
        let next = last.map(|entry| entry.place.to_string());
        let conversations: Vec<String> = found.iter().map(Entry::to_json).collect();
        let mut page_json = Object::default();
        page_json
            .raw("conversations", &format!("[{}]", conversations.join(",")))
            .optional_text("next", next.as_deref());
        Ok(page_json.to_json())
    }

    /// The conversations that a search finds, each with its newest match. They were last changed at `before_ms` or before.
    fn matching(
        &self,
        query: &Query,
        before_ms: u64,
        place: &[Value],
    ) -> Result<Vec<Entry>, D::Error> {
        // From the matches to their conversations.
        const FEW: &str = "SELECT c.number, max(matches.number) AS found
            FROM (SELECT rowid AS number FROM search WHERE search MATCH ?5) matches
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
                ) WHERE +n IN (SELECT rowid FROM search WHERE search MATCH ?5)
            ) AS found
            FROM conversations c WHERE (c.updated_ms, c.number) < (?1, ?2) AND found IS NOT NULL
            ORDER BY c.updated_ms DESC, c.number DESC LIMIT ?3";
        // The same with the newest matches alone. A conversation that may have others, because it has older or newer texts,
        // is found with 0.
        const NEWEST: &str = "WITH newest AS MATERIALIZED (
                SELECT rowid AS n FROM search WHERE search MATCH ?5 AND rowid <= CAST(?6 AS INTEGER)
                ORDER BY rowid DESC LIMIT ?7
            )
            SELECT c.number, CASE
                WHEN EXISTS (SELECT 1 FROM exchanges e WHERE e.conversation = c.number AND e.number > ?6) THEN 0
                ELSE coalesce((
                    SELECT max(n) FROM (
                        SELECT e.number AS n FROM exchanges e WHERE e.conversation = c.number
                        UNION ALL SELECT c.number
                    ) WHERE +n IN newest
                ), CASE WHEN c.number < (SELECT min(n) FROM newest) THEN 0 END)
            END AS found
            FROM conversations c WHERE (c.updated_ms, c.number) < (?1, ?2) AND found IS NOT NULL
            ORDER BY c.updated_ms DESC, c.number DESC LIMIT ?3";
        // `words` joins no lists, so this sees cheaply that a word is frequent.
        let is_few = match self.finds_few(&query.words)? {
            Some(true) => self.finds_few(&query.prefixes)?,
            other => other,
        };
        let mut values = place.to_vec();
        values.push(query.prefixes.as_str().into());
        match is_few {
            None => return Ok(Vec::new()),
            Some(true) => return self.entries(FEW, &values),
            Some(false) => {}
        }
        let last = store::first_number_at(before_ms.saturating_add(1));
        let bounds = [last, NEWEST_MATCHES].map(Value::from);
        let entries = self.entries(NEWEST, &[values.as_slice(), &bounds].concat())?;
        if entries.iter().all(|entry| entry.found > 0) {
            return Ok(entries);
        }
        self.entries(MANY, &values)
    }

    /// Whether a query finds few texts; `None` for a query that FTS5 refuses.
    fn finds_few(&self, query: &str) -> Result<Option<bool>, D::Error> {
        const COUNT: &str =
            "SELECT count(*) FROM (SELECT 1 FROM search WHERE search MATCH ?1 LIMIT ?2)";
        const ANY: &str = "SELECT rowid FROM search LIMIT 1";
        let most = FEW_MATCHES.saturating_add(1);
        match rows(&self.database, COUNT, &[query.into(), most.into()]) {
            Ok(mut count) => Ok(count.next().map(|mut row| row.number() <= FEW_MATCHES)),
            // FTS5 splits a word at a letter that it does not know, and refuses the phrase (`detail = none`). Any other
            // failure shows again in this query.
            Err(_) => rows(&self.database, ANY, &[]).map(|_| None),
        }
    }

    /// The conversations that an inner query chooses. The first values, ?1 to ?4, are always `place`.
    fn entries(&self, chosen: &str, values: &[Value]) -> Result<Vec<Entry>, D::Error> {
        let sql = format!(
            "{SHOWN} FROM ({chosen}) chosen JOIN conversations c ON c.number = chosen.number
            ORDER BY c.updated_ms DESC, c.number DESC"
        );
        let found = rows(&self.database, &sql, values)?;
        Ok(found.map(|mut row| Entry::of(&mut row)).collect())
    }

    /// The part of a text that shows why a search has found it, on one line.
    fn snippet(&self, number: u64, query: &str) -> Result<String, D::Error> {
        // The runtime gives numbers as doubles, and FTS5 goes straight to an integer alone: past a double it walks all matches.
        const SNIPPET: &str = "SELECT snippet(search, 0, '', '', '…', 20) FROM search
            WHERE search MATCH ?1 AND rowid = CAST(?2 AS INTEGER)";
        let mut found = rows(&self.database, SNIPPET, &[query.into(), number.into()])?;
        let text = found.next().map(|mut row| row.text());
        Ok(one_line(&text.unwrap_or_default()))
    }
}

/// A conversation of a page.
struct Entry {
    place: Cursor,
    /// The number of its newest text that a search has found.
    found: u64,
    id: String,
    title: String,
    created_ms: u64,
    /// Messages and answers, of all branches.
    turn_count: u64,
    /// That of its newest answer.
    state: String,
    snippet: Option<String>,
}

impl Entry {
    fn of(row: &mut Row) -> Self {
        Self {
            place: Cursor {
                number: row.number(),
                updated_ms: row.number(),
            },
            found: row.number(),
            id: row.text(),
            title: row.text(),
            created_ms: row.number(),
            turn_count: row.number().saturating_mul(2),
            state: row.text(),
            snippet: None,
        }
    }

    /// In the client's shape.
    fn to_json(&self) -> String {
        let mut json = Object::default();
        json.text("id", &self.id)
            .text("title", &self.title)
            .text("created_at", &timestamp(self.created_ms))
            .text("updated_at", &timestamp(self.place.updated_ms))
            .number("turn_count", self.turn_count)
            .text("state", &self.state);
        if let Some(snippet) = &self.snippet {
            json.text("snippet", snippet);
        }
        json.to_json()
    }
}

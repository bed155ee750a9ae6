//! A conversation, or all of them, as a text that is made page by page: a long one never stands in memory as a whole.

use super::interrupted;
use super::journal;
use super::sql::{Database, MAX_INTEGER, Value, rows};
use super::store::{State, Store};
use super::turns::{Exchange, Head};
use super::views::View;
use crate::stream::pieces::MAX_BYTES;

/// About as many bytes of answers make a page.
const PAGE_BYTES: u64 = 256 * 1024;
/// Most exchanges of a page.
const PAGE_EXCHANGES: u64 = 64;

/// How a conversation is written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Format {
    /// One JSON object.
    Json,
    /// Markdown for people.
    Markdown,
}

/// A text that is being made.
#[derive(Debug)]
pub struct Transcript {
    /// The exchange that was read last.
    place: Place,
    /// The last conversation to read.
    last: u64,
    view: View,
    is_done: bool,
}

/// An exchange, in the order of reading: the oldest conversation first, and its oldest exchange first.
#[derive(Clone, Copy, Debug)]
struct Place {
    conversation: u64,
    exchange: u64,
}

impl Transcript {
    /// Everything as JSON lines: one conversation a line, the oldest first.
    pub fn export() -> Self {
        Self {
            place: Place {
                conversation: 0,
                exchange: 0,
            },
            last: MAX_INTEGER,
            view: View::lines(),
            is_done: false,
        }
    }
}

impl<D: Database> Store<D> {
    /// The text of a conversation; `None` when there is none of this id.
    ///
    /// # Errors
    ///
    /// The database's.
    pub fn transcript(&self, id: &str, format: Format) -> Result<Option<Transcript>, D::Error> {
        let found = self.number_of(id)?;
        Ok(found.map(|conversation| Transcript {
            place: Place {
                conversation,
                exchange: 0,
            },
            last: conversation,
            view: match format {
                Format::Json => View::json(),
                Format::Markdown => View::markdown(),
            },
            is_done: false,
        }))
    }

    /// The next part of a text; `None` behind its end. What is written or forgotten meanwhile may be in it or not.
    ///
    /// # Errors
    ///
    /// The database's; then the same part can be read again.
    pub fn next_part(&self, transcript: &mut Transcript) -> Result<Option<String>, D::Error> {
        if transcript.is_done {
            return Ok(None);
        }
        let mut text = String::new();
        let Some(end) = self.page_end(transcript)? else {
            transcript.is_done = true;
            transcript.view.finish(&mut text);
            return Ok((!text.is_empty()).then_some(text));
        };
        for (head, exchange) in self.page(transcript.place, end)? {
            transcript.view.exchange(&head, &exchange, &mut text);
        }
        transcript.place = end;
        Ok(Some(text))
    }

    /// The last exchange of the next page.
    fn page_end(&self, transcript: &Transcript) -> Result<Option<Place>, D::Error> {
        const SIZES: &str =
            "SELECT conversation, number, coalesce(length(pieces), ?4) FROM exchanges
            WHERE (conversation, number) > (?1, ?2) AND conversation <= ?3
            ORDER BY conversation, number LIMIT ?5";
        let Place {
            conversation,
            exchange,
        } = transcript.place;
        let longest = u64::try_from(MAX_BYTES).unwrap_or(u64::MAX);
        let limits = [
            conversation,
            exchange,
            transcript.last,
            longest,
            PAGE_EXCHANGES,
        ];
        let mut end = None;
        let mut bytes = 0_u64;
        for mut row in rows(&self.database, SIZES, &limits.map(Value::from))? {
            let place = Place {
                conversation: row.number(),
                exchange: row.number(),
            };
            bytes = bytes.saturating_add(row.number());
            if end.is_some() && bytes > PAGE_BYTES {
                break;
            }
            end = Some(place);
        }
        Ok(end)
    }

    fn page(&self, after: Place, end: Place) -> Result<Vec<(Head, Exchange)>, D::Error> {
        const PAGE: &str = "SELECT c.number, c.id, c.title, c.created_ms, c.updated_ms,
            e.number, e.id, e.state, e.parent, e.question_turn, e.answer_turn, e.model, e.created_ms, e.ending,
            e.message, e.pieces
            FROM exchanges e JOIN conversations c ON c.number = e.conversation
            WHERE (e.conversation, e.number) > (?1, ?2) AND (e.conversation, e.number) <= (?3, ?4)
            ORDER BY e.conversation, e.number";
        let bounds = [
            after.conversation,
            after.exchange,
            end.conversation,
            end.exchange,
        ];
        let mut page = Vec::new();
        for mut row in rows(&self.database, PAGE, &bounds.map(Value::from))? {
            let head = Head::of(&mut row);
            let number = row.number();
            let mut exchange = Exchange::of(&mut row);
            if exchange.state == State::Streaming {
                exchange.answered(&journal::read(&self.database, number)?);
                if self.is_abandoned(number) {
                    exchange.state = State::Interrupted;
                    exchange.ending = interrupted::fields();
                }
            }
            page.push((head, exchange));
        }
        Ok(page)
    }
}

//! An answer from its first journal row to its end.
//!
//! Its text grows in the journal while upstream sends. At its end one transaction moves it into the exchange's row and
//! into the search index. The first ending that is stored is the one that counts: a later one changes nothing.

use super::interrupted;
use super::journal::{self, JournalRow};
use super::search;
use super::spent::{Ceiling, Spent};
use super::sql::{Database, Row, Statement, rows};
use super::store::{State, Store};
use super::usage;
use crate::stream::pieces::Pieces;
use crate::stream::seen::Seen;

/// How an answer ended.
#[derive(Clone, Copy, Debug)]
pub struct Ended<'a> {
    /// How it stands from now on.
    pub state: State,
    /// The final frame's own fields as JSON, from `"finish_reason"` or `"error"` on, without braces.
    pub ending: &'a str,
    /// All of its text.
    pub pieces: &'a Pieces,
    /// What has come of it at upstream, unless that has refused it.
    pub seen: Option<Seen>,
    /// The present time.
    pub now_ms: u64,
}

/// An answer as it is stored.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct StoredAnswer {
    /// Its exchange.
    pub exchange: u64,
    /// The conversation's id.
    pub conversation_id: String,
    /// How it stands.
    pub state: State,
    /// What the request that asked for it said; see `NewExchange::fingerprint`.
    pub fingerprint: String,
    /// The correlation id of the request that asked for it.
    pub correlation_id: String,
    /// The id of the answer's turn.
    pub answer_turn: String,
    /// How many earlier turns the model saw.
    pub history_turns: u64,
    /// How many tokens its budget had left when it began.
    pub budget_left: Option<u64>,
    /// The text so far.
    pub pieces: Pieces,
    /// The final frame's own fields, once it has ended.
    pub ending: Option<String>,
}

impl<D: Database> Store<D> {
    /// Adds pieces to the journal of an answer, in [`Pieces`]' encoding. Once this has returned they survive a crash,
    /// and may be shown. An answer that has ended or was deleted takes no more.
    ///
    /// # Errors
    ///
    /// The database's; then `row` is as it was, and the same pieces can be appended again.
    pub fn append(
        &self,
        exchange: u64,
        row: &mut JournalRow,
        pieces: &[u8],
    ) -> Result<(), D::Error> {
        let (next, statement) = row.append(exchange, pieces);
        self.database.write(&[statement])?;
        *row = next;
        Ok(())
    }

    /// Says that another model is asked now.
    ///
    /// # Errors
    ///
    /// The database's; then the answer has the model that it had.
    pub fn set_model(&self, exchange: u64, model: &str) -> Result<(), D::Error> {
        const MODEL: &str = "UPDATE exchanges SET model = ?2 WHERE number = ?1";
        self.database
            .write(&[Statement::new(MODEL, [exchange.into(), model.into()])])
    }

    /// Ends an answer, and says whether it was still unfinished: the first ending counts.
    ///
    /// # Errors
    ///
    /// The database's; then the answer is as it was.
    pub fn end(&self, exchange: u64, ended: &Ended<'_>) -> Result<bool, D::Error> {
        const MESSAGE: &str = "SELECT message, model, sent_tokens, max_tokens FROM exchanges
            WHERE number = ?1 AND state = 'streaming'";
        const END: &str = "UPDATE exchanges SET state = ?2, ending = ?3, pieces = ?4, ended_ms = ?5 WHERE number = ?1";
        let mut found = rows(&self.database, MESSAGE, &[exchange.into()])?;
        let Some(mut row) = found.next() else {
            return Ok(false);
        };
        let (message, model) = (row.text(), row.text());
        let Ended {
            state,
            ending,
            pieces,
            seen,
            now_ms,
        } = *ended;
        let answer = pieces.text();
        let spent = Spent::of(seen, Ceiling::of(&mut row));
        let text = format!("{message}\n{answer}");
        let values = [
            exchange.into(),
            state.name().into(),
            ending.into(),
            pieces.as_bytes().into(),
            now_ms.into(),
        ];
        let mut statements = vec![
            Statement::new(END, values),
            Statement::new(journal::DELETE, [exchange.into()]),
            search::index(exchange, &text),
        ];
        statements.extend(spent.map(|spent| usage::count(now_ms, &model, spent)));
        self.database.write(&statements)?;
        Ok(true)
    }

    /// The model of an answer that an earlier instance left unfinished, where final frames tell it. Of one that has no pieces,
    /// it is not known whether it had begun.
    pub(super) fn told_model<'m>(&self, model: &'m str, pieces: &Pieces) -> Option<&'m str> {
        (self.tells_models && pieces.count() > 0).then_some(model)
    }

    /// The answer of this id. One that an earlier instance left unfinished is told as [`Store::recover`] will end it.
    ///
    /// # Errors
    ///
    /// The database's.
    pub fn answer(&self, answer_id: &str) -> Result<Option<StoredAnswer>, D::Error> {
        const FIND: &str =
            "SELECT e.number, c.id, e.state, e.request, e.correlation_id, e.answer_turn,
            e.history_turns, e.ending, e.pieces, e.budget_left, e.model
            FROM exchanges e JOIN conversations c ON c.number = e.conversation WHERE e.id = ?1";
        let mut found = rows(&self.database, FIND, &[answer_id.into()])?;
        let Some(mut row) = found.next() else {
            return Ok(None);
        };
        let mut stored = stored(&mut row);
        if stored.state == State::Streaming {
            stored.pieces = journal::read(&self.database, stored.exchange)?;
            if self.is_abandoned(stored.exchange) {
                stored.state = State::Interrupted;
                let model = row.text();
                let model = self.told_model(&model, &stored.pieces);
                let ending = interrupted::ending(&stored.answer_turn, stored.history_turns, model);
                stored.ending = Some(ending);
            }
        }
        Ok(Some(stored))
    }
}

fn stored(row: &mut Row) -> StoredAnswer {
    StoredAnswer {
        exchange: row.number(),
        conversation_id: row.text(),
        state: State::parse(&row.text()),
        fingerprint: row.text(),
        correlation_id: row.text(),
        answer_turn: row.text(),
        history_turns: row.number(),
        ending: row.optional_text(),
        pieces: Pieces::from_bytes(row.blob().unwrap_or_default()),
        budget_left: row.integer(),
    }
}

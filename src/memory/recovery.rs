//! How a store opens, and how it ends what an earlier instance left unfinished.
//!
//! An answer that is unfinished then belonged to an instance that is gone. [`Store::recover`] ends it before a new one
//! may begin, with the text that was kept and one honest final frame. The model is not asked again.

use super::answer::Ended;
use super::interrupted;
use super::journal;
use super::schema::{self, OpenError};
use super::sql::{Database, rows};
use super::store::{State, Store};

/// An answer that was ended because the instance that wrote it is gone.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Recovered {
    /// Its id.
    pub answer_id: String,
    /// The correlation id of the request that asked for it.
    pub correlation_id: String,
    /// How many frames with text were kept of it.
    pub piece_count: u64,
}

impl<D: Database> Store<D> {
    /// Opens a database: makes its tables, or updates them; those that are up to date are only read. Then
    /// [`Store::recover`] is due, before any answer begins.
    ///
    /// # Errors
    ///
    /// [`OpenError::Newer`] for a file of a newer version, which stays as it is.
    pub fn open(database: D) -> Result<Self, OpenError<D::Error>> {
        schema::migrate(&database, schema::STEPS)?;
        Ok(Self::of(database)?)
    }

    /// Ends the answers that an earlier instance left unfinished, and adds them to `interrupted`. Readers get that ending
    /// before it is stored; see [`Store::answer`].
    ///
    /// # Errors
    ///
    /// The database's; then some may be left, and what is stored can be read all the same.
    pub fn recover(&self, now_ms: u64, interrupted: &mut Vec<Recovered>) -> Result<(), D::Error> {
        const UNFINISHED: &str =
            "SELECT number, answer_turn, history_turns, model, id, correlation_id FROM exchanges
            WHERE state = 'streaming' AND number <= ?1";
        for mut row in rows(&self.database, UNFINISHED, &[self.last_at_opening.into()])? {
            let exchange = row.number();
            let pieces = journal::read(&self.database, exchange)?;
            let (turn, history_turns, model) = (row.text(), row.number(), row.text());
            let model = self.told_model(&model, &pieces);
            let ending = interrupted::ending(&turn, history_turns, model);
            let ended = Ended {
                state: State::Interrupted,
                ending: &ending,
                pieces: &pieces,
                // Whether upstream had begun to answer is not known, nor what it told.
                seen: Some(pieces.seen()),
                now_ms,
            };
            self.end(exchange, &ended)?;
            interrupted.push(Recovered {
                answer_id: row.text(),
                correlation_id: row.text(),
                piece_count: pieces.text_count(),
            });
        }
        Ok(())
    }
}

//! What a store does when it opens.
//!
//! An answer that is unfinished then belonged to an instance that is gone: it ends here, with the text that was kept and
//! one honest final frame. The model is not asked again.

use super::answer::Ended;
use super::journal;
use super::schema::{self, OpenError};
use super::sql::{Database, rows};
use super::store::{State, Store};
use crate::api::error::{ApiError, ErrorCode};
use crate::api::frame::{Ending, kept_fields};

/// An answer that was ended because the instance that wrote it is gone.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Interrupted {
    /// Its id.
    pub answer_id: String,
    /// The correlation id of the request that asked for it.
    pub correlation_id: String,
    /// How many frames with text were kept of it.
    pub piece_count: u64,
}

impl<D: Database> Store<D> {
    /// Opens a database: makes or updates its tables, and ends the answers that an earlier instance left unfinished.
    ///
    /// # Errors
    ///
    /// [`OpenError::Newer`] for a file of a newer version, which stays as it is.
    pub fn open(database: D, now_ms: u64) -> Result<(Self, Vec<Interrupted>), OpenError<D::Error>> {
        const UNFINISHED: &str = "SELECT number, answer_turn, history_turns, id, correlation_id FROM exchanges WHERE state = 'streaming'";
        schema::migrate(&database, schema::STEPS)?;
        let store = Self::of(database)?;
        let mut interrupted_answers = Vec::new();
        for mut row in rows(&store.database, UNFINISHED, &[])? {
            let exchange = row.number();
            let ending = interrupted(&row.text(), row.number());
            let pieces = journal::read(&store.database, exchange)?;
            let ended = Ended {
                state: State::Interrupted,
                ending: &ending,
                pieces: &pieces,
                now_ms,
            };
            store.end(exchange, &ended)?;
            interrupted_answers.push(Interrupted {
                answer_id: row.text(),
                correlation_id: row.text(),
                piece_count: pieces.count(),
            });
        }
        Ok((store, interrupted_answers))
    }
}

/// The final frame of an interrupted answer, as [`Ended::ending`] has it.
fn interrupted(turn_id: &str, history_turns: u64) -> String {
    let error = ApiError::from(ErrorCode::Interrupted);
    let ending = Ending::Failed(&error).fields();
    format!("{ending},{}", kept_fields(turn_id, history_turns))
}

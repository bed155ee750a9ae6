//! The journal: what an answer has said so far, while it grows.
//!
//! Growing a row costs one written row, whatever its size. Adding one costs two, since it has to be deleted again.

use super::sql::{Database, Statement, Value, rows};
use crate::stream::pieces::Pieces;

/// A row grows up to this many bytes; a single larger write has a row of its own. Each write copies the whole row.
const MAX_ROW_BYTES: usize = 64 * 1024;

/// Deletes the journal of an exchange.
pub(super) const DELETE: &str = "DELETE FROM journal WHERE exchange = ?1";

/// The row that grows.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct JournalRow {
    number: u64,
    bytes: usize,
}

impl JournalRow {
    /// The statement that adds these bytes, and the row that grows after it.
    pub(super) fn append(self, exchange: u64, pieces: &[u8]) -> (Self, Statement) {
        const ADD: &str = "INSERT INTO journal (exchange, number, pieces)
            SELECT ?1, ?2, ?3 FROM exchanges WHERE number = ?1 AND state = 'streaming'";
        // `||` yields TEXT, which JavaScript would get as a string.
        const GROW: &str = "UPDATE journal SET pieces = CAST(pieces || ?3 AS BLOB)
            WHERE exchange = ?1 AND number = ?2";
        let bytes = self.bytes.saturating_add(pieces.len());
        let (next, sql) = match self {
            Self { number, bytes: 0 } => (Self { number, bytes }, ADD),
            Self { number, .. } if bytes <= MAX_ROW_BYTES => (Self { number, bytes }, GROW),
            Self { number, .. } => {
                let number = number.saturating_add(1);
                let bytes = pieces.len();
                (Self { number, bytes }, ADD)
            }
        };
        let values: [Value; 3] = [exchange.into(), next.number.into(), pieces.into()];
        (next, Statement::new(sql, values))
    }
}

/// All pieces in the journal of an exchange.
pub(super) fn read<D: Database>(database: &D, exchange: u64) -> Result<Pieces, D::Error> {
    const READ: &str = "SELECT pieces FROM journal WHERE exchange = ?1 ORDER BY number";
    let mut bytes = Vec::new();
    for mut row in rows(database, READ, &[exchange.into()])? {
        bytes.append(&mut row.blob().unwrap_or_default());
    }
    Ok(Pieces::from_bytes(bytes))
}

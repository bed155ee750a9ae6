//! One owner's conversations, and the states of an answer.

use std::cell::Cell;

use super::sql::{Database, rows};

/// One owner's conversations.
#[derive(Debug)]
pub struct Store<D> {
    pub(super) database: D,
    /// The last number that a conversation or an exchange got. Numbers never repeat, also when rows were deleted.
    last_number: Cell<u64>,
    /// The last number that was in use when the store was opened.
    pub(super) last_at_opening: u64,
    /// Whether final frames tell which model has answered.
    pub(super) tells_models: bool,
}

/// How an answer stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum State {
    /// It is still growing.
    Streaming,
    /// Upstream has ended it.
    Complete,
    /// Its owner has stopped it.
    Stopped,
    /// The process died while it grew.
    Interrupted,
    /// Upstream failed in the middle.
    Failed,
}

impl State {
    const ALL: [Self; 5] = [
        Self::Streaming,
        Self::Complete,
        Self::Stopped,
        Self::Interrupted,
        Self::Failed,
    ];

    /// The name in JSON and in the store.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Streaming => "streaming",
            Self::Complete => "complete",
            Self::Stopped => "stopped",
            Self::Interrupted => "interrupted",
            Self::Failed => "failed",
        }
    }

    /// A stored state. An unknown one, which no version writes, counts as failed.
    pub(super) fn parse(name: &str) -> Self {
        let mut all = Self::ALL.into_iter();
        all.find(|state| state.name() == name)
            .unwrap_or(Self::Failed)
    }
}

impl<D: Database> Store<D> {
    /// The store of a database whose tables are up to date.
    pub(super) fn of(database: D) -> Result<Self, D::Error> {
        let last_number = last_number(&database)?;
        Ok(Self {
            last_number: Cell::new(last_number),
            last_at_opening: last_number,
            tells_models: false,
            database,
        })
    }

    /// The same store; if `tells_models`, also the final frames that it makes tell which model has answered.
    #[must_use]
    pub fn telling_models(self, tells_models: bool) -> Self {
        Self {
            tells_models,
            ..self
        }
    }

    /// Whether an answer that is unfinished will stay so: the instance that wrote it is gone.
    pub(super) fn is_abandoned(&self, exchange: u64) -> bool {
        exchange <= self.last_at_opening
    }

    /// The number of a conversation.
    pub(super) fn number_of(&self, id: &str) -> Result<Option<u64>, D::Error> {
        const FIND: &str = "SELECT number FROM conversations WHERE id = ?1";
        let mut found = rows(&self.database, FIND, &[id.into()])?;
        Ok(found.next().map(|mut row| row.number()))
    }

    /// A number for a new conversation or exchange: larger than all before, and larger than those of a moment ago that
    /// are deleted and that somebody may still hold.
    pub(super) fn next_number(&self, now_ms: u64) -> u64 {
        let next = self.last_number.get().saturating_add(1);
        let next = next.max(first_number_at(now_ms));
        self.last_number.set(next);
        next
    }
}

/// The smallest number that is given at a time.
pub(super) fn first_number_at(ms: u64) -> u64 {
    // The cap is reached in 2109. From then on numbers count up one by one, with half of them still to come.
    ms.saturating_mul(1024).min(1 << 52)
}

/// The largest number in use.
fn last_number<D: Database>(database: &D) -> Result<u64, D::Error> {
    const LAST: &str = "SELECT max(coalesce((SELECT max(number) FROM conversations), 0),
        coalesce((SELECT max(number) FROM exchanges), 0))";
    let mut found = rows(database, LAST, &[])?;
    Ok(found.next().map_or(0, |mut row| row.number()))
}

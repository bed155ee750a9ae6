//! Renaming and forgetting.

use super::journal;
use super::schema;
use super::search;
use super::sql::{Database, Row, Statement, rows};
use super::store::Store;
use super::title;
use super::usage::Running;

impl<D: Database> Store<D> {
    /// Gives a conversation a title. False when there is none of this id.
    ///
    /// # Errors
    ///
    /// The database's; then nothing was changed.
    pub fn rename(&self, id: &str, title: &str, now_ms: u64) -> Result<bool, D::Error> {
        const RENAME: &str = "UPDATE conversations SET title = ?2, renamed_ms = ?3,
            updated_ms = max(updated_ms, ?3) WHERE number = ?1";
        let Some(conversation) = self.find(id)? else {
            return Ok(false);
        };
        let number = conversation.number;
        let mut statements = Vec::new();
        if conversation.is_renamed {
            statements.push(search::unindex(number));
        }
        let rename = [number.into(), title.into(), now_ms.into()];
        statements.push(Statement::new(RENAME, rename));
        statements.push(search::index(number, title));
        self.database.write(&statements)?;
        Ok(true)
    }

    /// Forgets a conversation. False when there is none of this id. Its answers that run are counted as they stand.
    ///
    /// # Errors
    ///
    /// The database's; then nothing was forgotten.
    pub fn delete(&self, id: &str, running: &[Running], now_ms: u64) -> Result<bool, D::Error> {
        let Some(conversation) = self.find(id)? else {
            return Ok(false);
        };
        let mut statements = self.count_running(running, now_ms)?;
        statements.extend(forget(&conversation));
        self.database.write(&statements)?;
        Ok(true)
    }

    /// Forgets everything but what answers have cost. Those that run are counted as they stand.
    ///
    /// # Errors
    ///
    /// The database's; then nothing was forgotten.
    pub fn delete_all(&self, running: &[Running], now_ms: u64) -> Result<(), D::Error> {
        let mut statements = self.count_running(running, now_ms)?;
        statements.extend(schema::clear(schema::STEPS));
        self.database.write(&statements)
    }

    /// Forgets conversations that were not touched since `before_ms`, the oldest first and at most `limit`, and returns
    /// how many. One whose answer is running stays.
    ///
    /// # Errors
    ///
    /// The database's; then a part of them may be forgotten, each whole.
    pub fn expire(&self, before_ms: u64, limit: u64) -> Result<u64, D::Error> {
        const OLD: &str = "SELECT c.number, c.renamed_ms IS NOT NULL FROM conversations c WHERE c.updated_ms < ?1
            AND NOT EXISTS (SELECT 1 FROM exchanges e WHERE e.conversation = c.number AND e.state = 'streaming')
            ORDER BY c.updated_ms, c.number LIMIT ?2";
        let old = rows(&self.database, OLD, &[before_ms.into(), limit.into()])?;
        let mut forgotten = 0_u64;
        for conversation in old.map(|mut row| Conversation::of(&mut row)) {
            self.database.write(&forget(&conversation))?;
            forgotten = forgotten.saturating_add(1);
        }
        Ok(forgotten)
    }

    /// When the conversation that was not touched for the longest time was touched.
    ///
    /// # Errors
    ///
    /// The database's.
    pub fn oldest_update(&self) -> Result<Option<u64>, D::Error> {
        const OLDEST: &str = "SELECT min(updated_ms) FROM conversations";
        let mut found = rows(&self.database, OLDEST, &[])?;
        Ok(found.next().and_then(|mut row| row.integer()))
    }

    /// Takes back an exchange whose answer never began: nothing of it is kept, and its answer's id is free again.
    ///
    /// # Errors
    ///
    /// The database's; then everything is as it was.
    pub fn forget_exchange(&self, exchange: u64) -> Result<(), D::Error> {
        const PLACE: &str = "SELECT c.number, c.renamed_ms IS NOT NULL FROM exchanges e
            JOIN conversations c ON c.number = e.conversation WHERE e.number = ?1 AND e.state = 'streaming'";
        const OLDEST: &str = "SELECT message FROM exchanges
            WHERE conversation = ?1 AND number <> ?2 ORDER BY number LIMIT 1";
        const DELETE: &str = "DELETE FROM exchanges WHERE number = ?1";
        // A conversation's time is that of its newest message or title.
        const RESTORE: &str = "UPDATE conversations SET updated_ms = max(coalesce(renamed_ms, 0),
            (SELECT max(created_ms) FROM exchanges WHERE conversation = ?1)),
            title = CASE WHEN renamed_ms IS NULL THEN ?2 ELSE title END WHERE number = ?1";
        let mut found = rows(&self.database, PLACE, &[exchange.into()])?;
        let Some(conversation) = found.next().map(|mut row| Conversation::of(&mut row)) else {
            return Ok(());
        };
        let number = conversation.number;
        let mut others = rows(&self.database, OLDEST, &[number.into(), exchange.into()])?;
        let statements = match others.next() {
            None => forget(&conversation),
            Some(mut oldest) => vec![
                Statement::new(journal::DELETE, [exchange.into()]),
                Statement::new(DELETE, [exchange.into()]),
                Statement::new(RESTORE, [number.into(), title::of(&oldest.text()).into()]),
            ],
        };
        self.database.write(&statements)
    }

    fn find(&self, id: &str) -> Result<Option<Conversation>, D::Error> {
        const FIND: &str = "SELECT number, renamed_ms IS NOT NULL FROM conversations WHERE id = ?1";
        let mut found = rows(&self.database, FIND, &[id.into()])?;
        Ok(found.next().map(|mut row| Conversation::of(&mut row)))
    }
}

/// A conversation that changes.
struct Conversation {
    number: u64,
    /// Whether its title was given, and so stands in the search index.
    is_renamed: bool,
}

impl Conversation {
    fn of(row: &mut Row) -> Self {
        Self {
            number: row.number(),
            is_renamed: row.number() == 1,
        }
    }
}

/// The statements that forget a conversation. The search index goes first: it is found by the exchanges.
fn forget(conversation: &Conversation) -> Vec<Statement> {
    const JOURNAL: &str = "DELETE FROM journal WHERE exchange IN (SELECT number FROM exchanges WHERE conversation = ?1)";
    const EXCHANGES: &str = "DELETE FROM exchanges WHERE conversation = ?1";
    const CONVERSATION: &str = "DELETE FROM conversations WHERE number = ?1";
    let number = conversation.number;
    let title = conversation.is_renamed.then(|| search::unindex(number));
    let rest = [JOURNAL, EXCHANGES, CONVERSATION].map(|sql| Statement::new(sql, [number.into()]));
    let texts = search::unindex_exchanges(number);
    title.into_iter().chain([texts]).chain(rest).collect()
}

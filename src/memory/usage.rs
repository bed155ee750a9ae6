//! How answers are counted, by day and model.
//!
//! The transaction that ends a kept answer counts it, and so it counts exactly once; a stateless one is counted by
//! `ledger.rs`. How many tokens an answer counts with is in `spent.rs`, and what is told of them in `usage_report.rs`.

use super::spent::{Ceiling, Spent};
use super::sql::{Database, Statement, Value, rows};
use super::store::Store;
use crate::api::day;
use crate::stream::seen::Seen;

/// The statement that counts an answer. What the model thought unseen is the average of its told answers of a month.
pub(super) fn count(now_ms: u64, model: &str, spent: Spent) -> Statement {
    const COUNT: &str =
        "INSERT INTO usage (day, model, answers, input_tokens, output_tokens, cached_tokens,
            reasoning_tokens, estimated_answers)
        VALUES (?1, ?2, 1, ?3, ?4 + CASE WHEN ?8 > 0 THEN min(?8, coalesce((
                SELECT sum(reasoning_tokens) / max(sum(answers - estimated_answers), 1)
                FROM usage WHERE model = ?2 AND day > ?1 - 31), 0)) ELSE 0 END, ?5, ?6, ?7)
        ON CONFLICT (day, model) DO UPDATE SET
            answers = answers + 1,
            input_tokens = input_tokens + excluded.input_tokens,
            output_tokens = output_tokens + excluded.output_tokens,
            cached_tokens = cached_tokens + excluded.cached_tokens,
            reasoning_tokens = reasoning_tokens + excluded.reasoning_tokens,
            estimated_answers = estimated_answers + excluded.estimated_answers";
    let mut values = vec![day::day_of(now_ms).into(), model.into()];
    values.extend(spent.numbers().map(Value::from));
    Statement::new(COUNT, values)
}

/// An answer that runs while its conversation is deleted.
#[derive(Clone, Copy, Debug)]
pub struct Running {
    /// Its exchange.
    pub exchange: u64,
    /// What has come of it, unless upstream has refused it.
    pub seen: Option<Seen>,
}

impl<D: Database> Store<D> {
    /// Counts what a model has sold of an answer that it has failed to begin.
    ///
    /// # Errors
    ///
    /// The database's; then nothing is counted.
    pub fn count_sold(&self, model: &str, spent: Spent, now_ms: u64) -> Result<(), D::Error> {
        self.database.write(&[count(now_ms, model, spent)])
    }

    /// The statements that count answers that will have no ending.
    pub(super) fn count_running(
        &self,
        running: &[Running],
        now_ms: u64,
    ) -> Result<Vec<Statement>, D::Error> {
        const FIND: &str = "SELECT model, sent_tokens, max_tokens FROM exchanges WHERE number = ?1 AND state = 'streaming'";
        let mut statements = Vec::new();
        for answer in running {
            for mut row in rows(&self.database, FIND, &[answer.exchange.into()])? {
                let model = row.text();
                let spent = Spent::of(answer.seen, Ceiling::of(&mut row));
                statements.extend(spent.map(|spent| count(now_ms, &model, spent)));
            }
        }
        Ok(statements)
    }
}

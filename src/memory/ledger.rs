//! What one account has spent, and what its answers that run have reserved.
//!
//! A kept answer that runs is its own reservation: its exchange. A stateless one leaves a reservation by its id, which the
//! truth replaces. If nobody tells that in time, the reservation counts as spent, by estimate; if the truth comes after
//! all, it replaces that as well.

use super::spent::Spent;
use super::sql::{Database, Statement, rows};
use super::store::Store;
use super::usage::count;
use crate::api::budget::{Amount, Spending, Standing};
use crate::api::day;
use crate::time::DAY_MS;

/// Days that a reservation counted as spent is kept: if its machine was only asleep, the real end replaces the estimate. If
/// the process died, no end comes, and it is then deleted.
const KEPT_DAYS: u64 = 31;

/// A stateless answer that is about to run.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Reservation<'a> {
    /// A fresh id that begins with its time, so that ids are in the order of their time.
    pub id: &'a str,
    /// The model to ask.
    pub model: &'a str,
    /// Tokens that are sent, by estimate.
    pub sent_tokens: u64,
    /// Most tokens of the answer.
    pub max_tokens: u64,
    /// When it has ended, whatever becomes of it.
    pub expires_ms: u64,
}

/// An id of a time: such ids are in the order of their times.
pub fn id_of(now_ms: u64, fresh: &str) -> String {
    format!("{now_ms:016}-{fresh}")
}

impl<D: Database> Store<D> {
    /// What the account has spent today and this month, and what is reserved; [`Store::settle`] comes first.
    ///
    /// # Errors
    ///
    /// The database's.
    pub fn standing(&self, spending: &Spending, now_ms: u64) -> Result<Standing, D::Error> {
        const SUMS: &str = "SELECT day = ?2, model, sum(input_tokens), sum(output_tokens)
            FROM usage WHERE day >= ?1 AND day < ?3 GROUP BY 1, 2
            UNION ALL SELECT 2, model, sum(coalesce(sent_tokens, 0)), sum(coalesce(max_tokens, 0))
            FROM exchanges WHERE state = 'streaming' GROUP BY 2
            UNION ALL SELECT 2, model, sum(sent_tokens), sum(max_tokens)
            FROM reservations WHERE counted_day IS NULL GROUP BY 2";
        let today = day::day_of(now_ms);
        let month = day::first_of_month(today);
        let next_month = day::first_of_next_month(today);
        let mut standing = Standing::default();
        let days = [month.into(), today.into(), next_month.into()];
        for mut row in rows(&self.database, SUMS, &days)? {
            let when = row.number();
            let model = row.text();
            let price = match when {
                0 | 1 => spending.prices.of(&model),
                _ => spending.prices.most(&model),
            };
            let amount = Amount::of(price, row.number(), row.number());
            match when {
                0 => standing.month = standing.month.plus(amount),
                1 => {
                    standing.month = standing.month.plus(amount);
                    standing.day = standing.day.plus(amount);
                }
                _ => standing.reserved = standing.reserved.plus(amount),
            }
        }
        Ok(standing)
    }

    /// Reserves what a stateless answer may cost. An id that is already closed reserves nothing: its message came late.
    ///
    /// # Errors
    ///
    /// The database's; then nothing is reserved.
    pub fn reserve(&self, new: &Reservation<'_>) -> Result<(), D::Error> {
        const RESERVE: &str =
            "INSERT OR IGNORE INTO reservations (id, model, sent_tokens, max_tokens, expires_ms)
            SELECT ?1, ?2, ?3, ?4, ?5 WHERE NOT EXISTS (SELECT 1 FROM counted WHERE id = ?1)";
        let values = [
            new.id.into(),
            new.model.into(),
            new.sent_tokens.into(),
            new.max_tokens.into(),
            new.expires_ms.into(),
        ];
        self.database.write(&[Statement::new(RESERVE, values)])
    }

    /// Notes which fallback gives a stateless answer. If nobody tells the end, it counts under this one.
    ///
    /// # Errors
    ///
    /// The database's; then it counts under the model that was asked for.
    pub fn set_fallback(&self, id: &str, model: &str) -> Result<(), D::Error> {
        const SET: &str =
            "UPDATE reservations SET model = ?2 WHERE id = ?1 AND counted_day IS NULL";
        self.database
            .write(&[Statement::new(SET, [id.into(), model.into()])])
    }

    /// Counts a stateless answer, or that nothing came of it. Of what is told twice, the first time counts.
    ///
    /// # Errors
    ///
    /// The database's; then nothing has changed, and it can be told again.
    pub fn close(
        &self,
        id: &str,
        spent: Option<(&str, Spent)>,
        now_ms: u64,
    ) -> Result<(), D::Error> {
        const KNOWN: &str = "SELECT 1 FROM counted WHERE id = ?1";
        const KEEP: &str = "INSERT INTO counted (id) VALUES (?1)";
        const OLD: &str = "DELETE FROM counted WHERE id < ?1";
        const RELEASE: &str = "DELETE FROM reservations WHERE id = ?1";
        // The reservation may have been taken for spent.
        const TAKE_BACK: &str = "UPDATE usage SET answers = answers - 1, estimated_answers = estimated_answers - 1,
            input_tokens = input_tokens - r.sent_tokens, output_tokens = output_tokens - r.max_tokens
            FROM reservations r WHERE r.id = ?1 AND usage.day = r.counted_day AND usage.model = r.model";
        if rows(&self.database, KNOWN, &[id.into()])?.next().is_some() {
            return Ok(());
        }
        let yesterday = id_of(now_ms.saturating_sub(DAY_MS), "");
        let mut statements = vec![
            Statement::new(TAKE_BACK, [id.into()]),
            Statement::new(RELEASE, [id.into()]),
            Statement::new(OLD, [yesterday.into()]),
            Statement::new(KEEP, [id.into()]),
        ];
        statements.extend(spent.map(|(model, spent)| count(now_ms, model, spent)));
        self.database.write(&statements)
    }

    /// Counts reservations as spent whose answers must have ended, and whose end nobody has told. One that expires later than
    /// a new one would was made while the clock was ahead, and is kept no longer than a new one.
    ///
    /// # Errors
    ///
    /// The database's; then all of them are left.
    pub fn settle(&self, spending: &Spending, now_ms: u64) -> Result<(), D::Error> {
        const EXPIRED: &str =
            "SELECT id, expires_ms, model, sent_tokens, max_tokens FROM reservations
            WHERE counted_day IS NULL AND (expires_ms <= ?1 OR expires_ms > ?2)";
        const SHORTEN: &str = "UPDATE reservations SET expires_ms = ?2 WHERE id = ?1";
        const COUNTED: &str = "UPDATE reservations SET counted_day = ?2 WHERE id = ?1";
        const OLD: &str = "DELETE FROM reservations WHERE counted_day < ?1";
        let oldest = day::day_of(now_ms).saturating_sub(KEPT_DAYS);
        let latest_ms = now_ms.saturating_add(spending.longest_ms);
        // Deletes first, so that what is counted below stays until the next time, however old it is.
        let mut statements = vec![Statement::new(OLD, [oldest.into()])];
        for mut row in rows(&self.database, EXPIRED, &[now_ms.into(), latest_ms.into()])? {
            let (id, expires_ms, model) = (row.text(), row.number(), row.text());
            if expires_ms > now_ms {
                statements.push(Statement::new(SHORTEN, [id.into(), latest_ms.into()]));
                continue;
            }
            let spent = Spent {
                input_tokens: row.number(),
                output_tokens: row.number(),
                is_estimated: true,
                ..Spent::default()
            };
            let day = day::day_of(expires_ms);
            statements.push(count(expires_ms, &model, spent));
            statements.push(Statement::new(COUNTED, [id.into(), day.into()]));
        }
        if statements.len() == 1 {
            // A write is dear, and fails where the disk is full.
            return Ok(());
        }
        self.database.write(&statements)
    }
}

//! What answers have cost, by day and model.
//!
//! A kept answer is counted by the transaction that ends it, and so exactly once. The tokens are those that upstream has
//! told, or else an estimate, which is marked.

use super::sql::{Database, Row, Statement, rows};
use super::store::Store;
use crate::api::day;
use crate::api::ending::Usage;
use crate::api::request::Turn;
use crate::json::Object;

/// Bytes of text that are taken for a token where upstream does not count.
const BYTES_PER_TOKEN: u64 = 4;

/// What upstream has sold with an answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Sold {
    /// Nothing: it never answered with a success.
    Nothing,
    /// An answer whose tokens it did not tell.
    Untold,
    /// These tokens.
    Told(Usage),
}

/// The tokens that an answer counts with.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Spent {
    /// Tokens of the conversation sent.
    pub input_tokens: u64,
    /// Tokens of the answer.
    pub output_tokens: u64,
    /// Those of the input that upstream had in its cache.
    pub cached_tokens: u64,
    /// Those of the output that were hidden reasoning.
    pub reasoning_tokens: u64,
    /// Whether upstream did not tell them.
    pub is_estimated: bool,
}

impl Spent {
    /// What an answer counts with: `sent_tokens` by estimate and a text of so many bytes where upstream told nothing.
    pub fn of(sold: Sold, sent_tokens: u64, text_bytes: usize) -> Option<Self> {
        match sold {
            Sold::Nothing => None,
            Sold::Untold => Some(Self {
                input_tokens: sent_tokens,
                output_tokens: estimate(text_bytes),
                is_estimated: true,
                ..Self::default()
            }),
            Sold::Told(usage) => Some(Self {
                input_tokens: usage.input_tokens,
                output_tokens: usage.output_tokens,
                ..Self::default()
            }),
        }
    }
}

/// The tokens of a text of so many bytes, in UTF-8, by estimate.
pub fn estimate(bytes: usize) -> u64 {
    u64::try_from(bytes)
        .unwrap_or(u64::MAX)
        .div_ceil(BYTES_PER_TOKEN)
}

/// The tokens of all that goes upstream, by estimate. `instruction_bytes` are those of the system prompt.
pub fn sent(instruction_bytes: usize, history: &[Turn], message: &str) -> u64 {
    let bytes = history.iter().map(|turn| turn.content.len());
    let all = bytes.chain([instruction_bytes, message.len()]);
    estimate(all.fold(0, usize::saturating_add))
}

/// The statement that counts an answer.
pub(super) fn count(now_ms: u64, model: &str, spent: Spent) -> Statement {
    const COUNT: &str =
        "INSERT INTO usage (day, model, answers, input_tokens, output_tokens, cached_tokens,
            reasoning_tokens, estimated_answers)
        VALUES (?1, ?2, 1, ?3, ?4, ?5, ?6, ?7)
        ON CONFLICT (day, model) DO UPDATE SET
            answers = answers + 1,
            input_tokens = input_tokens + excluded.input_tokens,
            output_tokens = output_tokens + excluded.output_tokens,
            cached_tokens = cached_tokens + excluded.cached_tokens,
            reasoning_tokens = reasoning_tokens + excluded.reasoning_tokens,
            estimated_answers = estimated_answers + excluded.estimated_answers";
    let values = [
        day::day_of(now_ms).into(),
        model.into(),
        spent.input_tokens.into(),
        spent.output_tokens.into(),
        spent.cached_tokens.into(),
        spent.reasoning_tokens.into(),
        u64::from(spent.is_estimated).into(),
    ];
    Statement::new(COUNT, values)
}

/// Sums of answers.
#[derive(Default)]
struct Counts {
    answers: u64,
    input_tokens: u64,
    output_tokens: u64,
    cached_tokens: u64,
    reasoning_tokens: u64,
    estimated_answers: u64,
}

impl Counts {
    fn of(row: &mut Row) -> Self {
        Self {
            answers: row.number(),
            input_tokens: row.number(),
            output_tokens: row.number(),
            cached_tokens: row.number(),
            reasoning_tokens: row.number(),
            estimated_answers: row.number(),
        }
    }

    fn add(&mut self, other: &Self) {
        let Self {
            answers,
            input_tokens,
            output_tokens,
            cached_tokens,
            reasoning_tokens,
            estimated_answers,
        } = self;
        for (sum, more) in [
            (answers, other.answers),
            (input_tokens, other.input_tokens),
            (output_tokens, other.output_tokens),
            (cached_tokens, other.cached_tokens),
            (reasoning_tokens, other.reasoning_tokens),
            (estimated_answers, other.estimated_answers),
        ] {
            *sum = sum.saturating_add(more);
        }
    }

    fn write(&self, object: &mut Object) {
        object
            .number("answers", self.answers)
            .number("input_tokens", self.input_tokens)
            .number("output_tokens", self.output_tokens)
            .number("cached_tokens", self.cached_tokens)
            .number("reasoning_tokens", self.reasoning_tokens);
        if self.estimated_answers > 0 {
            object.raw("estimated", "true");
        }
    }
}

/// An answer that runs while its conversation is deleted.
#[derive(Clone, Copy, Debug)]
pub struct Running {
    /// Its exchange.
    pub exchange: u64,
    /// What upstream has sold so far.
    pub sold: Sold,
    /// Bytes of its text so far.
    pub text_bytes: usize,
}

impl<D: Database> Store<D> {
    /// The statements that count answers that will have no ending.
    pub(super) fn count_running(
        &self,
        running: &[Running],
        now_ms: u64,
    ) -> Result<Vec<Statement>, D::Error> {
        const FIND: &str =
            "SELECT model, sent_tokens FROM exchanges WHERE number = ?1 AND state = 'streaming'";
        let mut statements = Vec::new();
        for answer in running {
            for mut row in rows(&self.database, FIND, &[answer.exchange.into()])? {
                let model = row.text();
                let spent = Spent::of(answer.sold, row.number(), answer.text_bytes);
                statements.extend(spent.map(|spent| count(now_ms, &model, spent)));
            }
        }
        Ok(statements)
    }

    /// What answers have cost from one day to another, both included, as JSON.
    ///
    /// # Errors
    ///
    /// The database's.
    pub fn usage(&self, from: u64, to: u64) -> Result<String, D::Error> {
        const BY_DAY: &str = "SELECT day, model, answers, input_tokens, output_tokens, cached_tokens, reasoning_tokens,
                estimated_answers
            FROM usage WHERE day BETWEEN ?1 AND ?2 ORDER BY day, model";
        let mut total = Counts::default();
        let mut days = String::new();
        let mut last_day = None;
        for mut row in rows(&self.database, BY_DAY, &[from.into(), to.into()])? {
            let day = row.number();
            if last_day == Some(day) {
                days.push(',');
            } else {
                if last_day.is_some() {
                    days.push_str("]},");
                }
                days.push_str("{\"day\":\"");
                days.push_str(&day::to_text(day));
                days.push_str("\",\"models\":[");
                last_day = Some(day);
            }
            let mut model = Object::default();
            model.text("model", &row.text());
            let counts = Counts::of(&mut row);
            counts.write(&mut model);
            total.add(&counts);
            days.push_str(&model.to_json());
        }
        if last_day.is_some() {
            days.push_str("]}");
        }
        let mut sums = Object::default();
        total.write(&mut sums);
        let mut usage = Object::default();
        usage
            .text("from", &day::to_text(from))
            .text("to", &day::to_text(to))
            .raw("days", &format!("[{days}]"))
            .raw("total", &sums.to_json());
        Ok(usage.to_json())
    }
}

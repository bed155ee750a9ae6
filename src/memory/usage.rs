//! What answers have cost, by day and model.
//!
//! A kept answer is counted by the transaction that ends it, and so exactly once; a stateless one by `ledger.rs`. The tokens are those that upstream has
//! told, or else an estimate, which is marked.

use super::sql::{Database, Row, Statement, Value, rows};
use super::store::Store;
use crate::api::budget::{Budget, Standing};
use crate::api::day;
use crate::api::listing::Days;
use crate::api::money::{self, Price, Prices};
use crate::api::request::Turn;
use crate::json::Object;
use crate::stream::seen::{End, Seen};
use crate::telemetry::record::timestamp;

/// Bytes of text that are taken for a token where upstream does not count.
const BYTES_PER_TOKEN: u64 = 4;

/// What an answer may cost.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Ceiling {
    /// The tokens of all that goes upstream, by estimate.
    pub sent_tokens: u64,
    /// Most tokens of the answer.
    pub max_tokens: u64,
}

impl Ceiling {
    /// That of an exchange: two columns of a row.
    pub(super) fn of(row: &mut Row) -> Self {
        Self {
            sent_tokens: row.number(),
            max_tokens: row.number(),
        }
    }
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
    /// Those of the output that were reasoning.
    pub reasoning_tokens: u64,
    /// Whether upstream did not tell them, or not to the end.
    pub is_estimated: bool,
    /// At most so many more tokens count, as many as other answers of the model thought: the model may have thought
    /// without a word of it.
    pub most_unseen: u64,
}

impl Spent {
    /// What an answer counts with; `None` for one that upstream never answered with a success.
    ///
    /// What upstream told of a complete answer is true. Of another one, it may have told too early: then the estimate of
    /// what was seen counts, if that is more. Where nothing was seen of an answer that was left, the model may have
    /// thought for all that it was allowed to say.
    pub fn of(seen: Option<Seen>, ceiling: Ceiling) -> Option<Self> {
        let Seen {
            told,
            text_bytes,
            reasoning_bytes,
            end,
        } = seen?;
        let output_tokens = match text_bytes.saturating_add(reasoning_bytes) {
            0 if end == End::Left => ceiling.max_tokens,
            bytes => estimate(bytes),
        };
        let usage = told.unwrap_or_default();
        if told.is_some() && (end == End::Complete || usage.output_tokens >= output_tokens) {
            return Some(Self {
                input_tokens: usage.input_tokens,
                output_tokens: usage.output_tokens,
                cached_tokens: usage.cached_tokens.unwrap_or_default(),
                reasoning_tokens: usage.reasoning_tokens.unwrap_or_default(),
                ..Self::default()
            });
        }
        let may_have_thought = end == End::Left && reasoning_bytes == 0;
        let unseen = ceiling.max_tokens.saturating_sub(output_tokens);
        Some(Self {
            input_tokens: match usage.input_tokens {
                0 => ceiling.sent_tokens,
                told => told,
            },
            output_tokens,
            cached_tokens: usage.cached_tokens.unwrap_or_default(),
            reasoning_tokens: 0,
            is_estimated: true,
            most_unseen: if may_have_thought { unseen } else { 0 },
        })
    }

    /// The same as numbers, in the order of the fields.
    pub fn numbers(self) -> [u64; 6] {
        [
            self.input_tokens,
            self.output_tokens,
            self.cached_tokens,
            self.reasoning_tokens,
            u64::from(self.is_estimated),
            self.most_unseen,
        ]
    }

    /// What [`Spent::numbers`] gave.
    pub fn of_numbers(numbers: [u64; 6]) -> Self {
        let [
            input_tokens,
            output_tokens,
            cached_tokens,
            reasoning_tokens,
            estimated,
            most_unseen,
        ] = numbers;
        Self {
            input_tokens,
            output_tokens,
            cached_tokens,
            reasoning_tokens,
            is_estimated: estimated > 0,
            most_unseen,
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

/// Sums of answers.
#[derive(Default)]
struct Counts {
    /// Answers, their tokens of input and output, those of them that were cached and reasoning, and how many answers were
    /// estimated.
    numbers: [u64; 6],
    /// The cost of those that have a price, in [`money::PARTS_PER_UNIT`].
    cost: u64,
    /// Whether some have none.
    is_unpriced: bool,
}

impl Counts {
    fn of(row: &mut Row, price: Option<Price>) -> Self {
        let numbers = [(); 6].map(|()| row.number());
        let [_, input_tokens, output_tokens, ..] = numbers;
        Self {
            numbers,
            cost: price.map_or(0, |price| price.cost(input_tokens, output_tokens)),
            is_unpriced: price.is_none(),
        }
    }

    fn add(&mut self, other: &Self) {
        for (sum, more) in self.numbers.iter_mut().zip(other.numbers) {
            *sum = sum.saturating_add(more);
        }
        self.cost = self.cost.saturating_add(other.cost);
        self.is_unpriced |= other.is_unpriced;
    }

    fn write(&self, prices: &Prices, object: &mut Object) {
        const NAMES: [&str; 5] = [
            "answers",
            "input_tokens",
            "output_tokens",
            "cached_tokens",
            "reasoning_tokens",
        ];
        for (name, number) in NAMES.into_iter().zip(self.numbers) {
            object.number(name, number);
        }
        if self.numbers.last().is_some_and(|estimated| *estimated > 0) {
            object.raw("estimated", "true");
        }
        if !prices.is_empty() {
            object.raw("cost", &money::to_text(self.cost));
            if self.is_unpriced {
                object.raw("unpriced", "true");
            }
        }
    }
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

    /// What answers have cost from one day to another, both included, and what is left of a budget, as JSON.
    ///
    /// # Errors
    ///
    /// The database's.
    pub fn usage(
        &self,
        days: Days,
        prices: &Prices,
        budget: Option<Budget>,
        now_ms: u64,
    ) -> Result<String, D::Error> {
        const BY_DAY: &str = "SELECT day, model, answers, input_tokens, output_tokens, cached_tokens, reasoning_tokens,
                estimated_answers
            FROM usage WHERE day BETWEEN ?1 AND ?2 AND answers > 0 ORDER BY day, model";
        let standing = self.standing(prices, now_ms)?;
        let mut total = Counts::default();
        let mut told = String::new();
        let mut last_day = None;
        let range = [days.from.into(), days.to.into()];
        for mut row in rows(&self.database, BY_DAY, &range)? {
            let day = row.number();
            if last_day == Some(day) {
                told.push(',');
            } else {
                let end = if last_day.is_some() { "]}," } else { "" };
                let text = day::to_text(day);
                told.extend([end, "{\"day\":\"", &text, "\",\"models\":["]);
            }
            last_day = Some(day);
            let name = row.text();
            let counts = Counts::of(&mut row, prices.of(&name));
            let mut model = Object::default();
            model.text("model", &name);
            counts.write(prices, &mut model);
            told.push_str(&model.to_json());
            total.add(&counts);
        }
        if last_day.is_some() {
            told.push_str("]}");
        }
        let mut sums = Object::default();
        total.write(prices, &mut sums);
        let mut usage = Object::default();
        usage
            .text("from", &day::to_text(days.from))
            .text("to", &day::to_text(days.to))
            .raw("days", &format!("[{told}]"))
            .raw("total", &sums.to_json());
        if let Some(budget) = budget {
            usage.raw("budget", &budget_json(budget, &standing, now_ms));
        }
        Ok(usage.to_json())
    }
}

/// What is left of a budget.
fn budget_json(budget: Budget, standing: &Standing, now_ms: u64) -> String {
    let mut all = Object::default();
    for (kind, limit) in budget.limits() {
        let mut told = Object::default();
        for (name, count) in [
            ("limit", limit),
            ("spent", standing.spent(kind)),
            ("reserved", standing.reserved(kind)),
            ("remaining", standing.left(kind, limit)),
        ] {
            if kind.is_cost {
                told.raw(name, &money::to_text(count));
            } else {
                told.number(name, count);
            }
        }
        told.text(
            "resets_at",
            &timestamp(day::reset_ms(now_ms, kind.is_monthly)),
        );
        all.raw(kind.name, &told.to_json());
    }
    all.to_json()
}

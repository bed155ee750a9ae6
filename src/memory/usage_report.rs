//! What answers have cost, as `GET /usage` tells it.

use super::sql::{Database, Row, rows};
use super::store::Store;
use crate::api::budget::{Budget, Spending, Standing, Unit};
use crate::api::day;
use crate::api::listing::Days;
use crate::api::money::{self, Price, Prices};
use crate::json::Object;
use crate::time::timestamp;

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

impl<D: Database> Store<D> {
    /// What answers have cost from one day to another, both included, and what is left of a budget, as JSON.
    ///
    /// # Errors
    ///
    /// The database's.
    pub fn usage(
        &self,
        days: Days,
        spending: &Spending,
        budget: Option<Budget>,
        now_ms: u64,
    ) -> Result<String, D::Error> {
        const BY_DAY: &str = "SELECT day, model, answers, input_tokens, output_tokens, cached_tokens, reasoning_tokens,
                estimated_answers
            FROM usage WHERE day BETWEEN ?1 AND ?2 AND answers > 0 ORDER BY day, model";
        // What has expired is spent. What is taken back may leave a row without answers.
        self.settle(spending, now_ms)?;
        let prices = &spending.prices;
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
            let standing = self.standing(spending, now_ms)?;
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
            match kind.unit {
                Unit::Tokens => told.number(name, count),
                Unit::Money => told.raw(name, &money::to_text(count)),
            };
        }
        told.text("resets_at", &timestamp(kind.period.end_ms(now_ms)));
        all.raw(kind.name, &told.to_json());
    }
    all.to_json()
}

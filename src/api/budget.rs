//! Budgets: how many tokens, and how much money, a client may spend in a day and in a month.

use super::day::Period;
use super::error::{ApiError, ErrorCode};
use super::money::{self, Price, Prices};
use super::request::Invalid;

/// Every kind of budget, as JSON names it: what is counted of a day, then of a month.
pub const KINDS: [Kind; 4] = [
    Kind::of("daily_tokens", Period::Day, Unit::Tokens),
    Kind::of("monthly_tokens", Period::Month, Unit::Tokens),
    Kind::of("daily_cost", Period::Day, Unit::Money),
    Kind::of("monthly_cost", Period::Month, Unit::Money),
];

/// What a budget counts, and for how long.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Kind {
    /// The name in JSON; in capitals, that of its variable.
    pub name: &'static str,
    /// How long it lasts.
    pub period: Period,
    /// What it counts.
    pub unit: Unit,
}

/// What a budget counts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Unit {
    /// Tokens, of input and output alike.
    Tokens,
    /// Their cost, in [`money::PARTS_PER_UNIT`].
    Money,
}

impl Kind {
    const fn of(name: &'static str, period: Period, unit: Unit) -> Self {
        Self { name, period, unit }
    }

    /// The name of its variable.
    pub fn variable(self) -> String {
        self.name.to_ascii_uppercase()
    }
}

impl Unit {
    /// What [`LimitsByName::parse`] accepts.
    pub const fn rule(self) -> &'static str {
        match self {
            Self::Tokens => {
                "must be a whole number below 2^53, or name=number separated by commas, with * for every other name"
            }
            Self::Money => {
                "must be a decimal number with at most 7 digits before the point and 6 behind it, or name=number separated by commas, with * for every other name"
            }
        }
    }
}

/// The limits of one kind: by name, and `*` for every other name.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct LimitsByName(Vec<(String, u64)>);

impl LimitsByName {
    /// Parses a limit for everyone, or `name=limit` separated by commas.
    pub fn parse(text: &str, unit: Unit) -> Option<Self> {
        let mut limits: Vec<(String, u64)> = Vec::new();
        for entry in text.split(',') {
            let (name, limit) = entry.split_once('=').unwrap_or(("*", entry));
            let (name, limit) = (name.trim(), limit.trim());
            let limit = match unit {
                Unit::Tokens => {
                    let is_number = limit.bytes().all(|byte| byte.is_ascii_digit());
                    let limit = limit.parse().ok().filter(|_| is_number);
                    limit.filter(|limit| *limit < 1 << 53)?
                }
                Unit::Money => money::decimal(limit)?.saturating_mul(money::PARTS_PER_MILLIONTH),
            };
            if name.is_empty() || limits.iter().any(|(other, _)| other == name) {
                return None;
            }
            limits.push((name.to_owned(), limit));
        }
        Some(Self(limits))
    }

    /// The names that have a limit of their own.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let names = self.0.iter().map(|(name, _)| name.as_str());
        names.filter(|name| *name != "*")
    }

    /// The limit of a name, if it has one.
    pub fn of(&self, name: &str) -> Option<u64> {
        let named = |name: &str| self.0.iter().find(|(other, _)| other == name);
        let found = named(name).or_else(|| named("*"));
        found.map(|(_, limit)| *limit)
    }
}

/// What a deployment lets its clients spend, and what that costs.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Spending {
    /// `PRICES`.
    pub prices: Prices,
    /// The limits of each of [`KINDS`].
    pub limits: [LimitsByName; 4],
    /// The longest time that an answer may take, from the moment that it is let in, in milliseconds.
    pub longest_ms: u64,
}

/// What one client may spend: the limit of each of [`KINDS`], if it has one.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Budget([Option<u64>; 4]);

impl Spending {
    /// The budget of a name, if it has one.
    pub fn budget_of(&self, name: &str) -> Option<Budget> {
        let mut limits = self.limits.iter().map(|limits| limits.of(name));
        let budget = [(); 4].map(|()| limits.next().flatten());
        budget.iter().any(Option::is_some).then_some(Budget(budget))
    }

    /// The budget of a name that asks a model, if it has one.
    ///
    /// # Errors
    ///
    /// Where the budget counts money, a model without a price cannot be asked: nobody would know what it costs.
    pub fn budget_for(&self, name: &str, model: &str) -> Result<Option<Budget>, Invalid> {
        let budget = self.budget_of(name);
        let counts_money = budget.is_some_and(|budget| budget.counts_money());
        if counts_money && self.prices.of(model).is_none() {
            return Err(Invalid::unpriced_model());
        }
        Ok(budget)
    }
}

impl Budget {
    fn counts_money(&self) -> bool {
        self.limits().any(|(kind, _)| kind.unit == Unit::Money)
    }

    /// The limits that there are.
    pub fn limits(&self) -> impl Iterator<Item = (Kind, u64)> {
        let all = KINDS.into_iter().zip(self.0);
        all.filter_map(|(kind, limit)| Some((kind, limit?)))
    }
}

/// Tokens, and what they cost in [`money::PARTS_PER_UNIT`].
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Amount {
    /// Tokens.
    pub tokens: u64,
    /// Their cost, of models that have a price.
    pub cost: u64,
}

impl Amount {
    /// Tokens at a price, if there is one.
    pub fn of(price: Option<Price>, input_tokens: u64, output_tokens: u64) -> Self {
        Self {
            tokens: input_tokens.saturating_add(output_tokens),
            cost: price.map_or(0, |price| price.cost(input_tokens, output_tokens)),
        }
    }

    /// Both together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            tokens: self.tokens.saturating_add(other.tokens),
            cost: self.cost.saturating_add(other.cost),
        }
    }

    fn counted(self, unit: Unit) -> u64 {
        match unit {
            Unit::Tokens => self.tokens,
            Unit::Money => self.cost,
        }
    }
}

/// What a client has spent, and what its answers that run may still cost.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Standing {
    /// Today.
    pub day: Amount,
    /// This month.
    pub month: Amount,
    /// By answers that run, at most.
    pub reserved: Amount,
}

impl Standing {
    /// What is spent of a kind of budget.
    pub fn spent(&self, kind: Kind) -> u64 {
        let amount = match kind.period {
            Period::Day => self.day,
            Period::Month => self.month,
        };
        amount.counted(kind.unit)
    }

    /// What is reserved of a kind of budget.
    pub fn reserved(&self, kind: Kind) -> u64 {
        self.reserved.counted(kind.unit)
    }

    /// What is left of a limit.
    pub fn left(&self, kind: Kind, limit: u64) -> u64 {
        let taken = self.spent(kind).saturating_add(self.reserved(kind));
        limit.saturating_sub(taken)
    }

    /// Why no answer may begin, if none may: of several reasons, the one that lasts longest.
    pub fn exhausted(&self, budget: Budget) -> Option<Exhausted> {
        let used_up = budget
            .limits()
            .filter(|(kind, limit)| self.left(*kind, *limit) == 0);
        let reason = |(kind, limit)| match limit {
            0 => Exhausted::Nothing,
            limit if self.spent(kind) < limit => Exhausted::Reserved,
            _ => match kind.period {
                Period::Day => Exhausted::Day,
                Period::Month => Exhausted::Month,
            },
        };
        used_up.map(reason).max()
    }

    /// How many tokens of a model are left, whichever limit is the narrowest; `None` where none limits them.
    pub fn tokens_left(&self, budget: Budget, price: Option<Price>) -> Option<u64> {
        let left = budget.limits().filter_map(|(kind, limit)| {
            let left = self.left(kind, limit);
            match kind.unit {
                Unit::Tokens => Some(left),
                Unit::Money => price?.tokens_for(left),
            }
        });
        left.min()
    }
}

/// Why a budget lets no answer begin.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Exhausted {
    /// What is left of it is reserved by answers that run.
    Reserved,
    /// It is spent until tomorrow.
    Day,
    /// It is spent until next month.
    Month,
    /// It is 0.
    Nothing,
}

/// `Retry-After` while answers that run have reserved what is left, in seconds. Nobody knows when the next one ends; most
/// take less than half a minute.
const RESERVED_SECONDS: u64 = 10;

impl Exhausted {
    const ALL: [Self; 4] = [Self::Reserved, Self::Day, Self::Month, Self::Nothing];

    /// Whether it stays so whatever answers that run still cost.
    pub fn is_spent(&self) -> bool {
        *self != Self::Reserved
    }

    /// The name between an object and the worker.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Reserved => "reserved",
            Self::Day => "day",
            Self::Month => "month",
            Self::Nothing => "nothing",
        }
    }

    /// What has this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.name() == name)
    }

    /// The error for a client that asks now.
    pub fn error(self, now_ms: u64) -> ApiError {
        let general = ErrorCode::BudgetExhausted.detail();
        let reset = |period: Period| {
            let wait_ms = period.end_ms(now_ms).saturating_sub(now_ms);
            Some(wait_ms.div_ceil(1000))
        };
        let (detail, retry_after_seconds) = match self {
            Self::Reserved => (
                "What is left of your budget is set aside for your answers that are still running. Wait for one to end, or stop one.",
                Some(RESERVED_SECONDS),
            ),
            Self::Day => (general, reset(Period::Day)),
            Self::Month => (
                "You have used up your budget for this month. A new one begins on the first of the next month, at midnight UTC.",
                reset(Period::Month),
            ),
            Self::Nothing => ("Your budget is 0, so nothing can be asked.", None),
        };
        ApiError {
            retry_after_seconds,
            ..ApiError::new(ErrorCode::BudgetExhausted, detail)
        }
    }
}

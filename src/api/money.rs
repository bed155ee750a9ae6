//! Prices and sums of money. They are whole numbers, so nothing drifts: a price is kept in millionths, a sum in millionths
//! of those.

use crate::json::Fields;

/// Most digits before the point of a price or a limit.
const MAX_DIGITS: usize = 7;
/// Most digits behind it.
const MAX_DECIMALS: usize = 6;

/// Sums are whole trillionths of the currency's unit: it has so many. A price for a million tokens in millionths of the
/// unit is a price for one token in these.
pub const PARTS_PER_UNIT: u64 = 1_000_000_000_000;

/// So many of them are a millionth of the unit, the smallest limit.
pub const PARTS_PER_MILLIONTH: u64 = PARTS_PER_UNIT / 1_000_000;

/// What the tokens of a model cost, each in [`PARTS_PER_UNIT`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Price {
    input: u64,
    output: u64,
}

impl Price {
    /// The cost of tokens, in [`PARTS_PER_UNIT`].
    pub fn cost(self, input_tokens: u64, output_tokens: u64) -> u64 {
        let input = input_tokens.saturating_mul(self.input);
        input.saturating_add(output_tokens.saturating_mul(self.output))
    }

    /// At least as much as each of two prices.
    fn or_more(self, other: Self) -> Self {
        Self {
            input: self.input.max(other.input),
            output: self.output.max(other.output),
        }
    }

    /// How many tokens a sum buys, whichever they are; `None` where they cost nothing.
    pub fn tokens_for(self, parts: u64) -> Option<u64> {
        parts.checked_div(self.input.max(self.output))
    }
}

/// `PRICES`: what the tokens of each model cost.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Prices {
    named: Vec<(String, Price)>,
    /// Models that may answer instead of the one that is asked.
    fallbacks: Vec<String>,
}

impl Prices {
    /// What [`Prices::parse`] accepts.
    pub const RULE: &str = "must be model=input/output separated by commas, or JSON such as {\"gpt-4\":{\"input\":2.5,\"output\":10}}, each a price for a million tokens with at most 7 digits before the point and 6 behind it";

    /// Parses `PRICES`. The model `*` stands for every other one.
    pub fn parse(text: &str) -> Option<Self> {
        let mut prices = Vec::new();
        let mut add = |model: &str, input: &str, output: &str| {
            let is_new = !model.is_empty() && prices.iter().all(|(other, _)| other != model);
            let price = Price {
                input: decimal(input)?,
                output: decimal(output)?,
            };
            is_new.then(|| prices.push((model.to_owned(), price)))
        };
        if text.starts_with('{') {
            for (model, json) in Fields::parse(text)?.iter() {
                let price = Fields::parse(json)?;
                let only = |name| {
                    let mut all = price.iter().filter(|(key, _)| *key == name);
                    let (_, json) = all.next()?;
                    all.next().is_none().then_some(json)
                };
                add(model, only("input")?, only("output")?)?;
            }
        } else {
            for entry in text.split(',') {
                let (model, price) = entry.rsplit_once('=')?;
                let (input, output) = price.split_once('/')?;
                add(model.trim(), input.trim(), output.trim())?;
            }
        }
        Some(Self {
            named: prices,
            fallbacks: Vec::new(),
        })
    }

    /// The same where these models may answer instead of the one that is asked.
    #[must_use]
    pub fn with_fallbacks(self, models: &[String]) -> Self {
        Self {
            fallbacks: models.to_vec(),
            ..self
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.named.is_empty()
    }

    /// The price of a model's tokens, if it is known.
    pub fn of(&self, model: &str) -> Option<Price> {
        let named = |name: &str| self.named.iter().find(|(other, _)| other == name);
        let found = named(model).or_else(|| named("*"));
        found.map(|(_, price)| *price)
    }

    /// The most that a token may cost when a model is asked, whichever then answers.
    pub fn most(&self, model: &str) -> Option<Price> {
        let fallbacks = self.fallbacks.iter().map(String::as_str);
        let prices = fallbacks.chain([model]).filter_map(|model| self.of(model));
        prices.reduce(Price::or_more)
    }
}

/// A decimal number in millionths; `None` for what is none, or has more than seven digits before the point or six behind
/// it.
pub fn decimal(text: &str) -> Option<u64> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
    let fits = |digits: &str, most: usize| {
        (1..=most).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit())
    };
    let is_number = fits(whole, MAX_DIGITS) && fits(decimals, MAX_DECIMALS);
    is_number.then_some(())?;
    format!("{whole}{decimals:0<MAX_DECIMALS$}").parse().ok()
}

/// A sum in [`PARTS_PER_UNIT`] as a decimal number, exactly.
pub fn to_text(parts: u64) -> String {
    let text = format!("{}.{:012}", parts / PARTS_PER_UNIT, parts % PARTS_PER_UNIT);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

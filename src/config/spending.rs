//! What answers may cost: `PRICES`, and the budgets.

use super::variables::Variables;
use crate::api::access::{ANONYMOUS_OWNER, AccessTokens};
use crate::api::budget::{KINDS, LimitsByName, Spending, Unit};
use crate::api::money::Prices;
use crate::api::request::Rules;
use crate::stream::relay::Limits;

/// How long a reservation is kept beyond the longest time that its answer may take, in milliseconds.
const SLACK_MS: u64 = 60_000;

/// What a deployment lets its clients spend. `times` are those of its answers.
pub(super) fn spending(
    variables: &mut Variables<'_>,
    rules: &Rules,
    fallback_models: &[String],
    times: Limits,
) -> Spending {
    let prices = variables
        .parsed("PRICES", Prices::RULE, Prices::parse)
        .unwrap_or_default();
    let limits = KINDS.map(|kind| {
        let (name, unit) = (kind.variable(), kind.unit);
        let limits = variables.parsed(&name, unit.rule(), |text| LimitsByName::parse(text, unit));
        let asked = rules.allowed_models.iter().chain([&rules.default_model]);
        let mut models = asked.chain(fallback_models);
        if unit == Unit::Money && limits.is_some() && models.any(|model| prices.of(model).is_none()) {
            let rule = "needs PRICES with the price of OPENAI_MODEL and of all ALLOWED_MODELS and FALLBACK_MODELS";
            variables.problem(&name, rule);
        }
        limits.unwrap_or_default()
    });
    let longest_ms = times.idle_ms().saturating_add(times.total_ms());
    Spending {
        prices: prices.with_fallbacks(fallback_models),
        limits,
        longest_ms: longest_ms.saturating_add(SLACK_MS),
    }
}

/// A budget of a name that nobody has is a slip of the pen: whoever was meant would spend without it. Where there are no
/// tokens, everybody is anonymous: a limit for them is enough.
pub(super) fn check_names(
    variables: &mut Variables<'_>,
    spending: &Spending,
    tokens: &AccessTokens,
) {
    if tokens.is_empty() && variables.value("ACCESS_TOKENS").is_some() {
        // They have a problem of their own.
        return;
    }
    for (kind, limits) in KINDS.iter().zip(&spending.limits) {
        if tokens.is_empty() && limits.of(ANONYMOUS_OWNER).is_some() {
            continue;
        }
        if limits.names().any(|name| !tokens.has_account(name)) {
            let rule = "must name only names of ACCESS_TOKENS, anonymous for those without one, and * for every other name";
            variables.problem(&kind.variable(), rule);
        }
    }
}

/// Where nothing is counted, nobody would keep a budget.
pub(super) fn refuse_budgets(variables: &mut Variables<'_>, spending: &Spending) {
    for (kind, limits) in KINDS.iter().zip(&spending.limits) {
        if *limits != LimitsByName::default() {
            let rule = "needs the binding OWNERS, or DATA_DIR on your own server: without it, nothing is counted";
            variables.problem(&kind.variable(), rule);
        }
    }
}

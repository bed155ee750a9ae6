//! Prices, budgets, and what is left of them.

use personal_ai_assistant::api::budget::{
    Amount, Exhausted, KINDS, LimitsByName, Spending, Standing, Unit,
};
use personal_ai_assistant::api::day;
use personal_ai_assistant::api::money::{PARTS_PER_UNIT, Prices, decimal, to_text};
use personal_ai_assistant::config::Config;
use personal_ai_assistant::time::DAY_MS;
use proptest::prelude::*;

fn prices(text: &str) -> Prices {
    Prices::parse(text).expect("prices")
}

/// The cost of tokens of a model, as it is told.
fn cost(text: &str, model: &str, input: u64, output: u64) -> Option<String> {
    let price = prices(text).of(model)?;
    Some(to_text(price.cost(input, output)))
}

#[test]
fn prices_are_read_in_both_forms() {
    for text in [
        "gpt-4=30/60.5,vendor/model:free=0/0,*=0.000001/1",
        " gpt-4 = 30 / 60.5 , vendor/model:free=0/0 , *=0.000001/1.000000",
        r#"{"gpt-4":{"input":30,"output":60.5},"vendor/model:free":{"output":0,"input":0.0,"note":1},"*":{"input":0.000001,"output":1}}"#,
    ] {
        assert_eq!(
            cost(text, "gpt-4", 1_000_000, 0).as_deref(),
            Some("30"),
            "{text}"
        );
        assert_eq!(
            cost(text, "gpt-4", 1, 1).as_deref(),
            Some("0.0000905"),
            "{text}"
        );
        assert_eq!(
            cost(text, "vendor/model:free", 9, 9).as_deref(),
            Some("0"),
            "{text}"
        );
        assert_eq!(
            cost(text, "another", 1, 0).as_deref(),
            Some("0.000000000001"),
            "{text}"
        );
    }
    assert_eq!(
        cost("a=b=1/2", "a=b", 1_000_000, 1_000_000).as_deref(),
        Some("3")
    );
    assert_eq!(cost("gpt-4=1/2", "gpt-5", 1, 1), None);
}

#[test]
fn prices_that_are_none_are_refused() {
    for text in [
        "gpt-4",
        "gpt-4=1",
        "gpt-4=1/",
        "gpt-4=/1",
        "=1/2",
        "gpt-4=1/2,",
        "gpt-4=1/2,gpt-4=1/2",
        "gpt-4=-1/2",
        "gpt-4=1e3/2",
        "gpt-4=1/2/3",
        "gpt-4=0.0000001/1",
        "gpt-4=12345678/1",
        "gpt-4=1./2",
        "gpt-4=.5/2",
        "gpt-4=NaN/1",
        "gpt-4=１/2",
        "{",
        "{}x",
        "[]",
        r#"{"gpt-4":1}"#,
        r#"{"gpt-4":{"input":1}}"#,
        r#"{"gpt-4":{"input":"a","output":1}}"#,
        r#"{"gpt-4":{"input":null,"output":1}}"#,
        r#"{"":{"input":1,"output":1}}"#,
        r#"{"gpt-4":{"input":-1,"output":1}}"#,
        r#"{"gpt-4":{"input":1,"output":1},"gpt-4":{"input":1,"output":1}}"#,
        r#"{"gpt-4":{"input":1,"output":1,"input":2}}"#,
    ] {
        assert_eq!(Prices::parse(text), None, "{text}");
    }
}

proptest! {
    #[test]
    fn any_text_is_prices_and_limits_or_is_not(text in ".{0,40}|[-a-z0-9=/.,*{}\":]{0,40}") {
        Prices::parse(&text);
        LimitsByName::parse(&text, Unit::Tokens);
        LimitsByName::parse(&text, Unit::Money);
    }

    #[test]
    fn a_sum_is_written_exactly(parts in 0..u64::MAX / 2) {
        let text = to_text(parts);
        let (whole, decimals) = text.split_once('.').unwrap_or((&text, ""));
        let parsed = format!("{whole}{decimals:0<12}").parse::<u64>();
        prop_assert_eq!(parsed, Ok(parts));
        prop_assert!(serde_json::from_str::<f64>(&text).is_ok());
    }

    #[test]
    fn a_decimal_number_is_read_exactly(micros in 0..10_000_000_000_000_u64) {
        prop_assert_eq!(decimal(&to_text(micros * 1_000_000)), Some(micros));
    }
}

#[test]
fn a_cost_too_large_to_be_true_stays_the_largest() {
    let price = prices("a=9999999/9999999").of("a").expect("a price");
    assert_eq!(price.cost(u64::MAX, u64::MAX), u64::MAX);
    assert_eq!(
        prices("a=0/0").of("a").expect("a price").tokens_for(5),
        None
    );
}

/// Two people, one of them with two tokens, and somebody without a name.
const TOKENS: &str =
    "me:a-long-enough-token,a.b@c:another-long-token,me:a-third-long-token,a-token-without-a-name";

/// The spending of a deployment that sets these variables.
fn spending(variables: &[(&str, &str)]) -> Result<Spending, String> {
    let lookup = |name: &str| match name {
        "OPENAI_API_KEY" => Some("sk-test-0123456789".to_owned()),
        "ACCESS_TOKENS" => Some(TOKENS.to_owned()),
        _ => variables
            .iter()
            .find(|(other, _)| *other == name)
            .map(|(_, value)| (*value).to_owned()),
    };
    let config = Config::load(lookup, true).map_err(|error| error.to_string())?;
    Ok(config.spending)
}

/// The limits of a name, as they are told.
fn limits(variables: &[(&str, &str)], name: &str) -> Vec<(&'static str, u64)> {
    let spending = spending(variables).expect("a configuration");
    let budget = spending.budget_of(name);
    budget.map_or_else(Vec::new, |budget| {
        budget
            .limits()
            .map(|(kind, limit)| (kind.name, limit))
            .collect()
    })
}

#[test]
fn a_budget_is_that_of_a_name_or_of_the_star() {
    let variables = [
        ("DAILY_TOKENS", " me=5 , a.b@c = 0,*=7"),
        ("MONTHLY_TOKENS", "9007199254740991"),
        ("DAILY_COST", "me=0.5"),
        ("PRICES", "*=1/2"),
    ];
    let month = ("monthly_tokens", 9_007_199_254_740_991);
    assert_eq!(
        limits(&variables, "me"),
        [
            ("daily_tokens", 5),
            month,
            ("daily_cost", PARTS_PER_UNIT / 2)
        ]
    );
    assert_eq!(limits(&variables, "a.b@c"), [("daily_tokens", 0), month]);
    assert_eq!(
        limits(&variables, "anonymous"),
        [("daily_tokens", 7), month]
    );
    assert_eq!(limits(&[("DAILY_TOKENS", "me=5")], "you"), []);
    assert_eq!(limits(&[], "me"), []);
}

#[test]
fn limits_that_are_none_are_told_by_their_rule_and_not_by_their_value() {
    let tokens = "DAILY_TOKENS must be a whole number below 2^53, or name=number separated by commas, with * for every \
                  other name.";
    for value in [
        "-1",
        "+1",
        "1.5",
        "1e3",
        "9007199254740992",
        "me=",
        "=5",
        "me",
        "me=1,me=2",
        "1,2",
        "1,*=2",
        "1,,2",
        "me:5",
        "99999999999999999999999",
        "１",
    ] {
        assert_eq!(
            spending(&[("DAILY_TOKENS", value)]),
            Err(tokens.to_owned()),
            "{value}"
        );
    }
    let prices = ("PRICES", "*=1/1");
    let cost = "MONTHLY_COST must be a decimal number with at most 7 digits before the point and 6 behind it, or \
                name=number separated by commas, with * for every other name.";
    for value in [
        "-1",
        "1e3",
        "0.0000001",
        "12345678",
        "1.",
        ".5",
        "$5",
        "me=1;you=2",
    ] {
        assert_eq!(
            spending(&[("MONTHLY_COST", value), prices]),
            Err(cost.to_owned()),
            "{value}"
        );
    }
}

#[test]
fn a_budget_of_money_wants_the_price_of_every_model_that_may_be_asked() {
    let rule = "DAILY_COST needs PRICES with the price of OPENAI_MODEL and of all ALLOWED_MODELS and FALLBACK_MODELS.";
    let with = |prices, models| {
        let set = [
            ("DAILY_COST", "1"),
            ("PRICES", prices),
            ("ALLOWED_MODELS", models),
        ];
        spending(&set)
    };
    assert_eq!(with("", ""), Err(rule.to_owned()));
    assert_eq!(with("gpt-5=1/1", ""), Err(rule.to_owned()));
    assert_eq!(with("gpt-4=1/1", "gpt-4,gpt-5"), Err(rule.to_owned()));
    let fallback = [
        ("DAILY_COST", "1"),
        ("PRICES", "gpt-4=1/1"),
        ("FALLBACK_MODELS", "gpt-5"),
    ];
    assert_eq!(spending(&fallback), Err(rule.to_owned()));
    let any = with("gpt-4=1/1", "").expect("a configuration");
    assert!(any.budget_for("me", "gpt-4").is_ok());
    assert!(any.budget_for("me", "gpt-5").is_err());
    assert!(
        with("*=1/1", "")
            .expect("a configuration")
            .budget_for("me", "gpt-5")
            .is_ok()
    );
    // Without a budget of money, a model needs no price.
    let tokens = spending(&[("DAILY_TOKENS", "1")]).expect("a configuration");
    assert!(tokens.budget_for("me", "gpt-5").is_ok());
}

#[test]
fn a_budget_is_used_up_once_spent_and_reserved_reach_it() {
    let spending =
        spending(&[("DAILY_TOKENS", "10"), ("MONTHLY_TOKENS", "100")]).expect("a configuration");
    let budget = spending.budget_of("me").expect("a budget");
    let standing = |day, month, reserved| {
        let amount = |tokens| Amount { tokens, cost: 0 };
        Standing {
            day: amount(day),
            month: amount(month),
            reserved: amount(reserved),
        }
    };
    let exhausted = |day, month, reserved| standing(day, month, reserved).exhausted(budget);
    assert_eq!(exhausted(9, 99, 0), None);
    assert_eq!(exhausted(9, 9, 1), Some(Exhausted::Reserved));
    assert_eq!(exhausted(10, 10, 0), Some(Exhausted::Day));
    assert_eq!(exhausted(0, 99, 1), Some(Exhausted::Reserved));
    assert_eq!(exhausted(0, 100, 10), Some(Exhausted::Month));
    // Of several reasons, the one that lasts longest.
    assert_eq!(exhausted(10, 99, 1), Some(Exhausted::Day));
    assert_eq!(
        exhausted(u64::MAX, u64::MAX, u64::MAX),
        Some(Exhausted::Month)
    );
    assert_eq!(standing(3, 95, 2).tokens_left(budget, None), Some(3));
    assert_eq!(standing(3, 3, 2).tokens_left(budget, None), Some(5));
}

#[test]
fn money_that_is_left_is_told_in_tokens_of_the_model() {
    let spending =
        spending(&[("DAILY_COST", "1"), ("PRICES", "gpt-4=1/4,*=0/0")]).expect("a configuration");
    let budget = spending.budget_of("me").expect("a budget");
    let spent = Standing {
        day: Amount {
            tokens: 9,
            cost: PARTS_PER_UNIT / 2,
        },
        ..Standing::default()
    };
    let left = |model| spent.tokens_left(budget, spending.prices.of(model));
    assert_eq!(left("gpt-4"), Some(125_000));
    // What costs nothing is not limited.
    assert_eq!(left("free"), None);
}

#[test]
fn a_budget_of_nothing_is_never_anything_else() {
    let spending =
        self::spending(&[("DAILY_TOKENS", "0"), ("MONTHLY_TOKENS", "5")]).expect("a configuration");
    let budget = spending.budget_of("me").expect("a budget");
    let spent = Amount { tokens: 5, cost: 0 };
    let standing = Standing {
        day: spent,
        month: spent,
        reserved: spent,
    };
    assert_eq!(standing.exhausted(budget), Some(Exhausted::Nothing));
}

#[test]
fn the_error_says_what_is_used_up_and_when_to_come_again() {
    // Noon of the last day of a month.
    let now_ms = day::parse("2026-01-31").expect("a day") * DAY_MS + DAY_MS / 2;
    for (exhausted, seconds, words) in [
        (Exhausted::Reserved, Some(10), "still running"),
        (Exhausted::Day, Some(43_200), "begins at midnight UTC."),
        (Exhausted::Month, Some(43_200), "first of the next month"),
        (Exhausted::Nothing, None, "is 0"),
    ] {
        let error = exhausted.error(now_ms);
        assert_eq!(error.retry_after_seconds, seconds, "{words}");
        assert!(error.detail.contains(words), "{}", error.detail);
        assert_eq!(error.status, 429);
        assert_eq!(Exhausted::parse(exhausted.name()), Some(exhausted));
    }
    assert_eq!(Exhausted::parse(""), None);
    let early_ms = now_ms - 29 * DAY_MS + 1;
    let retry_after = |exhausted: Exhausted| exhausted.error(early_ms).retry_after_seconds;
    assert_eq!(retry_after(Exhausted::Day), Some(43_200));
    assert_eq!(retry_after(Exhausted::Month), Some(43_200 + 29 * 86_400));
}

#[test]
fn a_budget_of_a_name_that_no_token_has_is_told_and_not_its_name() {
    let rule = "must name only names of ACCESS_TOKENS, anonymous for those without one, and * for every other name.";
    for value in ["phone=5", "me=5,phone=0", "Me=5", "token-4=5", "5=5"] {
        for kind in KINDS {
            let name = kind.variable();
            let set = [(name.as_str(), value), ("PRICES", "*=1/1")];
            assert_eq!(spending(&set), Err(format!("{name} {rule}")), "{value}");
        }
    }
    for value in ["5", "me=5,*=0", "a.b@c=5", "anonymous=5"] {
        assert!(spending(&[("DAILY_TOKENS", value)]).is_ok(), "{value}");
    }
    let load = |tokens: &str, budget: &str| {
        let (tokens, budget) = (tokens.to_owned(), budget.to_owned());
        let lookup = move |name: &str| match name {
            "OPENAI_API_KEY" => Some("sk-test-0123456789".to_owned()),
            "ACCESS_TOKENS" => Some(tokens.clone()),
            "DAILY_TOKENS" => Some(budget.clone()),
            _ => None,
        };
        let config = Config::load(lookup, true).map_err(|error| error.problems().len());
        config.map(|config| config.spending.limits)
    };
    // Where anyone may chat, all are anonymous: a name is none of theirs, and wrong only if it leaves them without a limit.
    for budget in ["anonymous=5", "me=0,*=5", "me=5,anonymous=6"] {
        assert!(load("", budget).is_ok(), "{budget}");
    }
    assert_eq!(load("", "me=5"), Err(1));
    // Tokens that cannot be read are the one problem.
    assert_eq!(load("me:short", "me=5"), Err(1));
}

#[test]
fn without_owners_a_budget_is_a_problem_and_prices_are_none() {
    let load = |name: &str, value: &str| {
        let (name, value) = (name.to_owned(), value.to_owned());
        let lookup = move |asked: &str| match asked {
            "OPENAI_API_KEY" => Some("sk-test-0123456789".to_owned()),
            "PRICES" if name != "PRICES" => Some("*=1/1".to_owned()),
            asked => (asked == name).then(|| value.clone()),
        };
        Config::load(lookup, false)
    };
    assert!(load("PRICES", "*=1/1").is_ok());
    for kind in KINDS {
        let name = kind.variable();
        let error = load(&name, "1").expect_err("a problem");
        assert_eq!(
            error.problems(),
            [format!(
                "{name} needs the binding OWNERS, or DATA_DIR on your own server: without it, nothing is counted."
            )]
        );
    }
}

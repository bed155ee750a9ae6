//! Days of UTC, and the days that `GET /usage` is asked for.

use std::time::{Duration, UNIX_EPOCH};

use personal_ai_assistant::api::day::{self, first_of_month, first_of_next_month, parse, to_text};
use personal_ai_assistant::api::listing::Days;
use personal_ai_assistant::time::DAY_MS;

#[test]
fn a_day_and_its_text_are_the_same_for_every_day_of_five_centuries() {
    for day in 0..182_621 {
        let text = to_text(day);
        let time = UNIX_EPOCH + Duration::from_secs(day * 86_400);
        assert!(
            humantime::format_rfc3339(time)
                .to_string()
                .starts_with(&text),
            "{text}"
        );
        assert_eq!(parse(&text), Some(day), "{text}");
    }
}

#[test]
fn a_text_that_is_no_day_is_none() {
    for text in [
        "",
        "2026",
        "2026-1-1",
        "2026-02-29",
        "2026-13-01",
        "2026-00-10",
        "2026-01-00",
        "2026-01-32",
        "1969-12-31",
        "0000-00-00",
        "+026-01-01",
        "2026-01-01T00",
        "2026-01-0١",
        "２０２６-01-01",
        "2026/01/01",
        "-026-01-01",
        "99999-1-01",
        "2026-01-01 ",
        " 2026-01-01",
        "20260101",
        "2100-02-29",
        "\0\0\0\0-01-01",
    ] {
        assert_eq!(parse(text), None, "{text:?}");
    }
    assert!(parse("2028-02-29").is_some());
    assert!(parse("9999-12-31").is_some());
}

#[test]
fn a_month_begins_on_its_first_and_ends_where_the_next_begins() {
    for (day, first, next) in [
        ("1970-01-01", "1970-01-01", "1970-02-01"),
        ("2026-01-31", "2026-01-01", "2026-02-01"),
        ("2028-02-29", "2028-02-01", "2028-03-01"),
        ("2026-12-01", "2026-12-01", "2027-01-01"),
        ("2026-11-30", "2026-11-01", "2026-12-01"),
    ] {
        let day = parse(day).expect("a day");
        assert_eq!(to_text(first_of_month(day)), first);
        assert_eq!(to_text(first_of_next_month(day)), next);
    }
}

#[test]
fn a_day_begins_at_midnight_and_not_a_millisecond_before() {
    let day = parse("2026-11-01").expect("a day");
    assert_eq!(day::day_of(day * DAY_MS), day);
    assert_eq!(day::day_of(day * DAY_MS - 1), day - 1);
}

#[test]
fn days_are_those_of_this_month_unless_a_query_says_otherwise() {
    let today = parse("2026-11-26").expect("a day");
    let days = |query: &str| {
        Days::parse(query, today)
            .map(|days| format!("{} {}", to_text(days.from), to_text(days.to)))
            .map_err(|invalid| format!("{}: {}", invalid.field, invalid.rule))
    };
    for (query, expected) in [
        ("", "2026-11-01 2026-11-26"),
        ("from=2026-10-30", "2026-10-30 2026-11-26"),
        ("to=2026-02-10&x=y", "2026-02-01 2026-02-10"),
        ("from=2025-11-26&to=2026-11-26", "2025-11-26 2026-11-26"),
        ("from=2026%2D01%2D01&to=2026-01-01", "2026-01-01 2026-01-01"),
        ("to=2099-01-01", "2099-01-01 2099-01-01"),
    ] {
        assert_eq!(days(query).as_deref(), Ok(expected), "{query}");
    }
    let form = "Input should be a date such as 2026-01-31";
    for (query, expected) in [
        ("from=", format!("query.from: {form}")),
        ("from=yesterday", format!("query.from: {form}")),
        (
            "to=2026-11-26'%3BDROP TABLE usage",
            format!("query.to: {form}"),
        ),
        (
            "from=2026-11-27",
            "query.to: Value error, the last day should not be before the first one".to_owned(),
        ),
        (
            "from=2024-01-01&to=2026-01-01",
            "query.from: Value error, should be at most 366 days".to_owned(),
        ),
        (
            "from=1970-01-01&to=9999-12-31",
            "query.from: Value error, should be at most 366 days".to_owned(),
        ),
    ] {
        assert_eq!(days(query), Err(expected), "{query}");
    }
}

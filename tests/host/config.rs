use std::time::Duration;

use personal_ai_assistant::config::{Config, log_level};
use personal_ai_assistant::openai::Api;
use personal_ai_assistant::openai::BaseUrl;
use personal_ai_assistant::telemetry::record::Level;

use crate::support::{API_KEY, config, load};

#[test]
fn the_key_alone_gets_the_contract_s_defaults() {
    let config = config(&[]);
    assert_eq!(config.target.server.api_key.expose(), API_KEY);
    assert_eq!(
        config.target.server.base_url.join("/x"),
        "https://api.openai.com/v1/x"
    );
    assert_eq!(config.rules.default_model, "gpt-4");
    assert!(config.rules.allowed_models.is_empty());
    assert_eq!(
        config.target.system_prompt.as_deref(),
        Some("You are a helpful assistant.")
    );
    assert_eq!(
        (config.rules.max_tokens, config.rules.max_tokens_limit),
        (2000, 4000)
    );
    assert_eq!(config.limits.idle, Duration::from_secs(30));
    assert_eq!(config.limits.total, Duration::from_mins(5));
    assert_eq!(config.limits.heartbeat, Duration::from_secs(15));
    assert_eq!(config.target.max_retries, 2);
    assert_eq!(config.log_level, Level::Info);
}

#[test]
fn a_missing_or_blank_key_is_required_and_says_how_to_set_it() {
    let detail = "OPENAI_API_KEY is required. Set it as a secret: see docs/configuration.md.";
    let missing = Config::load(|_| None, true).expect_err("no key");
    assert_eq!(missing.problems(), [detail]);
    let blank = load(&[("OPENAI_API_KEY", " \t")]).expect_err("a blank key");
    assert_eq!(blank.problems(), [detail]);
}

#[test]
fn white_space_is_unset_and_around_a_value_is_dropped() {
    let config = config(&[
        ("OPENAI_MODEL", "  "),
        ("MAX_TOKENS", " 7 "),
        ("LOG_LEVEL", " debug "),
    ]);
    assert_eq!(config.rules.default_model, "gpt-4");
    assert_eq!(config.rules.max_tokens, 7);
    assert_eq!(config.log_level, Level::Debug);
}

#[test]
fn an_invalid_value_is_named_with_its_rule_and_never_shown() {
    let table = [
        (
            "OPENAI_API_KEY",
            "CANARY CANARY",
            "OPENAI_API_KEY must be visible ASCII characters without spaces.",
        ),
        (
            "OPENAI_API_KEY",
            "CANARY\u{e9}",
            "OPENAI_API_KEY must be visible ASCII characters without spaces.",
        ),
        (
            "OPENAI_MODEL",
            "CANARY CANARY",
            "OPENAI_MODEL must be 1 to 128 visible ASCII characters without commas.",
        ),
        (
            "MAX_TOKENS",
            "CANARY",
            "MAX_TOKENS must be a whole number from 1 to 10000000.",
        ),
        (
            "MAX_TOKENS",
            "0",
            "MAX_TOKENS must be a whole number from 1 to 10000000.",
        ),
        (
            "MAX_TOKENS",
            "-1",
            "MAX_TOKENS must be a whole number from 1 to 10000000.",
        ),
        (
            "MAX_TOKENS",
            "1.5",
            "MAX_TOKENS must be a whole number from 1 to 10000000.",
        ),
        (
            "MAX_TOKENS_LIMIT",
            "99999999999999999999",
            "MAX_TOKENS_LIMIT must be a whole number from 1 to 10000000.",
        ),
        (
            "MAX_TOKENS_LIMIT",
            "1999",
            "MAX_TOKENS_LIMIT must be at least MAX_TOKENS.",
        ),
        (
            "TIMEOUT_SECONDS",
            "CANARY",
            "TIMEOUT_SECONDS must be a number of seconds from 0.001 to 86400.",
        ),
        (
            "TIMEOUT_SECONDS",
            "0",
            "TIMEOUT_SECONDS must be a number of seconds from 0.001 to 86400.",
        ),
        (
            "TIMEOUT_SECONDS",
            "NaN",
            "TIMEOUT_SECONDS must be a number of seconds from 0.001 to 86400.",
        ),
        (
            "MAX_STREAM_SECONDS",
            "inf",
            "MAX_STREAM_SECONDS must be a number of seconds from 0.001 to 86400.",
        ),
        (
            "HEARTBEAT_SECONDS",
            "-5",
            "HEARTBEAT_SECONDS must be a number of seconds from 0.001 to 86400.",
        ),
        (
            "MAX_RETRIES",
            "11",
            "MAX_RETRIES must be a whole number from 0 to 10.",
        ),
        (
            "REASONING_EFFORT",
            "CANARY",
            "REASONING_EFFORT must be none, minimal, low, medium, high, xhigh or max.",
        ),
        (
            "LOG_LEVEL",
            "CANARY",
            "LOG_LEVEL must be DEBUG, INFO, WARNING or ERROR.",
        ),
        (
            "ALLOWED_MODELS",
            "a,CANARY b",
            "ALLOWED_MODELS must be model names separated by commas, each 1 to 128 visible ASCII characters.",
        ),
        (
            "OPENAI_BASE_URL",
            "CANARY",
            "OPENAI_BASE_URL must be an https URL without user name, query or fragment, such as https://api.openai.com/v1; http is allowed for localhost, 127.0.0.1 and [::1], and elsewhere only with ALLOW_HTTP_UPSTREAM = true.",
        ),
    ];
    for (name, value, problem) in table {
        let error = load(&[(name, value)]).expect_err(name);
        assert_eq!(error.problems(), [problem], "{name}={value}");
    }
}

#[test]
fn every_problem_is_reported_at_once() {
    let error = load(&[
        ("OPENAI_API_KEY", ""),
        ("MAX_RETRIES", "x"),
        ("LOG_LEVEL", "x"),
    ])
    .expect_err("three problems");
    let names: Vec<_> = error
        .problems()
        .iter()
        .filter_map(|problem| problem.split(' ').next())
        .collect();
    assert_eq!(names, ["OPENAI_API_KEY", "MAX_RETRIES", "LOG_LEVEL"]);
}

#[test]
fn raising_only_the_default_raises_the_limit_with_it() {
    let config = config(&[("MAX_TOKENS", "5000")]);
    assert_eq!(config.rules.max_tokens_limit, 5000);
}

#[test]
fn fractions_of_a_second_are_times() {
    assert_eq!(
        config(&[("TIMEOUT_SECONDS", "0.25")]).limits.idle,
        Duration::from_millis(250)
    );
}

#[test]
fn none_sends_no_system_prompt() {
    assert_eq!(
        config(&[("SYSTEM_PROMPT", "none")]).target.system_prompt,
        None
    );
}

#[test]
fn the_log_level_is_known_even_when_another_variable_is_wrong() {
    assert_eq!(log_level(|_| Some("error".to_owned())), Level::Error);
    assert_eq!(log_level(|_| Some("loud".to_owned())), Level::Info);
}

#[test]
fn http_to_another_machine_needs_to_be_allowed() {
    let url = ("OPENAI_BASE_URL", "http://models.lan:8080/v1");
    assert!(load(&[url]).is_err());
    let allowed = config(&[url, ("ALLOW_HTTP_UPSTREAM", "True")]);
    assert_eq!(
        allowed.target.server.base_url.join(""),
        "http://models.lan:8080/v1"
    );
    assert!(BaseUrl::parse("http://127.9.9.9/v1", false).is_some());
    assert!(BaseUrl::parse("ftp://127.0.0.1/v1", true).is_none());
}

#[test]
fn the_api_is_one_of_two() {
    assert_eq!(config(&[]).target.api, Api::ChatCompletions);
    assert_eq!(
        config(&[("OPENAI_API", "responses")]).target.api,
        Api::Responses
    );
}

#[test]
fn without_tokens_auth_that_is_required_is_a_problem_and_with_them_it_is_not() {
    let required = ("REQUIRE_AUTH", "TRUE");
    let problem = "ACCESS_TOKENS is required because REQUIRE_AUTH is true. Set it as a secret (see docs/configuration.md), or set REQUIRE_AUTH to false to let anyone chat.";
    assert_eq!(
        load(&[required]).expect_err("no tokens").problems(),
        [problem]
    );
    assert!(
        !config(&[required, ("ACCESS_TOKENS", "me:0123456789abcdef")])
            .access_tokens
            .is_empty()
    );
    assert!(config(&[]).access_tokens.is_empty());
}

#[test]
fn what_is_not_ready_is_listed_by_name() {
    let error = load(&[("OPENAI_API_KEY", ""), ("LOG_LEVEL", "x")]).expect_err("two problems");
    let body = "{\"status\":\"not_ready\",\"problems\":[\"OPENAI_API_KEY is required. Set it as a secret: see docs/configuration.md.\",\
        \"LOG_LEVEL must be DEBUG, INFO, WARNING or ERROR.\"]}";
    assert_eq!(error.not_ready(), body);
}

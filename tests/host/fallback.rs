use personal_ai_assistant::api::error::ErrorCode;
use personal_ai_assistant::api::request::{ChatRequest, ModelSource};
use personal_ai_assistant::openai::failure::Failure;
use personal_ai_assistant::openai::fallback::{Candidates, Rests, Site};

use crate::support::{API_KEY, config, load};

const ELSEWHERE: [(&str, &str); 2] = [
    ("FALLBACK_BASE_URL", "https://other.example/v1"),
    ("FALLBACK_API_KEY", "other-key-0123456789"),
];
const DEFAULT: &str = r#"{"message":"Hi"}"#;

/// The candidates of a request, with these fallbacks.
fn candidates(fallbacks: &str, more: &[(&str, &str)], body: &str, rests: &Rests) -> Candidates {
    let mut variables = vec![("OPENAI_MODEL", "first"), ("FALLBACK_MODELS", fallbacks)];
    variables.extend_from_slice(more);
    let config = config(&variables);
    let request = ChatRequest::parse(body.as_bytes(), &config.rules).expect("a valid request");
    Candidates::of(&config.target.fallbacks, &request, rests, 0)
}

fn failed(code: ErrorCode) -> Failure {
    Failure::new(code, "")
}

/// All candidates in their order, with the failures of those before them.
fn order(mut candidates: Candidates) -> Vec<(String, Site)> {
    let mut order = Vec::new();
    loop {
        let current = candidates.current();
        order.push((current.model.clone(), current.site));
        let failure = failed(ErrorCode::UpstreamUnavailable);
        if candidates.move_on(failure, true).is_err() {
            return order;
        }
    }
}

fn names(candidates: Candidates) -> Vec<String> {
    let order = order(candidates).into_iter();
    order.map(|(model, _)| model).collect()
}

#[test]
fn each_model_of_a_server_is_asked_once_and_the_wanted_one_first() {
    let none = Rests::default();
    let same = candidates("a, first,b,a,", &[], DEFAULT, &none);
    assert_eq!(names(same), ["first", "a", "b"]);
    let named = candidates("a,b", &[], r#"{"message":"Hi","model":"b"}"#, &none);
    assert_eq!(names(named), ["b", "a"]);
    let elsewhere = candidates("first,a", &ELSEWHERE, DEFAULT, &none);
    let expected = [
        ("first", Site::Main),
        ("first", Site::Fallback),
        ("a", Site::Fallback),
    ];
    assert_eq!(
        order(elsewhere),
        expected.map(|(model, site)| (model.to_owned(), site))
    );
}

#[test]
fn a_fallback_is_sent_the_same_request_under_its_own_name() {
    let body = r#"{"message":"Hi","max_tokens":7}"#;
    let config = config(&[]);
    let request = ChatRequest::parse(body.as_bytes(), &config.rules).expect("a valid request");
    let mut candidates = candidates("a", &[], body, &Rests::default());
    assert_eq!(*candidates.current().request(&request), request);
    let moved = candidates.move_on(failed(ErrorCode::UpstreamTimeout), true);
    assert_eq!(moved, Ok(()));
    let expected = ChatRequest {
        model: "a".to_owned(),
        model_source: ModelSource::Fallback,
        ..request.clone()
    };
    assert_eq!(*candidates.current().request(&request), expected);
}

#[test]
fn the_time_that_is_left_is_shared_evenly_among_those_that_are_left() {
    let mut three = candidates("a,b", &[], DEFAULT, &Rests::default());
    assert_eq!(three.deadline_ms(1_000, 31_000), 11_000);
    for (now_ms, deadline_ms) in [(5_000, 18_000), (18_000, 31_000)] {
        let moved = three.move_on(failed(ErrorCode::UpstreamUnavailable), true);
        assert_eq!(moved, Ok(()));
        assert_eq!(three.deadline_ms(now_ms, 31_000), deadline_ms);
    }
    assert_eq!(three.deadline_ms(40_000, 31_000), 40_000, "nothing is left");
}

#[test]
fn an_answer_that_took_too_long_is_the_end_whosever_it_was() {
    let mut three = candidates("a,b", &[], DEFAULT, &Rests::default());
    let failure = failed(ErrorCode::UpstreamTimeout);
    assert_eq!(three.move_on(failure, true), Ok(()));
    let too_long = failed(ErrorCode::StreamTooLong);
    assert_eq!(three.move_on(too_long.clone(), true), Err(too_long));
}

#[test]
fn without_time_none_is_asked_any_more() {
    let mut two = candidates("a", &[], DEFAULT, &Rests::default());
    let failure = failed(ErrorCode::UpstreamTimeout);
    assert_eq!(two.move_on(failure.clone(), false), Err(failure));
}

#[test]
fn only_the_wanted_model_may_blame_the_request() {
    for code in [ErrorCode::ContextLengthExceeded, ErrorCode::ContentFiltered] {
        let mut wanted = candidates("a", &[], DEFAULT, &Rests::default());
        assert_eq!(wanted.move_on(failed(code), true), Err(failed(code)));
        // The one that is wanted rests, so the fallback is asked first, and no time is left after it.
        let mut rests = Rests::default();
        let timeout = failed(ErrorCode::UpstreamTimeout);
        let first = candidates("a", &[], DEFAULT, &rests).current().clone();
        rests.add(&first, &timeout, 0);
        let mut rested = candidates("a", &[], DEFAULT, &rests);
        let told = rested.move_on(failed(code), false).expect_err("no time");
        assert_eq!(told.error.code, ErrorCode::UpstreamUnavailable);
    }
}

#[test]
fn the_wanted_model_is_asked_even_where_a_fallback_of_its_server_was_rejected() {
    let mut rests = Rests::default();
    let timeout = failed(ErrorCode::UpstreamTimeout);
    let first = candidates("a,b", &[], DEFAULT, &rests).current().clone();
    rests.add(&first, &timeout, 0);
    let mut all = candidates("a,b", &[], DEFAULT, &rests);
    let rejected = failed(ErrorCode::UpstreamRejected);
    assert_eq!(all.move_on(rejected, true), Ok(()));
    assert_eq!(all.current(), &first);
    assert_eq!(all.move_on(timeout.clone(), true), Err(timeout));
}

#[test]
fn models_whose_failure_is_likely_to_last_rest_and_others_do_not() {
    let resting = |code, retry_after_ms, now_ms| {
        let mut rests = Rests::default();
        let first = candidates("a", &[], DEFAULT, &rests).current().clone();
        let failure = Failure {
            retry_after_ms,
            ..failed(code)
        };
        rests.add(&first, &failure, now_ms);
        names(candidates("a", &[], DEFAULT, &rests)) == ["a", "first"]
    };
    for code in [
        ErrorCode::UpstreamRateLimited,
        ErrorCode::UpstreamUnavailable,
        ErrorCode::UpstreamUnreachable,
        ErrorCode::UpstreamTimeout,
    ] {
        assert!(resting(code, None, 0), "{code:?}");
        assert!(!resting(code, Some(0), 0), "{code:?}");
        assert!(resting(code, Some(u64::MAX), 0), "{code:?}");
    }
    for code in [
        ErrorCode::UpstreamQuota,
        ErrorCode::UpstreamRejected,
        ErrorCode::ModelNotFound,
        ErrorCode::UpstreamProtocol,
    ] {
        assert!(!resting(code, None, 0), "{code:?}");
    }
}

#[test]
fn those_that_rest_are_asked_last_in_the_usual_order() {
    let mut rests = Rests::default();
    let mut all = candidates("a,b", &[], DEFAULT, &rests);
    let failure = failed(ErrorCode::UpstreamTimeout);
    let first = all.current().clone();
    rests.add(&first, &failure, 0);
    assert_eq!(
        names(candidates("a,b", &[], DEFAULT, &rests)),
        ["a", "b", "first"]
    );
    while all.move_on(failure.clone(), true).is_ok() {
        rests.add(all.current(), &failure, 0);
    }
    assert_eq!(
        names(candidates("a,b", &[], DEFAULT, &rests)),
        ["first", "a", "b"]
    );
}

#[test]
fn a_fallback_that_rests_is_asked_after_those_that_do_not() {
    let mut rests = Rests::default();
    let mut all = candidates("a,b", &[], DEFAULT, &rests);
    let failure = failed(ErrorCode::UpstreamTimeout);
    assert_eq!(all.move_on(failure.clone(), true), Ok(()));
    rests.add(all.current(), &failure, 0);
    assert_eq!(
        names(candidates("a,b", &[], DEFAULT, &rests)),
        ["first", "b", "a"]
    );
}

#[test]
fn none_rests_longer_than_a_minute_whatever_its_server_asks_for() {
    let config = config(&[("OPENAI_MODEL", "first"), ("FALLBACK_MODELS", "a")]);
    let request = ChatRequest::parse(DEFAULT.as_bytes(), &config.rules).expect("a valid request");
    let at = |rests: &Rests, now_ms| {
        let all = Candidates::of(&config.target.fallbacks, &request, rests, now_ms);
        all.current().model.clone()
    };
    let mut rests = Rests::default();
    let first = candidates("a", &[], DEFAULT, &rests).current().clone();
    let failure = Failure {
        retry_after_ms: Some(u64::MAX),
        ..failed(ErrorCode::UpstreamRateLimited)
    };
    rests.add(&first, &failure, 0);
    assert_eq!(at(&rests, 59_999), "a");
    assert_eq!(at(&rests, 60_000), "first");
}

#[test]
fn no_more_than_sixteen_models_rest_at_a_time() {
    let failure = failed(ErrorCode::UpstreamTimeout);
    let mut rests = Rests::default();
    let rest = |rests: &mut Rests, body: &str| {
        let all = candidates("a", &[], body, &Rests::default());
        rests.add(all.current(), &failure, 0);
    };
    rest(&mut rests, DEFAULT);
    for number in 0..15 {
        rest(
            &mut rests,
            &format!(r#"{{"message":"Hi","model":"m{number}"}}"#),
        );
    }
    assert_eq!(names(candidates("a", &[], DEFAULT, &rests)), ["a", "first"]);
    rest(&mut rests, r#"{"message":"Hi","model":"one-more"}"#);
    assert_eq!(names(candidates("a", &[], DEFAULT, &rests)), ["first", "a"]);
}

#[test]
fn a_server_of_its_own_needs_a_key_of_its_own_and_something_to_ask() {
    let [url, key] = ELSEWHERE;
    let models = ("FALLBACK_MODELS", "a");
    let problems = |variables: &[_]| {
        let error = load(variables).expect_err("a problem");
        error.problems().to_vec()
    };
    let no_key = "FALLBACK_API_KEY is required because FALLBACK_BASE_URL is set: OPENAI_API_KEY is sent to no other server.";
    let no_models = "FALLBACK_MODELS is required because FALLBACK_BASE_URL is set: nothing else is asked there.";
    assert_eq!(problems(&[models, url]), [no_key]);
    let no_use = "FALLBACK_MODELS is required because FALLBACK_API_KEY is set: nothing else is asked with it.";
    assert_eq!(problems(&[url, key]), [no_models]);
    assert_eq!(problems(&[key]), [no_use]);
    assert_eq!(problems(&[url]), [no_key, no_models]);
    let fallbacks = |variables: &[_]| config(variables).target.fallbacks;
    assert!(fallbacks(&[]).is_empty());
    let blank = [url.0, key.0, models.0].map(|name| (name, " "));
    assert!(fallbacks(&blank).is_empty());
    let server = fallbacks(&[models, url, key]).server.expect("a server");
    assert_eq!(server.base_url.join(""), url.1);
    assert_eq!(server.api_key.expose(), key.1);
    let server = fallbacks(&[models, key]).server.expect("another key");
    assert_eq!(server.base_url.join(""), "https://api.openai.com/v1");
    let usual = ("FALLBACK_BASE_URL", "https://api.openai.com/v1/");
    let same = fallbacks(&[models, usual, ("FALLBACK_API_KEY", API_KEY)]);
    assert_eq!(
        same.server, None,
        "it is the usual server under the usual key"
    );
}

#[test]
fn an_invalid_fallback_is_named_with_its_rule_and_never_shown() {
    for (name, value) in [
        ("FALLBACK_MODELS", "a b"),
        ("FALLBACK_MODELS", " , ,"),
        ("FALLBACK_BASE_URL", "http://models.lan/v1"),
        ("FALLBACK_API_KEY", "canary key"),
    ] {
        let mut variables = vec![("FALLBACK_MODELS", "a")];
        variables.extend(ELSEWHERE);
        variables.push((name, value));
        let error = load(&variables).expect_err(name);
        let [problem] = error.problems() else {
            panic!("{error}");
        };
        assert!(
            problem.starts_with(&format!("{name} must be ")),
            "{problem}"
        );
        assert!(!problem.contains(value), "{problem}");
    }
}

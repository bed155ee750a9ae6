use personal_ai_assistant::api::error::ErrorCode;
use personal_ai_assistant::api::request::ModelSource;
use personal_ai_assistant::openai::failure::Failure;
use personal_ai_assistant::openai::retry::{requested_delay_ms, retry_delay_ms};

struct Row {
    status: u16,
    body: &'static str,
    client_status: u16,
    code: ErrorCode,
    retryable: bool,
}

const fn row(
    status: u16,
    body: &'static str,
    client_status: u16,
    code: ErrorCode,
    retryable: bool,
) -> Row {
    Row {
        status,
        body,
        client_status,
        code,
        retryable,
    }
}

#[test]
fn each_upstream_error_becomes_one_of_ours() {
    let table = [
        row(
            400,
            r#"{"error":{"code":"context_length_exceeded"}}"#,
            400,
            ErrorCode::ContextLengthExceeded,
            false,
        ),
        row(
            400,
            r#"{"error":{"code":"unsupported_value","type":"invalid_request_error"}}"#,
            502,
            ErrorCode::UpstreamRejected,
            false,
        ),
        row(400, "", 502, ErrorCode::UpstreamRejected, false),
        row(
            401,
            r#"{"error":{"code":"invalid_api_key"}}"#,
            502,
            ErrorCode::UpstreamRejected,
            false,
        ),
        row(403, "forbidden", 502, ErrorCode::UpstreamRejected, false),
        row(
            404,
            r#"{"error":{"code":"model_not_found"}}"#,
            502,
            ErrorCode::ModelNotFound,
            false,
        ),
        row(404, "<html>", 502, ErrorCode::ModelNotFound, false),
        row(
            400,
            r#"{"error":{"code":"model_not_found"}}"#,
            502,
            ErrorCode::ModelNotFound,
            false,
        ),
        row(408, "", 502, ErrorCode::UpstreamUnavailable, true),
        row(409, "", 502, ErrorCode::UpstreamUnavailable, true),
        row(422, "", 502, ErrorCode::UpstreamRejected, false),
        row(
            429,
            r#"{"error":{"code":"rate_limit_exceeded"}}"#,
            429,
            ErrorCode::UpstreamRateLimited,
            true,
        ),
        row(429, "", 429, ErrorCode::UpstreamRateLimited, true),
        row(
            503,
            r#"{"error":{"type":"slow_down"}}"#,
            429,
            ErrorCode::UpstreamRateLimited,
            true,
        ),
        row(
            429,
            r#"{"error":{"code":"insufficient_quota"}}"#,
            503,
            ErrorCode::UpstreamQuota,
            false,
        ),
        row(
            429,
            r#"{"error":{"type":"insufficient_quota","code":null}}"#,
            503,
            ErrorCode::UpstreamQuota,
            false,
        ),
        row(
            429,
            r#"{"error":{"code":"billing_hard_limit_reached"}}"#,
            503,
            ErrorCode::UpstreamQuota,
            false,
        ),
        row(402, "", 503, ErrorCode::UpstreamQuota, false),
        row(
            500,
            r#"{"error":"plain text"}"#,
            502,
            ErrorCode::UpstreamUnavailable,
            true,
        ),
        row(502, "<html>", 502, ErrorCode::UpstreamUnavailable, true),
        row(503, "", 503, ErrorCode::UpstreamUnavailable, true),
        row(520, "<html>", 502, ErrorCode::UpstreamUnavailable, true),
        row(529, "", 503, ErrorCode::UpstreamUnavailable, true),
    ];
    for expected in table {
        let failure = Failure::from_response(
            expected.status,
            expected.body.as_bytes(),
            None,
            None,
            ModelSource::Default,
        );
        let context = format!("{} {}", expected.status, expected.body);
        assert_eq!(failure.error.code, expected.code, "{context}");
        assert_eq!(failure.error.status, expected.client_status, "{context}");
        assert_eq!(failure.retryable, expected.retryable, "{context}");
        assert_eq!(failure.upstream_status, Some(expected.status), "{context}");
    }
}

#[test]
fn an_unknown_model_is_the_client_s_error_when_the_client_chose_it() {
    let body = br#"{"error":{"code":"model_not_found"}}"#;
    assert_eq!(
        Failure::from_response(404, body, None, None, ModelSource::Client)
            .error
            .status,
        400
    );
    assert_eq!(
        Failure::from_response(404, body, None, None, ModelSource::Default)
            .error
            .status,
        502
    );
}

#[test]
fn whoever_can_mend_a_model_that_is_not_found_is_told() {
    const CHOOSE: &str = "Choose another model.";
    use ModelSource::{Client, Default, Fallback, FallbackElsewhere};
    const MODEL: &str = "change OPENAI_MODEL.";
    const FALLBACK: &str = "change FALLBACK_MODELS.";
    const ADDRESS: &str = "check OPENAI_BASE_URL first, then the model.";
    const ELSEWHERE: &str = "check FALLBACK_BASE_URL first, then the model.";
    let known = r#"{"error":{"code":"model_not_found"}}"#;
    let worded = r#"{"error":{"message":"The model `m` does not exist"}}"#;
    let param = r#"{"error":{"message":"no","param":"model"}}"#;
    let route = r#"{"detail":"Not Found"}"#;
    let url = r#"{"error":{"message":"Invalid URL (POST /v1/v1/chat/completions)"}}"#;
    let path = r#"{"error":{"message":"Nothing at /models/chat/completions"}}"#;
    for (status, body, source, detail, cause) in [
        (404, known, Client, CHOOSE, None),
        (404, known, Default, MODEL, Some("OPENAI_MODEL")),
        (400, known, Default, MODEL, Some("OPENAI_MODEL")),
        (404, worded, Default, MODEL, Some("OPENAI_MODEL")),
        (404, param, Client, CHOOSE, None),
        (404, route, Default, ADDRESS, Some("OPENAI_BASE_URL")),
        (404, route, Client, ADDRESS, Some("OPENAI_BASE_URL")),
        (
            404,
            "<html>no model</html>",
            Client,
            ADDRESS,
            Some("OPENAI_BASE_URL"),
        ),
        (404, url, Default, ADDRESS, Some("OPENAI_BASE_URL")),
        (404, path, Default, ADDRESS, Some("OPENAI_BASE_URL")),
        (404, "", Default, ADDRESS, Some("OPENAI_BASE_URL")),
        (404, known, Fallback, FALLBACK, Some("FALLBACK_MODELS")),
        (
            404,
            known,
            FallbackElsewhere,
            FALLBACK,
            Some("FALLBACK_MODELS"),
        ),
        (404, route, Fallback, ADDRESS, Some("OPENAI_BASE_URL")),
        (
            404,
            route,
            FallbackElsewhere,
            ELSEWHERE,
            Some("FALLBACK_BASE_URL"),
        ),
    ] {
        let failure = Failure::from_response(status, body.as_bytes(), None, None, source);
        assert_eq!(failure.error.code, ErrorCode::ModelNotFound, "{body}");
        assert!(
            failure.error.detail.ends_with(detail),
            "{body}: {}",
            failure.error.detail
        );
        let is_choice = failure.error.status == 400;
        assert_eq!(is_choice, source == Client, "{body}");
        let words = failure.cause.split([' ', ';']);
        let named = words
            .into_iter()
            .find(|word| word.contains('_') && word.to_uppercase() == *word);
        assert_eq!(named, cause, "{body}: {}", failure.cause);
    }
    let event = Failure::from_event(known, ModelSource::Default);
    assert!(
        event.error.detail.ends_with(MODEL),
        "{}",
        event.error.detail
    );
    let document = Failure::from_document(known, ModelSource::Client);
    assert!(
        document.error.detail.ends_with(CHOOSE),
        "{}",
        document.error.detail
    );
}

#[test]
fn what_upstream_says_not_to_ask_again_is_not_asked_again() {
    for (status, should_retry, retryable) in [
        (503, None, true),
        (503, Some(true), true),
        (503, Some(false), false),
        (429, Some(false), false),
        // Where it cannot help, upstream's word does not make it help.
        (401, Some(true), false),
        (400, Some(true), false),
    ] {
        let failure = Failure::from_response(status, b"", None, should_retry, ModelSource::Default);
        assert_eq!(failure.retryable, retryable, "{status} {should_retry:?}");
    }
}

#[test]
fn retry_after_is_passed_on_in_whole_seconds_with_a_429_only() {
    let limited = Failure::from_response(429, b"", Some(1500), None, ModelSource::Default);
    assert_eq!(limited.error.retry_after_seconds, Some(2));
    assert_eq!(limited.retry_after_ms, Some(1500));
    let unavailable = Failure::from_response(503, b"", Some(1500), None, ModelSource::Default);
    assert_eq!(unavailable.error.retry_after_seconds, None);
    assert_eq!(unavailable.retry_after_ms, Some(1500));
}

#[test]
fn the_log_s_cause_has_upstream_s_machine_readable_names() {
    let body = br#"{"error":{"message":"m","code":"unsupported_value","type":"invalid_request_error","param":"messages[0].role"}}"#;
    let cause = Failure::from_response(400, body, None, None, ModelSource::Default).cause;
    assert_eq!(
        cause,
        "upstream status 400, code unsupported_value, type invalid_request_error, param messages[0].role"
    );
}

#[test]
fn an_error_event_is_classified_like_an_answer_and_not_retried() {
    let table = [
        (
            r#"{"error":{"code":"rate_limit_exceeded"}}"#,
            ErrorCode::UpstreamRateLimited,
        ),
        (
            r#"{"error":{"code":429,"message":"x"}}"#,
            ErrorCode::UpstreamRateLimited,
        ),
        (
            r#"{"error":{"type":"server_error"}}"#,
            ErrorCode::UpstreamUnavailable,
        ),
        (r#"{"code":"insufficient_quota"}"#, ErrorCode::UpstreamQuota),
        (r#"{"error":{"status":401}}"#, ErrorCode::UpstreamRejected),
        (r#"{"error":{"code":7}}"#, ErrorCode::UpstreamUnavailable),
        ("no JSON", ErrorCode::UpstreamUnavailable),
    ];
    for (data, code) in table {
        let failure = Failure::from_event(data, ModelSource::Client);
        assert_eq!(failure.error.code, code, "{data}");
        assert!(!failure.retryable, "{data}");
    }
}

#[test]
fn the_wait_before_a_retry_doubles_and_is_shortened_by_up_to_a_quarter() {
    assert_eq!(
        [1, 2, 3, 4].map(|attempt| retry_delay_ms(attempt, None, 0.0)),
        [500, 1000, 2000, 4000]
    );
    assert_eq!(
        [1, 2, 3, 4].map(|attempt| retry_delay_ms(attempt, None, 1.0)),
        [375, 750, 1500, 3000]
    );
    assert_eq!(retry_delay_ms(u32::MAX, None, 0.0), 500 << 16);
    assert_eq!(retry_delay_ms(1, Some(0), 0.5), 0);
    assert_eq!(retry_delay_ms(3, Some(7000), 0.5), 7000);
}

#[test]
fn upstream_says_how_long_to_wait_in_milliseconds_seconds_or_a_date_and_nonsense_says_nothing() {
    let date = "Thu, 26 Nov 2026 12:00:00 GMT";
    let table = [
        (None, None, None),
        (Some("250"), None, Some(250)),
        (Some("250.2"), Some("9"), Some(251)),
        (None, Some("2"), Some(2_000)),
        (None, Some(" 1.5 "), Some(1_500)),
        (None, Some("0"), Some(0)),
        (None, Some(date), Some(5_000)),
        (None, Some("Thu Nov 26 12:00:00 2026"), None),
        // What is no time does not hide what is one.
        (Some("-1"), Some("2"), Some(2_000)),
        (Some("soon"), Some("2"), Some(2_000)),
        (Some("NaN"), Some(date), Some(5_000)),
        (Some(""), Some("2"), Some(2_000)),
        (None, Some("-1"), None),
        (None, Some("1s"), None),
        (None, Some("20 minutes"), None),
        (None, Some("Infinity"), None),
        (None, Some("1e999"), None),
        // A day is enough.
        (None, Some("1e300"), Some(86_400_000)),
        (Some("99999999999999999999"), None, Some(86_400_000)),
    ];
    for (milliseconds, seconds_or_date, wanted) in table {
        let waited = requested_delay_ms(milliseconds, seconds_or_date, |asked| {
            (asked == date).then_some(5_000.0)
        });
        assert_eq!(waited, wanted, "{milliseconds:?} {seconds_or_date:?}");
    }
    // A date that has passed asks for nothing.
    assert_eq!(requested_delay_ms(None, Some(date), |_| Some(-1.0)), None);
}

#[test]
fn what_the_model_said_beside_an_error_is_no_word_of_the_error() {
    for answer in [
        r#""choices":[{"delta":{"content":"You exceeded your current quota"}}]"#,
        r#""output":[{"content":[{"text":"maximum context length"}]}]"#,
        r#""instructions":"model not found: insufficient balance""#,
    ] {
        let failure = Failure::from_event(
            &format!(r#"{{"error":{{"code":"x"}},{answer}}}"#),
            ModelSource::Client,
        );
        assert_eq!(
            failure.error.code,
            ErrorCode::UpstreamUnavailable,
            "{answer}"
        );
    }
}

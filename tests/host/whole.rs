//! Successes that are not declared as an event stream.

use personal_ai_assistant::api::ending::EndReason;
use personal_ai_assistant::api::error::ErrorCode;
use personal_ai_assistant::api::request::ModelSource;
use personal_ai_assistant::openai::{Api, Sniffed, sniff};
use personal_ai_assistant::stream::relay::Relay;

use crate::support::relay_of;

#[test]
fn an_event_stream_is_known_by_its_name_or_by_its_first_bytes() {
    use Sniffed::{EventStream, Json, NeedMore, Neither};
    let table: [(Option<&str>, &str, Sniffed); 38] = [
        (Some("text/event-stream"), "", EventStream),
        (Some(" Text/Event-Stream ; charset=utf-8"), "", EventStream),
        (Some("text/event-stream"), "{}", EventStream),
        (Some("text/event-stream, text/event-stream"), "", NeedMore),
        (
            Some("text/event-stream, text/event-stream"),
            "data: {}",
            EventStream,
        ),
        (Some("text/event-streams"), "<html>", Neither),
        (Some("text/plain"), "data: {}", EventStream),
        (Some("text/plain; charset=utf-8"), "data:{}", EventStream),
        (Some("application/octet-stream"), ": hello", EventStream),
        (Some("application/json"), "data: {}", EventStream),
        (Some("text/html; charset=UTF-8"), "data: {}", EventStream),
        (None, "event: ping", EventStream),
        (None, "id: 1", EventStream),
        (None, "retry: 1", EventStream),
        (None, "error: {}", EventStream),
        (None, "\n\r\n \tdata:", EventStream),
        (None, "\u{feff}data:", EventStream),
        (None, "\u{feff}", NeedMore),
        (None, "", NeedMore),
        (None, "\n", NeedMore),
        (None, "d", NeedMore),
        (None, "data", NeedMore),
        (None, "dat:", Neither),
        (None, "ev", NeedMore),
        (None, "database", Neither),
        (None, "DATA: {}", Neither),
        (Some("application/json"), "{\"choices\"", Json),
        (Some("application/problem+json"), "  {", Json),
        (Some("text/plain"), "{", Json),
        (None, "[{\"error\"", Json),
        (Some("application/x-ndjson"), "{\"choices\"", EventStream),
        (Some("application/jsonl"), "{", EventStream),
        (Some("application/nd-json"), "{", EventStream),
        (Some("application/json"), "<html>", Neither),
        (Some("text/html"), "<!DOCTYPE html>", Neither),
        (Some("text/plain"), "Hello", Neither),
        (Some("application/json"), "\"data:\"", Neither),
        (None, "null", Neither),
    ];
    for (content_type, bytes, expected) in table {
        assert_eq!(
            sniff(content_type, bytes.as_bytes()),
            expected,
            "{content_type:?} {bytes:?}"
        );
    }
    assert_eq!(sniff(None, b"\xef\xbb"), NeedMore);
    assert_eq!(sniff(None, b"\xef\xbbx"), Neither);
    assert_eq!(sniff(None, &[b'\n'; 4_096]), NeedMore);
    assert_eq!(sniff(None, &[b'\n'; 4_097]), Neither, "no endless wait");
    assert_eq!(sniff(None, &[&[b'\n'; 9_000][..], b"{"].concat()), Json);
}

/// What becomes of a whole answer.
fn relayed(api: Api, body: &[u8]) -> Relay {
    let mut relay = relay_of(api);
    relay.answer_whole(&api.parse_whole(body, ModelSource::Client, false), 7);
    relay
}

/// What a client reads of a whole answer, else the code of the failure.
fn told(api: Api, body: &str) -> Result<String, (ErrorCode, bool)> {
    let relay = relayed(api, body.as_bytes());
    let outcome = relay.outcome().expect("an outcome");
    if let Some(failure) = &outcome.failure {
        assert_eq!(relay.text_frame_count(), 0);
        return Err((failure.error.code, failure.retryable));
    }
    Ok(String::from_utf8(relay.output().to_vec()).expect("frames are UTF-8"))
}

const HELLO: &str = "data: {\"content\":\"Hello\",\"sequence\":0,\"is_final\":false,\"correlation_id\":\"abc-123\"}\n\n\
    data: {\"content\":\"\",\"sequence\":1,\"is_final\":true,\"correlation_id\":\"abc-123\",\"finish_reason\":\"stop\",\
    \"usage\":{\"input_tokens\":7,\"output_tokens\":2,\"total_tokens\":9}}\n\n";

const CHAT: &str = r#"{"object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":"Hello"},
    "finish_reason":"stop"}],"usage":{"prompt_tokens":7,"completion_tokens":2,"total_tokens":9}}"#;

const RESPONSE: &str = r#"{"object":"response","status":"completed","error":null,"output":[{"type":"reasoning","content":[]},
    {"type":"message","role":"assistant","content":[{"type":"output_text","text":"Hello"}]}],"usage":{"input_tokens":7,"output_tokens":2}}"#;

#[test]
fn a_whole_answer_is_one_frame_and_its_final_frame() {
    for (api, body) in [
        (Api::ChatCompletions, CHAT.to_owned()),
        (Api::ChatCompletions, format!("\u{feff}\n\n {CHAT}\n")),
        (Api::ChatCompletions, format!("{CHAT}\n\ndata: [DONE]\n\n")),
        (
            Api::ChatCompletions,
            CHAT.replace(
                "\"Hello\"",
                r#"[{"type":"text","text":"Hel"},{"type":"thinking"},"lo"]"#,
            ),
        ),
        (Api::Responses, RESPONSE.to_owned()),
        (Api::Responses, RESPONSE.replace("output_text", "text")),
    ] {
        assert_eq!(told(api, &body), Ok(HELLO.to_owned()), "{body}");
    }
}

#[test]
fn a_whole_answer_ends_for_its_own_reason() {
    for (api, body, ending) in [
        (
            Api::ChatCompletions,
            CHAT.replace("\"stop\"", "\"MAX_TOKENS\""),
            "length",
        ),
        (
            Api::ChatCompletions,
            CHAT.replace("\"stop\"", "\"zeitgeist\""),
            "other",
        ),
        (
            Api::ChatCompletions,
            CHAT.replace(
                "\"content\":\"Hello\"",
                "\"content\":null,\"refusal\":\"No.\"",
            ),
            "refusal",
        ),
        (
            Api::ChatCompletions,
            CHAT.replace("\"Hello\"", "\"\""),
            "stop",
        ),
        (
            Api::Responses,
            RESPONSE.replace(
                "completed\",",
                "incomplete\",\"incomplete_details\":{\"reason\":\"max_output_tokens\"},",
            ),
            "length",
        ),
        (
            Api::Responses,
            RESPONSE.replace("output_text\",\"text", "refusal\",\"refusal"),
            "refusal",
        ),
    ] {
        let client = told(api, &body).expect("an answer");
        assert!(
            client.contains(&format!("\"finish_reason\":\"{ending}\"")),
            "{body}: {client}"
        );
    }
}

#[test]
fn an_error_in_a_success_is_that_error_and_is_retried_like_it() {
    use ErrorCode as E;
    for (api, body, code, retryable) in [
        (
            Api::ChatCompletions,
            r#"{"error":{"code":"rate_limit_exceeded"}}"#,
            E::UpstreamRateLimited,
            true,
        ),
        (
            Api::ChatCompletions,
            r#"[{"error":{"code":429}}]"#,
            E::UpstreamRateLimited,
            true,
        ),
        (
            Api::ChatCompletions,
            r#"{"error":"something"}"#,
            E::UpstreamUnavailable,
            true,
        ),
        (
            Api::ChatCompletions,
            r#"{"error":{"code":"insufficient_quota"}}"#,
            E::UpstreamQuota,
            false,
        ),
        (
            Api::ChatCompletions,
            r#"{"choices":null,"base_resp":{"status_code":1008,"status_msg":"insufficient balance"}}"#,
            E::UpstreamQuota,
            false,
        ),
        (
            Api::ChatCompletions,
            r#"{"detail":"Content Exists Risk"}"#,
            E::ContentFiltered,
            false,
        ),
        (
            Api::ChatCompletions,
            r#"{"choices":[{"message":{"content":""},"finish_reason":"error"}]}"#,
            E::UpstreamUnavailable,
            false,
        ),
        (
            Api::Responses,
            r#"{"error":{"code":"context_length_exceeded"}}"#,
            E::ContextLengthExceeded,
            false,
        ),
        (
            Api::Responses,
            r#"{"status":"failed","output":[],"error":{"code":"server_error"}}"#,
            E::UpstreamUnavailable,
            true,
        ),
    ] {
        assert_eq!(told(api, body), Err((code, retryable)), "{body}");
    }
}

#[test]
fn a_success_that_is_no_answer_of_the_api_is_a_breach_of_it() {
    for (api, body) in [
        (Api::ChatCompletions, ""),
        (Api::ChatCompletions, "{}"),
        (Api::ChatCompletions, "[]"),
        (Api::ChatCompletions, "null"),
        (Api::ChatCompletions, "[DONE]"),
        (Api::ChatCompletions, "{\"choices\":[]}"),
        (Api::ChatCompletions, "{\"choices\":null,\"usage\":null}"),
        (
            Api::ChatCompletions,
            "{\"choices\":[{\"message\":{\"content\":{\"a\":1}},\"finish_reason\":\"stop\"}]}",
        ),
        (Api::ChatCompletions, &CHAT[..CHAT.len() - 1]),
        (Api::ChatCompletions, RESPONSE),
        (Api::Responses, CHAT),
        (Api::Responses, "{}"),
        (Api::Responses, "{\"output\":[7],\"status\":\"completed\"}"),
        (Api::Responses, &RESPONSE[1..]),
    ] {
        assert_eq!(
            told(api, body),
            Err((ErrorCode::UpstreamProtocol, false)),
            "{body}"
        );
    }
    let no_utf8 = relayed(Api::ChatCompletions, b"{\"choices\":\"\xff\"}");
    let outcome = no_utf8.outcome().expect("an outcome");
    assert_eq!(outcome.end_reason, EndReason::UpstreamProtocol);
}

#[test]
fn a_whole_document_that_does_not_say_so_is_no_complete_answer() {
    for (api, body) in [
        (
            Api::ChatCompletions,
            r#"{"choices":[{"message":{"content":""},"finish_reason":null}]}"#,
        ),
        (Api::Responses, r#"{"status":"in_progress","output":[]}"#),
        (Api::Responses, r#"{"status":"incomplete","output":[]}"#),
    ] {
        assert_eq!(
            told(api, body),
            Err((ErrorCode::UpstreamTruncated, false)),
            "{body}"
        );
    }
}

#[test]
fn the_text_of_a_whole_document_that_is_no_complete_answer_is_told_and_that_it_is_cut_off() {
    let cut = ("upstream_truncated", EndReason::UpstreamTruncated);
    let failed = ("upstream_unavailable", EndReason::UpstreamError);
    for (api, body, (code, end_reason)) in [
        (Api::ChatCompletions, CHAT.replace("\"stop\"", "null"), cut),
        (Api::ChatCompletions, CHAT.replace("\"stop\"", "\"\""), cut),
        (Api::ChatCompletions, CHAT.replace("\"stop\"", "0"), cut),
        (
            Api::ChatCompletions,
            CHAT.replace("\"stop\"", "\"in_progress\""),
            cut,
        ),
        (Api::ChatCompletions, CHAT.replace("finish_", "x"), cut),
        (
            Api::ChatCompletions,
            CHAT.replace("\"stop\"", "\"abort\""),
            failed,
        ),
        (
            Api::Responses,
            RESPONSE.replace("\"status\":\"completed\",", ""),
            cut,
        ),
        (
            Api::Responses,
            RESPONSE.replace("\"completed\"", "null"),
            cut,
        ),
    ] {
        let relay = relayed(api, body.as_bytes());
        let outcome = relay.outcome().expect("an outcome");
        assert_eq!(outcome.end_reason, end_reason, "{body}");
        let client = String::from_utf8(relay.output().to_vec()).expect("frames are UTF-8");
        assert!(client.contains("\"content\":\"Hello\""), "{body}: {client}");
        assert!(
            client.contains(&format!("\"code\":\"{code}\"")),
            "{body}: {client}"
        );
    }
}

#[test]
fn the_tokens_that_a_whole_document_without_text_tells_are_kept_however_it_fails() {
    let usage = r#""usage":{"prompt_tokens":7,"completion_tokens":2}"#;
    for (api, rest) in [
        (
            Api::ChatCompletions,
            r#""choices":[{"message":{"content":""},"finish_reason":null}]"#,
        ),
        (
            Api::ChatCompletions,
            r#""choices":[{"message":{"content":{"a":1}},"finish_reason":"stop"}]"#,
        ),
        (
            Api::ChatCompletions,
            r#""choices":[{"finish_reason":"error"}]"#,
        ),
        (
            Api::ChatCompletions,
            r#""choices":[],"error":{"code":"server_error"}"#,
        ),
        (Api::ChatCompletions, r#""choices":[]"#),
        (Api::ChatCompletions, r#""choices":7"#),
        (Api::ChatCompletions, r#""output":[],"status":"completed""#),
        (
            Api::Responses,
            r#""output":[],"status":"failed","error":{"code":"server_error"}"#,
        ),
        (Api::Responses, r#""output":[],"status":"incomplete""#),
        (Api::Responses, r#""output":[7],"status":"completed""#),
        (Api::Responses, r#""choices":[]"#),
    ] {
        let relay = relayed(api, format!("{{{rest},{usage}}}").as_bytes());
        let told = relay
            .seen()
            .told
            .map(|usage| (usage.input_tokens, usage.output_tokens));
        assert_eq!(told, Some((7, 2)), "{rest}");
        assert!(
            relay
                .outcome()
                .is_some_and(|outcome| outcome.failure.is_some()),
            "{rest}"
        );
    }
}

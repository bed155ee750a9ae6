//! Why an answer ended, in the words of many servers.

use personal_ai_assistant::openai::Api;

use crate::support::{delta, relayed, relayed_of};

/// An event that gives a reason.
fn finish(reason: &str) -> String {
    format!(
        "data: {{\"choices\":[{{\"index\":0,\"delta\":{{}},\"finish_reason\":\"{reason}\"}}]}}\n\n"
    )
}

/// What a client is told of an answer that ends with this reason, and nothing else.
fn told(reason: &str) -> String {
    let (client, _) = relayed([format!("{}{}", delta("a"), finish(reason)).as_bytes()]);
    let last = client.trim_end().rsplit("data: ").next().expect("a frame");
    let frame: serde_json::Value = serde_json::from_str(last).expect("JSON");
    let ending = frame["finish_reason"].as_str().or(frame["code"].as_str());
    ending.expect("an ending").to_owned()
}

#[test]
fn each_server_s_word_is_told_as_what_it_means() {
    let table: [(&str, &[&str]); 7] = [
        (
            "stop",
            &[
                "stop",
                "STOP",
                " stop\\n",
                "eos",
                "eos_token",
                "end",
                "end_turn",
                "end-turn",
                "endTurn",
                "END_OF_TURN",
                "end_of_text",
                "end_of_message",
                "stop_sequence",
                "STOP_SEQUENCE",
                "stop_sequence_reached",
                "complete",
                "COMPLETE",
                "completed",
                "FINISH_REASON_STOP",
                "REASON_STOP",
                "normal",
            ],
        ),
        (
            "length",
            &[
                "length",
                "max_tokens",
                "MAX_TOKENS",
                "maxTokens",
                "max_output_tokens",
                "max_new_tokens",
                "maximum_tokens",
                "out_of_tokens",
                "token_limit",
                "TOKEN_LIMIT",
                "model_length",
                "model_context_window_exceeded",
                "ERROR_LIMIT",
                "REASON_MAX_LEN",
                "REASON_MAX_CONTEXT",
                "repetition_truncation",
                "compaction",
            ],
        ),
        (
            "content_filter",
            &[
                "content_filter",
                "content-filter",
                "contentFilter",
                "content_filtered",
                "sensitive",
                "SAFETY",
                "RECITATION",
                "BLOCKLIST",
                "PROHIBITED_CONTENT",
                "SPII",
                "LANGUAGE",
                "IMAGE_SAFETY",
                "ESCALATION",
                "blocked",
                "guardrail_intervened",
                "ERROR_TOXIC",
                "content_filter: RECITATION",
            ],
        ),
        (
            "tool_calls",
            &[
                "tool_calls",
                "tool-calls",
                "TOOL_CALL",
                "tool_use",
                "function_call",
            ],
        ),
        ("refusal", &["refusal"]),
        (
            "upstream_unavailable",
            &[
                "error",
                "ERROR",
                "abort",
                "aborted",
                "cancelled",
                "canceled",
                "USER_CANCEL",
                "failed",
                "timeout",
                "TIMEOUT",
                "time_limit",
                "network_error",
                "insufficient_system_resource",
                "engine_overloaded",
                "upstream_error",
                "incomplete",
                "disconnect",
                "client_disconnect",
                "rate_limit",
                "abort_error",
                "user_cancelled",
                "malformed_function_call",
                "MALFORMED_RESPONSE",
                "function_call_filter: MALFORMED_FUNCTION_CALL",
                "MISSING_THOUGHT_SIGNATURE",
            ],
        ),
        (
            "other",
            &[
                "zeitgeist",
                "OTHER",
                "unknown",
                "pause_turn",
                "load",
                "cache_threshold",
                "UNEXPECTED_TOOL_CALL",
                "NO_IMAGE",
                "<|im_end|>",
                "不知道",
            ],
        ),
    ];
    for (meaning, words) in table {
        for word in words {
            assert_eq!(told(word), meaning, "{word}");
        }
    }
}

#[test]
fn a_word_that_is_none_or_says_that_the_answer_goes_on_is_no_ending() {
    for word in [
        "",
        " ",
        "\\t",
        "null",
        "NULL",
        "none",
        "undefined",
        "not_finished",
        "in_progress",
        "FINISH_REASON_UNSPECIFIED",
        "...",
    ] {
        assert_eq!(told(word), "upstream_truncated", "{word:?}");
    }
    for json in [
        "null",
        "0",
        "1",
        "true",
        "{}",
        "[]",
        "[\"stop\"]",
        "{\"type\":\"stop\"}",
    ] {
        let event = finish("").replace(
            "\"finish_reason\":\"\"",
            &format!("\"finish_reason\":{json}"),
        );
        let (client, _) = relayed([format!("{}{event}", delta("a")).as_bytes()]);
        assert!(client.contains("upstream_truncated"), "{json}: {client}");
    }
}

#[test]
fn an_unknown_word_is_kept_for_the_log_if_it_is_a_name() {
    for (word, name) in [
        ("zeitgeist", Some("zeitgeist")),
        (" Pause_Turn ", Some("Pause_Turn")),
        ("v1.2-x", Some("v1.2-x")),
        ("said in a sentence", None),
        ("<|im_end|>", None),
        ("stop", None),
        (&"x".repeat(64), Some(&"x".repeat(64))),
        (&"x".repeat(65), None),
    ] {
        let (_, relay) = relayed([finish(word).as_bytes()]);
        assert_eq!(relay.unknown_finish_reason(), name, "{word}");
    }
}

#[test]
fn of_several_reasons_the_one_that_says_most_counts() {
    for (words, told) in [
        (["stop", "stop"], "stop"),
        (["stop", "length"], "length"),
        // A gateway's own end behind the model's.
        (["length", "stop"], "length"),
        (["content_filter", "stop"], "content_filter"),
        (["zeitgeist", "stop"], "other"),
        (["zeitgeist", "length"], "length"),
        (["length", "zeitgeist"], "length"),
        // Nothing takes an ending back.
        (["stop", "error"], "stop"),
        (["stop", ""], "stop"),
    ] {
        let stream: String = words.iter().map(|word| finish(word)).collect();
        let (client, relay) = relayed([stream.as_bytes()]);
        assert!(
            client.contains(&format!("\"finish_reason\":\"{told}\"")),
            "{words:?}: {client}"
        );
        assert_eq!(
            relay.unknown_finish_reason(),
            (told == "other").then_some("zeitgeist")
        );
    }
}

#[test]
fn a_failing_reason_is_named_in_the_log_and_its_text_is_delivered() {
    let event = "data: {\"choices\":[{\"delta\":{\"content\":\"last\"},\"finish_reason\":\"network_error\"}]}\n\n";
    let (client, relay) = relayed([event.as_bytes()]);
    assert!(client.contains("\"content\":\"last\""), "{client}");
    let failure = relay.outcome().and_then(|outcome| outcome.failure.as_ref());
    assert_eq!(
        failure.expect("a failure").cause,
        "upstream finish reason network_error"
    );
}

#[test]
fn a_response_ends_as_the_status_inside_says() {
    let event = |kind: &str, response: &str| {
        format!("event: {kind}\ndata: {{\"type\":\"{kind}\",\"response\":{response}}}\n\n")
    };
    for (kind, response, told) in [
        ("response.completed", r#"{"status":"completed"}"#, "stop"),
        ("response.completed", "{}", "stop"),
        ("response.completed", r#"{"status":"succeeded"}"#, "stop"),
        ("response.done", r#"{"status":"completed"}"#, "stop"),
        (
            "response.completed",
            r#"{"status":"incomplete","incomplete_details":{"reason":"max_output_tokens"}}"#,
            "length",
        ),
        (
            "response.done",
            r#"{"status":"incomplete","incomplete_details":{"reason":"length"}}"#,
            "length",
        ),
        (
            "response.incomplete",
            r#"{"incomplete_details":{"reason":"content_filter"}}"#,
            "content_filter",
        ),
        (
            "response.incomplete",
            r#"{"status":"completed","incomplete_details":null}"#,
            "upstream_truncated",
        ),
        (
            "response.incomplete",
            r#"{"incomplete_details":{"reason":"stop"}}"#,
            "upstream_truncated",
        ),
        (
            "response.incomplete",
            r#"{"incomplete_details":{"reason":"zeitgeist"}}"#,
            "upstream_truncated",
        ),
        (
            "response.incomplete",
            r#"{"incomplete_details":{"reason":"timeout"}}"#,
            "upstream_unavailable",
        ),
        (
            "response.completed",
            r#"{"status":"failed","error":{"code":"rate_limit_exceeded"}}"#,
            "upstream_rate_limited",
        ),
        (
            "response.completed",
            r#"{"status":"completed","error":{"code":"server_error"}}"#,
            "upstream_unavailable",
        ),
        (
            "response.completed",
            r#"{"status":"cancelled"}"#,
            "upstream_unavailable",
        ),
        (
            "response.completed",
            r#"{"status":"in_progress"}"#,
            "upstream_truncated",
        ),
        (
            "response.completed",
            r#"{"status":"zeitgeist"}"#,
            "upstream_truncated",
        ),
        ("response.done", "{}", "upstream_truncated"),
        (
            "response.failed",
            r#"{"status":"completed"}"#,
            "upstream_unavailable",
        ),
        ("response.cancelled", "{}", "upstream_unavailable"),
        ("response.completed", "null", "upstream_protocol"),
        ("response.done", "7", "upstream_protocol"),
    ] {
        let (client, _) = relayed_of(Api::Responses, [event(kind, response).as_bytes()]);
        let (finish, code) = (
            format!("\"finish_reason\":\"{told}\""),
            format!("\"code\":\"{told}\""),
        );
        assert!(
            client.contains(&finish) || client.contains(&code),
            "{kind} {response}: {client}"
        );
    }
}

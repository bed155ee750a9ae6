//! What single events mean: text, cost, errors and fillers, in the shapes that servers give them.

use personal_ai_assistant::api::ending::EndReason;
use personal_ai_assistant::openai::Api;

use crate::support::{DONE, STOP, delta, relayed, relayed_of};

/// The text that a client reads, and how the stream ends: a finish reason or a code.
fn told_of(api: Api, stream: &str) -> (String, String) {
    let (client, _) = relayed_of(api, [stream.as_bytes()]);
    let frames = client.split_terminator("\n\n").map(|block| {
        let json = block.strip_prefix("data: ").expect("a data line");
        serde_json::from_str::<serde_json::Value>(json).expect("JSON")
    });
    let frames: Vec<_> = frames.collect();
    let text = frames
        .iter()
        .map(|frame| frame["content"].as_str().expect("a text"));
    let last = frames.last().expect("a final frame");
    let ending = last["finish_reason"].as_str().or(last["code"].as_str());
    (text.collect(), ending.expect("an ending").to_owned())
}

fn told(stream: &str) -> (String, String) {
    told_of(Api::ChatCompletions, stream)
}

fn event(json: &str) -> String {
    format!("data: {json}\n\n")
}

#[test]
fn a_delta_s_text_is_read_in_any_shape_that_holds_one() {
    for (json, text) in [
        (r#""a""#, "a"),
        (r#""\ud83c\udf89""#, "\u{1f389}"),
        ("null", ""),
        (r#""""#, ""),
        ("6", "6"),
        ("0.005", "0.005"),
        ("-1e5", "-1e5"),
        ("true", "true"),
        ("false", "false"),
        ("[]", ""),
        (r#"["a","b"]"#, "ab"),
        (
            r#"[{"type":"text","text":"a"},{"type":"text","text":"b"}]"#,
            "ab",
        ),
        (r#"[{"type":"output_text","text":"a"},null,"b"]"#, "ab"),
        (r#"[{"text":"a"}]"#, "a"),
        (r#"[{"type":"text","text":7}]"#, "7"),
        (r#"[{"type":"text","text":null}]"#, ""),
        (r#"[{"type":"text"}]"#, ""),
        (
            r#"[{"type":"text","text":{"value":"a","annotations":[]}}]"#,
            "a",
        ),
        (
            r#"[{"type":"thinking","thinking":[{"type":"text","text":"no"}]},{"type":"text","text":"a"}]"#,
            "a",
        ),
        (
            r#"[{"type":"reference","reference_ids":[1]},{"type":"reasoning","text":"no"}]"#,
            "",
        ),
        (r#"{"type":"text","text":"a"}"#, "a"),
    ] {
        let chunk = event(&format!(
            r#"{{"choices":[{{"delta":{{"content":{json}}}}}]}}"#
        ));
        assert_eq!(
            told(&format!("{chunk}{STOP}")),
            (text.to_owned(), "stop".to_owned()),
            "{json}"
        );
    }
}

#[test]
fn a_value_that_may_be_text_and_is_not_understood_is_no_reason_to_go_on() {
    for json in [
        r#"{"a":1}"#,
        r#"[{"a":1}]"#,
        r#"[["a"]]"#,
        r#"[{"type":"text","text":["a"]}]"#,
        r#"{"type":"text","text":{"a":1}}"#,
    ] {
        let chunk = event(&format!(
            r#"{{"choices":[{{"delta":{{"content":{json}}}}}]}}"#
        ));
        let expected = ("a".to_owned(), "upstream_protocol".to_owned());
        assert_eq!(
            told(&format!("{}{chunk}{STOP}{DONE}", delta("a"))),
            expected,
            "{json}"
        );
    }
}

#[test]
fn the_text_is_in_the_choice_of_index_0_or_else_the_first() {
    for (choices, text) in [
        (r#"[{"delta":{"content":"a"}}]"#, "a"),
        (r#"[{"index":null,"delta":{"content":"a"}}]"#, "a"),
        (r#"[{"index":7,"delta":{"content":"a"}}]"#, "a"),
        (
            r#"[{"index":1,"delta":{"content":"no"}},{"index":0,"delta":{"content":"a"}}]"#,
            "a",
        ),
        (
            r#"[{"index":1,"delta":{"content":"a"}},{"index":2,"delta":{"content":"no"}}]"#,
            "a",
        ),
        (r#"[{"message":{"content":"a"}}]"#, "a"),
        (r#"[{"delta":null,"message":{"content":"a"}}]"#, "a"),
        (r#"[{"delta":{},"message":{"content":"a"}}]"#, "a"),
        (
            r#"[{"delta":{"content":"a"},"message":{"content":"no"}}]"#,
            "a",
        ),
        (r#"[{"delta":"a"}]"#, "a"),
        (r#"[{"delta":[]}]"#, ""),
        (r#"[{"text":"a"}]"#, "a"),
        (
            r#"[{"delta":{"reasoning_content":"no","reasoning":"no","thinking":"no"}}]"#,
            "",
        ),
        ("[{}]", ""),
    ] {
        let chunk = event(&format!(r#"{{"choices":{choices}}}"#));
        assert_eq!(
            told(&format!("{chunk}{DONE}")),
            (text.to_owned(), "stop".to_owned()),
            "{choices}"
        );
    }
    for choices in ["{}", "7", "\"a\"", "[7]", "[[]]", "[null]"] {
        let chunk = event(&format!(r#"{{"choices":{choices}}}"#));
        assert_eq!(
            told(&format!("{chunk}{DONE}")).1,
            "upstream_protocol",
            "{choices}"
        );
    }
}

#[test]
fn a_message_that_says_the_deltas_again_is_not_delivered_twice() {
    let message = |text| {
        event(&format!(
            r#"{{"choices":[{{"message":{{"content":"{text}"}}}}]}}"#
        ))
    };
    for (stream, text) in [
        ([message("a"), message("b")].concat(), "ab"),
        ([delta("a"), delta("b"), message("ab")].concat(), "ab"),
        // What cannot be read says nothing that is not known.
        (
            [
                delta("a"),
                event(r#"{"choices":[{"message":{"content":{"b":1}}}]}"#),
            ]
            .concat(),
            "a",
        ),
    ] {
        let expected = (text.to_owned(), "stop".to_owned());
        assert_eq!(told(&format!("{stream}{STOP}")), expected, "{stream}");
    }
    let lost = event(r#"{"choices":[{"message":{"content":{"b":1}},"finish_reason":"stop"}]}"#);
    assert_eq!(told(&lost).1, "upstream_protocol");
}

#[test]
fn the_text_of_a_response_is_in_its_deltas_or_where_it_is_said_again() {
    let event = |kind: &str, rest: &str| format!("data: {{\"type\":\"{kind}\",{rest}}}\n\n");
    let delta = |text| {
        event(
            "response.output_text.delta",
            &format!(r#""delta":"{text}""#),
        )
    };
    let done = |at, text| {
        let rest = format!(r#""output_index":{at},"content_index":0,"text":"{text}""#);
        event("response.output_text.done", &rest)
    };
    let item = |at, kind, text| {
        let content = format!(r#"[{{"type":"output_text","text":"{text}"}}]"#);
        let rest = format!(r#""output_index":{at},"item":{{"type":"{kind}","content":{content}}}"#);
        event("response.output_item.done", &rest)
    };
    let completed = |text| {
        let content = format!(r#"[{{"type":"output_text","text":"{text}"}}]"#);
        let output = format!(
            r#"[{{"type":"reasoning","content":[{{"type":"reasoning_text","text":"no"}}]}},{{"type":"message","content":{content}}}]"#
        );
        event(
            "response.completed",
            &format!(r#""response":{{"status":"completed","output":{output}}}"#),
        )
    };
    let named = |kind: &str, index: u32, field: &str, text: &str| {
        let fields = format!(r#""output_index":{index},"content_index":0,"{field}":"{text}""#);
        event(kind, &fields)
    };
    let named_delta = |index, text| named("response.output_text.delta", index, "delta", text);
    let done_of = |index, text| named("response.output_text.done", index, "text", text);
    let message = |text| {
        format!(r#"{{"type":"message","content":[{{"type":"output_text","text":"{text}"}}]}}"#)
    };
    let both = event(
        "response.completed",
        &format!(
            r#""response":{{"status":"completed","output":[{},{}]}}"#,
            message("a"),
            message("b")
        ),
    );
    for (stream, text) in [
        (
            [
                delta("a"),
                delta("b"),
                done(0, "ab"),
                item(0, "message", "ab"),
                completed("ab"),
            ]
            .concat(),
            "ab",
        ),
        (
            [done(0, "a"), item(0, "message", "a"), completed("a")].concat(),
            "a",
        ),
        ([done(0, "a"), done(0, "a"), completed("a")].concat(), "a"),
        ([done(0, "a"), done(1, "b"), completed("ab")].concat(), "ab"),
        (
            [
                done(0, "a"),
                item(0, "message", "a"),
                done(1, "b"),
                item(1, "message", "b"),
                completed("ab"),
            ]
            .concat(),
            "ab",
        ),
        (
            [
                item(0, "reasoning", "no"),
                item(1, "message", "a"),
                completed("a"),
            ]
            .concat(),
            "a",
        ),
        ([item(0, "message", "a"), completed("")].concat(), "a"),
        ([completed("a")].concat(), "a"),
        // A part that no delta has said, beside one that deltas have.
        (
            [named_delta(0, "a"), done_of(0, "a"), done_of(1, "b")].concat() + &both,
            "ab",
        ),
        ([named_delta(0, "a"), both.clone()].concat(), "ab"),
        (
            [named_delta(0, "a"), named_delta(1, "b"), both.clone()].concat(),
            "ab",
        ),
        // A server that counts its parts otherwise at the end.
        (
            [named_delta(4, "a"), named_delta(5, "b"), both.clone()].concat(),
            "ab",
        ),
        (
            [named_delta(1, "a"), named_delta(2, "b"), both.clone()].concat(),
            "ab",
        ),
        // Gateways number parts as they like: what deltas have said is never said again.
        (
            [
                delta("a"),
                done(7, "a"),
                item(8, "message", "a"),
                completed("a"),
            ]
            .concat(),
            "a",
        ),
        (
            [
                delta("a"),
                event("response.completed", r#""response":{"output":[7]}"#),
            ]
            .concat(),
            "a",
        ),
    ] {
        let expected = (text.to_owned(), "stop".to_owned());
        assert_eq!(told_of(Api::Responses, &stream), expected, "{stream}");
    }
    let lost = event("response.completed", r#""response":{"output":[7]}"#);
    assert_eq!(told_of(Api::Responses, &lost).1, "upstream_protocol");
    let refused = event("response.refusal.done", r#""refusal":"No.""#);
    let refused = told_of(Api::Responses, &format!("{refused}{}", completed("")));
    assert_eq!(refused, ("No.".to_owned(), "refusal".to_owned()));
}

#[test]
fn counts_that_cannot_be_read_cost_the_usage_and_never_the_answer() {
    let counts = Some((7, 2, 9));
    for (usage, expected) in [
        (
            r#"{"prompt_tokens":7,"completion_tokens":2,"total_tokens":9}"#,
            counts,
        ),
        (r#"{"prompt_tokens":7,"completion_tokens":2}"#, counts),
        (
            r#"{"prompt_tokens":7,"completion_tokens":2,"total_tokens":null}"#,
            counts,
        ),
        (r#"{"input_tokens":7,"output_tokens":2}"#, counts),
        (
            r#"{"prompt_tokens":7.0,"completion_tokens":2.0,"total_tokens":9.0}"#,
            counts,
        ),
        (
            r#"{"prompt_tokens":7,"completion_tokens":2,"total_tokens":12}"#,
            Some((7, 2, 12)),
        ),
        (
            r#"{"prompt_tokens":7,"completion_tokens":0}"#,
            Some((7, 0, 7)),
        ),
        (
            r#"{"prompt_tokens":null,"completion_tokens":null,"total_tokens":null}"#,
            None,
        ),
        // More than any model can have read or written.
        (
            r#"{"prompt_tokens":7,"completion_tokens":9000000000000000}"#,
            None,
        ),
        (r#"{"prompt_tokens":100000001,"completion_tokens":2}"#, None),
        (
            r#"{"prompt_tokens":100000000,"completion_tokens":100000000}"#,
            Some((100_000_000, 100_000_000, 200_000_000)),
        ),
        (r#"{"prompt_tokens":7,"completion_tokens":null}"#, None),
        (r#"{"prompt_tokens":7}"#, None),
        (r#"{"total_tokens":9}"#, None),
        (
            r#"{"prompt_tokens":7.25,"completion_tokens":2,"total_tokens":9.25}"#,
            None,
        ),
        (
            r#"{"prompt_tokens":7,"completion_tokens":2,"total_tokens":9.25}"#,
            None,
        ),
        (r#"{"prompt_tokens":-7,"completion_tokens":2}"#, None),
        (r#"{"prompt_tokens":"7","completion_tokens":"2"}"#, None),
        (r#"{"prompt_tokens":[7],"completion_tokens":{}}"#, None),
        (
            r#"{"prompt_tokens":18446744073709551615,"completion_tokens":2}"#,
            None,
        ),
        (
            r#"{"prompt_tokens":18446744073709551616,"completion_tokens":2}"#,
            None,
        ),
        ("{}", None),
        ("null", None),
        ("7", None),
        ("[]", None),
        ("[7]", None),
        ("\"7\"", None),
        ("true", None),
    ] {
        for place in [
            format!(r#"{{"choices":[],"usage":{usage}}}"#),
            format!(r#"{{"choices":[{{"delta":{{}},"usage":{usage}}}]}}"#),
            format!(r#"{{"choices":[],"x_groq":{{"usage":{usage}}}}}"#),
        ] {
            let (client, relay) =
                relayed([format!("{}{}{DONE}", delta("a"), event(&place)).as_bytes()]);
            assert!(
                client.contains("\"finish_reason\":\"stop\""),
                "{place}: {client}"
            );
            let counts = relay.usage();
            let counts =
                counts.map(|usage| (usage.input_tokens, usage.output_tokens, usage.total_tokens));
            assert_eq!(counts, expected, "{place}");
        }
    }
}

#[test]
fn the_last_usage_counts_and_a_placeholder_is_none() {
    let usage = |json: &str| event(&format!(r#"{{"choices":[],"usage":{json}}}"#));
    let counts = |n| format!(r#"{{"prompt_tokens":{n},"completion_tokens":{n}}}"#);
    for (stream, input_tokens) in [
        ([usage(&counts(1)), usage(&counts(2))], Some(2)),
        ([usage(&counts(1)), usage("null")], Some(1)),
        ([usage(&counts(1)), usage("{}")], Some(1)),
        (
            [
                usage(&counts(1)),
                usage(r#"{"prompt_tokens":0,"completion_tokens":0}"#),
            ],
            Some(1),
        ),
        // The first may be a count of its own time only.
        ([usage(&counts(1)), usage(r#"{"prompt_tokens":"x"}"#)], None),
    ] {
        let (_, relay) = relayed([format!("{}{STOP}", stream.concat()).as_bytes()]);
        assert_eq!(
            relay.usage().map(|usage| usage.input_tokens),
            input_tokens,
            "{stream:?}"
        );
    }
}

#[test]
fn an_error_is_found_wherever_servers_put_it() {
    for json in [
        r#"{"error":{"message":"x"}}"#,
        r#"{"error":"x"}"#,
        r#"{"error":true}"#,
        r#"{"error":1}"#,
        r#"{"error":["x"]}"#,
        r#"{"error":{}}"#,
        r#"{"error":""}"#,
        r#"{"error":{},"choices":null}"#,
        r#"{"error":{"message":"x"},"choices":[]}"#,
        r#"{"error":{"message":"x"},"choices":[{"delta":{},"finish_reason":"stop"}]}"#,
        r#"{"error":{"message":"x"},"choices":7}"#,
        r#"{"choices":[{"delta":{},"error":{"message":"x"}}]}"#,
        r#"{"object":"error","message":"x"}"#,
        r#"{"type":"error","message":"x"}"#,
        r#"{"choices":null,"error_type":"E","error_message":"x"}"#,
        r#"{"choices":null,"message":"x"}"#,
        r#"{"message":"x","code":7}"#,
        r#"{"msg":"x"}"#,
        r#"{"error_code":17,"error_msg":"x"}"#,
        r#"{"errors":[{"message":"x"}]}"#,
        r#"{"detail":"x"}"#,
        r#"{"success":false}"#,
        r#"{"code":500}"#,
        r#"{"statusCode":"503","path":"/"}"#,
        r#"{"status":"failure","message":"x"}"#,
        r#"{"choices":null,"base_resp":{"status_code":1000,"status_msg":"x"}}"#,
        r#"[{"error":{"message":"x"}}]"#,
    ] {
        for stream in [
            event(json),
            format!("{json}\n\n"),
            format!("event: message\n{}", event(json)),
        ] {
            // A bare list is no event.
            if stream.starts_with('[') {
                continue;
            }
            let (client, relay) = relayed([format!("{}{stream}{DONE}", delta("a")).as_bytes()]);
            let reason = relay.outcome().map(|outcome| outcome.end_reason);
            assert_eq!(reason, Some(EndReason::UpstreamError), "{stream}: {client}");
        }
    }
    for stream in [
        "event: error\ndata: x\n\n",
        "event: error\ndata:\n\n",
        "event: Error\ndata: {}\n\n",
        "event: error\ndata: {\"choices\":[]}\n\n",
        "error: {\"message\":\"x\"}\n\n",
        "error: x\n\n",
        "error:\n\n",
        "data: {\"choices\":[]}\nerror: x\n\n",
        "error: x\ndata: [DONE]\n\n",
        "error: x\nevent: message\n\n",
        "data: {\"choices\":[]}\n{\"error\":\"x\"}\n\n",
        "data: {\"choices\":[{\"delta\":{\"content\":{}},\"finish_reason\":null}],\"error\":\"x\"}\n\n",
    ] {
        let (client, relay) = relayed([format!("{}{stream}{DONE}", delta("a")).as_bytes()]);
        let reason = relay.outcome().map(|outcome| outcome.end_reason);
        assert_eq!(reason, Some(EndReason::UpstreamError), "{stream}: {client}");
    }
}

#[test]
fn what_is_no_error_does_not_end_an_answer() {
    for json in [
        r#"{"error":null,"choices":[]}"#,
        r#"{"error":false,"choices":[]}"#,
        r#"{"error":null}"#,
        r#"{"error":false}"#,
        r#"{"error":"","choices":[{"delta":{}}]}"#,
        r#"{"error":{},"choices":[{"delta":{}}]}"#,
        r#"{"error":{"code":null,"message":""},"choices":[{"delta":{}}]}"#,
        r#"{"error":{},"usage":{"prompt_tokens":1,"completion_tokens":1}}"#,
        r#"{"message":"x","choices":[{"delta":{}}]}"#,
        r#"{"choices":[],"base_resp":{"status_code":0,"status_msg":""}}"#,
        r#"{"type":"ping","message":"still here"}"#,
        r#"{"type":"ping"}"#,
        r#"{"success":true}"#,
        "{}",
    ] {
        let stream = format!("{}{}{DONE}", delta("a"), event(json));
        assert_eq!(told(&stream), ("a".to_owned(), "stop".to_owned()), "{json}");
    }
}

#[test]
fn fillers_are_passed_over_and_nothing_else_that_is_no_object() {
    for filler in [
        "data:\n\n",
        "data: \n\n",
        "data: null\n\n",
        "data: : keepalive\n\n",
        "data: :\n\n",
        ": comment\n\n",
        "event: ping\ndata: 2026-02-20 08:40:33\n\n",
        "event: heartbeat\ndata: 7\n\n",
        "event: ping\ndata: \"x\"\n\n",
        "event: ping\n\n",
        "id: 7\nretry: 10\n\n",
        "upstream is slow\n\n",
        "data: {}\n\n",
    ] {
        let stream = format!("{filler}{}{filler}{STOP}", delta("a"));
        assert_eq!(
            told(&stream),
            ("a".to_owned(), "stop".to_owned()),
            "{filler:?}"
        );
    }
    for other in [
        "data: hello\n\n",
        "data: 7\n\n",
        "data: \"x\"\n\n",
        "data: []\n\n",
        "data: [7]\n\n",
        "data: true\n\n",
        "data: {\n\n",
        "{\n\n",
        "{\"choices\":[\n\n",
        "event: message\ndata: hello\n\n",
        "event: delta\ndata: {\"choices\":[{\n\n",
        "event: response.output_text.delta\ndata: hello\n\n",
    ] {
        let stream = format!("{}{other}{STOP}{DONE}", delta("a"));
        let expected = ("a".to_owned(), "upstream_protocol".to_owned());
        assert_eq!(told(&stream), expected, "{other:?}");
    }
}

#[test]
fn events_that_end_with_one_line_end_are_read_line_by_line() {
    let line = |text| delta(text).replace("\n\n", "\n");
    let stop = STOP.replace("\n\n", "\n");
    for (stream, text, ending) in [
        (format!("{}{}{stop}\n", line("a"), line("b")), "ab", "stop"),
        (
            format!("{}{}{stop}data: [DONE]\n\n", line("a"), line("b")),
            "ab",
            "stop",
        ),
        (
            format!("{}{}data: [DONE]\n", line("a"), line("b")),
            "ab",
            "stop",
        ),
        (
            format!("{}{}", line("a"), line("b")),
            "ab",
            "upstream_truncated",
        ),
        (
            format!("{}{}", line("a"), &line("b")[..30]),
            "a",
            "upstream_truncated",
        ),
        (
            format!("{}data: {{\"error\":\"x\"}}\n{stop}\n", line("a")),
            "a",
            "upstream_unavailable",
        ),
        (
            format!("{}data: no\n{stop}\n", line("a")),
            "a",
            "upstream_protocol",
        ),
    ] {
        assert_eq!(
            told(&stream),
            (text.to_owned(), ending.to_owned()),
            "{stream}"
        );
    }
}

#[test]
fn a_last_event_without_its_blank_line_counts_when_it_is_whole() {
    let stop = STOP.trim_end();
    for (last, ending) in [
        (stop.to_owned(), "stop"),
        (format!("{stop}\n"), "stop"),
        (format!("{stop}\r"), "stop"),
        (format!("{stop}\r\n"), "stop"),
        ("data: [DONE]".to_owned(), "stop"),
        ("data: [DONE]\n".to_owned(), "stop"),
        ("data: [DONE".to_owned(), "upstream_truncated"),
        (stop[..stop.len() - 1].to_owned(), "upstream_truncated"),
        ("data: hello".to_owned(), "upstream_truncated"),
        ("data: 7".to_owned(), "upstream_truncated"),
        ("data: null".to_owned(), "upstream_truncated"),
        ("data".to_owned(), "upstream_truncated"),
        (
            "event: error\ndata: it bro".to_owned(),
            "upstream_truncated",
        ),
        (
            "event: error\ndata: {\"code\":429}".to_owned(),
            "upstream_rate_limited",
        ),
        (
            "data: {\"error\":{\"code\":429}}".to_owned(),
            "upstream_rate_limited",
        ),
        ("error: {\"code\":429}".to_owned(), "upstream_rate_limited"),
        (
            "{\"error\":{\"code\":429}}".to_owned(),
            "upstream_rate_limited",
        ),
        ("data: {\"choices\":7}".to_owned(), "upstream_protocol"),
    ] {
        let stream = format!("{}{last}", delta("a"));
        assert_eq!(
            told(&stream),
            ("a".to_owned(), ending.to_owned()),
            "{last:?}"
        );
    }
}

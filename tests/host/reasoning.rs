//! What the model thinks: where servers put it, and what a client reads that asked for it.

use std::fs;

use personal_ai_assistant::api::correlation::CorrelationId;
use personal_ai_assistant::api::frame::FrameEncoder;
use personal_ai_assistant::api::request::{ChatRequest, ModelSource};
use personal_ai_assistant::openai::{Api, EventParser};
use personal_ai_assistant::stream::pieces::{MAX_REASONING_BYTES, Piece, Pieces};
use personal_ai_assistant::stream::relay::{Form, Input, Relay, SentFrame};

use crate::support::{DONE, LIMITS, STOP, delta, relayed_of, rules};

fn relay(api: Api, form: Form) -> Relay {
    let events = EventParser::new(api, ModelSource::Client).with_reasoning(true);
    Relay::new(events, form, LIMITS, 0, true)
}

fn frames() -> Form {
    let id = CorrelationId::parse("abc-123").expect("a valid id");
    Form::Frames(FrameEncoder::new(id))
}

/// What a client reads that asked for reasoning.
fn read(api: Api, stream: &str) -> String {
    let mut relay = relay(api, frames());
    relay.handle(Input::Chunk(stream.as_bytes()), 0);
    relay.handle(Input::End, 0);
    String::from_utf8(relay.output().to_vec()).expect("frames are UTF-8")
}

const TAIL: &str = "\"is_final\":false,\"correlation_id\":\"abc-123\"}\n\n";

/// Frames of these pieces, `~` before those of reasoning, and the final one.
fn told(pieces: &[&str]) -> String {
    let mut told = String::new();
    for (sequence, piece) in pieces.iter().enumerate() {
        let fields = match piece.strip_prefix('~') {
            Some(reasoning) => format!("\"content\":\"\",\"reasoning\":\"{reasoning}\""),
            None => format!("\"content\":\"{piece}\""),
        };
        told.extend([
            "data: {",
            &fields,
            ",\"sequence\":",
            &sequence.to_string(),
            ",",
            TAIL,
        ]);
    }
    let sequence = pieces.len();
    told + &format!(
        "data: {{\"content\":\"\",\"sequence\":{sequence},\"is_final\":true,\"correlation_id\":\"abc-123\",\
         \"finish_reason\":\"stop\"}}\n\n"
    )
}

/// Chat Completions with these deltas.
fn chat(deltas: &[&str]) -> String {
    let events = deltas
        .iter()
        .map(|delta| format!("data: {{\"choices\":[{{\"index\":0,\"delta\":{delta}}}]}}\n\n"));
    events.collect::<String>() + STOP + DONE
}

#[test]
fn reasoning_is_found_wherever_servers_put_it_and_told_once() {
    let table: &[(&[&str], &[&str])] = &[
        (
            &[r#"{"reasoning_content":"a"}"#, r#"{"content":"b"}"#],
            &["~a", "b"],
        ),
        (
            &[r#"{"reasoning":"a","content":null}"#, r#"{"content":"b"}"#],
            &["~a", "b"],
        ),
        (&[r#"{"reasoning":"a","content":"b"}"#], &["~a", "b"]),
        // vLLM and OpenRouter repeat it under a second name, in the same chunk.
        (&[r#"{"reasoning":"a","reasoning_content":"a"}"#], &["~a"]),
        (
            &[
                r#"{"reasoning":"a","reasoning_details":[{"type":"reasoning.text","text":"a","index":0}]}"#,
            ],
            &["~a"],
        ),
        // A gateway may change the model's server in the middle, and with it the name.
        (
            &[
                r#"{"reasoning_content":"a"}"#,
                r#"{"reasoning":"b","content":"c"}"#,
                r#"{"content":[{"type":"thinking","thinking":"d"}]}"#,
                r#"{"reasoning_details":[{"type":"reasoning.text","text":"e"}]}"#,
                r#"{"reasoning_content":"f"}"#,
            ],
            &["~a", "~b", "c", "~d", "~e", "~f"],
        ),
        (
            &[
                r#"{"reasoning":null,"reasoning_details":[{"type":"reasoning.summary","summary":"a"},{"type":"reasoning.text","text":"b"}]}"#,
                r#"{"reasoning_details":[{"type":"reasoning.encrypted","data":"x"}]}"#,
            ],
            &["~ab"],
        ),
        (
            &[
                r#"{"content":[{"type":"thinking","thinking":[{"type":"text","text":"a"}]}]}"#,
                r#"{"content":[{"type":"thinking","thinking":"b"},{"type":"text","text":"c"}]}"#,
            ],
            &["~a", "~b", "c"],
        ),
        // What has another shape is no loss for the answer.
        (
            &[
                r#"{"reasoning":{"effort":"low"},"content":"b"}"#,
                r#"{"reasoning_content":5,"reasoning":"","content":"c"}"#,
                r#"{"reasoning":[[[[[[["deep"]]]]]]],"content":"d"}"#,
            ],
            &["b", "c", "d"],
        ),
        (
            &[r#"{"reasoning_content":"\u00e9\n\"😀"}"#],
            &[r#"~\u00e9\n\"😀"#],
        ),
        // A character that is split between two deltas.
        (
            &[
                r#"{"reasoning_content":"\ud83d"}"#,
                r#"{"content":""}"#,
                r#"{"reasoning_content":"\ude00"}"#,
            ],
            &[r"~\ud83d\ude00"],
        ),
        // One whose second half does not come before the text, or before the end.
        (
            &[r#"{"reasoning":"a\ud83d","content":"b"}"#],
            &["~a", r"~\ufffd", "b"],
        ),
        (
            &[
                r#"{"reasoning_content":"\ud83d"}"#,
                r#"{"content":"b"}"#,
                r#"{"reasoning_content":"\ude00"}"#,
            ],
            &[r"~\ufffd", "b", r"~\ufffd"],
        ),
        (
            &[
                r#"{"reasoning_content":"\ud83d"}"#,
                r#"{"content":"\ud83d"}"#,
            ],
            &[r"~\ufffd", r"\ufffd"],
        ),
        (
            &[r#"{"content":"b"}"#, r#"{"reasoning_content":"\ud83d"}"#],
            &["b", r"~\ufffd"],
        ),
    ];
    for (deltas, pieces) in table {
        assert_eq!(
            read(Api::ChatCompletions, &chat(deltas)),
            told(pieces),
            "{deltas:?}"
        );
    }
}

#[test]
fn reasoning_of_two_events_is_told_twice_even_if_they_are_alike() {
    let event = r#"{"content":"b","reasoning":"a"}"#;
    let stream = chat(&[event, event, r#"{"content":"c","reasoning":"a"}"#]);
    assert_eq!(
        read(Api::ChatCompletions, &stream),
        told(&["~a", "b", "~a", "b", "~a", "c"])
    );
}

#[test]
fn a_message_that_repeats_the_whole_answer_repeats_no_reasoning() {
    let streamed = chat(&[r#"{"reasoning_content":"a"}"#, r#"{"content":"b"}"#]);
    let message =
        "data: {\"choices\":[{\"message\":{\"reasoning_content\":\"a\",\"content\":\"b\"}}]}\n\n";
    let only_thought = "data: {\"choices\":[{\"message\":{\"reasoning_content\":\"a\"}}]}\n\n";
    for repeated in [message, only_thought] {
        let stream = streamed.replace(STOP, &format!("{repeated}{STOP}"));
        assert_eq!(read(Api::ChatCompletions, &stream), told(&["~a", "b"]));
    }
    assert_eq!(
        read(Api::ChatCompletions, &format!("{message}{STOP}")),
        told(&["~a", "b"])
    );
}

/// An event of Responses.
fn event(kind: &str, fields: &str) -> String {
    format!("event: {kind}\ndata: {{\"type\":\"{kind}\",{fields}}}\n\n")
}

#[test]
fn responses_tells_summaries_by_paragraph_or_the_reasoning_itself() {
    let summary = |index: u8, text: &str| {
        let indices = format!("\"output_index\":0,\"summary_index\":{index}");
        let added = event("response.reasoning_summary_part.added", &indices);
        let fields = format!("{indices},\"delta\":\"{text}\"");
        added + &event("response.reasoning_summary_text.delta", &fields)
    };
    let text = event(
        "response.output_text.delta",
        "\"output_index\":1,\"content_index\":0,\"delta\":\"b\"",
    );
    let item = r#"{"type":"reasoning","summary":[{"type":"summary_text","text":"a"},{"type":"summary_text","text":"c"}]}"#;
    let done = event(
        "response.output_item.done",
        &format!("\"output_index\":0,\"item\":{item}"),
    );
    let message = r#"{"type":"message","content":[{"type":"output_text","text":"b"}]}"#;
    let completed = event(
        "response.completed",
        &format!("\"response\":{{\"status\":\"completed\",\"output\":[{item},{message}]}}"),
    );
    let raw = event("response.reasoning_text.delta", "\"delta\":\"a\"");
    let table: [(String, &[&str]); 5] = [
        (
            summary(0, "a") + &summary(1, "c") + &done + &text + &completed,
            &["~a", r"~\n\n", "~c", "b"],
        ),
        (raw.clone() + &text + &completed, &["~a", "b"]),
        // The same text as a summary of itself.
        (raw + &summary(0, "a") + &text + &completed, &["~a", "b"]),
        // A server without deltas.
        (done + &text + &completed, &[r"~a\n\nc", "b"]),
        (completed, &[r"~a\n\nc", "b"]),
    ];
    for (stream, pieces) in table {
        assert_eq!(read(Api::Responses, &stream), told(pieces), "{stream}");
    }
}

/// An item of Responses in which the model thinks.
fn item(fields: &str) -> String {
    format!(r#"{{"type":"reasoning",{fields}}}"#)
}

/// The event that an item begins or is over.
fn item_event(kind: &str, item: &str) -> String {
    event(kind, &format!("\"output_index\":0,\"item\":{item}"))
}

#[test]
fn each_reasoning_item_is_told_and_begins_a_paragraph() {
    let added = item_event("response.output_item.added", &item(r#""summary":[]"#));
    let done = |text: &str| {
        let summary = format!(r#""summary":[{{"type":"summary_text","text":"{text}"}}]"#);
        item_event("response.output_item.done", &item(&summary))
    };
    let delta = |name: &str, text: &str| {
        let kind = format!("response.reasoning_{name}.delta");
        event(&kind, &format!("\"delta\":\"{text}\""))
    };
    let (summary, raw) = (
        |text| delta("summary_text", text),
        |text| delta("text", text),
    );
    let text = event("response.output_text.delta", "\"delta\":\"x\"");
    let completed = event(
        "response.completed",
        r#""response":{"status":"completed","output":[{"type":"reasoning","content":[{"type":"reasoning_text","text":"y"}]}]}"#,
    );
    let table: [(&[&str], &[&str]); 8] = [
        (
            &[
                &added,
                &raw("a"),
                &raw("b"),
                &done("ab"),
                &added,
                &raw("c"),
                &raw("d"),
                &done("cd"),
            ],
            &["~a", "~b", r"~\n\nc", "~d"],
        ),
        // Each item has the kind of text that it begins with.
        (
            &[
                &added,
                &raw("a"),
                &summary("a"),
                &added,
                &summary("b"),
                &raw("b"),
                &text,
            ],
            &["~a", r"~\n\nb", "x"],
        ),
        // Items without a text, as a server sends that shows none.
        (
            &[&added, &done(""), &added, &raw("a"), &added, &added, &text],
            &["~a", "x"],
        ),
        // A server without deltas, or without some of them.
        (
            &[&added, &done("a"), &added, &done("b"), &text],
            &["~a", r"~\n\nb", "x"],
        ),
        (&[&done("a"), &text, &done("b")], &["~a", "x", r"~\n\nb"]),
        (&[&added, &raw("a"), &added, &done("b")], &["~a", r"~\n\nb"]),
        (&[&text, &completed], &["x", "~y"]),
        // Half a character does not wait for the next item.
        (
            &[&added, &raw(r"\ud83d"), &added, &raw(r"\ude00")],
            &[r"~\ufffd\n\n\ufffd"],
        ),
    ];
    for (events, pieces) in table {
        let stream = events.concat() + &completed;
        assert_eq!(read(Api::Responses, &stream), told(pieces), "{stream}");
    }
}

#[test]
fn a_whole_response_tells_all_of_its_reasoning_by_paragraphs() {
    let body = r#"{"status":"completed","output":[
        {"type":"reasoning","summary":[{"type":"summary_text","text":"a"},{"type":"summary_text","text":""},{"type":"summary_text","text":"b"}]},
        {"type":"reasoning","summary":[]},
        {"type":"message","content":[{"type":"output_text","text":"x"}]},
        {"type":"reasoning","content":[{"type":"reasoning_text","text":"c"}]}]}"#;
    let whole = Api::Responses.parse_whole(body.as_bytes(), ModelSource::Client, true);
    let mut relay = relay(Api::Responses, frames());
    relay.answer_whole(&whole, 0);
    let pieces = [r"~a\n\nb\n\nc", "x"];
    assert_eq!(String::from_utf8_lossy(relay.output()), told(&pieces));
}

#[test]
fn a_whole_answer_has_its_reasoning_before_its_text() {
    let chat = r#"{"choices":[{"message":{"reasoning_content":"a","content":"b"},"finish_reason":"stop"}]}"#;
    let response = r#"{"status":"completed","output":[{"type":"reasoning","summary":[],"content":[{"type":"reasoning_text","text":"a"}]},{"type":"message","content":[{"type":"output_text","text":"b"}]}]}"#;
    for (api, body) in [(Api::ChatCompletions, chat), (Api::Responses, response)] {
        for (has_reasoning, pieces) in [(true, &["~a", "b"][..]), (false, &["b"])] {
            let whole = api.parse_whole(body.as_bytes(), ModelSource::Client, has_reasoning);
            let mut relay = relay(api, frames());
            relay.answer_whole(&whole, 0);
            assert_eq!(String::from_utf8_lossy(relay.output()), told(pieces));
        }
    }
}

#[test]
fn without_the_wish_no_reasoning_is_told_in_any_recorded_stream() {
    for (api, folder) in [
        (Api::ChatCompletions, "chat_completions"),
        (Api::Responses, "responses"),
    ] {
        let folder = format!("{}/tests/fixtures/{folder}", env!("CARGO_MANIFEST_DIR"));
        for file in fs::read_dir(folder).expect("a folder") {
            let path = file.expect("a file").path();
            if path.extension().is_some_and(|kind| kind == "upstream") {
                let stream = fs::read(&path).expect("a stream");
                let (client, _) = relayed_of(api, [stream.as_slice()]);
                assert!(!client.contains("\"reasoning\":"), "{path:?}");
            }
        }
    }
}

#[test]
fn reasoning_counts_as_frames_and_as_a_sign_of_life_but_not_as_text() {
    let mut relay = relay(Api::ChatCompletions, frames());
    let thought = "data: {\"choices\":[{\"delta\":{\"reasoning\":\"a\"}}]}\n\n";
    relay.handle(Input::Chunk(thought.as_bytes()), 10_000);
    relay.output_written(10_000);
    assert_eq!(relay.deadline_ms(), 25_000, "the next keep-alive");
    assert_eq!(relay.first_text_ms(), None);
    relay.handle(Input::Chunk(delta("bcd").as_bytes()), 11_000);
    assert_eq!(relay.first_text_ms(), Some(11_000));
    assert_eq!(relay.text_frame_count(), 1);
    let sent = [(0, 0), (1, 3)].map(|(sequence, content_length)| SentFrame {
        sequence,
        content_length,
    });
    assert_eq!(relay.take_sent(), sent);
}

#[test]
fn the_pieces_that_are_kept_have_a_bound_for_reasoning_and_the_answer_goes_on() {
    let mut relay = relay(Api::ChatCompletions, Form::Pieces);
    let thought = "x".repeat(1_000);
    let thought =
        format!("data: {{\"choices\":[{{\"delta\":{{\"reasoning\":\"{thought}\"}}}}]}}\n\n");
    for _ in 0..1_000 {
        relay.handle(Input::Chunk(thought.as_bytes()), 0);
    }
    let small = "data: {\"choices\":[{\"delta\":{\"reasoning\":\"y\"}}]}\n\n";
    relay.handle(Input::Chunk(small.as_bytes()), 0);
    relay.handle(Input::Chunk(delta("b").as_bytes()), 0);
    let pieces = Pieces::from_bytes(relay.output().to_vec());
    assert_eq!(pieces.text(), "b");
    assert_eq!(pieces.text_count(), 1);
    let reasoning = pieces.reasoning();
    assert!(!reasoning.contains('y'), "nothing follows a gap");
    assert_eq!(reasoning.len(), 520_000);
    assert!(pieces.as_bytes().len() <= MAX_REASONING_BYTES + 8);
    assert_eq!(pieces.count(), 521);
    assert_eq!(pieces.iter().last(), Some(Piece::Text("\"b\"")));
}

fn refused(field: &str) -> String {
    let body = format!(r#"{{"message":"hi",{field}}}"#);
    let invalid = ChatRequest::parse(body.as_bytes(), &rules(&[])).expect_err(field);
    format!("{}: {}", invalid.field, invalid.rule)
}

#[test]
fn a_wrong_effort_or_wish_is_refused_in_pydantic_s_words() {
    for effort in [
        "\"extreme\"",
        "\"LOW\"",
        "\"\"",
        "1",
        "[]",
        "true",
        "\"\\ud800\"",
    ] {
        assert_eq!(
            refused(&format!("\"reasoning_effort\":{effort}")),
            "body.reasoning_effort: Input should be 'none', 'minimal', 'low', 'medium', 'high', 'xhigh' or 'max'"
        );
    }
    for wish in ["\"true\"", "1", "{}"] {
        assert_eq!(
            refused(&format!("\"include_reasoning\":{wish}")),
            "body.include_reasoning: Input should be a valid boolean"
        );
    }
}

#[test]
fn a_kept_request_is_another_one_with_another_effort_or_wish_and_the_same_as_ever_without() {
    let fingerprint = |fields: &str| {
        let body = format!(r#"{{"message":"hi","conversation_id":"c"{fields}}}"#);
        let request = ChatRequest::parse(body.as_bytes(), &rules(&[("REASONING_EFFORT", "low")]));
        request
            .expect("a request")
            .kept
            .expect("a place")
            .fingerprint
    };
    let plain = fingerprint("");
    assert_eq!(
        plain, "0af8c1322f378f63e0c65621a05c0162d51bfd39c595856d72c034f909b3a386",
        "answers are stored under it"
    );
    assert_eq!(fingerprint(r#","include_reasoning":false"#), plain);
    assert_eq!(fingerprint(r#","reasoning_effort":null"#), plain);
    let others = [
        r#","include_reasoning":true"#,
        r#","reasoning_effort":"low""#,
        r#","reasoning_effort":"high""#,
        r#","reasoning_effort":"high","include_reasoning":true"#,
    ]
    .map(fingerprint);
    for (at, other) in others.iter().enumerate() {
        assert_ne!(*other, plain);
        assert!(!others[..at].contains(other));
    }
}

#[test]
fn parts_of_the_counts_are_told_where_upstream_tells_them_and_never_cost_the_counts() {
    let table = [
        (
            r#""completion_tokens_details":{"reasoning_tokens":1},"prompt_tokens_details":{"cached_tokens":0}"#,
            r#","reasoning_tokens":1,"cached_tokens":0"#,
        ),
        (
            r#""output_tokens_details":{"reasoning_tokens":1},"input_tokens_details":{"cached_tokens":5}"#,
            r#","reasoning_tokens":1,"cached_tokens":5"#,
        ),
        // DeepSeek, then Moonshot and Perplexity.
        (
            r#""prompt_cache_hit_tokens":4,"prompt_cache_miss_tokens":3"#,
            r#","cached_tokens":4"#,
        ),
        (
            r#""cached_tokens":4,"reasoning_tokens":2"#,
            r#","reasoning_tokens":2,"cached_tokens":4"#,
        ),
        (
            r#""completion_tokens_details":null,"prompt_tokens_details":{"audio_tokens":1}"#,
            "",
        ),
        (
            r#""completion_tokens_details":{"reasoning_tokens":"1"},"prompt_tokens_details":{"cached_tokens":-1}"#,
            "",
        ),
    ];
    for (details, told) in table {
        let usage = format!(r#"{{"prompt_tokens":7,"completion_tokens":2,{details}}}"#);
        let stream = format!("{STOP}data: {{\"choices\":[],\"usage\":{usage}}}\n\n{DONE}");
        let (client, _) = relayed_of(Api::ChatCompletions, [stream.as_bytes()]);
        let counts = r#""usage":{"input_tokens":7,"output_tokens":2,"total_tokens":9"#;
        assert!(
            client.ends_with(&format!("{counts}{told}}}}}\n\n")),
            "{details}: {client}"
        );
    }
}

/// Bytes of text and of reasoning that were seen of a stream, shown or not.
fn seen_bytes(api: Api, stream: &str, shows_reasoning: bool) -> (usize, usize) {
    let events = EventParser::new(api, ModelSource::Client).with_reasoning(shows_reasoning);
    let mut relay = Relay::new(events, frames(), LIMITS, 0, false);
    relay.handle(Input::Chunk(stream.as_bytes()), 0);
    relay.handle(Input::End, 0);
    let seen = relay.seen();
    (seen.text_bytes, seen.reasoning_bytes)
}

#[test]
fn encrypted_reasoning_shows_work_and_an_empty_list_of_it_does_not() {
    for (details, is_at_work) in [
        ("[]", false),
        ("null", false),
        (r#"[{"type":"reasoning.encrypted","data":"x"}]"#, true),
    ] {
        let mut relay = relay(Api::ChatCompletions, frames());
        let delta = format!(r#"{{"role":"assistant","reasoning_details":{details}}}"#);
        let events = chat(&[&delta]);
        let (begin, _) = events.split_once("\n\n").expect("an event");
        relay.handle(Input::Chunk(format!("{begin}\n\n").as_bytes()), 0);
        assert_eq!(relay.is_at_work(), is_at_work, "{details}");
    }
}

#[test]
fn the_tokens_that_a_failed_response_tells_are_kept() {
    for kind in ["response.failed", "response.cancelled"] {
        let usage = r#""usage":{"input_tokens":100,"output_tokens":300}"#;
        let error = r#""status":"failed","error":{"code":"server_error"}"#;
        let failed = event(kind, &format!("\"response\":{{{error},{usage}}}"));
        let mut relay = relay(Api::Responses, frames());
        relay.handle(Input::Chunk(failed.as_bytes()), 0);
        let told = relay.usage().expect("a usage");
        assert_eq!((told.input_tokens, told.output_tokens), (100, 300));
    }
}

#[test]
fn reasoning_that_is_not_shown_is_counted_once_and_without_end() {
    let thought = |text: &str| format!(r#"{{"reasoning_content":"{text}","reasoning":"{text}"}}"#);
    let both = thought("Grüß");
    let half = r#"{"reasoning":"\ud83d"}"#;
    let rest = r#"{"reasoning":"\ude00"}"#;
    let long = thought(&"a".repeat(MAX_REASONING_BYTES / 2));
    let repeated = r#"data: {"choices":[{"index":0,"message":{"reasoning":"ab"}}]}"#;
    let table = [
        (chat(&[&both, &both, r#"{"content":"Hi"}"#]), (2, 12)),
        (chat(&[half, rest]), (0, 4)),
        (
            chat(&[r#"{"reasoning":"ab"}"#, r#"{"reasoning_content":"c"}"#]),
            (0, 3),
        ),
        (
            chat(&[&long, &long, &long]),
            (0, MAX_REASONING_BYTES / 2 * 3),
        ),
        (chat(&[r#"{"reasoning":"ab"}"#]) + repeated + "\n\n", (0, 2)),
    ];
    for (stream, expected) in table {
        for shows_reasoning in [true, false] {
            let seen = seen_bytes(Api::ChatCompletions, &stream, shows_reasoning);
            assert_eq!(seen, expected, "{}", stream.get(..200).unwrap_or(&stream));
        }
    }
    let responses = concat!(
        r#"data: {"type":"response.reasoning_summary_text.delta","delta":"abc"}"#,
        "\n\n",
        r#"data: {"type":"response.output_item.done","item":{"type":"reasoning","summary":[{"type":"summary_text","text":"abc"}]}}"#,
        "\n\n",
        r#"data: {"type":"response.output_text.delta","delta":"Hi"}"#,
        "\n\n",
    );
    for shows_reasoning in [true, false] {
        assert_eq!(
            seen_bytes(Api::Responses, responses, shows_reasoning),
            (2, 3)
        );
    }
}

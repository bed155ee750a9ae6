use personal_ai_assistant::api::error::{ApiError, ErrorCode};
use personal_ai_assistant::api::request::{
    ChatRequest, ModelSource, Role, require_uncompressed_json,
};

use crate::support::rules;

/// The detail that a client reads.
fn refused(body: &[u8]) -> String {
    let rules = rules(&[("ALLOWED_MODELS", "small,large"), ("OPENAI_MODEL", "small")]);
    let invalid = ChatRequest::parse(body, &rules).expect_err(&String::from_utf8_lossy(body));
    ApiError::from(&invalid).detail.into_owned()
}

fn accepted(body: &str) -> ChatRequest {
    let parsed = ChatRequest::parse(body.as_bytes(), &rules(&[]));
    parsed.unwrap_or_else(|invalid| panic!("{body} was refused: {invalid:?}"))
}

#[test]
fn a_message_alone_gets_the_defaults() {
    let request = accepted(r#"{"message":"hello"}"#);
    assert_eq!(request.message, "hello");
    assert_eq!(request.model, "gpt-4");
    assert_eq!(request.model_source, ModelSource::Default);
    assert_eq!(request.max_tokens, 2000);
    assert!(request.history.is_empty());
}

#[test]
fn null_means_absent_for_what_is_optional() {
    let request = accepted(r#"{"message":"hello","model":null,"max_tokens":null,"history":null}"#);
    assert_eq!(request, accepted(r#"{"message":"hello"}"#));
}

#[test]
fn a_message_is_trimmed_and_its_length_is_what_was_sent() {
    let request = accepted("{\"message\":\" \\n h\u{e9}\u{1f389} \"}");
    assert_eq!(request.message, "h\u{e9}\u{1f389}");
    assert_eq!(request.message_length, 7);
}

#[test]
fn every_field_is_taken_over() {
    let body = r#"{"message":"and?","model":"org/model-1.5:free","max_tokens":17,
        "history":[{"role":"user","content":"hi"},{"role":"assistant","content":"","x":1}],"other":[{}]}"#;
    let request = accepted(body);
    assert_eq!(request.model, "org/model-1.5:free");
    assert_eq!(request.model_source, ModelSource::Client);
    assert_eq!(request.max_tokens, 17);
    let turns: Vec<_> = request
        .history
        .iter()
        .map(|turn| (turn.role, turn.content.as_str()))
        .collect();
    assert_eq!(turns, [(Role::User, "hi"), (Role::Assistant, "")]);
}

#[test]
fn limits_are_inclusive_and_counted_in_scalar_values() {
    let message = "\u{1f389}".repeat(8000);
    assert_eq!(
        accepted(&format!(r#"{{"message":"{message}"}}"#)).message_length,
        8000
    );
    assert_eq!(
        accepted(r#"{"message":"x","max_tokens":4000}"#).max_tokens,
        4000
    );
    assert_eq!(
        accepted(r#"{"message":"x","max_tokens":1.0}"#).max_tokens,
        1
    );
    let model = "m".repeat(128);
    assert_eq!(
        accepted(&format!(r#"{{"message":"x","model":"{model}"}}"#)).model,
        model
    );
    let half = "\u{e9}".repeat(500);
    let turns = vec![format!(r#"{{"role":"user","content":"{half}"}}"#); 64].join(",");
    assert_eq!(
        accepted(&format!(r#"{{"message":"x","history":[{turns}]}}"#))
            .history
            .len(),
        64
    );
}

#[test]
fn of_a_key_that_occurs_twice_the_last_one_counts() {
    assert_eq!(
        accepted(r#"{"message":1,"message":"second"}"#).message,
        "second"
    );
}

#[test]
fn the_default_model_is_always_allowed() {
    let rules = rules(&[("ALLOWED_MODELS", "a, b"), ("OPENAI_MODEL", "c")]);
    for model in ["a", "b", "c"] {
        let body = format!(r#"{{"message":"x","model":"{model}"}}"#);
        assert!(
            ChatRequest::parse(body.as_bytes(), &rules).is_ok(),
            "{model}"
        );
    }
}

#[test]
fn the_first_broken_rule_is_reported_in_the_contract_s_words() {
    let message_8001 = format!(r#"{{"message":"{}"}}"#, "a".repeat(8001));
    let model_129 = format!(r#"{{"message":"x","model":"{}"}}"#, "m".repeat(129));
    let turns = |count: usize, content: &str| {
        let turn = format!(r#"{{"role":"user","content":"{content}"}}"#);
        format!(
            r#"{{"message":"x","history":[{}]}}"#,
            vec![turn; count].join(",")
        )
    };
    let (turns_65, history_32064) = (turns(65, ""), turns(64, &"a".repeat(501)));
    let nested = "[".repeat(10_000);
    let table: [(&str, &str); 38] = [
        (
            "",
            "Field 'body': JSON decode error: EOF while parsing a value at line 1 column 0",
        ),
        (
            "x",
            "Field 'body': JSON decode error: expected value at line 1 column 1",
        ),
        (
            "{",
            "Field 'body': JSON decode error: EOF while parsing an object at line 1 column 1",
        ),
        (
            "{\"message\":\"x\"} x",
            "Field 'body': JSON decode error: trailing characters at line 1 column 17",
        ),
        (
            "{\"message\":\"\n\"}",
            "Field 'body': JSON decode error: control character (\\u0000-\\u001F) found while parsing a string at line 1 column 12",
        ),
        (
            r#"{"message":"\ud800"}"#,
            "Field 'body.message': Input should be a valid string, unable to parse raw data as a unicode string",
        ),
        (
            &nested,
            "Field 'body': JSON decode error: EOF while parsing a list at line 1 column 10000",
        ),
        ("null", "Field 'body': Input should be a valid object"),
        ("[]", "Field 'body': Input should be a valid object"),
        (
            "\"message\"",
            "Field 'body': Input should be a valid object",
        ),
        ("{}", "Field 'body.message': Field required"),
        (r#"{"Message":"x"}"#, "Field 'body.message': Field required"),
        (
            r#"{"message":null}"#,
            "Field 'body.message': Input should be a valid string",
        ),
        (
            r#"{"message":7}"#,
            "Field 'body.message': Input should be a valid string",
        ),
        (
            r#"{"message":["x"]}"#,
            "Field 'body.message': Input should be a valid string",
        ),
        (
            r#"{"message":""}"#,
            "Field 'body.message': String should have at least 1 character",
        ),
        (
            r#"{"message":" \n\t\u00a0"}"#,
            "Field 'body.message': Value error, message must not be blank",
        ),
        (
            &message_8001,
            "Field 'body.message': String should have at most 8000 characters",
        ),
        (
            r#"{"message":"","model":7}"#,
            "Field 'body.message': String should have at least 1 character",
        ),
        (
            r#"{"message":"x","model":7,"max_tokens":0}"#,
            "Field 'body.model': Input should be a valid string",
        ),
        (
            r#"{"message":"x","model":""}"#,
            "Field 'body.model': String should have at least 1 character",
        ),
        (
            &model_129,
            "Field 'body.model': String should have at most 128 characters",
        ),
        (
            r#"{"message":"x","model":"a b"}"#,
            "Field 'body.model': String should match pattern '^[A-Za-z0-9._:/-]+$'",
        ),
        (
            r#"{"message":"x","model":"a\r\nb"}"#,
            "Field 'body.model': String should match pattern '^[A-Za-z0-9._:/-]+$'",
        ),
        (
            r#"{"message":"x","model":"huge"}"#,
            "Field 'body.model': Value error, model 'huge' is not allowed; allowed models: small, large",
        ),
        (
            r#"{"message":"x","max_tokens":"7"}"#,
            "Field 'body.max_tokens': Input should be a valid integer",
        ),
        (
            r#"{"message":"x","max_tokens":true}"#,
            "Field 'body.max_tokens': Input should be a valid integer",
        ),
        (
            r#"{"message":"x","max_tokens":1.5}"#,
            "Field 'body.max_tokens': Input should be a valid integer, got a number with a fractional part",
        ),
        (
            r#"{"message":"x","max_tokens":0}"#,
            "Field 'body.max_tokens': Input should be greater than or equal to 1",
        ),
        (
            r#"{"message":"x","max_tokens":-99999999999999999999}"#,
            "Field 'body.max_tokens': Input should be greater than or equal to 1",
        ),
        (
            r#"{"message":"x","max_tokens":4001}"#,
            "Field 'body.max_tokens': Input should be less than or equal to 4000",
        ),
        (
            r#"{"message":"x","max_tokens":0,"history":7}"#,
            "Field 'body.max_tokens': Input should be greater than or equal to 1",
        ),
        (
            r#"{"message":"x","history":{}}"#,
            "Field 'body.history': Input should be a valid list",
        ),
        (
            r#"{"message":"x","history":["x"]}"#,
            "Field 'body.history[0]': Input should be a valid object",
        ),
        (
            r#"{"message":"x","history":[{"content":"x"}]}"#,
            "Field 'body.history[0].role': Field required",
        ),
        (
            r#"{"message":"x","history":[{"role":"user","content":"x"},{"role":"user"}]}"#,
            "Field 'body.history[1].content': Field required",
        ),
        (
            &turns_65,
            "Field 'body.history': List should have at most 64 items after validation, not 65",
        ),
        (
            &history_32064,
            "Field 'body.history': Value error, contents should have at most 32000 characters in all",
        ),
    ];
    for (body, detail) in table {
        assert_eq!(refused(body.as_bytes()), detail, "for {body:.80}");
    }
    for role in ["\"system\"", "\"User\"", "7", "null"] {
        let turn = r#"{"role":"user","content":"x"}"#;
        let body = format!(
            r#"{{"message":"x","history":[{turn},{turn},{{"role":{role},"content":"x"}}]}}"#
        );
        let detail = "Field 'body.history[2].role': Input should be 'user' or 'assistant'";
        assert_eq!(refused(body.as_bytes()), detail, "for role {role}");
    }
}

#[test]
fn invalid_utf8_is_a_json_error() {
    let detail = refused(b"{\"message\":\"\xff\"}");
    assert_eq!(
        detail,
        "Field 'body': JSON decode error: invalid unicode code point at line 1 column 13"
    );
}

#[test]
fn a_byte_order_mark_is_passed_over() {
    let rules = rules(&[]);
    let parsed = ChatRequest::parse(b"\xEF\xBB\xBF{\"message\":\"\xEF\xBB\xBFhi\"}", &rules);
    // Only before the JSON: within a text it is a character like others.
    assert_eq!(
        parsed.map(|request| request.message).as_deref(),
        Ok("\u{feff}hi")
    );
    let eof = "Field 'body': JSON decode error: EOF while parsing a value at line 1 column 0";
    let other = "Field 'body': JSON decode error: expected value at line 1 column 1";
    for (body, detail) in [
        (&b"\xEF\xBB\xBF"[..], eof),
        (b"\xEF\xBB\xBFx", other),
        (b"\xEF\xBB{}", other),
        (b"\xEF\xBB\xBF\xEF\xBB\xBF{}", other),
        (
            b" \xEF\xBB\xBF{}",
            "Field 'body': JSON decode error: expected value at line 1 column 2",
        ),
    ] {
        assert_eq!(refused(body), detail, "{body:?}");
    }
}

#[test]
fn json_in_another_encoding_is_told_as_such() {
    let json = r#"{"message":"hi"}"#;
    let utf16 = |bytes: fn(u16) -> [u8; 2]| json.encode_utf16().flat_map(bytes).collect::<Vec<_>>();
    let utf32 = |bytes: fn(u32) -> [u8; 4]| {
        json.chars()
            .map(u32::from)
            .flat_map(bytes)
            .collect::<Vec<_>>()
    };
    let bodies = [
        utf16(u16::to_le_bytes),
        utf16(u16::to_be_bytes),
        utf32(u32::to_le_bytes),
        utf32(u32::to_be_bytes),
    ];
    let marks: [&[u8]; 4] = [b"\xFF\xFE", b"\xFE\xFF", b"\xFF\xFE\0\0", b"\0\0\xFE\xFF"];
    let detail = "Field 'body': JSON decode error: expected UTF-8, found UTF-16 or UTF-32";
    for (body, mark) in bodies.iter().zip(marks) {
        assert_eq!(refused(body), detail);
        assert_eq!(refused(&[mark, body].concat()), detail);
    }
}

#[test]
fn a_body_is_read_when_it_is_plain_json() {
    let json = Some("application/json");
    for (content_type, content_encoding) in [
        (json, None),
        (Some("application/json; charset=utf-8"), Some("identity")),
        (Some("Application/JSON;charset=\"UTF-8\""), Some("")),
        (Some(" application/json ;a=b"), Some(" Identity , identity")),
    ] {
        assert_eq!(
            require_uncompressed_json(content_type, content_encoding),
            Ok(()),
            "{content_type:?}"
        );
    }
    let plain = ErrorCode::UnsupportedMediaType;
    for content_type in [
        None,
        Some(""),
        Some("text/plain"),
        Some("application/jsonp"),
        Some("x, application/json"),
    ] {
        assert_eq!(
            require_uncompressed_json(content_type, None),
            Err(plain.into()),
            "{content_type:?}"
        );
        assert_eq!(
            require_uncompressed_json(content_type, Some("gzip")),
            Err(plain.into()),
            "the type comes first"
        );
    }
    for coding in [
        "gzip",
        "GZIP",
        "br",
        "zstd",
        "deflate",
        "x-gzip",
        "compress",
        "identity, gzip",
        "gzip, identity",
        "x",
    ] {
        let error = require_uncompressed_json(json, Some(coding)).expect_err(coding);
        assert_eq!((error.code, error.status), (plain, 415));
        assert_eq!(
            error.detail,
            "This service does not accept compressed bodies. Send the body uncompressed, without the header 'Content-Encoding'."
        );
    }
}

#[test]
fn a_report_never_repeats_the_input_and_the_log_s_not_even_a_model_name() {
    let canary = "CANARY";
    let bodies = [
        "CANARY",
        r#"{"CANARY":1"#,
        r#"{"message":{"CANARY":"CANARY"}}"#,
        r#"{"message":"x","model":"CANARY CANARY"}"#,
        r#"{"message":"x","max_tokens":"CANARY"}"#,
        r#"{"message":"x","history":[{"role":"CANARY","content":"CANARY"}]}"#,
        r#"{"message":"x","history":[{"role":"user","content":["CANARY"]}]}"#,
    ];
    for body in bodies {
        assert!(!refused(body.as_bytes()).contains(canary), "{body}");
    }
    let rules = rules(&[("ALLOWED_MODELS", "small")]);
    let invalid = ChatRequest::parse(br#"{"message":"x","model":"CANARY"}"#, &rules)
        .expect_err("not allowed");
    assert!(invalid.rule.contains(canary));
    assert!(!invalid.logged_rule().contains(canary));
}

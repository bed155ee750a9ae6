//! The words of pydantic 2.14 (`pydantic_core` 2.50), which was asked for each of these values, as a service
//! with `FastAPI` asks it: the JSON decoded, the model `max_tokens: int | None = Field(None, ge=1, le=4000)` and so on.

use personal_ai_assistant::api::request::ChatRequest;

use crate::support::rules;

/// What becomes of a body: the number of tokens, or the field and the rule that is told.
fn outcome(body: &str) -> Result<u32, (String, String)> {
    let parsed = ChatRequest::parse(body.as_bytes(), &rules(&[]));
    parsed
        .map(|request| request.max_tokens)
        .map_err(|invalid| (invalid.field, invalid.rule.into_owned()))
}

/// A number is asked of pydantic in its lax mode: one that is whole is an integer, as in JSON Schema. All else
/// is asked in its strict mode: the contract wants an integer, and a text or a boolean is none.
#[rustfmt::skip]
const INTEGERS: [(&str, Result<u32, &str>); 46] = [
    ("1.5", Err("Input should be a valid integer, got a number with a fractional part")),
    ("-1.5", Err("Input should be a valid integer, got a number with a fractional part")),
    ("0.5", Err("Input should be a valid integer, got a number with a fractional part")),
    ("4000.5", Err("Input should be a valid integer, got a number with a fractional part")),
    ("1e-1", Err("Input should be a valid integer, got a number with a fractional part")),
    ("1.0", Ok(1)),
    ("4000.0", Ok(4000)),
    ("1e2", Ok(100)),
    ("1E+2", Ok(100)),
    ("4e3", Ok(4000)),
    ("4000.0000000000000001", Ok(4000)),
    ("4001.0", Err("Input should be less than or equal to 4000")),
    ("5e3", Err("Input should be less than or equal to 4000")),
    ("0.0", Err("Input should be greater than or equal to 1")),
    ("-0.0", Err("Input should be greater than or equal to 1")),
    ("-0", Err("Input should be greater than or equal to 1")),
    ("0", Err("Input should be greater than or equal to 1")),
    ("1e-400", Err("Input should be greater than or equal to 1")),
    ("-1", Err("Input should be greater than or equal to 1")),
    ("-1.0", Err("Input should be greater than or equal to 1")),
    ("4001", Err("Input should be less than or equal to 4000")),
    ("-99999999999999999999", Err("Input should be greater than or equal to 1")),
    ("99999999999999999999", Err("Input should be less than or equal to 4000")),
    ("1e18", Err("Input should be less than or equal to 4000")),
    ("-1e18", Err("Input should be greater than or equal to 1")),
    ("9223372036854774784.0", Err("Input should be less than or equal to 4000")),
    ("9223372036854775808.0", Err("Unable to parse input string as an integer, exceeded maximum size")),
    ("1e19", Err("Unable to parse input string as an integer, exceeded maximum size")),
    ("-1e19", Err("Unable to parse input string as an integer, exceeded maximum size")),
    ("1e300", Err("Unable to parse input string as an integer, exceeded maximum size")),
    ("-1e300", Err("Unable to parse input string as an integer, exceeded maximum size")),
    ("1.5e300", Err("Unable to parse input string as an integer, exceeded maximum size")),
    ("1e400", Err("Input should be a finite number")),
    ("-1e400", Err("Input should be a finite number")),
    ("1.5e400", Err("Input should be a finite number")),
    (r#""7""#, Err("Input should be a valid integer")),
    (r#""x""#, Err("Input should be a valid integer")),
    (r#""""#, Err("Input should be a valid integer")),
    (r#""1.5""#, Err("Input should be a valid integer")),
    (r#"" 7 ""#, Err("Input should be a valid integer")),
    ("true", Err("Input should be a valid integer")),
    ("false", Err("Input should be a valid integer")),
    ("[1]", Err("Input should be a valid integer")),
    ("[]", Err("Input should be a valid integer")),
    ("{}", Err("Input should be a valid integer")),
    (r#"{"a":1}"#, Err("Input should be a valid integer")),
];

#[test]
fn max_tokens_is_what_pydantic_takes_for_an_integer() {
    for (value, expected) in INTEGERS {
        let body = format!(r#"{{"message":"x","max_tokens":{value}}}"#);
        let expected = expected.map_err(|rule| ("body.max_tokens".to_owned(), rule.to_owned()));
        assert_eq!(outcome(&body), expected, "max_tokens: {value}");
    }
}

#[test]
fn an_integer_may_have_more_digits_than_a_float_can_count() {
    let nines = "9".repeat(400);
    for (value, rule) in [
        (nines.clone(), "Input should be less than or equal to 4000"),
        (
            format!("-{nines}"),
            "Input should be greater than or equal to 1",
        ),
        (format!("{nines}.0"), "Input should be a finite number"),
        (format!("{nines}.5"), "Input should be a finite number"),
        (format!("-{nines}e0"), "Input should be a finite number"),
    ] {
        let body = format!(r#"{{"message":"x","max_tokens":{value}}}"#);
        let told = outcome(&body).expect_err("no such number of tokens");
        assert_eq!(told.1, rule, "max_tokens: {value:.10}…");
    }
}

#[test]
fn texts_are_refused_in_pydantic_s_words() {
    let text = "Input should be a valid string";
    let unicode = "Input should be a valid string, unable to parse raw data as a unicode string";
    let (longest, too_long) = ("m".repeat(128), "m".repeat(129));
    let table = [
        ("message", "null", text),
        ("message", "7", text),
        ("message", "1.5", text),
        ("message", "true", text),
        ("message", r#"["x"]"#, text),
        ("message", r#"{"x":"x"}"#, text),
        (
            "message",
            r#""""#,
            "String should have at least 1 character",
        ),
        ("message", r#""\ud800""#, unicode),
        ("message", r#""a\udc00b""#, unicode),
        ("message", r#""\udc00\ud800""#, unicode),
        ("model", "7", text),
        ("model", "[]", text),
        ("model", "false", text),
        ("model", r#""\ud83d""#, unicode),
        ("model", r#""""#, "String should have at least 1 character"),
        (
            "model",
            &format!("\"{too_long}\""),
            "String should have at most 128 characters",
        ),
        // Its length comes before its characters.
        (
            "model",
            &format!("\"{longest} \""),
            "String should have at most 128 characters",
        ),
        (
            "model",
            r#"" ""#,
            "String should match pattern '^[A-Za-z0-9._:/-]+$'",
        ),
        (
            "model",
            r#""a\n""#,
            "String should match pattern '^[A-Za-z0-9._:/-]+$'",
        ),
        (
            "model",
            "\"é\"",
            "String should match pattern '^[A-Za-z0-9._:/-]+$'",
        ),
    ];
    for (field, value, rule) in table {
        // Of a key that occurs twice, the last one counts.
        let body = format!(r#"{{"message":"x","{field}":{value}}}"#);
        let told = outcome(&body).expect_err(&body);
        assert_eq!(
            told,
            (format!("body.{field}"), rule.to_owned()),
            "{body:.60}"
        );
    }
}

#[test]
fn lists_and_their_items_are_refused_in_pydantic_s_words() {
    let list = "Input should be a valid list";
    let role = "Input should be 'user' or 'assistant'";
    let unicode = "Input should be a valid string, unable to parse raw data as a unicode string";
    let items = |count: usize, item: &str| format!("[{}]", vec![item; count].join(","));
    let turn = r#"{"role":"user","content":""}"#;
    let table = [
        ("{}", "", list),
        (r#""x""#, "", list),
        (r#""""#, "", list),
        ("7", "", list),
        ("true", "", list),
        (
            &items(65, turn),
            "",
            "List should have at most 64 items after validation, not 65",
        ),
        (
            &items(100, turn),
            "",
            "List should have at most 64 items after validation, not 100",
        ),
        // Its length comes before its items.
        (
            &items(65, "7"),
            "",
            "List should have at most 64 items after validation, not 65",
        ),
        // The contract has its own words for what is no object.
        ("[7]", "[0]", "Input should be a valid object"),
        ("[null]", "[0]", "Input should be a valid object"),
        ("[[]]", "[0]", "Input should be a valid object"),
        ("[{}]", "[0].role", "Field required"),
        (r#"[{"content":"x"}]"#, "[0].role", "Field required"),
        (r#"[{"role":7,"content":"x"}]"#, "[0].role", role),
        (r#"[{"role":null}]"#, "[0].role", role),
        (r#"[{"role":["user"]}]"#, "[0].role", role),
        (r#"[{"role":"User"}]"#, "[0].role", role),
        (r#"[{"role":"\ud800"}]"#, "[0].role", unicode),
        (r#"[{"role":"user"}]"#, "[0].content", "Field required"),
        (
            r#"[{"role":"user","content":null}]"#,
            "[0].content",
            "Input should be a valid string",
        ),
        (
            r#"[{"role":"user","content":"\ud800"}]"#,
            "[0].content",
            unicode,
        ),
    ];
    for (history, place, rule) in table {
        let body = format!(r#"{{"message":"x","history":{history}}}"#);
        let told = outcome(&body).expect_err(&body);
        let field = format!("body.history{place}");
        assert_eq!(told, (field, rule.to_owned()), "{history:.60}");
    }
}

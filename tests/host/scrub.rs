//! A text from outside is scrubbed as a whole, then cut: no cut leaves a piece of a secret, however its
//! characters were written.

use personal_ai_assistant::config::scrubber;
use personal_ai_assistant::telemetry::record::{Level, Record, is_id, panic_cause};
use personal_ai_assistant::telemetry::redact::{Scrubber, Secret};
use proptest::prelude::*;
use serde_json::Value;

const KEY: &str = "sk-Key/4f+Q%41zX=9";
const OTHER_KEY: &str = "0ther/Key%2f+Q~41zX=7";
const TOKEN: &str = "Token\"w1th\\odd'chars%2F~";
const LONG_TOKEN: &str = "Token\"w1th\\odd'chars%2F~-and-more-of-it";

/// Secrets that no binding has, and that show by their form.
const SHAPES: [&str; 2] = ["sk-proj-Zq7_Yw8*Xv9", "Bearer Zq7Yw8Xv9Uu0"];

/// A scrubber as a worker has it.
fn known() -> Scrubber {
    scrubber(|name| match name {
        "OPENAI_API_KEY" => Some(KEY.to_owned()),
        "FALLBACK_API_KEY" => Some(OTHER_KEY.to_owned()),
        "ACCESS_TOKENS" => Some(format!("me:{TOKEN}, {LONG_TOKEN}")),
        _ => None,
    })
}

/// A character as a URL or JSON may write it.
type Spelling = fn(u8) -> String;

const SPELLINGS: [(&str, Spelling); 9] = [
    ("as it is", |byte| char::from(byte).to_string()),
    ("as URLs have it", |byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            char::from(byte).to_string()
        } else {
            format!("%{byte:02X}")
        }
    }),
    ("in lower case", |byte| {
        if byte.is_ascii_alphanumeric() {
            char::from(byte).to_string()
        } else {
            format!("%{byte:02x}")
        }
    }),
    ("as the runtime's paths have it", |byte| {
        if b"\"<>`{} ".contains(&byte) {
            format!("%{byte:02X}")
        } else {
            char::from(byte).to_string()
        }
    }),
    ("every character escaped", |byte| format!("%{byte:02x}")),
    ("every other one escaped", |byte| {
        if byte % 2 == 0 {
            format!("%{byte:02X}")
        } else {
            char::from(byte).to_string()
        }
    }),
    ("escaped twice", |byte| format!("%25{byte:02X}")),
    ("escaped four times", |byte| format!("%252525{byte:02x}")),
    ("as JSON may have it", |byte| format!("\\u00{byte:02x}")),
];

fn spelt(text: &str, spelling: Spelling) -> String {
    text.bytes().map(spelling).collect()
}

/// What a line has of a text from outside.
fn logged(scrubber: &Scrubber, text: &str, max_chars: usize) -> String {
    let mut record = Record::new(scrubber, "t", Level::Info, "request_received", None);
    record.outside("path", text, max_chars);
    let line: Value = serde_json::from_str(&record.finish()).expect("a line is JSON");
    line["path"].as_str().expect("a text").to_owned()
}

/// Shows that no four characters in a row of a secret are in a text, as they were spelt or plain.
fn assert_no_piece(secret: &str, spelling: Spelling, told: &str) {
    let pieces: Vec<char> = secret.chars().collect();
    for piece in pieces.windows(4) {
        let piece: String = piece.iter().collect();
        for form in [piece.clone(), spelt(&piece, spelling)] {
            assert!(!told.contains(&form), "{form} of {secret} is in {told}");
        }
    }
}

#[test]
fn no_cut_leaves_a_piece_of_a_secret() {
    let scrubber = known();
    let credential = SHAPES[1].trim_start_matches("Bearer ");
    let secrets = [
        (KEY, KEY),
        (OTHER_KEY, OTHER_KEY),
        (TOKEN, TOKEN),
        (LONG_TOKEN, LONG_TOKEN),
        (SHAPES[0], SHAPES[0]),
        (SHAPES[1], credential),
    ];
    for (sent, secret) in secrets {
        for (_, spelling) in SPELLINGS {
            for before in ["/", "/a b/", "/a%20", "\\n", "\u{1f389}", "/%"] {
                let text = format!("{before}{} \u{e9}/x", spelt(sent, spelling));
                for max_chars in 0..=text.chars().count() {
                    let told = logged(&scrubber, &text, max_chars);
                    assert_no_piece(secret, spelling, &told);
                    assert!(told.chars().count() <= max_chars);
                }
                // Around it, all stays as it was.
                let whole = logged(&scrubber, &text, usize::MAX);
                assert!(
                    whole.starts_with(before) && whole.ends_with(" \u{e9}/x"),
                    "{whole}"
                );
                assert!(whole.contains("REDACTED"), "{whole}");
            }
        }
    }
}

#[test]
fn a_cut_makes_no_secret_of_what_was_none() {
    let scrubber = known();
    for text in [
        "/task-1/risk-2/x",
        "/sk-",
        "forbearer abc",
        "/REDACTED",
        "sk- and Bearer",
    ] {
        for max_chars in 0..=text.len() {
            let beginning: String = text.chars().take(max_chars).collect();
            assert_eq!(logged(&scrubber, text, max_chars), beginning);
        }
    }
}

#[test]
fn secrets_that_touch_or_overlap_leave_nothing() {
    let secrets =
        ["abcdefghij", "ghijKLMNOP", "defg-hijk"].map(|secret| Secret::new(secret.to_owned()));
    let scrubber = Scrubber::new(&secrets);
    for (text, scrubbed) in [
        ("<abcdefghijKLMNOP>", "<REDACTED>"),
        ("<abcdefghijabcdefghij>", "<REDACTEDREDACTED>"),
        ("<abcdefghijsk-1234>", "<REDACTEDREDACTED>"),
        ("<sk-abcdefghijKLMNOP>", "<REDACTED>"),
        ("<Bearer x,abcdefghij>", "<Bearer REDACTED,REDACTED>"),
        ("<Bearer sk-a:bearer b>", "<Bearer REDACTED REDACTED"),
    ] {
        assert_eq!(scrubber.scrub(text), scrubbed, "for {text}");
    }
}

#[test]
fn what_stands_before_a_key_is_a_word_only_if_it_is_one() {
    let scrubber = Scrubber::default();
    for (text, scrubbed) in [
        ("/a%20sk-abc", "/a%20REDACTED"),
        ("/a%2Fsk-abc/b", "/a%2FREDACTED/b"),
        ("/a%252Fsk-abc", "/a%252FREDACTED"),
        ("a\\nsk-abc", "a\\nREDACTED"),
        ("/%73%6B%2Dabc", "/REDACTED"),
        ("/sk%2Dabc%5Fdef%20x", "/REDACTED%20x"),
        ("/Bearer%20abc%2Fdef%20x", "/Bearer%20REDACTED%20x"),
        ("/bearer%3A%20abc", "/bearer%3A%20REDACTED"),
        ("/task%2D1", "/task%2D1"),
        ("/%41sk-abc", "/%41sk-abc"),
    ] {
        assert_eq!(scrubber.scrub(text), scrubbed, "for {text}");
    }
}

#[test]
fn secrets_of_a_broken_configuration_are_known_too() {
    let scrubber = scrubber(|name| match name {
        "OPENAI_API_KEY" => Some("Bearer key-0123456789".to_owned()),
        "ACCESS_TOKENS" => {
            Some("a:first-0123456789 b:second-0123456789;third-0123456789".to_owned())
        }
        _ => None,
    });
    for secret in [
        "key-0123456789",
        "first-0123456789",
        "second-0123456789",
        "third-0123456789",
    ] {
        let told = scrubber.scrub(secret).into_owned();
        assert!(!told.contains(secret), "{told}");
    }
}

#[test]
fn a_secret_too_short_to_be_one_garbles_no_line() {
    let scrubber = scrubber(|name| (name == "OPENAI_API_KEY").then(|| "ollama".to_owned()));
    assert_eq!(scrubber.scrub("ollama/llama3.2"), "ollama/llama3.2");
}

#[test]
fn a_long_text_costs_no_more_than_its_length() {
    let scrubber = known();
    for word in [
        "sk-",
        "sk-a",
        "bearer:",
        "bearer ",
        "%25",
        "%",
        "\\",
        "%2525",
        "\u{1f389}",
        "Token\"w1th",
    ] {
        let text = word.repeat(200_000 / word.len());
        // In steps that grow with the square, this would take minutes.
        assert!(!scrubber.scrub(&text).is_empty(), "{word}");
    }
}

#[test]
fn an_id_is_logged_only_when_it_is_one() {
    let longest = "a".repeat(128);
    for id in ["req_abc123", "a.b:c-D_9", &longest] {
        assert!(is_id(id), "{id}");
    }
    let too_long = "a".repeat(129);
    for text in [
        "",
        "a b",
        "a/b",
        "a=",
        "a\n",
        "\u{e9}",
        "{\"a\":1}",
        &too_long,
    ] {
        assert!(!is_id(text), "{text}");
        let scrubber = Scrubber::default();
        let mut record = Record::new(&scrubber, "t", Level::Info, "e", None);
        record.optional_id("upstream_request_id", Some(text));
        assert_eq!(
            record.finish(),
            r#"{"timestamp":"t","level":"INFO","event":"e"}"#
        );
    }
    let scrubber = known();
    let mut record = Record::new(&scrubber, "t", Level::Info, "e", None);
    record
        .optional_id("upstream_request_id", Some("sk-proj-0123456789"))
        .optional_id("other_id", None);
    let line = r#"{"timestamp":"t","level":"INFO","event":"e","upstream_request_id":"REDACTED"}"#;
    assert_eq!(record.finish(), line);
}

#[test]
fn a_panic_quotes_nothing_that_was_being_worked_on() {
    let here = std::panic::Location::caller();
    let place = format!("{}:{}:{}", here.file(), here.line(), here.column());
    let own = panic_cause(&"attempt to add with overflow", Some(here));
    assert_eq!(
        own,
        format!("panic at {place}: attempt to add with overflow")
    );
    let quoting = "byte index 1 is not a char boundary of `canary`".to_owned();
    let cause = panic_cause(&quoting, Some(here));
    assert_eq!(
        cause,
        format!("panic at {place}: its message is not logged")
    );
    assert_eq!(panic_cause(&7, None), "panic: its message is not logged");
}

proptest! {
    #[test]
    fn no_piece_of_a_secret_is_logged_however_it_is_written_and_cut(
        secret in "[!-~]{16,40}",
        before in "[ -~]{0,12}",
        after in "[ -~\u{e9}]{0,12}",
        spellings in prop::collection::vec(0..SPELLINGS.len(), 40),
        max_chars in 0_usize..400,
    ) {
        let scrubber = Scrubber::new(&[Secret::new(secret.clone())]);
        let mut spellings = spellings.into_iter().cycle();
        let mixed: String = secret.bytes().map(|byte| SPELLINGS[spellings.next().unwrap_or(0)].1(byte)).collect();
        let text = format!("{before}{mixed}{after}");
        let told = logged(&scrubber, &text, max_chars);
        prop_assert!(told.chars().count() <= max_chars);
        let bytes = mixed.as_bytes();
        // What is around it may hold four of its characters by chance.
        let around = format!("{before}REDACTED{after}");
        for piece in bytes.windows(8) {
            let piece = String::from_utf8_lossy(piece).into_owned();
            prop_assert!(around.contains(&piece) || !told.contains(&piece), "{piece} of {mixed} is in {told}");
        }
    }

    #[test]
    fn what_holds_no_secret_stays_as_it_is(text in "[a-jl-z0-9/%. \\\\\u{e9}-]{0,80}") {
        // Without the letter k there is no `sk-`, without an upper-case letter no key.
        prop_assume!(!text.contains("bearer"));
        prop_assert_eq!(known().scrub(&text), text.as_str());
    }
}

#[test]
fn a_token_in_the_wrong_place_or_in_quotes_is_known() {
    for (key, tokens) in [
        ("x", "Zq7Vxk93LmWbTn4YdR8hJfPc2G:me"),
        ("x", "\"a:Zq7Vxk93LmWbTn4YdR8hJfPc2G\""),
        ("\"Zq7Vxk93LmWbTn4YdR8hJfPc2G\"", ""),
        ("'Zq7Vxk93LmWbTn4YdR8hJfPc2G'", "me:0123456789abcdef"),
    ] {
        let scrubber = scrubber(|name| match name {
            "OPENAI_API_KEY" => Some(key.to_owned()),
            "ACCESS_TOKENS" => Some(tokens.to_owned()),
            _ => None,
        });
        let told = logged(&scrubber, "/Zq7Vxk93LmWbTn4YdR8hJfPc2G", 256);
        assert!(!told.contains("Zq7V") && !told.contains("Pc2G"), "{told}");
    }
    let valid = scrubber(|name| {
        (name == "ACCESS_TOKENS").then(|| "a-long-name:0123456789abcdef".to_owned())
    });
    assert_eq!(
        logged(&valid, "a-long-name", 256),
        "a-long-name",
        "names are no secrets"
    );
}

#[test]
fn nothing_stays_of_a_text_whose_escapes_hide_a_piece_of_a_secret() {
    let scrubber = scrubber(|name| match name {
        "OPENAI_API_KEY" => Some("sk-proj-Zq7Vxk93LmWb_Tn4Yd-R8hJfPc2G".to_owned()),
        "ACCESS_TOKENS" => Some(
            r#"me:Xw9kRz5vQn2mJy7tBd4h,w"Kq\8zV/xJ<9%2bTn5Rb,Gz4Jqvw/xk51NpL+t3ycQa"#.to_owned(),
        ),
        _ => None,
    });
    for text in [
        // The digits of an escape are escaped.
        "/%25%35%38w9kRz5vQn2mJy7tBd4h",
        "/Xw9kRz5vQn%25%33%32mJy7tBd4h",
        "/%2%35%358w9kRz5vQn2mJy7tBd4h",
        "/%5cu0058w9kRz5vQn2mJy7tBd4h",
        "/sk-proj-%25%35%61q7Vxk93LmWb_Tn4Yd-R8hJfPc2G",
        // JSON within a URL.
        "/%22w%5C%22Kq%5C%5C8zV%2FxJ%3C9%252bTn5Rb%22",
        "/Gz4Jqvw%5C%2Fxk51NpL%2Bt3ycQa",
        // A part of a secret.
        "/xJ<9%2bTn5Rb/zz",
        "/9kRz5vQn",
        // Nobody writes so who has nothing to hide.
        "/%2525252525252525252525252558",
    ] {
        assert_eq!(logged(&scrubber, text, 256), "REDACTED", "{text}");
    }
    for text in ["/chat", "/caf%C3%A9/%2525", "/a\\b%", "/%zz%u0058"] {
        assert_eq!(logged(&scrubber, text, 256), text);
    }
}

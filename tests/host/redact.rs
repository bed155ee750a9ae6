use std::time::{Duration, UNIX_EPOCH};

use personal_ai_assistant::telemetry::record::{Level, Record, cut};
use personal_ai_assistant::telemetry::redact::{Scrubber, Secret};
use personal_ai_assistant::time::timestamp;

fn scrub(text: &str) -> String {
    let secrets = [
        "plain-secret-key",
        "with/slash+plus",
        "plain-secret-key-longer",
        "short",
    ];
    Scrubber::new(&secrets.map(|secret| Secret::new(secret.to_owned())))
        .scrub(text)
        .into_owned()
}

#[test]
fn a_secret_prints_as_redacted() {
    assert_eq!(
        format!("{:?}", Secret::new("canary".to_owned())),
        "REDACTED"
    );
}

#[test]
fn secrets_are_removed_by_value_and_by_shape() {
    let table = [
        ("nothing here", "nothing here"),
        ("key plain-secret-key!", "key REDACTED!"),
        ("key plain-secret-key-longer!", "key REDACTED!"),
        ("plain-secret-keyplain-secret-key", "REDACTEDREDACTED"),
        ("url ?k=with%2Fslash%2Bplus&x", "url ?k=REDACTED&x"),
        ("short stays short", "short stays short"),
        ("key: sk-proj-abc_DEF123.", "key: REDACTED"),
        ("key sk-abc****xyz, other", "key REDACTED, other"),
        ("SK-ABC123 and sk-abc", "REDACTED and REDACTED"),
        (
            "task-1 and disk-space and sk- alone",
            "task-1 and disk-space and sk- alone",
        ),
        (
            "Authorization: Bearer abc.def",
            "Authorization: Bearer REDACTED",
        ),
        ("\"bearer   abc\", next", "\"bearer   REDACTED\", next"),
        ("Bearer", "Bearer"),
        ("\u{e9}sk-abc \u{1f389}", "\u{e9}REDACTED \u{1f389}"),
    ];
    for (text, scrubbed) in table {
        assert_eq!(scrub(text), scrubbed, "for {text}");
    }
}

#[test]
fn a_record_is_one_json_line_with_its_fields_in_order() {
    let scrubber = Scrubber::default();
    let mut record = Record::new(
        &scrubber,
        "2026-01-28T12:00:00.000000+00:00",
        Level::Warning,
        "upstream_retry",
        Some("abc-123"),
    );
    record
        .number("attempt", 1)
        .optional_number("upstream_status", None)
        .text("code", "a\"b\n\u{1f389}");
    record.object("usage", |usage| {
        usage.number("input_tokens", 9).number("output_tokens", 1);
    });
    assert_eq!(
        record.finish(),
        "{\"timestamp\":\"2026-01-28T12:00:00.000000+00:00\",\"level\":\"WARNING\",\"event\":\"upstream_retry\",\
         \"correlation_id\":\"abc-123\",\"attempt\":1,\"code\":\"a\\\"b\\n\u{1f389}\",\
         \"usage\":{\"input_tokens\":9,\"output_tokens\":1}}"
    );
}

#[test]
fn a_record_redacts_by_name_at_any_depth_but_keeps_counts_of_tokens() {
    let scrubber = Scrubber::default();
    let mut record = Record::new(&scrubber, "t", Level::Info, "e", None);
    record
        .text("OPENAI_API_KEY", "canary")
        .text("Authorization", "canary")
        .number("access_token", 7);
    record.number("max_tokens", 2000).object("outer", |outer| {
        outer.object("inner", |inner| {
            inner
                .text("client_secret", "canary")
                .text("password", "canary")
                .text("note", "sk-canary");
        });
        outer.object("secrets", |secrets| {
            secrets.text("a", "canary");
        });
    });
    assert_eq!(
        record.finish(),
        r#"{"timestamp":"t","level":"INFO","event":"e","OPENAI_API_KEY":"REDACTED","Authorization":"REDACTED","access_token":"REDACTED","max_tokens":2000,"outer":{"inner":{"client_secret":"REDACTED","password":"REDACTED","note":"REDACTED"},"secrets":"REDACTED"}}"#
    );
}

#[test]
fn levels_are_ordered_and_read_in_any_case() {
    assert!(
        Level::Debug < Level::Info && Level::Info < Level::Warning && Level::Warning < Level::Error
    );
    assert_eq!(Level::parse("wArNiNg"), Some(Level::Warning));
    assert_eq!(Level::parse("WARN"), None);
}

#[test]
fn a_time_is_written_in_utc_with_microseconds() {
    for (now_ms, text) in [
        (0, "1970-01-01T00:00:00.000000+00:00"),
        (951_782_399_999, "2000-02-28T23:59:59.999000+00:00"),
        (951_782_400_001, "2000-02-29T00:00:00.001000+00:00"),
        (1_769_601_600_123, "2026-01-28T12:00:00.123000+00:00"),
        (u64::MAX, "9999-12-31T23:59:59.000000+00:00"),
    ] {
        assert_eq!(timestamp(now_ms), text);
    }
}

#[test]
fn every_day_is_written_as_others_write_it() {
    let last_day = 2_932_896;
    let near = 0..150_000;
    let far = (near.end..=last_day).step_by(89).chain([last_day]);
    for day in near.chain(far) {
        let now_ms = day * 86_400_000 + day % 86_400 * 1000 + day % 1000;
        let time = UNIX_EPOCH + Duration::from_millis(now_ms);
        let other = humantime::format_rfc3339_micros(time).to_string();
        let other = other.replace('Z', "+00:00");
        assert_eq!(timestamp(now_ms), other);
    }
}

#[test]
fn a_text_is_cut_between_characters() {
    for (text, max_chars, expected) in [
        ("", 3, ""),
        ("abc", 3, "abc"),
        ("abcd", 3, "abc"),
        ("🚀漢字é", 3, "🚀漢字"),
        ("é", 0, ""),
    ] {
        assert_eq!(cut(text, max_chars), expected);
    }
}

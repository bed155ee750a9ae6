//! Synthetic secrets, planted wherever the core gets to see some, that must come out nowhere.

use personal_ai_assistant::api::ending::{Completion, EndReason};
use personal_ai_assistant::api::error::ErrorCode;
use personal_ai_assistant::api::request::ModelSource;
use personal_ai_assistant::config::scrubber;
use personal_ai_assistant::openai::failure::Failure;
use personal_ai_assistant::telemetry::record::{Level, Record};

use crate::support::{API_KEY, config, delta, load, relayed};

const PROMPT: &str = "CANARY-prompt";
const ANSWER: &str = "CANARY-answer";

fn assert_silent(text: &str) {
    assert!(!text.contains(API_KEY), "the key is in {text}");
    assert!(!text.contains("CANARY"), "a canary is in {text}");
}

#[test]
fn a_configuration_prints_without_its_key() {
    assert_silent(&format!("{:?}", config(&[])));
    let key = format!("{API_KEY} {API_KEY}");
    let broken = load(&[("OPENAI_API_KEY", key.as_str())]).expect_err("a key with a space");
    assert_silent(&format!("{broken} {broken:?}"));
}

#[test]
fn no_error_of_upstream_s_carries_a_secret_to_a_client_or_a_cause() {
    let said = format!("Incorrect key {API_KEY} in Bearer {API_KEY}, for: {PROMPT}");
    let json =
        serde_json::json!({"error": {"message": said, "type": said, "code": said, "param": said}})
            .to_string();
    for body in [
        said.as_str(),
        json.as_str(),
        r#"{"error":"CANARY","message":"CANARY"}"#,
        r#"["CANARY"]"#,
        "<html>CANARY</html>",
    ] {
        for status in [400, 401, 404, 429, 500, 503] {
            let failure =
                Failure::from_response(status, body.as_bytes(), None, None, ModelSource::Client);
            assert_silent(&format!("{} {}", failure.cause, failure.error.detail));
        }
        for event in [
            format!("event: error\ndata: {body}\n\n"),
            format!("data: {body}\n\n"),
        ] {
            let (client, relay) = relayed([event.as_bytes()]);
            assert_silent(&client);
            let failure = relay
                .outcome()
                .and_then(|outcome| outcome.failure.clone())
                .expect("a failure");
            assert_silent(&failure.cause);
        }
    }
}

#[test]
fn what_the_model_said_is_in_its_frames_and_in_no_other_fact_of_the_stream() {
    let (client, relay) = relayed([delta(ANSWER).as_bytes()]);
    assert!(client.contains(ANSWER));
    let outcome = relay.outcome().expect("an outcome");
    assert_eq!(outcome.end_reason, EndReason::UpstreamTruncated);
    assert_silent(&format!("{outcome:?}"));
}

#[test]
fn no_record_of_any_level_lets_a_secret_through() {
    let scrubber = scrubber(|name| (name == "OPENAI_API_KEY").then(|| API_KEY.to_owned()));
    let leaks = [
        API_KEY.to_owned(),
        format!("https://host/?key={API_KEY}&x=1"),
        format!("Authorization: Bearer {API_KEY}"),
        format!("[{API_KEY}{API_KEY}]"),
        "bearer CANARY".to_owned(),
        "sk-CANARY".to_owned(),
    ];
    for level in [Level::Debug, Level::Info, Level::Warning, Level::Error] {
        for leak in &leaks {
            let mut record = Record::new(&scrubber, "t", level, "stream_error", Some("abc-123"));
            record.text("cause", leak).object("nested", |nested| {
                nested.object("deeper", |deeper| {
                    deeper.text("model", leak);
                });
            });
            assert_silent(&record.finish());
        }
    }
}

#[test]
fn a_completion_has_the_contract_s_fields_and_leaves_out_what_is_unknown() {
    let scrubber = scrubber(|_| None);
    let line = |completion: Completion| {
        let mut record = Record::new(&scrubber, "t", Level::Info, "response_complete", None);
        completion.write(&mut record);
        record.finish()
    };
    let refused = Completion {
        http_status: Some(ErrorCode::NotFound.status()),
        end_reason: EndReason::Rejected,
        duration_ms: 3,
        ttft_ms: None,
        chunk_count: 0,
        finish_reason: None,
        usage: None,
        retries: 0,
    };
    assert_eq!(
        line(refused),
        "{\"timestamp\":\"t\",\"level\":\"INFO\",\"event\":\"response_complete\",\"status\":\"error\",\
         \"http_status\":404,\"end_reason\":\"rejected\",\"duration_ms\":3,\"chunk_count\":0,\"retries\":0}"
    );
    let left = Completion {
        http_status: None,
        end_reason: EndReason::ClientGone,
        retries: 1,
        ..refused
    };
    assert_eq!(
        line(left),
        "{\"timestamp\":\"t\",\"level\":\"INFO\",\"event\":\"response_complete\",\"status\":\"cancelled\",\
         \"end_reason\":\"client_gone\",\"duration_ms\":3,\"chunk_count\":0,\"retries\":1}"
    );
}

//! What servers and gateways answer when they refuse, and what our client is told. Each line of the tables is the
//! answer of a known server.

use std::fs;

use serde_json::Value;

use personal_ai_assistant::api::request::Effort;
use personal_ai_assistant::api::request::ModelSource;
use personal_ai_assistant::openai::dialect::Efforts;
use personal_ai_assistant::openai::dialect::{Asked, Dialect, TokenLimit};
use personal_ai_assistant::openai::failure::Failure;

/// A table of `tests/fixtures`: a JSON object on each line.
fn table(name: &str) -> Vec<Value> {
    let path = format!("{}/tests/fixtures/{name}", env!("CARGO_MANIFEST_DIR"));
    let lines = fs::read_to_string(path).expect("a table");
    let rows = lines
        .lines()
        .map(|line| serde_json::from_str(line).expect("an object"));
    rows.collect()
}

fn status(row: &Value) -> u16 {
    let status = row["status"].as_u64().expect("a status");
    u16::try_from(status).expect("a status")
}

fn body(row: &Value) -> &[u8] {
    row["body"].as_str().expect("a body").as_bytes()
}

/// What the request asked for that was refused so. Where the row does not say, nothing of reasoning.
fn asked_of(row: &Value) -> Asked {
    let asked = row["asked"].as_str().unwrap_or_default();
    Asked {
        is_chat: !asked.contains("responses"),
        effort: Effort::parse("minimal").filter(|_| !asked.is_empty()),
        include_reasoning: true,
    }
}

#[test]
fn each_refusal_of_a_known_server_is_told_as_what_it_is() {
    let rows = table("refusals.jsonl");
    assert!(rows.len() >= 100, "only {}", rows.len());
    for row in rows {
        let wait_ms = row["retry_after_ms"].as_u64();
        let should_retry = row["should_retry"].as_bool();
        let failure = Failure::from_response(
            status(&row),
            body(&row),
            wait_ms,
            should_retry,
            ModelSource::Default,
        );
        assert_eq!(failure.error.code.name(), row["code"], "{row}");
        assert_eq!(failure.error.status, row["client_status"], "{row}");
        assert_eq!(failure.retryable, row["retryable"], "{row}");
    }
}

#[test]
fn a_refusal_reads_the_same_in_a_list_in_a_gateway_s_error_and_as_a_text() {
    for row in table("refusals.jsonl") {
        let said = row["body"].as_str().expect("a body");
        let wait_ms = row["retry_after_ms"].as_u64();
        // A page or a plain text cannot be wrapped, and a request that is large by its status needs no words.
        if serde_json::from_str::<Value>(said).is_err() {
            continue;
        }
        let wrapped =
            serde_json::json!({"error": {"message": said, "metadata": {"provider_name": "p"}}});
        for body in [format!("[{said}]"), wrapped.to_string()] {
            let failure = Failure::from_response(
                status(&row),
                body.as_bytes(),
                wait_ms,
                None,
                ModelSource::Default,
            );
            assert_eq!(failure.error.code.name(), row["code"], "{body}");
        }
    }
}

#[test]
fn each_parameter_that_a_known_server_refuses_is_left_out_or_called_by_its_other_name() {
    let (openai, local) = (Dialect::of("api.openai.com"), Dialect::of("127.0.0.1"));
    let rows = table("refused_parameters.jsonl");
    assert!(rows.len() >= 31, "only {}", rows.len());
    for row in rows {
        let (status, body) = (status(&row), body(&row));
        let without_options = |dialect| Dialect {
            stream_options: false,
            ..dialect
        };
        let minimal = Effort::parse("minimal").expect("an effort");
        let (asked, expected) = match row["without"].as_str().expect("a parameter") {
            "stream_options" => (local, without_options(local)),
            "stream" => (
                openai,
                Dialect {
                    stream: false,
                    ..openai
                },
            ),
            "max_tokens" => (
                local,
                Dialect {
                    token_limit: TokenLimit::MaxCompletionTokens,
                    ..local
                },
            ),
            "max_completion_tokens" => (
                openai,
                Dialect {
                    token_limit: TokenLimit::MaxTokens,
                    ..openai
                },
            ),
            "include_obfuscation" => (
                openai,
                Dialect {
                    unpadded: false,
                    ..openai
                },
            ),
            "any effort" => (
                openai,
                Dialect {
                    efforts: Efforts::NONE,
                    ..openai
                },
            ),
            "this effort" => (
                openai,
                Dialect {
                    efforts: Efforts::ALL.without(minimal),
                    ..openai
                },
            ),
            "summary" => (
                openai,
                Dialect {
                    summaries: false,
                    ..openai
                },
            ),
            other => panic!("{other} is not sent"),
        };
        let request = asked_of(&row);
        assert_eq!(
            asked.adapted(request, status, body),
            Some(expected),
            "{row}"
        );
    }
}

#[test]
fn a_refusal_of_something_else_is_not_asked_again_in_other_words() {
    let local = Dialect::of("127.0.0.1");
    let openai = Dialect {
        token_limit: TokenLimit::MaxCompletionTokens,
        ..local
    };
    for row in table("refusals.jsonl") {
        for dialect in [local, openai] {
            let adapted = dialect.adapted(asked_of(&row), status(&row), body(&row));
            assert_eq!(adapted, None, "{row}");
        }
    }
}

#[test]
fn every_way_of_asking_again_comes_to_an_end() {
    let refusal =
        |param| format!(r#"{{"error":{{"code":"unsupported_parameter","param":"{param}"}}}}"#);
    let refusals = [
        "stream_options",
        "max_tokens",
        "max_completion_tokens",
        "stream",
        "include_obfuscation",
        "reasoning_effort",
    ]
    .map(refusal);
    let asked = asked_of(&serde_json::json!({"asked": "chat"}));
    let first = Dialect::of("api.openai.com");
    // As the caller does it: no dialect is tried twice.
    let mut tried = vec![first];
    let mut next = 0;
    while let Some(dialect) = tried.get(next).copied() {
        next += 1;
        let adapted = refusals
            .iter()
            .filter_map(|body| dialect.adapted(asked, 400, body.as_bytes()));
        for dialect in adapted {
            assert!(!tried[..next].contains(&dialect) || dialect != tried[next - 1]);
            if !tried.contains(&dialect) {
                tried.push(dialect);
            }
        }
    }
    assert!(tried.len() <= 32, "{tried:?}");
}

//! Conversations as JSON, as Markdown, and all of them as JSON lines.

use personal_ai_assistant::api::request::After;
use personal_ai_assistant::memory::answer::Ended;
use personal_ai_assistant::memory::begin::NewExchange;
use personal_ai_assistant::memory::journal::JournalRow;
use personal_ai_assistant::memory::store::{State, Store};
use personal_ai_assistant::memory::transcript::{Format, Transcript};

use super::database::{
    NOW, Sqlite, append, begin, conversation, exchange, message, pieces, read, store, turn,
};

/// A conversation with an answer of every state, and a branch.
fn varied() -> Store<Sqlite> {
    let store = store();
    let ask = |id, text, after, text_so_far: &[&str], state, ending| {
        let begun = begin(
            &store,
            &NewExchange {
                after,
                ..message("c", id, text)
            },
        );
        let pieces = pieces(text_so_far.iter().copied());
        if state == State::Streaming {
            return append(&store, begun.exchange, &mut JournalRow::default(), &pieces);
        }
        let ended = Ended {
            state,
            ending,
            pieces: &pieces,
            seen: None,
            now_ms: NOW,
        };
        assert!(store.end(begun.exchange, &ended).expect("an end"));
    };
    let newest = &After::Newest;
    let usage = "\"finish_reason\":\"length\",\"usage\":{\"input_tokens\":9,\"output_tokens\":1,\"total_tokens\":10},\
                 \"turn_id\":\"a-k1\",\"history_turns\":0";
    ask("k1", "One?", newest, &["1", "!"], State::Complete, usage);
    ask(
        "k2",
        "Two?",
        newest,
        &["```rust\nfn"],
        State::Stopped,
        "\"finish_reason\":\"stopped\"",
    );
    let failed = "\"error\":\"The answer was cut off\",\"detail\":\"Try \\\"again\\\".\",\"code\":\"upstream_truncated\"";
    ask(
        "k3",
        "Two, edited?",
        turn("a-k1"),
        &[],
        State::Failed,
        failed,
    );
    ask("k4", "Three?", newest, &["3 a", "nd"], State::Streaming, "");
    store
}

#[test]
fn a_conversation_in_json_has_exactly_these_fields() {
    let created = "\"created_at\":\"2026-11-18T11:06:40.000000+00:00\"";
    let expected = format!(
        "{{\"id\":\"c\",\"title\":\"One?\",{created},\"updated_at\":\"2026-11-18T11:06:40.000000+00:00\",\"turns\":[\
         {{\"id\":\"q-k1\",\"parent_id\":null,\"role\":\"user\",\"content\":\"One?\",{created}}},\
         {{\"id\":\"a-k1\",\"parent_id\":\"q-k1\",\"role\":\"assistant\",\"content\":\"1!\",{created},\
         \"answer_id\":\"k1\",\"state\":\"complete\",\"model\":\"gpt-4\",\"finish_reason\":\"length\",\
         \"usage\":{{\"input_tokens\":9,\"output_tokens\":1,\"total_tokens\":10}}}},\
         {{\"id\":\"q-k2\",\"parent_id\":\"a-k1\",\"role\":\"user\",\"content\":\"Two?\",{created}}},\
         {{\"id\":\"a-k2\",\"parent_id\":\"q-k2\",\"role\":\"assistant\",\"content\":\"```rust\\nfn\",{created},\
         \"answer_id\":\"k2\",\"state\":\"stopped\",\"model\":\"gpt-4\",\"finish_reason\":\"stopped\",\"usage\":null}},\
         {{\"id\":\"q-k3\",\"parent_id\":\"a-k1\",\"role\":\"user\",\"content\":\"Two, edited?\",{created}}},\
         {{\"id\":\"a-k3\",\"parent_id\":\"q-k3\",\"role\":\"assistant\",\"content\":\"\",{created},\
         \"answer_id\":\"k3\",\"state\":\"failed\",\"model\":\"gpt-4\",\"finish_reason\":null,\"usage\":null,\
         \"error\":{{\"error\":\"The answer was cut off\",\"detail\":\"Try \\\"again\\\".\",\
         \"code\":\"upstream_truncated\"}}}},\
         {{\"id\":\"q-k4\",\"parent_id\":\"a-k3\",\"role\":\"user\",\"content\":\"Three?\",{created}}},\
         {{\"id\":\"a-k4\",\"parent_id\":\"q-k4\",\"role\":\"assistant\",\"content\":\"3 and\",{created},\
         \"answer_id\":\"k4\",\"state\":\"streaming\",\"model\":\"gpt-4\",\"finish_reason\":null,\"usage\":null}}]}}"
    );
    let store = varied();
    assert_eq!(
        conversation(&store, "c", Format::Json),
        Some(expected.clone())
    );
    assert_eq!(read(&store, Transcript::export()), expected + "\n");
}

#[test]
fn a_conversation_in_markdown_can_be_read() {
    let expected = "\
# One?

## User

One?

## Assistant

1!

## User

Two?

## Assistant

```rust
fn
```

*This answer was stopped.*

## User

*Another branch, after “1!”*

Two, edited?

## Assistant

*The answer was cut off.*

## User

Three?

## Assistant

3 and

*This answer is still being written.*
";
    let markdown = conversation(&varied(), "c", Format::Markdown);
    assert_eq!(markdown.as_deref(), Some(expected));
}

#[test]
fn an_unknown_conversation_has_no_text() {
    let store = varied();
    for format in [Format::Json, Format::Markdown] {
        assert_eq!(conversation(&store, "d", format), None);
    }
    store.delete("c", &[], NOW).expect("a deletion");
    assert_eq!(conversation(&store, "c", Format::Json), None);
    assert_eq!(read(&store, Transcript::export()), "");
}

#[test]
fn an_open_code_block_does_not_swallow_the_turns_below_it() {
    for (text, closes) in [
        ("```", "```\n"),
        ("~~~~ sh\n~~~", "~~~~\n"),
        ("  ```\n````", ""),
        ("```\n``` x", "```\n"),
        ("```\ncode\n```", ""),
        ("    ```", ""),
        ("``` a`b", ""),
        ("a ```", ""),
        ("``", ""),
    ] {
        let store = store();
        exchange(&store, &message("c", "k", "q"), text);
        let markdown = conversation(&store, "c", Format::Markdown).expect("Markdown");
        let expected = format!("# q\n\n## User\n\nq\n\n## Assistant\n\n{text}\n{closes}");
        assert_eq!(markdown, expected, "{text}");
    }
}

#[test]
fn an_export_has_one_conversation_a_line_the_oldest_first() {
    let store = store();
    for number in 0..150 {
        let id = format!("c{number}");
        exchange(&store, &message(&id, &id, "Hello\nyou"), "Hi\n");
        if number % 3 == 0 {
            exchange(
                &store,
                &message("c0", &format!("more{number}"), "And?"),
                "So.",
            );
        }
    }
    let export = read(&store, Transcript::export());
    let lines: Vec<&str> = export.split_terminator('\n').collect();
    assert_eq!(lines.len(), 150);
    for (number, line) in lines.into_iter().enumerate() {
        let one = conversation(&store, &format!("c{number}"), Format::Json);
        assert_eq!(one.as_deref(), Some(line));
    }
}

#[test]
fn only_the_last_part_of_an_export_ends_with_a_line_end() {
    let store = store();
    for number in 0..150 {
        let id = format!("c{number}");
        exchange(&store, &message(&id, &id, "Hello\n"), "Hi\n");
    }
    let mut transcript = Transcript::export();
    let mut ends = Vec::new();
    while let Some(part) = store.next_part(&mut transcript).expect("a part") {
        ends.push(part.ends_with('\n'));
    }
    let last = ends.pop();
    assert_eq!(last, Some(true));
    assert!(ends.len() > 1 && !ends.contains(&true), "{ends:?}");
}

#[test]
fn a_long_conversation_is_read_in_parts_of_bounded_size() {
    let store = store();
    let text = "long ".repeat(20_000);
    for number in 0..30 {
        exchange(&store, &message("c", &format!("k{number}"), "q"), &text);
    }
    for format in [Format::Json, Format::Markdown] {
        let transcript = store.transcript("c", format).expect("a query");
        let mut transcript = transcript.expect("a conversation");
        let mut parts = Vec::new();
        while let Some(part) = store.next_part(&mut transcript).expect("a part") {
            assert!(part.len() < 300 * 1024, "{}", part.len());
            parts.push(part);
        }
        assert_eq!(parts.concat().matches(&text).count(), 30);
    }
}

#[test]
fn a_conversation_that_is_forgotten_while_it_is_read_still_ends_in_order() {
    let store = store();
    let text = "long ".repeat(60_000);
    for number in 0..3 {
        exchange(&store, &message("c", &format!("k{number}"), "q"), &text);
    }
    let transcript = store.transcript("c", Format::Json).expect("a query");
    let mut transcript = transcript.expect("a conversation");
    let first = store
        .next_part(&mut transcript)
        .expect("a part")
        .expect("a part");
    store.delete("c", &[], NOW).expect("a deletion");
    let json = first + &read(&store, transcript);
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(json["turns"].as_array().map(Vec::len), Some(2));
}

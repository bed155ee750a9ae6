//! Where a message stands in its conversation, and what the model gets to read before it.

use personal_ai_assistant::api::request::{After, Role, Turn};
use personal_ai_assistant::memory::answer::Ended;
use personal_ai_assistant::memory::begin::{BeginError, NewExchange};
use personal_ai_assistant::memory::journal::JournalRow;
use personal_ai_assistant::memory::sql::Database;
use personal_ai_assistant::memory::store::{State, Store};
use personal_ai_assistant::stream::pieces::{MAX_REASONING_BYTES, Piece, Pieces};

use super::database::{
    NOW, Sqlite, begin, end, exchange, json, message, open, refused, store, turn,
};

/// Turns as `U: …` and `A: …`.
fn shown(history: &[Turn]) -> Vec<String> {
    let shown = |turn: &Turn| match turn.role {
        Role::User => format!("U: {}", turn.content),
        Role::Assistant => format!("A: {}", turn.content),
    };
    history.iter().map(shown).collect()
}

fn after<'a>(parent: &str, id: &'a str, text: &'a str) -> NewExchange<'a> {
    NewExchange {
        after: turn(parent),
        ..message("c", id, text)
    }
}

/// What the model reads before a message, which is then forgotten.
fn before(store: &Store<Sqlite>, beginning: &NewExchange<'_>) -> Vec<String> {
    let begun = begin(store, beginning);
    store.forget_exchange(begun.exchange).expect("a way back");
    assert_eq!(begun.history_turns, begun.history.len() as u64);
    shown(&begun.history)
}

/// Two exchanges, and a second branch behind the first one's answer.
fn branched() -> Store<Sqlite> {
    let store = store();
    exchange(&store, &message("c", "k1", "one"), "1");
    exchange(&store, &message("c", "k2", "two"), "2");
    exchange(&store, &after("a-k1", "k3", "two, edited"), "2'");
    store
}

#[test]
fn a_message_follows_the_newest_turn() {
    let store = branched();
    let history = before(&store, &message("c", "k4", "three"));
    assert_eq!(history, ["U: one", "A: 1", "U: two, edited", "A: 2'"]);
    assert_eq!(json(&store, "c")["turns"][4]["parent_id"], "a-k1");
}

#[test]
fn a_message_after_an_earlier_turn_sees_the_turns_before_that_one() {
    let store = branched();
    for (turn, expected) in [
        ("a-k2", &["U: one", "A: 1", "U: two", "A: 2"][..]),
        ("a-k1", &["U: one", "A: 1"]),
        ("q-k1", &["U: one"]),
        ("q-k3", &["U: one", "A: 1", "U: two, edited"]),
    ] {
        assert_eq!(
            before(&store, &after(turn, "k4", "next")),
            expected,
            "{turn}"
        );
    }
    let beginning = NewExchange {
        after: &After::Beginning,
        ..message("c", "k4", "anew")
    };
    assert_eq!(before(&store, &beginning), [""; 0]);
    let begun = exchange(&store, &after("q-k3", "k4", "and"), "3");
    let history = before(&store, &message("c", "k5", "next"));
    assert_eq!(
        history,
        ["U: one", "A: 1", "U: two, edited", "U: and", "A: 3"]
    );
    assert_eq!(begun.history_turns, 3);
}

#[test]
fn a_turn_of_another_conversation_is_unknown() {
    let store = branched();
    exchange(&store, &message("d", "k9", "elsewhere"), "9");
    for turn in ["a-k9", "q-k9", "none", ""] {
        assert_eq!(
            refused(&store, &after(turn, "k4", "x")),
            BeginError::UnknownTurn
        );
    }
    let unknown = NewExchange {
        conversation: "new",
        ..after("a-k1", "k4", "x")
    };
    assert_eq!(refused(&store, &unknown), BeginError::UnknownTurn);
    assert!(store.answer("k4").expect("a query").is_none());
}

#[test]
fn nothing_follows_an_answer_that_is_running() {
    let store = branched();
    let running = begin(&store, &message("c", "k4", "three"));
    for beginning in [
        message("c", "k5", "four"),
        after("a-k4", "k5", "four"),
        after("q-k4", "k5", "four"),
    ] {
        assert_eq!(refused(&store, &beginning), BeginError::AnswerRunning);
    }
    // Other branches go on.
    let other = exchange(&store, &after("a-k2", "k6", "four"), "4");
    assert_eq!(other.history_turns, 4);
    end(&store, running.exchange, "3");
    assert_eq!(before(&store, &after("a-k4", "k7", "five")).len(), 6);
}

#[test]
fn an_answer_without_text_goes_with_its_question() {
    let store = store();
    exchange(&store, &message("c", "k1", "one"), "1");
    let silent = begin(&store, &message("c", "k2", "two"));
    let ended = Ended {
        state: State::Failed,
        ending: "\"error\":\"e\",\"detail\":\"d\",\"code\":\"c\"",
        pieces: &Pieces::default(),
        seen: None,
        now_ms: NOW,
    };
    store.end(silent.exchange, &ended).expect("an end");
    let begun = exchange(&store, &message("c", "k3", "three"), "3");
    assert_eq!(shown(&begun.history), ["U: one", "A: 1"]);
    let history = before(&store, &message("c", "k4", "four"));
    assert_eq!(history, ["U: one", "A: 1", "U: three", "A: 3"]);
    // The question itself can still be followed.
    let history = before(&store, &after("q-k2", "k4", "I mean"));
    assert_eq!(history, ["U: one", "A: 1", "U: two"]);
}

#[test]
fn an_answer_whose_text_is_missing_goes_with_its_question_and_what_came_before_it_stays() {
    let database = Sqlite::new();
    let store = open(&database);
    exchange(&store, &message("c", "k1", "one"), "1");
    exchange(&store, &message("c", "k2", "two"), "2");
    exchange(&store, &message("c", "k3", "three"), "3");
    database.run("UPDATE exchanges SET pieces = NULL WHERE id = 'k2'");
    assert_eq!(
        before(&store, &message("c", "k4", "four")),
        ["U: one", "A: 1", "U: three", "A: 3"]
    );
}

#[test]
fn a_partial_answer_counts() {
    let database = Sqlite::new();
    let store = open(&database);
    let begun = begin(&store, &message("c", "k1", "one"));
    let text = super::database::pieces(["par"]);
    store
        .append(begun.exchange, &mut JournalRow::default(), text.as_bytes())
        .expect("a journal");
    let store = open(&database);
    assert_eq!(
        before(&store, &message("c", "k2", "two")),
        ["U: one", "A: par"]
    );
}

#[test]
fn at_most_64_turns_go_upstream() {
    let store = store();
    for number in 0..40 {
        exchange(
            &store,
            &message("c", &format!("k{number}"), &format!("q{number}")),
            "a",
        );
    }
    let history = before(&store, &message("c", "last", "x"));
    assert_eq!(history.len(), 64);
    assert_eq!(history[0], "U: q8");
    assert_eq!(history[63], "A: a");
    let history = before(&store, &after("q-k39", "last", "x"));
    assert_eq!((history.len(), &*history[0]), (64, "A: a"));
    assert_eq!(history[1], "U: q8");
}

#[test]
fn answers_without_text_do_not_count_as_turns() {
    let store = store();
    exchange(&store, &message("c", "first", "first"), "1");
    for number in 0..200 {
        exchange(&store, &message("c", &format!("k{number}"), "silence"), "");
    }
    assert_eq!(
        before(&store, &message("c", "last", "x")),
        ["U: first", "A: 1"]
    );
}

#[test]
fn at_most_32_000_characters_go_upstream_in_whole_turns() {
    let store = store();
    let long = "😀".repeat(8_000);
    let cases = [
        // The newer exchange has 16 000 characters.
        ("o", "x".repeat(15_999), 4),
        ("o!", "x".repeat(15_999), 3),
        ("o", "x".repeat(16_000), 3),
        ("o", "x".repeat(16_001), 2),
    ];
    for (number, (question, answer, turns)) in cases.into_iter().enumerate() {
        let id = |part: &str| format!("{part}{number}");
        let conversation = id("c");
        exchange(&store, &message(&conversation, &id("k"), question), &answer);
        exchange(&store, &message(&conversation, &id("l"), &long), &long);
        let history = before(&store, &message(&conversation, "last", "x"));
        assert_eq!(history.len(), turns, "case {number}");
    }
}

#[test]
fn an_answer_that_is_too_long_ends_the_history_also_when_it_is_the_newest() {
    let store = store();
    exchange(&store, &message("c", "k1", "one"), "1");
    exchange(&store, &message("c", "k2", "two"), &"x".repeat(32_001));
    assert_eq!(before(&store, &message("c", "k3", "three")), [""; 0]);
    exchange(&store, &message("c", "k3", "three"), "3");
    let history = before(&store, &message("c", "k4", "four"));
    assert_eq!(history, ["U: three", "A: 3"]);
    exchange(&store, &message("d", "k5", "one"), &"x".repeat(1_000_000));
    let history = before(
        &store,
        &NewExchange {
            after: turn("q-k5"),
            ..message("d", "k6", "two")
        },
    );
    assert_eq!(history, ["U: one"]);
}

#[test]
fn the_longest_way_to_write_a_character_still_fits_behind_the_longest_reasoning() {
    let store = store();
    let begun = begin(&store, &message("c", "k1", "q"));
    let mut pieces = Pieces::default();
    let thought = format!("\"{}\"", "x".repeat(MAX_REASONING_BYTES - 8));
    pieces.push(Piece::Reasoning(&thought));
    for _ in 0..31_999 {
        pieces.push(Piece::Text(r#""\ud83d\ude00""#));
    }
    let ended = Ended {
        state: State::Complete,
        ending: super::database::STOP,
        pieces: &pieces,
        seen: None,
        now_ms: NOW,
    };
    assert!(store.end(begun.exchange, &ended).expect("an end"));
    let begun = begin(&store, &message("c", "k2", "next"));
    assert_eq!(begun.history[1].content, "😀".repeat(31_999));
}

#[test]
fn a_conversation_can_have_64_branches() {
    let store = store();
    exchange(&store, &message("c", "k0", "root"), "0");
    for number in 1..=64 {
        let id = format!("k{number}");
        exchange(&store, &after("a-k0", &id, "edit"), &id);
    }
    let turns = json(&store, "c");
    assert_eq!(turns["turns"].as_array().map(Vec::len), Some(130));
    let history = before(&store, &after("a-k17", "next", "x"));
    assert_eq!(history, ["U: root", "A: 0", "U: edit", "A: k17"]);
}

#[test]
fn a_message_costs_a_few_rows_however_long_its_conversation_is() {
    let database = Sqlite::new();
    let store = open(&database);
    exchange(&store, &message("c", "k0", "one"), "1");
    database.take_written();
    begin(&store, &message("c", "k1", "two"));
    let written = database.take_written();
    let verbs: Vec<&str> = written
        .iter()
        .map(|statement| statement.sql.split_whitespace().next().unwrap_or_default())
        .collect();
    assert_eq!(verbs, ["UPDATE", "INSERT"]);
    let plan = database.query(
        "EXPLAIN QUERY PLAN SELECT number FROM exchanges WHERE state = 'streaming'",
        &[],
    );
    assert!(format!("{plan:?}").contains("exchanges_unfinished"));
}

//! An answer from its message to its end.

use personal_ai_assistant::memory::answer::Ended;
use personal_ai_assistant::memory::journal::JournalRow;
use personal_ai_assistant::memory::sql::Database;
use personal_ai_assistant::memory::store::State;
use personal_ai_assistant::stream::pieces::{MAX_BYTES, Piece, Pieces};

use super::database::{
    NOW, STOP, Sqlite, append, begin, end, exchange, is_full, json, message, open, pieces, store,
};

#[test]
fn an_answer_is_there_from_its_beginning_on() {
    let store = store();
    assert_eq!(store.answer("k1").expect("a query"), None);
    let begun = begin(&store, &message("c", "k1", "Hello"));
    let stored = store.answer("k1").expect("a query").expect("an answer");
    assert_eq!(stored.exchange, begun.exchange);
    assert_eq!(stored.conversation_id, "c");
    assert_eq!(stored.state, State::Streaming);
    assert_eq!(stored.fingerprint, "{}");
    assert_eq!(stored.correlation_id, "abc-123");
    assert_eq!(stored.answer_turn, "a-k1");
    assert_eq!(stored.history_turns, 0);
    assert_eq!(stored.pieces, Pieces::default());
    assert_eq!(stored.ending, None);
    assert_eq!(stored.budget_left, None);
}

#[test]
fn what_is_in_the_journal_is_read_while_the_answer_grows() {
    let store = store();
    let begun = begin(&store, &message("c", "k1", "Hello"));
    let mut row = JournalRow::default();
    append(&store, begun.exchange, &mut row, &pieces(["Hi", " there"]));
    append(&store, begun.exchange, &mut row, &pieces(["."]));
    let stored = store.answer("k1").expect("a query").expect("an answer");
    assert_eq!(stored.pieces, pieces(["Hi", " there", "."]));
    assert_eq!(json(&store, "c")["turns"][1]["content"], "Hi there.");
    assert_eq!(json(&store, "c")["turns"][1]["state"], "streaming");
}

#[test]
fn a_long_journal_takes_several_rows_and_comes_back_whole() {
    let database = Sqlite::new();
    let store = open(&database);
    let begun = begin(&store, &message("c", "k1", "Hello"));
    let mut row = JournalRow::default();
    let mut all = Pieces::default();
    for number in 0..600 {
        let piece = format!("\"{number} {}\"", "x".repeat(number));
        let mut part = Pieces::default();
        part.push(Piece::Text(&piece));
        all.push(Piece::Text(&piece));
        append(&store, begun.exchange, &mut row, &part);
    }
    let sizes = "SELECT max(length(pieces)) <= 65536, count(*), min(typeof(pieces)) FROM journal";
    assert_eq!(
        database.shown(sizes),
        ["[Integer(1), Integer(3), Text(\"blob\")]"]
    );
    let stored = store.answer("k1").expect("a query").expect("an answer");
    assert_eq!(stored.pieces, all);
}

#[test]
fn the_end_moves_the_text_out_of_the_journal() {
    let database = Sqlite::new();
    let store = open(&database);
    let begun = begin(&store, &message("c", "k1", "Hello"));
    let text = pieces(["Hi"]);
    append(&store, begun.exchange, &mut JournalRow::default(), &text);
    let ended = Ended {
        state: State::Stopped,
        ending: "\"finish_reason\":\"stopped\"",
        pieces: &text,
        seen: None,
        now_ms: NOW,
    };
    assert!(store.end(begun.exchange, &ended).expect("an end"));
    assert_eq!(database.shown("SELECT * FROM journal"), [""; 0]);
    let stored = store.answer("k1").expect("a query").expect("an answer");
    assert_eq!(stored.state, State::Stopped);
    assert_eq!(stored.pieces, text);
    assert_eq!(
        stored.ending.as_deref(),
        Some("\"finish_reason\":\"stopped\"")
    );
}

#[test]
fn the_first_ending_counts() {
    let database = Sqlite::new();
    let store = open(&database);
    let begun = begin(&store, &message("c", "k1", "Hello"));
    end(&store, begun.exchange, "Hi");
    let before = database.dump();
    let late = Ended {
        state: State::Failed,
        ending: "\"error\":\"late\"",
        pieces: &pieces(["late"]),
        seen: None,
        now_ms: NOW + 1,
    };
    assert!(!store.end(begun.exchange, &late).expect("no end"));
    append(
        &store,
        begun.exchange,
        &mut JournalRow::default(),
        &pieces(["late"]),
    );
    store
        .forget_exchange(begun.exchange)
        .expect("nothing to do");
    assert_eq!(database.dump(), before);
}

#[test]
fn an_instance_that_opens_ends_what_an_earlier_one_left() {
    let database = Sqlite::new();
    let earlier = open(&database);
    let complete = begin(&earlier, &message("c", "k0", "First"));
    end(&earlier, complete.exchange, "Done");
    let begun = begin(&earlier, &message("c", "k1", "Hello"));
    let mut row = JournalRow::default();
    append(&earlier, begun.exchange, &mut row, &pieces(["Hi", " th"]));
    begin(&earlier, &message("d", "k2", "Silence"));

    let store = open(&database);
    let stored = store.answer("k1").expect("a query").expect("an answer");
    assert_eq!(stored.state, State::Interrupted);
    assert_eq!(stored.pieces, pieces(["Hi", " th"]));
    assert_eq!(
        stored.ending.as_deref(),
        Some(
            "\"error\":\"The answer was interrupted\",\"detail\":\"This service stopped while the answer was being \
             written. The text so far is kept. Ask again for a new answer.\",\"code\":\"interrupted\",\
             \"turn_id\":\"a-k1\",\"history_turns\":2"
        )
    );
    let silent = store.answer("k2").expect("a query").expect("an answer");
    assert_eq!(silent.state, State::Interrupted);
    assert_eq!(silent.pieces.count(), 0);
    let complete = store.answer("k0").expect("a query").expect("an answer");
    assert_eq!(complete.state, State::Complete);

    // The earlier instance may still be at work for a moment.
    append(&earlier, begun.exchange, &mut row, &pieces(["ere"]));
    let late = Ended {
        state: State::Complete,
        ending: STOP,
        pieces: &pieces(["Hi", " th", "ere"]),
        seen: None,
        now_ms: NOW,
    };
    assert!(!earlier.end(begun.exchange, &late).expect("no end"));
    let before = database.dump();
    open(&database);
    assert_eq!(database.dump(), before);
    assert_eq!(store.answer("k1").expect("a query"), Some(stored));
}

#[test]
fn texts_with_nul_are_kept_and_found_whole() {
    let store = store();
    let question = "before\0after";
    exchange(&store, &message("c", "k1", question), "answer\0behind");
    let json = json(&store, "c");
    assert_eq!(json["turns"][0]["content"], question);
    assert_eq!(json["turns"][1]["content"], "answer\0behind");
    assert_eq!(json["title"], "before after");
    for q in ["after", "behind"] {
        let listing = super::lists::search(&store, q);
        assert_eq!(super::lists::ids(&listing), ["c"], "{q}");
    }
}

#[test]
fn the_longest_answer_fits_into_a_row() {
    let database = Sqlite::new();
    let store = open(&database);
    let words = "\u{10FFFF}".repeat(8_000);
    let begun = begin(&store, &message("c", "k1", &words));
    let mut all = Pieces::default();
    let mut row = JournalRow::default();
    let piece = serde_json::to_string(&"long words ".repeat(100)).expect("a text");
    while all.as_bytes().len() + piece.len() + 2 <= MAX_BYTES {
        let mut part = Pieces::default();
        part.push(Piece::Text(&piece));
        append(&store, begun.exchange, &mut row, &part);
        all.push(Piece::Text(&piece));
    }
    let ended = Ended {
        state: State::Complete,
        ending: STOP,
        pieces: &all,
        seen: None,
        now_ms: NOW,
    };
    assert!(store.end(begun.exchange, &ended).expect("an end"));
    let stored = store.answer("k1").expect("a query").expect("an answer");
    assert_eq!(stored.pieces, all);
    let row =
        "SELECT length(pieces) + octet_length(message) + length(request) < 2000000 FROM exchanges";
    assert_eq!(database.shown(row), ["[Integer(1)]"]);
}

#[test]
fn a_write_that_fails_changes_nothing_and_can_be_repeated() {
    let database = Sqlite::new();
    let store = open(&database);
    let begun = begin(&store, &message("c", "k1", "Hello"));
    let mut row = JournalRow::default();
    append(&store, begun.exchange, &mut row, &pieces(["Hi"]));
    let before = database.dump();
    let size = database.query("PRAGMA page_count", &[]).expect("a size");
    let [personal_ai_assistant::memory::sql::Value::Integer(size)] = size[0][..] else {
        panic!("{size:?}");
    };
    database.limit_pages(u32::try_from(size).expect("a size"));
    let long = pieces(["x".repeat(100_000).as_str()]);
    let kept = row;
    let failure = store.append(begun.exchange, &mut row, long.as_bytes());
    assert!(is_full(&failure.expect_err("a full disk")));
    assert_eq!(row, kept);
    let mut all = pieces(["Hi"]);
    all.push(long.iter().next().expect("a piece"));
    let ended = Ended {
        state: State::Complete,
        ending: STOP,
        pieces: &all,
        seen: None,
        now_ms: NOW,
    };
    let failure = store.end(begun.exchange, &ended);
    assert!(is_full(&failure.expect_err("a full disk")));
    let failure = store.begin(&message("d", "k2", &"x".repeat(100_000)));
    assert!(failure.is_err());
    assert_eq!(database.dump(), before);

    database.limit_pages(1_000_000);
    append(&store, begun.exchange, &mut row, &long);
    let stored = store.answer("k1").expect("a query").expect("an answer");
    assert_eq!(stored.pieces, all);
    assert!(store.end(begun.exchange, &ended).expect("an end"));
}

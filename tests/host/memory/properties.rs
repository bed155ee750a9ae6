//! What holds for any answer, however it is written and whenever the process dies.

use std::path::Path;
use std::{fs, process};

use proptest::collection::vec;
use proptest::prelude::{Strategy, any};
use rusqlite::Connection;

use personal_ai_assistant::memory::answer::{Ended, StoredAnswer};
use personal_ai_assistant::memory::journal::JournalRow;
use personal_ai_assistant::memory::store::{State, Store};
use personal_ai_assistant::memory::transcript::Format;
use personal_ai_assistant::stream::pieces::{Piece, Pieces};

use super::database::{NOW, Sqlite, begin, conversation, exchange, json, message, open};

pub use crate::properties::{for_any, for_any_of};

const ENDING: &str = "\"finish_reason\":\"stop\",\"usage\":{\"input_tokens\":1,\"output_tokens\":2,\"total_tokens\":3}";

/// The pieces of an answer: JSON strings of any text, each a little longer or much, and some of them reasoning.
fn answer() -> impl Strategy<Value = Vec<String>> {
    let piece = (any::<String>(), 0..4_usize, any::<bool>());
    let piece = piece.prop_map(|(text, times, is_reasoning)| {
        let times = [1, 1, 1, 500][times];
        let json = serde_json::to_string(&text.repeat(times)).expect("a text");
        if is_reasoning {
            format!("~{json}")
        } else {
            json
        }
    });
    vec(piece, 0..40)
}

/// A piece as the texts here have it: reasoning stands behind a mark.
fn piece(text: &str) -> Piece<'_> {
    match text.strip_prefix('~') {
        Some(json) => Piece::Reasoning(json),
        None => Piece::Text(text),
    }
}

fn shown(piece: Piece<'_>) -> String {
    match piece {
        Piece::Text(json) => json.to_owned(),
        Piece::Reasoning(json) => format!("~{json}"),
    }
}

pub fn of(json: &[String]) -> Pieces {
    let mut pieces = Pieces::default();
    for json in json {
        pieces.push(piece(json));
    }
    pieces
}

fn stored(store: &Store<Sqlite>) -> StoredAnswer {
    store.answer("k").expect("a query").expect("an answer")
}

/// Cuts an answer into writes of so many pieces.
fn writes<'a>(answer: &'a [String], sizes: &[usize]) -> Vec<&'a [String]> {
    let mut writes = Vec::new();
    let mut rest = answer;
    for size in sizes.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (now, later) = rest.split_at((*size).min(rest.len()));
        writes.push(now);
        rest = later;
    }
    writes
}

pub fn complete(pieces: &Pieces) -> Ended<'_> {
    Ended {
        state: State::Complete,
        ending: ENDING,
        pieces,
        seen: None,
        now_ms: NOW,
    }
}

/// What a reader gets that has seen so many frames.
fn from(pieces: &Pieces, position: usize) -> Vec<String> {
    pieces.iter().skip(position).map(shown).collect()
}

#[test]
fn an_answer_is_the_same_however_its_writes_are_split_and_wherever_its_readers_are() {
    for_any(
        (answer(), vec(1..9_usize, 1..9), 0..45_usize),
        |(answer, sizes, position)| {
            let store = open(&Sqlite::new());
            let begun = begin(&store, &message("c", "k", "q"));
            let mut row = JournalRow::default();
            let mut so_far = Pieces::default();
            for write in writes(&answer, &sizes) {
                let appended = store.append(begun.exchange, &mut row, of(write).as_bytes());
                appended.expect("a journal that grows");
                for json in write {
                    so_far.push(piece(json));
                }
                assert_eq!(stored(&store).pieces, so_far);
            }
            let expected: Vec<String> = answer.iter().skip(position).cloned().collect();
            assert_eq!(
                from(&stored(&store).pieces, position),
                expected,
                "while it grows"
            );
            let text = json(&store, "c")["turns"][1]["content"].clone();
            assert!(
                store
                    .end(begun.exchange, &complete(&so_far))
                    .expect("an end")
            );
            let kept = stored(&store);
            assert_eq!(from(&kept.pieces, position), expected, "after its end");
            assert_eq!(kept.pieces.count(), answer.len() as u64);
            assert_eq!(kept.ending.as_deref(), Some(ENDING));
            assert_eq!(json(&store, "c")["turns"][1]["content"], text);
        },
    );
}

#[test]
fn a_crash_after_any_statement_loses_nothing_that_was_written_and_changes_no_ending() {
    let inputs = (answer(), vec(1..9_usize, 1..9), 0..50_usize, 0..45_usize);
    for_any(inputs, |(answer, sizes, life, position)| {
        let database = Sqlite::new();
        let store = open(&database);
        let begun = begin(&store, &message("c", "k", "q"));
        database.die_after(life);
        let mut row = JournalRow::default();
        let mut written = Pieces::default();
        let mut lives = true;
        for write in writes(&answer, &sizes) {
            lives = store
                .append(begun.exchange, &mut row, of(write).as_bytes())
                .is_ok();
            if !lives {
                break;
            }
            for json in write {
                written.push(piece(json));
            }
        }
        let ends = lives && store.end(begun.exchange, &complete(&written)).is_ok();

        database.revive();
        let next = open(&database);
        let kept = stored(&next);
        assert_eq!(kept.pieces, written);
        assert_eq!(from(&kept.pieces, position), from(&written, position));
        let state = if ends {
            State::Complete
        } else {
            State::Interrupted
        };
        assert_eq!(kept.state, state);
        assert_eq!(kept.ending.as_deref() == Some(ENDING), ends);
        assert_eq!(database.shown("SELECT * FROM journal"), [""; 0]);
        assert_eq!(
            database.shown("SELECT count(*) FROM search_docsize"),
            ["[Integer(1)]"]
        );
        // Neither later instances nor later messages change what it said.
        exchange(&next, &message("c", "later", "Next"), "text");
        let text = conversation(&next, "c", Format::Json);
        let last = open(&database);
        assert_eq!(stored(&last), kept);
        assert_eq!(conversation(&last, "c", Format::Json), text);
    });
}

#[test]
fn a_killed_process_leaves_a_file_with_all_that_was_written() {
    let inputs = (answer(), vec(1..9_usize, 1..9), 0..20_usize);
    for_any_of(16, inputs, |(answer, sizes, life)| {
        let folder =
            Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("killed-{}", process::id()));
        fs::create_dir_all(&folder).expect("a folder");
        let [alive, killed] = ["alive", "killed"].map(|name| folder.join(name));
        let connection = Connection::open(&alive).expect("a file");
        let log = "PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF";
        connection.execute_batch(log).expect("a write-ahead log");
        let store = open(&Sqlite::of(connection));
        let begun = begin(&store, &message("c", "k", "q"));
        let mut row = JournalRow::default();
        let mut written = Pieces::default();
        for write in writes(&answer, &sizes).into_iter().take(life) {
            let appended = store.append(begun.exchange, &mut row, of(write).as_bytes());
            appended.expect("a journal that grows");
            for json in write {
                written.push(piece(json));
            }
        }
        // What the file system has at this moment is what a killed process leaves.
        for part in ["", "-wal"] {
            let copy = |path: &Path| format!("{}{part}", path.display());
            fs::copy(copy(&alive), copy(&killed)).expect("a copy");
        }
        let next = open(&Sqlite::of(Connection::open(&killed).expect("a file")));
        assert_eq!(stored(&next).pieces, written);
        assert_eq!(stored(&next).state, State::Interrupted);
        drop((store, next));
        fs::remove_dir_all(&folder).expect("an empty folder");
    });
}

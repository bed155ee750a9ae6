//! What holds for any answer, however it is written and whenever the process dies.

use proptest::collection::vec;
use proptest::prelude::{Strategy, any};

use personal_ai_assistant::memory::answer::{Ended, Stored};
use personal_ai_assistant::memory::begin::{BeginError, Beginning};
use personal_ai_assistant::memory::journal::JournalRow;
use personal_ai_assistant::memory::pieces::Pieces;
use personal_ai_assistant::memory::reading::{Format, Reading};
use personal_ai_assistant::memory::store::{State, Store};

use super::database::{NOW, Sqlite, begin, conversation, exchange, json, message, open, read};

pub use crate::properties::for_any;

const ENDING: &str = "\"finish_reason\":\"stop\",\"usage\":{\"input_tokens\":1,\"output_tokens\":2,\"total_tokens\":3}";

/// The pieces of an answer: JSON strings of any text, each a little longer or much.
fn answer() -> impl Strategy<Value = Vec<String>> {
    let piece = (any::<String>(), 0..4_usize);
    let piece = piece.prop_map(|(text, times)| {
        let times = [1, 1, 1, 500][times];
        serde_json::to_string(&text.repeat(times)).expect("a text")
    });
    vec(piece, 0..40)
}

fn of(json: &[String]) -> Pieces {
    let mut pieces = Pieces::default();
    for json in json {
        pieces.push(json);
    }
    pieces
}

fn stored(store: &Store<Sqlite>) -> Stored {
    store.exchange("k").expect("a query").expect("an answer")
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

fn complete(pieces: &Pieces) -> Ended<'_> {
    Ended {
        state: State::Complete,
        ending: ENDING,
        pieces,
        now_ms: NOW,
    }
}

/// What a reader gets that has seen so many frames.
fn from(pieces: &Pieces, position: usize) -> Vec<String> {
    pieces.iter().skip(position).map(str::to_owned).collect()
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
                write.iter().for_each(|json| so_far.push(json));
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
            write.iter().for_each(|json| written.push(json));
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

/// Something that happens to a store.
#[derive(Clone, Copy, Debug)]
enum Act {
    Begin(u8),
    Append(u8),
    End(u8),
    Forget(u8),
    Rename(u8),
    Delete(u8),
    DeleteAll,
    Expire,
}

fn act() -> impl Strategy<Value = Act> {
    (0..14_u8, 0..6_u8).prop_map(|(kind, id)| match kind {
        0..4 => Act::Begin(id),
        4..7 => Act::Append(id),
        7..9 => Act::End(id),
        9 => Act::Forget(id),
        10 => Act::Rename(id),
        11 => Act::Delete(id),
        12 => Act::DeleteAll,
        _ => Act::Expire,
    })
}

/// Lets it happen to answer or conversation `id`: two answers share a conversation.
fn happen(store: &Store<Sqlite>, act: Act, now_ms: u64) -> Result<(), rusqlite::Error> {
    let (Act::Begin(id)
    | Act::Append(id)
    | Act::End(id)
    | Act::Forget(id)
    | Act::Rename(id)
    | Act::Delete(id)) = act
    else {
        return match act {
            Act::DeleteAll => store.delete_all().map(drop),
            _ => store.expire(now_ms - 5, 1).map(drop),
        };
    };
    let answer_id = format!("k{id}");
    let id = format!("c{}", id / 2);
    let found = store.exchange(&answer_id)?;
    let exchange = found.as_ref().map_or(0, |stored| stored.exchange);
    let mut text = found
        .as_ref()
        .map_or_else(Pieces::default, |stored| stored.pieces.clone());
    match act {
        Act::Begin(_) if found.is_none() => {
            let beginning = Beginning {
                now_ms,
                ..message(&id, &answer_id, "word")
            };
            match store.begin(&beginning) {
                Err(BeginError::Database(error)) => Err(error),
                _ => Ok(()),
            }
        }
        Act::Append(_) => {
            // As an instance does that has written nothing yet.
            let mut row = JournalRow::default();
            if text.count() > 0 {
                return Ok(());
            }
            store.append(exchange, &mut row, of(&["\"text\"".to_owned()]).as_bytes())
        }
        Act::End(_) => {
            text.push("\"end\"");
            store
                .end(
                    exchange,
                    &Ended {
                        now_ms,
                        ..complete(&text)
                    },
                )
                .map(drop)
        }
        Act::Forget(_) => store.forget_exchange(exchange),
        Act::Rename(_) => store.rename(&id, "Title", now_ms).map(drop),
        Act::Delete(_) => store.delete(&id).map(drop),
        _ => Ok(()),
    }
}

/// What must hold between any two acts.
fn is_whole(database: &Sqlite) {
    for (what, query) in [
        (
            "an exchange without conversation",
            "SELECT * FROM exchanges WHERE conversation NOT IN (SELECT number FROM conversations)",
        ),
        (
            "a conversation without exchange",
            "SELECT * FROM conversations WHERE number NOT IN (SELECT conversation FROM exchanges)",
        ),
        (
            "a journal without running answer",
            "SELECT * FROM journal WHERE exchange NOT IN (SELECT number FROM exchanges WHERE state = 'streaming')",
        ),
        (
            "an ended answer that is not indexed",
            "SELECT * FROM exchanges WHERE state <> 'streaming' AND number NOT IN (SELECT id FROM search_docsize)",
        ),
        (
            "an indexed text of nothing",
            "SELECT id FROM search_docsize WHERE id NOT IN (SELECT number FROM exchanges WHERE state <> 'streaming' \
          UNION SELECT number FROM conversations WHERE renamed_ms IS NOT NULL)",
        ),
        (
            "a title that is not indexed",
            "SELECT * FROM conversations WHERE renamed_ms IS NOT NULL AND number NOT IN (SELECT id FROM search_docsize)",
        ),
        (
            "a number that means two things",
            "SELECT number FROM conversations INTERSECT SELECT number FROM exchanges",
        ),
        (
            "a parent that is gone",
            "SELECT * FROM exchanges e WHERE parent_exchange NOT IN (SELECT number FROM exchanges p WHERE p.conversation = e.conversation)",
        ),
        (
            "a wrong time",
            "SELECT * FROM conversations c WHERE updated_ms <> max(coalesce(renamed_ms, 0), \
          (SELECT max(created_ms) FROM exchanges e WHERE e.conversation = c.number))",
        ),
    ] {
        assert_eq!(database.shown(query), [""; 0], "{what}");
    }
    database.run("INSERT INTO search (search, rank) VALUES ('integrity-check', 1)");
}

#[test]
fn each_act_happens_whole_or_not_at_all_whenever_the_process_dies() {
    for_any((vec(act(), 0..40), 0..80_usize), |(acts, life)| {
        let database = Sqlite::new();
        let mut store = open(&database);
        database.die_after(life);
        for (act, now_ms) in acts.into_iter().zip(NOW..) {
            let before = database.dump();
            if happen(&store, act, now_ms).is_err() {
                assert_eq!(database.dump(), before, "{act:?} happened in part");
                is_whole(&database);
                database.revive();
                store = open(&database);
            }
            is_whole(&database);
        }
        database.revive();
        for line in read(&store, Reading::export()).split_terminator('\n') {
            serde_json::from_str::<serde_json::Value>(line).expect("a line of JSON");
        }
        store.delete_all().expect("a deletion");
        is_whole(&database);
    });
}

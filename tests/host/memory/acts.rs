//! Any sequence of what can happen to a store, and a process that may die in the middle of each.

use proptest::collection::vec;
use proptest::prelude::Strategy;

use personal_ai_assistant::memory::answer::Ended;
use personal_ai_assistant::memory::begin::{BeginError, NewExchange};
use personal_ai_assistant::memory::journal::JournalRow;
use personal_ai_assistant::memory::store::Store;
use personal_ai_assistant::memory::transcript::Transcript;
use personal_ai_assistant::stream::pieces::{Piece, Pieces};

use super::database::{NOW, Sqlite, message, open, read};
use super::properties::{complete, for_any, of};

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
            Act::DeleteAll => store.delete_all(&[], NOW),
            _ => store.expire(now_ms - 5, 1).map(drop),
        };
    };
    let answer_id = format!("k{id}");
    let id = format!("c{}", id / 2);
    let found = store.answer(&answer_id)?;
    let exchange = found.as_ref().map_or(0, |stored| stored.exchange);
    let mut text = found
        .as_ref()
        .map_or_else(Pieces::default, |stored| stored.pieces.clone());
    match act {
        Act::Begin(_) if found.is_none() => {
            let beginning = NewExchange {
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
            text.push(Piece::Text("\"end\""));
            store
                .end(
                    exchange,
                    &Ended {
                        seen: None,
                        now_ms,
                        ..complete(&text)
                    },
                )
                .map(drop)
        }
        Act::Forget(_) => store.forget_exchange(exchange),
        Act::Rename(_) => store.rename(&id, "Title", now_ms).map(drop),
        Act::Delete(_) => store.delete(&id, &[], NOW).map(drop),
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
        for line in read(&store, Transcript::export()).split_terminator('\n') {
            serde_json::from_str::<serde_json::Value>(line).expect("a line of JSON");
        }
        store.delete_all(&[], NOW).expect("a deletion");
        is_whole(&database);
    });
}

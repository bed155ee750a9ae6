//! Renaming and forgetting.

use personal_ai_assistant::api::request::After;
use personal_ai_assistant::memory::answer::Ended;
use personal_ai_assistant::memory::begin::NewExchange;
use personal_ai_assistant::memory::journal::JournalRow;
use personal_ai_assistant::memory::store::{State, Store};
use personal_ai_assistant::memory::transcript::Format;

use super::database::{
    NOW, STOP, Sqlite, append, begin, end, exchange, json, message, open, pieces,
};
use super::lists::{at, ids, search};

/// All tables without a row, as far as the store fills them.
fn is_empty(database: &Sqlite) -> bool {
    let counts = "SELECT (SELECT count(*) FROM conversations) + (SELECT count(*) FROM exchanges)
        + (SELECT count(*) FROM journal) + (SELECT count(*) FROM search_docsize)";
    database.shown(counts) == ["[Integer(0)]"]
}

#[test]
fn a_conversation_can_be_renamed_again_and_again() {
    let database = Sqlite::new();
    let store = open(&database);
    exchange(&store, &message("c", "k1", "Hello"), "Hi");
    for (ms, title) in [(1, "First \0 title"), (2, "Second title"), (2, "Third")] {
        assert!(store.rename("c", title, NOW + ms).expect("a title"));
        let json = json(&store, "c");
        assert_eq!(json["title"], title);
        assert_eq!(
            json["updated_at"],
            format!("2026-11-18T11:06:40.00{ms}000+00:00")
        );
    }
    assert_eq!(ids(&search(&store, "third")), ["c"]);
    assert_eq!(ids(&search(&store, "hello")), ["c"]);
    assert_eq!(ids(&search(&store, "title")), [""; 0]);
    assert!(!store.rename("d", "x", NOW).expect("no conversation"));
}

#[test]
fn a_deleted_conversation_is_forgotten_whole() {
    let database = Sqlite::new();
    let store = open(&database);
    exchange(&store, &message("c", "k1", "Hello"), "Hi");
    exchange(&store, &message("d", "k2", "Hello"), "Other");
    let begun = begin(&store, &message("c", "k3", "And?"));
    append(
        &store,
        begun.exchange,
        &mut JournalRow::default(),
        &pieces(["x"]),
    );
    store.rename("c", "Title", NOW).expect("a title");
    assert!(store.delete("c", &[], NOW).expect("a deletion"));
    assert!(!store.delete("c", &[], NOW).expect("no conversation"));
    assert_eq!(store.answer("k1").expect("a query"), None);
    assert_eq!(ids(&search(&store, "title")), [""; 0]);
    assert_eq!(ids(&search(&store, "hello")), ["d"]);
    // Whoever still writes the answer finds nothing to write to.
    let mut row = JournalRow::default();
    append(&store, begun.exchange, &mut row, &pieces(["y"]));
    append(&store, begun.exchange, &mut row, &pieces(["z"]));
    assert!(store.delete("d", &[], NOW).expect("a deletion"));
    assert!(is_empty(&database));
}

/// Begins answers that are never ended, until the database is full.
fn fill_up(store: &Store<Sqlite>) {
    for number in 0.. {
        let id: &str = Box::leak(format!("more{number}").into_boxed_str());
        if store
            .begin(&message("more", id, &"x".repeat(1_000)))
            .is_err()
        {
            return;
        }
        let begun = store.answer(id).expect("a query").expect("an answer");
        let ended = Ended {
            state: State::Complete,
            ending: STOP,
            pieces: &pieces(["word"]),
            seen: None,
            now_ms: NOW,
        };
        if store.end(begun.exchange, &ended).is_err() {
            return;
        }
    }
}

#[test]
fn forgetting_needs_no_room_and_makes_some() {
    for act in ["delete", "delete all", "expire"] {
        let database = Sqlite::new();
        let store = open(&database);
        for number in 0..50 {
            let id: &str = Box::leak(format!("k{number}").into_boxed_str());
            exchange(
                &store,
                &at(number, "c", id, "Hello"),
                &format!("word{number} ").repeat(500),
            );
        }
        database.limit_pages(1);
        fill_up(&store);
        let forgotten = match act {
            "delete" => store.delete("c", &[], NOW).map(|_| ()),
            "delete all" => store.delete_all(&[], NOW),
            _ => store.expire(NOW + 1_000, 10).map(|_| ()),
        };
        forgotten.expect("room");
        assert!(
            store
                .transcript("c", Format::Json)
                .expect("a query")
                .is_none(),
            "{act}"
        );
        let begun = store.begin(&at(2_000, "new", "new", &"y".repeat(8_000)));
        assert!(begun.is_ok(), "{act}: there is room again");
    }
}

#[test]
fn numbers_are_not_used_again() {
    let database = Sqlite::new();
    let store = open(&database);
    let first = begin(&store, &message("c", "k1", "Hello"));
    store.delete("c", &[], NOW).expect("a deletion");
    let second = begin(&store, &message("c", "k1", "Hello"));
    assert!(second.exchange > first.exchange);
    store.delete_all(&[], NOW).expect("a deletion");
    let third = begin(
        &store,
        &NewExchange {
            now_ms: 0,
            ..message("c", "k1", "Hello")
        },
    );
    assert!(third.exchange > second.exchange);
    // Not by the next instance either, whose clock may be behind.
    let store = open(&database);
    let fourth = begin(
        &store,
        &NewExchange {
            now_ms: 0,
            ..message("d", "k2", "Hello")
        },
    );
    assert!(fourth.exchange > third.exchange);
    let late = begin(
        &store,
        &NewExchange {
            now_ms: u64::MAX,
            ..message("e", "k3", "Hello")
        },
    );
    assert!(late.exchange < 1 << 53);
}

#[test]
fn everything_can_be_forgotten_and_new_conversations_begin() {
    let database = Sqlite::new();
    let store = open(&database);
    exchange(&store, &message("c", "k1", "Hello"), "Hi");
    store.rename("c", "Title", NOW).expect("a title");
    let begun = begin(&store, &message("d", "k2", "And?"));
    append(
        &store,
        begun.exchange,
        &mut JournalRow::default(),
        &pieces(["x"]),
    );
    store.delete_all(&[], NOW).expect("a deletion");
    assert!(is_empty(&database));
    store.delete_all(&[], NOW).expect("nothing to do");
    exchange(&store, &message("c", "k1", "Hello again"), "Hi");
    assert_eq!(ids(&search(&store, "again")), ["c"]);
    open(&database);
}

#[test]
fn conversations_expire_the_oldest_first_unless_their_answer_is_running() {
    let database = Sqlite::new();
    let store = open(&database);
    assert_eq!(store.oldest_update().expect("a query"), None);
    let at = |ms, id| NewExchange {
        now_ms: NOW + ms,
        ..message(id, id, "Hello")
    };
    for (ms, id) in [(10, "b"), (0, "a"), (20, "c"), (30, "d")] {
        exchange(&store, &at(ms, id), "Hi");
    }
    let running = begin(&store, &at(1, "running"));
    store.rename("b", "Kept", NOW + 40).expect("a title");
    assert_eq!(store.oldest_update().expect("a query"), Some(NOW));
    assert_eq!(store.expire(NOW, 10).expect("nothing is so old"), 0);
    assert_eq!(store.expire(NOW + 30, 1).expect("an expiry"), 1);
    assert_eq!(store.oldest_update().expect("a query"), Some(NOW + 1));
    assert_eq!(store.expire(NOW + 30, 10).expect("an expiry"), 1);
    assert_eq!(ids(&search(&store, "hello")), ["b", "d"]);
    end(&store, running.exchange, "Hi");
    assert_eq!(store.expire(NOW + 30, 10).expect("an expiry"), 1);
    assert_eq!(store.oldest_update().expect("a query"), Some(NOW + 30));
}

#[test]
fn an_exchange_whose_answer_never_began_leaves_nothing() {
    let database = Sqlite::new();
    let store = open(&database);
    exchange(&store, &message("c", "k1", "Hello"), "Hi");
    store.rename("c", "Title", NOW + 5).expect("a title");
    exchange(&store, &message("d", "k2", "Other"), "Hi");
    let before = database.dump();
    for beginning in [
        NewExchange {
            now_ms: NOW + 10,
            ..message("c", "k3", "Failed")
        },
        NewExchange {
            now_ms: NOW + 10,
            ..message("d", "k3", "Failed")
        },
        NewExchange {
            now_ms: NOW + 10,
            ..message("e", "k3", "Failed")
        },
        NewExchange {
            after: &After::Beginning,
            ..message("c", "k3", "Failed")
        },
    ] {
        let begun = begin(&store, &beginning);
        store.forget_exchange(begun.exchange).expect("a way back");
        assert_eq!(database.dump(), before);
    }
    // A conversation whose title is that of the exchange, but which has got another one meanwhile.
    let first = begin(&store, &message("f", "k4", "First words"));
    let second = NewExchange {
        after: &After::Beginning,
        ..message("f", "k5", "Second words")
    };
    begin(&store, &second);
    store.forget_exchange(first.exchange).expect("a way back");
    assert_eq!(json(&store, "f")["title"], "Second words");
    // A renamed one that goes altogether.
    let only = begin(&store, &message("g", "k6", "Only"));
    store.rename("g", "Unusual", NOW).expect("a title");
    store.forget_exchange(only.exchange).expect("a way back");
    assert_eq!(ids(&search(&store, "unusual")), [""; 0]);
}

//! Answers that a dead process has left, before their endings are stored: on a full disk that is as far as it gets.

use proptest::collection::vec;
use proptest::prelude::any;

use personal_ai_assistant::api::request::After;
use personal_ai_assistant::memory::answer::StoredAnswer;
use personal_ai_assistant::memory::begin::NewExchange;
use personal_ai_assistant::memory::journal::JournalRow;
use personal_ai_assistant::memory::store::{State, Store};
use personal_ai_assistant::memory::transcript::{Format, Transcript};

use super::database::{
    NOW, Sqlite, append, begin, conversation, exchange, is_full, message, open, pieces, read,
};
use super::lists::list;
use super::properties::for_any_of;

/// All that readers get of an owner's conversations.
#[derive(Debug, PartialEq)]
struct Told {
    answers: Vec<Option<StoredAnswer>>,
    conversations: Vec<Option<String>>,
    list: serde_json::Value,
    export: String,
}

fn told(store: &Store<Sqlite>) -> Told {
    let answer = |id| store.answer(id).expect("a query");
    let formats = [Format::Json, Format::Markdown];
    Told {
        answers: ["k0", "k1", "k2"].map(answer).to_vec(),
        conversations: formats
            .map(|format| conversation(store, "c", format))
            .to_vec(),
        list: list(store, None, None, 30),
        export: read(store, Transcript::export()),
    }
}

/// The store as the next instance finds it.
fn opened(database: &Sqlite) -> Store<Sqlite> {
    Store::open(database.clone()).expect("a store")
}

/// A database with a complete answer and two that a process has left, one of them with these texts.
fn abandoned(texts: &[&str]) -> Sqlite {
    let database = Sqlite::new();
    let store = open(&database);
    exchange(&store, &message("c", "k0", "First"), "Done");
    let begun = begin(&store, &message("c", "k1", "Hello"));
    let mut row = JournalRow::default();
    append(
        &store,
        begun.exchange,
        &mut row,
        &pieces(texts.iter().copied()),
    );
    begin(
        &store,
        &NewExchange {
            after: &After::Beginning,
            ..message("c", "k2", "Anew")
        },
    );
    database
}

#[test]
fn readers_are_told_the_ending_that_is_stored_later() {
    for_any_of(64, vec(any::<String>(), 0..6), |texts| {
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let database = abandoned(&texts);
        let store = opened(&database);
        let before = told(&store);
        let states = before
            .answers
            .iter()
            .flatten()
            .map(|answer| answer.state)
            .collect::<Vec<_>>();
        assert_eq!(
            states,
            [State::Complete, State::Interrupted, State::Interrupted]
        );
        store.recover(NOW, &mut Vec::new()).expect("a recovery");
        assert_eq!(told(&store), before);
        assert_eq!(told(&opened(&database)), before);
    });
}

#[test]
fn a_full_disk_is_read_from_and_nothing_is_written_to_it() {
    let database = abandoned(&["Hi"]);
    let expected = told(&open(&abandoned(&["Hi"])));
    let dump = database.dump();
    database.take_written();
    database.limit_pages(1);
    let store = opened(&database);
    assert_eq!(told(&store), expected);
    assert_eq!(database.take_written(), [], "a store that is up to date");
    let long = "x".repeat(100_000);
    let failure = store.rename("c", &long, NOW).expect_err("a full disk");
    assert!(is_full(&failure));
    assert_eq!(database.dump(), dump);
}

#[test]
fn an_answer_of_this_instance_is_running() {
    let database = abandoned(&["Hi"]);
    let store = open(&database);
    let begun = begin(&store, &message("c", "k3", "And now?"));
    append(
        &store,
        begun.exchange,
        &mut JournalRow::default(),
        &pieces(["x"]),
    );
    let stored = store.answer("k3").expect("a query").expect("an answer");
    assert_eq!((stored.state, stored.ending), (State::Streaming, None));
    let listing = list(&store, None, None, 30);
    assert_eq!(listing["conversations"][0]["state"], "streaming");
    let json = super::database::json(&store, "c");
    assert_eq!(json["turns"][7]["state"], "streaming");
    let mut interrupted = Vec::new();
    store.recover(NOW, &mut interrupted).expect("a recovery");
    assert_eq!(interrupted, [], "its end is for this instance to store");
}

#[test]
fn its_final_frame_tells_the_model_where_such_frames_do_and_something_is_kept_of_it() {
    let database = abandoned(&["Hel", "lo"]);
    let endings = |tells_models| {
        let store = opened(&database).telling_models(tells_models);
        ["k1", "k2"].map(|id| {
            let answer = store.answer(id).expect("a query").expect("an answer");
            answer.ending.expect("an ending")
        })
    };
    let model = "\"code\":\"interrupted\",\"model\":\"gpt-4\",\"turn_id\":";
    let [silent, _] = endings(false);
    assert!(!silent.contains("\"model\""), "{silent}");
    let [begun, unknown] = endings(true);
    assert!(begun.contains(model), "{begun}");
    assert!(!unknown.contains("\"model\""), "{unknown}");
    // It is the same once it is stored.
    let told = endings(true);
    let store = opened(&database).telling_models(true);
    store.recover(NOW, &mut Vec::new()).expect("a recovery");
    assert_eq!(endings(false), told);
}

//! The list of conversations.

use serde_json::Value;

use personal_ai_assistant::api::request::After;
use personal_ai_assistant::memory::begin::NewExchange;
use personal_ai_assistant::memory::list::{Cursor, Listing};
use personal_ai_assistant::memory::store::Store;

use super::database::{NOW, Sqlite, begin, end, exchange, message, store};

pub fn list(store: &Store<Sqlite>, q: Option<&str>, before: Option<&str>, limit: u64) -> Value {
    let before = before.map(|text| Cursor::parse(text).expect("a cursor"));
    let words = q.map(words);
    let listing = Listing {
        words: words.as_deref(),
        before,
        limit,
    };
    let json = store.list(&listing).expect("a list");
    serde_json::from_str(&json).expect("JSON")
}

/// The words of a search, as the runtime finds them.
pub fn words(q: &str) -> Vec<String> {
    let is_mark = |letter: char| matches!(letter, '\u{300}'..='\u{36F}' | '\u{900}'..='\u{DFF}' | '\u{E31}'..='\u{EFF}' | '\u{3099}'..='\u{309A}');
    let words = q.split(|letter: char| !letter.is_alphanumeric() && !is_mark(letter));
    words
        .filter(|word| word.contains(char::is_alphanumeric))
        .map(str::to_owned)
        .collect()
}

pub fn search(store: &Store<Sqlite>, q: &str) -> Value {
    list(store, Some(q), None, 30)
}

pub fn ids(listing: &Value) -> Vec<&str> {
    let conversations = listing["conversations"].as_array().expect("a list");
    let ids = conversations.iter().map(|one| one["id"].as_str());
    ids.map(|id| id.expect("an id")).collect()
}

/// A message at a time after [`NOW`].
pub fn at<'a>(ms: u64, conversation: &'a str, id: &'a str, text: &'a str) -> NewExchange<'a> {
    NewExchange {
        now_ms: NOW + ms,
        ..message(conversation, id, text)
    }
}

#[test]
fn a_page_has_exactly_these_fields() {
    let store = store();
    let json = |q: Option<&str>| {
        let words = q.map(words);
        let listing = Listing {
            words: words.as_deref(),
            before: None,
            limit: 30,
        };
        store.list(&listing).expect("a list")
    };
    assert_eq!(json(None), r#"{"conversations":[],"next":null}"#);
    exchange(&store, &at(0, "c", "k1", "Hello \"you\""), "Hi");
    begin(&store, &at(1_500, "c", "k2", "And now?"));
    assert_eq!(
        json(None),
        "{\"conversations\":[{\"id\":\"c\",\"title\":\"Hello \\\"you\\\"\",\
         \"created_at\":\"2026-11-18T11:06:40.000000+00:00\",\"updated_at\":\"2026-11-18T11:06:41.500000+00:00\",\
         \"turn_count\":4,\"state\":\"streaming\"}],\"next\":null}"
    );
    assert_eq!(
        json(Some("hi")),
        "{\"conversations\":[{\"id\":\"c\",\"title\":\"Hello \\\"you\\\"\",\
         \"created_at\":\"2026-11-18T11:06:40.000000+00:00\",\"updated_at\":\"2026-11-18T11:06:41.500000+00:00\",\
         \"turn_count\":4,\"state\":\"streaming\",\"snippet\":\"Hello \\\"you\\\" Hi\"}],\"next\":null}"
    );
}

#[test]
fn the_conversation_of_the_newest_message_comes_first() {
    let store = store();
    for (ms, id) in [(0, "a"), (10, "b"), (20, "c"), (20, "d")] {
        exchange(&store, &at(ms, id, id, "word"), "x");
    }
    exchange(&store, &at(30, "b", "b2", "other"), "x");
    assert_eq!(ids(&list(&store, None, None, 30)), ["b", "d", "c", "a"]);
    assert_eq!(ids(&search(&store, "word")), ["b", "d", "c", "a"]);
    // A clock that is set back moves nothing.
    exchange(&store, &at(5, "b", "b3", "late"), "x");
    assert_eq!(ids(&list(&store, None, None, 30)), ["b", "d", "c", "a"]);
}

#[test]
fn pages_hold_each_conversation_once() {
    let store = store();
    for number in 0..25_u64 {
        let id = format!("c{number:02}");
        exchange(&store, &at(number / 3, &id, &id, "word"), "x");
    }
    for q in [None, Some("word")] {
        for limit in [1, 2, 7, 24, 25, 26] {
            let mut seen = Vec::new();
            let mut before: Option<String> = None;
            loop {
                let page = list(&store, q, before.as_deref(), limit);
                let page_ids = ids(&page);
                assert!(page_ids.len() as u64 <= limit && !page_ids.is_empty());
                seen.extend(page_ids.into_iter().map(str::to_owned));
                match page["next"].as_str() {
                    Some(next) => before = Some(next.to_owned()),
                    None => break,
                }
            }
            let mut expected: Vec<String> = (0..25).map(|number| format!("c{number:02}")).collect();
            expected.reverse();
            assert_eq!(seen, expected, "{q:?} by {limit}");
        }
    }
}

#[test]
fn a_page_goes_on_where_the_last_one_ended_whatever_was_written_meanwhile() {
    let store = store();
    for number in 0..6_u64 {
        let id = format!("c{number}");
        exchange(&store, &at(number, &id, &id, "word"), "x");
    }
    let first = list(&store, None, None, 2);
    assert_eq!(ids(&first), ["c5", "c4"]);
    store.delete("c4", &[], NOW).expect("a deletion");
    exchange(&store, &at(90, "c9", "c9", "new"), "x");
    exchange(&store, &at(91, "c5", "c5b", "new"), "x");
    let second = list(&store, None, first["next"].as_str(), 2);
    assert_eq!(ids(&second), ["c3", "c2"]);
}

#[test]
fn what_is_no_cursor_is_told_apart() {
    for text in [
        "",
        "-",
        "1",
        "1-",
        "-1",
        "x-1",
        "1-1-1",
        "+1-1",
        "1-+1",
        "1- 1",
        "ffffffffffffffff-1",
        "١-١",
    ] {
        assert_eq!(Cursor::parse(text), None, "{text}");
    }
    let cursor = Cursor::parse("1a1ee62e400-68799a7c0000").expect("a cursor");
    assert_eq!(cursor.to_string(), "1a1ee62e400-68799a7c0000");
}

#[test]
fn the_state_is_that_of_the_newest_answer_and_every_turn_counts() {
    let store = store();
    let first = begin(&store, &at(0, "c", "k1", "one"));
    end(&store, first.exchange, "1");
    let edit = NewExchange {
        after: &After::Beginning,
        ..at(1, "c", "k2", "one, edited")
    };
    begin(&store, &edit);
    let listing = list(&store, None, None, 30);
    assert_eq!(listing["conversations"][0]["state"], "streaming");
    assert_eq!(listing["conversations"][0]["turn_count"], 4);
}

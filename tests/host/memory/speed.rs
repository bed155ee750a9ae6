//! How long an owner with many conversations waits. It prints figures and judges none. The release profile is for size,
//! and would make `SQLite` slower than the runtime's:
//! `CARGO_PROFILE_RELEASE_OPT_LEVEL=3 cargo test --release --no-default-features memory::speed -- --ignored --nocapture`.

use std::path::Path;
use std::time::Instant;

use rusqlite::Connection;

use personal_ai_assistant::memory::begin::NewExchange;
use personal_ai_assistant::memory::list::{Cursor, Listing};
use personal_ai_assistant::memory::store::Store;
use personal_ai_assistant::memory::transcript::Format;

use super::database::{NOW, Sqlite, begin, conversation, exchange, message, open};
use super::lists::words;

const CONVERSATIONS: u64 = 100_000;
/// Different words. The first is in every text, the last in very few.
const WORDS: u64 = 20_000;

#[test]
#[ignore = "takes minutes, and prints figures instead of judging them"]
fn a_hundred_thousand_conversations() {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("speed.sqlite");
    std::fs::remove_file(&path).ok();
    let connection = Connection::open(&path).expect("a file");
    connection
        .execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF")
        .expect("a faster start");
    let store = open(&Sqlite::of(connection));
    time_once("fill", || fill(&store));
    let size = std::fs::metadata(&path).expect("a file").len();
    println!("{:28} {:>9} MB", "size", size / 1_000_000);
    let list = |q: Option<&str>, before| {
        let before = Cursor::parse(before);
        let words = q.map(words);
        let listing = Listing {
            words: words.as_deref(),
            before,
            limit: 30,
        };
        drop(store.list(&listing).expect("a list"));
    };
    let middle = format!("{:x}-0", NOW + CONVERSATIONS / 2);
    time("list", || list(None, ""));
    time("list from the middle", || list(None, &middle));
    for q in [
        "w0",
        "w",
        "w1",
        "w10",
        "commonplace",
        "commo",
        "w19500",
        "w0 w1",
        "w0 w19500",
        "nothing",
        "w0x",
    ] {
        time(&format!("search {q}"), || list(Some(q), ""));
    }
    time("search w0 from the middle", || list(Some("w0"), &middle));
    let id = format!("c{}", CONVERSATIONS / 2);
    time("open", || drop(conversation(&store, &id, Format::Json)));
    time("begin and forget", || {
        let begun = begin(&store, &message(&id, "new", "Hello"));
        store.forget_exchange(begun.exchange).expect("a way back");
    });
    let one_more = std::cell::Cell::new(0);
    time("one more exchange", || {
        let id = format!("more{}", one_more.replace(one_more.get() + 1));
        exchange(
            &store,
            &message("more", &id, "Hello"),
            &"word of the answer ".repeat(100),
        );
    });
    time("delete a conversation", || {
        let id = format!("c{}", one_more.replace(one_more.get() + 1));
        store.delete(&id, &[], NOW).expect("a deletion");
    });
    time("open the store again", || {
        let connection = Connection::open(&path).expect("a file");
        drop(open(&Sqlite::of(connection)));
    });
}

fn time_once(what: &str, act: impl FnOnce()) {
    let start = Instant::now();
    act();
    println!("{what:28} {:>9.2?}", start.elapsed());
}

/// The median of several runs.
fn time(what: &str, act: impl Fn()) {
    let mut times: Vec<_> = (0..9)
        .map(|_| {
            let start = Instant::now();
            act();
            start.elapsed()
        })
        .collect();
    times.sort();
    println!("{what:28} {:>9.2?} (slowest {:.2?})", times[4], times[8]);
}

fn fill(store: &Store<Sqlite>) {
    let mut seed = 1_u64;
    let mut random = |below: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (seed >> 33) % below
    };
    let mut text = |length: u64| {
        let mut words = vec!["w0 commonplace".to_owned()];
        // As in a language, a few words are most of a text.
        words.extend((0..length).map(|_| {
            let rare = random(WORDS) + 1;
            let word = random(rare) * random(rare) / rare + 1;
            let rest = usize::try_from(word % 9).expect("a length");
            format!("w{word}{}", &"abcdefghi"[..rest])
        }));
        words.join(" ")
    };
    for number in 0..CONVERSATIONS {
        let id = format!("c{number}");
        for part in 0..=number % 3 {
            let key = format!("k{number}-{part}");
            let question = text(10);
            let beginning = NewExchange {
                now_ms: NOW + number,
                ..message(&id, &key, &question)
            };
            exchange(store, &beginning, &text(100));
        }
    }
}

//! The search in messages, answers and titles.

use proptest::char::range;
use proptest::collection::vec;
use proptest::prelude::{Strategy, prop_oneof};

use super::database::{NOW, Sqlite, exchange, message, open, store};
use super::lists::{at, ids, list, search};
use super::properties::for_any;

#[test]
fn a_search_finds_words_and_their_beginnings_in_messages_answers_and_titles() {
    let store = store();
    exchange(
        &store,
        &at(0, "a", "k1", "How do I bake bread?"),
        "With yeast, and Geduld.",
    );
    exchange(
        &store,
        &at(1, "b", "k2", "Was ist ein Käsekuchen?"),
        "Ein Kuchen 🍰 aus 500 g Quark.",
    );
    exchange(
        &store,
        &at(2, "c", "k3", "今日の天気は"),
        "晴れです。明日は雨でしょう。",
    );
    assert!(store.rename("a", "Sourdough", NOW + 3).expect("a title"));
    for (q, found) in [
        ("bread", &["a"][..]),
        ("BRE", &["a"]),
        ("yeast", &["a"]),
        ("sourd", &["a"]),
        ("bread yea", &["a"]),
        ("bread kuchen", &[]),
        ("kasekuchen", &["b"]),
        ("KÄSE", &["b"]),
        ("500", &["b"]),
        ("🍰 quark", &["b"]),
        ("今日", &["c"]),
        ("晴れ", &["c"]),
        ("read", &[]),
        ("e", &["b"]),
    ] {
        assert_eq!(ids(&search(&store, q)), found, "{q}");
    }
}

#[test]
fn a_word_that_is_everywhere_costs_no_more_for_each_conversation_that_is_shown() {
    let database = Sqlite::new();
    let store = open(&database);
    for number in 0..500 {
        let id = format!("c{number}");
        exchange(&store, &at(number, &id, &id, "a common word"), "");
    }
    let cost = |limit| {
        database.take_steps();
        let found = list(&store, Some("common"), None, limit);
        assert_eq!(ids(&found).len() as u64, limit);
        database.take_steps()
    };
    let (one, many) = (cost(1), cost(30));
    // What a conversation adds is a small part of what it takes to go through all matches once.
    assert!(
        (many - one) / 29 < one / 100,
        "{one} for one, {many} for 30"
    );
}

#[test]
fn any_text_is_a_harmless_search() {
    let store = store();
    exchange(
        &store,
        &at(
            0,
            "c",
            "k1",
            "don't AND \"quote\" NOT foo-bar c++ naïve हिन्दी text:1",
        ),
        "NEAR OR",
    );
    for (q, is_found) in [
        ("\"", false),
        ("\"\"", false),
        ("'", false),
        ("*", false),
        ("()", false),
        ("-", false),
        ("", false),
        (" ", false),
        ("\0", false),
        ("😀", false),
        ("^", false),
        (":", false),
        ("{}", false),
        ("\u{301}", false),
        ("Ⓐ", false),
        ("AND", true),
        ("\"quote\"", true),
        ("\"quo", true),
        ("NOT", true),
        ("NEAR(", true),
        ("text:1", true),
        ("text : 1", true),
        ("don't", true),
        ("dont", false),
        ("foo-bar", true),
        ("foo-b", true),
        ("bar-foo", true),
        ("c++", true),
        ("quote\0foo", true),
        ("quote*", true),
        ("^don", true),
        ("हिन्दी", true),
        ("हिम", false),
        ("NAÏ", true),
        ("OR OR OR", true),
        ("near) OR (x", false),
        ("search", false),
        ("rowid", false),
    ] {
        let listing = search(&store, q);
        assert_eq!(!ids(&listing).is_empty(), is_found, "{q:?}: {listing}");
    }
    let many = "near ".repeat(10_000);
    assert_eq!(ids(&search(&store, &many)), ["c"]);
    let long = "x".repeat(100_000);
    assert_eq!(ids(&search(&store, &long)), [""; 0]);
}

#[test]
fn a_snippet_shows_where_the_word_is() {
    let store = store();
    let before = "lorem ipsum ".repeat(20);
    let after = " dolor\n\nsit\tamet".repeat(20);
    exchange(
        &store,
        &at(0, "c", "k1", "Question"),
        &format!("{before}Needle{after}"),
    );
    let snippet = |q: &str| {
        search(&store, q)["conversations"][0]["snippet"]
            .as_str()
            .map(str::to_owned)
    };
    assert_eq!(
        snippet("need").as_deref(),
        Some(
            "…ipsum lorem ipsum lorem ipsum lorem ipsum lorem ipsum Needle dolor sit amet dolor sit amet dolor sit \
             amet dolor…"
        )
    );
    assert!(
        snippet("question")
            .expect("a snippet")
            .starts_with("Question lorem ipsum")
    );
    exchange(&store, &at(1, "d", "k2", "Ünïcode"), "straße");
    assert_eq!(snippet("unicode").as_deref(), Some("Ünïcode straße"));
    store
        .rename("d", "Groceries\nand more", NOW + 2)
        .expect("a title");
    assert_eq!(snippet("groc").as_deref(), Some("Groceries and more"));
}

#[test]
fn a_search_that_finds_much_gives_the_same_pages_as_one_that_finds_little() {
    let store = store();
    for number in 0..4_200_u64 {
        let id = format!("c{number:04}");
        let answer = if number % 10 == 0 {
            "common rare"
        } else {
            "common"
        };
        exchange(&store, &at(number, &id, &id, "question"), answer);
    }
    store
        .rename("c0500", "Common title", NOW + 5_000)
        .expect("a title");
    exchange(&store, &at(6_000, "c0100", "again", "something else"), "y");
    exchange(&store, &at(7_000, "other", "other", "something else"), "z");
    let page = list(&store, Some("common"), None, 3);
    assert_eq!(ids(&page), ["c0100", "c0500", "c4199"]);
    // Of each, the newest text in which the word is.
    let snippets = [0, 1].map(|at| page["conversations"][at]["snippet"].as_str());
    assert_eq!(snippets, [Some("question common rare"); 2]);
    let next = list(&store, Some("common"), page["next"].as_str(), 2);
    assert_eq!(ids(&next), ["c4198", "c4197"]);
    // Words that are longer than the beginnings in the index.
    let page = list(&store, Some("something"), None, 3);
    assert_eq!(ids(&page), ["other", "c0100"]);
    for q in ["questio", "question", "QUESTION common"] {
        assert_eq!(
            ids(&list(&store, Some(q), None, 3)),
            ["c0100", "c0500", "c4199"],
            "{q}"
        );
    }
    let rare = list(&store, Some("common rare"), None, 3);
    assert_eq!(ids(&rare), ["c0100", "c0500", "c4190"]);
    let mut before = None;
    let mut seen = 0;
    loop {
        let page = list(&store, Some("com"), before.as_deref(), 100);
        seen += ids(&page).len();
        before = page["next"].as_str().map(str::to_owned);
        if before.is_none() {
            break;
        }
    }
    assert_eq!(seen, 4_200);
}

#[test]
fn the_first_200_000_characters_of_a_text_are_searched() {
    let store = store();
    // The message and a line end come first, and a smiley is one character.
    let before = |word: &str| "😀 ".repeat((200_000 - "Q\n".len() - word.len()) / 2);
    for (id, answer) in [
        ("a", format!("{}inside", before("inside"))),
        ("b", format!("{}cutting", before("cutt"))),
        ("c", format!("{}beyond", before(""))),
    ] {
        exchange(&store, &at(0, id, id, "Q"), &answer);
    }
    for (q, found) in [
        ("inside", &["a"][..]),
        ("cutt", &["b"]),
        ("cutti", &[]),
        ("b", &[]),
    ] {
        assert_eq!(ids(&search(&store, q)), found, "{q}");
    }
}

/// Any text, and often one of a script whose words have marks in them.
fn text() -> impl Strategy<Value = String> {
    let letter = prop_oneof![
        range('\u{20}', '\u{24F}'),
        range('\u{410}', '\u{44F}'),
        range('\u{3041}', '\u{3096}'),
        range('\u{905}', '\u{94D}'),
    ];
    vec(letter, 1..60).prop_map(|letters| letters.into_iter().collect())
}

#[test]
fn a_text_is_found_by_itself_and_by_the_beginnings_of_its_words() {
    for_any(
        (text(), text(), 1..9_usize),
        |(question, answer, length)| {
            let store = store();
            exchange(&store, &message("c", "k", &question), &answer);
            let text = format!("{question} {answer}");
            for word in text.split(|letter: char| letter.is_whitespace() || letter.is_control()) {
                // The letters in circles and squares are symbols.
                let is_symbol =
                    |letter| matches!(letter, '\u{24B6}'..='\u{24E9}' | '\u{1F130}'..='\u{1F189}');
                let has_letter =
                    word.contains(|letter: char| letter.is_alphanumeric() && !is_symbol(letter));
                if has_letter {
                    assert_eq!(ids(&search(&store, word)), ["c"], "{word:?}");
                }
                let mut beginning: Vec<char> = word.chars().take(length).collect();
                // An accent alone is no beginning of a word.
                while beginning.last().is_some_and(|last| !last.is_alphanumeric()) {
                    beginning.pop();
                }
                let beginning: String = beginning.into_iter().collect();
                if has_letter && !beginning.is_empty() && !beginning.contains(is_symbol) {
                    assert_eq!(
                        ids(&search(&store, &beginning)),
                        ["c"],
                        "{word:?} by {beginning:?}"
                    );
                }
            }
        },
    );
}

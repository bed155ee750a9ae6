//! The first title of a conversation.

use super::database::{Sqlite, begin, json, message, open};

fn title(text: &str) -> String {
    let store = open(&Sqlite::new());
    begin(&store, &message("c", "k", text));
    json(&store, "c")["title"]
        .as_str()
        .expect("a title")
        .to_owned()
}

#[test]
fn a_title_is_the_beginning_of_the_first_message_cut_at_a_word() {
    let word = "word ".repeat(16);
    for (message, expected) in [
        ("Hello", "Hello".to_owned()),
        ("Two\r\nlines\t and  more", "Two lines and more".to_owned()),
        (&"x".repeat(80), "x".repeat(80)),
        (&format!("{word}tail"), word.trim_end().to_owned()),
        (&format!("{} tail", "x".repeat(80)), "x".repeat(80)),
        (&format!("a {}", "x".repeat(80)), "a".to_owned()),
        // One word that is longer than a title.
        (&"x".repeat(81), "x".repeat(80)),
        (
            &format!("https://example.com/{}", "y".repeat(100)),
            format!("https://example.com/{}", "y".repeat(60)),
        ),
        // Scripts without spaces.
        (&"天".repeat(100), "天".repeat(80)),
        (
            &format!("{}天气", "x".repeat(79)),
            format!("{}天", "x".repeat(79)),
        ),
        (
            &format!("Say {}", "が".repeat(100)),
            format!("Say {}", "が".repeat(76)),
        ),
        // What belongs to a letter stays with it.
        (&format!("{}e\u{301}e", "x".repeat(79)), "x".repeat(79)),
        (&"e\u{301}".repeat(50), "e\u{301}".repeat(40)),
        (&format!("{}👩\u{200D}🚀!", "x".repeat(78)), "x".repeat(78)),
        (&format!("{}👍\u{1F3FD}", "x".repeat(79)), "x".repeat(79)),
        (&format!("{}か\u{3099}", "天".repeat(79)), "天".repeat(79)),
        // Nothing to show.
        ("\0\u{7}", "Untitled".to_owned()),
        (&"\u{301}".repeat(100), "\u{301}".repeat(80)),
        ("\u{200D}", "\u{200D}".to_owned()),
    ] {
        assert_eq!(title(message), expected, "{message:?}");
    }
}

#[test]
fn a_title_has_between_1_and_80_characters_on_one_line() {
    use proptest::prelude::any;
    super::properties::for_any(any::<String>(), |message| {
        let title = title(&message);
        assert!((1..=80).contains(&title.chars().count()), "{title:?}");
        assert!(!title.contains(char::is_control), "{title:?}");
        assert_eq!(title.trim(), title);
    });
}

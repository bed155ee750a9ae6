//! What the worker tells an owner's object of a stateless answer.

use personal_ai_assistant::memory::entry::Entry;
use personal_ai_assistant::memory::ledger::Reservation;
use personal_ai_assistant::memory::spent::Spent;

const RESERVE: Entry<'_> = Entry::Reserve {
    name: "me@home",
    reservation: Reservation {
        id: "0001-a",
        model: "vendor/model:free",
        sent_tokens: 1,
        max_tokens: 2,
        expires_ms: u64::MAX,
    },
};

const FALLBACK: Entry<'_> = Entry::Fallback {
    id: "0001-a",
    model: "gpt-4",
};

const CLOSE: Entry<'_> = Entry::Close {
    id: "0001-a",
    spent: Some((
        "gpt-4",
        Spent {
            input_tokens: 1,
            output_tokens: 2,
            cached_tokens: 3,
            reasoning_tokens: 4,
            is_estimated: true,
            most_unseen: 5,
        },
    )),
};

const CLOSE_UNSPENT: Entry<'_> = Entry::Close {
    id: "0001-a",
    spent: None,
};

#[test]
fn an_entry_is_read_as_it_was_written() {
    for entry in [RESERVE, FALLBACK, CLOSE, CLOSE_UNSPENT] {
        assert_eq!(Entry::parse(&entry.encode()), Some(entry));
    }
}

#[test]
fn an_entry_with_a_word_missing_added_or_broken_is_none() {
    for entry in [RESERVE, FALLBACK, CLOSE, CLOSE_UNSPENT] {
        let text = entry.encode();
        assert_eq!(Entry::parse(&format!("{text} 1")), None, "{text}");
        assert_eq!(Entry::parse(&format!("un{text}")), None, "{text}");
    }
    for entry in [RESERVE, CLOSE] {
        let text = entry.encode();
        let (fewer, _) = text.rsplit_once(' ').expect("words");
        assert_eq!(Entry::parse(fewer), None, "{fewer}");
        assert_eq!(Entry::parse(&format!("{fewer} -1")), None, "{fewer}");
        assert_eq!(Entry::parse(&format!("{fewer} ")), None, "{fewer}");
    }
}

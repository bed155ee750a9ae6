//! What a person searches for → queries of FTS5's.

use crate::telemetry::record::cut;

/// Most words of a search that count: FTS5 limits how large a query may be.
const MAX_WORDS: usize = 16;

/// The index has beginnings of words up to this length. For a longer one FTS5 joins the lists of all words that begin so.
const INDEXED_LETTERS: usize = 6;

/// The queries of one search. Between quotes, FTS5 knows no operators.
#[derive(Debug)]
pub(super) struct Query {
    /// Finds texts with all of the words or beginnings of words.
    pub(super) beginnings: String,
    /// Finds only a part of them, those with the words themselves, but never joins lists.
    pub(super) words: String,
    /// Finds more, texts with words that begin alike, but never joins lists.
    pub(super) short_beginnings: String,
}

impl Query {
    /// The queries for these words, each a run of letters, digits and marks; `None` when there is no word.
    pub(super) fn of(words: &[String]) -> Option<Self> {
        // FTS5 drops these accents, and the beginning that is left of one alone would be that of every word.
        let is_accent = |letter: char| ('\u{300}'..='\u{331}').contains(&letter);
        let has_letter = |word: &&String| !word.trim_matches(is_accent).is_empty();
        let words: Vec<String> = words
            .iter()
            .filter(has_letter)
            .take(MAX_WORDS)
            .cloned()
            .collect();
        let query = |quoted: &dyn Fn(&str) -> String| {
            let quoted: Vec<String> = words
                .iter()
                .map(|word| quoted(&word.replace('"', "")))
                .collect();
            quoted.join(" ")
        };
        (!words.is_empty()).then(|| Self {
            beginnings: query(&|word| format!("\"{word}\"*")),
            words: query(&|word| format!("\"{word}\"")),
            short_beginnings: query(&|word| format!("\"{}\"*", cut(word, INDEXED_LETTERS))),
        })
    }
}

//! What a person searches for → a query of FTS5's.

/// Most words of a search that count: FTS5 limits how large a query may be.
const MAX_WORDS: usize = 16;

/// A query that finds texts with all of these words or beginnings of words; `None` when there is no word. Each is a run of
/// letters, digits and marks.
///
/// Between quotes, FTS5 knows no operators.
pub(super) fn query(words: &[String]) -> Option<String> {
    // FTS5 drops these accents, and the beginning that is left of one alone would be that of every word.
    let is_accent = |letter: char| ('\u{300}'..='\u{331}').contains(&letter);
    let words = words
        .iter()
        .filter(|word| !word.trim_matches(is_accent).is_empty());
    let quoted = |word: &String| format!("\"{}\"*", word.replace('"', ""));
    let query: Vec<String> = words.take(MAX_WORDS).map(quoted).collect();
    (!query.is_empty()).then(|| query.join(" "))
}

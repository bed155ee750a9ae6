//! What a person searches for → a query of FTS5's.

/// Most words of a search that count: FTS5 limits how large a query may be.
const MAX_WORDS: usize = 16;

/// A query that finds texts with all of these words or beginnings of words; `None` when there is no word.
///
/// Each word goes between quotes, where FTS5 knows no operators. Words without a letter or digit count for nothing there.
pub(super) fn query(q: &str) -> Option<String> {
    let words = q.split(|letter: char| letter.is_whitespace() || letter.is_control());
    // FTS5 drops these accents, and the beginning that is left of one alone would be that of every word.
    let is_accent = |letter: char| ('\u{300}'..='\u{331}').contains(&letter);
    let words = words.filter(|word| !word.trim_matches(is_accent).is_empty());
    let quoted = |word: &str| format!("\"{}\"*", word.replace('"', "\"\""));
    let query: Vec<String> = words.take(MAX_WORDS).map(quoted).collect();
    (!query.is_empty()).then(|| query.join(" "))
}

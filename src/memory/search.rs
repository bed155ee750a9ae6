//! What a person searches for → a query of FTS5's, and the place in a text that shows why it was found.

use super::title::one_line;

/// Most words of a search that count: FTS5 limits how large a query may be.
const MAX_WORDS: usize = 16;
/// Longest snippet, in Unicode scalar values, without the marks that show where text was left out.
const MAX_SNIPPET_CHARACTERS: usize = 120;
/// As many of them stand before the word that was found.
const CHARACTERS_BEFORE: usize = 30;

/// A query that finds texts with all of these words or beginnings of words; `None` when no word has a letter or digit.
///
/// Each word goes between quotes, where FTS5 knows no operators.
pub(super) fn query(q: &str) -> Option<String> {
    let words = q.split(|letter: char| letter.is_whitespace() || letter.is_control());
    let words = words.filter(|word| word.contains(char::is_alphanumeric));
    let quoted = |word: &str| format!("\"{}\"*", word.replace('"', "\"\""));
    let query: Vec<String> = words.take(MAX_WORDS).map(quoted).collect();
    (!query.is_empty()).then(|| query.join(" "))
}

/// The part of a text around the first word that was searched for, on one line.
///
/// FTS5's own snippets would search the index once more for each row. Unlike the index this keeps accents apart: a text
/// that it does not recognise is shown from its beginning.
pub(super) fn snippet(text: &str, q: &str) -> String {
    let line = one_line(text);
    let found = find(&line, q).unwrap_or(0);
    let (before, after) = line.split_at_checked(found).unwrap_or(("", &line));
    let begin = begin_of(before);
    let lead = if begin.len() < before.len() {
        "…"
    } else {
        ""
    };
    let rest: usize = MAX_SNIPPET_CHARACTERS.saturating_sub(begin.chars().count());
    let end = after
        .char_indices()
        .nth(rest)
        .map_or(after.len(), |(at, _)| at);
    let (shown, hidden) = after.split_at_checked(end).unwrap_or((after, ""));
    let trail = if hidden.is_empty() { "" } else { "…" };
    format!("{lead}{begin}{shown}{trail}")
}

/// The end of what stands before the word that was found, from the beginning of a word on.
fn begin_of(before: &str) -> &str {
    let mut starts = before.char_indices().rev().map(|(at, _)| at);
    let Some(at) = starts.nth(CHARACTERS_BEFORE) else {
        return before;
    };
    let end = before.get(at..).unwrap_or_default();
    end.split_once(' ').map_or(end, |(_, words)| words)
}

/// Where the first of the longest words that occur begins. Long words say more than short ones.
fn find(line: &str, q: &str) -> Option<usize> {
    let mut words: Vec<String> = tokens(q).map(|(_, word)| lowercase(word)).collect();
    words.sort_by_key(|word| std::cmp::Reverse(word.len()));
    words.iter().take(MAX_WORDS).find_map(|word| {
        let mut tokens = tokens(line);
        let found = tokens.find(|(_, token)| begins_with(token, word));
        found.map(|(at, _)| at)
    })
}

/// Runs of letters and digits, and where they begin.
fn tokens(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let is_mark = |letter: char| !letter.is_alphanumeric();
    let mut at = 0_usize;
    text.split_inclusive(is_mark).filter_map(move |token| {
        let begin = at;
        at = at.saturating_add(token.len());
        let token = token.trim_end_matches(is_mark);
        (!token.is_empty()).then_some((begin, token))
    })
}

fn begins_with(token: &str, lowercase: &str) -> bool {
    let mut letters = token.chars().flat_map(char::to_lowercase);
    lowercase
        .chars()
        .all(|letter| letters.next() == Some(letter))
}

fn lowercase(word: &str) -> String {
    word.chars().flat_map(char::to_lowercase).collect()
}

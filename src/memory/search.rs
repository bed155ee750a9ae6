//! What a person searches for → a query of FTS5's, and the place in a text that shows why it was found.

use super::title::one_line;

/// Most words of a search that count: FTS5 limits how large a query may be.
const MAX_WORDS: usize = 16;
/// Longest snippet, in Unicode scalar values, without the marks that show where text was left out.
const MAX_SNIPPET_CHARACTERS: usize = 120;
/// As many of them stand before the word that was found.
const CHARACTERS_BEFORE: usize = 30;

/// The words of texts, one space between two of them: letters and digits. What stands between words, and what FTS5 might
/// read as an operator, is gone.
///
/// Both what is indexed and what is searched for passes here, so that both have the same words.
pub(super) fn words(texts: &[&str]) -> String {
    let mut words = String::with_capacity(texts.iter().map(|text| text.len()).sum());
    for letter in texts.iter().flat_map(|text| text.chars().chain(['\n'])) {
        if is_letter(letter) {
            words.push(letter);
        } else if !is_mark(letter) && !words.is_empty() && !words.ends_with(' ') {
            words.push(' ');
        }
    }
    words
}

/// Letters and digits, except for those in circles and squares, which FTS5 takes for symbols.
fn is_letter(letter: char) -> bool {
    letter.is_alphanumeric()
        && !matches!(letter, '\u{24B6}'..='\u{24E9}' | '\u{1F130}'..='\u{1F189}')
}

/// Marks that stand inside of words and are no letters: accents, points, joiners.
fn is_mark(letter: char) -> bool {
    matches!(letter, '\u{300}'..='\u{36F}' | '\u{483}'..='\u{487}' | '\u{591}'..='\u{5BD}' | '\u{610}'..='\u{61A}'
        | '\u{64B}'..='\u{65F}' | '\u{93C}' | '\u{94D}' | '\u{9BC}' | '\u{9CD}' | '\u{A3C}' | '\u{A4D}' | '\u{ABC}'
        | '\u{ACD}' | '\u{B3C}' | '\u{B4D}' | '\u{BCD}' | '\u{C4D}' | '\u{CBC}' | '\u{CCD}' | '\u{D4D}' | '\u{DCA}'
        | '\u{E47}'..='\u{E4E}' | '\u{EBA}' | '\u{EC8}'..='\u{ECE}' | '\u{1037}'..='\u{103A}' | '\u{17C9}'..='\u{17D3}'
        | '\u{200C}'..='\u{200D}' | '\u{3099}'..='\u{309A}' | '\u{FE00}'..='\u{FE0F}')
}

/// A query that finds texts with all of these words or beginnings of words; `None` when there is no letter or digit.
pub(super) fn query(q: &str) -> Option<String> {
    let words = words(&[q]);
    // Between quotes, AND is a word.
    let words = words.split_terminator(' ').take(MAX_WORDS);
    let words: Vec<String> = words.map(|word| format!("\"{word}\"*")).collect();
    (!words.is_empty()).then(|| words.join(" "))
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

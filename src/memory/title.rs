//! The first title of a conversation: the beginning of its first message.

/// Longest first title, in Unicode scalar values.
const MAX_TITLE_CHARACTERS: usize = 80;

/// The title of a message that has nothing to show.
const UNTITLED: &str = "Untitled";

/// The beginning of a message, on one line, cut where a word ends. Never empty.
pub(super) fn of(message: &str) -> String {
    let line = one_line(message);
    let title = cut(&line).trim_end();
    if title.is_empty() {
        UNTITLED.to_owned()
    } else {
        title.to_owned()
    }
}

/// A text on one line: white space and control characters become single spaces.
pub(super) fn one_line(text: &str) -> String {
    let is_space = |letter: char| letter.is_whitespace() || letter.is_control();
    let words = text.split(is_space).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(" ")
}

/// As many whole words of a line as fit; the beginning of a word that is longer than a title.
fn cut(line: &str) -> &str {
    let ends = line.char_indices().map(|(at, _)| at).chain([line.len()]);
    let ends: Vec<usize> = ends.take(MAX_TITLE_CHARACTERS.saturating_add(1)).collect();
    let cut_at = |end: &usize| line.split_at_checked(*end).unwrap_or((line, ""));
    let mut candidates = ends.iter().rev().map(cut_at);
    let at_word = candidates.find(|(before, after)| !before.is_empty() && ends_word(before, after));
    let mut candidates = ends.iter().rev().map(cut_at);
    let at_letter =
        candidates.find(|(before, after)| !before.is_empty() && ends_letter(before, after));
    let longest = ends.last().map(cut_at);
    at_word.or(at_letter).or(longest).unwrap_or_default().0
}

/// Whether a word ends between two texts: at a space, at the end, or beside a letter of a script without spaces.
fn ends_word(before: &str, after: &str) -> bool {
    let Some(next) = after.chars().next() else {
        return true;
    };
    let is_unspaced = before.chars().next_back().is_some_and(is_unspaced) || is_unspaced(next);
    next == ' ' || (is_unspaced && ends_letter(before, after))
}

/// Chinese and Japanese.
fn is_unspaced(letter: char) -> bool {
    matches!(letter, '\u{2E80}'..='\u{9FFF}' | '\u{F900}'..='\u{FAFF}' | '\u{FF66}'..='\u{FF9D}' | '\u{20000}'..='\u{3FFFF}')
}

/// Whether what a reader sees as one letter ends between two texts.
fn ends_letter(before: &str, after: &str) -> bool {
    let is_joined = before.ends_with('\u{200D}');
    !is_joined && !after.starts_with(joins)
}

/// Marks that belong to the letter before them: accents, joiners, variants, skin tones, Thai vowel signs.
fn joins(letter: char) -> bool {
    matches!(letter,
        '\u{300}'..='\u{36F}' | '\u{200D}' | '\u{20D0}'..='\u{20FF}' | '\u{3099}'..='\u{309A}'
        | '\u{FE00}'..='\u{FE0F}' | '\u{1F3FB}'..='\u{1F3FF}' | '\u{E0020}'..='\u{E007F}'
        | '\u{E31}' | '\u{E34}'..='\u{E3A}' | '\u{E47}'..='\u{E4E}')
}

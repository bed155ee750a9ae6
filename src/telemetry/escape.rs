//! Characters as URLs and JSON write them: `%2F` and `\u002F` are a slash.
//!
//! Only what such writers do by themselves is undone, in either case of hexadecimal digits and however often
//! it was done (`%252F`). Who turns a secret into another text on purpose, as Base64 does, can hide it.

/// How much of `text` spells `word`, each byte of which may be escaped; nothing when it does not begin so.
/// Where it can be read in several ways, the longest counts.
pub(super) fn prefix_len(text: &[u8], word: &[u8]) -> Option<usize> {
    let (first, rest) = word.split_first()?;
    // Nearly always it ends here.
    if text.first() != Some(first) && !matches!(text.first(), Some(b'%' | b'\\')) {
        return None;
    }
    let mut ends = after(text, 0, *first);
    for byte in rest {
        let mut next: Vec<usize> = ends
            .iter()
            .flat_map(|end| after(text, *end, *byte))
            .collect();
        next.sort_unstable();
        next.dedup();
        if next.is_empty() {
            return None;
        }
        ends = next;
    }
    ends.into_iter().max()
}

/// The character at the beginning of a text, escapes undone as far as possible, and its length as written.
pub(super) fn character(text: &[u8]) -> Option<(u8, usize)> {
    let plain = text.first().map(|byte| (*byte, 1));
    readings(text).last().or(plain)
}

/// Where a byte that is written at `at` may end.
fn after(text: &[u8], at: usize, byte: u8) -> Vec<usize> {
    let text = text.get(at..).unwrap_or_default();
    let plain = text.first().map(|first| (*first, 1));
    let readings = plain.into_iter().chain(readings(text));
    let lengths = readings.filter_map(|(read, len)| (read == byte).then_some(len));
    lengths.map(|len| at.saturating_add(len)).collect()
}

/// What the escape at the beginning of a text may mean, and its length, the outermost one first.
fn readings(text: &[u8]) -> impl Iterator<Item = (u8, usize)> + '_ {
    percent(text).chain(backslash(text))
}

/// `%41`, `%2541`, `%252541`, …: each `25` is a percent sign that was escaped again.
fn percent(text: &[u8]) -> impl Iterator<Item = (u8, usize)> + '_ {
    let mut digits = match text {
        [b'%', digits @ ..] => digits,
        _ => &[],
    };
    std::iter::from_fn(move || {
        let (byte, rest) = hex(digits)?;
        let len = text.len().saturating_sub(rest.len());
        digits = if byte == b'%' { rest } else { &[] };
        Some((byte, len))
    })
}

/// `\"`, `\n`, `\u0041`.
fn backslash(text: &[u8]) -> impl Iterator<Item = (u8, usize)> + '_ {
    let read = match text {
        [b'\\', b'u', b'0', b'0', digits @ ..] => hex(digits).map(|(byte, _)| (byte, 6)),
        [b'\\', b'n' | b'r' | b't', ..] => Some((b' ', 2)),
        [b'\\', byte @ (b'"' | b'\\' | b'/' | b'\''), ..] => Some((*byte, 2)),
        _ => None,
    };
    read.into_iter()
}

/// The byte that two hexadecimal digits mean, and what follows them.
fn hex(digits: &[u8]) -> Option<(u8, &[u8])> {
    let (pair, rest) = digits.split_at_checked(2)?;
    let text = std::str::from_utf8(pair).ok()?;
    // A sign would be taken for a number's.
    let is_hex = pair.iter().all(u8::is_ascii_hexdigit);
    let byte = u8::from_str_radix(text, 16).ok().filter(|_| is_hex)?;
    Some((byte, rest))
}

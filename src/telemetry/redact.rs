//! Secrets that cannot be printed, and text that has lost its secrets.

use std::borrow::Cow;
use std::fmt;

use memchr::{memchr_iter, memchr2_iter};

/// What stands in a log where a secret stood.
pub const REDACTED: &str = "REDACTED";

/// Configured secrets shorter than this are placeholders of servers that want no key; replacing them
/// wherever they occur would garble the log and protect nothing.
const MIN_SECRET_BYTES: usize = 8;

/// A secret. It prints as `REDACTED`, does not serialise and is read only by [`Secret::expose`].
#[derive(Clone, Eq, PartialEq)]
pub struct Secret(String);

impl Secret {
    /// Takes a secret in.
    pub fn new(secret: String) -> Self {
        Self(secret)
    }

    /// The secret itself. The only callers are the header that needs it and the scrubber.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(REDACTED)
    }
}

/// Removes secrets from text on its way to a log: keys that look like `sk-…`, `Bearer …` credentials
/// and the configured secrets, plain or percent-encoded.
#[derive(Clone, Default)]
pub struct Scrubber {
    needles: Vec<String>,
}

impl fmt::Debug for Scrubber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Scrubber({} secrets)", self.needles.len())
    }
}

impl Scrubber {
    /// A scrubber that also knows `secrets` by value.
    pub fn new<'a>(secrets: impl IntoIterator<Item = &'a Secret>) -> Self {
        let mut needles: Vec<String> = Vec::new();
        for secret in secrets {
            if secret.expose().len() < MIN_SECRET_BYTES {
                continue;
            }
            for needle in [percent_encode(secret.expose()), secret.expose().to_owned()] {
                // A secret that contains another one must go first, or its rest would stay.
                let at = needles.partition_point(|other| other.len() >= needle.len());
                if !needles.contains(&needle) {
                    needles.insert(at, needle);
                }
            }
        }
        Self { needles }
    }

    /// `text` with every secret in it replaced by `REDACTED`.
    pub fn scrub<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let mut scrubbed = Cow::Borrowed(text);
        for needle in &self.needles {
            if holds(&scrubbed, needle) {
                scrubbed = Cow::Owned(scrubbed.replace(needle.as_str(), REDACTED));
            }
        }
        for pattern in [API_KEY, BEARER] {
            if let Some(replaced) = pattern.replace(&scrubbed) {
                scrubbed = Cow::Owned(replaced);
            }
        }
        scrubbed
    }
}

/// Whether a field's name says that its value is secret. Counts of tokens are not.
pub fn is_secret_name(name: &str) -> bool {
    let mut rest = name.as_bytes();
    let (mut has_token, mut counts_tokens) = (false, false);
    while let Some(first) = rest.first() {
        let begins = |word: &[u8]| {
            let found = rest.get(..word.len());
            found.is_some_and(|found| found.eq_ignore_ascii_case(word))
        };
        // Every field of every line is asked for, and few names hold one of these letters often.
        match first.to_ascii_lowercase() {
            b'a' if begins(b"api_key") || begins(b"authorization") => return true,
            b's' if begins(b"secret") => return true,
            b'p' if begins(b"password") => return true,
            b't' if begins(b"tokens") => counts_tokens = true,
            b't' if begins(b"token") => has_token = true,
            _ => {}
        }
        rest = rest.get(1..).unwrap_or_default();
    }
    has_token && !counts_tokens
}

/// Where a word stands in a text, in any case of ASCII letters.
fn starts<'t>(text: &'t str, word: &'t str) -> impl Iterator<Item = usize> + use<'t> {
    let (text, word) = (text.as_bytes(), word.as_bytes());
    let first = word.first().copied().unwrap_or_default();
    memchr2_iter(first, first.to_ascii_uppercase(), text).filter(move |at| {
        let found = text.get(*at..at.saturating_add(word.len()));
        found.is_some_and(|found| found.eq_ignore_ascii_case(word))
    })
}

/// Whether a secret stands in a text. The texts of a log are short, and hardly ever hold its first byte often.
fn holds(text: &str, needle: &str) -> bool {
    let (text, needle) = (text.as_bytes(), needle.as_bytes());
    let first = needle.first().copied().unwrap_or_default();
    memchr_iter(first, text).any(|at| {
        let rest = text.get(at..).unwrap_or_default();
        rest.starts_with(needle)
    })
}

/// A fixed start, then a run of certain characters.
struct Pattern {
    start: &'static str,
    /// Characters between the start and the secret itself.
    skip: fn(char) -> bool,
    /// Characters of the secret.
    body: fn(char) -> bool,
    /// Whether the start stays.
    keeps_start: bool,
}

const API_KEY: Pattern = Pattern {
    start: "sk-",
    skip: |_| false,
    body: |c| c.is_ascii_alphanumeric() || "-_*.".contains(c),
    keeps_start: false,
};

const BEARER: Pattern = Pattern {
    start: "bearer",
    skip: |c| c == ' ' || c == '\t' || c == '%' || c == '+' || c == ':',
    body: |c| !c.is_whitespace() && !"\"',;".contains(c),
    keeps_start: true,
};

impl Pattern {
    /// The text with each match replaced; nothing when there is none. A start that is the end of a
    /// longer word (`task-1`) is no match.
    fn replace(&self, text: &str) -> Option<String> {
        let mut replaced: Option<String> = None;
        let mut copied = 0_usize;
        for at in starts(text, self.start) {
            if at < copied || ends_in_word(text.get(..at).unwrap_or_default()) {
                continue;
            }
            let start_end = at.saturating_add(self.start.len());
            let rest = text.get(start_end..).unwrap_or_default();
            let secret = rest.trim_start_matches(self.skip);
            let after = secret.trim_start_matches(self.body);
            if after.len() == secret.len() {
                continue;
            }
            let out = replaced.get_or_insert_default();
            let keep_until = if self.keeps_start { start_end } else { at };
            out.push_str(text.get(copied..keep_until).unwrap_or_default());
            out.push_str(if self.keeps_start {
                " REDACTED"
            } else {
                REDACTED
            });
            copied = text.len().saturating_sub(after.len());
        }
        if let Some(out) = &mut replaced {
            out.push_str(text.get(copied..).unwrap_or_default());
        }
        replaced
    }
}

fn ends_in_word(text: &str) -> bool {
    text.chars()
        .next_back()
        .is_some_and(|c| c.is_ascii_alphanumeric())
}

fn percent_encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let digit = |half: u8| char::from_digit(half.into(), 16).unwrap_or_default();
            let digits = [digit(byte >> 4), digit(byte & 15)];
            encoded.push('%');
            encoded.extend(digits.map(|digit| digit.to_ascii_uppercase()));
        }
    }
    encoded
}

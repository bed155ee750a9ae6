//! Secrets that cannot be printed, and removal of secrets from text.

use std::borrow::Cow;
use std::fmt;

use super::escape;

/// What replaces a secret in the log.
pub const REDACTED: &str = "REDACTED";

/// Shorter configured secrets are placeholders for servers that need no key. Replacing them everywhere would garble the
/// log and protect nothing.
const MIN_SECRET_BYTES: usize = size_of::<Piece>();

/// How many layers of escapes are undone in a text from outside.
const MAX_ESCAPE_LAYERS: usize = 8;

/// A secret. It prints as `REDACTED`, does not serialise, and only [`Secret::expose`] gives access to it.
#[derive(Clone, Eq, PartialEq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a secret.
    pub fn new(secret: String) -> Self {
        Self(secret)
    }

    /// The secret itself. Only the header that needs it and the scrubber may call this.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(REDACTED)
    }
}

/// Removes secrets from text on its way to the log: `sk-…` keys, `Bearer …` credentials and the configured secrets,
/// even if URLs or JSON have escaped some of their characters.
#[derive(Clone, Default)]
pub struct Scrubber {
    secrets: Vec<Secret>,
    /// Every run of [`MIN_SECRET_BYTES`] in the secrets, in order. To compare a crafted path of 60 kB with each of them would
    /// take twelve times as long, while every other stream waits.
    pieces: Vec<Piece>,
}

/// The bytes of a piece of a secret, as a number.
type Piece = u64;

impl fmt::Debug for Scrubber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Scrubber({} secrets)", self.secrets.len())
    }
}

impl Scrubber {
    /// A scrubber that also knows `secrets` by value.
    pub fn new<'a>(secrets: impl IntoIterator<Item = &'a Secret>) -> Self {
        let mut scrubber = Self::default();
        for secret in secrets {
            if secret.expose().len() >= MIN_SECRET_BYTES {
                scrubber.secrets.push(secret.clone());
                scrubber.learn_pieces(secret.expose().as_bytes());
            }
        }
        scrubber
    }

    /// A sort would make the program 2 KB larger.
    fn learn_pieces(&mut self, secret: &[u8]) {
        for piece in pieces_in(secret) {
            if let Err(place) = self.pieces.binary_search(&piece) {
                self.pieces.insert(place, piece);
            }
        }
    }

    /// `text` with every secret replaced by `REDACTED`. It has to be the whole text: a piece of a secret is not
    /// recognised.
    pub fn scrub<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let mut scrubbed = String::new();
        let mut copied = 0_usize;
        for Span { start, end } in self.secrets_in(text.as_bytes()) {
            scrubbed.push_str(text.get(copied..start).unwrap_or_default());
            scrubbed.push_str(REDACTED);
            copied = end;
        }
        if scrubbed.is_empty() {
            return Cow::Borrowed(text);
        }
        scrubbed.push_str(text.get(copied..).unwrap_or_default());
        Cow::Owned(scrubbed)
    }

    /// The same for a text that a stranger may have crafted to get a secret past this. If even a piece of a configured
    /// secret is left, or appears when escapes are undone layer by layer, the whole text is replaced.
    pub fn scrub_outside<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let scrubbed = self.scrub(text);
        let mut layer = Cow::Borrowed(scrubbed.as_bytes());
        for _ in 0..MAX_ESCAPE_LAYERS {
            if self.has_piece(&layer) {
                return Cow::Borrowed(REDACTED);
            }
            match escape::undo(&layer) {
                Some(undone) => layer = Cow::Owned(undone),
                None => return scrubbed,
            }
        }
        // So many layers of escapes can only be meant to hide something.
        Cow::Borrowed(REDACTED)
    }

    /// The places of secrets, in order. Overlapping ones are merged: if only the first one were replaced, the rest of the
    /// second would stay.
    fn secrets_in(&self, text: &[u8]) -> Vec<Span> {
        let mut spans: Vec<Span> = Vec::new();
        let mut shapes = Shapes::default();
        for start in 0..text.len() {
            let follows_secret = spans.last().is_some_and(|last| last.end == start);
            let found = [
                self.known_at(text, start),
                shapes.credential_at(text, start, follows_secret),
            ];
            for span in found.into_iter().flatten() {
                match spans.last_mut() {
                    Some(last) if span.start < last.end => last.end = last.end.max(span.end),
                    _ => spans.push(span),
                }
            }
        }
        spans
    }

    /// Whether a text contains a piece of a secret.
    fn has_piece(&self, text: &[u8]) -> bool {
        !self.pieces.is_empty()
            && pieces_in(text).any(|piece| self.pieces.binary_search(&piece).is_ok())
    }

    /// The longest configured secret at this place. One secret may begin with another one.
    fn known_at(&self, text: &[u8], start: usize) -> Option<Span> {
        let rest = text.get(start..)?;
        let mut longest = 0;
        for secret in &self.secrets {
            let len = escape::prefix_len(rest, secret.expose().as_bytes());
            longest = longest.max(len.unwrap_or_default());
        }
        let end = start.saturating_add(longest);
        (longest > 0).then_some(Span { start, end })
    }
}

/// Whether a field's name says that its value is secret. Counts of tokens are not secret.
pub fn is_secret_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["api_key", "authorization", "secret", "password"]
        .iter()
        .any(|word| name.contains(word))
        || name.contains("token") && !name.contains("tokens")
}

/// Every run of [`MIN_SECRET_BYTES`] bytes in a text.
fn pieces_in(text: &[u8]) -> impl Iterator<Item = Piece> {
    let runs = text.windows(MIN_SECRET_BYTES);
    runs.filter_map(|run| run.try_into().ok().map(Piece::from_be_bytes))
}

/// A range of a text's bytes.
struct Span {
    start: usize,
    end: usize,
}

/// A credential that is recognised by its form: a word, then a run of certain characters.
struct Shape {
    /// In lower case; compared without regard to case.
    word: &'static [u8],
    /// Characters between the word and the credential.
    gap: fn(u8) -> bool,
    /// Characters of the credential.
    body: fn(u8) -> bool,
    /// Whether the word is part of the credential.
    hides_word: bool,
}

const SHAPES: [Shape; 2] = [
    Shape {
        word: b"sk-",
        gap: |_| false,
        body: |byte| byte.is_ascii_alphanumeric() || b"-_*.".contains(&byte),
        hides_word: true,
    },
    Shape {
        word: b"bearer",
        gap: |byte| b" \t+:=".contains(&byte),
        body: |byte| !byte.is_ascii_whitespace() && !b"\"',;".contains(&byte),
        hides_word: false,
    },
];

/// A search for credentials by their form, from the beginning of a text to its end.
#[derive(Default)]
struct Shapes {
    /// Where the next character begins; an escaped one has several bytes.
    next: usize,
    /// Whether the previous character is a letter or a digit.
    is_in_word: bool,
    /// Where the last credential of each form ended. Without this, a search from each of its bytes would take quadratic
    /// time.
    ends: [usize; SHAPES.len()],
}

impl Shapes {
    /// The credential that begins here, if any. `sk-` within a word (`task-1`) does not begin one, unless it follows
    /// another secret.
    fn credential_at(&mut self, text: &[u8], start: usize, follows_secret: bool) -> Option<Span> {
        let mut is_in_word = false;
        // A credential may begin within what looks like an escape: `%Bearer` contains `%BE`.
        if start >= self.next {
            let (byte, len) = escape::character(text.get(start..)?)?;
            is_in_word = self.is_in_word && !follows_secret;
            self.next = start.saturating_add(len);
            self.is_in_word = byte.is_ascii_alphanumeric();
        }
        if is_in_word {
            return None;
        }
        let mut shapes = SHAPES.iter().zip(&mut self.ends);
        shapes.find_map(|(shape, last_end)| {
            let span = shape.find(text, start, *last_end)?;
            *last_end = span.end;
            Some(span)
        })
    }
}

impl Shape {
    /// The credential that begins at `start`, unless it is part of the one that ended at `last_end`.
    fn find(&self, text: &[u8], start: usize, last_end: usize) -> Option<Span> {
        let word_end = self.word.iter().try_fold(start, |at, letter| {
            let (byte, len) = escape::character(text.get(at..)?)?;
            let is_same = byte.eq_ignore_ascii_case(letter);
            is_same.then(|| at.saturating_add(len))
        })?;
        let body_start = run_end(text, word_end, self.gap);
        if body_start < last_end {
            return None;
        }
        let end = run_end(text, body_start, self.body);
        let start = if self.hides_word { start } else { body_start };
        (end > body_start).then_some(Span { start, end })
    }
}

/// The end of a run of characters that begins at `start`.
fn run_end(text: &[u8], start: usize, belongs: fn(u8) -> bool) -> usize {
    let mut end = start;
    while let Some((byte, len)) = escape::character(text.get(end..).unwrap_or_default()) {
        if !belongs(byte) {
            break;
        }
        end = end.saturating_add(len);
    }
    end
}

//! The list of conversations, newest first, and what a search leaves of it.

use std::fmt;

/// Most conversations of a page.
pub const MAX_LIMIT: u64 = 100;
/// Conversations of a page when the request does not say.
pub const DEFAULT_LIMIT: u64 = 30;

/// A page of the list.
#[derive(Clone, Copy, Debug)]
pub struct Listing<'a> {
    /// The words to search for.
    pub q: Option<&'a str>,
    /// Where the page before this one ended.
    pub before: Option<Cursor>,
    /// Most conversations, 1–[`MAX_LIMIT`].
    pub limit: u64,
}

/// A place in the list. Clients take it from `next` and need not understand it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Cursor {
    updated_ms: u64,
    number: u64,
}

impl Cursor {
    /// Reads a cursor; `None` for a text that is none.
    pub fn parse(text: &str) -> Option<Self> {
        let (updated_ms, number) = text.split_once('-')?;
        let is_hex = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let parse = |text: &str| {
            let number = u64::from_str_radix(text, 16).ok()?;
            (is_hex(text) && number < 1 << 53).then_some(number)
        };
        Some(Self {
            updated_ms: parse(updated_ms)?,
            number: parse(number)?,
        })
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}-{:x}", self.updated_ms, self.number)
    }
}

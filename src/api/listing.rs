//! The query of `GET /conversations`, and how URLs are decoded.

use super::day;
use super::request::Invalid;

/// Most conversations of a page.
pub const MAX_LIMIT: u32 = 100;
/// Conversations of a page that sets no limit.
const DEFAULT_LIMIT: u32 = 30;
/// Longest search, in Unicode scalar values.
const MAX_SEARCH_CHARACTERS: usize = 1_000;
/// Longest cursor, in bytes.
const MAX_CURSOR_BYTES: usize = 128;

/// Which conversations a client wants to see.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Page {
    /// `q`: what their titles or texts contain.
    pub search: Option<String>,
    /// `before`: where the last page ended, as its `next` said.
    pub before: Option<String>,
    /// `limit`: most conversations of the page.
    pub limit: u32,
}

impl Page {
    /// Parses a query, without its question mark. Other parameters are ignored.
    ///
    /// # Errors
    ///
    /// The first parameter that breaks its rule.
    pub fn parse(query: &str) -> Result<Self, Invalid> {
        let search = parameter(query, "q");
        if let Some(search) = &search
            && search.chars().count() > MAX_SEARCH_CHARACTERS
        {
            let rule = format!("String should have at most {MAX_SEARCH_CHARACTERS} characters");
            return Err(Invalid::query("q", rule));
        }
        let before = parameter(query, "before").filter(|before| !before.is_empty());
        if before
            .as_ref()
            .is_some_and(|before| before.len() > MAX_CURSOR_BYTES)
        {
            return Err(Invalid::query("before", "Value error, no page ended there"));
        }
        Ok(Self {
            search,
            before,
            limit: limit(query)?,
        })
    }
}

fn limit(query: &str) -> Result<u32, Invalid> {
    let Some(limit) = parameter(query, "limit") else {
        return Ok(DEFAULT_LIMIT);
    };
    let limit = limit
        .parse()
        .ok()
        .filter(|_| !limit.starts_with('+'))
        .filter(|limit| (1..=MAX_LIMIT).contains(limit));
    limit.ok_or_else(|| {
        let rule = format!("Input should be a whole number from 1 to {MAX_LIMIT}");
        Invalid::query("limit", rule)
    })
}

/// Most days that `GET /usage` tells of: a leap year.
const MAX_DAYS: u64 = 366;

/// Which days a client wants to know the usage of, both included.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Days {
    /// `from`: by default the first of the month of `to`.
    pub from: u64,
    /// `to`: by default today.
    pub to: u64,
}

impl Days {
    /// Parses a query, without its question mark. Other parameters are ignored.
    ///
    /// # Errors
    ///
    /// The first parameter that breaks its rule.
    pub fn parse(query: &str, today: u64) -> Result<Self, Invalid> {
        let from = date(query, "from")?;
        let to = date(query, "to")?.unwrap_or(today);
        let from = from.unwrap_or_else(|| day::first_of_month(to));
        let days = to.checked_sub(from).ok_or_else(|| {
            Invalid::query(
                "to",
                "Value error, the last day should not be before the first one",
            )
        })?;
        if days >= MAX_DAYS {
            let rule = format!("Value error, should be at most {MAX_DAYS} days");
            return Err(Invalid::query("from", rule));
        }
        Ok(Self { from, to })
    }
}

fn date(query: &str, name: &str) -> Result<Option<u64>, Invalid> {
    let Some(text) = parameter(query, name) else {
        return Ok(None);
    };
    day::parse(&text)
        .map(Some)
        .ok_or_else(|| Invalid::query(name, "Input should be a date such as 2026-01-31"))
}

/// A parameter of a query, decoded as forms are: `+` is a space, `%` begins a byte. Of several, the first one counts.
pub fn parameter(query: &str, name: &str) -> Option<String> {
    let mut pairs = query
        .split('&')
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    let (_, value) = pairs.find(|(key, _)| *key == name)?;
    Some(percent_decoded(&value.replace('+', " ")))
}

/// Decodes a part of a URL, in which `%` begins a byte. What is no UTF-8 becomes U+FFFD.
pub fn percent_decoded(part: &str) -> String {
    let mut bytes = Vec::with_capacity(part.len());
    let mut rest = part.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        match byte {
            b'%' => match escaped(after) {
                Some((byte, after)) => {
                    bytes.push(byte);
                    rest = after;
                }
                None => bytes.push(b'%'),
            },
            byte => bytes.push(*byte),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The byte that two hexadecimal digits stand for, and what follows them.
fn escaped(digits: &[u8]) -> Option<(u8, &[u8])> {
    let (digits, after) = digits.split_at_checked(2)?;
    let digits = std::str::from_utf8(digits).ok()?;
    let is_hex = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    let byte = u8::from_str_radix(digits, 16).ok().filter(|_| is_hex)?;
    Some((byte, after))
}

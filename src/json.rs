//! JSON objects whose fields are parsed only when asked for.
//!
//! A field keeps the text that it came as. So a field of an unexpected type spoils nothing but itself, and text can
//! be passed on exactly as it was written.

use std::borrow::Cow;

use serde::Serialize;

use self::scan::{Scanner, SyntaxError};
pub use self::text::code_unit;

mod scan;
mod text;

/// The fields of an object. Of a key that occurs twice, the last one counts.
#[derive(Debug, Default)]
pub struct Fields<'a>(Vec<(Cow<'a, str>, &'a str)>);

impl<'a> Fields<'a> {
    /// Parses an object; `None` for any other JSON, and for a key with half a surrogate pair.
    pub fn parse(json: &'a str) -> Option<Self> {
        let fields = members(json, [b'{', b'}'], |scanner| {
            let key = json.get(scanner.value().ok()?)?;
            scanner.take().filter(|byte| *byte == b':')?;
            let value = json.get(scanner.value().ok()?)?;
            Some((text::decoded(key)?, value))
        });
        fields.map(Self)
    }

    /// A field's JSON, `null` included.
    pub fn get(&self, name: &str) -> Option<&'a str> {
        let named = self.0.iter().rfind(|(key, _)| key == name);
        named.map(|(_, value)| *value)
    }

    /// A field's JSON, unless it is `null`.
    pub fn non_null(&self, name: &str) -> Option<&'a str> {
        self.get(name).filter(|json| *json != "null")
    }

    /// A field that is an object.
    pub fn object(&self, name: &str) -> Option<Self> {
        self.get(name).and_then(Self::parse)
    }

    /// A field that is a string, decoded.
    pub fn text(&self, name: &str) -> Option<String> {
        self.get(name).and_then(text)
    }

    /// Names and JSON of all fields, in their order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &'a str)> {
        self.0.iter().map(|(name, value)| (name.as_ref(), *value))
    }

    /// A field's JSON, unless [`is_blank`].
    pub fn non_blank(&self, name: &str) -> Option<&'a str> {
        self.get(name).filter(|json| !is_blank(json))
    }
}

/// The elements of a list, as JSON; `None` for any other JSON.
pub fn list(json: &str) -> Option<Vec<&str>> {
    members(json, [b'[', b']'], |scanner| {
        json.get(scanner.value().ok()?)
    })
}

/// The members of an object or a list, which `next` passes over one by one.
fn members<'a, T>(
    json: &'a str,
    [start, end]: [u8; 2],
    mut next: impl FnMut(&mut Scanner<'a>) -> Option<T>,
) -> Option<Vec<T>> {
    let mut members = Vec::new();
    let mut scanner = Scanner::of(json.as_bytes());
    scanner.take().filter(|byte| *byte == start)?;
    if scanner.peek() == Some(end) {
        scanner.take();
    } else {
        loop {
            members.push(next(&mut scanner)?);
            match scanner.take() {
                Some(b',') => {}
                Some(byte) if byte == end => break,
                _ => return None,
            }
        }
    }
    scanner.peek().is_none().then_some(members)
}

/// The value that a text begins with, and what follows it.
pub fn first(json: &str) -> Option<(&str, &str)> {
    let range = Scanner::of(json.as_bytes()).value().ok()?;
    Some((json.get(range.clone())?, json.get(range.end..)?))
}

/// The one value of a document.
///
/// # Errors
///
/// The rule of JSON that the document breaks, and where.
pub fn document(bytes: &[u8]) -> Result<&str, String> {
    let told = |error: SyntaxError| {
        let read = bytes.get(..error.at).unwrap_or_default();
        let line = read.split(|byte| *byte == b'\n');
        let column = line.clone().next_back().unwrap_or_default().len();
        format!("{} at line {} column {column}", error.rule, line.count())
    };
    let mut scanner = Scanner::of(bytes);
    let range = scanner.value().map_err(told)?;
    let start = range.start;
    let json = std::str::from_utf8(bytes.get(range).unwrap_or_default());
    let json = json.map_err(|error| {
        told(SyntaxError {
            rule: "invalid unicode code point",
            at: start.saturating_add(error.valid_up_to()).saturating_add(1),
        })
    })?;
    match scanner.peek() {
        Some(_) => Err(told(scanner.unexpected("trailing characters"))),
        None => Ok(json),
    }
}

/// Whether a value holds nothing: `null`, `false`, 0, an empty string, and an object or a list of nothing but those.
pub fn is_blank(json: &str) -> bool {
    let is_empty = |json: &str| matches!(json, "null" | "false" | "0" | "\"\"" | "{}" | "[]");
    is_empty(json)
        || Fields::parse(json).is_some_and(|fields| fields.0.iter().all(|(_, v)| is_empty(v)))
        || list(json).is_some_and(|elements| elements.into_iter().all(is_empty))
}

/// Appends a value's JSON. Only for strings, numbers and structures of them, which always serialise.
pub fn append(value: &(impl Serialize + ?Sized), out: &mut Vec<u8>) {
    serde_json::to_writer(out, value).unwrap_or_default();
}

/// A value's JSON; see [`append`].
pub fn to_json(value: &impl Serialize) -> String {
    let mut out = Vec::new();
    append(value, &mut out);
    String::from_utf8(out).unwrap_or_default()
}

/// The text of a JSON string; `None` for other JSON, and for half a surrogate pair.
pub fn text(json: &str) -> Option<String> {
    only(json).and_then(text::decoded).map(Cow::into_owned)
}

/// The number that a text is, by JSON's rules; `None` for any other text, and for a number that is too large for a `f64`.
pub fn number(text: &str) -> Option<f64> {
    let is_digit = |first: char| first == '-' || first.is_ascii_digit();
    only(text)
        .filter(|json| json.starts_with(is_digit))
        .and_then(text::float)
}

/// The value that is all of a text, apart from white space.
fn only(json: &str) -> Option<&str> {
    let mut scanner = Scanner::of(json.as_bytes());
    let range = scanner.value().ok()?;
    json.get(range).filter(|_| scanner.peek().is_none())
}

/// An object that is written field by field, in the order of the calls.
#[derive(Debug, Default)]
pub struct Object(Vec<u8>);

impl Object {
    /// Adds a string.
    pub fn text(&mut self, name: &str, value: &str) -> &mut Self {
        self.name(name);
        append(value, &mut self.0);
        self
    }

    /// Adds a string, or `null`.
    pub fn optional_text(&mut self, name: &str, value: Option<&str>) -> &mut Self {
        match value {
            Some(value) => self.text(name, value),
            None => self.raw(name, "null"),
        }
    }

    /// Adds a whole number.
    pub fn number(&mut self, name: &str, value: u64) -> &mut Self {
        self.name(name);
        append(&value, &mut self.0);
        self
    }

    /// Adds a value that is JSON already.
    pub fn raw(&mut self, name: &str, json: &str) -> &mut Self {
        self.name(name);
        self.0.extend_from_slice(json.as_bytes());
        self
    }

    /// The fields without braces, to stand within an object.
    pub fn fields(&self) -> &str {
        // All of its pieces are UTF-8.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// The whole object.
    pub fn to_json(&self) -> String {
        format!("{{{}}}", self.fields())
    }

    fn name(&mut self, name: &str) {
        if !self.0.is_empty() {
            self.0.push(b',');
        }
        self.0.push(b'"');
        self.0.extend_from_slice(name.as_bytes());
        self.0.extend_from_slice(b"\":");
    }
}

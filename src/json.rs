//! JSON objects whose fields are parsed only when asked for.
//!
//! A field keeps the text that it came as. So a field of an unexpected type spoils nothing but itself, and text can
//! be passed on exactly as it was written.

use std::fmt;

use serde::de::{Deserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// The fields of an object. Of a key that occurs twice, the last one counts.
#[derive(Debug, Default)]
pub struct Fields<'a>(Vec<(String, &'a RawValue)>);

impl<'a> Fields<'a> {
    /// Parses an object; `None` for any other JSON.
    pub fn parse(json: &'a str) -> Option<Self> {
        serde_json::from_str(json).ok()
    }

    /// A field's JSON, `null` included.
    pub fn get(&self, name: &str) -> Option<&'a str> {
        let named = self.0.iter().rfind(|(key, _)| key == name);
        named.map(|(_, value)| value.get())
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
        self.0
            .iter()
            .map(|(name, value)| (name.as_str(), value.get()))
    }

    /// A field's JSON, unless [`is_blank`].
    pub fn non_blank(&self, name: &str) -> Option<&'a str> {
        self.get(name).filter(|json| !is_blank(json))
    }
}

/// The elements of a list, as JSON; `None` for any other JSON.
pub fn list(json: &str) -> Option<Vec<&str>> {
    let elements: Vec<&RawValue> = serde_json::from_str(json).ok()?;
    Some(elements.into_iter().map(RawValue::get).collect())
}

/// Whether a value holds nothing: `null`, `false`, 0, an empty string, and an object or a list of nothing but those.
pub fn is_blank(json: &str) -> bool {
    let is_empty = |json: &str| matches!(json, "null" | "false" | "0" | "\"\"" | "{}" | "[]");
    is_empty(json)
        || Fields::parse(json).is_some_and(|fields| fields.0.iter().all(|(_, v)| is_empty(v.get())))
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

/// Bytes of the text of a JSON string, in UTF-8. To decode it would allocate.
pub fn text_bytes(json: &str) -> usize {
    let mut bytes = 0_usize;
    let mut rest = json;
    while let Some((before, escape)) = rest.split_once('\\') {
        let hex = escape.strip_prefix('u').and_then(|rest| rest.get(..4));
        let (length, escaped) = hex.map_or((1, 1), |hex| (5, utf8_bytes(hex)));
        bytes = bytes.saturating_add(before.len()).saturating_add(escaped);
        rest = escape.get(length..).unwrap_or_default();
    }
    // The quotes are no text.
    bytes.saturating_add(rest.len()).saturating_sub(2)
}

/// Bytes in UTF-8 of what four hexadecimal digits stand for. Of a pair of surrogates, each has half.
fn utf8_bytes(hex: &str) -> usize {
    match u16::from_str_radix(hex, 16).unwrap_or_default() {
        0..0x80 => 1,
        0x80..0x800 | 0xd800..0xe000 => 2,
        _ => 3,
    }
}

/// The text of a JSON string; `None` for other JSON, and for half a surrogate pair.
pub fn text(json: &str) -> Option<String> {
    serde_json::from_str(json).ok()
}

/// The text of a field among the fields of an object, which stand without its braces: see [`Object::fields`].
pub fn text_in(fields: &str, name: &str) -> Option<String> {
    Fields::parse(&format!("{{{fields}}}"))?.text(name)
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

/// By a visitor of its own: a map of the standard library would make the deployment 2.6 KB larger, gzipped.
impl<'a> Deserialize<'a> for Fields<'a> {
    fn deserialize<D: Deserializer<'a>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Self::default())
    }
}

impl<'a> Visitor<'a> for Fields<'a> {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'a>>(mut self, mut map: A) -> Result<Self, A::Error> {
        while let Some(field) = map.next_entry()? {
            self.0.push(field);
        }
        Ok(self)
    }
}

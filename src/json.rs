//! JSON objects whose fields stay the text that they came as, and values on their way to a text.
//!
//! Fields are parsed only when asked for, so a field of an unexpected type costs nothing but itself, and no
//! tree of values is built whose shape somebody else decides.

use std::fmt;

use serde::de::{Deserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// The fields of an object. Of a key that occurs twice, the last one counts.
#[derive(Debug, Default)]
pub struct Fields<'a>(Vec<(String, &'a RawValue)>);

impl<'a> Fields<'a> {
    /// Reads an object; nothing when the text is none.
    pub fn read(json: &'a str) -> Option<Self> {
        serde_json::from_str(json).ok()
    }

    /// A field's JSON, `null` included.
    pub fn get(&self, name: &str) -> Option<&'a str> {
        let named = self.0.iter().rfind(|(key, _)| key == name);
        named.map(|(_, value)| value.get())
    }

    /// A field's JSON, unless it is `null`.
    pub fn given(&self, name: &str) -> Option<&'a str> {
        self.get(name).filter(|json| *json != "null")
    }

    /// A field that is an object.
    pub fn object(&self, name: &str) -> Option<Self> {
        self.get(name).and_then(Self::read)
    }

    /// A field that is a text.
    pub fn text(&self, name: &str) -> Option<String> {
        self.get(name).and_then(text)
    }

    /// Names and JSON of all fields, in the order of the text.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &'a str)> {
        self.0
            .iter()
            .map(|(name, value)| (name.as_str(), value.get()))
    }

    /// Whether a field says something: see [`is_blank`].
    pub fn says(&self, name: &str) -> bool {
        self.get(name).is_some_and(|json| !is_blank(json))
    }
}

/// The elements of a list; nothing when the JSON is none.
pub fn list(json: &str) -> Option<Vec<&str>> {
    let elements: Vec<&RawValue> = serde_json::from_str(json).ok()?;
    Some(elements.into_iter().map(RawValue::get).collect())
}

/// Whether a value says nothing, however a server writes that: `null`, `false`, 0, an empty text, and an
/// object or a list with nothing else inside.
pub fn is_blank(json: &str) -> bool {
    let is_empty = |json: &str| matches!(json, "null" | "false" | "0" | "\"\"" | "{}" | "[]");
    is_empty(json)
        || Fields::read(json).is_some_and(|fields| fields.0.iter().all(|(_, v)| is_empty(v.get())))
        || list(json).is_some_and(|elements| elements.into_iter().all(is_empty))
}

/// Adds a value's JSON to a text. It is for texts, numbers and what is made of them, which always serialise.
pub fn append(value: &(impl Serialize + ?Sized), out: &mut Vec<u8>) {
    serde_json::to_writer(out, value).unwrap_or_default();
}

/// A value's JSON.
pub fn written(value: &impl Serialize) -> String {
    let mut out = Vec::new();
    append(value, &mut out);
    String::from_utf8(out).unwrap_or_default()
}

/// The text that a JSON string says; nothing for other JSON, and for half a surrogate pair.
pub fn text(json: &str) -> Option<String> {
    serde_json::from_str(json).ok()
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

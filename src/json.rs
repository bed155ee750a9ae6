//! JSON objects whose fields stay the text that they came as, and values on their way to a text.
//!
//! Whoever asks for a field says what it has to be, so nothing else is taken apart, and no tree of
//! values is built whose shape somebody else decides.

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

    /// A field that is a text.
    pub fn text(&self, name: &str) -> Option<String> {
        self.get(name).and_then(text)
    }
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

impl<'de: 'a, 'a> Deserialize<'de> for Fields<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;

        impl<'de> Visitor<'de> for Object {
            type Value = Vec<(String, &'de RawValue)>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(fields)
            }
        }

        deserializer.deserialize_map(Object).map(Self)
    }
}

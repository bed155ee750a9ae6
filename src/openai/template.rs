//! Most events of an answer need not be parsed in full: they repeat the one before but for a few values.
//!
//! Swapping one JSON value for another leaves the rest of the document's meaning unchanged. So an event that
//! repeats the text around those values means the same, with other values. These are still read as JSON.
//!
//! Without it a token of a burst would cost 2.2 times as much, and one that comes alone 5 % more.

use std::ops::Range;

use serde_json::Deserializer;
use serde_json::value::RawValue;

/// The largest event that is kept to compare others with, in bytes.
const MAX_BYTES: usize = 4_096;

/// An event that added a text, to compare the next one with.
#[derive(Debug, Default)]
pub(super) struct Template {
    kind: String,
    data: String,
    /// Where in `data` the values are that may differ, in order. Without any there is no template.
    places: Vec<Place>,
}

#[derive(Debug)]
struct Place {
    range: Range<usize>,
    is_text: bool,
}

impl Template {
    /// Keeps an event that did nothing but add `text`. The values of `noise` mean nothing. All are slices of
    /// `data`.
    pub(super) fn keep<'a>(
        &mut self,
        kind: &str,
        data: &'a str,
        text: &'a str,
        noise: impl IntoIterator<Item = &'a str>,
    ) {
        self.places.clear();
        if data.len() > MAX_BYTES {
            return;
        }
        let place = |value: &str, is_text| {
            let start = value.as_ptr().addr().checked_sub(data.as_ptr().addr())?;
            let end = start.checked_add(value.len())?;
            let range = start..end;
            Some(Place { range, is_text })
        };
        let noise = noise.into_iter().map(|value| place(value, false));
        for place in noise.chain([place(text, true)]).flatten() {
            let later = |other: &Place| other.range.start < place.range.start;
            let at = self.places.partition_point(later);
            self.places.insert(at, place);
        }
        self.kind.clear();
        self.kind.push_str(kind);
        self.data.clear();
        self.data.push_str(data);
    }

    /// The text that an event adds and that is all it does, if it is like the one kept: a JSON string. Another
    /// value in the text's place has other rules.
    pub(super) fn text<'a>(&self, kind: &str, data: &'a str) -> Option<&'a str> {
        if kind != self.kind {
            return None;
        }
        let mut text = None;
        let mut rest = data;
        let mut compared = 0;
        for Place { range, is_text } in &self.places {
            rest = rest.strip_prefix(self.data.get(compared..range.start)?)?;
            let mut values = Deserializer::from_str(rest).into_iter();
            let value: &RawValue = values.next()?.ok()?;
            rest = rest.get(values.byte_offset()..)?;
            compared = range.end;
            if *is_text {
                text = Some(value.get()).filter(|value| value.starts_with('"'));
            }
        }
        let end = rest.strip_prefix(self.data.get(compared..)?)?;
        text.filter(|_| end.is_empty())
    }
}

//! The events of one answer → what each means.

use std::borrow::Cow;
use std::ops::Range;

use serde_json::Deserializer;
use serde_json::value::RawValue;

use super::delta::{Delta, Extent, Malformed, Meaning, ParsedEvent};
use super::failure::Failure;
use super::target::Api;
use super::{chat_completions, responses};
use crate::api::request::ModelSource;

/// Parses the events of one answer.
#[derive(Debug)]
pub struct EventParser {
    api: Api,
    source: ModelSource,
    shows_reasoning: bool,
    template: Template,
}

impl EventParser {
    /// The parser of a new answer, of a model that `source` has named.
    pub fn new(api: Api, source: ModelSource) -> Self {
        Self {
            api,
            source,
            shows_reasoning: false,
            template: Template::default(),
        }
    }

    /// The same parser, whose reader is shown what the model thinks if `shows_reasoning`.
    #[must_use]
    pub fn with_reasoning(self, shows_reasoning: bool) -> Self {
        Self {
            shows_reasoning,
            ..self
        }
    }

    /// What an event means. `kind` is the event's type, empty when it has none. The result does not depend on
    /// earlier events; they only make it faster.
    ///
    /// # Errors
    ///
    /// [`Malformed`] when the data is not what the API promises.
    pub fn parse<'a>(&mut self, kind: &str, data: &'a str) -> Result<Meaning<'a>, Malformed> {
        if let Some(text) = self.template.text(kind, data) {
            return Ok(Meaning::Delta(Delta {
                content: (text != "\"\"").then_some(Cow::Borrowed(text)),
                is_answer: true,
                ..Delta::default()
            }));
        }
        let failure = |data: &str| Failure::from_event(data, self.source);
        let ParsedEvent {
            mut meaning,
            ignorable,
        } = match self.api {
            Api::ChatCompletions => chat_completions::parse_event(kind, data, failure),
            Api::Responses => responses::parse_event(kind, data, failure),
        }?;
        if let Meaning::Delta(delta) | Meaning::Done(delta) = &mut meaning
            && let Some(reasoning) = &mut delta.reasoning
        {
            reasoning.is_shown = self.shows_reasoning;
        }
        if let Meaning::Delta(Delta {
            begins_reasoning: false,
            reasoning: None,
            content: Some(Cow::Borrowed(content)),
            refusal: None,
            extent: Extent::Delta | Extent::DeltaOf(_),
            ending: None,
            usage: None,
            is_answer: true,
            shows_work: false,
            parts: _,
        }) = meaning
        {
            let ignorable = ignorable.into_iter().flatten();
            self.template.keep(kind, data, content, ignorable);
        }
        Ok(meaning)
    }
}

/// The largest event that is kept as a template, in bytes.
const MAX_TEMPLATE_BYTES: usize = 4_096;

/// The last event that only added text. Most events differ from it in a few values, and need not be parsed in full.
///
/// Swapping one JSON value for another leaves the rest of the document's meaning unchanged. So an event with the
/// same bytes around those values means the same, with other values. The values themselves are still parsed.
///
/// Without the template, a token of a burst would cost 2.2 times as much, and one that comes alone 5 % more.
#[derive(Debug, Default)]
struct Template {
    kind: String,
    data: String,
    /// The values in `data` that may differ, in order. Empty when no event is kept.
    places: Vec<Place>,
}

#[derive(Debug)]
struct Place {
    range: Range<usize>,
    is_text: bool,
}

impl Template {
    /// Keeps an event that only added `text`. The values of `ignorable` do not affect its meaning. All are slices of `data`.
    fn keep<'a>(
        &mut self,
        kind: &str,
        data: &'a str,
        text: &'a str,
        ignorable: impl IntoIterator<Item = &'a str>,
    ) {
        self.places.clear();
        if data.len() > MAX_TEMPLATE_BYTES {
            return;
        }
        let place = |value: &str, is_text| {
            let start = value.as_ptr().addr().checked_sub(data.as_ptr().addr())?;
            let end = start.checked_add(value.len())?;
            let range = start..end;
            Some(Place { range, is_text })
        };
        let ignorable = ignorable.into_iter().map(|value| place(value, false));
        for place in ignorable.chain([place(text, true)]).flatten() {
            let is_before = |other: &Place| other.range.start < place.range.start;
            let at = self.places.partition_point(is_before);
            self.places.insert(at, place);
        }
        self.kind.clear();
        self.kind.push_str(kind);
        self.data.clear();
        self.data.push_str(data);
    }

    /// The JSON string that an event adds, if the event differs from the template only in its values.
    fn text<'a>(&self, kind: &str, data: &'a str) -> Option<&'a str> {
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
                // Values of other types have other rules.
                text = Some(value.get()).filter(|value| value.starts_with('"'));
            }
        }
        let end = rest.strip_prefix(self.data.get(compared..)?)?;
        text.filter(|_| end.is_empty())
    }
}

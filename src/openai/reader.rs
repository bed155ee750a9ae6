//! The events of one answer → what each means.

use std::borrow::Cow;

use super::failure::Failure;
use super::meaning::{Delta, Malformed, Meaning, Origin, Parts};
use super::target::Api;
use super::template::Template;
use super::{chat_completions, responses};

/// Reads the events of one answer.
#[derive(Debug)]
pub struct EventReader {
    api: Api,
    names_model: bool,
    template: Template,
}

impl EventReader {
    /// The reader of a new answer, whose client named the model.
    pub fn new(api: Api) -> Self {
        Self {
            api,
            names_model: true,
            template: Template::default(),
        }
    }

    /// The same for a client that leaves the model to this service, or does not.
    #[must_use]
    pub fn asking_default_model(self, is_default: bool) -> Self {
        Self {
            names_model: !is_default,
            ..self
        }
    }

    /// What an event means. `kind` is the event's type, empty when it has none. The events before make it
    /// quicker to tell, and nothing else.
    ///
    /// # Errors
    ///
    /// [`Malformed`] when the data is not what the API promises.
    pub fn meaning<'a>(&mut self, kind: &str, data: &'a str) -> Result<Meaning<'a>, Malformed> {
        if let Some(text) = self.template.text(kind, data) {
            return Ok(Meaning::Delta(Delta {
                content: (text != "\"\"").then_some(Cow::Borrowed(text)),
                is_answer: true,
                ..Delta::default()
            }));
        }
        let failure = |data: &str| Failure::from_event(data, self.names_model);
        let Parts { meaning, noise } = match self.api {
            Api::ChatCompletions => chat_completions::take_apart(kind, data, failure),
            Api::Responses => responses::take_apart(kind, data, failure),
        }?;
        if let Meaning::Delta(Delta {
            content: Some(Cow::Borrowed(content)),
            refusal: None,
            origin: Origin::Delta | Origin::DeltaOf(_),
            ending: None,
            usage: None,
            is_answer: true,
            parts: _,
        }) = meaning
        {
            self.template
                .keep(kind, data, content, noise.into_iter().flatten());
        }
        Ok(meaning)
    }
}

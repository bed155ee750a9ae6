//! A broken rule, as the client and the log are told of it.

use std::borrow::Cow;

use crate::api::error::{ApiError, ErrorCode};
use crate::api::value::Rule;

/// A rule that a request breaks.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Invalid {
    /// Path of the field, such as `body.history[2].role`.
    pub field: String,
    /// The rule, in pydantic's words.
    pub rule: Cow<'static, str>,
    /// The rule for the log, if the one above repeats what the client sent.
    pub(super) rule_without_input: Option<&'static str>,
}

impl Invalid {
    pub(super) fn new(field: impl Into<String>, rule: impl Into<Rule>) -> Self {
        Self {
            field: field.into(),
            rule: rule.into(),
            rule_without_input: None,
        }
    }

    /// Names the field of a broken rule.
    pub(super) fn at(field: &str) -> impl FnOnce(Rule) -> Self + use<'_> {
        move |rule| Self::new(field, rule)
    }

    /// `after` names no turn of the conversation.
    pub fn unknown_turn() -> Self {
        Self::new(
            "body.after",
            "Value error, the conversation has no turn of this id",
        )
    }

    /// The model has no price, where a budget counts money.
    pub fn unpriced_model() -> Self {
        Self::new(
            "body.model",
            "Value error, the model has no price, and the budget counts money",
        )
    }

    /// A header breaks its rule.
    pub fn header(name: &str, rule: &'static str) -> Self {
        Self::new(format!("header.{name}"), rule)
    }

    /// A query parameter breaks its rule.
    pub fn query(name: &str, rule: impl Into<Rule>) -> Self {
        Self::new(format!("query.{name}"), rule)
    }

    /// The body ended before its declared length, or inside a chunk.
    pub fn cut_off() -> Self {
        Self::new("body", "JSON decode error: the body ended too soon")
    }

    /// The rule for the log, which repeats nothing of the request.
    pub fn logged_rule(&self) -> &str {
        self.rule_without_input.unwrap_or(&self.rule)
    }
}

impl From<&Invalid> for ApiError {
    fn from(invalid: &Invalid) -> Self {
        let detail = format!("Field '{}': {}", invalid.field, invalid.rule);
        Self::new(ErrorCode::ValidationError, detail)
    }
}

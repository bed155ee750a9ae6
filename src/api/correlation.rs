//! The id that ties a request, its frames and its log lines together.

use std::fmt;

use crate::telemetry::record::is_id;

/// An id by the rule of [`is_id`].
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CorrelationId(String);

impl CorrelationId {
    /// Parses a client's id; `None` when it breaks the rule.
    pub fn parse(id: &str) -> Option<Self> {
        is_id(id).then(|| Self(id.to_owned()))
    }

    /// A fresh id, from a UUID.
    pub fn fresh(uuid: String) -> Self {
        Self(uuid)
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CorrelationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

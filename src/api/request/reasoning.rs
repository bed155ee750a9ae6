//! How much a model is to reason before it answers, and whether the client wants to read that.

use super::invalid::Invalid;
use crate::json::{self, Fields};

/// How much a model is to reason. Models know some of these words, few know all of them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Effort(u8);

const NAMES: [&str; 7] = ["none", "minimal", "low", "medium", "high", "xhigh", "max"];

impl Effort {
    /// What [`Effort::parse`] accepts, for a configuration that breaks it.
    pub const RULE: &str = "must be none, minimal, low, medium, high, xhigh or max";

    /// Parses an effort's name.
    pub fn parse(name: &str) -> Option<Self> {
        let mut efforts = (0..).zip(NAMES);
        let (number, _) = efforts.find(|(_, known)| *known == name)?;
        Some(Self(number))
    }

    /// The name in both APIs.
    pub fn name(self) -> &'static str {
        NAMES.get(usize::from(self.0)).unwrap_or(&"none")
    }

    /// Its bit in a set of efforts, of seven.
    pub const fn bit(self) -> u8 {
        1 << self.0
    }
}

pub(super) fn effort(fields: &Fields<'_>) -> Result<Option<Effort>, Invalid> {
    const RULE: &str =
        "Input should be 'none', 'minimal', 'low', 'medium', 'high', 'xhigh' or 'max'";
    let Some(json) = fields.non_null("reasoning_effort") else {
        return Ok(None);
    };
    match json::text(json).and_then(|name| Effort::parse(&name)) {
        Some(effort) => Ok(Some(effort)),
        None => Err(Invalid::new("body.reasoning_effort", RULE)),
    }
}

/// Whether a request wants to read what the model thinks.
pub(super) fn is_included(fields: &Fields<'_>) -> Result<bool, Invalid> {
    match fields.get("include_reasoning") {
        None | Some("null" | "false") => Ok(false),
        Some("true") => Ok(true),
        Some(_) => {
            let rule = "Input should be a valid boolean";
            Err(Invalid::new("body.include_reasoning", rule))
        }
    }
}

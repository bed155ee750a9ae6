//! The ids of kept answers, and of their frames.

use std::fmt;

use crate::telemetry::record::is_id;

/// 1–128 characters of `[A-Za-z0-9._:-]`, not of dots alone: safe in a path, in a header and in an `id:` line.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AnswerId(String);

impl AnswerId {
    /// Parses an id, such as an `Idempotency-Key`; `None` when it breaks the rule.
    pub fn parse(id: &str) -> Option<Self> {
        // A path of dots alone means another place.
        let is_named = id.bytes().any(|byte| byte != b'.');
        (is_id(id) && is_named).then(|| Self(id.to_owned()))
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

impl fmt::Display for AnswerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The id of a frame: `<answer id>.<sequence>`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FrameId {
    /// The answer that the frame belongs to.
    pub answer_id: AnswerId,
    /// The frame's number.
    pub sequence: u64,
}

impl FrameId {
    /// Parses an id, such as a `Last-Event-ID`; `None` when it breaks the rule.
    pub fn parse(id: &str) -> Option<Self> {
        let (answer_id, sequence) = id.rsplit_once('.')?;
        Some(Self {
            answer_id: AnswerId::parse(answer_id)?,
            sequence: sequence_of(sequence)?,
        })
    }
}

/// Parses a frame's number as it is written in frames: digits, without a sign or leading zeros.
pub fn sequence_of(digits: &str) -> Option<u64> {
    let is_plain = digits.bytes().all(|byte| byte.is_ascii_digit());
    let is_shortest = digits == "0" || !digits.starts_with('0');
    digits.parse().ok().filter(|_| is_plain && is_shortest)
}

//! Reads a client's stream as strictly as the contract is worded.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use personal_ai_assistant::api::ending::Usage;
use personal_ai_assistant::api::error::ErrorCode;

/// The id of every stream that is read here.
const CORRELATION_ID: &str = "abc-123";

/// Why an answer may be said to be complete.
const FINISH_REASONS: [&str; 6] = [
    "stop",
    "length",
    "content_filter",
    "refusal",
    "tool_calls",
    "other",
];

/// What may go wrong once a stream has begun. No words but ours may reach a client.
const FAILURES: [ErrorCode; 11] = [
    ErrorCode::ContextLengthExceeded,
    ErrorCode::ContentFiltered,
    ErrorCode::ModelNotFound,
    ErrorCode::UpstreamRejected,
    ErrorCode::UpstreamRateLimited,
    ErrorCode::UpstreamQuota,
    ErrorCode::UpstreamUnavailable,
    ErrorCode::UpstreamTimeout,
    ErrorCode::UpstreamProtocol,
    ErrorCode::UpstreamTruncated,
    ErrorCode::StreamTooLong,
];

/// What a stream said.
#[derive(Debug, Eq, PartialEq)]
pub struct Answer {
    /// The contents of its frames, joined.
    pub text: String,
    /// The final frame's `finish_reason`, else its `code`.
    pub ending: String,
}

impl Answer {
    /// Whether the client was told that the answer is complete.
    pub fn is_complete(&self) -> bool {
        FINISH_REASONS.contains(&self.ending.as_str())
    }
}

/// A frame, its keys in the contract's order.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Frame<'a> {
    #[serde(borrow)]
    content: &'a RawValue,
    sequence: usize,
    is_final: bool,
    correlation_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    finish_reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Usage>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'a str>,
}

/// Reads a whole stream: frames numbered from 0 without gaps, of which the last one and no other is
/// final, and keep-alives between them.
///
/// # Panics
///
/// When it is anything else.
pub fn read(stream: &str) -> Answer {
    let blocks = stream
        .strip_suffix("\n\n")
        .expect("a blank line at the end");
    let mut text = String::new();
    let mut ending = None;
    let frames = blocks
        .split("\n\n")
        .filter(|block| *block != ": keep-alive");
    for (sequence, block) in frames.enumerate() {
        assert_eq!(ending, None, "a frame behind the final one: {block}");
        let json = block.strip_prefix("data: ").expect("a data line");
        let frame: Frame<'_> = serde_json::from_str(json).expect("a frame of known keys");
        let again = serde_json::to_string(&frame).expect("a frame");
        assert_eq!(json, again, "compact JSON, its keys in order");
        assert_eq!(frame.sequence, sequence, "{json}");
        assert_eq!(frame.correlation_id, CORRELATION_ID, "{json}");
        let content: String = serde_json::from_str(frame.content.get()).expect("text as content");
        assert_eq!(content.is_empty(), frame.is_final, "{json}");
        text.push_str(&content);
        ending = frame.ending();
        assert_eq!(ending.is_some(), frame.is_final, "{json}");
    }
    let ending = ending.expect("a final frame").to_owned();
    Answer { text, ending }
}

impl<'a> Frame<'a> {
    fn ending(&self) -> Option<&'a str> {
        let failure = (self.code, self.error, self.detail);
        match (self.finish_reason, failure) {
            (None, (None, None, None)) => {
                assert_eq!(self.usage, None, "a cost comes with the finish only");
                None
            }
            (Some(reason), (None, None, None)) => {
                assert!(FINISH_REASONS.contains(&reason), "{reason}");
                Some(reason)
            }
            (None, (Some(code), Some(error), Some(detail))) => {
                assert_eq!(self.usage, None, "a cost comes with the finish only");
                let words = |code: &ErrorCode| (code.name(), code.title(), code.detail());
                let is_known = FAILURES
                    .iter()
                    .map(words)
                    .any(|ours| ours == (code, error, detail));
                assert!(is_known, "not our words: {code}, {error}, {detail}");
                Some(code)
            }
            mixed => panic!("neither a finish nor a failure: {mixed:?}"),
        }
    }
}

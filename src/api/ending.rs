//! How answers end, in the final frame, and how requests end, in their last log line.

use serde::{Deserialize, Serialize};

use super::error::ErrorCode;
use crate::json;
use crate::telemetry::record::Record;

/// Why an answer is complete.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum FinishReason {
    /// The model said everything.
    Stop,
    /// The token limit was reached.
    Length,
    /// Upstream's content filter ended the answer.
    ContentFilter,
    /// The model refused to answer.
    Refusal,
    /// The model wants to call a tool.
    ToolCalls,
    /// Upstream ended the answer in order, for an unknown reason.
    Other,
    /// The owner of a kept answer stopped it.
    Stopped,
}

impl FinishReason {
    /// The name in frames and log lines.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Length => "length",
            Self::ContentFilter => "content_filter",
            Self::Refusal => "refusal",
            Self::ToolCalls => "tool_calls",
            Self::Other => "other",
            Self::Stopped => "stopped",
        }
    }
}

/// Tokens that an answer used, as upstream counted them.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Usage {
    /// Tokens of the conversation sent.
    pub input_tokens: u64,
    /// Tokens of the answer, reasoning included.
    pub output_tokens: u64,
    /// Both together.
    pub total_tokens: u64,
    /// How many of the answer's were reasoning, if upstream tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning_tokens: Option<u64>,
    /// How many of those sent came from upstream's cache, if it tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cached_tokens: Option<u64>,
}

impl Usage {
    /// The names of the counts in frames and log lines, and the counts, in this order.
    pub fn counts(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let counts = [
            ("input_tokens", Some(self.input_tokens)),
            ("output_tokens", Some(self.output_tokens)),
            ("total_tokens", Some(self.total_tokens)),
            ("reasoning_tokens", self.reasoning_tokens),
            ("cached_tokens", self.cached_tokens),
        ];
        let told = counts.into_iter();
        told.filter_map(|(name, count)| Some((name, count?)))
    }
}

/// How a request ended, in one word for the log.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum EndReason {
    /// The answer is complete.
    Done,
    /// The client left.
    ClientGone,
    /// Upstream's bytes ended too soon.
    UpstreamTruncated,
    /// Upstream failed.
    UpstreamError,
    /// Upstream was silent for too long.
    UpstreamTimeout,
    /// The whole answer took too long.
    StreamTooLong,
    /// Upstream's answer was not what its API promises.
    UpstreamProtocol,
    /// The request was refused before upstream was called.
    Rejected,
    /// The owner of a kept answer stopped it.
    Stopped,
    /// The process that wrote a kept answer died.
    Interrupted,
}

impl EndReason {
    /// The name in log lines.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::ClientGone => "client_gone",
            Self::UpstreamTruncated => "upstream_truncated",
            Self::UpstreamError => "upstream_error",
            Self::UpstreamTimeout => "upstream_timeout",
            Self::StreamTooLong => "stream_too_long",
            Self::UpstreamProtocol => "upstream_protocol",
            Self::Rejected => "rejected",
            Self::Stopped => "stopped",
            Self::Interrupted => "interrupted",
        }
    }

    /// How an answer ended that has failed, by the fields of its final frame; see
    /// [`Ending::fields`](super::frame::Ending::fields).
    pub fn of_failed(fields: &str) -> Self {
        let by_code = [
            Self::UpstreamTruncated,
            Self::UpstreamTimeout,
            Self::StreamTooLong,
            Self::UpstreamProtocol,
        ];
        let code = json::text_in(fields, "code");
        let is_told = |reason: &Self| code.as_deref() == Some(reason.name());
        by_code
            .into_iter()
            .find(is_told)
            .unwrap_or(Self::UpstreamError)
    }
}

impl From<ErrorCode> for EndReason {
    fn from(code: ErrorCode) -> Self {
        match code {
            ErrorCode::UpstreamTruncated => Self::UpstreamTruncated,
            ErrorCode::UpstreamTimeout => Self::UpstreamTimeout,
            ErrorCode::StreamTooLong => Self::StreamTooLong,
            ErrorCode::UpstreamProtocol => Self::UpstreamProtocol,
            ErrorCode::Interrupted => Self::Interrupted,
            ErrorCode::ContextLengthExceeded
            | ErrorCode::ContentFiltered
            | ErrorCode::ModelNotFound
            | ErrorCode::UpstreamRejected
            | ErrorCode::UpstreamRateLimited
            | ErrorCode::UpstreamQuota
            | ErrorCode::UpstreamUnavailable
            | ErrorCode::UpstreamUnreachable => Self::UpstreamError,
            _ => Self::Rejected,
        }
    }
}

/// Reasoning counts as output, and can use up the whole limit.
const HINT_NO_TEXT: &str =
    "the token limit was reached before any text; raise max_tokens of the request or MAX_TOKENS";

/// The facts of a request's last log line.
#[derive(Clone, Copy, Debug)]
pub struct Completion {
    /// The status of the response; `None` when the client left before there was one.
    pub http_status: Option<u16>,
    /// How it ended.
    pub end_reason: EndReason,
    /// From the request's arrival to its end.
    pub duration_ms: u64,
    /// From the request's arrival to the first frame with text.
    pub ttft_ms: Option<u64>,
    /// Frames with text.
    pub chunk_count: u64,
    /// Why the answer ended.
    pub finish_reason: Option<FinishReason>,
    /// The answer's tokens.
    pub usage: Option<Usage>,
    /// Calls of upstream after the first.
    pub retries: u32,
}

impl Completion {
    /// Adds the facts to a log line.
    pub fn write(&self, record: &mut Record<'_>) {
        let status = match self.end_reason {
            EndReason::Done => "success",
            EndReason::ClientGone | EndReason::Stopped => "cancelled",
            _ => "error",
        };
        record
            .word("status", status)
            .optional_number("http_status", self.http_status.map(u64::from))
            .word("end_reason", self.end_reason.name())
            .number("duration_ms", self.duration_ms)
            .optional_number("ttft_ms", self.ttft_ms)
            .number("chunk_count", self.chunk_count)
            .optional_text("finish_reason", self.finish_reason.map(FinishReason::name));
        if let Some(usage) = self.usage {
            record.object("usage", |record| {
                for (name, count) in usage.counts() {
                    record.number(name, count);
                }
            });
        }
        record.number("retries", u64::from(self.retries));
        if self.finish_reason == Some(FinishReason::Length) && self.chunk_count == 0 {
            record.text("hint", HINT_NO_TEXT);
        }
    }
}

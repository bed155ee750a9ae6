//! How streams end, and requests altogether.

use crate::api::error::ErrorCode;
use crate::openai::failure::Failure;

/// How a stream ended.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Outcome {
    /// In one word.
    pub end_reason: EndReason,
    /// What went wrong, when something did.
    pub failure: Option<Failure>,
}

/// The one word for how a request ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum EndReason {
    /// The answer is complete.
    Done,
    /// The client left.
    ClientGone,
    /// Upstream's bytes ended too soon.
    UpstreamTruncated,
    /// Upstream reported a failure.
    UpstreamError,
    /// Upstream was silent for too long.
    UpstreamTimeout,
    /// The whole answer took too long.
    StreamTooLong,
    /// Upstream broke its own protocol.
    UpstreamProtocol,
    /// The request was refused before upstream was asked.
    Rejected,
}

impl EndReason {
    /// The name that the log carries.
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
        }
    }
}

impl From<ErrorCode> for EndReason {
    fn from(code: ErrorCode) -> Self {
        match code {
            ErrorCode::UpstreamTruncated => Self::UpstreamTruncated,
            ErrorCode::UpstreamTimeout => Self::UpstreamTimeout,
            ErrorCode::StreamTooLong => Self::StreamTooLong,
            ErrorCode::UpstreamProtocol => Self::UpstreamProtocol,
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

//! What upstream says when it fails → what our client is told, and whether to try again.

use super::reported::Reported;
use super::words::{self, Kind};
use crate::api::error::{ApiError, ErrorCode};

/// Most bytes of an error body that are read.
pub const MAX_BODY_BYTES: usize = 65_536;

/// A failure of upstream.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Failure {
    /// What the client is told.
    pub error: ApiError,
    /// Upstream's HTTP status, when it answered with one.
    pub upstream_status: Option<u16>,
    /// Whether the same request may succeed a little later.
    pub retryable: bool,
    /// How long upstream asks to wait first.
    pub retry_after_ms: Option<u64>,
    /// What the log says. It holds upstream's machine-readable names only: its sentences may quote the
    /// key or the conversation.
    pub cause: String,
}

impl Failure {
    /// A failure that is not upstream's own word.
    pub fn new(code: ErrorCode, cause: impl Into<String>) -> Self {
        Self {
            error: code.into(),
            upstream_status: None,
            retryable: code == ErrorCode::UpstreamUnreachable,
            retry_after_ms: None,
            cause: cause.into(),
        }
    }

    /// Reads an answer whose status is not a success. `body` may be cut off or of any format; `should_retry` is what
    /// upstream's `x-should-retry` says; `names_model` tells whether the client chose the model, and so can choose
    /// another.
    pub fn from_response(
        status: u16,
        body: &[u8],
        retry_after_ms: Option<u64>,
        should_retry: Option<bool>,
        names_model: bool,
    ) -> Self {
        let reported = Reported::read(&String::from_utf8_lossy(body));
        let mut failure = classify(Some(status), retry_after_ms.is_some(), &reported);
        failure.upstream_status = Some(status);
        failure.retry_after_ms = retry_after_ms;
        failure.cause = format!("upstream status {status}{}", reported.names());
        failure.about_model(names_model, status == 404 && !speaks_of_model(&reported));
        // To be told to try where it cannot help would only spend the client's time.
        failure.retryable &= should_retry != Some(false);
        if failure.error.status == 429 {
            failure.error.retry_after_seconds = retry_after_ms.map(|ms| ms.div_ceil(1000));
        }
        failure
    }

    /// Reads an error that comes as an event of a stream: an object, or a plain text.
    pub fn from_event(data: &str, names_model: bool) -> Self {
        let failure = Self::without_status(data, names_model, "upstream error event");
        Self {
            retryable: false,
            ..failure
        }
    }

    /// Reads an error that comes as a whole document with the status of a success. Nothing has gone to the client
    /// yet, so it may be retried.
    pub fn from_document(json: &str, names_model: bool) -> Self {
        Self::without_status(json, names_model, "upstream error with a success status")
    }

    fn without_status(report: &str, names_model: bool, what: &str) -> Self {
        let reported = Reported::read(report);
        let mut failure = classify(reported.status, false, &reported);
        failure.cause = format!("{what}{}", reported.names());
        failure.about_model(names_model, false);
        failure
    }

    /// Tells who can mend it when a model is not found: the client, or the owner of this service.
    fn about_model(&mut self, names_model: bool, is_address: bool) {
        if self.error.code != ErrorCode::ModelNotFound {
            return;
        }
        if names_model {
            self.error.status = 400;
        }
        if is_address {
            self.error.detail = WRONG_ADDRESS.into();
            self.cause.push_str("; OPENAI_BASE_URL may be wrong");
        } else if !names_model {
            self.error.detail = UNKNOWN_DEFAULT.into();
            self.cause.push_str("; OPENAI_MODEL is unknown to upstream");
        }
    }
}

/// What a client is told that named no model.
const UNKNOWN_DEFAULT: &str = "The model's server does not have this service's default model, or does not let this service use it. \
    If you run this service, change OPENAI_MODEL.";

/// What a client is told when upstream answers that nothing is there, and does not speak of a model.
const WRONG_ADDRESS: &str = "The model's server does not have the model, or was called at a wrong address. \
    If you run this service, check OPENAI_BASE_URL first, then the model.";

/// What an error is. Names come before words, and words before the status, which gateways change. `says_when` tells
/// whether upstream has said how long to wait.
fn classify(status: Option<u16>, says_when: bool, reported: &Reported) -> Failure {
    let kind = words::kind(status, says_when, reported);
    let kind = kind.unwrap_or_else(|| words::kind_of_status(status));
    let (code, retryable) = match kind {
        Kind::Context => (ErrorCode::ContextLengthExceeded, false),
        Kind::Filter => (ErrorCode::ContentFiltered, false),
        Kind::Model => (ErrorCode::ModelNotFound, false),
        Kind::Quota => (ErrorCode::UpstreamQuota, false),
        Kind::Rate => (ErrorCode::UpstreamRateLimited, true),
        Kind::Limit => (ErrorCode::UpstreamRateLimited, false),
        Kind::Overloaded | Kind::Fault => (ErrorCode::UpstreamUnavailable, true),
        Kind::Rejected => (ErrorCode::UpstreamRejected, false),
    };
    let mut failure = Failure {
        retryable,
        ..Failure::new(code, String::new())
    };
    if kind == Kind::Overloaded {
        failure.error.status = 503;
    }
    failure
}

/// Whether an error is about a model, or what servers call one.
fn speaks_of_model(reported: &Reported) -> bool {
    reported.is_about("model")
        || words::kind(None, false, reported) == Some(Kind::Model)
        || reported.has_word(&["model", "models", "deployment", "engine"])
}

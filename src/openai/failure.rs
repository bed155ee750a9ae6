//! How upstream fails → what the client is told, and whether a retry may help.

use super::classify::{self, Kind};
use super::report::Report;
use crate::api::error::{ApiError, ErrorCode};
use crate::api::request::ModelSource;

/// Most bytes of an error body that are read.
pub const MAX_ERROR_BODY_BYTES: usize = 65_536;

/// A failure of upstream.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Failure {
    /// What the client is told.
    pub error: ApiError,
    /// Upstream's HTTP status, when it answered with one.
    pub upstream_status: Option<u16>,
    /// Whether a retry of the same request may succeed.
    pub retryable: bool,
    /// How long upstream asks to wait first.
    pub retry_after_ms: Option<u64>,
    /// The cause, for the log. Of upstream's own words it has only machine-readable names: sentences may quote the
    /// key or the conversation.
    pub cause: String,
}

impl Failure {
    /// A failure that upstream did not report itself.
    pub fn new(code: ErrorCode, cause: impl Into<String>) -> Self {
        Self {
            error: code.into(),
            upstream_status: None,
            retryable: code == ErrorCode::UpstreamUnreachable,
            retry_after_ms: None,
            cause: cause.into(),
        }
    }

    /// Reads a response whose status is not a success. `body` may be cut off, and of any format. `should_retry` is
    /// upstream's `x-should-retry`. `source` has named the model.
    pub fn from_response(
        status: u16,
        body: &[u8],
        retry_after_ms: Option<u64>,
        should_retry: Option<bool>,
        source: ModelSource,
    ) -> Self {
        let report = Report::parse(&String::from_utf8_lossy(body));
        let mut failure = failure_of(Some(status), retry_after_ms.is_some(), &report);
        failure.upstream_status = Some(status);
        failure.retry_after_ms = retry_after_ms;
        failure.cause = format!("upstream status {status}{}", report.names());
        let may_be_wrong_address = status == 404 && !mentions_model(&report);
        failure.explain_missing_model(source, may_be_wrong_address);
        // A `true` is not obeyed: retrying what cannot succeed would only waste the client's time.
        failure.retryable &= should_retry != Some(false);
        if failure.error.status == 429 {
            failure.error.retry_after_seconds = retry_after_ms.map(|ms| ms.div_ceil(1000));
        }
        failure
    }

    /// Reads an error event of a stream: an object, or plain text.
    pub fn from_event(data: &str, source: ModelSource) -> Self {
        let failure = Self::without_status(data, source, "upstream error event");
        Self {
            retryable: false,
            ..failure
        }
    }

    /// Reads an error document whose status is a success. Nothing has gone to the client yet, so it may be retried.
    pub fn from_document(json: &str, source: ModelSource) -> Self {
        let what = "upstream error with a success status";
        Self::without_status(json, source, what)
    }

    fn without_status(body: &str, source: ModelSource, what: &str) -> Self {
        let report = Report::parse(body);
        let mut failure = failure_of(report.status, false, &report);
        failure.cause = format!("{what}{}", report.names());
        failure.explain_missing_model(source, false);
        failure
    }

    /// When a model is not found, says who can fix that: the client, or the owner of this service.
    fn explain_missing_model(&mut self, source: ModelSource, may_be_wrong_address: bool) {
        if self.error.code != ErrorCode::ModelNotFound {
            return;
        }
        if source == ModelSource::Client {
            self.error.status = 400;
        }
        let (detail, cause) = match (may_be_wrong_address, source) {
            (true, ModelSource::FallbackElsewhere) => {
                (WRONG_FALLBACK_ADDRESS, "; FALLBACK_BASE_URL may be wrong")
            }
            (true, _) => (WRONG_ADDRESS, "; OPENAI_BASE_URL may be wrong"),
            (false, ModelSource::Client) => return,
            (false, ModelSource::Default) => {
                (UNKNOWN_DEFAULT, "; OPENAI_MODEL is unknown to upstream")
            }
            (false, ModelSource::Fallback | ModelSource::FallbackElsewhere) => (
                UNKNOWN_FALLBACK,
                "; a model of FALLBACK_MODELS is unknown to upstream",
            ),
        };
        self.error.detail = detail.into();
        self.cause.push_str(cause);
    }
}

/// The detail for a client that named no model.
const UNKNOWN_DEFAULT: &str = "The model's server does not have this service's default model, or does not let this service use it. \
    If you run this service, change OPENAI_MODEL.";

/// The detail for a model that is asked because another one has failed.
const UNKNOWN_FALLBACK: &str = "The model's server does not have this service's fallback model, or does not let this service use it. \
    If you run this service, change FALLBACK_MODELS.";

/// The detail for a 404 that does not mention a model.
const WRONG_ADDRESS: &str = "The model's server does not have the model, or was called at a wrong address. \
    If you run this service, check OPENAI_BASE_URL first, then the model.";

/// The same for the other server.
const WRONG_FALLBACK_ADDRESS: &str = "The model's server does not have the model, or was called at a wrong address. \
    If you run this service, check FALLBACK_BASE_URL first, then the model.";

/// The failure that an error means: by its names, then by its sentences, then by its status, which gateways change.
/// `says_when` tells whether upstream has said how long to wait.
fn failure_of(status: Option<u16>, says_when: bool, report: &Report) -> Failure {
    let kind = classify::by_words(status, says_when, report)
        .unwrap_or_else(|| classify::by_status(status));
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

/// Whether an error mentions a model at all.
fn mentions_model(report: &Report) -> bool {
    report.is_about("model")
        || classify::by_words(None, false, report) == Some(Kind::Model)
        || report.has_word(&["model", "models", "deployment", "engine"])
}

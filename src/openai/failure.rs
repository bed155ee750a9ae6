//! What upstream says when it fails → what our client is told, and whether to try again.

use crate::api::error::{ApiError, ErrorCode};
use crate::json::Fields;

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

    /// Reads an answer whose status is not a success. `body` may be cut off or of any format.
    /// `names_model` tells whether the client chose the model, and so can choose another.
    pub fn from_response(
        status: u16,
        body: &[u8],
        retry_after_ms: Option<u64>,
        names_model: bool,
    ) -> Self {
        let reported = Reported::read(std::str::from_utf8(body).unwrap_or_default());
        let mut failure = classify(status, &reported);
        failure.upstream_status = Some(status);
        failure.retry_after_ms = retry_after_ms;
        failure.cause = format!("upstream status {status}{}", reported.names());
        if failure.error.code == ErrorCode::ModelNotFound && names_model {
            failure.error.status = 400;
        }
        if failure.error.status == 429 {
            failure.error.retry_after_seconds = retry_after_ms.map(|ms| ms.div_ceil(1000));
        }
        failure
    }

    /// Reads an error that comes as an event of a stream: an object, or a plain text.
    pub fn from_event(data: &str) -> Self {
        let reported = Reported::read(data);
        let mut failure = classify(reported.status.unwrap_or(500), &reported);
        failure.retryable = false;
        failure.cause = format!("upstream error event{}", reported.names());
        failure
    }
}

/// First pause before trying again, in milliseconds.
const FIRST_DELAY_MS: u64 = 500;

/// How long to wait before the retry that follows `attempt`, counted from 1: what upstream asked for,
/// else exponentially more, shortened by up to a quarter so that clients do not come back all at once.
/// `random` is uniform in 0–1.
pub fn retry_delay_ms(attempt: u32, retry_after_ms: Option<u64>, random: f64) -> u64 {
    let exponent = attempt.saturating_sub(1).min(16);
    let delay_ms = FIRST_DELAY_MS.saturating_mul(1_u64.wrapping_shl(exponent));
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "at most 500 ms · 2^16, times 0.75 to 1"
    )]
    let jittered = (delay_ms as f64 * (1.0 - random.clamp(0.0, 1.0) / 4.0)) as u64;
    retry_after_ms.unwrap_or(jittered)
}

/// The machine-readable part of an error that upstream reports.
#[derive(Debug, Default)]
struct Reported {
    code: String,
    kind: String,
    param: String,
    status: Option<u16>,
}

impl Reported {
    /// `{"error":{"code":…,"type":…}}`, or the same without the outer object; whatever else upstream says
    /// has no names in it.
    fn read(json: &str) -> Self {
        let outer = Fields::read(json).unwrap_or_default();
        let inner = outer.get("error").and_then(Fields::read).unwrap_or(outer);
        let text = |name| {
            let text = inner.text(name).filter(|text| is_name(text));
            text.unwrap_or_default()
        };
        let status = ["code", "status", "status_code"]
            .iter()
            .filter_map(|name| inner.get(name))
            .find_map(|json| serde_json::from_str(json).ok());
        Self {
            code: text("code"),
            kind: text("type"),
            param: text("param"),
            status: status.filter(|status| (400..600).contains(status)),
        }
    }

    fn says(&self, name: &str) -> bool {
        self.code == name || self.kind == name
    }

    /// The names, each behind a comma.
    fn names(&self) -> String {
        let names = [
            (", code ", &self.code),
            (", type ", &self.kind),
            (", param ", &self.param),
        ];
        let given = names.into_iter().filter(|(_, value)| !value.is_empty());
        given
            .flat_map(|(label, value)| [label, value.as_str()])
            .collect()
    }
}

/// Names are short and made of identifier characters; anything else could be somebody's text.
fn is_name(text: &str) -> bool {
    text.len() <= 64
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_.-[]".contains(&byte))
}

/// Errors of a used-up account, which no waiting mends.
const QUOTA: [&str; 4] = [
    "insufficient_quota",
    "billing_hard_limit_reached",
    "billing_not_active",
    "access_terminated",
];

fn classify(status: u16, reported: &Reported) -> Failure {
    let named = |names: &[&str]| names.iter().any(|name| reported.says(name));
    if named(&["context_length_exceeded"]) {
        return failure(ErrorCode::ContextLengthExceeded, false);
    }
    if named(&["model_not_found"]) {
        return failure(ErrorCode::ModelNotFound, false);
    }
    if named(&QUOTA) {
        return failure(ErrorCode::UpstreamQuota, false);
    }
    if named(&["rate_limit_exceeded", "slow_down"]) {
        return failure(ErrorCode::UpstreamRateLimited, true);
    }
    match status {
        404 => failure(ErrorCode::ModelNotFound, false),
        402 => failure(ErrorCode::UpstreamQuota, false),
        429 => failure(ErrorCode::UpstreamRateLimited, true),
        // 529 is what some servers answer when they are overloaded.
        503 | 529 => {
            let mut failure = failure(ErrorCode::UpstreamUnavailable, true);
            failure.error.status = 503;
            failure
        }
        408 | 409 | 500.. => failure(ErrorCode::UpstreamUnavailable, true),
        _ => failure(ErrorCode::UpstreamRejected, false),
    }
}

fn failure(code: ErrorCode, retryable: bool) -> Failure {
    Failure {
        retryable,
        ..Failure::new(code, String::new())
    }
}

//! Everything that can go wrong, as a client sees it.

use std::borrow::Cow;

use super::correlation::CorrelationId;
use crate::json::Object;

/// The stable machine name of an error.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum ErrorCode {
    /// The request's body breaks a rule.
    ValidationError,
    /// No valid access token came with the request.
    Unauthorized,
    /// Pages of this origin may not send requests.
    OriginNotAllowed,
    /// This client sends too many requests.
    RateLimited,
    /// The path does not exist.
    NotFound,
    /// The path exists, the method does not.
    MethodNotAllowed,
    /// The request's body is larger than allowed.
    BodyTooLarge,
    /// The request's body does not arrive in time.
    RequestTimeout,
    /// The request's body is not declared as JSON.
    UnsupportedMediaType,
    /// One of this service's variables is missing or invalid.
    ConfigurationError,
    /// The worker itself failed. JavaScript answers in the same words, since this code no longer runs then.
    InternalError,
    /// The conversation does not fit the model.
    ContextLengthExceeded,
    /// Upstream's content filter refuses the conversation.
    ContentFiltered,
    /// Upstream does not know the model.
    ModelNotFound,
    /// Upstream refuses this service's key or request.
    UpstreamRejected,
    /// Upstream limits this service's rate.
    UpstreamRateLimited,
    /// This service's quota at upstream is used up.
    UpstreamQuota,
    /// Upstream has a fault of its own.
    UpstreamUnavailable,
    /// Upstream cannot be connected to.
    UpstreamUnreachable,
    /// Upstream is silent for too long.
    UpstreamTimeout,
    /// Upstream's answer is not what its API promises.
    UpstreamProtocol,
    /// Upstream's answer ended before it was complete.
    UpstreamTruncated,
    /// The whole answer takes longer than allowed.
    StreamTooLong,
    /// This deployment keeps no conversations, or not for this client.
    ConversationsUnavailable,
    /// The answer that a message would follow is still running.
    AnswerRunning,
    /// An `Idempotency-Key` comes again with another request.
    IdempotencyConflict,
    /// Too many answers of one owner run at once.
    TooManyAnswers,
    /// The process that wrote a kept answer died.
    Interrupted,
    /// The store of conversations and counts cannot be read or written.
    StoreUnavailable,
    /// The client's budget is used up.
    BudgetExhausted,
    /// This deployment counts no usage.
    UsageUnavailable,
}

impl ErrorCode {
    /// The name that clients match on.
    pub const fn name(self) -> &'static str {
        self.identity().1
    }

    /// The HTTP status when the error comes before the stream's own.
    pub const fn status(self) -> u16 {
        self.identity().0
    }

    /// What happened, in a few words.
    pub const fn title(self) -> &'static str {
        self.words().0
    }

    /// Why, and what the client can do. Some errors have a more precise one.
    pub const fn detail(self) -> &'static str {
        self.words().1
    }

    const fn identity(self) -> (u16, &'static str) {
        match self {
            Self::ValidationError => (400, "validation_error"),
            Self::Unauthorized => (401, "unauthorized"),
            Self::OriginNotAllowed => (403, "origin_not_allowed"),
            Self::RateLimited => (429, "rate_limited"),
            Self::NotFound => (404, "not_found"),
            Self::MethodNotAllowed => (405, "method_not_allowed"),
            Self::BodyTooLarge => (413, "body_too_large"),
            Self::RequestTimeout => (408, "request_timeout"),
            Self::UnsupportedMediaType => (415, "unsupported_media_type"),
            Self::ConfigurationError => (500, "configuration_error"),
            Self::InternalError => (500, "internal_error"),
            Self::ContextLengthExceeded => (400, "context_length_exceeded"),
            Self::ContentFiltered => (400, "content_filtered"),
            Self::ModelNotFound => (502, "model_not_found"),
            Self::UpstreamRejected => (502, "upstream_rejected"),
            Self::UpstreamRateLimited => (429, "upstream_rate_limited"),
            Self::UpstreamQuota => (503, "upstream_quota"),
            Self::UpstreamUnavailable => (502, "upstream_unavailable"),
            Self::UpstreamUnreachable => (502, "upstream_unreachable"),
            Self::UpstreamTimeout => (504, "upstream_timeout"),
            Self::UpstreamProtocol => (502, "upstream_protocol"),
            Self::UpstreamTruncated => (502, "upstream_truncated"),
            Self::StreamTooLong => (504, "stream_too_long"),
            Self::ConversationsUnavailable => (409, "conversations_unavailable"),
            Self::AnswerRunning => (409, "answer_running"),
            Self::IdempotencyConflict => (409, "idempotency_conflict"),
            Self::TooManyAnswers => (429, "too_many_answers"),
            Self::Interrupted => (503, "interrupted"),
            Self::StoreUnavailable => (503, "store_unavailable"),
            Self::BudgetExhausted => (429, "budget_exhausted"),
            Self::UsageUnavailable => (409, "usage_unavailable"),
        }
    }

    #[allow(clippy::too_many_lines, reason = "a table")]
    const fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::ValidationError => (
                "Validation error",
                "The request body breaks a rule of the API.",
            ),
            Self::Unauthorized => (
                "Unauthorized",
                "Send a valid access token in the header 'Authorization: Bearer <token>'.",
            ),
            Self::OriginNotAllowed => (
                "Origin not allowed",
                "Pages from this origin may not use this service. If you run it, add the origin to ALLOWED_ORIGINS.",
            ),
            Self::RateLimited => (
                "Too many requests",
                "You have sent more requests than this service allows. Wait a moment and try again.",
            ),
            Self::NotFound => (
                "Not found",
                "There is nothing at this path. To chat, send a POST request to /chat.",
            ),
            Self::MethodNotAllowed => (
                "Method not allowed",
                "This path does not support this method. The Allow header lists the methods it supports.",
            ),
            Self::BodyTooLarge => (
                "Request body too large",
                "The request body is larger than 65536 bytes. Shorten the message or the history.",
            ),
            Self::RequestTimeout => (
                "Request timed out",
                "The request body did not arrive in time. Send the request again.",
            ),
            Self::UnsupportedMediaType => (
                "Unsupported media type",
                "Send the body as JSON with the header 'Content-Type: application/json'.",
            ),
            Self::ConfigurationError => (
                "Configuration error",
                "One of this service's variables is missing or invalid.",
            ),
            Self::InternalError => (
                "Internal error",
                "This service failed while handling the request. Try again in a moment.",
            ),
            Self::ContextLengthExceeded => (
                "Conversation too long",
                "The conversation is too long for this model. Shorten the message or the history, or lower max_tokens.",
            ),
            Self::ContentFiltered => (
                "Blocked by the content filter",
                "The content filter of the model's server blocked this conversation. Rephrase the message or the history.",
            ),
            Self::ModelNotFound => (
                "Model not found",
                "The model's server does not have this model, or does not let this service use it. Choose another model.",
            ),
            Self::UpstreamRejected => (
                "Refused by the model's server",
                "The model's server refused this service's key or request. If you run this service, check its log for the reason.",
            ),
            Self::UpstreamRateLimited => (
                "Rate limit reached",
                "This service has reached the rate limit of the model's server. Wait a moment and try again.",
            ),
            Self::UpstreamQuota => (
                "Quota used up",
                "This service has no quota or credit left at the model's server. If you run this service, add more there.",
            ),
            Self::UpstreamUnavailable => (
                "The model's server is unavailable",
                "The model's server failed or is overloaded. Try again in a moment.",
            ),
            Self::UpstreamUnreachable => (
                "The model's server cannot be reached",
                "This service could not connect to the model's server. Try again in a moment. If you run this service, check that the model's server is running and that OPENAI_BASE_URL is right.",
            ),
            Self::UpstreamTimeout => (
                "The model's server went silent",
                "The model's server sent nothing for too long. Try again in a moment. If you run this service and its model is slow, raise TIMEOUT_SECONDS.",
            ),
            Self::UpstreamProtocol => (
                "Unreadable answer from the model's server",
                "This service could not read what the model's server sent. Try again in a moment. If you run this service, check its log.",
            ),
            Self::UpstreamTruncated => (
                "The answer was cut off",
                "The model's server ended its answer before it was complete. Try again in a moment.",
            ),
            Self::StreamTooLong => (
                "The answer took too long",
                "The answer took longer than this service allows. Ask for a shorter one.",
            ),
            Self::ConversationsUnavailable => (
                "Conversations are not kept",
                "This service keeps no conversations. Leave out conversation_id. If you run this service, bind OWNERS or set DATA_DIR: see docs/conversations.md.",
            ),
            Self::AnswerRunning => (
                "An answer is still running",
                "The answer that this message would follow is still being written. Wait for its end, stop it, or choose another turn with after.",
            ),
            Self::IdempotencyConflict => (
                "Idempotency-Key already used",
                "This Idempotency-Key belongs to another request. Use a fresh key for each new request.",
            ),
            Self::TooManyAnswers => (
                "Too many answers at once",
                "You already have as many answers running as this service allows. Wait for one to end, or stop one.",
            ),
            Self::Interrupted => (
                "The answer was interrupted",
                "This service stopped while the answer was being written. The text so far is kept. Ask again for a new answer.",
            ),
            Self::StoreUnavailable => (
                "Stored data cannot be reached",
                "This service could not read or write its conversations or its usage counts. Try again in a moment. If you run this service, check its log.",
            ),
            Self::BudgetExhausted => (
                "Budget used up",
                "You have used up your budget. A new one begins at midnight UTC.",
            ),
            Self::UsageUnavailable => (
                "Usage is not counted",
                "This service counts no usage. If you run this service, bind OWNERS or set DATA_DIR: see docs/conversations.md.",
            ),
        }
    }
}

/// An error as the client gets it: in a response, or in a stream's final frame.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ApiError {
    /// Its machine name.
    pub code: ErrorCode,
    /// The HTTP status: the code's own, unless the cause calls for another.
    pub status: u16,
    /// Why, and what the client can do.
    pub detail: Cow<'static, str>,
    /// The value of `Allow`, for a 405.
    pub allow: Option<&'static str>,
    /// For a 401, whether a token came and was wrong.
    pub is_token_wrong: bool,
    /// The value of `Retry-After` in seconds, if waiting helps.
    pub retry_after_seconds: Option<u64>,
}

impl ApiError {
    /// An error with a detail of its own.
    pub fn new(code: ErrorCode, detail: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code,
            status: code.status(),
            detail: detail.into(),
            allow: None,
            is_token_wrong: false,
            retry_after_seconds: None,
        }
    }

    /// The JSON body of an error response.
    pub fn body(&self, correlation_id: &CorrelationId) -> String {
        let mut body = Object::default();
        body.text("error", self.code.title())
            .text("detail", &self.detail)
            .text("correlation_id", correlation_id.as_str())
            .text("code", self.code.name());
        body.to_json()
    }
}

impl From<ErrorCode> for ApiError {
    fn from(code: ErrorCode) -> Self {
        Self::new(code, code.detail())
    }
}

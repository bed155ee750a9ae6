use personal_ai_assistant::api::correlation::CorrelationId;
use personal_ai_assistant::api::ending::EndReason;
use personal_ai_assistant::api::error::{ApiError, ErrorCode};

fn id() -> CorrelationId {
    CorrelationId::parse("abc-123").expect("a valid id")
}

#[test]
fn each_code_has_its_status_its_name_and_its_end_reason() {
    use ErrorCode as E;
    let table = [
        (E::ValidationError, 400, "validation_error", "rejected"),
        (E::Unauthorized, 401, "unauthorized", "rejected"),
        (E::OriginNotAllowed, 403, "origin_not_allowed", "rejected"),
        (E::RateLimited, 429, "rate_limited", "rejected"),
        (E::NotFound, 404, "not_found", "rejected"),
        (E::MethodNotAllowed, 405, "method_not_allowed", "rejected"),
        (E::BodyTooLarge, 413, "body_too_large", "rejected"),
        (E::RequestTimeout, 408, "request_timeout", "rejected"),
        (
            E::UnsupportedMediaType,
            415,
            "unsupported_media_type",
            "rejected",
        ),
        (
            E::ConfigurationError,
            500,
            "configuration_error",
            "rejected",
        ),
        (E::InternalError, 500, "internal_error", "rejected"),
        (
            E::ContextLengthExceeded,
            400,
            "context_length_exceeded",
            "upstream_error",
        ),
        (
            E::ContentFiltered,
            400,
            "content_filtered",
            "upstream_error",
        ),
        (E::ModelNotFound, 502, "model_not_found", "upstream_error"),
        (
            E::UpstreamRejected,
            502,
            "upstream_rejected",
            "upstream_error",
        ),
        (
            E::UpstreamRateLimited,
            429,
            "upstream_rate_limited",
            "upstream_error",
        ),
        (E::UpstreamQuota, 503, "upstream_quota", "upstream_error"),
        (
            E::UpstreamUnavailable,
            502,
            "upstream_unavailable",
            "upstream_error",
        ),
        (
            E::UpstreamUnreachable,
            502,
            "upstream_unreachable",
            "upstream_error",
        ),
        (
            E::UpstreamTimeout,
            504,
            "upstream_timeout",
            "upstream_timeout",
        ),
        (
            E::UpstreamProtocol,
            502,
            "upstream_protocol",
            "upstream_protocol",
        ),
        (
            E::UpstreamTruncated,
            502,
            "upstream_truncated",
            "upstream_truncated",
        ),
        (E::StreamTooLong, 504, "stream_too_long", "stream_too_long"),
    ];
    for (code, status, name, end_reason) in table {
        assert_eq!((code.status(), code.name()), (status, name));
        assert_eq!(EndReason::from(code).name(), end_reason, "{name}");
        assert!(
            !code.title().ends_with('.') && code.detail().ends_with('.'),
            "{name}"
        );
    }
}

#[test]
fn an_error_body_has_four_fields_in_order_and_escapes_its_detail() {
    let plain = "{\"error\":\"Not found\",\"detail\":\"There is nothing at this path. To chat, send a POST request to /chat.\",\
        \"correlation_id\":\"abc-123\",\"code\":\"not_found\"}";
    assert_eq!(ApiError::from(ErrorCode::NotFound).body(&id()), plain);
    let escaped = ApiError::new(ErrorCode::ValidationError, "a \"b\"\n\\");
    let body = "{\"error\":\"Validation error\",\"detail\":\"a \\\"b\\\"\\n\\\\\",\"correlation_id\":\"abc-123\",\
        \"code\":\"validation_error\"}";
    assert_eq!(escaped.body(&id()), body);
}

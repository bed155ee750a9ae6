//! Responses, each with the headers that every answer carries.

use serde::Serialize;
use wasm_bindgen::JsValue;
use web_sys::{ReadableStream, Response, ResponseInit};

use super::js::{self, Pairs};
use crate::api::access::Cors;
use crate::api::correlation::CorrelationId;
use crate::api::error::{ApiError, ErrorCode};

/// What every response of a request has in common.
pub(super) struct Common<'a> {
    pub(super) correlation_id: &'a CorrelationId,
    /// Nothing for a page whose origin may not read the response.
    pub(super) cors: Option<&'a Cors>,
}

#[derive(Serialize)]
struct Init<'a> {
    status: u16,
    headers: Pairs<'a>,
}

/// The committed answer: frames as they come.
pub(super) fn stream(body: &ReadableStream, common: &Common<'_>) -> Result<Response, JsValue> {
    let init = common.init(
        200,
        &[
            ("content-type", "text/event-stream; charset=utf-8"),
            ("cache-control", "no-cache, no-transform"),
            ("x-accel-buffering", "no"),
        ],
    )?;
    Response::new_with_opt_readable_stream_and_init(Some(body), &init)
}

/// A JSON answer.
pub(super) fn json(
    status: u16,
    body: &str,
    common: &Common<'_>,
    more: &[(&str, &str)],
) -> Result<Response, JsValue> {
    let mut headers = vec![
        ("content-type", "application/json"),
        ("cache-control", "no-store"),
    ];
    headers.extend_from_slice(more);
    Response::new_with_opt_str_and_init(Some(body), &common.init(status, &headers)?)
}

/// An error in the shape that every error has.
pub(super) fn error(error: &ApiError, common: &Common<'_>) -> Result<Response, JsValue> {
    let mut more = Vec::new();
    if let Some(allow) = error.allow {
        more.push(("allow", allow));
    }
    let retry_after = error.retry_after_seconds.map(|seconds| seconds.to_string());
    if let Some(seconds) = &retry_after {
        more.push(("retry-after", seconds));
    }
    if error.code == ErrorCode::Unauthorized {
        more.push(("www-authenticate", "Bearer"));
    }
    json(
        error.status,
        &error.body(common.correlation_id),
        common,
        &more,
    )
}

/// The answer to a browser that asks what a page may do.
pub(super) fn preflight(common: &Common<'_>) -> Result<Response, JsValue> {
    let init = common.init(
        204,
        &[
            ("access-control-allow-methods", "GET, HEAD, POST, OPTIONS"),
            (
                "access-control-allow-headers",
                "Authorization, Content-Type, X-Correlation-Id",
            ),
            ("access-control-max-age", "7200"),
            ("allow", "GET, HEAD, POST, OPTIONS"),
            ("cache-control", "no-store"),
        ],
    )?;
    Response::new_with_opt_str_and_init(None, &init)
}

impl Common<'_> {
    fn init(&self, status: u16, own: &[(&str, &str)]) -> Result<ResponseInit, JsValue> {
        let allow_origin = self.cors.and_then(|cors| cors.allow_origin.as_deref());
        let policy = if allow_origin.is_some() {
            "cross-origin"
        } else {
            "same-origin"
        };
        let mut headers = vec![
            ("x-correlation-id", self.correlation_id.as_str()),
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("cross-origin-resource-policy", policy),
        ];
        if let Some(origin) = allow_origin {
            headers.push(("access-control-allow-origin", origin));
            headers.push((
                "access-control-expose-headers",
                "X-Correlation-Id, Retry-After",
            ));
        }
        // A refusal depends on the origin, too.
        if self.cors.is_none_or(|cors| cors.varies) {
            headers.push(("vary", "Origin"));
        }
        headers.extend_from_slice(own);
        js::object(&Init {
            status,
            headers: Pairs(&headers),
        })
    }
}

//! Responses, each with the headers that every answer carries.

use std::cell::RefCell;

use serde::Serialize;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use web_sys::{ReadableStream, Response};

use super::runtime::js::HeaderMap;
use crate::api::access::{Cors, challenge};
use crate::api::correlation::CorrelationId;
use crate::api::error::{ApiError, ErrorCode};
use crate::json;

/// What every response to a request needs.
pub(super) struct ResponseContext<'a> {
    pub(super) correlation_id: &'a CorrelationId,
    /// Nothing for a page whose origin may not read the response.
    pub(super) cors: Option<&'a Cors>,
}

#[wasm_bindgen(module = "/src/shell/runtime/prepared.js")]
extern "C" {
    /// Responses with the same status and headers.
    type ResponseTemplate;

    /// Fails when a header cannot be sent.
    #[wasm_bindgen(constructor, catch)]
    fn new(options: &str) -> Result<ResponseTemplate, JsValue>;

    #[wasm_bindgen(method, catch, js_name = with)]
    fn with_stream(
        this: &ResponseTemplate,
        body: &ReadableStream,
        correlation_id: &str,
    ) -> Result<Response, JsValue>;

    #[wasm_bindgen(method, catch, js_name = with)]
    fn with_text(
        this: &ResponseTemplate,
        body: Option<&str>,
        correlation_id: &str,
    ) -> Result<Response, JsValue>;
}

thread_local! {
    /// The response of the last stream, and which origin may read it. The next one seldom differs.
    static STREAM: RefCell<Option<(Option<Cors>, ResponseTemplate)>> = const { RefCell::new(None) };
}

/// What `Response` takes.
#[derive(Serialize)]
struct Options<'a> {
    status: u16,
    headers: HeaderMap<'a>,
}

/// The committed answer: frames as they come.
pub(super) fn stream(
    body: &ReadableStream,
    context: &ResponseContext<'_>,
) -> Result<Response, JsValue> {
    STREAM.with_borrow_mut(|last| {
        let same = last
            .take()
            .filter(|(cors, _)| cors.as_ref() == context.cors);
        let (_, reply) = last.insert(match same {
            Some(same) => same,
            None => (
                context.cors.cloned(),
                context.reply(
                    200,
                    &[
                        ("content-type", "text/event-stream; charset=utf-8"),
                        ("cache-control", "no-cache, no-transform"),
                        ("x-accel-buffering", "no"),
                    ],
                )?,
            ),
        });
        reply.with_stream(body, context.correlation_id.as_str())
    })
}

/// A JSON answer.
pub(super) fn json(
    status: u16,
    body: &str,
    context: &ResponseContext<'_>,
    more: &[(&str, &str)],
) -> Result<Response, JsValue> {
    let mut headers = vec![
        ("content-type", "application/json"),
        ("cache-control", "no-store"),
    ];
    headers.extend_from_slice(more);
    let reply = context.reply(status, &headers)?;
    reply.with_text(Some(body), context.correlation_id.as_str())
}

/// What the runtime is given for a client that has left before there was an answer. Nobody reads it; 499 is the status
/// that servers log for this.
pub(super) fn for_nobody(context: &ResponseContext<'_>) -> Result<Response, JsValue> {
    let reply = context.reply(499, &[])?;
    reply.with_text(None, context.correlation_id.as_str())
}

/// An error in the shape that every error has.
pub(super) fn error(error: &ApiError, context: &ResponseContext<'_>) -> Result<Response, JsValue> {
    let mut more = Vec::new();
    if let Some(allow) = error.allow {
        more.push(("allow", allow));
    }
    let retry_after = error.retry_after_seconds.map(|seconds| seconds.to_string());
    if let Some(seconds) = &retry_after {
        more.push(("retry-after", seconds));
    }
    if error.code == ErrorCode::Unauthorized {
        more.push(("www-authenticate", challenge(error.is_token_wrong)));
    }
    json(
        error.status,
        &error.body(context.correlation_id),
        context,
        &more,
    )
}

/// The answer to a browser that asks what a page may do. `allow`: the methods that the path answers.
pub(super) fn preflight(allow: &str, context: &ResponseContext<'_>) -> Result<Response, JsValue> {
    let reply = context.reply(
        204,
        &[
            ("access-control-allow-methods", "GET, HEAD, POST, OPTIONS"),
            (
                "access-control-allow-headers",
                "Authorization, Content-Type, X-Correlation-Id",
            ),
            ("access-control-max-age", "7200"),
            ("allow", allow),
            ("cache-control", "no-store"),
        ],
    )?;
    reply.with_text(None, context.correlation_id.as_str())
}

impl ResponseContext<'_> {
    /// `own`: the headers that not every response has.
    fn reply(&self, status: u16, own: &[(&str, &str)]) -> Result<ResponseTemplate, JsValue> {
        let allow_origin = self.cors.and_then(|cors| cors.allow_origin.as_deref());
        let policy = if allow_origin.is_some() {
            "cross-origin"
        } else {
            "same-origin"
        };
        let mut headers = vec![
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
        let headers = HeaderMap(&headers);
        ResponseTemplate::new(&json::to_json(&Options { status, headers }))
    }
}

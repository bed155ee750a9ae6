//! Responses, each with the headers that every answer carries.

use std::cell::RefCell;

use serde::Serialize;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use web_sys::{ReadableStream, Response};

use super::runtime::js::HeaderMap;
use crate::api::access::{Cors, challenge};
use crate::api::answer_id::AnswerId;
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

    #[wasm_bindgen(method, catch)]
    fn relay(
        this: &ResponseTemplate,
        answer: &Response,
        correlation_id: &str,
    ) -> Result<Response, JsValue>;
}

/// The header that tells how many tokens a budget has left.
pub(super) const LEFT_HEADER: &str = "x-budget-remaining";

const STREAM_HEADERS: [(&str, &str); 3] = [
    ("content-type", "text/event-stream; charset=utf-8"),
    ("cache-control", "no-cache, no-transform"),
    ("x-accel-buffering", "no"),
];

thread_local! {
    /// The response of the last stream, and which origin may read it. The next one seldom differs.
    static STREAM: RefCell<Option<(Option<Cors>, ResponseTemplate)>> = const { RefCell::new(None) };
}

/// What the headers of an answer tell, where the deployment wants it.
#[derive(Clone, Copy)]
pub(super) struct AnswerHeaders<'a> {
    /// The model that answers.
    pub(super) model: Option<&'a str>,
    /// How many tokens the budget of its client has left.
    pub(super) left: Option<u64>,
}

impl AnswerHeaders<'_> {
    const fn is_something(&self) -> bool {
        self.model.is_some() || self.left.is_some()
    }
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
    told: AnswerHeaders<'_>,
    context: &ResponseContext<'_>,
) -> Result<Response, JsValue> {
    if told.is_something() {
        return told_stream(&STREAM_HEADERS, body, told, context);
    }
    STREAM.with_borrow_mut(|last| {
        let same = last
            .take()
            .filter(|(cors, _)| cors.as_ref() == context.cors);
        let (_, template) = last.insert(match same {
            Some(same) => same,
            None => (
                context.cors.cloned(),
                context.template(200, &STREAM_HEADERS)?,
            ),
        });
        template.with_stream(body, context.correlation_id.as_str())
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
    let template = context.template(status, &headers)?;
    template.with_text(Some(body), context.correlation_id.as_str())
}

/// A body that is sent as it is made.
pub(super) fn download(
    content_type: &str,
    body: &ReadableStream,
    context: &ResponseContext<'_>,
) -> Result<Response, JsValue> {
    let headers = [
        ("content-type", content_type),
        ("cache-control", "no-store"),
    ];
    let template = context.template(200, &headers)?;
    template.with_stream(body, context.correlation_id.as_str())
}

/// An answer that is kept: frames with ids.
pub(super) fn kept_stream(
    body: &ReadableStream,
    answer_id: &AnswerId,
    told: AnswerHeaders<'_>,
    context: &ResponseContext<'_>,
) -> Result<Response, JsValue> {
    let mut headers = STREAM_HEADERS.to_vec();
    headers.push(("x-answer-id", answer_id.as_str()));
    told_stream(&headers, body, told, context)
}

fn told_stream(
    own: &[(&str, &str)],
    body: &ReadableStream,
    told: AnswerHeaders<'_>,
    context: &ResponseContext<'_>,
) -> Result<Response, JsValue> {
    let left = told.left.map(|left| left.to_string());
    let mut headers = own.to_vec();
    headers.extend(left.as_deref().map(|left| (LEFT_HEADER, left)));
    headers.extend(told.model.map(|model| ("x-model", model)));
    let template = context.template(200, &headers)?;
    template.with_stream(body, context.correlation_id.as_str())
}

/// Nothing but headers.
pub(super) fn no_content(
    headers: &[(&str, &str)],
    context: &ResponseContext<'_>,
) -> Result<Response, JsValue> {
    let template = context.template(204, headers)?;
    template.with_text(None, context.correlation_id.as_str())
}

/// What an owner's object has answered, with the headers of this request.
pub(super) fn relayed(
    answer: &Response,
    context: &ResponseContext<'_>,
) -> Result<Response, JsValue> {
    let template = context.template(answer.status(), &[])?;
    template.relay(answer, context.correlation_id.as_str())
}

/// The response to a client that has left. Nobody reads it; 499 is what servers log for this.
pub(super) fn for_nobody(context: &ResponseContext<'_>) -> Result<Response, JsValue> {
    let template = context.template(499, &[])?;
    template.with_text(None, context.correlation_id.as_str())
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

/// What a page may do. `allow` lists the methods of the path.
pub(super) fn preflight(allow: &str, context: &ResponseContext<'_>) -> Result<Response, JsValue> {
    let template = context.template(
        204,
        &[
            ("access-control-allow-methods", "GET, HEAD, POST, PATCH, DELETE, OPTIONS"),
            (
                "access-control-allow-headers",
                "Authorization, Content-Type, Idempotency-Key, Last-Event-ID, X-Confirm, X-Correlation-Id",
            ),
            ("access-control-max-age", "7200"),
            ("allow", allow),
            ("cache-control", "no-store"),
        ],
    )?;
    template.with_text(None, context.correlation_id.as_str())
}

impl ResponseContext<'_> {
    /// A response with the headers of every response and with `own` ones.
    fn template(&self, status: u16, own: &[(&str, &str)]) -> Result<ResponseTemplate, JsValue> {
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
                "X-Answer-Id, X-Budget-Remaining, X-Correlation-Id, X-Model, Retry-After",
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

//! Responses, each with the headers that every answer carries.

use wasm_bindgen::JsValue;
use web_sys::{ReadableStream, Response, ResponseInit};

use super::js;
use crate::api::correlation::CorrelationId;
use crate::api::error::ApiError;

/// The committed answer: frames as they come.
pub(super) fn stream(body: &ReadableStream, id: &CorrelationId) -> Result<Response, JsValue> {
    let init = init(
        200,
        &[
            ("content-type", "text/event-stream; charset=utf-8"),
            ("cache-control", "no-cache, no-transform"),
            ("x-accel-buffering", "no"),
            ("x-correlation-id", id.as_str()),
        ],
    );
    Response::new_with_opt_readable_stream_and_init(Some(body), &init)
}

/// A JSON answer.
pub(super) fn json(
    status: u16,
    body: &str,
    id: &CorrelationId,
    more: &[(&str, &str)],
) -> Result<Response, JsValue> {
    let mut headers = vec![
        ("content-type", "application/json"),
        ("cache-control", "no-store"),
        ("x-correlation-id", id.as_str()),
    ];
    headers.extend_from_slice(more);
    Response::new_with_opt_str_and_init(Some(body), &init(status, &headers))
}

/// An error in the shape that every error has.
pub(super) fn error(error: &ApiError, id: &CorrelationId) -> Result<Response, JsValue> {
    let mut more = Vec::new();
    if let Some(allow) = error.allow {
        more.push(("allow", allow));
    }
    let retry_after = error.retry_after_seconds.map(|seconds| seconds.to_string());
    if let Some(seconds) = &retry_after {
        more.push(("retry-after", seconds));
    }
    json(error.status, &error.body(id), id, &more)
}

fn init(status: u16, headers: &[(&str, &str)]) -> ResponseInit {
    let init = ResponseInit::new();
    init.set_status(status);
    init.set_headers(&js::header_list(headers));
    init
}

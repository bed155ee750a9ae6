//! The answers that need no model: health, readiness, preflights and refusals.

use wasm_bindgen::JsValue;
use web_sys::Response;

use super::exchange::Exchange;
use super::response;
use super::runtime::js;
use crate::api::ending::EndReason;
use crate::api::error::ApiError;
use crate::telemetry::record::Level;
use crate::time::timestamp;

/// `GET /health`: this program runs. It touches neither the configuration nor upstream.
pub(super) fn health(exchange: &Exchange) -> Result<Response, JsValue> {
    log(exchange, Level::Debug, 200, EndReason::Done);
    let now = timestamp(js::now_ms());
    let body = format!("{{\"status\":\"healthy\",\"timestamp\":\"{now}\"}}");
    // The runtime drops the body of an answer to HEAD and keeps its length.
    response::json(200, &body, &exchange.response_context(), &[])
}

/// `GET /health/ready`: the configuration is right, or what is wrong with it.
pub(super) fn ready(exchange: &Exchange) -> Result<Response, JsValue> {
    let (status, end_reason, body) = match &exchange.isolate.config {
        Ok(_) => (200, EndReason::Done, r#"{"status":"ready"}"#.to_owned()),
        Err(error) => (503, EndReason::Rejected, error.not_ready()),
    };
    log(exchange, Level::Debug, status, end_reason);
    response::json(status, &body, &exchange.response_context(), &[])
}

/// `OPTIONS`: what a page may do. `allow` lists the methods of the path.
pub(super) fn preflight(exchange: &Exchange, allow: &str) -> Result<Response, JsValue> {
    log(exchange, Level::Debug, 204, EndReason::Done);
    response::preflight(allow, &exchange.response_context())
}

/// An error, for a request that gets no further.
pub(super) fn refuse(exchange: &Exchange, error: &ApiError) -> Result<Response, JsValue> {
    log(exchange, Level::Info, error.status, EndReason::Rejected);
    response::error(error, &exchange.response_context())
}

/// Both lines of a request that is answered at once.
fn log(exchange: &Exchange, level: Level, status: u16, end_reason: EndReason) {
    exchange.log_received(level, None, None);
    exchange.log_complete(level, &exchange.completion(Some(status), end_reason));
}

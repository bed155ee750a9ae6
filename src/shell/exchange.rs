//! One request and everything that is the same for each of its answers.

use std::rc::Rc;

use uuid::Uuid;
use wasm_bindgen::JsValue;
use web_sys::{Request, Response};

use super::isolate::Isolate;
use super::{js, response};
use crate::api::correlation::CorrelationId;
use crate::api::error::ApiError;
use crate::stream::relay::EndReason;
use crate::telemetry::record::{Completion, Level, Record};

/// Longest path that a log line repeats, in characters.
const MAX_LOGGED_PATH: usize = 256;

/// A request on its way to an answer.
pub(super) struct Exchange {
    pub(super) isolate: Rc<Isolate>,
    pub(super) correlation_id: CorrelationId,
    pub(super) method: String,
    pub(super) path: String,
    pub(super) started_ms: u64,
}

impl Exchange {
    pub(super) fn begin(isolate: Rc<Isolate>, request: &Request) -> Self {
        Self {
            isolate,
            correlation_id: correlation_id(request),
            method: request.method(),
            path: path(&request.url()).to_owned(),
            started_ms: js::now_ms(),
        }
    }

    /// Writes a log line of this request.
    pub(super) fn log(&self, level: Level, event: &str, fill: impl FnOnce(&mut Record<'_>)) {
        let id = Some(self.correlation_id.as_str());
        self.isolate.log.write(level, event, id, fill);
    }

    pub(super) fn log_received(&self, level: Level, message_length: Option<usize>) {
        let path: String = self.path.chars().take(MAX_LOGGED_PATH).collect();
        let message_length = message_length.and_then(|length| u64::try_from(length).ok());
        self.log(level, "request_received", |record| {
            record
                .text("method", &self.method)
                .text("path", &path)
                .optional_number("message_length", message_length);
        });
    }

    /// The last line of this request.
    pub(super) fn log_complete(&self, level: Level, completion: &Completion) {
        self.log(level, "response_complete", |record| {
            completion.write(record);
        });
    }

    /// The facts of an answer that ends here and streams nothing.
    pub(super) fn completion(&self, http_status: Option<u16>, end_reason: EndReason) -> Completion {
        Completion {
            http_status,
            end_reason,
            duration_ms: js::now_ms().saturating_sub(self.started_ms),
            ttft_ms: None,
            chunk_count: 0,
            finish_reason: None,
            usage: None,
            retries: 0,
        }
    }

    /// The answer to `GET /health`.
    pub(super) fn health(&self) -> Result<Response, JsValue> {
        self.log_received(Level::Debug, None);
        let body = format!(
            "{{\"status\":\"healthy\",\"timestamp\":\"{}\"}}",
            js::timestamp()
        );
        // The runtime drops the body of an answer to HEAD and keeps its length.
        let response = response::json(200, &body, &self.correlation_id, &[]);
        self.log_complete(Level::Debug, &self.completion(Some(200), EndReason::Done));
        response
    }

    /// The answer to a request that goes nowhere.
    pub(super) fn refuse(&self, error: &ApiError) -> Result<Response, JsValue> {
        self.log_received(Level::Info, None);
        let completion = self.completion(Some(error.status), EndReason::Rejected);
        self.log_complete(Level::Info, &completion);
        response::error(error, &self.correlation_id)
    }
}

fn correlation_id(request: &Request) -> CorrelationId {
    let sent = request.headers().get("x-correlation-id").ok().flatten();
    sent.as_deref()
        .and_then(CorrelationId::parse)
        .unwrap_or_else(|| {
            let fresh = Uuid::new_v4().to_string();
            CorrelationId::fresh(fresh)
        })
}

/// The path of an absolute URL as the runtime writes it.
fn path(url: &str) -> &str {
    let after_scheme = url.split_once("://").map_or(url, |(_, rest)| rest);
    let path = after_scheme
        .find('/')
        .and_then(|at| after_scheme.get(at..))
        .unwrap_or("/");
    path.split(['?', '#']).next().unwrap_or(path)
}

//! One request and everything that is the same for each of its answers.

use std::rc::Rc;

use uuid::Uuid;
use wasm_bindgen::JsValue;
use web_sys::{Headers, Request, Response};

use super::isolate::Isolate;
use super::js::{self, names};
use super::response::{self, Common};
use crate::api::access::{Cors, Denied};
use crate::api::correlation::CorrelationId;
use crate::api::ending::{Completion, EndReason};
use crate::api::error::ApiError;
use crate::api::host::ends_as_host;
use crate::telemetry::record::{Level, Record, timestamp};

/// Longest path that a log line repeats, in characters.
const MAX_LOGGED_PATH: usize = 256;

/// A request on its way to an answer.
pub(super) struct Exchange {
    pub(super) isolate: Rc<Isolate>,
    pub(super) correlation_id: CorrelationId,
    pub(super) method: String,
    pub(super) path: String,
    /// Who may read the answer, or why nobody may.
    pub(super) cors: Result<Cors, Denied>,
    pub(super) started_ms: u64,
}

impl Exchange {
    pub(super) fn begin(isolate: Rc<Isolate>, request: &Request) -> Self {
        let started_ms = js::now_ms();
        let url = request.url();
        let (own_origin, path) = split_url(&url);
        let headers = request.headers();
        let origin = js::header(&headers, &names::ORIGIN);
        // It matters only to a page, whose origin has a scheme.
        let proto = origin
            .as_ref()
            .and_then(|_| js::header(&headers, &names::FORWARDED_PROTO));
        let gate = &isolate.gate;
        let host = js::header(&headers, &names::HOST);
        let cors = if host.as_deref().is_none_or(ends_as_host) {
            gate.admit(own_origin, proto.as_deref(), origin.as_deref())
        } else {
            Err(Denied::MalformedHost)
        };
        Self {
            isolate,
            correlation_id: correlation_id(&headers),
            method: request.method(),
            path: path.to_owned(),
            cors,
            started_ms,
        }
    }

    /// What this request's response has in common with all others.
    pub(super) fn common(&self) -> Common<'_> {
        Common {
            correlation_id: &self.correlation_id,
            cors: self.cors.as_ref().ok(),
        }
    }

    /// Writes a log line of this request.
    pub(super) fn log(&self, level: Level, event: &str, fill: impl FnOnce(&mut Record<'_>)) {
        let id = Some(self.correlation_id.as_str());
        self.isolate.log.write(level, event, id, fill);
    }

    /// The first line of this request. `client` is the name of its access token.
    pub(super) fn log_received(
        &self,
        level: Level,
        message_length: Option<usize>,
        client: Option<&str>,
    ) {
        let message_length = message_length.and_then(|length| u64::try_from(length).ok());
        self.log(level, "request_received", |record| {
            record
                .text("method", &self.method)
                .outside("path", &self.path, MAX_LOGGED_PATH)
                .optional_number("message_length", message_length)
                .optional_text("client", client);
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
        self.log_received(Level::Debug, None, None);
        let body = format!(
            "{{\"status\":\"healthy\",\"timestamp\":\"{}\"}}",
            timestamp(js::now_ms())
        );
        // The runtime drops the body of an answer to HEAD and keeps its length.
        let response = response::json(200, &body, &self.common(), &[]);
        self.log_complete(Level::Debug, &self.completion(Some(200), EndReason::Done));
        response
    }

    /// The answer to `GET /health/ready`.
    pub(super) fn ready(&self) -> Result<Response, JsValue> {
        self.log_received(Level::Debug, None, None);
        let (status, body) = match &self.isolate.config {
            Ok(_) => (200, r#"{"status":"ready"}"#.to_owned()),
            Err(error) => (503, error.not_ready()),
        };
        let end_reason = if status == 200 {
            EndReason::Done
        } else {
            EndReason::Rejected
        };
        self.log_complete(Level::Debug, &self.completion(Some(status), end_reason));
        response::json(status, &body, &self.common(), &[])
    }

    /// The answer to a browser that asks what a page may do.
    pub(super) fn preflight(&self, allow: &str) -> Result<Response, JsValue> {
        self.log_received(Level::Debug, None, None);
        self.log_complete(Level::Debug, &self.completion(Some(204), EndReason::Done));
        response::preflight(allow, &self.common())
    }

    /// The answer to a request that goes nowhere.
    pub(super) fn refuse(&self, error: &ApiError) -> Result<Response, JsValue> {
        self.log_received(Level::Info, None, None);
        let completion = self.completion(Some(error.status), EndReason::Rejected);
        self.log_complete(Level::Info, &completion);
        response::error(error, &self.common())
    }
}

fn correlation_id(headers: &Headers) -> CorrelationId {
    let sent = js::header(headers, &names::CORRELATION_ID);
    sent.as_deref()
        .and_then(CorrelationId::parse)
        .unwrap_or_else(|| {
            let fresh = Uuid::new_v4().to_string();
            CorrelationId::fresh(fresh)
        })
}

/// Origin and path of an absolute URL as the runtime writes it.
fn split_url(url: &str) -> (&str, &str) {
    let host_start = url.find("://").map_or(0, |at| at.saturating_add(3));
    let host = url.get(host_start..).unwrap_or_default();
    let origin_len =
        host_start.saturating_add(host.find(['/', '?', '#', '*']).unwrap_or(host.len()));
    let (origin, rest) = url.split_at_checked(origin_len).unwrap_or((url, ""));
    let path = rest.split(['?', '#']).next().unwrap_or_default();
    (origin, if path.is_empty() { "/" } else { path })
}

//! One request: its id, its origin and its log lines.

use std::cell::{Cell, OnceCell};
use std::rc::Rc;

use uuid::Uuid;
use web_sys::{Headers, Request};

use super::isolate::{Isolate, MAX_LOGGED_CAUSE};
use super::response::ResponseContext;
use super::runtime::js;
use crate::api::access::{Cors, Denied};
use crate::api::correlation::CorrelationId;
use crate::api::ending::{Completion, EndReason};
use crate::api::error::ErrorCode;
use crate::api::host::ends_as_host;
use crate::openai::failure::Failure;
use crate::stream::relay::{Relay, SentFrame};
use crate::telemetry::record::{Level, Record};

/// Longest path that a log line repeats, in characters.
const MAX_LOGGED_PATH: usize = 256;

/// A request on its way to an answer.
pub(super) struct Exchange {
    pub(super) isolate: Rc<Isolate>,
    pub(super) correlation_id: CorrelationId,
    pub(super) method: String,
    pub(super) path: String,
    /// Which origin may read the answer, or why none may.
    pub(super) cors: Result<Cors, Denied>,
    pub(super) started_ms: u64,
    /// How often upstream was asked again.
    pub(super) retries: Cell<u32>,
    /// The model that has answered, where there are fallbacks.
    pub(super) answered_by: OnceCell<String>,
}

impl Exchange {
    pub(super) fn begin(isolate: Rc<Isolate>, request: &Request) -> Self {
        let started_ms = js::steady_ms();
        let url = request.url();
        let (own_origin, path) = split_url(&url);
        let headers = request.headers();
        let origin = js::header(&headers, "origin");
        // It matters only to a page, whose origin has a scheme.
        let proto = origin
            .as_ref()
            .and_then(|_| js::header(&headers, "x-forwarded-proto"));
        let gate = &isolate.gate;
        let host = js::header(&headers, "host");
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
            retries: Cell::new(0),
            answered_by: OnceCell::new(),
        }
    }

    /// See [`Exchange::answered_by`].
    pub(super) fn model(&self) -> Option<&str> {
        self.answered_by.get().map(String::as_str)
    }

    /// What this request's response has whatever it answers.
    pub(super) fn response_context(&self) -> ResponseContext<'_> {
        ResponseContext {
            correlation_id: &self.correlation_id,
            cors: self.cors.as_ref().ok(),
        }
    }

    /// Counts a call of upstream after the first, and gives their number.
    pub(super) fn count_call(&self) -> u32 {
        let retries = self.retries.get().saturating_add(1);
        self.retries.set(retries);
        retries
    }

    /// The time since the request came in.
    pub(super) fn elapsed_ms(&self) -> u64 {
        js::steady_ms().saturating_sub(self.started_ms)
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

    /// A line about a frame.
    pub(super) fn log_sent(&self, frame: SentFrame) {
        self.log(Level::Debug, "chunk_sent", |record| {
            record
                .number("sequence", frame.sequence)
                .number("content_length", frame.content_length as u64)
                .number("elapsed_ms", self.elapsed_ms());
        });
    }

    /// A line about what went wrong, and what is done about it.
    pub(super) fn log_failure(&self, failure: &Failure, recovery_action: &str) {
        let id = Some(self.correlation_id.as_str());
        self.isolate.log.write_failure(id, failure, recovery_action);
    }

    /// A line about the cost of an answer that could not be told, or not be written.
    pub(super) fn log_not_counted(&self, attempt: u64, cause: &str) {
        self.log(Level::Error, "usage_not_counted", |record| {
            record
                .number("attempt", attempt)
                .outside("cause", cause, MAX_LOGGED_CAUSE);
        });
    }

    /// A line about a client that is still there and has not read everything in time.
    pub(super) fn log_stalled(&self) {
        let cause = "the client did not read the whole answer within MAX_STREAM_SECONDS";
        let failure = Failure::new(ErrorCode::StreamTooLong, cause);
        self.log_failure(&failure, "connection_broken_off");
    }

    /// The last line of this request. Each request has exactly one, unless its instance is lost. It is written where the
    /// response is decided: `chat.rs`, `models.rs`, `routes.rs` and `early_end.rs`; for what is kept, in the object
    /// (`owner/requests.rs`, `reader.rs`, `download.rs`), see `forward.rs`.
    pub(super) fn log_complete(&self, level: Level, completion: &Completion) {
        self.log(level, "response_complete", |record| {
            completion.write(record);
            self.write_model(record);
        });
    }

    /// Adds the model that has answered to a log line, where there are fallbacks.
    pub(super) fn write_model(&self, record: &mut Record<'_>) {
        if let Some(model) = self.model() {
            record.text("model", model);
        }
    }

    /// A line about a finish reason that is none of the known ones, if upstream gave one.
    pub(super) fn log_unknown_finish_reason(&self, relay: &Relay) {
        if let Some(reason) = relay.unknown_finish_reason() {
            self.log(Level::Warning, "unknown_finish_reason", |record| {
                record.text("reason", reason);
            });
        }
    }

    /// The facts of an answer that was streamed.
    pub(super) fn completion_of(
        &self,
        relay: &Relay,
        http_status: Option<u16>,
        end_reason: EndReason,
    ) -> Completion {
        let first_ms = relay.first_text_ms();
        Completion {
            ttft_ms: first_ms.map(|first_ms| first_ms.saturating_sub(self.started_ms)),
            chunk_count: relay.text_frame_count(),
            finish_reason: relay.finish_reason(),
            usage: relay.usage(),
            ..self.completion(http_status, end_reason)
        }
    }

    /// The facts of an answer that ends here and streams nothing.
    pub(super) fn completion(&self, http_status: Option<u16>, end_reason: EndReason) -> Completion {
        Completion {
            http_status,
            end_reason,
            duration_ms: self.elapsed_ms(),
            ttft_ms: None,
            chunk_count: 0,
            finish_reason: None,
            usage: None,
            retries: self.retries.get(),
        }
    }
}

fn correlation_id(headers: &Headers) -> CorrelationId {
    let sent = js::header(headers, "x-correlation-id");
    sent.as_deref()
        .and_then(CorrelationId::parse)
        .unwrap_or_else(|| {
            let fresh = Uuid::new_v4().to_string();
            CorrelationId::fresh(fresh)
        })
}

/// Path and query of a request, as the client sent them.
pub(super) fn target_of(request: &Request) -> String {
    let url = request.url();
    let (_, target) = split_origin(&url);
    let target = target.split('#').next().unwrap_or_default();
    if target.starts_with('/') {
        target.to_owned()
    } else {
        format!("/{target}")
    }
}

/// Origin and path of an absolute URL as the runtime writes it.
fn split_url(url: &str) -> (&str, &str) {
    let (origin, rest) = split_origin(url);
    let path = rest.split(['?', '#']).next().unwrap_or_default();
    (origin, if path.is_empty() { "/" } else { path })
}

/// Origin of an absolute URL, and what follows it.
fn split_origin(url: &str) -> (&str, &str) {
    let host_start = url.find("://").map_or(0, |at| at.saturating_add(3));
    let host = url.get(host_start..).unwrap_or_default();
    let origin_len =
        host_start.saturating_add(host.find(['/', '?', '#', '*']).unwrap_or(host.len()));
    url.split_at_checked(origin_len).unwrap_or((url, ""))
}

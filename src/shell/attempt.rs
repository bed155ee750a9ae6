//! One call of upstream: its response, up to the beginning of an answer or to what failed.
//!
//! When the client leaves in mid-answer, `pump.rs` closes the call. Before that, a call is closed when its [`Source`] is
//! dropped. One whose headers have not come has no source yet. The runtime aborts it when the request ends. Where more
//! follows than that, the next model or the life of an object, an abort signal closes it; elsewhere there is none, for it
//! makes every read slower.

use std::cell::Cell;

use js_sys::Date;
use wasm_bindgen::JsCast;
use web_sys::{AbortController, Headers, Response};

use super::early_end::EarlyEnd;
use super::endpoint;
use super::exchange::Exchange;
use super::first_event::FirstEvent;
use super::runtime::js::{self, header};
use super::runtime::streams::Source;
use super::runtime::wait::{Interrupted, Waiting};
use super::sale::Sale;
use crate::api::error::ErrorCode;
use crate::api::request::ChatRequest;
use crate::config::Config;
use crate::openai::dialect::Dialect;
use crate::openai::failure::{self, Failure};
use crate::openai::fallback::Site;
use crate::openai::{
    EventParser, MAX_WHOLE_BYTES, Sniffed, WholeAnswer, is_document, retry, sniff,
};
use crate::stream::seen::Seen;
use crate::telemetry::record::Level;

/// An answer that has begun.
pub(super) struct Upstream {
    /// The model that gives it.
    pub(super) model: String,
    /// Reads its events, as those of this model.
    pub(super) events: EventParser,
    pub(super) opening: Opening,
    pub(super) source: Source,
    /// Upstream's own id of the request.
    pub(super) request_id: Option<String>,
    /// From the call to its headers.
    pub(super) latency_ms: u64,
}

impl Upstream {
    /// Writes the line about its beginning.
    pub(super) fn log_started(&self, exchange: &Exchange, chat: &ChatRequest) {
        exchange.log(Level::Info, "stream_started", |record| {
            record
                .text("model", &self.model)
                .number("max_tokens", u64::from(chat.max_tokens))
                .optional_id("upstream_request_id", self.request_id.as_deref())
                .number("upstream_latency_ms", self.latency_ms);
        });
    }
}

/// How an answer begins.
pub(super) enum Opening {
    /// An event stream, of which these bytes were read already.
    Stream(Vec<u8>),
    /// An answer that came whole, for the server does not stream.
    Whole(WholeAnswer),
    /// The client left before that could be seen. The model may be at work all the same, and is paid for it.
    Left,
}

/// Why an attempt brought no answer.
pub(super) enum Missed {
    Failed {
        failure: Failure,
        /// What came of the answer all the same. The client gets none of it.
        seen: Seen,
        /// The dialect to ask in next, if upstream refused a parameter.
        dialect: Option<Dialect>,
    },
    ClientGone,
}

impl From<Failure> for Missed {
    fn from(failure: Failure) -> Self {
        Self::Failed {
            failure,
            seen: Seen::refused(),
            dialect: None,
        }
    }
}

impl Missed {
    /// An answer of which so much had come.
    fn cut(code: ErrorCode, cause: &str, seen: Seen) -> Self {
        Self::Failed {
            failure: Failure::new(code, cause),
            seen,
            dialect: None,
        }
    }

    fn failed(code: ErrorCode, cause: impl Into<String>) -> Self {
        Failure::new(code, cause).into()
    }
}

/// What the one who asks gets and does before there is an answer.
#[derive(Clone, Copy)]
pub(super) struct Watch<'a> {
    /// Makes what closes the next call while its headers have not come, if that is needed. It is told whether another model
    /// may be asked after it.
    pub(super) aborter: &'a dyn Fn(bool) -> Option<AbortController>,
    /// Where the answer is counted, if its store does not do that.
    pub(super) sale: Option<&'a Sale>,
    /// Told that another model is asked now. Whatever ends the answer from now on, it counts under this one.
    pub(super) asked: &'a dyn Fn(&str),
    /// Whether a call is under way. One that has failed is counted for itself, if it counts.
    pub(super) is_asking: &'a Cell<bool>,
    /// Told, where there is no sale, what a model has sold that has failed before the answer began. Gives the end if nothing
    /// may be asked after that.
    pub(super) sold: &'a dyn Fn(&str, Seen) -> Result<(), EarlyEnd>,
}

/// One call.
pub(super) struct Attempt<'a> {
    pub(super) exchange: &'a Exchange,
    pub(super) config: &'a Config,
    /// The request to the model that is asked now.
    pub(super) request: &'a ChatRequest,
    pub(super) site: Site,
    pub(super) watch: Watch<'a>,
    pub(super) deadline_ms: u64,
    /// Whether another model may be asked after this one.
    pub(super) is_followed: bool,
    pub(super) dialect: Dialect,
}

impl Attempt<'_> {
    pub(super) async fn run(&self, waiting: &mut Waiting) -> Result<Upstream, Missed> {
        let started_ms = js::steady_ms();
        let response = self.fetch(waiting).await?;
        let latency_ms = js::steady_ms().saturating_sub(started_ms);
        let source = response.body().map(|body| Source::of(&body, waiting));
        if !response.ok() {
            // However the rest of it ends, it has refused.
            self.watch.is_asking.set(false);
            return Err(self.read_error(&response, source, waiting).await);
        }
        let headers = response.headers();
        let Some(mut source) = source else {
            let cause = format!("upstream status {} without a body", response.status());
            return Err(Missed::failed(ErrorCode::UpstreamProtocol, cause));
        };
        let opening = match self.begin(&mut source, &headers, waiting).await {
            Ok(opening) => opening,
            Err(Missed::ClientGone) => Opening::Left,
            Err(missed) => return Err(missed),
        };
        Ok(Upstream {
            model: self.request.model.clone(),
            events: self.events(),
            opening,
            source,
            request_id: header(&headers, "x-request-id"),
            latency_ms,
        })
    }

    /// A parser of this model's events.
    fn events(&self) -> EventParser {
        EventParser::new(self.config.target.api, self.request.model_source)
            .with_reasoning(self.request.include_reasoning)
    }

    /// Sends the request and waits for the headers of the response.
    async fn fetch(&self, waiting: &mut Waiting) -> Result<Response, Missed> {
        let body = self.config.target.body(self.request, self.dialect);
        let id = self.exchange.correlation_id.as_str();
        let endpoint = self.exchange.isolate.endpoint(self.config, self.site);
        let aborter = (self.watch.aborter)(self.is_followed);
        let signal = aborter.as_ref().map(AbortController::signal);
        let called =
            endpoint.and_then(|endpoint| endpoint.call(Some(body.as_str()), id, signal.as_ref()));
        let called = called.map_err(|error| {
            let cause = format!("the request cannot be made: {}", js::error_text(&error));
            Failure {
                // It could not be made a second time either.
                retryable: false,
                ..Failure::new(ErrorCode::UpstreamUnreachable, cause)
            }
        })?;
        match waiting.settle(&called, self.deadline_ms).await {
            Ok(response) => Ok(response.unchecked_into()),
            Err(Interrupted::Failed(error)) => Err(Missed::failed(
                ErrorCode::UpstreamUnreachable,
                js::error_text(&error),
            )),
            Err(interrupted) => {
                endpoint::abandon(&called, aborter.as_ref()).unwrap_or_default();
                let cause = "no headers within TIMEOUT_SECONDS";
                Err(match interrupted {
                    Interrupted::ClientGone => Missed::ClientGone,
                    _ => Missed::failed(ErrorCode::UpstreamTimeout, cause),
                })
            }
        }
    }

    /// Reads as much of a success as it takes to tell what it is. A declared event stream is not looked at, unless another
    /// model may be asked.
    async fn begin(
        &self,
        source: &mut Source,
        headers: &Headers,
        waiting: &mut Waiting,
    ) -> Result<Opening, Missed> {
        let content_type = header(headers, "content-type");
        let mut bytes = Vec::new();
        loop {
            match sniff(content_type.as_deref(), &bytes) {
                Sniffed::EventStream if self.is_followed => {
                    return self.await_answer(bytes, source, waiting).await;
                }
                Sniffed::EventStream => return Ok(Opening::Stream(bytes)),
                Sniffed::Json => return self.read_whole(bytes, source, waiting).await,
                Sniffed::NeedMore if self.read_more(&mut bytes, source, waiting).await? => {}
                sniffed => {
                    let seen = match sniffed {
                        Sniffed::NeedMore => self.cut(&bytes),
                        // Blanks that have come for too long were to keep the connection open.
                        _ if bytes.trim_ascii().is_empty() => Seen::default(),
                        _ => Seen::refused(),
                    };
                    let cause = "a success is neither an event stream nor JSON";
                    return Err(Missed::cut(ErrorCode::UpstreamProtocol, cause, seen));
                }
            }
        }
    }

    /// Reads an event stream up to the first event of its answer.
    async fn await_answer(
        &self,
        mut bytes: Vec<u8>,
        source: &mut Source,
        waiting: &mut Waiting,
    ) -> Result<Opening, Missed> {
        let first = FirstEvent {
            events: self.events(),
            limits: self.config.limits,
            deadline_ms: self.deadline_ms,
        };
        match first.wait(&mut bytes, source, waiting).await {
            None => Ok(Opening::Stream(bytes)),
            Some((failure, seen)) => Err(Missed::Failed {
                failure,
                seen,
                dialect: None,
            }),
        }
    }

    /// Reads an answer that comes whole.
    async fn read_whole(
        &self,
        mut bytes: Vec<u8>,
        source: &mut Source,
        waiting: &mut Waiting,
    ) -> Result<Opening, Missed> {
        loop {
            if bytes.len() > MAX_WHOLE_BYTES {
                let cause = "a whole answer is larger than 1 MiB";
                let seen = self.cut(&bytes);
                return Err(Missed::cut(ErrorCode::UpstreamProtocol, cause, seen));
            }
            match self.read_more(&mut bytes, source, waiting).await {
                Ok(true) => {}
                Ok(false) => break,
                // What is whole stays whole, however the wait for its end ends.
                Err(_) if is_document(&bytes) => break,
                Err(missed) => return Err(missed),
            }
        }
        let api = self.config.target.api;
        let ChatRequest {
            model_source,
            include_reasoning,
            ..
        } = *self.request;
        let whole = api.parse_whole(&bytes, model_source, include_reasoning);
        match Seen::of_failed(&whole, &bytes, self.request.max_tokens) {
            Some((failure, seen)) => Err(Missed::Failed {
                failure,
                seen,
                // Some servers refuse a parameter with a success status, where others answer 400.
                dialect: self.next_dialect(400, &bytes),
            }),
            None => Ok(Opening::Whole(whole)),
        }
    }

    /// What has come of a whole answer that is cut off.
    fn cut(&self, bytes: &[u8]) -> Seen {
        Seen::of_cut(bytes, self.request.max_tokens)
    }

    /// Adds the next chunk of a success to `bytes`; false at the end. A whole answer may take no longer than one that is
    /// streamed, and while another model may be asked, no longer than this one's share of the time.
    async fn read_more(
        &self,
        bytes: &mut Vec<u8>,
        source: &mut Source,
        waiting: &mut Waiting,
    ) -> Result<bool, Missed> {
        let limits = self.config.limits;
        let idle_ms = js::steady_ms().saturating_add(limits.idle_ms());
        let last_ms = self.exchange.started_ms.saturating_add(limits.total_ms());
        let share_ms = if self.is_followed {
            self.deadline_ms
        } else {
            u64::MAX
        };
        let read = source.read_chunk(bytes, waiting, idle_ms.min(last_ms).min(share_ms));
        read.await.map_err(|interrupted| {
            let (code, cause) = match interrupted {
                Interrupted::ClientGone => return Missed::ClientGone,
                Interrupted::Failed(_) => {
                    let cause = "the connection broke in the middle of an answer";
                    let seen = self.cut(bytes);
                    return Missed::cut(ErrorCode::UpstreamTruncated, cause, seen);
                }
                Interrupted::TimeIsUp if js::steady_ms() >= last_ms => (
                    ErrorCode::StreamTooLong,
                    "the answer took longer than MAX_STREAM_SECONDS",
                ),
                Interrupted::TimeIsUp if js::steady_ms() >= share_ms => (
                    ErrorCode::UpstreamTimeout,
                    "no whole answer in the model's share of TIMEOUT_SECONDS",
                ),
                Interrupted::TimeIsUp => (
                    ErrorCode::UpstreamTimeout,
                    "upstream was silent for TIMEOUT_SECONDS",
                ),
            };
            // The model may have been at work all the while.
            Missed::cut(code, cause, Seen::default())
        })
    }

    /// Reads a response that is no success, as far as the bound and the deadline allow.
    async fn read_error(
        &self,
        response: &Response,
        source: Option<Source>,
        waiting: &mut Waiting,
    ) -> Missed {
        let status = response.status();
        if (300..400).contains(&status) {
            let cause = format!("upstream status {status} is a redirect, which is not followed");
            return Missed::failed(ErrorCode::UpstreamProtocol, cause);
        }
        let mut bytes = Vec::new();
        if let Some(mut source) = source {
            let read =
                source.read_until_over(failure::MAX_ERROR_BODY_BYTES, waiting, self.deadline_ms);
            match read.await {
                Ok(read) => bytes = read,
                Err(Interrupted::ClientGone) => return Missed::ClientGone,
                // The status says enough.
                Err(_) => {}
            }
            bytes.truncate(failure::MAX_ERROR_BODY_BYTES);
        }
        let headers = response.headers();
        let should_retry = header(&headers, "x-should-retry");
        let until_ms = |date: &str| Some(Date::parse(date) - Date::now());
        let failure = Failure::from_response(
            status,
            &bytes,
            retry::requested_delay_ms(
                header(&headers, "retry-after-ms").as_deref(),
                header(&headers, "retry-after").as_deref(),
                until_ms,
            ),
            should_retry.map(|value| !value.eq_ignore_ascii_case("false")),
            self.request.model_source,
        );
        Missed::Failed {
            failure,
            seen: Seen::refused(),
            dialect: self.next_dialect(status, &bytes),
        }
    }

    /// The dialect to ask in next, if an error refuses a parameter of this one.
    fn next_dialect(&self, status: u16, body: &[u8]) -> Option<Dialect> {
        let asked = self.config.target.asked(self.request);
        self.dialect.adapted(asked, status, body)
    }
}

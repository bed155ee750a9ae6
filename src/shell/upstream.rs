//! One call to upstream: its headers under one deadline, with retries.
//!
//! An answer that is not read to its end is closed when its [`Source`] is dropped. A call whose headers have not come
//! has no source yet; the runtime aborts it when the request ends. An abort signal would do the same, and make every
//! read dearer.

use std::rc::Rc;

use js_sys::Date;
use wasm_bindgen::JsCast;
use web_sys::{Headers, Response};

use super::body;
use super::exchange::Exchange;
use super::js::{self, header, names};
use super::source::Source;
use super::wait::{Interrupted, Waiting};
use crate::api::error::ErrorCode;
use crate::api::request::ChatRequest;
use crate::config::Config;
use crate::openai::dialect::Dialect;
use crate::openai::failure::{self, Failure};
use crate::openai::{Api, MAX_WHOLE_BYTES, Sniffed, WholeAnswer, is_whole, retry, sniff};
use crate::telemetry::record::Level;

/// An answer that has begun.
pub(super) struct Upstream {
    pub(super) opening: Opening,
    pub(super) source: Source,
    /// Whether the client chose the model.
    pub(super) names_model: bool,
    /// Upstream's own id of the request.
    pub(super) request_id: Option<String>,
    /// From the attempt's start to its headers.
    pub(super) latency_ms: u64,
    pub(super) retries: u32,
}

/// How an answer begins.
pub(super) enum Opening {
    /// An event stream, of which these bytes were read already.
    Stream(Vec<u8>),
    /// An answer that came whole, for the server does not stream.
    Whole(WholeAnswer),
}

/// Why there is no answer.
pub(super) enum NotOpened {
    Failed { failure: Failure, retries: u32 },
    ClientGone { retries: u32 },
}

/// Calls upstream until it answers with a stream, or there is no use in trying again.
pub(super) async fn open(
    exchange: &Exchange,
    config: &Config,
    request: &ChatRequest,
    waiting: &mut Waiting,
) -> Result<Upstream, NotOpened> {
    let mut attempt = Attempt {
        exchange,
        config,
        request,
        deadline_ms: js::now_ms().saturating_add(js::millis(config.limits.idle)),
        dialect: exchange.isolate.dialect_of(config, &request.model),
    };
    let mut retries = 0_u32;
    // Asking again in other words needs no patience, so it does not count towards MAX_RETRIES.
    let mut pauses = 0_u32;
    let mut tried = vec![attempt.dialect];
    loop {
        let refused = match attempt.run(waiting).await {
            Err(Missed::ClientGone) => return Err(NotOpened::ClientGone { retries }),
            Ok(upstream) => {
                exchange
                    .isolate
                    .learn_dialect(&request.model, attempt.dialect);
                return Ok(Upstream {
                    retries,
                    ..upstream
                });
            }
            Err(Missed::Refused(refused)) => refused,
        };
        let Refused { failure, reworded } = refused;
        let delay_ms = match reworded.filter(|dialect| !tried.contains(dialect)) {
            Some(dialect) => {
                attempt.dialect = dialect;
                tried.push(dialect);
                0
            }
            None if failure.retryable && pauses < config.target.max_retries => {
                pauses = pauses.saturating_add(1);
                retry::retry_delay_ms(pauses, failure.retry_after_ms, js::random())
            }
            None => return Err(NotOpened::Failed { failure, retries }),
        };
        let again_ms = js::now_ms().saturating_add(delay_ms);
        if again_ms >= attempt.deadline_ms {
            return Err(NotOpened::Failed { failure, retries });
        }
        retries = retries.saturating_add(1);
        exchange.log(Level::Warning, "upstream_retry", |record| {
            record
                .number("attempt", u64::from(retries))
                .text("code", failure.error.code.name())
                .optional_number("upstream_status", failure.upstream_status.map(u64::from))
                .number("delay_ms", delay_ms);
        });
        if !waiting.pause_until(again_ms).await {
            return Err(NotOpened::ClientGone { retries });
        }
    }
}

/// A try that brought no answer.
enum Missed {
    Refused(Refused),
    ClientGone,
}

/// An answer that is none.
struct Refused {
    failure: Failure,
    /// How to word the request so that upstream may take it.
    reworded: Option<Dialect>,
}

impl From<Failure> for Missed {
    fn from(failure: Failure) -> Self {
        Self::Refused(Refused {
            failure,
            reworded: None,
        })
    }
}

/// One try.
struct Attempt<'a> {
    exchange: &'a Exchange,
    config: &'a Config,
    request: &'a ChatRequest,
    deadline_ms: u64,
    dialect: Dialect,
}

impl Attempt<'_> {
    async fn run(&self, waiting: &mut Waiting) -> Result<Upstream, Missed> {
        let started_ms = js::now_ms();
        let response = self.fetch(waiting).await?;
        let latency_ms = js::now_ms().saturating_sub(started_ms);
        let body = response.body();
        let source = body.map(|body| Source::of(&body, Rc::clone(&waiting.inbox)));
        if !response.ok() {
            return Err(self.refused(&response, source, waiting).await);
        }
        let headers = response.headers();
        let Some(mut source) = source else {
            let cause = format!("upstream status {} without a body", response.status());
            return Err(Failure::new(ErrorCode::UpstreamProtocol, cause).into());
        };
        Ok(Upstream {
            opening: self.begin(&mut source, &headers, waiting).await?,
            source,
            names_model: self.request.names_model,
            request_id: header(&headers, &names::REQUEST_ID),
            latency_ms,
            retries: 0,
        })
    }

    /// Asks, and waits for the headers.
    async fn fetch(&self, waiting: &mut Waiting) -> Result<Response, Missed> {
        let isolate = &self.exchange.isolate;
        let Self {
            request, config, ..
        } = self;
        let body = config.target.body(request, self.dialect);
        let id = self.exchange.correlation_id.as_str();
        let called = isolate
            .endpoint(config)
            .and_then(|endpoint| endpoint.call(&body, id));
        let fetched = called.map_err(|error| {
            let cause = format!("the request cannot be made: {}", js::error_text(&error));
            Failure {
                // It could not be made a second time either.
                retryable: false,
                ..Failure::new(ErrorCode::UpstreamUnreachable, cause)
            }
        })?;
        match waiting.settle(&fetched, self.deadline_ms).await {
            Ok(response) => Ok(response.unchecked_into()),
            Err(Interrupted::Failed(error)) => {
                let cause = js::error_text(&error);
                Err(Failure::new(ErrorCode::UpstreamUnreachable, cause).into())
            }
            Err(interrupted) => Err(missed(&interrupted, "no headers within TIMEOUT_SECONDS")),
        }
    }

    /// Reads as much of a success as it takes to know what it is; a declared event stream is not looked at.
    async fn begin(
        &self,
        source: &mut Source,
        headers: &Headers,
        waiting: &mut Waiting,
    ) -> Result<Opening, Missed> {
        let content_type = header(headers, &names::CONTENT_TYPE);
        let mut bytes = Vec::new();
        loop {
            match sniff(content_type.as_deref(), &bytes) {
                Sniffed::EventStream => return Ok(Opening::Stream(bytes)),
                Sniffed::Json => break,
                Sniffed::NeedMore if self.read_more(source, &mut bytes, waiting).await? => {}
                Sniffed::NeedMore | Sniffed::Neither => {
                    let cause = "a success is neither an event stream nor JSON";
                    return Err(Failure::new(ErrorCode::UpstreamProtocol, cause).into());
                }
            }
        }
        while bytes.len() <= MAX_WHOLE_BYTES {
            match self.read_more(source, &mut bytes, waiting).await {
                Ok(true) => {}
                Ok(false) => break,
                // What is whole stays whole, however the connection ends.
                Err(Missed::Refused(_)) if is_whole(&String::from_utf8_lossy(&bytes)) => break,
                Err(missed) => return Err(missed),
            }
        }
        if bytes.len() > MAX_WHOLE_BYTES {
            let cause = "a whole answer is larger than 1 MiB";
            return Err(Failure::new(ErrorCode::UpstreamProtocol, cause).into());
        }
        let Self {
            config, request, ..
        } = self;
        let whole = config.target.api.parse_whole(&bytes, request.names_model);
        whole.map(Opening::Whole).map_err(|failure| {
            Missed::Refused(Refused {
                failure,
                reworded: self.reworded(400, &bytes),
            })
        })
    }

    /// Adds the next chunk; false at the end. A whole answer may take no longer than one that streams.
    async fn read_more(
        &self,
        source: &mut Source,
        bytes: &mut Vec<u8>,
        waiting: &mut Waiting,
    ) -> Result<bool, Missed> {
        let Self {
            exchange, config, ..
        } = self;
        let idle_ms = js::now_ms().saturating_add(js::millis(config.limits.idle));
        let last_ms = exchange
            .started_ms
            .saturating_add(js::millis(config.limits.total));
        match body::read_chunk(source, bytes, waiting, idle_ms.min(last_ms)).await {
            Ok(is_more) => Ok(is_more),
            Err(Interrupted::Failed(_)) => {
                let cause = "the connection broke in the middle of an answer";
                Err(Failure::new(ErrorCode::UpstreamTruncated, cause).into())
            }
            Err(Interrupted::TimeIsUp) if js::now_ms() >= last_ms => {
                let cause = "the answer took longer than MAX_STREAM_SECONDS";
                Err(Failure::new(ErrorCode::StreamTooLong, cause).into())
            }
            Err(interrupted) => {
                let cause = "upstream was silent for TIMEOUT_SECONDS";
                Err(missed(&interrupted, cause))
            }
        }
    }

    /// Reads an answer that is no success, as far as the bound and the deadline allow.
    async fn refused(
        &self,
        response: &Response,
        source: Option<Source>,
        waiting: &mut Waiting,
    ) -> Missed {
        let status = response.status();
        if (300..400).contains(&status) {
            let cause = format!("upstream status {status} is a redirect, which is not followed");
            return Failure::new(ErrorCode::UpstreamProtocol, cause).into();
        }
        let limit = failure::MAX_BODY_BYTES;
        let mut bytes = Vec::new();
        if let Some(mut source) = source {
            bytes = match body::read(&mut source, limit, waiting, self.deadline_ms).await {
                Err(Interrupted::ClientGone) => return Missed::ClientGone,
                // What upstream did not say in time is not waited for: its status says enough.
                Err(_) => Vec::new(),
                Ok(body) => body.bytes,
            };
        }
        let headers = response.headers();
        let should_retry = header(&headers, &names::SHOULD_RETRY);
        let until_ms = |date: &str| Some(Date::parse(date) - Date::now());
        let failure = Failure::from_response(
            status,
            &bytes,
            retry::retry_after_ms(
                header(&headers, &names::RETRY_AFTER_MS).as_deref(),
                header(&headers, &names::RETRY_AFTER).as_deref(),
                until_ms,
            ),
            should_retry.map(|value| !value.eq_ignore_ascii_case("false")),
            self.request.names_model,
        );
        Missed::Refused(Refused {
            failure,
            reworded: self.reworded(status, &bytes),
        })
    }

    /// How to word the request so that upstream may take it.
    fn reworded(&self, status: u16, body: &[u8]) -> Option<Dialect> {
        let is_chat = self.config.target.api == Api::ChatCompletions;
        self.dialect.adapted(status, body).filter(|_| is_chat)
    }
}

/// A wait for upstream that ended without it.
fn missed(interrupted: &Interrupted, cause: &str) -> Missed {
    match interrupted {
        Interrupted::ClientGone => Missed::ClientGone,
        _ => Failure::new(ErrorCode::UpstreamTimeout, cause).into(),
    }
}

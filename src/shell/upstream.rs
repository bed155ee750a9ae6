//! One call to upstream: its headers under one deadline, with retries.
//!
//! Whatever is not read to its end is closed when its [`Source`] is dropped. A call whose headers have not come
//! has none; it ends with the request, which whoever gives it up does at once. An abort signal would end it as
//! soon, and make each read of the answer dearer.

use std::rc::Rc;

use js_sys::{Date, Promise};
use serde::Serialize;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{Headers, Response};

use super::body;
use super::exchange::Exchange;
use super::js::{self, Pairs, header, names};
use super::source::Source;
use super::wait::{Interrupted, Waiting};
use crate::api::error::ErrorCode;
use crate::api::request::ChatRequest;
use crate::config::Config;
use crate::json;
use crate::openai::Api;
use crate::openai::dialect::Dialect;
use crate::openai::failure::{self, Failure};
use crate::telemetry::record::{Level, cut};

/// Longest id of upstream's that a log line repeats, in characters.
const MAX_LOGGED_ID: usize = 128;

/// An answer that has begun.
pub(super) struct Upstream {
    pub(super) source: Source,
    /// Upstream's own id of the request.
    pub(super) request_id: Option<String>,
    /// From the attempt's start to its headers.
    pub(super) latency_ms: u64,
    pub(super) retries: u32,
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
    let timeout_ms = u64::try_from(config.timeout.as_millis()).unwrap_or(u64::MAX);
    let mut attempt = Attempt {
        exchange,
        config,
        request,
        deadline_ms: js::now_ms().saturating_add(timeout_ms),
        dialect: exchange
            .isolate
            .dialect
            .get()
            .unwrap_or_else(|| Dialect::of(&config.base_url)),
    };
    let mut retries = 0_u32;
    // Asking again in other words needs no patience, so it does not count towards MAX_RETRIES.
    let mut pauses = 0_u32;
    let mut tried = vec![attempt.dialect];
    loop {
        let refused = match attempt.run(waiting).await {
            Err(Missed::ClientGone) => return Err(NotOpened::ClientGone { retries }),
            Ok(upstream) => {
                exchange.isolate.dialect.set(Some(attempt.dialect));
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
            None if failure.retryable && pauses < config.max_retries => {
                pauses = pauses.saturating_add(1);
                failure::retry_delay_ms(pauses, failure.retry_after_ms, js::random())
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

#[wasm_bindgen(module = "/src/shell/request.js")]
extern "C" {
    /// Calls that have all but body and correlation id in common.
    pub(super) type Endpoint;

    #[wasm_bindgen(constructor, catch)]
    fn new(url: &str, options: &str) -> Result<Endpoint, JsValue>;

    #[wasm_bindgen(method, catch)]
    fn call(this: &Endpoint, body: &str, correlation_id: &str) -> Result<Promise, JsValue>;
}

impl Endpoint {
    /// Fails when the key cannot be sent.
    pub(super) fn of(config: &Config) -> Result<Self, JsValue> {
        let authorization = format!("Bearer {}", config.api_key.expose());
        let options = Options {
            method: "POST",
            // A redirect would carry the key to wherever it points.
            redirect: "manual",
            headers: Pairs(&[
                ("authorization", &authorization),
                ("content-type", "application/json"),
                ("accept", "text/event-stream"),
            ]),
        };
        let url = config.base_url.join(config.api.path());
        Self::new(&url, &json::written(&options))
    }
}

/// What `fetch` takes.
#[derive(Serialize)]
struct Options<'a> {
    method: &'static str,
    redirect: &'static str,
    headers: Pairs<'a>,
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
        let body = response.body();
        let source = body.map(|body| Source::of(&body, Rc::clone(&waiting.inbox)));
        if !response.ok() {
            return Err(self.refused(&response, source, waiting).await);
        }
        let headers = response.headers();
        let Some(source) = source.filter(|_| is_event_stream(&headers)) else {
            let cause = format!(
                "upstream status {} without an event stream",
                response.status()
            );
            return Err(Failure::new(ErrorCode::UpstreamProtocol, cause).into());
        };
        Ok(Upstream {
            source,
            request_id: header(&headers, &names::REQUEST_ID)
                .map(|id| cut(&id, MAX_LOGGED_ID).to_owned()),
            latency_ms: js::now_ms().saturating_sub(started_ms),
            retries: 0,
        })
    }

    /// Asks, and waits for the headers.
    async fn fetch(&self, waiting: &mut Waiting) -> Result<Response, Missed> {
        let isolate = &self.exchange.isolate;
        let Self {
            request, config, ..
        } = self;
        let body = config.api.body(request, config, self.dialect);
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
        let failure = match waiting.settle(&fetched, self.deadline_ms).await {
            Ok(response) => return Ok(response.unchecked_into()),
            Err(Interrupted::Failed(error)) => {
                Failure::new(ErrorCode::UpstreamUnreachable, js::error_text(&error))
            }
            Err(Interrupted::TimeIsUp) => {
                let cause = "no headers within TIMEOUT_SECONDS";
                Failure::new(ErrorCode::UpstreamTimeout, cause)
            }
            Err(Interrupted::ClientGone) => return Err(Missed::ClientGone),
        };
        Err(failure.into())
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
        let retry_after_ms = retry_after_ms(&response.headers());
        let is_chat = self.config.api == Api::ChatCompletions;
        Missed::Refused(Refused {
            failure: Failure::from_response(
                status,
                &bytes,
                retry_after_ms,
                None,
                self.request.names_model,
            ),
            reworded: self.dialect.adapted(status, &bytes).filter(|_| is_chat),
        })
    }
}

fn is_event_stream(headers: &Headers) -> bool {
    let content_type = header(headers, &names::CONTENT_TYPE).unwrap_or_default();
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("text/event-stream")
}

/// How long upstream asks to wait: milliseconds, seconds, or a date.
fn retry_after_ms(headers: &Headers) -> Option<u64> {
    let number = |text: String, unit_ms: f64| {
        let number = serde_json::from_str::<f64>(text.trim());
        number.ok().map(|number| number * unit_ms)
    };
    let until = |text: String| {
        let date_ms = Date::parse(&text);
        (!date_ms.is_nan()).then(|| date_ms - Date::now())
    };
    let wait_ms = header(headers, &names::RETRY_AFTER_MS)
        .and_then(|text| number(text, 1.0))
        .or_else(|| header(headers, &names::RETRY_AFTER).and_then(|text| number(text, 1000.0)))
        .or_else(|| header(headers, &names::RETRY_AFTER).and_then(until))?;
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "positive, and saturating where it is not a sensible time"
    )]
    (wait_ms >= 0.0).then(|| wait_ms.ceil() as u64)
}

//! One call to upstream: its headers under one deadline and one abort signal, with retries.

use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use js_sys::Date;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{AbortController, Headers, ReadableStream, RequestInit, RequestRedirect, Response};
use worker::Delay;

use super::client::ClientGone;
use super::exchange::Exchange;
use super::{body, js};
use crate::api::error::ErrorCode;
use crate::api::request::ChatRequest;
use crate::config::Config;
use crate::openai::Api;
use crate::openai::dialect::Dialect;
use crate::openai::failure::{self, Failure};
use crate::telemetry::record::Level;

/// An answer that has begun.
pub(super) struct Upstream {
    pub(super) body: ReadableStream,
    pub(super) connection: Connection,
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

/// A connection to upstream. Dropping it closes it, so that nothing more is paid for, however the
/// request ends.
pub(super) struct Connection(AbortController);

impl Drop for Connection {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Calls upstream until it answers with a stream, or there is no use in trying again.
pub(super) async fn open(
    exchange: &Exchange,
    config: &Config,
    request: &ChatRequest,
    gone: &mut ClientGone,
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
        let refused = match attempt.run(gone).await {
            None => return Err(NotOpened::ClientGone { retries }),
            Some(Ok(upstream)) => {
                exchange.isolate.dialect.set(Some(attempt.dialect));
                return Ok(Upstream {
                    retries,
                    ..upstream
                });
            }
            Some(Err(refused)) => refused,
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
        if js::now_ms().saturating_add(delay_ms) >= attempt.deadline_ms {
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
        let pause = Delay::from(Duration::from_millis(delay_ms));
        if unless_gone(gone, pause).await.is_none() {
            return Err(NotOpened::ClientGone { retries });
        }
    }
}

/// A try that brought no answer.
struct Refused {
    failure: Failure,
    /// How to word the request so that upstream may take it.
    reworded: Option<Dialect>,
}

impl From<Failure> for Refused {
    fn from(failure: Failure) -> Self {
        Self {
            failure,
            reworded: None,
        }
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
    /// Nothing when the client leaves meanwhile.
    async fn run(&self, gone: &mut ClientGone) -> Option<Result<Upstream, Refused>> {
        let started_ms = js::now_ms();
        match self.fetch(gone).await? {
            Ok((response, connection)) => {
                unless_gone(gone, self.accept(response, connection, started_ms)).await
            }
            Err(failure) => Some(Err(failure.into())),
        }
    }

    /// Asks, and waits for the headers.
    async fn fetch(
        &self,
        gone: &mut ClientGone,
    ) -> Option<Result<(Response, Connection), Failure>> {
        let Ok(controller) = AbortController::new() else {
            let cause = "the request cannot be made";
            return Some(Err(Failure::new(ErrorCode::UpstreamUnreachable, cause)));
        };
        let connection = Connection(controller);
        let url = self.config.base_url.join(self.config.api.path());
        let fetched = js::global().fetch_with_str_and_init(&url, &self.init(&connection));
        let mut fetched = JsFuture::from(fetched);
        let remaining_ms = self.deadline_ms.saturating_sub(js::now_ms());
        let failure = match unless_gone(gone, within(remaining_ms, &mut fetched)).await {
            Some(Some(Ok(response))) => return Some(Ok((response.unchecked_into(), connection))),
            Some(Some(Err(error))) => {
                let cause = js::error_text(&error);
                return Some(Err(Failure::new(ErrorCode::UpstreamUnreachable, cause)));
            }
            Some(None) => {
                let cause = "no headers within TIMEOUT_SECONDS";
                Some(Err(Failure::new(ErrorCode::UpstreamTimeout, cause)))
            }
            None => None,
        };
        // A promise that nobody waits for keeps its callbacks for ever; closing the connection
        // settles it.
        drop(connection);
        drop(fetched.await);
        failure
    }

    /// Takes an answer in that is an event stream.
    async fn accept(
        &self,
        response: Response,
        connection: Connection,
        started_ms: u64,
    ) -> Result<Upstream, Refused> {
        if !response.ok() {
            return Err(self.refused(&response).await);
        }
        let headers = response.headers();
        let body = response.body().filter(|_| is_event_stream(&headers));
        let Some(body) = body else {
            let cause = format!(
                "upstream status {} without an event stream",
                response.status()
            );
            return Err(Failure::new(ErrorCode::UpstreamProtocol, cause).into());
        };
        Ok(Upstream {
            body,
            connection,
            request_id: header(&headers, "x-request-id").map(|id| id.chars().take(128).collect()),
            latency_ms: js::now_ms().saturating_sub(started_ms),
            retries: 0,
        })
    }

    fn init(&self, connection: &Connection) -> RequestInit {
        let authorization = format!("Bearer {}", self.config.api_key.expose());
        let body = self
            .config
            .api
            .body(self.request, self.config, self.dialect);
        let init = RequestInit::new();
        init.set_method("POST");
        init.set_body(&JsValue::from_str(&body));
        init.set_headers(&js::header_list(&[
            ("authorization", &authorization),
            ("content-type", "application/json"),
            ("accept", "text/event-stream"),
            ("x-client-request-id", self.exchange.correlation_id.as_str()),
        ]));
        // A redirect would carry the key to wherever it points.
        init.set_redirect(RequestRedirect::Manual);
        init.set_signal(Some(&connection.0.signal()));
        init
    }

    /// Reads an answer that is no success, as far as the bound and the deadline allow.
    async fn refused(&self, response: &Response) -> Refused {
        let status = response.status();
        if (300..400).contains(&status) {
            let cause = format!("upstream status {status} is a redirect, which is not followed");
            return Failure::new(ErrorCode::UpstreamProtocol, cause).into();
        }
        let remaining_ms = self.deadline_ms.saturating_sub(js::now_ms());
        let reading = body::read(response.body(), failure::MAX_BODY_BYTES);
        let body = within(remaining_ms, pin!(reading)).await;
        let bytes = body
            .and_then(Result::ok)
            .map(|body| body.bytes)
            .unwrap_or_default();
        let retry_after_ms = retry_after_ms(&response.headers());
        let is_chat = self.config.api == Api::ChatCompletions;
        Refused {
            failure: Failure::from_response(
                status,
                &bytes,
                retry_after_ms,
                self.request.names_model,
            ),
            reworded: self.dialect.adapted(status, &bytes).filter(|_| is_chat),
        }
    }
}

/// A future's result, unless the client leaves first.
pub(super) async fn unless_gone<F: Future>(gone: &mut ClientGone, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut gone = Pin::new(gone);
    std::future::poll_fn(|context| {
        if gone.as_mut().poll(context).is_ready() {
            return Poll::Ready(None);
        }
        future.as_mut().poll(context).map(Some)
    })
    .await
}

/// A future's result, unless time runs out first.
async fn within<F: Future + Unpin>(limit_ms: u64, mut future: F) -> Option<F::Output> {
    let mut limit = Delay::from(Duration::from_millis(limit_ms));
    std::future::poll_fn(|context| {
        if let Poll::Ready(output) = Pin::new(&mut future).poll(context) {
            return Poll::Ready(Some(output));
        }
        Pin::new(&mut limit).poll(context).map(|()| None)
    })
    .await
}

fn header(headers: &Headers, name: &str) -> Option<String> {
    headers.get(name).ok().flatten()
}

fn is_event_stream(headers: &Headers) -> bool {
    let content_type = header(headers, "content-type").unwrap_or_default();
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("text/event-stream")
}

/// How long upstream asks to wait: milliseconds, seconds, or a date.
fn retry_after_ms(headers: &Headers) -> Option<u64> {
    let number = |text: String, unit_ms: f64| text.trim().parse::<f64>().ok().map(|n| n * unit_ms);
    let until = |text: String| {
        let date_ms = Date::parse(&text);
        (!date_ms.is_nan()).then(|| date_ms - Date::now())
    };
    let wait_ms = header(headers, "retry-after-ms")
        .and_then(|text| number(text, 1.0))
        .or_else(|| header(headers, "retry-after").and_then(|text| number(text, 1000.0)))
        .or_else(|| header(headers, "retry-after").and_then(until))?;
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "positive, and saturating where it is not a sensible time"
    )]
    (wait_ms >= 0.0).then(|| wait_ms.ceil() as u64)
}

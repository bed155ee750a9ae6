//! `POST /chat` from its first byte to its last log line.

use futures::channel::oneshot;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{ReadableStream, Request, Response, TransformStream, WritableStreamDefaultWriter};

use super::body;
use super::client::ClientGone;
use super::exchange::Exchange;
use super::js;
use super::pump::{Pump, Timer};
use super::response;
use super::upstream::{self, NotOpened, Upstream};
use crate::api::access::rate_limit_key;
use crate::api::error::{ApiError, ErrorCode};
use crate::api::request::{ChatRequest, MAX_BODY_BYTES};
use crate::config::Config;
use crate::openai::failure::Failure;
use crate::stream::relay::{EndReason, Limits, Relay};
use crate::telemetry::record::{Completion, Level};

/// The longest period that the rate-limit binding counts over; it does not tell which one it has.
const LIMIT_PERIOD_SECONDS: u64 = 60;

/// A chat whose response has still to be given.
pub(super) struct Chat {
    exchange: Exchange,
    respond: oneshot::Sender<Result<Response, JsValue>>,
}

/// Why a chat ends before its stream begins.
enum Refusal {
    /// The request is at fault.
    Client(ApiError),
    /// Upstream or this deployment is at fault; the log says how.
    Service { failure: Failure, retries: u32 },
    /// Nobody is there to answer.
    ClientGone { retries: u32 },
}

impl Chat {
    pub(super) fn new(
        exchange: Exchange,
        respond: oneshot::Sender<Result<Response, JsValue>>,
    ) -> Self {
        Self { exchange, respond }
    }

    pub(super) async fn run(self, request: Request) {
        let mut gone = ClientGone::watch(&request);
        let isolate = self.exchange.isolate.clone();
        let config = match &isolate.config {
            Ok(config) => config,
            Err(error) => {
                self.exchange.log_received(Level::Info, None);
                let problem = error.problems().first().cloned().unwrap_or_default();
                let failure = Failure {
                    error: ApiError::new(ErrorCode::ConfigurationError, problem),
                    ..Failure::new(ErrorCode::ConfigurationError, error.to_string())
                };
                return self.refuse(Refusal::Service {
                    failure,
                    retries: 0,
                });
            }
        };
        match self.open(&request, config, &mut gone).await {
            Ok((upstream, chat)) => self.stream(upstream, &chat, config, gone).await,
            Err(refusal) => self.refuse(refusal),
        }
    }

    /// Everything up to upstream's answer, cheapest first: who has no access learns nothing else.
    async fn open(
        &self,
        request: &Request,
        config: &Config,
        gone: &mut ClientGone,
    ) -> Result<(Upstream, ChatRequest), Refusal> {
        let client = self.authorize(request, config)?;
        let chat = self.parse(request, config, client, gone).await?;
        self.limit(request, client, gone).await?;
        let opened = upstream::open(&self.exchange, config, &chat, gone).await;
        opened
            .map(|upstream| (upstream, chat))
            .map_err(Refusal::from)
    }

    /// The name of the client's access token, where one is needed.
    fn authorize<'c>(
        &self,
        request: &Request,
        config: &'c Config,
    ) -> Result<Option<&'c str>, Refusal> {
        if config.access_tokens.is_empty() {
            return Ok(None);
        }
        let authorization = request.headers().get("authorization").ok().flatten();
        let name = config.access_tokens.name_of(authorization.as_deref());
        if name.is_none() {
            self.exchange.log_received(Level::Info, None);
            return Err(Refusal::Client(ErrorCode::Unauthorized.into()));
        }
        Ok(name)
    }

    async fn parse(
        &self,
        request: &Request,
        config: &Config,
        client: Option<&str>,
        gone: &mut ClientGone,
    ) -> Result<ChatRequest, Refusal> {
        let body = self.read(request, client, gone).await?;
        match ChatRequest::parse(&body, config) {
            Ok(chat) => {
                let length = Some(chat.message_length);
                self.exchange.log_received_from(Level::Info, length, client);
                Ok(chat)
            }
            Err(invalid) => {
                self.exchange.log_received_from(Level::Info, None, client);
                self.exchange
                    .log(Level::Warning, "validation_error", |record| {
                        record
                            .text("field", &invalid.field)
                            .text("rule", invalid.logged_rule());
                    });
                Err(Refusal::Client(ApiError::from(&invalid)))
            }
        }
    }

    /// Counts the request. A limiter that fails must not take the service down with it.
    async fn limit(
        &self,
        request: &Request,
        client: Option<&str>,
        gone: &mut ClientGone,
    ) -> Result<(), Refusal> {
        let Some(limiter) = &self.exchange.isolate.rate_limiter else {
            return Ok(());
        };
        let address = request.headers().get("cf-connecting-ip").ok().flatten();
        let key = rate_limit_key(client, address.as_deref());
        match upstream::unless_gone(gone, limiter.admits(&key)).await {
            None => Err(Refusal::ClientGone { retries: 0 }),
            Some(Ok(true)) => Ok(()),
            Some(Ok(false)) => {
                let mut error = ApiError::from(ErrorCode::RateLimited);
                error.retry_after_seconds = Some(LIMIT_PERIOD_SECONDS);
                Err(Refusal::Client(error))
            }
            Some(Err(error)) => {
                self.exchange
                    .log(Level::Warning, "rate_limiter_failed", |record| {
                        record.text("cause", &js::error_text(&error));
                    });
                Ok(())
            }
        }
    }

    async fn read(
        &self,
        request: &Request,
        client: Option<&str>,
        gone: &mut ClientGone,
    ) -> Result<Vec<u8>, Refusal> {
        let headers = request.headers();
        let header = |name| headers.get(name).ok().flatten();
        let refuse = |code: ErrorCode| {
            self.exchange.log_received_from(Level::Info, None, client);
            Err(Refusal::Client(code.into()))
        };
        if !is_json(&header("content-type").unwrap_or_default()) {
            return refuse(ErrorCode::UnsupportedMediaType);
        }
        let declared_bytes = header("content-length").and_then(|length| length.parse::<u64>().ok());
        if declared_bytes.is_some_and(|bytes| bytes > MAX_BODY_BYTES as u64) {
            return refuse(ErrorCode::BodyTooLarge);
        }
        let reading = body::read(request.body(), MAX_BODY_BYTES);
        match upstream::unless_gone(gone, reading).await {
            Some(Ok(body)) if body.is_cut => refuse(ErrorCode::BodyTooLarge),
            Some(Ok(body)) => Ok(body.bytes),
            // A body breaks off only when its sender has gone.
            Some(Err(_)) | None => {
                self.exchange.log_received_from(Level::Info, None, client);
                Err(Refusal::ClientGone { retries: 0 })
            }
        }
    }

    fn refuse(self, refusal: Refusal) {
        let (error, end_reason, retries) = match refusal {
            Refusal::Client(error) => (error, EndReason::Rejected, 0),
            Refusal::Service { failure, retries } => {
                log_failure(&self.exchange, &failure, "error_response");
                let end_reason = EndReason::from(failure.error.code);
                (failure.error, end_reason, retries)
            }
            Refusal::ClientGone { retries } => {
                let completion = self.exchange.completion(None, EndReason::ClientGone);
                self.exchange.log_complete(
                    Level::Info,
                    &Completion {
                        retries,
                        ..completion
                    },
                );
                return;
            }
        };
        let completion = self.exchange.completion(Some(error.status), end_reason);
        self.exchange.log_complete(
            Level::Info,
            &Completion {
                retries,
                ..completion
            },
        );
        // Nobody takes the response when the client has gone in the meantime.
        drop(
            self.respond
                .send(response::error(&error, &self.exchange.common())),
        );
    }

    async fn stream(
        self,
        upstream: Upstream,
        chat: &ChatRequest,
        config: &Config,
        gone: ClientGone,
    ) {
        let retries = upstream.retries;
        let Ok((readable, writer)) = pipe() else {
            let failure =
                Failure::new(ErrorCode::UpstreamUnavailable, "the runtime made no stream");
            return self.refuse(Refusal::Service { failure, retries });
        };
        let Self { exchange, respond } = self;
        let id = &exchange.correlation_id;
        exchange.log(Level::Info, "stream_started", |record| {
            record
                .text("model", &chat.model)
                .number("max_tokens", u64::from(chat.max_tokens))
                .optional_text("upstream_request_id", upstream.request_id.as_deref())
                .number("upstream_latency_ms", upstream.latency_ms);
        });
        drop(respond.send(response::stream(&readable, &exchange.common())));
        let limits = Limits {
            idle: config.timeout,
            total: config.max_stream,
            heartbeat: config.heartbeat,
        };
        let traces_frames = exchange.isolate.log.wants(Level::Debug);
        let mut pump = Pump {
            reader: upstream.body.get_reader().unchecked_into(),
            relay: Relay::new(config.api, id.clone(), limits, js::now_ms(), traces_frames),
            writer,
            gone,
            connection: Some(upstream.connection),
            timer: Timer::default(),
        };
        pump.run(|relay| log_frames(&exchange, relay)).await;

        let relay = &pump.relay;
        let outcome = relay.outcome();
        if let Some(failure) = outcome.and_then(|outcome| outcome.failure.as_ref()) {
            log_failure(&exchange, failure, "error_frame");
        }
        let end_reason = outcome.map_or(EndReason::ClientGone, |outcome| outcome.end_reason);
        let completion = Completion {
            ttft_ms: relay
                .first_text_ms()
                .map(|first_ms| first_ms.saturating_sub(exchange.started_ms)),
            chunk_count: relay.text_frame_count(),
            finish_reason: relay.finish_reason(),
            usage: relay.usage(),
            retries,
            ..exchange.completion(Some(200), end_reason)
        };
        exchange.log_complete(Level::Info, &completion);
    }
}

impl From<NotOpened> for Refusal {
    fn from(reason: NotOpened) -> Self {
        match reason {
            NotOpened::Failed { failure, retries } => Self::Service { failure, retries },
            NotOpened::ClientGone { retries } => Self::ClientGone { retries },
        }
    }
}

/// The two ends of what the client reads.
fn pipe() -> Result<(ReadableStream, WritableStreamDefaultWriter), JsValue> {
    let transform = TransformStream::new()?;
    Ok((transform.readable(), transform.writable().get_writer()?))
}

fn is_json(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json")
}

fn log_failure(exchange: &Exchange, failure: &Failure, recovery_action: &str) {
    exchange.log(Level::Error, "stream_error", |record| {
        record
            .text("code", failure.error.code.name())
            .text("cause", &failure.cause)
            .text("recovery_action", recovery_action);
    });
}

fn log_frames(exchange: &Exchange, relay: &mut Relay) {
    for frame in relay.take_sent() {
        exchange.log(Level::Debug, "chunk_sent", |record| {
            record
                .number("sequence", frame.sequence)
                .number("content_length", frame.content_length as u64)
                .number(
                    "elapsed_ms",
                    js::now_ms().saturating_sub(exchange.started_ms),
                );
        });
    }
}

//! `POST /chat` from its first byte to its last log line.

use std::rc::Rc;

use web_sys::Request;

use super::admission;
use super::attempt::Opening;
use super::exchange::{EarlyEnd, Exchange};
use super::pump::{Delivery, Pump};
use super::response;
use super::runtime::instance::OpenChat;
use super::runtime::js;
use super::runtime::streams::{Outlet, Source};
use super::runtime::task::Inbox;
use super::runtime::wait::Waiting;
use super::upstream;
use crate::api::ending::{Completion, EndReason};
use crate::api::error::{ApiError, ErrorCode};
use crate::config::{Config, ConfigError};
use crate::openai::EventParser;
use crate::openai::failure::Failure;
use crate::stream::relay::{Input, Relay};
use crate::telemetry::record::Level;

/// Longest cause of a failure that a log line repeats, in characters.
const MAX_LOGGED_CAUSE: usize = 512;

/// One chat.
pub(super) struct Chat {
    exchange: Exchange,
    open: OpenChat,
}

impl Chat {
    pub(super) fn new(exchange: Exchange, open: OpenChat) -> Self {
        Self { exchange, open }
    }

    /// Runs it to its end. `inbox` is that of its task.
    pub(super) async fn run(self, request: Request, inbox: Rc<Inbox>) {
        let mut waiting = Waiting::of(&request, inbox);
        let begun = self.begin(&request, &mut waiting).await;
        // The stream may be open for long, and needs nothing more of the request.
        drop(request);
        // Either arm writes the one `response_complete`.
        match begun {
            Ok((source, relay)) => self.stream(source, relay, waiting).await,
            Err(end) => self.end_early(end),
        }
    }

    /// Lets the request in and asks upstream. From then on the answer is a stream.
    async fn begin(
        &self,
        request: &Request,
        waiting: &mut Waiting,
    ) -> Result<(Source, Relay), EarlyEnd> {
        let exchange = &self.exchange;
        let config = exchange.isolate.config.as_ref().map_err(|error| {
            exchange.log_received(Level::Info, None, None);
            misconfigured(error)
        })?;
        let chat = admission::admit(exchange, request, config, waiting).await?;
        let upstream = upstream::open(exchange, config, &chat, waiting).await?;
        exchange.log(Level::Info, "stream_started", |record| {
            record
                .text("model", &chat.model)
                .number("max_tokens", u64::from(chat.max_tokens))
                .optional_id("upstream_request_id", upstream.request_id.as_deref())
                .number("upstream_latency_ms", upstream.latency_ms);
        });
        let mut relay = self.relay(config, chat.client_chose_model);
        match upstream.opening {
            Opening::Stream(bytes) => relay.handle(Input::Chunk(&bytes), js::now_ms()),
            Opening::Whole(answer) => relay.answer_whole(&answer, js::now_ms()),
        }
        Ok((upstream.source, relay))
    }

    fn relay(&self, config: &Config, client_chose_model: bool) -> Relay {
        let events = EventParser::new(config.target.api, client_chose_model);
        let id = self.exchange.correlation_id.clone();
        let traces_frames = self.exchange.isolate.log.wants(Level::Debug);
        Relay::new(events, id, config.limits, js::now_ms(), traces_frames)
    }

    /// Answers without a stream.
    fn end_early(&self, end: EarlyEnd) {
        let exchange = &self.exchange;
        let (error, end_reason) = match end {
            EarlyEnd::Invalid(invalid) => {
                exchange.log(Level::Warning, "validation_error", |record| {
                    record
                        .text("field", &invalid.field)
                        .text("rule", invalid.logged_rule());
                });
                (Some(ApiError::from(&invalid)), EndReason::Rejected)
            }
            EarlyEnd::Rejected(error) => (Some(error), EndReason::Rejected),
            EarlyEnd::Failed(failure) => {
                self.log_failure(&failure, "error_response");
                let end_reason = EndReason::from(failure.error.code);
                (Some(failure.error), end_reason)
            }
            EarlyEnd::ClientGone => (None, EndReason::ClientGone),
        };
        let status = error.as_ref().map(|error| error.status);
        exchange.log_complete(Level::Info, &exchange.completion(status, end_reason));
        let context = exchange.response_context();
        self.open.respond(match error {
            Some(error) => response::error(&error, &context),
            None => response::for_nobody(&context),
        });
    }

    /// Streams the answer.
    async fn stream(&self, source: Source, relay: Relay, waiting: Waiting) {
        let (outlet, body) = Outlet::open(&waiting);
        let response = response::stream(&body, &self.exchange.response_context());
        self.open.respond(response);
        let mut pump = Pump::new(source, relay, outlet, waiting);
        let delivery = pump.run(|relay| self.log_frames(relay)).await;
        self.log_end(&pump.relay, delivery);
        pump.drain().await;
    }

    fn log_frames(&self, relay: &mut Relay) {
        for frame in relay.take_sent() {
            self.exchange.log(Level::Debug, "chunk_sent", |record| {
                record
                    .number("sequence", frame.sequence)
                    .number("content_length", frame.content_length as u64)
                    .number("elapsed_ms", self.exchange.elapsed_ms());
            });
        }
    }

    /// Writes the last lines of a stream.
    fn log_end(&self, relay: &Relay, delivery: Delivery) {
        let exchange = &self.exchange;
        if let Some(reason) = relay.unknown_finish_reason() {
            exchange.log(Level::Warning, "unknown_finish_reason", |record| {
                record.text("reason", reason);
            });
        }
        let outcome = relay.outcome();
        let end_reason = if delivery == Delivery::Stalled {
            let cause = "the client did not read the whole answer within MAX_STREAM_SECONDS";
            let failure = Failure::new(ErrorCode::StreamTooLong, cause);
            self.log_failure(&failure, "connection_broken_off");
            EndReason::StreamTooLong
        } else {
            if let Some(failure) = outcome.and_then(|outcome| outcome.failure.as_ref()) {
                self.log_failure(failure, "error_frame");
            }
            outcome.map_or(EndReason::ClientGone, |outcome| outcome.end_reason)
        };
        let completion = Completion {
            ttft_ms: relay
                .first_text_ms()
                .map(|first_ms| first_ms.saturating_sub(exchange.started_ms)),
            chunk_count: relay.text_frame_count(),
            finish_reason: relay.finish_reason(),
            usage: relay.usage(),
            ..exchange.completion(Some(200), end_reason)
        };
        exchange.log_complete(Level::Info, &completion);
    }

    fn log_failure(&self, failure: &Failure, recovery_action: &str) {
        self.exchange.log(Level::Error, "stream_error", |record| {
            record
                .text("code", failure.error.code.name())
                .outside("cause", &failure.cause, MAX_LOGGED_CAUSE)
                .text("recovery_action", recovery_action);
        });
    }
}

/// The error of a deployment whose variables are missing or invalid.
fn misconfigured(error: &ConfigError) -> EarlyEnd {
    let problem = error.problems().first().cloned().unwrap_or_default();
    EarlyEnd::Failed(Failure {
        error: ApiError::new(ErrorCode::ConfigurationError, problem),
        ..Failure::new(ErrorCode::ConfigurationError, error.to_string())
    })
}

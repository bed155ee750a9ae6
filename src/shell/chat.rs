//! `POST /chat` from its first byte to its last log line.

use std::rc::Rc;

use web_sys::Request;

use super::admission::{self, Refusal};
use super::answer::Answer;
use super::exchange::Exchange;
use super::inbox::Inbox;
use super::js;
use super::outlet::Outlet;
use super::pump::{Delivery, Pump};
use super::response;
use super::upstream::{self, Opening, Upstream};
use super::wait::Waiting;
use crate::api::ending::{Completion, EndReason};
use crate::api::error::{ApiError, ErrorCode};
use crate::config::Config;
use crate::openai::EventParser;
use crate::openai::failure::Failure;
use crate::stream::relay::{Input, Relay};
use crate::telemetry::record::Level;

/// Longest cause of a failure that a log line repeats, in characters.
const MAX_LOGGED_CAUSE: usize = 512;

/// A chat whose response has still to be given.
pub(super) struct Chat {
    exchange: Exchange,
    answer: Answer,
}

impl Chat {
    pub(super) fn new(exchange: Exchange, answer: Answer) -> Self {
        Self { exchange, answer }
    }

    /// Runs it to its end. `inbox` is that of the task which does.
    pub(super) async fn run(self, request: Request, inbox: Rc<Inbox>) {
        let mut waiting = Waiting::of(&request, inbox);
        let isolate = self.exchange.isolate.clone();
        let config = match &isolate.config {
            Ok(config) => config,
            Err(error) => {
                self.exchange.log_received(Level::Info, None, None);
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
        let opened = self.open(&request, config, &mut waiting).await;
        // Its stream may be open for long, and needs nothing more of the request.
        drop(request);
        match opened {
            Ok(upstream) => self.stream(upstream, config, waiting).await,
            Err(refusal) => self.refuse(refusal),
        }
    }

    async fn open(
        &self,
        request: &Request,
        config: &Config,
        waiting: &mut Waiting,
    ) -> Result<Upstream, Refusal> {
        let exchange = &self.exchange;
        let chat = admission::admit(exchange, request, config, waiting).await?;
        let upstream = upstream::open(exchange, config, &chat, waiting).await?;
        exchange.log(Level::Info, "stream_started", |record| {
            record
                .text("model", &chat.model)
                .number("max_tokens", u64::from(chat.max_tokens))
                .optional_id("upstream_request_id", upstream.request_id.as_deref())
                .number("upstream_latency_ms", upstream.latency_ms);
        });
        Ok(upstream)
    }

    fn refuse(self, refusal: Refusal) {
        let (error, end_reason, retries) = match refusal {
            Refusal::Invalid(invalid) => {
                self.exchange
                    .log(Level::Warning, "validation_error", |record| {
                        record
                            .text("field", &invalid.field)
                            .text("rule", invalid.logged_rule());
                    });
                (ApiError::from(&invalid), EndReason::Rejected, 0)
            }
            Refusal::Client(error) => (error, EndReason::Rejected, 0),
            Refusal::Service { failure, retries } => {
                log_failure(&self.exchange, &failure, "error_response");
                let end_reason = EndReason::from(failure.error.code);
                (failure.error, end_reason, retries)
            }
            Refusal::ClientGone { retries } => {
                let completion = self.exchange.completion(None, EndReason::ClientGone);
                let completion = Completion {
                    retries,
                    ..completion
                };
                self.exchange.log_complete(Level::Info, &completion);
                let response = response::for_nobody(&self.exchange.common());
                return self.answer.give(response);
            }
        };
        let completion = self.exchange.completion(Some(error.status), end_reason);
        let completion = Completion {
            retries,
            ..completion
        };
        self.exchange.log_complete(Level::Info, &completion);
        let response = response::error(&error, &self.exchange.common());
        self.answer.give(response);
    }

    async fn stream(self, upstream: Upstream, config: &Config, waiting: Waiting) {
        let retries = upstream.retries;
        let (outlet, body) = Outlet::open(Rc::clone(&waiting.inbox));
        let Self { exchange, answer } = self;
        let id = &exchange.correlation_id;
        answer.give(response::stream(&body, &exchange.common()));
        let traces_frames = exchange.isolate.log.wants(Level::Debug);
        let now_ms = js::now_ms();
        let events = EventParser::new(config.target.api, upstream.names_model);
        let mut relay = Relay::new(events, id.clone(), config.limits, now_ms, traces_frames);
        match upstream.opening {
            Opening::Stream(bytes) => relay.handle(Input::Chunk(&bytes), now_ms),
            Opening::Whole(answer) => relay.answer_whole(&answer, now_ms),
        }
        let mut pump = Pump::new(upstream.source, relay, outlet, waiting);
        let delivery = pump.run(|relay| log_frames(&exchange, relay)).await;

        let relay = &pump.relay;
        if let Some(reason) = relay.unknown_finish_reason() {
            exchange.log(Level::Warning, "unknown_finish_reason", |record| {
                record.text("reason", reason);
            });
        }
        let outcome = relay.outcome();
        let end_reason = if delivery == Delivery::Stalled {
            let cause = "the client did not read the whole answer within MAX_STREAM_SECONDS";
            let failure = Failure::new(ErrorCode::StreamTooLong, cause);
            log_failure(&exchange, &failure, "connection_broken_off");
            EndReason::StreamTooLong
        } else {
            if let Some(failure) = outcome.and_then(|outcome| outcome.failure.as_ref()) {
                log_failure(&exchange, failure, "error_frame");
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
            retries,
            ..exchange.completion(Some(200), end_reason)
        };
        exchange.log_complete(Level::Info, &completion);
        pump.drain().await;
    }
}

fn log_failure(exchange: &Exchange, failure: &Failure, recovery_action: &str) {
    exchange.log(Level::Error, "stream_error", |record| {
        record
            .text("code", failure.error.code.name())
            .outside("cause", &failure.cause, MAX_LOGGED_CAUSE)
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

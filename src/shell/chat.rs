//! `POST /chat` from its first byte to its last log line.

use std::cell::Cell;
use std::rc::Rc;

use web_sys::Request;

use super::admission::{self, Admitted};
use super::attempt::{Opening, Watch};
use super::early_end::EarlyEnd;
use super::exchange::Exchange;
use super::forward::{self, Relayed};
use super::pump::{Delivery, Pump};
use super::response::{self, AnswerHeaders};
use super::runtime::instance::OpenWork;
use super::runtime::js;
use super::runtime::streams::{Outlet, Source};
use super::runtime::task::Inbox;
use super::runtime::wait::Waiting;
use super::sale::Sale;
use super::upstream;
use crate::api::ending::EndReason;
use crate::api::frame::FrameEncoder;
use crate::config::Config;
use crate::memory::spent::Spent;
use crate::openai::EventParser;
use crate::stream::relay::{Form, Input, Relay};
use crate::telemetry::record::Level;

/// One chat.
pub(super) struct Chat {
    exchange: Exchange,
    open: OpenWork,
}

/// How a chat goes on once it is let in.
#[allow(clippy::large_enum_variant, reason = "it is moved once")]
enum Begun {
    /// With upstream's answer.
    Stream(Source, Relay),
    /// With the answer of its owner's object, which does the rest.
    Kept(Relayed),
}

impl Chat {
    pub(super) fn new(exchange: Exchange, open: OpenWork) -> Self {
        Self { exchange, open }
    }

    /// Runs it to its end. `inbox` is that of its task.
    pub(super) async fn run(self, request: Request, inbox: Rc<Inbox>) {
        let mut waiting = Waiting::of(&request, inbox);
        let mut sale = None;
        let begun = self.begin(&request, &mut waiting, &mut sale).await;
        // The stream may be open for long, and needs nothing more of the request.
        drop(request);
        // Each arm writes the one `response_complete`, but for a kept answer, whose object writes it.
        match begun {
            Ok(Begun::Stream(source, relay)) => self.stream(source, relay, waiting, sale).await,
            Ok(Begun::Kept(response)) => self.open.respond(response),
            Err(end) => {
                let spent = sale
                    .as_ref()
                    .and_then(|sale| sale.spent_before_answer(&end));
                end.respond(&self.exchange, &self.open);
                if let Some(sale) = sale {
                    sale.tell(&self.exchange, spent, &mut waiting).await;
                }
            }
        }
    }

    /// Lets the request in and asks upstream, or has the owner's object do that. From then on the answer is a stream.
    /// `sale` is what is counted of the answer.
    async fn begin(
        &self,
        request: &Request,
        waiting: &mut Waiting,
        sale: &mut Option<Sale>,
    ) -> Result<Begun, EarlyEnd> {
        let exchange = &self.exchange;
        let config = admission::config_of(exchange)?;
        let Admitted { chat, client, body } =
            admission::admit(exchange, request, config, waiting).await?;
        if chat.kept.is_some() {
            let forwarded =
                forward::forward(exchange, request, config, client, Some(body), waiting);
            return forwarded.await.map(Begun::Kept);
        }
        if exchange.isolate.owners.is_some() {
            let new = sale.insert(Sale::of(config, client, &chat));
            new.reserve(exchange, config, waiting).await?;
        }
        let is_asking = Cell::default();
        let watch = Watch {
            aborter: &|is_followed| is_followed.then(|| self.open.aborter()).flatten(),
            sale: sale.as_ref(),
            asked: &|_| {},
            is_asking: sale.as_ref().map_or(&is_asking, |sale| &sale.is_asking),
            sold: &|_, _| Ok(()),
        };
        let upstream = upstream::open(exchange, config, &chat, watch, waiting).await?;
        upstream.log_started(exchange, &chat);
        let mut relay = self.relay(config, upstream.events);
        match upstream.opening {
            Opening::Stream(bytes) => relay.handle(Input::Chunk(&bytes), js::steady_ms()),
            Opening::Whole(answer) => relay.answer_whole(&answer, js::steady_ms()),
            Opening::Left => relay.handle(Input::ClientGone, js::steady_ms()),
        }
        Ok(Begun::Stream(upstream.source, relay))
    }

    fn relay(&self, config: &Config, events: EventParser) -> Relay {
        let id = self.exchange.correlation_id.clone();
        let traces_frames = self.exchange.isolate.log.wants(Level::Debug);
        let mut frames = FrameEncoder::new(id);
        if let Some(model) = self.exchange.model() {
            frames = frames.answered_by(model);
        }
        let form = Form::Frames(frames);
        Relay::new(events, form, config.limits, js::steady_ms(), traces_frames)
    }

    /// Streams the answer.
    async fn stream(&self, source: Source, relay: Relay, waiting: Waiting, sale: Option<Sale>) {
        let (outlet, body) = Outlet::open(&waiting);
        let told = AnswerHeaders {
            model: self.exchange.model(),
            left: sale.as_ref().and_then(|sale| sale.left),
        };
        let response = response::stream(&body, told, &self.exchange.response_context());
        self.open.respond(response);
        let mut pump = Pump::new(source, relay, outlet, waiting);
        let log_frames = |relay: &mut Relay| {
            for frame in relay.take_sent() {
                self.exchange.log_sent(frame);
            }
        };
        let delivery = pump.run(log_frames).await;
        self.log_end(&pump.relay, delivery);
        if let Some(sale) = sale {
            let spent = Spent::of(Some(pump.relay.seen()), sale.ceiling);
            sale.tell(&self.exchange, spent, &mut pump.waiting).await;
        }
        pump.drain().await;
    }

    /// Writes the last lines of a stream.
    fn log_end(&self, relay: &Relay, delivery: Delivery) {
        let exchange = &self.exchange;
        exchange.log_unknown_finish_reason(relay);
        let outcome = relay.outcome();
        let end_reason = if delivery == Delivery::Stalled {
            exchange.log_stalled();
            EndReason::StreamTooLong
        } else {
            if let Some(failure) = outcome.and_then(|outcome| outcome.failure.as_ref()) {
                exchange.log_failure(failure, "error_frame");
            }
            outcome.map_or(EndReason::ClientGone, |outcome| outcome.end_reason)
        };
        let completion = exchange.completion_of(relay, Some(200), end_reason);
        exchange.log_complete(Level::Info, &completion);
    }
}

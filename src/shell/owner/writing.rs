//! The task that writes an answer: upstream → relay → journal, whoever reads it.
//!
//! What upstream sends is written to the journal first and shown to the readers then, so nothing is shown that a crash
//! could take back. Reads that come soon after a write share the next one; the first one never waits.

use std::rc::Rc;
use std::time::Duration;

use super::answer::{Answer, Progress};
use super::ledger;
use super::object::{Object, Unsaved, store_failed};
use crate::api::budget::Budget;
use crate::api::ending::{Completion, EndReason, FinishReason};
use crate::api::frame::Ending;
use crate::api::request::{ChatRequest, ModelSource};
use crate::config::Config;
use crate::memory::journal::JournalRow;
use crate::memory::spent::{Ceiling, Spent};
use crate::memory::store::State;
use crate::openai::EventParser;
use crate::shell::attempt::{Opening, Upstream, Watch};
use crate::shell::early_end::EarlyEnd;
use crate::shell::exchange::Exchange;
use crate::shell::pump;
use crate::shell::runtime::instance::OpenWork;
use crate::shell::runtime::js;
use crate::shell::runtime::streams::Source;
use crate::shell::runtime::task::{Inbox, Read};
use crate::shell::runtime::wait::{Interrupted, Waiting};
use crate::shell::sale::Sale;
use crate::shell::upstream;
use crate::stream::relay::{Form, Input, Limits, Relay};
use crate::telemetry::record::Level;

/// The shortest time between two writes to the journal, in milliseconds. A write costs about as much as two tokens, and
/// each is paid for as a row.
const WRITE_EVERY_MS: u64 = 100;

/// An answer that is being written.
struct Writer<'a> {
    answer: &'a Answer,
    object: &'a Object,
    /// The request that asked for it.
    exchange: &'a Exchange,
    relay: Relay,
    /// The journal's last row.
    row: JournalRow,
    /// When the journal was last written to.
    written_ms: u64,
}

/// Who pays for an answer.
pub(super) struct Bill {
    /// Where it is counted, if another object does that.
    pub(super) sale: Option<Sale>,
    /// What its client may spend.
    pub(super) budget: Option<Budget>,
    /// What it may cost.
    pub(super) ceiling: Ceiling,
}

/// Asks upstream and writes what it says, to the end.
pub(super) async fn write(
    answer: Rc<Answer>,
    object: Rc<Object>,
    exchange: Rc<Exchange>,
    chat: ChatRequest,
    bill: Bill,
    inbox: Rc<Inbox>,
) {
    let Bill {
        sale,
        budget,
        ceiling,
    } = bill;
    let id = exchange.correlation_id.as_str();
    let logged_id = exchange.isolate.log.scrubbed(id);
    // The runtime lets the object live as long as this does.
    let open = OpenWork::begin(&object.context, inbox.task, id, &logged_id);
    answer.set_writer(inbox.task);
    let mut waiting = Waiting::without_client(inbox);
    let Ok(config) = &exchange.isolate.config else {
        return;
    };
    let watch = Watch {
        aborter: &|_| answer.begin_call(open.aborter()),
        sale: sale.as_ref(),
        asked: &|model| note_asked(&answer, &object, &exchange, model),
        is_asking: &answer.is_asking,
        sold: &|model, seen| match Spent::of(Some(seen), ceiling) {
            Some(spent) => count_sold(&answer, &object, &exchange, budget, model, spent),
            None => Ok(()),
        },
    };
    let opened = upstream::open(&exchange, config, &chat, watch, &mut waiting).await;
    let mut writer = Writer {
        answer: &answer,
        object: &object,
        exchange: &exchange,
        relay: relay(config, &exchange),
        row: JournalRow::default(),
        written_ms: 0,
    };
    let unread = match opened {
        Ok(upstream) => {
            upstream.log_started(&exchange, &chat);
            if let Some(model) = exchange.model() {
                answer.set_model(model);
            }
            writer.pump(upstream, &mut waiting).await
        }
        // It was stopped, and that is stored.
        Err(_) if answer.state().is_some() => None,
        Err(end) => {
            writer.give_up(end);
            None
        }
    };
    waiting.forget_client();
    if object.storage.confirmed(&mut waiting).await {
        writer.log_complete();
    }
    // Upstream may leave its end open for a while.
    if let Some(sale) = sale {
        let spent = Spent::of(answer.seen(), ceiling);
        sale.tell(&exchange, spent, &mut waiting).await;
    }
    if let Some(mut source) = unread {
        pump::drain(&mut source, &mut waiting).await;
    }
}

/// What becomes of the answer of a model that is not known yet.
fn relay(config: &Config, exchange: &Exchange) -> Relay {
    Relay::new(
        EventParser::new(config.target.api, ModelSource::Default),
        Form::Pieces,
        // Heartbeats are for readers.
        Limits {
            heartbeat: Duration::MAX,
            ..config.limits
        },
        js::steady_ms(),
        exchange.isolate.log.wants(Level::Debug),
    )
}

/// Keeps which model is asked now: whatever ends the answer from now on, it counts under this one.
fn note_asked(answer: &Answer, object: &Object, exchange: &Exchange, model: &str) {
    if !answer.is_running() {
        return;
    }
    let number = answer.number;
    let noted = object
        .store()
        .and_then(|store| store.set_model(number, model).map_err(store_failed));
    if let Err(error) = noted {
        lose(answer, object, exchange, &error);
        answer.release();
    }
}

/// Counts what a model has sold that has failed before the answer began; gives the end if nothing may be asked after that: a
/// budget is used up by it, or the store fails.
fn count_sold(
    answer: &Answer,
    object: &Object,
    exchange: &Exchange,
    budget: Option<Budget>,
    model: &str,
    spent: Spent,
) -> Result<(), EarlyEnd> {
    let Ok(config) = &exchange.isolate.config else {
        return Ok(());
    };
    // It was stopped in the same moment, which counts all of it.
    if !answer.is_running() {
        return Ok(());
    }
    let now_ms = js::now_ms();
    let sold = Unsaved::Sold {
        model: model.to_owned(),
        spent,
        now_ms,
    };
    let store = object.store()?;
    if let Err(error) = sold.save(&store) {
        exchange.log_not_counted(1, &js::error_text(&error));
        object.save_later(sold);
        return Err(store_failed(error));
    }
    let Some(budget) = budget else {
        return Ok(());
    };
    match ledger::used_up(&store, config, budget, model)? {
        Some(exhausted) => Err(EarlyEnd::Rejected(exhausted.error(now_ms))),
        None => Ok(()),
    }
}

/// The store has failed: what is not in it is not shown.
fn lose(answer: &Answer, object: &Object, exchange: &Exchange, end: &EarlyEnd) {
    if let EarlyEnd::Failed(failure) = end {
        exchange.log_failure(failure, "answer_interrupted");
    }
    answer.lose(object);
}

impl Writer<'_> {
    /// Writes the answer to its end. Gives upstream's body when only its end may still come.
    async fn pump(&mut self, upstream: Upstream, waiting: &mut Waiting) -> Option<Source> {
        // It was stopped, and that is stored. What has come since is neither kept nor counted.
        if self.answer.state().is_some() {
            return None;
        }
        let mut source = upstream.source;
        self.relay.read_with(upstream.events);
        match upstream.opening {
            Opening::Stream(bytes) => self.relay.handle(Input::Chunk(&bytes), js::steady_ms()),
            Opening::Whole(answer) => self.relay.answer_whole(&answer, js::steady_ms()),
            Opening::Left => return None,
        }
        self.answer.begin_streaming();
        while self.answer.state().is_none() {
            self.take_output();
            for frame in self.relay.take_sent() {
                self.exchange.log_sent(frame);
            }
            if let Err(error) = self.step() {
                lose(self.answer, self.object, self.exchange, &error);
            }
            if self.answer.state().is_some() {
                break;
            }
            let write_ms = self.answer.has_pending().then(|| self.next_write_ms());
            let deadline_ms = self.relay.deadline_ms().min(write_ms.unwrap_or(u64::MAX));
            if !self.read(&mut source, waiting, deadline_ms).await {
                break;
            }
        }
        let outcome = self.relay.outcome();
        outcome
            .is_some_and(|outcome| outcome.end_reason == EndReason::Done)
            .then_some(source)
    }

    /// Takes in the next chunk, or what comes instead of it; false when the answer was stopped.
    async fn read(&mut self, source: &mut Source, waiting: &mut Waiting, deadline_ms: u64) -> bool {
        let relay = &mut self.relay;
        match waiting.until(|| source.read(), deadline_ms).await {
            Ok(Read::Chunk(bytes)) => {
                relay.handle(Input::Chunk(&source.chunk(bytes)), js::steady_ms());
            }
            Ok(Read::End) => relay.handle(Input::End, js::steady_ms()),
            Ok(Read::Broken) | Err(Interrupted::Failed(_)) => {
                relay.handle(Input::Broken, js::steady_ms());
            }
            Err(Interrupted::TimeIsUp) => relay.handle(Input::Tick, js::steady_ms()),
            Err(Interrupted::ClientGone) => return false,
        }
        true
    }

    fn take_output(&mut self) {
        self.answer.add(self.relay.output());
        self.answer.set_seen(self.relay.seen());
        self.relay.output_written(js::steady_ms());
    }

    /// Ends the answer when it is over, or writes to the journal when it is time to.
    fn step(&mut self) -> Result<(), EarlyEnd> {
        if self.answer.cut_to_fit() {
            let ending = Ending::Finished {
                finish_reason: FinishReason::Length,
                usage: self.relay.usage(),
            };
            let (state, end_reason) = (State::Complete, EndReason::Done);
            return self
                .answer
                .store_ending(self.object, &ending, state, end_reason);
        }
        if let Some(outcome) = self.relay.outcome() {
            let (ending, state) = match &outcome.failure {
                Some(failure) => (Ending::Failed(&failure.error), State::Failed),
                None => (
                    Ending::Finished {
                        finish_reason: self.relay.finish_reason().unwrap_or(FinishReason::Stop),
                        usage: self.relay.usage(),
                    },
                    State::Complete,
                ),
            };
            let end_reason = outcome.end_reason;
            return self
                .answer
                .store_ending(self.object, &ending, state, end_reason);
        }
        let now_ms = js::steady_ms();
        if self.answer.has_pending() && now_ms >= self.next_write_ms() {
            self.written_ms = now_ms;
            self.write_journal()?;
        }
        Ok(())
    }

    /// When the journal may be written to again.
    fn next_write_ms(&self) -> u64 {
        self.written_ms.saturating_add(WRITE_EVERY_MS)
    }

    /// Writes what is pending, then shows it.
    fn write_journal(&mut self) -> Result<(), EarlyEnd> {
        let pending = self.answer.take_pending();
        let store = self.object.store()?;
        let appended = store.append(self.answer.number, &mut self.row, &pending);
        appended.map_err(store_failed)?;
        self.answer.show(&pending);
        Ok(())
    }

    /// There is no answer: nothing is kept, and all who wait get the error.
    fn give_up(&self, end: EarlyEnd) {
        let error = match end {
            EarlyEnd::Failed(failure) => {
                self.exchange.log_failure(&failure, "error_response");
                failure.error
            }
            EarlyEnd::Rejected(error) => error,
            EarlyEnd::Invalid(_) | EarlyEnd::ClientGone => return,
        };
        let number = self.answer.number;
        let forgotten = self.object.store().and_then(|store| {
            self.object
                .save(&store)
                .and_then(|()| store.forget_exchange(number))
                .map_err(store_failed)
        });
        if let Err(EarlyEnd::Failed(failure)) = forgotten {
            self.exchange.log_failure(&failure, "answer_not_forgotten");
            self.object
                .save_later(Unsaved::Forgotten { exchange: number });
        }
        self.answer.give_up(error);
    }

    /// The last lines of the answer, whoever read it.
    fn log_complete(&self) {
        let Self {
            exchange, relay, ..
        } = self;
        exchange.log_unknown_finish_reason(relay);
        let outcome = relay.outcome();
        if let Some(failure) = outcome.and_then(|outcome| outcome.failure.as_ref()) {
            exchange.log_failure(failure, "error_frame");
        }
        let end_reason = match self.answer.progress() {
            Progress::NeverBegan(error) => EndReason::from(error.code),
            Progress::Ended { end_reason, .. } => end_reason,
            Progress::Opening | Progress::Streaming => EndReason::Interrupted,
        };
        let completion = Completion {
            // Frames that could not be kept were never shown.
            chunk_count: self.answer.pieces().text_count(),
            finish_reason: self.answer.finish_reason(),
            ..exchange.completion_of(relay, None, end_reason)
        };
        exchange.log(Level::Info, "answer_complete", |record| {
            record.text("answer_id", self.answer.id.as_str());
            completion.write(record);
            exchange.write_model(record);
        });
    }
}

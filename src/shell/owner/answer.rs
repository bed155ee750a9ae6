//! An answer that is being written: upstream → relay → journal, whoever reads it.
//!
//! What upstream sends is written to the journal first and shown to the readers then, so nothing is shown that a crash
//! could take back. Reads that come soon after a write share the next one; the first one never waits.

use std::cell::{Cell, Ref, RefCell};
use std::rc::Rc;
use std::time::Duration;

use web_sys::AbortController;

use super::object::{Object, Unsaved, store_failed};
use crate::api::answer_id::AnswerId;
use crate::api::correlation::CorrelationId;
use crate::api::ending::{Completion, EndReason, FinishReason};
use crate::api::error::{ApiError, ErrorCode};
use crate::api::frame::{Ending, kept_fields};
use crate::api::request::{ChatRequest, ConversationId};
use crate::memory::answer::{Ended, Stored};
use crate::memory::begin::Begun;
use crate::memory::journal::JournalRow;
use crate::memory::store::State;
use crate::openai::EventParser;
use crate::openai::failure::Failure;
use crate::shell::attempt::{Opening, Upstream};
use crate::shell::early_end::EarlyEnd;
use crate::shell::exchange::Exchange;
use crate::shell::pump;
use crate::shell::runtime::instance::OpenChat;
use crate::shell::runtime::js;
use crate::shell::runtime::streams::Source;
use crate::shell::runtime::task::{self, Inbox, Read};
use crate::shell::runtime::wait::{Interrupted, Waiting};
use crate::shell::upstream;
use crate::stream::pieces::{MAX_BYTES, Pieces, split_first};
use crate::stream::relay::{Form, Input, Limits, Relay};
use crate::telemetry::record::Level;

/// The shortest time between two writes to the journal, in milliseconds. A write costs about as much as two tokens, and
/// each is paid for as a row.
const WRITE_EVERY_MS: u64 = 100;

/// An answer: one that is being written, or one that was read from the store.
pub(super) struct Answer {
    pub(super) id: AnswerId,
    pub(super) conversation_id: ConversationId,
    /// The correlation id of the request that asked, which every frame carries.
    pub(super) asker: CorrelationId,
    /// That of the request; see [`Place`](crate::api::request::Place).
    pub(super) fingerprint: String,
    /// The exchange's number in the store.
    pub(super) number: u64,
    /// The final frame's `turn_id` and `history_turns`.
    kept_fields: String,
    progress: RefCell<Progress>,
    /// The final frame's, for the log.
    finish_reason: Cell<Option<FinishReason>>,
    /// What is in the store, and may be shown.
    pieces: RefCell<Pieces>,
    /// What is not in the store yet.
    pending: RefCell<Vec<u8>>,
    readers: RefCell<Vec<u32>>,
    /// The task that writes it.
    writer: Cell<Option<u32>>,
    /// Aborts the call of upstream while it has no headers.
    abort: Option<AbortController>,
}

/// How far an answer is.
#[derive(Clone)]
pub(super) enum Progress {
    /// Upstream has not responded yet.
    Opening,
    /// Upstream failed before its success status, and nothing is kept.
    Failed(ApiError),
    /// Upstream is answering.
    Streaming,
    /// Nothing more will come.
    Ended {
        /// What the final frame tells, as [`Replay::finish`](crate::memory::replay::Replay::finish) takes it.
        fields: Rc<str>,
        state: State,
        end_reason: EndReason,
    },
}

impl Answer {
    /// An answer that begins.
    pub(super) fn begin(
        id: AnswerId,
        chat_place: (&ConversationId, &str),
        asker: CorrelationId,
        turn_id: &str,
        begun: &Begun,
    ) -> Self {
        let (conversation_id, fingerprint) = chat_place;
        Self {
            id,
            conversation_id: conversation_id.clone(),
            asker,
            fingerprint: fingerprint.to_owned(),
            number: begun.exchange,
            kept_fields: kept_fields(turn_id, begun.history_turns),
            progress: RefCell::new(Progress::Opening),
            finish_reason: Cell::new(None),
            pieces: RefCell::default(),
            pending: RefCell::default(),
            readers: RefCell::default(),
            writer: Cell::new(None),
            abort: AbortController::new().ok(),
        }
    }

    /// An answer that has ended; `None` when what is stored of it is damaged.
    pub(super) fn stored(id: AnswerId, stored: Stored) -> Option<Self> {
        let end_reason = match stored.state {
            State::Complete => EndReason::Done,
            State::Stopped => EndReason::Stopped,
            State::Interrupted | State::Streaming => EndReason::Interrupted,
            State::Failed => EndReason::UpstreamError,
        };
        Some(Self {
            id,
            conversation_id: ConversationId::parse(&stored.conversation)?,
            asker: CorrelationId::parse(&stored.correlation_id)?,
            fingerprint: stored.fingerprint,
            number: stored.exchange,
            kept_fields: String::new(),
            progress: RefCell::new(Progress::Ended {
                fields: stored.ending.unwrap_or_default().into(),
                state: stored.state,
                end_reason,
            }),
            finish_reason: Cell::new(None),
            pieces: RefCell::new(stored.pieces),
            pending: RefCell::default(),
            readers: RefCell::default(),
            writer: Cell::new(None),
            abort: None,
        })
    }

    pub(super) fn progress(&self) -> Progress {
        self.progress.borrow().clone()
    }

    /// How it ended, if it has.
    pub(super) fn state(&self) -> Option<State> {
        match &*self.progress.borrow() {
            Progress::Ended { state, .. } => Some(*state),
            _ => None,
        }
    }

    /// Whether there is more to come.
    pub(super) fn is_running(&self) -> bool {
        let progress = self.progress.borrow();
        matches!(*progress, Progress::Opening | Progress::Streaming)
    }

    /// What may be shown so far.
    pub(super) fn pieces(&self) -> Ref<'_, Pieces> {
        self.pieces.borrow()
    }

    /// Has a task polled whenever there is more to read.
    pub(super) fn add_reader(&self, task: u32) {
        self.readers.borrow_mut().push(task);
    }

    pub(super) fn remove_reader(&self, task: u32) {
        self.readers.borrow_mut().retain(|reader| *reader != task);
    }

    /// Ends the answer because its owner wants no more of it. This is stored before anything else happens.
    pub(super) fn stop(&self, object: &Object) -> Result<(), EarlyEnd> {
        if self.state().is_none() {
            self.end(object, &STOPPED, State::Stopped, EndReason::Stopped)?;
            self.release();
        }
        Ok(())
    }

    /// Ends the answer without keeping it: its conversation is deleted.
    pub(super) fn discard(&self) {
        self.ended(&STOPPED, State::Stopped, EndReason::Stopped);
        self.release();
    }

    /// Has the writer leave upstream.
    fn release(&self) {
        self.abort();
        if let Some(writer) = self.writer.get() {
            task::interrupt(writer);
        }
    }

    /// Closes the call of upstream. An object goes on, so unlike that of a request its end does not close it.
    fn abort(&self) {
        if let Some(abort) = &self.abort {
            abort.abort();
        }
    }

    /// Asks upstream and writes what it says, to the end.
    pub(super) async fn write(
        self: Rc<Self>,
        object: Rc<Object>,
        exchange: Rc<Exchange>,
        chat: ChatRequest,
        inbox: Rc<Inbox>,
    ) {
        self.writer.set(Some(inbox.task));
        let id = exchange.correlation_id.as_str();
        let logged_id = exchange.isolate.log.scrubbed(id);
        // The runtime lets the object live as long as this does.
        let _open = OpenChat::begin(&object.context, inbox.task, id, &logged_id);
        let mut waiting = Waiting::without_client(inbox);
        let Ok(config) = &exchange.isolate.config else {
            return;
        };
        let signal = self.abort.as_ref().map(AbortController::signal);
        let opened = upstream::open(&exchange, config, &chat, signal.as_ref(), &mut waiting).await;
        let mut relay = Relay::new(
            EventParser::new(config.target.api, chat.client_chose_model),
            Form::Pieces,
            // Heartbeats are for readers.
            Limits {
                heartbeat: Duration::MAX,
                ..config.limits
            },
            js::now_ms(),
            exchange.isolate.log.wants(Level::Debug),
        );
        match opened {
            Ok(upstream) => {
                upstream.log_started(&exchange, &chat);
                self.pump(&object, &exchange, &mut relay, upstream, &mut waiting)
                    .await;
            }
            Err(EarlyEnd::Failed(failure)) => self.fail(&object, &exchange, failure),
            // It was stopped.
            Err(_) => {}
        }
        // A line about what is not safe would be taken back by the next instance's.
        waiting.forget_client();
        object.storage.confirmed(&mut waiting).await;
        self.log_complete(&exchange, &relay);
    }

    /// Upstream failed before its success status: nothing is kept, and all who wait get this error.
    fn fail(&self, object: &Object, exchange: &Exchange, failure: Failure) {
        // It was stopped in the same moment, and that is stored.
        if self.state().is_some() {
            return;
        }
        // Its headers may still be to come.
        self.abort();
        exchange.log_failure(&failure, "error_response");
        let forgotten = object.store().and_then(|store| {
            store
                .forget_exchange(self.number)
                .map_err(|error| store_failed(&error))
        });
        if let Err(EarlyEnd::Failed(failure)) = forgotten {
            exchange.log_failure(&failure, "answer_not_forgotten");
            let exchange = self.number;
            object.save_later(Unsaved::Forgotten { exchange });
        }
        *self.progress.borrow_mut() = Progress::Failed(failure.error);
        self.wake_readers();
    }

    async fn pump(
        &self,
        object: &Object,
        exchange: &Exchange,
        relay: &mut Relay,
        upstream: Upstream,
        waiting: &mut Waiting,
    ) {
        let mut source = upstream.source;
        match upstream.opening {
            Opening::Stream(bytes) => relay.handle(Input::Chunk(&bytes), js::now_ms()),
            Opening::Whole(answer) => relay.answer_whole(&answer, js::now_ms()),
        }
        if self.state().is_none() {
            *self.progress.borrow_mut() = Progress::Streaming;
            self.wake_readers();
        }
        let mut row = JournalRow::default();
        let mut written_ms = 0;
        while self.state().is_none() {
            self.take_output(relay);
            for frame in relay.take_sent() {
                exchange.log_sent(frame);
            }
            let step = self.step(object, relay, &mut row, &mut written_ms);
            if let Err(error) = step {
                self.lose(object, exchange, &error);
            }
            if self.state().is_some() {
                break;
            }
            let is_pending = !self.pending.borrow().is_empty();
            let write_ms = is_pending.then(|| written_ms.saturating_add(WRITE_EVERY_MS));
            let deadline_ms = relay.deadline_ms().min(write_ms.unwrap_or(u64::MAX));
            if !read(&mut source, relay, waiting, deadline_ms).await {
                break;
            }
        }
        let is_done = relay
            .outcome()
            .is_some_and(|outcome| outcome.end_reason == EndReason::Done);
        if is_done {
            pump::drain(&mut source, waiting).await;
        }
    }

    /// Ends the answer when it is over, or writes to the journal when it is time to.
    fn step(
        &self,
        object: &Object,
        relay: &Relay,
        row: &mut JournalRow,
        written_ms: &mut u64,
    ) -> Result<(), EarlyEnd> {
        if self.cut_to_fit() {
            let ending = Ending::Finished {
                finish_reason: FinishReason::Length,
                usage: relay.usage(),
            };
            return self.end(object, &ending, State::Complete, EndReason::Done);
        }
        if let Some(outcome) = relay.outcome() {
            let (ending, state) = match &outcome.failure {
                Some(failure) => (Ending::Failed(&failure.error), State::Failed),
                None => (
                    Ending::Finished {
                        finish_reason: relay.finish_reason().unwrap_or(FinishReason::Stop),
                        usage: relay.usage(),
                    },
                    State::Complete,
                ),
            };
            return self.end(object, &ending, state, outcome.end_reason);
        }
        let now_ms = js::now_ms();
        let is_pending = !self.pending.borrow().is_empty();
        if is_pending && now_ms >= written_ms.saturating_add(WRITE_EVERY_MS) {
            *written_ms = now_ms;
            self.write_journal(object, row)?;
        }
        Ok(())
    }

    /// Drops the pending pieces that the store has no room for, and those after them; true if there were any.
    fn cut_to_fit(&self) -> bool {
        let mut pending = self.pending.borrow_mut();
        let room = MAX_BYTES.saturating_sub(self.pieces.borrow().as_bytes().len());
        if pending.len() <= room {
            return false;
        }
        let mut fitting = 0;
        let mut rest = pending.as_slice();
        while let Some((_, after)) = split_first(rest) {
            let end = pending.len().saturating_sub(after.len());
            if end > room {
                break;
            }
            fitting = end;
            rest = after;
        }
        pending.truncate(fitting);
        true
    }

    fn take_output(&self, relay: &mut Relay) {
        self.pending.borrow_mut().extend_from_slice(relay.output());
        relay.output_written(js::now_ms());
    }

    /// Writes what is pending, then shows it.
    fn write_journal(&self, object: &Object, row: &mut JournalRow) -> Result<(), EarlyEnd> {
        let pending = self.pending.take();
        let appended = object.store()?.append(self.number, row, &pending);
        appended.map_err(|error| store_failed(&error))?;
        self.pieces.borrow_mut().extend(&pending);
        self.wake_readers();
        Ok(())
    }

    /// Stores how the answer ended, with all of its text, and tells the readers.
    fn end(
        &self,
        object: &Object,
        ending: &Ending<'_>,
        state: State,
        end_reason: EndReason,
    ) -> Result<(), EarlyEnd> {
        let mut pieces = self.pieces.borrow().clone();
        pieces.extend(&self.pending.borrow());
        let fields = self.fields(ending);
        let ended = Ended {
            state,
            ending: &fields,
            pieces: &pieces,
            now_ms: js::now_ms(),
        };
        let stored = object.store()?.end(self.number, &ended);
        stored.map_err(|error| store_failed(&error))?;
        self.pending.take();
        *self.pieces.borrow_mut() = pieces;
        self.ended(ending, state, end_reason);
        Ok(())
    }

    fn ended(&self, ending: &Ending<'_>, state: State, end_reason: EndReason) {
        if let Ending::Finished { finish_reason, .. } = ending {
            self.finish_reason.set(Some(*finish_reason));
        }
        *self.progress.borrow_mut() = Progress::Ended {
            fields: self.fields(ending).into(),
            state,
            end_reason,
        };
        self.wake_readers();
    }

    /// The store has failed: what is not in it is not shown. The ending is the one that the next instance would write, so
    /// it is true even if this one does not live to store it.
    fn lose(&self, object: &Object, exchange: &Exchange, end: &EarlyEnd) {
        if let EarlyEnd::Failed(failure) = end {
            exchange.log_failure(failure, "answer_interrupted");
        }
        self.pending.take();
        let error = ApiError::from(ErrorCode::Interrupted);
        let ending = Ending::Failed(&error);
        object.save_later(Unsaved::Interrupted {
            exchange: self.number,
            pieces: self.pieces.borrow().clone(),
            ending: self.fields(&ending),
        });
        self.ended(&ending, State::Interrupted, EndReason::Interrupted);
    }

    fn fields(&self, ending: &Ending<'_>) -> String {
        format!("{},{}", ending.fields(), self.kept_fields)
    }

    fn wake_readers(&self) {
        let readers = self.readers.borrow().clone();
        for reader in readers {
            task::wake(reader);
        }
    }

    /// The last lines of the answer, whoever read it.
    fn log_complete(&self, exchange: &Exchange, relay: &Relay) {
        if let Some(reason) = relay.unknown_finish_reason() {
            exchange.log(Level::Warning, "unknown_finish_reason", |record| {
                record.text("reason", reason);
            });
        }
        let outcome = relay.outcome();
        if let Some(failure) = outcome.and_then(|outcome| outcome.failure.as_ref()) {
            exchange.log_failure(failure, "error_frame");
        }
        let end_reason = match &*self.progress.borrow() {
            Progress::Failed(error) => EndReason::from(error.code),
            Progress::Ended { end_reason, .. } => *end_reason,
            Progress::Opening | Progress::Streaming => EndReason::Interrupted,
        };
        let completion = Completion {
            ttft_ms: relay
                .first_text_ms()
                .map(|first_ms| first_ms.saturating_sub(exchange.started_ms)),
            chunk_count: relay.text_frame_count(),
            finish_reason: self.finish_reason.get(),
            usage: relay.usage(),
            ..exchange.completion(None, end_reason)
        };
        exchange.log(Level::Info, "answer_complete", |record| {
            record.text("answer_id", self.id.as_str());
            completion.write(record);
        });
    }
}

/// The ending of an answer that its owner stopped.
const STOPPED: Ending<'_> = Ending::Finished {
    finish_reason: FinishReason::Stopped,
    usage: None,
};

/// Takes in the next chunk, or what comes instead of it; false when the answer was stopped.
async fn read(
    source: &mut Source,
    relay: &mut Relay,
    waiting: &mut Waiting,
    deadline_ms: u64,
) -> bool {
    match waiting.until(|| source.read(), deadline_ms).await {
        Ok(Read::Chunk(bytes)) => relay.handle(Input::Chunk(&source.chunk(bytes)), js::now_ms()),
        Ok(Read::End) => relay.handle(Input::End, js::now_ms()),
        Ok(Read::Broken) | Err(Interrupted::Failed(_)) => {
            relay.handle(Input::Broken, js::now_ms());
        }
        Err(Interrupted::TimeIsUp) => relay.handle(Input::Tick, js::now_ms()),
        Err(Interrupted::ClientGone) => return false,
    }
    true
}

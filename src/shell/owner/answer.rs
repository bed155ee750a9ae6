//! An answer as its writer and its readers share it: one that is being written, or one that was read from the store.

use std::cell::{Cell, OnceCell, Ref, RefCell};
use std::rc::Rc;

use web_sys::AbortController;

use super::object::{Object, Unsaved, store_failed};
use super::text::Text;
use crate::api::answer_id::AnswerId;
use crate::api::correlation::CorrelationId;
use crate::api::ending::{EndReason, FinishReason};
use crate::api::error::{ApiError, ErrorCode};
use crate::api::frame::{Ending, kept_fields, model_field, model_in};
use crate::api::request::{ConversationId, Place};
use crate::memory::answer::{Ended, StoredAnswer};
use crate::memory::begin::Begun;
use crate::memory::store::State;
use crate::memory::usage::Running;
use crate::shell::early_end::EarlyEnd;
use crate::shell::runtime::js;
use crate::shell::runtime::task;
use crate::stream::pieces::Pieces;
use crate::stream::seen::Seen;

/// An answer: one that is being written, or one that was read from the store.
pub(super) struct Answer {
    pub(super) id: AnswerId,
    pub(super) conversation_id: ConversationId,
    /// The correlation id of the request that asked, which every frame carries.
    pub(super) asker: CorrelationId,
    /// That of the request; see [`Place`].
    pub(super) fingerprint: String,
    /// The exchange's number in the store.
    pub(super) number: u64,
    /// How many tokens the budget had left when it began.
    pub(super) left: Option<u64>,
    /// The final frame's `turn_id` and `history_turns`.
    kept_fields: String,
    /// The model that answers, where there are fallbacks.
    model: OnceCell<String>,
    progress: RefCell<Progress>,
    /// The final frame's, for the log.
    finish_reason: Cell<Option<FinishReason>>,
    /// What has come of it at upstream so far.
    seen: Cell<Seen>,
    /// Whether a call of upstream is under way, or has become the answer.
    pub(super) is_asking: Cell<bool>,
    text: RefCell<Text>,
    readers: RefCell<Vec<u32>>,
    /// The task that writes it.
    writer: Cell<Option<u32>>,
    /// Closes the call of upstream that is under way, also before its headers.
    call: RefCell<Option<AbortController>>,
}

/// How far an answer is.
#[derive(Clone)]
pub(super) enum Progress {
    /// Upstream has not responded yet.
    Opening,
    /// Upstream failed before its success status, and nothing is kept.
    NeverBegan(ApiError),
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

/// The ending of an answer that its owner stopped.
const STOPPED: Ending<'_> = Ending::Finished {
    finish_reason: FinishReason::Stopped,
    usage: None,
};

impl Answer {
    /// An answer that begins.
    pub(super) fn begin(
        id: AnswerId,
        place: &Place,
        asker: CorrelationId,
        turn_id: &str,
        begun: &Begun,
        left: Option<u64>,
    ) -> Self {
        Self {
            id,
            conversation_id: place.conversation_id.clone(),
            asker,
            fingerprint: place.fingerprint.clone(),
            number: begun.exchange,
            left,
            kept_fields: kept_fields(turn_id, begun.history_turns),
            model: OnceCell::new(),
            progress: RefCell::new(Progress::Opening),
            finish_reason: Cell::new(None),
            seen: Cell::default(),
            is_asking: Cell::default(),
            text: RefCell::default(),
            readers: RefCell::default(),
            writer: Cell::new(None),
            call: RefCell::default(),
        }
    }

    /// An answer that has ended; `None` when what is stored of it is damaged.
    pub(super) fn stored(id: AnswerId, stored: StoredAnswer) -> Option<Self> {
        let fields = stored.ending.unwrap_or_default();
        let end_reason = match stored.state {
            State::Complete => EndReason::Done,
            State::Stopped => EndReason::Stopped,
            State::Interrupted | State::Streaming => EndReason::Interrupted,
            State::Failed => EndReason::of_failed(&fields),
        };
        Some(Self {
            id,
            conversation_id: ConversationId::parse(&stored.conversation_id)?,
            asker: CorrelationId::parse(&stored.correlation_id)?,
            fingerprint: stored.fingerprint,
            number: stored.exchange,
            left: stored.budget_left,
            kept_fields: String::new(),
            model: model_in(&fields).map(OnceCell::from).unwrap_or_default(),
            progress: RefCell::new(Progress::Ended {
                fields: fields.into(),
                state: stored.state,
                end_reason,
            }),
            finish_reason: Cell::new(None),
            seen: Cell::default(),
            is_asking: Cell::default(),
            text: RefCell::new(Text {
                stored: stored.pieces,
                pending: Vec::new(),
            }),
            readers: RefCell::default(),
            writer: Cell::new(None),
            call: RefCell::default(),
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

    /// The final frame's, for the log.
    pub(super) fn finish_reason(&self) -> Option<FinishReason> {
        self.finish_reason.get()
    }

    /// What may be shown so far.
    pub(super) fn pieces(&self) -> Ref<'_, Pieces> {
        Ref::map(self.text.borrow(), |text| &text.stored)
    }

    /// Has a task polled whenever there is more to read.
    pub(super) fn add_reader(&self, task: u32) {
        self.readers.borrow_mut().push(task);
    }

    pub(super) fn remove_reader(&self, task: u32) {
        self.readers.borrow_mut().retain(|reader| *reader != task);
    }

    fn wake_readers(&self) {
        let readers = self.readers.borrow().clone();
        for reader in readers {
            task::wake(reader);
        }
    }

    /// The model that answers, where there are fallbacks.
    pub(super) fn model(&self) -> Option<&str> {
        self.model.get().map(String::as_str)
    }

    /// Says which model answers. The final frame tells it.
    pub(super) fn set_model(&self, model: &str) {
        self.model.get_or_init(|| model.to_owned());
    }

    /// Upstream's answer has begun.
    pub(super) fn begin_streaming(&self) {
        if self.state().is_none() {
            *self.progress.borrow_mut() = Progress::Streaming;
            self.wake_readers();
        }
    }

    /// Keeps what has come of it at upstream so far.
    pub(super) fn set_seen(&self, seen: Seen) {
        self.seen.set(seen);
    }

    /// What has come of it at upstream, unless that has refused it. While a call is under way, it may have begun.
    pub(super) fn seen(&self) -> Option<Seen> {
        self.is_asking.get().then(|| self.seen.get())
    }

    /// What it counts with as far as it has come.
    pub(super) fn running(&self) -> Running {
        Running {
            exchange: self.number,
            seen: self.seen(),
        }
    }

    /// Adds pieces, which may not be shown yet.
    pub(super) fn add(&self, pieces: &[u8]) {
        self.text.borrow_mut().pending.extend_from_slice(pieces);
    }

    pub(super) fn has_pending(&self) -> bool {
        !self.text.borrow().pending.is_empty()
    }

    pub(super) fn take_pending(&self) -> Vec<u8> {
        std::mem::take(&mut self.text.borrow_mut().pending)
    }

    /// Shows pieces, which are in the store.
    pub(super) fn show(&self, pieces: &[u8]) {
        self.text.borrow_mut().stored.extend(pieces);
        self.wake_readers();
    }

    /// See [`Text::cut_to_fit`].
    pub(super) fn cut_to_fit(&self) -> bool {
        self.text.borrow_mut().cut_to_fit()
    }

    /// Ends the answer because its owner wants no more of it. This is stored before anything else happens.
    pub(super) fn stop(&self, object: &Object) -> Result<(), EarlyEnd> {
        if self.state().is_none() {
            self.store_ending(object, &STOPPED, State::Stopped, EndReason::Stopped)?;
            self.release();
        }
        Ok(())
    }

    /// Ends the answer without keeping it: its conversation is deleted.
    pub(super) fn discard(&self) {
        self.show_ending(&STOPPED, State::Stopped, EndReason::Stopped);
        self.release();
    }

    /// Has the writer leave upstream.
    pub(super) fn release(&self) {
        if let Some(call) = self.call.take() {
            call.abort();
        }
        if let Some(writer) = self.writer.get() {
            task::interrupt(writer);
        }
    }

    /// A task writes it from now on.
    pub(super) fn set_writer(&self, writer: u32) {
        self.writer.set(Some(writer));
    }

    /// The writer calls upstream. An object goes on, so unlike that of a request its end does not close the call.
    pub(super) fn begin_call(&self, aborter: Option<AbortController>) -> Option<AbortController> {
        self.call.borrow_mut().clone_from(&aborter);
        aborter
    }

    /// Stores how the answer ended, with all of its text, and tells the readers.
    pub(super) fn store_ending(
        &self,
        object: &Object,
        ending: &Ending<'_>,
        state: State,
        end_reason: EndReason,
    ) -> Result<(), EarlyEnd> {
        let pieces = self.text.borrow().whole();
        let fields = self.fields(ending, end_reason);
        let ended = Ended {
            state,
            ending: &fields,
            pieces: &pieces,
            seen: self.seen(),
            now_ms: js::now_ms(),
        };
        let stored = object.store()?.end(self.number, &ended);
        stored.map_err(store_failed)?;
        *self.text.borrow_mut() = Text {
            stored: pieces,
            pending: Vec::new(),
        };
        self.show_ending(ending, state, end_reason);
        Ok(())
    }

    /// Ends the answer because the store has failed. The ending is the one that the next instance would write, so it is
    /// true even if this one does not live to store it.
    pub(super) fn lose(&self, object: &Object) {
        self.take_pending();
        let error = ApiError::from(ErrorCode::Interrupted);
        let ending = Ending::Failed(&error);
        object.save_later(Unsaved::Interrupted {
            exchange: self.number,
            pieces: self.pieces().clone(),
            ending: self.fields(&ending, EndReason::Interrupted),
            seen: self.seen(),
            now_ms: js::now_ms(),
        });
        self.show_ending(&ending, State::Interrupted, EndReason::Interrupted);
    }

    /// Nothing comes of the answer.
    pub(super) fn give_up(&self, error: ApiError) {
        *self.progress.borrow_mut() = Progress::NeverBegan(error);
        self.wake_readers();
    }

    fn show_ending(&self, ending: &Ending<'_>, state: State, end_reason: EndReason) {
        if let Ending::Finished { finish_reason, .. } = ending {
            self.finish_reason.set(Some(*finish_reason));
        }
        *self.progress.borrow_mut() = Progress::Ended {
            fields: self.fields(ending, end_reason).into(),
            state,
            end_reason,
        };
        self.wake_readers();
    }

    fn fields(&self, ending: &Ending<'_>, end_reason: EndReason) -> String {
        let mut fields = vec![ending.fields()];
        // An instance that ends an answer of an earlier one knows it only if something is kept.
        if end_reason != EndReason::Interrupted || self.pieces().count() > 0 {
            fields.extend(self.model().map(model_field));
        }
        fields.push(self.kept_fields.clone());
        fields.join(",")
    }
}

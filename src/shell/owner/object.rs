//! An owner's object, as what runs in it sees it: its store, its log, its life.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use uuid::Uuid;
use wasm_bindgen::JsValue;
use worker::worker_sys::Context;

use super::storage::Storage;
use crate::api::error::ErrorCode;
use crate::memory::answer::Ended;
use crate::memory::recovery::Recovered;
use crate::memory::schema::OpenError;
use crate::memory::spent::Spent;
use crate::memory::store::{State, Store};
use crate::openai::failure::Failure;
use crate::shell::early_end::EarlyEnd;
use crate::shell::isolate::Isolate;
use crate::shell::runtime::wait::Waiting;
use crate::shell::runtime::{js, task};
use crate::stream::pieces::Pieces;
use crate::stream::seen::Seen;
use crate::telemetry::record::Level;

/// One owner's object.
pub(super) struct Object {
    pub(super) context: Context,
    pub(super) isolate: Rc<Isolate>,
    pub(super) storage: Storage,
    /// Opened by the first request of this instance.
    store: RefCell<Option<Rc<Store<Storage>>>>,
    /// What the store has failed to take in.
    unsaved: RefCell<Vec<Unsaved>>,
    /// Whether the answers of earlier instances have their endings.
    is_recovered: Cell<bool>,
}

/// What became of an answer, when the store has failed to take it in.
pub(super) enum Unsaved {
    /// It is interrupted, and has this text and ending.
    Interrupted {
        exchange: u64,
        pieces: Pieces,
        ending: String,
        seen: Option<Seen>,
        now_ms: u64,
    },
    /// A model has sold this and failed before it began.
    Sold {
        model: String,
        spent: Spent,
        now_ms: u64,
    },
    /// It never began.
    Forgotten { exchange: u64 },
}

impl Object {
    pub(super) fn new(context: Context, isolate: Rc<Isolate>) -> Self {
        Self {
            storage: Storage::of(&context),
            context,
            isolate,
            store: RefCell::new(None),
            unsaved: RefCell::default(),
            is_recovered: Cell::new(false),
        }
    }

    /// The store. Opening one that exists writes nothing: a write that a full disk refuses would end the object, and what
    /// is kept must stay readable.
    pub(super) fn store(&self) -> Result<Rc<Store<Storage>>, EarlyEnd> {
        let opened = self.store.borrow().clone();
        opened.map_or_else(|| self.open(), Ok)
    }

    /// The store, once it has the ending of every answer that does not run any more. Until then none may begin.
    pub(super) fn store_with_endings(&self) -> Result<Rc<Store<Storage>>, EarlyEnd> {
        let store = self.store()?;
        if !self.is_recovered.get() {
            self.recover(&store).map_err(store_failed)?;
        }
        self.save(&store).map_err(store_failed)?;
        Ok(store)
    }

    /// Whether every answer that does not run any more has its ending.
    pub(super) fn is_recovered(&self) -> bool {
        self.is_recovered.get()
    }

    /// Has the store take something in as soon as it can. If this instance dies before, the next one does the same.
    pub(super) fn save_later(&self, unsaved: Unsaved) {
        self.unsaved.borrow_mut().push(unsaved);
    }

    /// Has the store take in what it has failed to take in before, in the same order.
    pub(super) fn save(&self, store: &Store<Storage>) -> Result<(), JsValue> {
        let mut unsaved = self.unsaved.borrow_mut();
        while let Some(next) = unsaved.first() {
            next.save(store)?;
            unsaved.remove(0);
        }
        Ok(())
    }

    /// Opens the store.
    fn open(&self) -> Result<Rc<Store<Storage>>, EarlyEnd> {
        let opened = Store::open(self.storage.clone());
        let store = opened.map_err(|error| match error {
            OpenError::Database(error) => store_failed(error),
            OpenError::Newer { .. } => EarlyEnd::Failed(Failure::new(
                ErrorCode::StoreUnavailable,
                "a newer version of this program has written the conversations",
            )),
        })?;
        let store = Rc::new(store.telling_models(self.isolate.has_fallbacks()));
        *self.store.borrow_mut() = Some(Rc::clone(&store));
        Ok(store)
    }

    /// Ends every answer that an instance before this one left unfinished.
    fn recover(&self, store: &Store<Storage>) -> Result<(), JsValue> {
        let mut interrupted = Vec::new();
        let recovered = store.recover(js::now_ms(), &mut interrupted);
        self.is_recovered.set(recovered.is_ok());
        if !interrupted.is_empty() {
            self.log_interrupted(interrupted);
        }
        recovered
    }

    /// Writes the last line of answers that a dead instance left unfinished, once their endings are safe: otherwise the
    /// next instance writes it.
    fn log_interrupted(&self, interrupted: Vec<Recovered>) {
        let (storage, isolate) = (self.storage.clone(), Rc::clone(&self.isolate));
        task::spawn(|inbox| async move {
            if !storage.confirmed(&mut Waiting::without_client(inbox)).await {
                return;
            }
            for ended in interrupted {
                isolate.log.write(
                    Level::Warning,
                    "answer_complete",
                    Some(&ended.correlation_id),
                    |record| {
                        record
                            .text("answer_id", &ended.answer_id)
                            .word("status", "error")
                            .word("end_reason", "interrupted")
                            .number("chunk_count", ended.piece_count);
                    },
                );
            }
        });
    }
}

impl Unsaved {
    /// Has the store take it in.
    pub(super) fn save(&self, store: &Store<Storage>) -> Result<(), JsValue> {
        match self {
            Self::Interrupted {
                exchange,
                pieces,
                ending,
                seen,
                now_ms,
            } => {
                let ended = Ended {
                    state: State::Interrupted,
                    ending,
                    pieces,
                    seen: *seen,
                    now_ms: *now_ms,
                };
                store.end(*exchange, &ended).map(|_| ())
            }
            Self::Sold {
                model,
                spent,
                now_ms,
            } => store.count_sold(model, *spent, *now_ms),
            Self::Forgotten { exchange } => store.forget_exchange(*exchange),
        }
    }
}

/// A failure of the store.
pub(super) fn store_failed(error: impl AsRef<JsValue>) -> EarlyEnd {
    EarlyEnd::Failed(Failure::new(
        ErrorCode::StoreUnavailable,
        js::error_text(error.as_ref()),
    ))
}

/// A fresh id.
pub(super) fn fresh_id() -> String {
    Uuid::new_v4().to_string()
}

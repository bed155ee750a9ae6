//! What an object holds in memory: its store, and the answers that are being written.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use uuid::Uuid;
use wasm_bindgen::JsValue;
use worker::worker_sys::Context;

use super::answer::Answer;
use super::storage::Storage;
use crate::api::answer_id::AnswerId;
use crate::api::error::ErrorCode;
use crate::memory::schema::OpenError;
use crate::memory::store::Store;
use crate::openai::failure::Failure;
use crate::shell::early_end::EarlyEnd;
use crate::shell::isolate::Isolate;
use crate::shell::runtime::js;
use crate::telemetry::record::Level;

/// While an answer runs, the object is woken after this time, in milliseconds: if the process has died by then, the
/// answer gets its ending even when nobody asks for it. On a bare runtime it also keeps the object alive without readers.
const WATCH_MS: u64 = 20_000;

/// A day, in milliseconds.
const DAY_MS: u64 = 86_400_000;

/// Most conversations that are forgotten in one go.
const MAX_EXPIRED: u64 = 100;

/// How soon the next ones are forgotten, in milliseconds.
const EXPIRE_AGAIN_MS: u64 = 1_000;

/// One owner's object.
pub(super) struct Object {
    pub(super) context: Context,
    pub(super) isolate: Rc<Isolate>,
    storage: Storage,
    /// Opened by the first request of this instance.
    store: RefCell<Option<Rc<Store<Storage>>>>,
    /// The answers that are being written, by id.
    running: RefCell<BTreeMap<AnswerId, Rc<Answer>>>,
    /// Whether the alarm is set because an answer runs.
    is_watched: Cell<bool>,
}

impl Object {
    pub(super) fn new(context: Context, isolate: Rc<Isolate>) -> Self {
        Self {
            storage: Storage::of(&context),
            context,
            isolate,
            store: RefCell::new(None),
            running: RefCell::default(),
            is_watched: Cell::new(false),
        }
    }

    /// The store. Opening it ends every answer that an instance before this one left unfinished.
    pub(super) fn store(&self) -> Result<Rc<Store<Storage>>, EarlyEnd> {
        if let Some(store) = &*self.store.borrow() {
            return Ok(Rc::clone(store));
        }
        let opened = Store::open(self.storage.clone(), js::now_ms());
        let (store, interrupted) = opened.map_err(|error| match error {
            OpenError::Database(error) => store_failed(&error),
            OpenError::Newer { found, known } => {
                let cause = format!("the schema is {found}, this program knows up to {known}");
                EarlyEnd::Failed(Failure::new(ErrorCode::StoreUnavailable, cause))
            }
        })?;
        for ended in interrupted {
            self.isolate.log.write(
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
        let store = Rc::new(store);
        *self.store.borrow_mut() = Some(Rc::clone(&store));
        Ok(store)
    }

    /// An answer that is being written.
    pub(super) fn running(&self, id: &AnswerId) -> Option<Rc<Answer>> {
        self.running.borrow().get(id).cloned()
    }

    pub(super) fn running_count(&self) -> usize {
        self.running.borrow().len()
    }

    /// The answers that are being written, of one conversation or of all.
    pub(super) fn running_in(&self, conversation_id: Option<&str>) -> Vec<Rc<Answer>> {
        let running = self.running.borrow();
        let wanted = |answer: &&Rc<Answer>| {
            conversation_id.is_none_or(|id| answer.conversation_id.as_str() == id)
        };
        running.values().filter(wanted).cloned().collect()
    }

    pub(super) fn add(&self, answer: &Rc<Answer>) {
        self.running
            .borrow_mut()
            .insert(answer.id.clone(), Rc::clone(answer));
        if !self.is_watched.replace(true) {
            self.storage
                .set_alarm(js::now_ms().saturating_add(WATCH_MS));
        }
    }

    pub(super) fn remove(&self, id: &AnswerId) {
        self.running.borrow_mut().remove(id);
    }

    /// The alarm: ends what a dead process left unfinished, forgets what is too old, and sets the next alarm.
    pub(super) fn wake(&self) {
        let now_ms = js::now_ms();
        let next_ms = self.expire(now_ms);
        let is_running = !self.running.borrow().is_empty();
        self.is_watched.set(is_running);
        let watch_ms = is_running.then(|| now_ms.saturating_add(WATCH_MS));
        if let Some(at_ms) = watch_ms.into_iter().chain(next_ms).min() {
            self.storage.set_alarm(at_ms);
        }
    }

    /// Forgets conversations that were not touched for `CONVERSATION_DAYS`; when the next ones are due.
    fn expire(&self, now_ms: u64) -> Option<u64> {
        let store = self.store().ok()?;
        let days = self.isolate.config.as_ref().ok()?.kept.days?;
        let age_ms = DAY_MS.saturating_mul(u64::from(days));
        let expired = store.expire(now_ms.saturating_sub(age_ms), MAX_EXPIRED);
        match expired {
            Ok(count) if count == MAX_EXPIRED => Some(now_ms.saturating_add(EXPIRE_AGAIN_MS)),
            Ok(_) => {
                let oldest_ms = store.oldest_update().ok()??;
                Some(
                    oldest_ms
                        .saturating_add(age_ms)
                        .max(now_ms.saturating_add(EXPIRE_AGAIN_MS)),
                )
            }
            Err(_) => Some(now_ms.saturating_add(WATCH_MS)),
        }
    }
}

/// A failure of the store.
pub(super) fn store_failed(error: &JsValue) -> EarlyEnd {
    EarlyEnd::Failed(Failure::new(
        ErrorCode::StoreUnavailable,
        js::error_text(error),
    ))
}

/// A fresh id.
pub(super) fn fresh_id() -> String {
    Uuid::new_v4().to_string()
}

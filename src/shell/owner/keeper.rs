//! Who keeps an owner's answers: those that are being written, and the alarm that watches over them.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};

use wasm_bindgen::JsValue;

use super::answer::Answer;
use super::object::{Object, store_failed};
use crate::api::answer_id::AnswerId;
use crate::shell::early_end::EarlyEnd;
use crate::shell::runtime::js;

/// While an answer runs, the object is woken after this time, in milliseconds: if the process has died by then, the
/// answer gets its ending even when nobody asks for it. On a bare runtime it also keeps the object alive without readers.
const WATCH_MS: u64 = 20_000;

/// A day, in milliseconds.
const DAY_MS: u64 = 86_400_000;

/// Most conversations that are forgotten in one go.
const MAX_EXPIRED: u64 = 100;

/// How soon the store is tried again when it has failed, in milliseconds.
const RETRY_MS: u64 = 600_000;

/// How soon the next ones are forgotten, in milliseconds.
const EXPIRE_AGAIN_MS: u64 = 1_000;

/// The keeper of one object.
pub(super) struct Keeper {
    pub(super) object: Rc<Object>,
    /// The answers that are being written, and those that have just ended.
    answers: RefCell<Vec<Rc<Answer>>>,
    /// Answers of the store that somebody reads: all of their readers share one.
    shared: RefCell<Vec<Weak<Answer>>>,
    /// Whether the alarm is set because an answer runs.
    is_watched: Cell<bool>,
}

impl Keeper {
    pub(super) fn of(object: Object) -> Self {
        Self {
            object: Rc::new(object),
            answers: RefCell::default(),
            shared: RefCell::default(),
            is_watched: Cell::new(false),
        }
    }

    /// An answer that is being written.
    pub(super) fn running(&self, id: &AnswerId) -> Option<Rc<Answer>> {
        self.all_running()
            .into_iter()
            .find(|answer| answer.id == *id)
    }

    pub(super) fn running_count(&self) -> usize {
        self.all_running().len()
    }

    /// The answers of a conversation that are being written.
    pub(super) fn running_in(&self, conversation_id: &str) -> Vec<Rc<Answer>> {
        let mut running = self.all_running();
        running.retain(|answer| answer.conversation_id.as_str() == conversation_id);
        running
    }

    /// All answers that are being written.
    pub(super) fn all_running(&self) -> Vec<Rc<Answer>> {
        let answers = self.answers.borrow();
        let running = answers.iter().filter(|answer| answer.is_running());
        running.cloned().collect()
    }

    /// An answer of the store that somebody reads, by its exchange's number: an id may come again after a deletion.
    pub(super) fn shared(&self, number: u64) -> Option<Rc<Answer>> {
        let shared = self.shared.borrow();
        let mut answers = shared.iter().filter_map(Weak::upgrade);
        answers.find(|answer| answer.number == number)
    }

    /// Has later readers share an answer of the store.
    pub(super) fn share(&self, answer: &Rc<Answer>) {
        let mut shared = self.shared.borrow_mut();
        shared.retain(|answer| answer.strong_count() > 0);
        shared.push(Rc::downgrade(answer));
    }

    /// Watches over an answer that begins.
    pub(super) fn add(&self, answer: &Rc<Answer>) {
        self.answers.borrow_mut().push(Rc::clone(answer));
        if !self.is_watched.replace(true) {
            let at_ms = js::now_ms().saturating_add(WATCH_MS);
            self.object.storage.set_alarm(at_ms);
        }
    }

    /// An answer has ended, and nothing more is to be done for it.
    pub(super) fn remove(&self, id: &AnswerId) {
        let mut answers = self.answers.borrow_mut();
        answers.retain(|answer| answer.id != *id || answer.is_running());
    }

    /// The alarm: ends what a dead process left unfinished, forgets what is too old, and sets the next alarm.
    pub(super) fn wake(&self) {
        let now_ms = js::now_ms();
        let retry_ms = now_ms.saturating_add(RETRY_MS);
        let expired = self.expire(now_ms);
        let is_behind = expired.is_err() || self.object.is_behind();
        let next_ms = expired.ok().flatten();
        let next_ms = next_ms
            .into_iter()
            .chain(is_behind.then_some(retry_ms))
            .min();
        let is_running = self.running_count() > 0;
        self.is_watched.set(is_running);
        let watch_ms = is_running.then(|| now_ms.saturating_add(WATCH_MS));
        if let Some(at_ms) = watch_ms.into_iter().chain(next_ms).min() {
            self.object.storage.set_alarm(at_ms);
        }
    }

    /// Forgets conversations that were not touched for `CONVERSATION_DAYS`; when the next ones are due.
    fn expire(&self, now_ms: u64) -> Result<Option<u64>, EarlyEnd> {
        // Opening it ends what a dead process left unfinished.
        let store = self.object.store()?;
        let config = self.object.isolate.config.as_ref();
        let Some(days) = config.ok().and_then(|config| config.kept.days) else {
            return Ok(None);
        };
        let age_ms = DAY_MS.saturating_mul(u64::from(days));
        let soon_ms = now_ms.saturating_add(EXPIRE_AGAIN_MS);
        let failed = |error: JsValue| store_failed(&error);
        let expired = store.expire(now_ms.saturating_sub(age_ms), MAX_EXPIRED);
        if expired.map_err(failed)? == MAX_EXPIRED {
            return Ok(Some(soon_ms));
        }
        let oldest_ms = store.oldest_update().map_err(failed)?;
        Ok(oldest_ms.map(|oldest_ms| oldest_ms.saturating_add(age_ms).max(soon_ms)))
    }
}

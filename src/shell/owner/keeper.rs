//! Looks after an owner's object: the answers in motion, the alarm that watches over them, and what has grown too old.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};

use super::answer::Answer;
use super::object::{Object, store_failed};
use super::storage::Storage;
use crate::api::answer_id::AnswerId;
use crate::memory::store::Store;
use crate::shell::early_end::EarlyEnd;
use crate::shell::runtime::wait::Waiting;
use crate::shell::runtime::{js, task};
use crate::time::DAY_MS;

/// While an answer runs, the object is woken after this time, in milliseconds: if the process has died by then, the
/// answer gets its ending even when nobody asks for it. On a bare runtime it also keeps the object alive without readers.
const WATCH_MS: u64 = 20_000;

/// Most conversations that are forgotten in one go.
const MAX_EXPIRED: u64 = 100;

/// How soon the store is tried again after it has failed, in milliseconds.
const AFTER_FAILURE_MS: u64 = 600_000;

/// How soon a trouble that lasts is logged again, in milliseconds.
const LOG_AGAIN_MS: u64 = 600_000;

/// How soon the next ones are forgotten, in milliseconds.
const BETWEEN_EXPIRIES_MS: u64 = 1_000;

/// How soon an alarm that could not be set is tried again, in milliseconds.
const AFTER_LOST_ALARM_MS: u64 = 10_000;

/// How soon an object writes of its own accord again when that was not known to be safe, in milliseconds.
const AFTER_UNSAFE_WRITE_MS: u64 = 60_000;

/// How long after a request the store is put in order, in milliseconds: if a full disk then ends the object, the request
/// was answered.
const AFTER_REQUEST_MS: u64 = 1_000;

/// The keeper of one object.
pub(super) struct Keeper {
    pub(super) object: Rc<Object>,
    /// The answers that are being written, and those that have just ended.
    answers: RefCell<Vec<Rc<Answer>>>,
    /// Answers of the store that somebody reads: all of their readers share one.
    shared: RefCell<Vec<Weak<Answer>>>,
    /// When the alarm goes off, or the next request does its work if it has not; `u64::MAX` when nothing is due. Zero
    /// until this instance knows.
    due_ms: Cell<u64>,
    /// Whether [`Keeper::wake`] runs in a moment, whatever the alarm does.
    is_about_to_wake: Cell<bool>,
    last_trouble: RefCell<LastTrouble>,
}

/// The trouble with the store that was logged last.
#[derive(Default)]
struct LastTrouble {
    cause: String,
    at_ms: u64,
}

impl Keeper {
    pub(super) fn of(object: Object) -> Self {
        Self {
            object: Rc::new(object),
            answers: RefCell::default(),
            shared: RefCell::default(),
            due_ms: Cell::new(0),
            is_about_to_wake: Cell::new(false),
            last_trouble: RefCell::default(),
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
    pub(super) fn add(self: &Rc<Self>, answer: &Rc<Answer>) {
        self.answers.borrow_mut().push(Rc::clone(answer));
        let now_ms = js::now_ms();
        let watch_ms = now_ms.saturating_add(WATCH_MS);
        if !(now_ms..=watch_ms).contains(&self.due_ms.get()) {
            self.set_alarm(watch_ms);
        }
    }

    /// An answer has ended, and nothing more is to be done for it.
    pub(super) fn remove(&self, id: &AnswerId) {
        let mut answers = self.answers.borrow_mut();
        answers.retain(|answer| answer.id != *id || answer.is_running());
    }

    /// Runs before each request: saves what could not be saved, and does what is overdue, since the alarm may have failed
    /// or the configuration changed.
    pub(super) fn attend(self: &Rc<Self>) {
        let Ok(store) = self.object.store() else {
            return;
        };
        // If this fails, the alarm tries it again.
        self.object.save(&store).unwrap_or_default();
        let now_ms = js::now_ms();
        if now_ms < self.due_ms.get() || self.is_about_to_wake.replace(true) {
            return;
        }
        // A full disk ends the object that writes. The next one leaves that alone for a while, so that it lives to be read.
        let again_ms = self
            .object
            .storage
            .tried_ms()
            .saturating_add(AFTER_UNSAFE_WRITE_MS);
        let delay_ms = AFTER_REQUEST_MS.max(again_ms.saturating_sub(now_ms));
        let keeper = Rc::clone(self);
        task::spawn(|inbox| async move {
            let mut waiting = Waiting::without_client(inbox);
            waiting.pause(delay_ms).await;
            keeper.wake();
        });
        if now_ms >= again_ms {
            // What is too old is not shown even once. What fails is tried again, and told, a moment later.
            self.expire(&store, now_ms).ok();
        }
    }

    /// Gives answers that a dead process left unfinished their endings at once, so that they are counted. The object is left
    /// alone for a while if such a write may have ended it.
    pub(super) fn end_unfinished(&self) {
        let storage = &self.object.storage;
        let now_ms = js::now_ms();
        let again_ms = storage.tried_ms().saturating_add(AFTER_UNSAFE_WRITE_MS);
        if !self.object.is_recovered() && now_ms >= again_ms {
            storage.note_try(now_ms);
            // What fails is tried again, and told, a moment later.
            self.object.store_with_endings().ok();
        }
    }

    /// The alarm: ends what a dead process left unfinished, forgets what is too old, and sets the next alarm.
    pub(super) fn wake(self: &Rc<Self>) {
        let now_ms = js::now_ms();
        self.is_about_to_wake.set(false);
        self.object.storage.note_try(now_ms);
        let store = self.object.store_with_endings();
        let next_ms = match store.and_then(|store| self.expire(&store, now_ms)) {
            Ok(next_ms) => next_ms,
            Err(end) => {
                self.log_trouble(end);
                Some(now_ms.saturating_add(AFTER_FAILURE_MS))
            }
        };
        let is_running = self.running_count() > 0;
        let watch_ms = is_running.then(|| now_ms.saturating_add(WATCH_MS));
        match watch_ms.into_iter().chain(next_ms).min() {
            Some(at_ms) => self.set_alarm(at_ms),
            None => self.due_ms.set(u64::MAX),
        }
        let storage = self.object.storage.clone();
        task::spawn(|inbox| async move {
            let mut waiting = Waiting::without_client(inbox);
            storage.confirm_try(&mut waiting).await;
        });
    }

    /// Sets the alarm, and tries it again while it cannot be set.
    fn set_alarm(self: &Rc<Self>, at_ms: u64) {
        self.due_ms.set(at_ms);
        let keeper = Rc::clone(self);
        task::spawn(|inbox| async move {
            let mut waiting = Waiting::without_client(inbox);
            let set = keeper.object.storage.set_alarm(at_ms, &mut waiting).await;
            let Err(error) = set else {
                return;
            };
            keeper.due_ms.set(0);
            keeper.log_trouble(store_failed(error));
            waiting.pause(AFTER_LOST_ALARM_MS).await;
            keeper.attend();
        });
    }

    /// Logs why the store cannot be kept in order; a cause that lasts, once in a while.
    fn log_trouble(&self, end: EarlyEnd) {
        let EarlyEnd::Failed(failure) = end else {
            return;
        };
        let now_ms = js::now_ms();
        let mut last = self.last_trouble.borrow_mut();
        if last.cause != failure.cause || now_ms >= last.at_ms.saturating_add(LOG_AGAIN_MS) {
            let log = &self.object.isolate.log;
            log.write_failure(None, &failure, "try_again_later");
            *last = LastTrouble {
                cause: failure.cause,
                at_ms: now_ms,
            };
        }
    }

    /// Forgets conversations that were not touched for `CONVERSATION_DAYS`; when the next ones are due.
    fn expire(&self, store: &Store<Storage>, now_ms: u64) -> Result<Option<u64>, EarlyEnd> {
        let config = self.object.isolate.config.as_ref();
        let Some(days) = config.ok().and_then(|config| config.kept.days) else {
            return Ok(None);
        };
        let age_ms = DAY_MS.saturating_mul(u64::from(days));
        let soon_ms = now_ms.saturating_add(BETWEEN_EXPIRIES_MS);
        let due_ms = |oldest_ms: u64| oldest_ms.saturating_add(age_ms);
        let next_ms = store.oldest_update().map_err(store_failed)?.map(due_ms);
        if next_ms.is_none_or(|next_ms| next_ms >= now_ms) {
            return Ok(next_ms);
        }
        self.object.storage.note_try(now_ms);
        let expired = store.expire(now_ms.saturating_sub(age_ms), MAX_EXPIRED);
        if expired.map_err(store_failed)? == MAX_EXPIRED {
            return Ok(Some(soon_ms));
        }
        let next_ms = store.oldest_update().map_err(store_failed)?.map(due_ms);
        Ok(next_ms.map(|next_ms| next_ms.max(soon_ms)))
    }
}

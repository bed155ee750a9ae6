//! Who keeps an owner's answers: those that are being written, and the alarm that watches over them.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use super::answer::Answer;
use super::object::Object;
use crate::api::answer_id::AnswerId;
use crate::shell::runtime::js;

/// While an answer runs, the object is woken after this time, in milliseconds: if the process has died by then, the
/// answer gets its ending even when nobody asks for it. On a bare runtime it also keeps the object alive without readers.
const WATCH_MS: u64 = 20_000;

/// A day, in milliseconds.
const DAY_MS: u64 = 86_400_000;

/// Most conversations that are forgotten in one go.
const MAX_EXPIRED: u64 = 100;

/// How soon the next ones are forgotten, in milliseconds.
const EXPIRE_AGAIN_MS: u64 = 1_000;

/// The keeper of one object.
pub(super) struct Keeper {
    pub(super) object: Rc<Object>,
    /// The answers that are being written, and those that have just ended.
    answers: RefCell<Vec<Rc<Answer>>>,
    /// Whether the alarm is set because an answer runs.
    is_watched: Cell<bool>,
}

impl Keeper {
    pub(super) fn of(object: Object) -> Self {
        Self {
            object: Rc::new(object),
            answers: RefCell::default(),
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
        let next_ms = self.expire(now_ms);
        let is_running = self.running_count() > 0;
        self.is_watched.set(is_running);
        let watch_ms = is_running.then(|| now_ms.saturating_add(WATCH_MS));
        if let Some(at_ms) = watch_ms.into_iter().chain(next_ms).min() {
            self.object.storage.set_alarm(at_ms);
        }
    }

    /// Forgets conversations that were not touched for `CONVERSATION_DAYS`; when the next ones are due.
    fn expire(&self, now_ms: u64) -> Option<u64> {
        let store = self.object.store().ok()?;
        let days = self.object.isolate.config.as_ref().ok()?.kept.days?;
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

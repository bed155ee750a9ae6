//! A timer that is armed again only when it has gone off, or has to go off sooner.

use std::rc::Rc;

use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

use super::inbox::Inbox;
use super::js;

/// Longest delay that is waited for at once, in milliseconds. It is short enough that the deadlines of a
/// stream seldom come before it, for arming the timer anew costs more than letting it go off in vain.
pub(super) const MAX_DELAY_MS: u64 = 10_000;

#[wasm_bindgen(module = "/src/shell/request.js")]
extern "C" {
    /// The runtime refuses a timer only to a request that has ended.
    #[wasm_bindgen(catch, js_name = startTimer)]
    fn start_timer(delay_ms: i32, task: u32) -> Result<i32, JsValue>;

    #[wasm_bindgen(catch, js_name = stopTimer)]
    fn stop_timer(id: i32) -> Result<(), JsValue>;
}

/// One timer for all deadlines of a request. A deadline that moves on, as it does with every token, costs
/// nothing: the timer goes off at the first one and is then armed for the one that is due.
pub(super) struct Timer {
    inbox: Rc<Inbox>,
    armed: Option<Armed>,
}

struct Armed {
    due_ms: u64,
    id: i32,
}

impl Timer {
    pub(super) fn new(inbox: Rc<Inbox>) -> Self {
        Self { inbox, armed: None }
    }

    /// Whether `deadline_ms` has come. If not, the task is woken by then.
    pub(super) fn is_due(&mut self, deadline_ms: u64) -> bool {
        let goes_off_in_time = self
            .armed
            .as_ref()
            .is_some_and(|armed| armed.due_ms <= deadline_ms);
        if goes_off_in_time && !self.inbox.is_time.get() {
            return false;
        }
        let now_ms = js::now_ms();
        if now_ms >= deadline_ms {
            return true;
        }
        self.arm(now_ms, deadline_ms);
        false
    }

    fn arm(&mut self, now_ms: u64, deadline_ms: u64) {
        self.disarm();
        let delay_ms = deadline_ms.saturating_sub(now_ms).min(MAX_DELAY_MS);
        let id = start_timer(i32::try_from(delay_ms).unwrap_or(i32::MAX), self.inbox.task);
        self.armed = id.ok().map(|id| Armed {
            due_ms: now_ms.saturating_add(delay_ms),
            id,
        });
    }

    fn disarm(&mut self) {
        self.inbox.is_time.set(false);
        if let Some(armed) = self.armed.take() {
            // A timer that goes off all the same wakes a task for nothing.
            stop_timer(armed.id).unwrap_or_default();
        }
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        self.disarm();
    }
}

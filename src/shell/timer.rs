//! A timer that is armed again only when it has gone off, or has to go off sooner.

use std::cell::Cell;
use std::rc::Rc;
use std::task::{Context, Poll};

use futures::task::AtomicWaker;
use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::Closure;

use super::js;

/// Longest delay that is waited for at once, in milliseconds. It is short enough that the deadlines of a
/// stream seldom come before it, for arming the timer anew costs more than letting it go off in vain.
pub(super) const MAX_DELAY_MS: u64 = 10_000;

/// No deadline.
pub(super) const NEVER_MS: u64 = u64::MAX;

/// One timer for all deadlines of a request. A deadline that moves on, as it does with every token, costs
/// nothing: the timer goes off at the first one and is then armed for the one that is due.
pub(super) struct Timer {
    alarm: Rc<Alarm>,
    on_time: Closure<dyn FnMut()>,
    armed: Option<Armed>,
}

#[derive(Default)]
struct Alarm {
    has_gone_off: Cell<bool>,
    waker: AtomicWaker,
}

struct Armed {
    due_ms: u64,
    id: i32,
}

impl Timer {
    pub(super) fn new() -> Self {
        let alarm = Rc::new(Alarm::default());
        let on_time = Closure::new({
            let alarm = Rc::clone(&alarm);
            move || {
                alarm.has_gone_off.set(true);
                alarm.waker.wake();
            }
        });
        Self {
            alarm,
            on_time,
            armed: None,
        }
    }

    /// Ready once `deadline_ms` has come.
    pub(super) fn poll(&mut self, deadline_ms: u64, context: &mut Context<'_>) -> Poll<()> {
        if deadline_ms == NEVER_MS {
            return Poll::Pending;
        }
        let goes_off_in_time = self
            .armed
            .as_ref()
            .is_some_and(|armed| armed.due_ms <= deadline_ms);
        if !goes_off_in_time || self.alarm.has_gone_off.get() {
            let now_ms = js::now_ms();
            if now_ms >= deadline_ms {
                return Poll::Ready(());
            }
            self.arm(now_ms, deadline_ms);
        }
        self.alarm.waker.register(context.waker());
        Poll::Pending
    }

    fn arm(&mut self, now_ms: u64, deadline_ms: u64) {
        self.disarm();
        let delay_ms = deadline_ms.saturating_sub(now_ms).min(MAX_DELAY_MS);
        let on_time = self.on_time.as_ref().unchecked_ref();
        // The runtime refuses a timer only to a request that has ended.
        self.armed = js::global()
            .set_timeout_with_callback_and_timeout_and_arguments_0(
                on_time,
                i32::try_from(delay_ms).unwrap_or(i32::MAX),
            )
            .ok()
            .map(|id| Armed {
                due_ms: now_ms.saturating_add(delay_ms),
                id,
            });
    }

    fn disarm(&mut self) {
        self.alarm.has_gone_off.set(false);
        if let Some(armed) = self.armed.take() {
            js::global().clear_timeout_with_handle(armed.id);
        }
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        self.disarm();
    }
}

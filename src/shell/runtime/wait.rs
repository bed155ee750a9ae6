//! Waits of one request. Each ends with what was waited for, with the client's leaving or at a deadline, whichever comes
//! first.

use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;

use js_sys::Promise;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use web_sys::Request;

use super::js;
use super::task::Inbox;

/// The longest delay that the timer is armed for, in milliseconds. A stream's deadline moves on with every token. To arm
/// the timer anew each time makes a token 10 % slower; to be woken for nothing every ten seconds costs less.
pub(in crate::shell) const MAX_DELAY_MS: u64 = 10_000;

#[wasm_bindgen(module = "/src/shell/runtime/wait.js")]
extern "C" {
    #[wasm_bindgen(catch, js_name = watchClient)]
    fn watch_client(request: &Request, task: u32) -> Result<(), JsValue>;

    #[wasm_bindgen(catch)]
    fn listen(promise: &Promise, task: u32, serial: u32) -> Result<(), JsValue>;

    /// The runtime refuses a timer only to a request that has ended.
    #[wasm_bindgen(catch, js_name = startTimer)]
    fn start_timer(delay_ms: i32, task: u32) -> Result<i32, JsValue>;

    #[wasm_bindgen(catch, js_name = stopTimer)]
    fn stop_timer(id: i32) -> Result<(), JsValue>;
}

/// Why a wait brought no value.
pub(in crate::shell) enum Interrupted {
    /// The promise was rejected, or the connection broke.
    Failed(JsValue),
    TimeIsUp,
    ClientGone,
}

/// Everything that can end a wait of one request. All its deadlines share one timer.
pub(in crate::shell) struct Waiting {
    pub(in crate::shell) inbox: Rc<Inbox>,
    timer: Option<Timer>,
}

/// A timer that is armed.
struct Timer {
    due_ms: u64,
    id: i32,
}

impl Waiting {
    pub(in crate::shell) fn of(request: &Request, inbox: Rc<Inbox>) -> Self {
        // If the client cannot be watched, the next write to it fails instead.
        watch_client(request, inbox.task).unwrap_or_default();
        Self { inbox, timer: None }
    }

    /// For work that no client waits for. [`interrupt`](super::task::interrupt) takes the place of its leaving.
    pub(in crate::shell) fn without_client(inbox: Rc<Inbox>) -> Self {
        Self { inbox, timer: None }
    }

    pub(in crate::shell) fn is_client_gone(&self) -> bool {
        self.inbox.is_client_gone.get()
    }

    /// Waits as if the client were still there.
    pub(in crate::shell) fn forget_client(&self) {
        self.inbox.is_client_gone.set(false);
    }

    /// Waits for a promise.
    pub(in crate::shell) async fn settle(
        &mut self,
        promise: &Promise,
        deadline_ms: u64,
    ) -> Result<JsValue, Interrupted> {
        let inbox = Rc::clone(&self.inbox);
        // An abandoned promise may still settle; its serial tells that its result is no longer wanted.
        let serial = inbox.promises.get().wrapping_add(1);
        inbox.promises.set(serial);
        inbox.settled.take();
        listen(promise, inbox.task, serial).map_err(Interrupted::Failed)?;
        self.until(|| inbox.settled.take(), deadline_ms)
            .await?
            .map_err(Interrupted::Failed)
    }

    /// Waits for a future.
    pub(in crate::shell) async fn resolve<F: Future>(
        &mut self,
        future: F,
        deadline_ms: u64,
    ) -> Result<F::Output, Interrupted> {
        let mut future = pin!(future);
        poll_fn(|context| match future.as_mut().poll(context) {
            Poll::Ready(output) => Poll::Ready(Ok(output)),
            Poll::Pending => self.poll(|| None, deadline_ms),
        })
        .await
    }

    /// Lets so much time pass.
    pub(in crate::shell) async fn pause(&mut self, ms: u64) {
        self.pause_until(js::steady_ms().saturating_add(ms)).await;
    }

    /// Lets time pass. False when the client left meanwhile.
    pub(in crate::shell) async fn pause_until(&mut self, deadline_ms: u64) -> bool {
        let paused = self.until(|| None::<()>, deadline_ms).await;
        !matches!(paused, Err(Interrupted::ClientGone))
    }

    /// Waits until `ready` has something. It is asked whenever the task was told something.
    pub(in crate::shell) async fn until<T>(
        &mut self,
        mut ready: impl FnMut() -> Option<T>,
        deadline_ms: u64,
    ) -> Result<T, Interrupted> {
        poll_fn(|_| self.poll(&mut ready, deadline_ms)).await
    }

    fn poll<T>(
        &mut self,
        ready: impl FnOnce() -> Option<T>,
        deadline_ms: u64,
    ) -> Poll<Result<T, Interrupted>> {
        if let Some(value) = ready() {
            Poll::Ready(Ok(value))
        } else if self.is_client_gone() {
            Poll::Ready(Err(Interrupted::ClientGone))
        } else if self.is_due(deadline_ms) {
            Poll::Ready(Err(Interrupted::TimeIsUp))
        } else {
            Poll::Pending
        }
    }

    /// Whether a deadline has come. If not, the timer wakes the task by then: a timer that goes off sooner is left alone,
    /// and armed again for the deadline that is due when it has gone off.
    fn is_due(&mut self, deadline_ms: u64) -> bool {
        let timer = self.timer.as_ref();
        let wakes_in_time = timer.is_some_and(|timer| timer.due_ms <= deadline_ms);
        if wakes_in_time && !self.inbox.is_time.get() {
            return false;
        }
        let armed_for_ms = timer.map_or(0, |timer| timer.due_ms);
        let has_gone_off = self.inbox.is_time.get();
        let now_ms = js::steady_from(if has_gone_off { armed_for_ms } else { 0 });
        if now_ms >= deadline_ms {
            return true;
        }
        self.disarm();
        let delay_ms = deadline_ms.saturating_sub(now_ms).min(MAX_DELAY_MS);
        let id = start_timer(i32::try_from(delay_ms).unwrap_or(i32::MAX), self.inbox.task);
        let due_ms = now_ms.saturating_add(delay_ms);
        self.timer = id.ok().map(|id| Timer { due_ms, id });
        false
    }

    fn disarm(&mut self) {
        self.inbox.is_time.set(false);
        if let Some(timer) = self.timer.take() {
            // If it cannot be stopped, it wakes the task once for nothing.
            stop_timer(timer.id).unwrap_or_default();
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.disarm();
    }
}

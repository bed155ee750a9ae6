//! What a chat waits for: a promise, the client's leaving or a deadline, whichever comes first.

use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;

use js_sys::Promise;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use web_sys::Request;

use super::inbox::Inbox;
use super::timer::Timer;

#[wasm_bindgen(module = "/src/shell/request.js")]
extern "C" {
    /// It needs the flag `enable_request_signal`.
    #[wasm_bindgen(catch, js_name = watchClient)]
    fn watch_client(request: &Request, task: u32) -> Result<(), JsValue>;

    #[wasm_bindgen(catch)]
    fn listen(promise: &Promise, task: u32, serial: u32) -> Result<(), JsValue>;
}

/// Why a wait brought no value.
pub(super) enum Interrupted {
    /// The promise was rejected.
    Failed(JsValue),
    TimeIsUp,
    ClientGone,
}

/// Everything that can end a wait of one request.
pub(super) struct Waiting {
    pub(super) inbox: Rc<Inbox>,
    timer: Timer,
}

impl Waiting {
    pub(super) fn of(request: &Request, inbox: Rc<Inbox>) -> Self {
        // A client that cannot be watched is missed once a write to it fails.
        watch_client(request, inbox.task).unwrap_or_default();
        Self {
            timer: Timer::new(Rc::clone(&inbox)),
            inbox,
        }
    }

    /// The promise's value.
    pub(super) async fn settle(
        &mut self,
        promise: &Promise,
        deadline_ms: u64,
    ) -> Result<JsValue, Interrupted> {
        let inbox = Rc::clone(&self.inbox);
        // An abandoned promise may still settle; its result is ignored.
        let serial = inbox.promises.get().wrapping_add(1);
        inbox.promises.set(serial);
        inbox.settled.take();
        listen(promise, inbox.task, serial).map_err(Interrupted::Failed)?;
        self.until(|| inbox.settled.take(), deadline_ms)
            .await?
            .map_err(Interrupted::Failed)
    }

    /// Waits until `ready` has something, which is asked whenever the task was told something.
    pub(super) async fn until<T>(
        &mut self,
        mut ready: impl FnMut() -> Option<T>,
        deadline_ms: u64,
    ) -> Result<T, Interrupted> {
        poll_fn(|_| self.poll(&mut ready, deadline_ms)).await
    }

    /// [`Self::until`], for a future that is spelt out.
    pub(super) fn poll<T>(
        &mut self,
        ready: impl FnOnce() -> Option<T>,
        deadline_ms: u64,
    ) -> Poll<Result<T, Interrupted>> {
        if let Some(value) = ready() {
            Poll::Ready(Ok(value))
        } else if self.is_client_gone() {
            Poll::Ready(Err(Interrupted::ClientGone))
        } else if self.timer.is_due(deadline_ms) {
            Poll::Ready(Err(Interrupted::TimeIsUp))
        } else {
            Poll::Pending
        }
    }

    /// A future's result.
    pub(super) async fn resolve<F: Future>(
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

    pub(super) fn is_client_gone(&self) -> bool {
        self.inbox.is_client_gone.get()
    }

    /// Lets time pass. False when the client leaves meanwhile.
    pub(super) async fn pause_until(&mut self, deadline_ms: u64) -> bool {
        let paused = self.until(|| None::<()>, deadline_ms).await;
        !matches!(paused, Err(Interrupted::ClientGone))
    }
}

//! What a chat waits for: a promise, the client's leaving or a deadline, whichever comes first.

use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;

use js_sys::Promise;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::{Closure, wasm_bindgen};
use web_sys::Request;

use super::client::Client;
use super::inbox::Inbox;
use super::task;
use super::timer::Timer;

type OnSettled = Closure<dyn Fn(u32, u32, bool, JsValue)>;

#[wasm_bindgen(module = "/src/shell/request.js")]
extern "C" {
    fn listen(promise: &Promise, on_settled: &OnSettled, task: u32, serial: u32);
}

thread_local! {
    /// Tells a task what became of the promise that it waits for.
    static ON_SETTLED: OnSettled = Closure::new(|number, serial, is_fulfilled, result| {
        task::tell(number, |inbox| {
            if inbox.promises.get() == serial {
                let result = if is_fulfilled { Ok(result) } else { Err(result) };
                inbox.settled.set(Some(result));
            }
        });
    });
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
    client: Client,
    timer: Timer,
}

impl Waiting {
    pub(super) fn of(request: &Request, inbox: Rc<Inbox>) -> Self {
        Self {
            client: Client::of(request, Rc::clone(&inbox)),
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
        // One that nobody waits for any more may still settle, or have settled.
        let serial = inbox.promises.get().wrapping_add(1);
        inbox.promises.set(serial);
        inbox.settled.take();
        ON_SETTLED.with(|on_settled| listen(promise, on_settled, inbox.task, serial));
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
        } else if self.client.is_gone() {
            Poll::Ready(Err(Interrupted::ClientGone))
        } else if self.timer.is_due(deadline_ms) {
            Poll::Ready(Err(Interrupted::TimeIsUp))
        } else {
            Poll::Pending
        }
    }

    /// A future's result, unless the client leaves first.
    pub(super) async fn unless_gone<F: Future>(
        &mut self,
        future: F,
    ) -> Result<F::Output, Interrupted> {
        let mut future = pin!(future);
        poll_fn(|context| {
            if self.client.is_gone() {
                return Poll::Ready(Err(Interrupted::ClientGone));
            }
            future.as_mut().poll(context).map(Ok)
        })
        .await
    }

    /// Lets time pass. False when the client leaves meanwhile.
    pub(super) async fn pause_until(&mut self, deadline_ms: u64) -> bool {
        let paused = self.until(|| None::<()>, deadline_ms).await;
        !matches!(paused, Err(Interrupted::ClientGone))
    }
}

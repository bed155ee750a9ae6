//! What a chat waits for: a promise, the client's leaving or a deadline, whichever comes first.

use std::future::poll_fn;
use std::pin::pin;
use std::task::{Context, Poll};

use js_sys::{Function, Promise};
use wasm_bindgen::JsValue;
use web_sys::Request;

use super::client::ClientGone;
use super::promise::Listener;
use super::timer::Timer;

/// Why a wait brought no value.
pub(super) enum Interrupted {
    /// The promise was rejected.
    Failed(JsValue),
    TimeIsUp,
    ClientGone,
}

/// Everything that can end a wait of one request.
pub(super) struct Waiting {
    gone: ClientGone,
    timer: Timer,
    listener: Listener,
}

impl Waiting {
    pub(super) fn of(request: &Request) -> Self {
        Self {
            gone: ClientGone::watch(request),
            timer: Timer::new(),
            listener: Listener::new(),
        }
    }

    /// The promise's value.
    pub(super) async fn settle(
        &mut self,
        promise: Promise,
        deadline_ms: u64,
    ) -> Result<JsValue, Interrupted> {
        self.listener.listen(promise);
        self.go_on(deadline_ms).await
    }

    /// Listens to a promise that is waited for later, by [`Waiting::go_on`].
    pub(super) fn begin(&mut self, promise: Promise) {
        self.listener.listen(promise);
    }

    /// What to call when the client turns out to have left.
    pub(super) fn on_gone(&self) -> &Function {
        self.gone.callback()
    }

    /// Whether a promise that began has not settled.
    pub(super) fn is_pending(&self) -> bool {
        self.listener.is_pending()
    }

    /// The value of the promise that began last, once all have settled.
    pub(super) async fn go_on(&mut self, deadline_ms: u64) -> Result<JsValue, Interrupted> {
        let Self {
            gone,
            timer,
            listener,
        } = self;
        poll_fn(|context| {
            if let Poll::Ready(result) = listener.poll(context) {
                return Poll::Ready(result.map_err(Interrupted::Failed));
            }
            poll_interrupted(gone, timer, deadline_ms, context).map(Err)
        })
        .await
    }

    /// Waits until `ready` says so.
    pub(super) async fn until(
        &mut self,
        mut ready: impl FnMut(&mut Context<'_>) -> Poll<()>,
        deadline_ms: u64,
    ) -> Result<(), Interrupted> {
        let Self { gone, timer, .. } = self;
        poll_fn(|context| {
            if ready(context).is_ready() {
                return Poll::Ready(Ok(()));
            }
            poll_interrupted(gone, timer, deadline_ms, context).map(Err)
        })
        .await
    }

    /// A future's result, unless the client leaves first.
    pub(super) async fn unless_gone<F: Future>(
        &mut self,
        future: F,
    ) -> Result<F::Output, Interrupted> {
        let mut future = pin!(future);
        poll_fn(|context| {
            if self.gone.poll(context).is_ready() {
                return Poll::Ready(Err(Interrupted::ClientGone));
            }
            future.as_mut().poll(context).map(Ok)
        })
        .await
    }

    /// Lets time pass. False when the client leaves meanwhile.
    pub(super) async fn pause_until(&mut self, deadline_ms: u64) -> bool {
        poll_fn(|context| {
            if self.gone.poll(context).is_ready() {
                return Poll::Ready(false);
            }
            self.timer.poll(deadline_ms, context).map(|()| true)
        })
        .await
    }
}

fn poll_interrupted(
    gone: &mut ClientGone,
    timer: &mut Timer,
    deadline_ms: u64,
    context: &mut Context<'_>,
) -> Poll<Interrupted> {
    if gone.poll(context).is_ready() {
        return Poll::Ready(Interrupted::ClientGone);
    }
    timer
        .poll(deadline_ms, context)
        .map(|()| Interrupted::TimeIsUp)
}

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
        let Self {
            gone,
            timer,
            listener,
        } = self;
        listener.listen(&promise);
        poll_fn(|context| {
            if let Poll::Ready(result) = listener.poll(context) {
                return Poll::Ready(result.map_err(Interrupted::Failed));
            }
            poll_interrupted(gone, timer, deadline_ms, context).map(Err)
        })
        .await
    }

    /// What to call when the client turns out to have left.
    pub(super) fn on_gone(&self) -> &Function {
        self.gone.callback()
    }

    /// Waits until `ready` has something.
    pub(super) async fn until<T>(
        &mut self,
        mut ready: impl FnMut(&mut Context<'_>) -> Poll<T>,
        deadline_ms: u64,
    ) -> Result<T, Interrupted> {
        let Self { gone, timer, .. } = self;
        poll_fn(|context| {
            if let Poll::Ready(value) = ready(context) {
                return Poll::Ready(Ok(value));
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

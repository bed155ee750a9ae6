//! Whether the client still listens.

use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::Closure;
use web_sys::{AbortSignal, Request};

/// Ready once the client has left.
pub(super) struct ClientGone {
    signal: AbortSignal,
    waker: Rc<Cell<Option<Waker>>>,
    /// A promise that stays pending would keep its callbacks for ever; this goes with its owner.
    _on_abort: Closure<dyn FnMut()>,
}

impl ClientGone {
    /// Watches a request's client. It needs the flag `enable_request_signal`.
    pub(super) fn watch(request: &Request) -> Self {
        let signal = request.signal();
        let waker = Rc::new(Cell::new(None::<Waker>));
        let on_abort = Closure::<dyn FnMut()>::new({
            let waker = Rc::clone(&waker);
            move || {
                if let Some(waker) = waker.take() {
                    waker.wake();
                }
            }
        });
        signal.set_onabort(Some(on_abort.as_ref().unchecked_ref()));
        Self {
            signal,
            waker,
            _on_abort: on_abort,
        }
    }
}

impl Drop for ClientGone {
    fn drop(&mut self) {
        self.signal.set_onabort(None);
    }
}

impl Future for ClientGone {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.signal.aborted() {
            return Poll::Ready(());
        }
        self.waker.set(Some(context.waker().clone()));
        Poll::Pending
    }
}

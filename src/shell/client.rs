//! Whether the client still listens.

use std::cell::Cell;
use std::rc::Rc;
use std::task::{Context, Poll};

use futures::task::AtomicWaker;
use js_sys::Function;
use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::Closure;
use web_sys::{AbortSignal, Request};

/// Ready once the client has left.
pub(super) struct ClientGone {
    signal: AbortSignal,
    departure: Rc<Departure>,
    /// A promise that stays pending would keep its callbacks for ever; this goes with its owner.
    on_abort: Closure<dyn FnMut()>,
}

struct Departure {
    has_happened: Cell<bool>,
    waker: AtomicWaker,
}

impl ClientGone {
    /// Watches a request's client. It needs the flag `enable_request_signal`.
    pub(super) fn watch(request: &Request) -> Self {
        let signal = request.signal();
        let departure = Rc::new(Departure {
            has_happened: Cell::new(signal.aborted()),
            waker: AtomicWaker::new(),
        });
        let on_abort = Closure::new({
            let departure = Rc::clone(&departure);
            move || {
                departure.has_happened.set(true);
                departure.waker.wake();
            }
        });
        signal.set_onabort(Some(on_abort.as_ref().unchecked_ref()));
        Self {
            signal,
            departure,
            on_abort,
        }
    }

    /// What tells that the client has left, for whoever notices it otherwise.
    pub(super) fn callback(&self) -> &Function {
        self.on_abort.as_ref().unchecked_ref()
    }

    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if self.departure.has_happened.get() {
            return Poll::Ready(());
        }
        self.departure.waker.register(context.waker());
        Poll::Pending
    }
}

impl Drop for ClientGone {
    fn drop(&mut self) {
        self.signal.set_onabort(None);
    }
}

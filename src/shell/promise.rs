//! Promises, listened to with a callback that is made once.

use std::cell::{Cell, RefCell};
use std::mem;
use std::rc::Rc;
use std::task::{Context, Poll};

use futures::task::AtomicWaker;
use js_sys::Promise;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::{Closure, wasm_bindgen};

type Callback = Closure<dyn FnMut(bool, JsValue)>;

#[wasm_bindgen(module = "/src/shell/promise.js")]
extern "C" {
    fn listen(promise: &Promise, settle: &Callback);
}

/// Listens to promises, usually one after the other.
pub(super) struct Listener {
    heard: Rc<Heard>,
    settle: Callback,
}

#[derive(Default)]
struct Heard {
    pending: Cell<u32>,
    /// Of the promise that settled last; once one has failed, its error.
    result: RefCell<Option<Result<JsValue, JsValue>>>,
    waker: AtomicWaker,
}

impl Listener {
    pub(super) fn new() -> Self {
        let heard = Rc::new(Heard::default());
        let settle = Closure::new({
            let heard = Rc::clone(&heard);
            move |is_fulfilled, result| {
                heard.settle(if is_fulfilled {
                    Ok(result)
                } else {
                    Err(result)
                });
            }
        });
        Self { heard, settle }
    }

    /// Waits for this promise, too.
    pub(super) fn listen(&mut self, promise: &Promise) {
        let pending = self.heard.pending.get().saturating_add(1);
        self.heard.pending.set(pending);
        listen(promise, &self.settle);
    }

    /// Whether a promise is still to be waited for.
    pub(super) fn is_pending(&self) -> bool {
        self.heard.pending.get() > 0
    }

    /// Ready once every promise has settled.
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Poll<Result<JsValue, JsValue>> {
        if self.is_pending() {
            self.heard.waker.register(context.waker());
            return Poll::Pending;
        }
        let result = self.heard.result.take();
        Poll::Ready(result.unwrap_or(Ok(JsValue::UNDEFINED)))
    }
}

impl Heard {
    fn settle(&self, result: Result<JsValue, JsValue>) {
        self.pending.set(self.pending.get().saturating_sub(1));
        let mut kept = self.result.borrow_mut();
        if !matches!(*kept, Some(Err(_))) {
            *kept = Some(result);
        }
        drop(kept);
        if self.pending.get() == 0 {
            self.waker.wake();
        }
    }
}

impl Drop for Listener {
    /// A promise that settles later still calls back; the garbage collector then has the callback.
    fn drop(&mut self) {
        if self.is_pending() {
            let unused = Closure::new(|_, _| {});
            drop(mem::replace(&mut self.settle, unused).into_js_value());
        }
    }
}

//! Promises, listened to with callbacks that are made once.

use std::cell::{Cell, RefCell};
use std::mem;
use std::rc::Rc;
use std::task::{Context, Poll};

use futures::task::AtomicWaker;
use js_sys::{Function, Promise};
use wasm_bindgen::prelude::{Closure, wasm_bindgen};
use wasm_bindgen::{JsCast, JsValue};

#[wasm_bindgen]
extern "C" {
    /// A promise whose callbacks' own outcome is of no interest.
    #[wasm_bindgen(extends = Promise)]
    type Source;

    #[wasm_bindgen(method)]
    fn then(this: &Source, on_value: &Function, on_error: &Function);
}

type Callback = Closure<dyn FnMut(JsValue)>;

/// Listens to promises, usually one after the other.
pub(super) struct Listener {
    heard: Rc<Heard>,
    on_value: Callback,
    on_error: Callback,
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
        let callback = |wrap: fn(JsValue) -> Result<JsValue, JsValue>| {
            let heard = Rc::clone(&heard);
            Closure::new(move |settled| heard.settle(wrap(settled)))
        };
        Self {
            on_value: callback(Ok),
            on_error: callback(Err),
            heard,
        }
    }

    /// Waits for this promise, too.
    pub(super) fn listen(&mut self, promise: Promise) {
        let pending = self.heard.pending.get().saturating_add(1);
        self.heard.pending.set(pending);
        promise.unchecked_into::<Source>().then(
            self.on_value.as_ref().unchecked_ref(),
            self.on_error.as_ref().unchecked_ref(),
        );
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
    /// A promise that settles later still calls back; the garbage collector then has the callbacks.
    fn drop(&mut self) {
        if self.is_pending() {
            for callback in [&mut self.on_value, &mut self.on_error] {
                let unused = Closure::new(|_| {});
                drop(mem::replace(callback, unused).into_js_value());
            }
        }
    }
}

//! The client's end of an answer: frames go in, and the runtime takes them as the client reads.
//!
//! The runtime asks for bytes by calling `pull`, and does not ask again before the promise that it was given has
//! settled. So that promise is left pending while frames flow: each frame goes to the read that waits for it,
//! and nobody is called. It is settled only to be told when the client has taken everything.

use std::cell::{OnceCell, RefCell};
use std::rc::Rc;
use std::task::{Context, Poll};

use futures::task::AtomicWaker;
use js_sys::{Function, Object, Promise, Uint8Array};
use wasm_bindgen::prelude::{Closure, wasm_bindgen};
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{QueuingStrategy, ReadableStream};

use super::js::{self, Resolver};

#[wasm_bindgen]
extern "C" {
    /// What a stream is made of.
    #[wasm_bindgen(extends = Object)]
    type UnderlyingSource;

    #[wasm_bindgen(method, setter)]
    fn set_pull(this: &UnderlyingSource, pull: &JsValue);

    #[wasm_bindgen(method, setter)]
    fn set_cancel(this: &UnderlyingSource, cancel: &Function);

    /// What feeds a stream.
    #[wasm_bindgen(extends = Object)]
    type Controller;

    /// How much it wants: with a high-water mark of nought, what is queued, as a negative number.
    #[wasm_bindgen(method, getter, js_name = desiredSize)]
    fn desired_size(this: &Controller) -> Option<f64>;

    #[wasm_bindgen(method, catch)]
    fn enqueue(this: &Controller, chunk: &Uint8Array) -> Result<(), JsValue>;

    #[wasm_bindgen(method, catch)]
    fn close(this: &Controller) -> Result<(), JsValue>;

    #[wasm_bindgen(method, catch)]
    fn error(this: &Controller) -> Result<(), JsValue>;
}

/// What feeds a response's body. Dropping it before it was closed breaks the body off.
pub(super) struct Outlet {
    demand: Rc<Demand>,
    is_closed: bool,
    _on_pull: Closure<dyn FnMut(Controller) -> Promise>,
}

#[derive(Default)]
struct Demand {
    /// Nothing until the runtime has asked for the first time.
    controller: OnceCell<Controller>,
    /// What lets the runtime ask anew, once it has asked.
    answer: RefCell<Option<Resolver>>,
    waker: AtomicWaker,
}

impl Outlet {
    /// An end, and the body that it feeds. `on_gone` is called when the body cannot be sent any more.
    pub(super) fn open(on_gone: &Function) -> Result<(Self, ReadableStream), JsValue> {
        let demand = Rc::new(Demand::default());
        let on_pull = Closure::new({
            let demand = Rc::clone(&demand);
            move |controller| demand.pull(controller)
        });
        let source: UnderlyingSource = Object::new().unchecked_into();
        source.set_pull(on_pull.as_ref());
        source.set_cancel(on_gone);
        // Nothing is asked for ahead of the client.
        let strategy = QueuingStrategy::new();
        strategy.set_high_water_mark(0.0);
        let body = ReadableStream::new_with_underlying_source_and_strategy(&source, &strategy)?;
        let outlet = Self {
            demand,
            is_closed: false,
            _on_pull: on_pull,
        };
        Ok((outlet, body))
    }

    /// Ready once nothing that was written waits for the client.
    pub(super) fn poll_room(&self, context: &mut Context<'_>) -> Poll<()> {
        let demand = &self.demand;
        demand.waker.register(context.waker());
        let has_asked = demand.answer.borrow().is_some();
        let queued = demand.controller.get().and_then(Controller::desired_size);
        if has_asked && queued == Some(0.0) {
            return Poll::Ready(());
        }
        self.ask_anew();
        Poll::Pending
    }

    /// Has the runtime ask anew, which it does once the client has taken all that was written; only then is
    /// there room again.
    pub(super) fn ask_anew(&self) {
        let answer = self.demand.answer.take();
        if let Some(answer) = answer {
            answer.settle(&Ok(JsValue::UNDEFINED));
        }
    }

    /// Writes frames. It fails when nobody can read them any more.
    pub(super) fn write(&self, frames: &[u8]) -> Result<(), JsValue> {
        let controller = self.demand.controller.get();
        controller.map_or(Err(JsValue::UNDEFINED), |controller| {
            controller.enqueue(&Uint8Array::from(frames))
        })
    }

    /// Ends the body in order.
    pub(super) fn close(&mut self) -> Result<(), JsValue> {
        self.is_closed = true;
        let controller = self.demand.controller.get();
        controller.map_or(Err(JsValue::UNDEFINED), Controller::close)
    }
}

impl Demand {
    fn pull(&self, controller: Controller) -> Promise {
        let (promise, answer) = js::promise();
        self.controller.get_or_init(|| controller);
        self.answer.replace(Some(answer));
        self.waker.wake();
        promise
    }
}

impl Drop for Outlet {
    fn drop(&mut self) {
        if let Some(controller) = self.demand.controller.get()
            && !self.is_closed
        {
            // It is refused only where the body has ended otherwise.
            controller.error().unwrap_or_default();
        }
    }
}

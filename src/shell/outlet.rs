//! The client's end of an answer: frames go in, and the runtime takes them as the client reads.

use std::cell::Cell;
use std::rc::Rc;
use std::task::{Context, Poll};

use futures::task::AtomicWaker;
use js_sys::Function;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::{Closure, wasm_bindgen};
use web_sys::ReadableStream;

/// How much is written before the runtime is asked whether the client takes it, in bytes: to ask after each
/// frame costs more than to hold a few.
const UNASKED_BYTES: usize = 4_096;

#[wasm_bindgen(module = "/src/shell/streams.js")]
extern "C" {
    #[wasm_bindgen(js_name = Outlet)]
    type Body;

    #[wasm_bindgen(constructor, js_class = "Outlet")]
    fn new(on_pull: &Closure<dyn FnMut()>, on_cancel: &Function) -> Body;

    #[wasm_bindgen(method, getter)]
    fn body(this: &Body) -> ReadableStream;

    #[wasm_bindgen(method, getter, js_name = isTaken)]
    fn is_taken(this: &Body) -> bool;

    #[wasm_bindgen(method, js_name = askAnew)]
    fn ask_anew(this: &Body);

    #[wasm_bindgen(method, catch)]
    fn write(this: &Body, bytes: &[u8]) -> Result<(), JsValue>;

    #[wasm_bindgen(method, catch)]
    fn close(this: &Body) -> Result<(), JsValue>;

    #[wasm_bindgen(method, catch)]
    fn error(this: &Body) -> Result<(), JsValue>;
}

/// What feeds a response's body. Dropping it before it was closed breaks the body off.
pub(super) struct Outlet {
    body: Body,
    demand: Rc<Demand>,
    /// Written since the client was known to have taken everything.
    unasked_bytes: usize,
    is_closed: bool,
    _on_pull: Closure<dyn FnMut()>,
}

#[derive(Default)]
struct Demand {
    /// Whether the runtime has asked and waits for an answer.
    is_open: Cell<bool>,
    waker: AtomicWaker,
}

impl Outlet {
    /// An end, and the body that it feeds. `on_gone` is called when the body cannot be sent any more.
    pub(super) fn open(on_gone: &Function) -> (Self, ReadableStream) {
        let demand = Rc::new(Demand::default());
        let on_pull = Closure::new({
            let demand = Rc::clone(&demand);
            move || {
                demand.is_open.set(true);
                demand.waker.wake();
            }
        });
        let body = Body::new(&on_pull, on_gone);
        let stream = body.body();
        let outlet = Self {
            body,
            demand,
            unasked_bytes: 0,
            is_closed: false,
            _on_pull: on_pull,
        };
        (outlet, stream)
    }

    /// Ready while little waits for the client. Once it is more, all of it has to be taken before there is room.
    pub(super) fn poll_room(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if self.demand.is_open.get() {
            if self.unasked_bytes < UNASKED_BYTES {
                return Poll::Ready(());
            }
            if self.body.is_taken() {
                self.unasked_bytes = 0;
                return Poll::Ready(());
            }
        }
        self.demand.waker.register(context.waker());
        self.ask_anew();
        Poll::Pending
    }

    /// Has the runtime ask anew, which it does once the client has taken all that was written; only then is
    /// there room again.
    pub(super) fn ask_anew(&mut self) {
        self.unasked_bytes = 0;
        if self.demand.is_open.take() {
            self.body.ask_anew();
        }
    }

    /// Writes frames. It fails when nobody can read them any more.
    pub(super) fn write(&mut self, frames: &[u8]) -> Result<(), JsValue> {
        self.unasked_bytes = self.unasked_bytes.saturating_add(frames.len());
        self.body.write(frames)
    }

    /// Ends the body in order.
    pub(super) fn close(&mut self) -> Result<(), JsValue> {
        self.is_closed = true;
        self.body.close()
    }
}

impl Drop for Outlet {
    fn drop(&mut self) {
        if !self.is_closed {
            // It is refused where the body has ended otherwise, or was never asked for.
            self.body.error().unwrap_or_default();
        }
    }
}

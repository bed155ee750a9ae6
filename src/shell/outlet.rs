//! The client's end of an answer: frames go in, and the runtime takes them as the client reads.

use std::rc::Rc;

use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use web_sys::ReadableStream;

use super::inbox::Inbox;

/// How much is written before the runtime is asked whether the client takes it, in bytes: to ask after each
/// frame costs more than to hold a few.
const UNASKED_BYTES: usize = 4_096;

#[wasm_bindgen(module = "/src/shell/streams.js")]
extern "C" {
    #[wasm_bindgen(js_name = Outlet)]
    type Body;

    /// Cannot throw: a stream is made of functions that are there.
    #[wasm_bindgen(constructor, js_class = "Outlet")]
    fn new(task: u32) -> Body;

    /// Cannot throw: it is a field.
    #[wasm_bindgen(method, getter)]
    fn body(this: &Body) -> ReadableStream;

    /// Cannot throw: it reads a number.
    #[wasm_bindgen(method, getter, js_name = isTaken)]
    fn is_taken(this: &Body) -> bool;

    /// Cannot throw: a write to a stream that has ended is a rejected promise.
    #[wasm_bindgen(method, js_name = askWhenTaken)]
    fn ask_when_taken(this: &Body);

    #[wasm_bindgen(method, catch)]
    fn write(this: &Body, bytes: &[u8]) -> Result<(), JsValue>;

    #[wasm_bindgen(method, catch)]
    fn close(this: &Body) -> Result<(), JsValue>;

    /// Cannot throw: it catches.
    #[wasm_bindgen(method, js_name = breakOff)]
    fn break_off(this: &Body);
}

/// What feeds a response's body. Dropping it before it was closed breaks the body off.
pub(super) struct Outlet {
    body: Body,
    inbox: Rc<Inbox>,
    /// Written since the client was known to have taken everything.
    unasked_bytes: usize,
    is_closed: bool,
}

impl Outlet {
    /// An end, and the body that it feeds. A body that cannot be sent any more has lost its client.
    pub(super) fn open(inbox: Rc<Inbox>) -> (Self, ReadableStream) {
        let body = Body::new(inbox.task);
        let stream = body.body();
        let outlet = Self {
            body,
            inbox,
            unasked_bytes: 0,
            is_closed: false,
        };
        (outlet, stream)
    }

    /// Whether little waits for the client. Once it is more, all of it has to be taken before there is room, and
    /// the task is woken then.
    pub(super) fn has_room(&mut self) -> bool {
        if self.inbox.is_asked.get() {
            if self.unasked_bytes < UNASKED_BYTES {
                return true;
            }
            if self.body.is_taken() {
                self.unasked_bytes = 0;
                return true;
            }
        }
        self.ask_anew();
        false
    }

    /// Has the runtime ask anew, which it does once the client has taken all that was written; only then is
    /// there room again.
    pub(super) fn ask_anew(&mut self) {
        self.unasked_bytes = 0;
        if self.inbox.is_asked.take() {
            self.body.ask_when_taken();
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

    /// Breaks the body off, so that a client which still reads does not take it for whole.
    pub(super) fn break_off(&mut self) {
        if !self.is_closed {
            self.is_closed = true;
            self.body.break_off();
        }
    }
}

impl Drop for Outlet {
    fn drop(&mut self) {
        self.break_off();
    }
}

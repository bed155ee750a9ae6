//! The promises of one chat: its response, and that its work is done.

use js_sys::Promise;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use web_sys::Response;
use worker::worker_sys::Context;

#[wasm_bindgen(module = "/src/shell/request.js")]
extern "C" {
    #[wasm_bindgen(js_name = Answer)]
    type Promises;

    #[wasm_bindgen(constructor, js_class = "Answer")]
    fn new(context: &Context) -> Promises;

    #[wasm_bindgen(method, getter)]
    fn promise(this: &Promises) -> Promise;

    #[wasm_bindgen(method)]
    fn give(this: &Promises, response: &Response);

    #[wasm_bindgen(method)]
    fn fail(this: &Promises, error: &JsValue);

    #[wasm_bindgen(method)]
    fn end(this: &Promises);
}

/// A chat's response, which is still to be given. Dropping it says that the chat's work is done.
pub(super) struct Answer(Promises);

impl Answer {
    /// One whose work goes on when the client has left.
    pub(super) fn within(context: &Context) -> Self {
        Self(Promises::new(context))
    }

    pub(super) fn promise(&self) -> Promise {
        self.0.promise()
    }

    /// Answers. Only the first time counts.
    pub(super) fn give(&self, response: Result<Response, JsValue>) {
        match response {
            Ok(response) => self.0.give(&response),
            // The runtime could not even build a response.
            Err(error) => self.0.fail(&error),
        }
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.0.end();
    }
}

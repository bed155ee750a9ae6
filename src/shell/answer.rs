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

    /// Cannot throw: the runtime takes work for a request that it is giving us.
    #[wasm_bindgen(constructor, js_class = "Answer")]
    fn new(context: &Context, task: u32, correlation_id: &str, logged_id: &str) -> Promises;

    /// Cannot throw: it is a field.
    #[wasm_bindgen(method, getter)]
    fn promise(this: &Promises) -> Promise;

    /// Cannot throw: it resolves a promise.
    #[wasm_bindgen(method)]
    fn give(this: &Promises, response: &Response);

    #[wasm_bindgen(method, catch)]
    fn fail(this: &Promises) -> Result<(), JsValue>;

    /// Cannot throw: it resolves a promise.
    #[wasm_bindgen(method)]
    fn end(this: &Promises);
}

/// A chat's response, which is still to be given. Dropping it says that the chat's work is done.
pub(super) struct Answer(Promises);

impl Answer {
    /// The answer of a task, whose work goes on when the client has left. `logged_id` is the id as the log may have
    /// it: a client can choose a secret for one.
    pub(super) fn within(
        context: &Context,
        task: u32,
        correlation_id: &str,
        logged_id: &str,
    ) -> Self {
        Self(Promises::new(context, task, correlation_id, logged_id))
    }

    pub(super) fn promise(&self) -> Promise {
        self.0.promise()
    }

    /// Answers. Only the first time counts.
    pub(super) fn give(&self, response: Result<Response, JsValue>) {
        match response {
            Ok(response) => self.0.give(&response),
            // The runtime could not build the response. If it cannot build that one either, the client has left.
            Err(_) => self.0.fail().unwrap_or_default(),
        }
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.0.end();
    }
}

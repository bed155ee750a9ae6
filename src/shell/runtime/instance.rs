//! The border: what JavaScript calls of this program, and the response that it gets.
//!
//! The bindings register each function that JavaScript may call with its garbage collector, which is slow for a few a
//! request. So there is one function for each thing that can happen, made once, and it takes the task's number.

use js_sys::Promise;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::{Closure, wasm_bindgen};
use web_sys::{AbortController, Request, Response};
use worker::Env;
use worker::worker_sys::Context;

use super::task::{self, Read};

#[wasm_bindgen(module = "/src/shell/runtime/instance.js")]
extern "C" {
    /// Takes the functions in the order of [`start`]. Cannot throw: it keeps what it is given.
    ///
    /// They come as a list, for which the bindings make a function of their own. Without it they would import this module
    /// twice, and esbuild would warn.
    #[wasm_bindgen(variadic)]
    fn connect(callbacks: Vec<JsValue>);

    /// Calls `on_request`. Cannot throw: whatever that does, there is a response.
    pub(in crate::shell) fn handle(request: &Request, env: &Env, context: &Context) -> JsValue;

    /// Calls `on_owned`. Cannot throw: whatever that does, there is a response.
    #[wasm_bindgen(js_name = handleOwned)]
    pub(in crate::shell) fn handle_owned(owner: u32, request: &Request) -> JsValue;

    /// Calls `on_alarm`. Cannot throw: it gives a promise.
    #[wasm_bindgen(js_name = handleAlarm)]
    pub(in crate::shell) fn handle_alarm(owner: u32) -> JsValue;

    #[wasm_bindgen(js_name = OpenWork)]
    type Handle;

    /// Cannot throw: the runtime takes work for a request that it is giving us.
    #[wasm_bindgen(constructor, js_class = "OpenWork")]
    fn new(context: &Context, task: u32, correlation_id: &str, logged_id: &str) -> Handle;

    /// Cannot throw: it is a field.
    #[wasm_bindgen(method, getter)]
    fn response(this: &Handle) -> Promise;

    /// Cannot throw: it is a field.
    #[wasm_bindgen(method, getter)]
    fn done(this: &Handle) -> Promise;

    /// Cannot throw: it resolves a promise.
    #[wasm_bindgen(method)]
    fn respond(this: &Handle, response: &Response);

    #[wasm_bindgen(method, catch)]
    fn fail(this: &Handle) -> Result<(), JsValue>;

    #[wasm_bindgen(method, catch)]
    fn aborter(this: &Handle) -> Result<AbortController, JsValue>;

    /// Cannot throw: it resolves a promise.
    #[wasm_bindgen(method)]
    fn end(this: &Handle);
}

/// Registers this instance with JavaScript, before any request. `on_request` gives a response, or its promise, and so
/// does `on_owned`, which is for requests to a Durable Object. `on_alarm` is for the alarm of one.
pub(in crate::shell) fn start(
    on_request: fn(Request, Env, Context) -> JsValue,
    on_owned: fn(u32, Request) -> JsValue,
    on_alarm: fn(u32),
) {
    let on_request = Closure::<dyn Fn(Request, Env, Context) -> JsValue>::new(on_request);
    let on_owned = Closure::<dyn Fn(u32, Request) -> JsValue>::new(on_owned);
    let on_alarm = Closure::<dyn Fn(u32)>::new(on_alarm);
    let on_read = Closure::<dyn Fn(u32, Option<usize>)>::new(|task, bytes| {
        let read = match bytes {
            Some(0) => Read::End,
            Some(bytes) => Read::Chunk(bytes),
            None => Read::Broken,
        };
        task::tell(task, |inbox| inbox.read.set(Some(read)));
    });
    let on_room = Closure::<dyn Fn(u32)>::new(|task| {
        task::tell(task, |inbox| inbox.has_room.set(true));
    });
    let on_gone = Closure::<dyn Fn(u32)>::new(|task| {
        task::tell(task, |inbox| inbox.is_client_gone.set(true));
    });
    let on_settled = Closure::<dyn Fn(u32, u32, bool, JsValue)>::new(
        |task, serial, is_fulfilled: bool, value: JsValue| {
            let result = if is_fulfilled { Ok(value) } else { Err(value) };
            task::tell(task, |inbox| {
                if inbox.promises.get() == serial {
                    inbox.settled.set(Some(result));
                }
            });
        },
    );
    let on_time = Closure::<dyn Fn(u32)>::new(|task| {
        task::tell(task, |inbox| inbox.is_time.set(true));
    });
    let on_wake = Closure::<dyn Fn(u32)>::new(|task| task::tell(task, |_| {}));
    connect(vec![
        on_request.into_js_value(),
        on_read.into_js_value(),
        on_room.into_js_value(),
        on_gone.into_js_value(),
        on_settled.into_js_value(),
        on_time.into_js_value(),
        on_wake.into_js_value(),
        on_owned.into_js_value(),
        on_alarm.into_js_value(),
    ]);
}

/// A piece of work that JavaScript waits for: first for its response, then for its end, which is when this is dropped.
pub(in crate::shell) struct OpenWork(Handle);

impl OpenWork {
    /// Has the runtime go on with the work when its client has left (`waitUntil`), so that its last line is logged.
    /// `logged_id` is the correlation id as the log may have it: a client can choose a secret for one.
    pub(in crate::shell) fn begin(
        context: &Context,
        task: u32,
        correlation_id: &str,
        logged_id: &str,
    ) -> Self {
        Self(Handle::new(context, task, correlation_id, logged_id))
    }

    /// The promise of the response.
    pub(in crate::shell) fn response(&self) -> Promise {
        self.0.response()
    }

    /// What closes a call of the work's, whose response has not come. It does so by itself when this instance is lost.
    pub(in crate::shell) fn aborter(&self) -> Option<AbortController> {
        self.0.aborter().ok()
    }

    /// Settles when the work is done, whichever request waits for it.
    pub(in crate::shell) fn done(&self) -> Promise {
        self.0.done()
    }

    /// Responds. Only the first time counts.
    pub(in crate::shell) fn respond(&self, response: Result<Response, JsValue>) {
        match response {
            Ok(response) => self.0.respond(&response),
            // The runtime could not build the response. If it cannot build that of a failure either, the client gets
            // none, and is disconnected when the work ends.
            Err(_) => self.0.fail().unwrap_or_default(),
        }
    }
}

impl Drop for OpenWork {
    fn drop(&mut self) {
        self.0.end();
    }
}

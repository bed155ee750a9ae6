//! What JavaScript calls: one function for each thing that can happen, made once for all tasks.
//!
//! The bindings register a function with the garbage collector, which is dear for a few a request. So JavaScript
//! knows a task by its number, and each function puts what happened into that task's inbox.

use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::{Closure, wasm_bindgen};
use web_sys::Request;
use worker::Env;
use worker::worker_sys::Context;

use super::inbox::Read;
use super::task;

#[wasm_bindgen(module = "/src/shell/instance.js")]
extern "C" {
    /// Takes the functions in the order of [`start`]. Cannot throw: it keeps what it is given.
    ///
    /// As a list, they are passed on by a function of the bindings. Two functions that need none would have the
    /// bindings import their module twice under one key, for which esbuild warns.
    #[wasm_bindgen(variadic)]
    fn connect(callbacks: Vec<JsValue>);

    /// Calls `on_request`. Cannot throw: whatever that does, there is a response.
    pub(super) fn handle(request: &Request, env: &Env, context: &Context) -> JsValue;
}

/// Registers this instance with JavaScript, before any request. `on_request` gives a response, or its promise.
pub(super) fn start(on_request: fn(Request, Env, Context) -> JsValue) {
    let on_request = Closure::<dyn Fn(Request, Env, Context) -> JsValue>::new(on_request);
    let on_read = Closure::<dyn Fn(u32, Option<u32>)>::new(|number, bytes| {
        task::tell(number, |inbox| {
            inbox.read.set(Some(match bytes {
                Some(0) => Read::End,
                Some(bytes) => Read::Chunk(bytes),
                None => Read::Broken,
            }));
        });
    });
    let on_taken = Closure::<dyn Fn(u32)>::new(|number| {
        task::tell(number, |inbox| inbox.is_asked.set(true));
    });
    let on_gone = Closure::<dyn Fn(u32)>::new(|number| {
        task::tell(number, |inbox| inbox.is_client_gone.set(true));
    });
    let on_settled = Closure::<dyn Fn(u32, u32, bool, JsValue)>::new(
        |number, serial, is_fulfilled, result: JsValue| {
            task::tell(number, |inbox| {
                if inbox.promises.get() == serial {
                    let result = if is_fulfilled {
                        Ok(result)
                    } else {
                        Err(result)
                    };
                    inbox.settled.set(Some(result));
                }
            });
        },
    );
    let on_time = Closure::<dyn Fn(u32)>::new(|number| {
        task::tell(number, |inbox| inbox.is_time.set(true));
    });
    let on_wake = Closure::<dyn Fn(u32)>::new(|number| task::tell(number, |_| {}));
    connect(vec![
        on_request.into_js_value(),
        on_read.into_js_value(),
        on_taken.into_js_value(),
        on_gone.into_js_value(),
        on_settled.into_js_value(),
        on_time.into_js_value(),
        on_wake.into_js_value(),
    ]);
}

//! The only code that touches JavaScript: it dispatches, and always answers.

use std::panic;
use std::rc::Rc;

use js_sys::Promise;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use web_sys::{Request, Response};
use worker::worker_sys::Context;
use worker::{Env, event};

use self::answer::Answer;
use self::chat::Chat;
use self::exchange::Exchange;
use self::isolate::Isolate;
use crate::api::access::Denied;
use crate::api::error::{ApiError, ErrorCode};
use crate::api::route::{Route, route};

mod admission;
mod answer;
mod body;
mod chat;
mod client;
mod console;
mod exchange;
mod inbox;
mod isolate;
mod js;
mod limiter;
mod outlet;
mod pump;
mod response;
mod source;
mod task;
mod timer;
mod upstream;
mod wait;

#[event(start)]
fn start() {
    panic::set_hook(Box::new(isolate::log_panic));
}

/// Answers a request; the runtime calls it by this name. The promise is made here and not by an `async`
/// function, whose executor would cost each request several microtasks.
#[wasm_bindgen]
#[allow(
    missing_docs,
    unreachable_pub,
    clippy::needless_pass_by_value,
    reason = "the bindings ask for a public function that takes values, and copy no comment"
)]
pub fn fetch(request: Request, env: Env, context: Context) -> Promise {
    js::begin_turn();
    let isolate = Isolate::of(&env);
    let exchange = Exchange::begin(Rc::clone(&isolate), &request);
    let route = route(&exchange.method, &exchange.path);
    if let Err(denied) = exchange.cors
        && (route != Route::Health || denied == Denied::MalformedHost)
    {
        return settled(exchange.refuse(&denied.into()));
    }
    settled(match route {
        Route::Health => exchange.health(),
        Route::Ready => exchange.ready(),
        Route::Preflight => exchange.preflight(),
        Route::Chat => return answer(exchange, request, &context),
        Route::MethodNotAllowed { allow } => {
            let mut error = ApiError::from(ErrorCode::MethodNotAllowed);
            error.allow = Some(allow);
            exchange.refuse(&error)
        }
        Route::NotFound => exchange.refuse(&ErrorCode::NotFound.into()),
    })
}

/// It is rejected only where the runtime cannot even build a response.
fn settled(response: Result<Response, JsValue>) -> Promise {
    match response {
        Ok(response) => Promise::resolve(&JsValue::from(response)),
        Err(error) => Promise::reject(&error),
    }
}

/// Runs a chat to its end under `waitUntil`, so that its last line is logged also when the client
/// leaves, and gives its response back as soon as there is one.
fn answer(exchange: Exchange, request: Request, context: &Context) -> Promise {
    let answer = Answer::within(context);
    let promise = answer.promise();
    task::spawn(|inbox| Chat::new(exchange, answer).run(request, inbox));
    promise
}

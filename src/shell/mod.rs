//! The only code that touches JavaScript: it dispatches, and always answers.

use std::panic;
use std::rc::Rc;

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
mod console;
mod endpoint;
mod exchange;
mod inbox;
mod instance;
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
    instance::start(respond);
}

/// Answers a request; the runtime calls it by this name. The work is done in [`respond`], which JavaScript calls: so an
/// exception that gets out of it is met there.
#[wasm_bindgen]
#[allow(
    missing_docs,
    unreachable_pub,
    clippy::needless_pass_by_value,
    reason = "the bindings ask for a public function that takes values, and copy no comment"
)]
pub fn fetch(request: Request, env: Env, context: Context) -> JsValue {
    instance::handle(&request, &env, &context)
}

/// A response, or the promise of one.
#[allow(clippy::needless_pass_by_value, reason = "JavaScript gives values")]
fn respond(request: Request, env: Env, context: Context) -> JsValue {
    js::begin_turn();
    let isolate = Isolate::of(&env);
    let exchange = Exchange::begin(Rc::clone(&isolate), &request);
    let route = route(&exchange.method, &exchange.path);
    if let Err(denied) = exchange.cors
        && (route != Route::Health || denied == Denied::MalformedHost)
    {
        return given(exchange.refuse(&denied.into()));
    }
    given(match route {
        Route::Health => exchange.health(),
        Route::Ready => exchange.ready(),
        Route::Preflight { allow } => exchange.preflight(allow),
        Route::Chat => return answer(exchange, request, &context),
        Route::MethodNotAllowed { allow } => {
            let mut error = ApiError::from(ErrorCode::MethodNotAllowed);
            error.allow = Some(allow);
            exchange.refuse(&error)
        }
        Route::NotFound => exchange.refuse(&ErrorCode::NotFound.into()),
    })
}

/// What the runtime could not build is left to JavaScript, which has a response for that.
fn given(response: Result<Response, JsValue>) -> JsValue {
    response.map_or(JsValue::UNDEFINED, JsValue::from)
}

/// Runs a chat to its end under `waitUntil`, so that its last line is logged also when the client
/// leaves, and gives its response back as soon as there is one.
fn answer(exchange: Exchange, request: Request, context: &Context) -> JsValue {
    let mut promise = JsValue::UNDEFINED;
    task::spawn(|inbox| {
        let id = exchange.correlation_id.as_str();
        let logged_id = exchange.isolate.log.scrubbed(id);
        let answer = Answer::within(context, inbox.task, id, &logged_id);
        promise = answer.promise().into();
        Chat::new(exchange, answer).run(request, inbox)
    });
    promise
}

//! The only code that touches JavaScript. Here is the runtime's entry: a request is routed to what answers it.
//!
//! ```text
//! fetch → route ─► routes: health, readiness, preflights, refusals
//!               ├► chat: admission → upstream → pump
//!               ├► models: what upstream lists
//!               └► forward: to the object of the client's owner, which keeps its conversations
//! ```

use std::panic;
use std::rc::Rc;

use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{Request, Response};
use worker::worker_sys::Context;
use worker::{Env, event};

use self::chat::Chat;
use self::exchange::Exchange;
use self::isolate::Isolate;
use self::runtime::instance::{self, OpenWork};
use self::runtime::task::Inbox;
use self::runtime::{js, task};
use crate::api::access::Denied;
use crate::api::error::{ApiError, ErrorCode};
use crate::api::route::{KeptRoute, Route, route};

mod admission;
mod attempt;
mod chat;
mod early_end;
mod endpoint;
mod exchange;
mod first_event;
mod forward;
mod isolate;
mod models;
mod owner;
mod pump;
mod response;
mod routes;
mod runtime;
mod sale;
mod upstream;

#[event(start)]
fn start() {
    panic::set_hook(Box::new(isolate::log_panic));
    instance::start(respond, owner::respond, owner::wake);
}

/// Answers a request; the runtime calls it by this name. JavaScript calls [`respond`] in turn, so that it can catch any
/// exception.
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
    let exchange = Exchange::begin(Isolate::of(&env), &request);
    let route = route(&exchange.method, &exchange.path);
    // Probes may ask for health from anywhere, and it tells nothing.
    if let Err(denied) = exchange.cors
        && (route != Route::Health || denied == Denied::MalformedHost)
    {
        return built(routes::refuse(&exchange, &denied.into()));
    }
    match route {
        Route::Chat => open(
            exchange,
            request,
            &context,
            |exchange, request, open, inbox| Chat::new(exchange, open).run(request, inbox),
        ),
        Route::Kept(route) => {
            let has_body = matches!(route, KeptRoute::Rename(_));
            open(
                exchange,
                request,
                &context,
                move |exchange, request, open, inbox| {
                    forward::run(exchange, has_body, request, open, inbox)
                },
            )
        }
        Route::Models => {
            let context_value: &JsValue = context.as_ref();
            let held: Context = context_value.clone().unchecked_into();
            open(
                exchange,
                request,
                &context,
                |exchange, request, open, inbox| models::run(exchange, held, request, open, inbox),
            )
        }
        Route::Health => built(routes::health(&exchange)),
        Route::Ready => built(routes::ready(&exchange)),
        Route::Preflight { allow } => built(routes::preflight(&exchange, allow)),
        Route::MethodNotAllowed { allow } => {
            let mut error = ApiError::from(ErrorCode::MethodNotAllowed);
            error.allow = Some(allow);
            built(routes::refuse(&exchange, &error))
        }
        Route::NotFound => built(routes::refuse(&exchange, &ErrorCode::NotFound.into())),
    }
}

/// The response, unless the runtime could not build it: `undefined` has JavaScript answer 500.
fn built(response: Result<Response, JsValue>) -> JsValue {
    response.map_or(JsValue::UNDEFINED, JsValue::from)
}

/// Starts the work on a request that takes time, and gives the promise of its response. The work goes on under
/// `waitUntil`, so that its last line is logged even when the client leaves.
fn open<F: Future<Output = ()> + 'static>(
    exchange: Exchange,
    request: Request,
    context: &Context,
    run: impl FnOnce(Exchange, Request, OpenWork, Rc<Inbox>) -> F,
) -> JsValue {
    let mut response = JsValue::UNDEFINED;
    task::spawn(|inbox| {
        let id = exchange.correlation_id.as_str();
        let logged_id = exchange.isolate.log.scrubbed(id);
        let open = OpenWork::begin(context, inbox.task, id, &logged_id);
        response = open.response().into();
        run(exchange, request, open, inbox)
    });
    response
}

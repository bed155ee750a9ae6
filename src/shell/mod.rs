//! The only code that touches JavaScript: it dispatches, and always answers.

use std::panic;
use std::rc::Rc;

use futures::channel::oneshot;
use web_sys::{Request, Response};
use worker::{Context, Env, event};

use self::chat::Chat;
use self::exchange::Exchange;
use self::isolate::Isolate;
use crate::api::error::{ApiError, ErrorCode};
use crate::api::route::{Route, route};

mod admission;
mod body;
mod chat;
mod client;
mod console;
mod exchange;
mod isolate;
mod js;
mod limiter;
mod pump;
mod response;
mod upstream;

#[event(start)]
fn start() {
    panic::set_hook(Box::new(isolate::log_panic));
}

/// An `Err` would be answered as plain text without a correlation id, so there is none but where
/// the runtime itself cannot build a response.
#[event(fetch)]
async fn fetch(request: Request, env: Env, context: Context) -> worker::Result<Response> {
    let isolate = Isolate::of(&env);
    let exchange = Exchange::begin(Rc::clone(&isolate), &request);
    let route = route(&exchange.method, &exchange.path);
    if exchange.cors.is_none() && route != Route::Health {
        return Ok(exchange.refuse(&ErrorCode::OriginNotAllowed.into())?);
    }
    let response = match route {
        Route::Health => exchange.health(),
        Route::Ready => exchange.ready(),
        Route::Preflight => exchange.preflight(),
        Route::Chat => return answer(exchange, request, &context).await,
        Route::MethodNotAllowed { allow } => {
            let mut error = ApiError::from(ErrorCode::MethodNotAllowed);
            error.allow = Some(allow);
            exchange.refuse(&error)
        }
        Route::NotFound => exchange.refuse(&ErrorCode::NotFound.into()),
    };
    Ok(response?)
}

/// Runs a chat to its end under `waitUntil`, so that its last line is logged also when the client
/// leaves, and gives its response back as soon as there is one.
async fn answer(
    exchange: Exchange,
    request: Request,
    context: &Context,
) -> worker::Result<Response> {
    let (respond, response) = oneshot::channel();
    context.wait_until(Chat::new(exchange, respond).run(request));
    match response.await {
        Ok(response) => Ok(response?),
        // The client is gone: nobody reads this.
        Err(oneshot::Canceled) => Ok(Response::error()),
    }
}

//! Requests to an object, each with its answer and its last log line.

use std::rc::Rc;

use js_sys::Uint8Array;
use wasm_bindgen::JsValue;
use web_sys::{Request, Response};

use super::ask::{self, Wanted};
use super::download;
use super::keeper::Keeper;
use super::kept::{self, Reply};
use super::ledger;
use super::nameless;
use super::object::Object;
use super::reader::Reader;
use crate::api::ending::EndReason;
use crate::api::error::ErrorCode;
use crate::api::request::ChatRequest;
use crate::api::route::{KeptRoute, Route, route};
use crate::config::Config;
use crate::shell::early_end::EarlyEnd;
use crate::shell::exchange::Exchange;
use crate::shell::forward::Relayed;
use crate::shell::response;
use crate::shell::runtime::instance::OpenWork;
use crate::shell::runtime::js;
use crate::shell::runtime::task;
use crate::shell::runtime::wait::{Interrupted, Waiting};
use crate::shell::sale;
use crate::telemetry::record::Level;

/// What a response without a body has.
const NOT_STORED: [(&str, &str); 1] = [("cache-control", "no-store")];

/// A response that stands as a whole, and its status.
type Whole = (u16, Result<Response, JsValue>);

/// Answers a request; gives the promise of its response.
pub(super) fn respond(keeper: Rc<Keeper>, request: Request) -> JsValue {
    let exchange = Rc::new(Exchange::begin(Rc::clone(&keeper.object.isolate), &request));
    let mut response = JsValue::UNDEFINED;
    task::spawn(|inbox| {
        let id = exchange.correlation_id.as_str();
        let logged_id = exchange.isolate.log.scrubbed(id);
        let open = OpenWork::begin(&keeper.object.context, inbox.task, id, &logged_id);
        response = open.response().into();
        let waiting = Waiting::of(&request, inbox);
        run(keeper, exchange, request, open, waiting)
    });
    response
}

async fn run(
    keeper: Rc<Keeper>,
    exchange: Rc<Exchange>,
    request: Request,
    open: OpenWork,
    mut waiting: Waiting,
) {
    let object = &*keeper.object;
    if exchange.method == sale::METHOD {
        // The request that it belongs to has its lines in the worker.
        let told = tell(object, &exchange, &request, &mut waiting).await;
        open.respond(told);
        return;
    }
    let reply = handle(&keeper, &exchange, &request, &mut waiting).await;
    drop(request);
    let context = exchange.response_context();
    let answered = match reply {
        Ok(Reply::Stream(wanted)) => stream(&exchange, wanted, &open, &mut waiting).await,
        Ok(Reply::Text(media_type, transcript)) => download::run(
            object,
            &exchange,
            &open,
            &mut waiting,
            media_type,
            transcript,
        )
        .await
        .map(|()| None),
        Ok(Reply::Json(body)) => Ok(Some((200, response::json(200, &body, &context, &[])))),
        Ok(Reply::Nothing) => Ok(Some((204, response::no_content(&NOT_STORED, &context)))),
        Err(end) => Err(end),
    };
    let (response, completion) = match answered {
        // The last line is written.
        Ok(None) => return,
        Ok(Some((status, response))) => {
            let completion = exchange.completion(Some(status), EndReason::Done);
            (response, completion)
        }
        Err(EarlyEnd::ClientGone) => {
            // The worker writes the last line.
            open.respond(response::for_nobody(&context));
            return;
        }
        Err(end) => end.resolve(&exchange),
    };
    // The runtime holds the response back until everything that was written is safe. If the worker gives the request up
    // before, or the object is ended, the worker writes the last line.
    if object.storage.confirmed(&mut waiting).await {
        exchange.log_complete(Level::Info, &completion);
    } else if !waiting.is_client_gone() {
        // The worker waits for the response, and would write no line if it came.
        return;
    }
    open.respond(response);
}

/// Takes in what the worker tells of a stateless answer.
async fn tell(
    object: &Object,
    exchange: &Exchange,
    request: &Request,
    waiting: &mut Waiting,
) -> Relayed {
    let context = exchange.response_context();
    let Ok(config) = &exchange.isolate.config else {
        return response::error(&ErrorCode::ConfigurationError.into(), &context);
    };
    match body(request, config, waiting).await {
        Ok(body) => ledger::answer(object, exchange, config, &body),
        Err(_) => response::for_nobody(&context),
    }
}

async fn handle(
    keeper: &Rc<Keeper>,
    exchange: &Rc<Exchange>,
    request: &Request,
    waiting: &mut Waiting,
) -> Result<Reply, EarlyEnd> {
    let config = exchange.isolate.config.as_ref().map_err(EarlyEnd::from)?;
    let route = route(&exchange.method, &exchange.path);
    let body = match route {
        Route::Chat | Route::Kept(KeptRoute::Rename(_)) => body(request, config, waiting).await?,
        _ => Vec::new(),
    };
    match route {
        Route::Chat => {
            let chat = ChatRequest::parse(&body, &config.rules).map_err(EarlyEnd::Invalid)?;
            let mut sale = None;
            let reserved =
                nameless::reserve(keeper, exchange, request, &chat, config, &mut sale, waiting);
            let asked = match reserved.await {
                Ok(()) => ask::ask(keeper, exchange, request, chat, config, &mut sale),
                Err(end) => Err(end),
            };
            // No answer has begun.
            if let Some(sale) = sale {
                sale.tell(exchange, None, waiting).await;
            }
            asked.map(Reply::Stream)
        }
        Route::Kept(route) => kept::reply(keeper, request, route, &body),
        // The worker forwards no other request.
        _ => Err(ErrorCode::NotFound.into()),
    }
}

/// The worker has read the body already, so it comes at once.
async fn body(
    request: &Request,
    config: &Config,
    waiting: &mut Waiting,
) -> Result<Vec<u8>, EarlyEnd> {
    let deadline_ms = js::steady_ms().saturating_add(config.limits.idle_ms());
    let whole = request
        .array_buffer()
        .map_err(|_| ErrorCode::InternalError)?;
    match waiting.settle(&whole, deadline_ms).await {
        Ok(buffer) => Ok(Uint8Array::new(&buffer).to_vec()),
        Err(Interrupted::ClientGone) => Err(EarlyEnd::ClientGone),
        Err(_) => Err(ErrorCode::RequestTimeout.into()),
    }
}

/// Sends the frames of an answer. A reader that has them all gets a whole response, which is given back.
async fn stream(
    exchange: &Exchange,
    wanted: Wanted,
    open: &OpenWork,
    waiting: &mut Waiting,
) -> Result<Option<Whole>, EarlyEnd> {
    let config = exchange.isolate.config.as_ref().map_err(EarlyEnd::from)?;
    let Wanted { answer, after } = wanted;
    let reader = Reader {
        exchange,
        answer: Rc::clone(&answer),
        limits: config.limits,
    };
    if reader.run(open, after, waiting).await? {
        return Ok(None);
    }
    // The reader has all of it already.
    let [not_stored] = NOT_STORED;
    let headers = [not_stored, ("x-answer-id", answer.id.as_str())];
    let response = response::no_content(&headers, &exchange.response_context());
    Ok(Some((204, response)))
}

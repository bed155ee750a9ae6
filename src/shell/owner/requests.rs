//! Requests to an object, each with its answer and its last log line.

use std::rc::Rc;

use js_sys::Uint8Array;
use wasm_bindgen::JsValue;
use web_sys::{Request, Response};

use super::ask::{self, Wanted};
use super::download;
use super::keeper::Keeper;
use super::object::store_failed;
use super::reader::Reader;
use super::storage::words_of;
use crate::api::accept::prefers_markdown;
use crate::api::answer_id::{AnswerId, sequence_of};
use crate::api::ending::EndReason;
use crate::api::error::{ApiError, ErrorCode};
use crate::api::listing::{Page, parameter, percent_decoded};
use crate::api::request::{ConversationId, Invalid, title};
use crate::api::route::{KeptRoute, Route, route};
use crate::config::Config;
use crate::json;
use crate::memory::list::{Cursor, Listing};
use crate::memory::reading::{Format, Reading};
use crate::memory::store::State;
use crate::shell::early_end::EarlyEnd;
use crate::shell::exchange::Exchange;
use crate::shell::response;
use crate::shell::runtime::instance::OpenChat;
use crate::shell::runtime::js;
use crate::shell::runtime::task;
use crate::shell::runtime::wait::{Interrupted, Waiting};
use crate::telemetry::record::Level;

/// What a request gets.
enum Reply {
    Json(String),
    Nothing,
    Stream(Wanted),
    /// A text of this media type, which is made as it is read.
    Text(&'static str, Reading),
}

/// A response that stands as a whole, and its status.
type Whole = (u16, Result<Response, JsValue>);

/// Answers a request; gives the promise of its response.
pub(super) fn respond(keeper: Rc<Keeper>, request: Request) -> JsValue {
    let exchange = Rc::new(Exchange::begin(Rc::clone(&keeper.object.isolate), &request));
    let mut response = JsValue::UNDEFINED;
    task::spawn(|inbox| {
        let id = exchange.correlation_id.as_str();
        let logged_id = exchange.isolate.log.scrubbed(id);
        let open = OpenChat::begin(&keeper.object.context, inbox.task, id, &logged_id);
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
    open: OpenChat,
    mut waiting: Waiting,
) {
    let reply = handle(&keeper, &exchange, &request, &mut waiting).await;
    drop(request);
    let object = &*keeper.object;
    let context = exchange.response_context();
    let answered = match reply {
        Ok(Reply::Stream(wanted)) => stream(&exchange, wanted, &open, &mut waiting).await,
        Ok(Reply::Text(media_type, reading)) => {
            download::run(object, &exchange, &open, &mut waiting, media_type, reading)
                .await
                .map(|()| None)
        }
        Ok(Reply::Json(body)) => Ok(Some((200, response::json(200, &body, &context, &[])))),
        Ok(Reply::Nothing) => Ok(Some((204, response::no_content(&context)))),
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
        Route::Chat => ask::ask(keeper, exchange, request, &body, config).map(Reply::Stream),
        Route::Kept(route) => kept(keeper, request, route, &body),
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
    let deadline_ms = js::now_ms().saturating_add(config.limits.idle_ms());
    let whole = request
        .array_buffer()
        .map_err(|_| ErrorCode::InternalError)?;
    match waiting.settle(&whole, deadline_ms).await {
        Ok(buffer) => Ok(Uint8Array::new(&buffer).to_vec()),
        Err(Interrupted::ClientGone) => Err(EarlyEnd::ClientGone),
        Err(_) => Err(ErrorCode::RequestTimeout.into()),
    }
}

fn kept(
    keeper: &Keeper,
    request: &Request,
    route: KeptRoute<'_>,
    body: &[u8],
) -> Result<Reply, EarlyEnd> {
    let object = &*keeper.object;
    let store = object.store()?;
    let failed = |error: JsValue| store_failed(&error);
    match route {
        KeptRoute::List => {
            let page = Page::parse(&query_of(request)).map_err(EarlyEnd::Invalid)?;
            let before = page.before.as_deref().map(cursor).transpose()?;
            let words = page.search.as_deref().map(words_of);
            let listing = Listing {
                words: words.as_deref(),
                before,
                limit: u64::from(page.limit),
            };
            store.list(&listing).map(Reply::Json).map_err(failed)
        }
        KeptRoute::Conversation(id) => {
            let id = conversation(id)?;
            let accept = js::header(&request.headers(), "accept").unwrap_or_default();
            let (format, media_type) = if prefers_markdown(&accept) {
                (Format::Markdown, "text/markdown; charset=utf-8")
            } else {
                (Format::Json, "application/json")
            };
            let reading = store.conversation(id.as_str(), format).map_err(failed)?;
            let reading = reading.ok_or_else(no_conversation)?;
            Ok(Reply::Text(media_type, reading))
        }
        KeptRoute::Rename(id) => {
            let title = title(body).map_err(EarlyEnd::Invalid)?;
            let id = conversation(id)?;
            let is_known = store
                .rename(id.as_str(), &title, js::now_ms())
                .map_err(failed)?;
            if !is_known {
                return Err(no_conversation());
            }
            let title = json::to_json(&title);
            let id = id.as_str();
            Ok(Reply::Json(format!(
                "{{\"id\":\"{id}\",\"title\":{title}}}"
            )))
        }
        KeptRoute::Delete(id) => {
            let id = conversation(id)?;
            let running = keeper.running_in(id.as_str());
            if store.delete(id.as_str()).map_err(failed)?.is_none() {
                return Err(no_conversation());
            }
            for answer in running {
                answer.discard();
            }
            Ok(Reply::Nothing)
        }
        KeptRoute::DeleteAll => {
            let confirmation = js::header(&request.headers(), "x-confirm");
            if confirmation.as_deref() != Some("delete-everything") {
                let rule =
                    "Value error, send 'X-Confirm: delete-everything' to forget all conversations";
                return Err(EarlyEnd::Invalid(Invalid::header("x-confirm", rule)));
            }
            let running = keeper.all_running();
            store.delete_all().map_err(failed)?;
            for answer in running {
                answer.discard();
            }
            Ok(Reply::Nothing)
        }
        KeptRoute::Answer(id) => {
            let id = AnswerId::parse(&percent_decoded(id)).ok_or_else(ask::no_answer)?;
            let after = match ask::sequence_after(request, &id)? {
                Some(sequence) => Some(sequence),
                None => after_in(&query_of(request))?,
            };
            let answer = ask::find(keeper, &id)?.ok_or_else(ask::no_answer)?;
            Ok(Reply::Stream(Wanted { answer, after }))
        }
        KeptRoute::Stop(id) => {
            let id = AnswerId::parse(&percent_decoded(id)).ok_or_else(ask::no_answer)?;
            let answer = ask::find(keeper, &id)?.ok_or_else(ask::no_answer)?;
            answer.stop(object)?;
            let state = answer.state().unwrap_or(State::Stopped).name();
            Ok(Reply::Json(format!("{{\"state\":\"{state}\"}}")))
        }
        KeptRoute::Export => Ok(Reply::Text("application/jsonl", Reading::export())),
    }
}

/// Sends the frames of an answer. A reader that has them all gets a whole response, which is given back.
async fn stream(
    exchange: &Exchange,
    wanted: Wanted,
    open: &OpenChat,
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
    let response = response::nothing_more(&answer.id, &exchange.response_context());
    Ok(Some((204, response)))
}

/// Where the last page ended.
fn cursor(text: &str) -> Result<Cursor, EarlyEnd> {
    Cursor::parse(text).ok_or_else(|| {
        EarlyEnd::Invalid(Invalid::query("before", "Value error, no page ended there"))
    })
}

fn conversation(id: &str) -> Result<ConversationId, EarlyEnd> {
    ConversationId::parse(&percent_decoded(id)).ok_or_else(no_conversation)
}

fn no_conversation() -> EarlyEnd {
    EarlyEnd::Rejected(ApiError::new(
        ErrorCode::NotFound,
        "You have no conversation with this id.",
    ))
}

/// The sequence in `?after=`.
fn after_in(query: &str) -> Result<Option<u64>, EarlyEnd> {
    let Some(digits) = parameter(query, "after") else {
        return Ok(None);
    };
    sequence_of(&digits).map(Some).ok_or_else(|| {
        EarlyEnd::Invalid(Invalid::query(
            "after",
            "Input should be a frame's sequence",
        ))
    })
}

/// The query of a request's URL, without its question mark.
fn query_of(request: &Request) -> String {
    let url = request.url();
    let without_fragment = url.split('#').next().unwrap_or_default();
    let query = without_fragment.split_once('?');
    query.map(|(_, query)| query.to_owned()).unwrap_or_default()
}

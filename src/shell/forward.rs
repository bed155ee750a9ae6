//! Requests about what is kept, forwarded to the object of their owner.
//!
//! The worker lets the request in and adds the headers of every response. The body is the object's own, which the runtime
//! passes on by itself: a token is paid for once.
//!
//! A request's last log line is written by whoever answers it: by the object, if its response arrives here, else by the
//! worker. Each knows: the worker waits for the response, and the end of its wait tells the object that nobody does.

use std::rc::Rc;

use serde::Serialize;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{Request, Response};

use super::admission;
use super::early_end::EarlyEnd;
use super::exchange::{Exchange, target_of};
use super::response;
use super::runtime::instance::OpenWork;
use super::runtime::js::{self, HeaderMap};
use super::runtime::task::Inbox;
use super::runtime::wait::{Interrupted, Waiting};
use crate::api::access::{Client, account_of};
use crate::api::error::{ApiError, ErrorCode};
use crate::config::Config;
use crate::json;
use crate::openai::failure::Failure;
use crate::telemetry::record::Level;

/// How much longer than upstream an object may take to answer, in milliseconds.
const SLACK_MS: u64 = 10_000;

/// How long a request lives on after its client has left, in milliseconds, so that it still reaches the object: a question
/// that was sent is answered.
const ARRIVAL_MS: u64 = 1_000;

/// What a client is told that belongs to nobody, so that nothing can be kept for it.
const NO_OWNER: &str = "This service keeps no conversations without access tokens. Leave out conversation_id. If you run this service, set ACCESS_TOKENS, or ANONYMOUS_OWNER to true.";

/// The path of what answers have cost.
pub(super) const USAGE: &str = "/usage";

/// The header that tells an object whom budgets name. Clients cannot send it.
pub(super) const ACCOUNT_HEADER: &str = "x-account";

/// The header that tells an object that its owner has no name, so that another object counts. Clients cannot send it.
pub(super) const ELSEWHERE_HEADER: &str = "x-counted-elsewhere";

/// The headers that an object looks at.
const FORWARDED_HEADERS: [&str; 4] = ["accept", "idempotency-key", "last-event-id", "x-confirm"];

/// The object's response as the client gets it; an error when it cannot be built.
pub(super) type Relayed = Result<Response, JsValue>;

/// What `fetch` takes, apart from the body.
#[derive(Serialize)]
pub(super) struct Options<'a> {
    pub(super) method: &'a str,
    pub(super) headers: HeaderMap<'a>,
}

/// Answers a request about what is kept. `has_body`: its route takes one.
pub(super) async fn run(
    exchange: Exchange,
    has_body: bool,
    request: Request,
    open: OpenWork,
    inbox: Rc<Inbox>,
) {
    let mut waiting = Waiting::of(&request, inbox);
    let answered = answer(&exchange, has_body, &request, &mut waiting).await;
    drop(request);
    match answered {
        Ok(response) => open.respond(response),
        Err(end) => end.respond(&exchange, &open),
    }
}

async fn answer(
    exchange: &Exchange,
    has_body: bool,
    request: &Request,
    waiting: &mut Waiting,
) -> Result<Relayed, EarlyEnd> {
    let config = admission::config_of(exchange)?;
    let client = admission::authorize(request, config);
    let name = admission::name_of(&client);
    let body = match (&client, has_body) {
        (Ok(_), true) => admission::read(exchange, request, config, waiting)
            .await
            .map(Some),
        _ => Ok(None),
    };
    exchange.log_received(Level::Info, None, name);
    let client = client?;
    forward(exchange, request, config, client, body?, waiting).await
}

/// Has the owner's object answer. Unless this fails, the object writes the request's last log line as well.
pub(super) async fn forward(
    exchange: &Exchange,
    request: &Request,
    config: &Config,
    client: Option<&Client>,
    body: Option<Vec<u8>>,
    waiting: &mut Waiting,
) -> Result<Relayed, EarlyEnd> {
    let account = account_of(client);
    // Clients that share one account ask one object what it has spent.
    let (owner, unavailable) = if exchange.path == USAGE {
        (Some(account.owner), ErrorCode::UsageUnavailable)
    } else {
        let owner = config.kept.owner_of(client);
        (owner, ErrorCode::ConversationsUnavailable)
    };
    let owners = exchange.isolate.owners.as_ref().ok_or(unavailable)?;
    let owner = owner.ok_or_else(|| {
        EarlyEnd::Rejected(ApiError::new(ErrorCode::ConversationsUnavailable, NO_OWNER))
    })?;
    let headers = request.headers();
    let mut forwarded = vec![
        (
            "x-correlation-id",
            exchange.correlation_id.as_str().to_owned(),
        ),
        (ACCOUNT_HEADER, account.name.to_owned()),
    ];
    if owner != account.owner {
        forwarded.push((ELSEWHERE_HEADER, "true".to_owned()));
    }
    for name in FORWARDED_HEADERS {
        if let Some(value) = js::header(&headers, name) {
            // Anything but plain text could change or fail on its way, so a question mark takes its place: ids and keys may
            // not contain one, and no media type that matters has one.
            let plain = value.bytes().map(|byte| match byte {
                b'\t' | b' '..=b'~' => char::from(byte),
                _ => '?',
            });
            forwarded.push((name, plain.collect()));
        }
    }
    let pairs: Vec<_> = forwarded
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    let options = Options {
        method: &exchange.method,
        headers: HeaderMap(&pairs),
    };
    let target = target_of(request);
    let unavailable = |error: &JsValue| {
        EarlyEnd::Failed(Failure::new(
            ErrorCode::StoreUnavailable,
            js::error_text(error),
        ))
    };
    let asked = owners
        .ask(owner, &target, &json::to_json(&options), body)
        .map_err(|error| unavailable(&error))?;
    let deadline_ms = js::steady_ms()
        .saturating_add(config.limits.opening_ms())
        .saturating_add(SLACK_MS);
    let mut settled = waiting.settle(&asked, deadline_ms).await;
    let is_client_gone = matches!(settled, Err(Interrupted::ClientGone));
    if is_client_gone {
        waiting.forget_client();
        let arrived_ms = js::steady_ms().saturating_add(ARRIVAL_MS);
        settled = waiting.settle(&asked, arrived_ms).await;
    }
    match settled {
        Ok(answer) => {
            let answer: Response = answer.unchecked_into();
            Ok(response::relayed(&answer, &exchange.response_context()))
        }
        Err(Interrupted::Failed(error)) => Err(unavailable(&error)),
        Err(_) if is_client_gone => Err(EarlyEnd::ClientGone),
        Err(_) => Err(unavailable(&JsValue::from_str("no answer in time"))),
    }
}

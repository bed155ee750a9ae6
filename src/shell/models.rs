//! `GET /models`: the models that a client may choose from.
//!
//! Where the deployment does not list them, upstream does. It is asked once for all who want to know at the same time, by
//! a task of its own: whoever of them leaves, the others get its answer.

use std::cell::RefCell;
use std::rc::Rc;

use js_sys::Promise;
use wasm_bindgen::JsCast;
use web_sys::{Request, Response};
use worker::worker_sys::Context;

use super::admission;
use super::early_end::EarlyEnd;
use super::endpoint::Endpoint;
use super::exchange::Exchange;
use super::isolate::MAX_LOGGED_CAUSE;
use super::response;
use super::runtime::instance::OpenWork;
use super::runtime::js;
use super::runtime::streams::Source;
use super::runtime::task::{self, Inbox};
use super::runtime::wait::{Interrupted, Waiting};
use crate::api::ending::EndReason;
use crate::config::Config;
use crate::openai::models::{self, MAX_LIST_BYTES};
use crate::telemetry::record::Level;

/// The longest wait for upstream's list, in milliseconds; `TIMEOUT_SECONDS` may be shorter.
const MAX_WAIT_MS: u64 = 5_000;

/// How long upstream's list is used, in milliseconds.
const FRESH_MS: u64 = 300_000;

/// How long upstream is left alone when it gave no list, in milliseconds.
const RETRY_MS: u64 = 30_000;

/// What is known of upstream's models.
#[derive(Default)]
struct Known {
    /// The body of the answer, and until when it is used.
    body: Rc<str>,
    fresh_until_ms: u64,
    /// Settles when the call under way, if any, is over.
    call: Option<Promise>,
}

thread_local! {
    static KNOWN: RefCell<Known> = RefCell::default();
}

/// Answers a request, from its first log line to its last one.
pub(super) async fn run(
    exchange: Exchange,
    context: Context,
    request: Request,
    open: OpenWork,
    inbox: Rc<Inbox>,
) {
    let exchange = Rc::new(exchange);
    let mut waiting = Waiting::of(&request, inbox);
    match answer(&exchange, context, &request, &mut waiting).await {
        Ok(body) => {
            let completion = exchange.completion(Some(200), EndReason::Done);
            exchange.log_complete(Level::Info, &completion);
            let context = exchange.response_context();
            // The runtime drops the body of an answer to HEAD and keeps its length.
            open.respond(response::json(200, &body, &context, &[]));
        }
        Err(end) => end.respond(&exchange, &open),
    }
}

async fn answer(
    exchange: &Rc<Exchange>,
    context: Context,
    request: &Request,
    waiting: &mut Waiting,
) -> Result<Rc<str>, EarlyEnd> {
    let config = admission::config_of(exchange)?;
    let client = admission::authorize(request, config);
    let name = admission::name_of(&client);
    exchange.log_received(Level::Info, None, name);
    client?;
    let allowed = models::allowed(&config.rules);
    if !allowed.is_empty() {
        return Ok(to_json(&allowed, config));
    }
    let deadline_ms = js::steady_ms().saturating_add(wait_ms(config));
    if !KNOWN.with_borrow(|known| js::steady_ms() < known.fresh_until_ms) {
        let under_way = KNOWN.with_borrow(|known| known.call.clone());
        if let Some(call) = under_way.or_else(|| load(exchange, &context, config)) {
            let settled = waiting.settle(&call, deadline_ms).await;
            if let Err(Interrupted::ClientGone) = settled {
                return Err(EarlyEnd::ClientGone);
            }
        }
    }
    Ok(KNOWN.with_borrow(|known| Rc::clone(&known.body)))
}

fn wait_ms(config: &Config) -> u64 {
    config.limits.idle_ms().min(MAX_WAIT_MS)
}

/// Starts a call of upstream, and gives what settles when it is over. Until then, only the default model is known.
fn load(exchange: &Rc<Exchange>, context: &Context, config: &Config) -> Option<Promise> {
    let mut call = None;
    task::spawn(|inbox| {
        let id = exchange.correlation_id.as_str();
        let logged_id = exchange.isolate.log.scrubbed(id);
        let open = OpenWork::begin(context, inbox.task, id, &logged_id);
        call = Some(open.done());
        know(Vec::new(), config, 0, call.clone());
        let exchange = Rc::clone(exchange);
        async move {
            keep(&exchange, Waiting::without_client(inbox)).await;
            drop(open);
        }
    });
    call
}

/// Asks upstream, and keeps what it says.
async fn keep(exchange: &Exchange, mut waiting: Waiting) {
    let Ok(config) = &exchange.isolate.config else {
        return;
    };
    let (ids, fresh_ms) = match ask(exchange, config, &mut waiting).await {
        Ok(ids) => (ids, FRESH_MS),
        Err(cause) => {
            exchange.log(Level::Warning, "models_unavailable", |record| {
                record.outside("cause", &cause, MAX_LOGGED_CAUSE);
            });
            (Vec::new(), RETRY_MS)
        }
    };
    know(ids, config, fresh_ms, None);
}

fn know(ids: Vec<String>, config: &Config, fresh_ms: u64, call: Option<Promise>) {
    let ids = models::with_default(ids, &config.rules.default_model);
    let known = Known {
        body: to_json(&ids, config),
        fresh_until_ms: js::steady_ms().saturating_add(fresh_ms),
        call,
    };
    KNOWN.set(known);
}

fn to_json(ids: &[String], config: &Config) -> Rc<str> {
    let shown_prompt = config.target.shown_system_prompt();
    models::to_json(ids, &config.rules.default_model, shown_prompt).into()
}

/// Upstream's models, or why it does not tell them.
async fn ask(
    exchange: &Exchange,
    config: &Config,
    waiting: &mut Waiting,
) -> Result<Vec<String>, String> {
    let deadline_ms = js::steady_ms().saturating_add(wait_ms(config));
    let cause_of = |interrupted| match interrupted {
        Interrupted::Failed(error) => ["unreachable: ", &js::error_text(&error)].concat(),
        _ => "no answer in time".to_owned(),
    };
    let failed = |error| cause_of(Interrupted::Failed(error));
    let endpoint = Endpoint::models(&config.target).map_err(failed)?;
    let called = endpoint.call(None, exchange.correlation_id.as_str(), None);
    let response = waiting.settle(&called.map_err(failed)?, deadline_ms).await;
    let response: Response = response.map_err(cause_of)?.unchecked_into();
    let body = response.body().map(|body| Source::of(&body, waiting));
    let Some(mut source) = body.filter(|_| response.ok()) else {
        return Err(format!("upstream status {}", response.status()));
    };
    let read = source.read_until_over(MAX_LIST_BYTES, waiting, deadline_ms);
    let bytes = read.await.map_err(cause_of)?;
    if bytes.len() > MAX_LIST_BYTES {
        return Err("more than 2 MiB".to_owned());
    }
    models::parse_list(&bytes).ok_or_else(|| "no list of models".to_owned())
}

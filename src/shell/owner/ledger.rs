//! What an object does for the bill of its owner: it lets answers begin as far as their budget goes, and enters what the
//! worker tells of stateless ones.

use wasm_bindgen::JsValue;
use web_sys::{Request, Response};

use super::object::{Object, store_failed};
use super::storage::Storage;
use crate::api::budget::{Budget, Exhausted};
use crate::api::error::ErrorCode;
use crate::config::Config;
use crate::memory::entry::Entry;
use crate::memory::store::Store;
use crate::shell::early_end::EarlyEnd;
use crate::shell::exchange::Exchange;
use crate::shell::forward::ACCOUNT_HEADER;
use crate::shell::response::{self, LEFT_HEADER};
use crate::shell::runtime::js;
use crate::shell::sale::EXHAUSTED_HEADER;

/// Lets an answer begin that has a budget, unless that is used up; gives how many tokens it has left.
pub(super) fn admit(
    store: &Store<Storage>,
    config: &Config,
    budget: Budget,
    model: &str,
) -> Result<Option<u64>, EarlyEnd> {
    look(store, config, budget, model)?
        .map_err(|exhausted| EarlyEnd::Rejected(exhausted.error(js::now_ms())))
}

/// Why nothing more may be asked for an answer that runs, if a budget is used up by what is spent. What is reserved does not
/// matter: it has its own.
pub(super) fn used_up(
    store: &Store<Storage>,
    config: &Config,
    budget: Budget,
    model: &str,
) -> Result<Option<Exhausted>, EarlyEnd> {
    let exhausted = look(store, config, budget, model)?.err();
    Ok(exhausted.filter(Exhausted::is_spent))
}

/// How many tokens a budget has left, or why nothing may be asked.
fn look(
    store: &Store<Storage>,
    config: &Config,
    budget: Budget,
    model: &str,
) -> Result<Result<Option<u64>, Exhausted>, EarlyEnd> {
    let spending = &config.spending;
    let now_ms = js::now_ms();
    let settled = store.settle(spending, now_ms);
    let standing = settled.and_then(|()| store.standing(spending, now_ms));
    let standing = standing.map_err(store_failed)?;
    Ok(match standing.exhausted(budget) {
        Some(exhausted) => Err(exhausted),
        None => Ok(standing.tokens_left(budget, spending.prices.of(model))),
    })
}

/// Answers what the worker tells of a stateless answer: an [`Entry`].
pub(super) fn answer(
    object: &Object,
    exchange: &Exchange,
    config: &Config,
    body: &[u8],
) -> Result<Response, JsValue> {
    let context = exchange.response_context();
    match enter(object, config, body) {
        Ok(told) => {
            let told = told.as_ref().map(|(name, value)| (*name, value.as_str()));
            response::no_content(told.as_slice(), &context)
        }
        Err(_) => response::error(&ErrorCode::StoreUnavailable.into(), &context),
    }
}

/// Makes an entry; gives the header that answers it.
fn enter(
    object: &Object,
    config: &Config,
    body: &[u8],
) -> Result<Option<(&'static str, String)>, EarlyEnd> {
    let entry = str::from_utf8(body).ok().and_then(Entry::parse);
    match entry.ok_or(ErrorCode::InternalError)? {
        Entry::Reserve { name, reservation } => {
            // Answers that a dead instance left unfinished are counted, not reserved for ever.
            let store = object.store_with_endings()?;
            let budget = config.spending.budget_of(name).unwrap_or_default();
            let left = match look(&store, config, budget, reservation.model)? {
                Ok(left) => left,
                Err(exhausted) => {
                    return Ok(Some((EXHAUSTED_HEADER, exhausted.name().to_owned())));
                }
            };
            store.reserve(&reservation).map_err(store_failed)?;
            Ok(left.map(|left| (LEFT_HEADER, left.to_string())))
        }
        Entry::Fallback { id, model } => {
            let noted = object.store()?.set_fallback(id, model);
            noted.map(|()| None).map_err(store_failed)
        }
        Entry::Close { id, spent } => {
            let closed = object.store()?.close(id, spent, js::now_ms());
            closed.map(|()| None).map_err(store_failed)
        }
    }
}

/// The name that budgets know the client by, as the worker has told it.
pub(super) fn name_in(request: &Request) -> String {
    js::header(&request.headers(), ACCOUNT_HEADER).unwrap_or_default()
}

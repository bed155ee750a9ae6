//! What an object does for stateless answers of its owner: it reserves what they may cost, and counts what they have cost.

use wasm_bindgen::JsValue;
use web_sys::Response;

use super::object::{Object, store_failed};
use super::storage::Storage;
use crate::api::budget::{self, Budget};
use crate::api::day;
use crate::api::error::ErrorCode;
use crate::config::Config;
use crate::json::Fields;
use crate::memory::ledger::Reservation;
use crate::memory::store::Store;
use crate::memory::usage::Spent;
use crate::shell::early_end::EarlyEnd;
use crate::shell::exchange::Exchange;
use crate::shell::response::{self, LEFT_HEADER};
use crate::shell::runtime::js;

/// Lets an answer begin that has a budget, unless that is used up; gives how many tokens it has left.
pub(super) fn admit(
    store: &Store<Storage>,
    config: &Config,
    budget: Budget,
    model: &str,
) -> Result<Option<u64>, EarlyEnd> {
    let now_ms = js::now_ms();
    let prices = &config.spending.prices;
    let standing = store.standing(prices, now_ms).map_err(store_failed)?;
    match standing.exhausted(budget) {
        Some(kind) => {
            let wait_ms = day::reset_ms(now_ms, kind.is_monthly).saturating_sub(now_ms);
            let error = budget::exhausted(wait_ms.div_ceil(1000));
            Err(EarlyEnd::Rejected(error))
        }
        None => Ok(standing.tokens_left(budget, prices.of(model))),
    }
}

/// Answers a message of the worker's about a stateless answer.
pub(super) fn answer(
    object: &Object,
    exchange: &Exchange,
    config: &Config,
    body: &[u8],
) -> Result<Response, JsValue> {
    let context = exchange.response_context();
    match keep(object, config, body) {
        Ok(left) => {
            let left = left.map(|left| left.to_string());
            let headers = left.as_deref().map(|left| (LEFT_HEADER, left));
            response::told(headers.as_slice(), &context)
        }
        Err(EarlyEnd::Rejected(error)) => response::error(&error, &context),
        Err(_) => response::error(&ErrorCode::StoreUnavailable.into(), &context),
    }
}

fn keep(object: &Object, config: &Config, body: &[u8]) -> Result<Option<u64>, EarlyEnd> {
    let message = String::from_utf8_lossy(body);
    let fields = Fields::parse(&message).unwrap_or_default();
    let text = |name: &str| fields.text(name).unwrap_or_default();
    let number = |name: &str| {
        let digits = fields.get(name).unwrap_or_default();
        digits.parse::<u64>().unwrap_or_default()
    };
    let store = object.store()?;
    let (id, model) = (text("id"), text("model"));
    let Some(name) = fields.text("name") else {
        let spent = Spent {
            input_tokens: number("input_tokens"),
            output_tokens: number("output_tokens"),
            cached_tokens: number("cached_tokens"),
            reasoning_tokens: number("reasoning_tokens"),
            is_estimated: number("estimated") > 0,
        };
        let spent = (!model.is_empty()).then_some((model.as_str(), spent));
        let closed = store.close(&id, spent, js::now_ms());
        return closed.map(|()| None).map_err(store_failed);
    };
    // Answers that a dead instance left unfinished are counted, not reserved for ever.
    let store = object.store_with_endings()?;
    let budget = config.spending.budget_of(&name).unwrap_or_default();
    let left = admit(&store, config, budget, &model)?;
    let reservation = Reservation {
        id: &id,
        model: &model,
        sent_tokens: number("input_tokens"),
        max_tokens: number("output_tokens"),
        expires_ms: number("expires_ms"),
    };
    store.reserve(&reservation).map_err(store_failed)?;
    Ok(left)
}

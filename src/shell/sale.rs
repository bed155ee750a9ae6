//! A stateless answer on the account of its client: what it may cost is reserved where there is a budget, before upstream
//! is asked, and what it has cost is told once it is over.
//!
//! The owner's object counts. Without a budget, nothing is asked of it before the answer.

use std::cell::{Cell, RefCell};

use js_sys::Promise;
use uuid::Uuid;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::Response;

use super::early_end::EarlyEnd;
use super::endpoint;
use super::exchange::Exchange;
use super::forward::{Options, USAGE};
use super::response::LEFT_HEADER;
use super::runtime::js::{self, HeaderMap};
use super::runtime::wait::{Interrupted, Waiting};
use crate::api::access::{Client, account_of};
use crate::api::budget::Exhausted;
use crate::api::error::ErrorCode;
use crate::api::request::ChatRequest;
use crate::config::Config;
use crate::json;
use crate::memory::entry::Entry;
use crate::memory::ledger::{Reservation, id_of};
use crate::memory::spent::{self, Ceiling, Spent};
use crate::openai::failure::Failure;
use crate::stream::seen::Seen;

/// The longest wait for the object, in milliseconds.
const MAX_WAIT_MS: u64 = 10_000;

/// The method of a request whose body is an [`Entry`]. Clients cannot send one: the worker knows no path with this
/// method.
pub(super) const METHOD: &str = "PUT";

/// The header by which an object tells why a budget lets nothing begin.
pub(super) const EXHAUSTED_HEADER: &str = "x-budget-exhausted";

/// A stateless answer, until it is told what it has cost.
pub(super) struct Sale {
    /// Its own, by which it is counted once.
    id: String,
    /// The owner whose object counts.
    owner: String,
    /// The name that budgets know its client by.
    name: String,
    /// The model that is asked for.
    model: String,
    /// The one that is asked now.
    asked: RefCell<String>,
    /// Entries of what models have sold that failed before the answer began, if that is still to be told.
    sold: RefCell<Vec<String>>,
    /// What it may cost.
    pub(super) ceiling: Ceiling,
    /// Whether a call of upstream is under way.
    pub(super) is_asking: Cell<bool>,
    /// Whether something may be reserved for it.
    is_reserved: bool,
    /// How many tokens its budget has left.
    pub(super) left: Option<u64>,
}

impl Sale {
    /// The sale of an answer, on the account of its client.
    pub(super) fn of(config: &Config, client: Option<&Client>, chat: &ChatRequest) -> Self {
        let account = account_of(client);
        let instruction_bytes = config.target.instruction_bytes();
        Self {
            id: fresh_id(),
            owner: account.owner.to_owned(),
            name: account.name.to_owned(),
            model: chat.model.clone(),
            asked: RefCell::new(chat.model.clone()),
            sold: RefCell::default(),
            ceiling: Ceiling {
                sent_tokens: spent::sent(instruction_bytes, &chat.history, &chat.message),
                max_tokens: chat.max_tokens.into(),
            },
            is_asking: Cell::new(false),
            is_reserved: false,
            left: None,
        }
    }

    /// Reserves what it may cost, where its client has a budget.
    pub(super) async fn reserve(
        &mut self,
        exchange: &Exchange,
        config: &Config,
        waiting: &mut Waiting,
    ) -> Result<(), EarlyEnd> {
        let budget = config.spending.budget_for(&self.name, &self.model);
        if budget.map_err(EarlyEnd::Invalid)?.is_none() {
            return Ok(());
        }
        // The object may do it even if its response does not arrive.
        self.is_reserved = true;
        let reserve = self.reservation(config);
        let response = self
            .require(exchange, &reserve, waiting, deadline())
            .await?;
        if let Some(exhausted) = exhausted_in(&response) {
            self.is_reserved = false;
            return Err(EarlyEnd::Rejected(exhausted.error(js::now_ms())));
        }
        let left = js::header(&response.headers(), LEFT_HEADER);
        self.left = left.and_then(|left| left.parse().ok());
        Ok(())
    }

    /// The entry that reserves what it may cost.
    fn reservation(&self, config: &Config) -> String {
        let reserve = Entry::Reserve {
            name: &self.name,
            reservation: Reservation {
                id: &self.id,
                model: &self.model,
                sent_tokens: self.ceiling.sent_tokens,
                max_tokens: self.ceiling.max_tokens,
                expires_ms: js::now_ms().saturating_add(config.spending.longest_ms),
            },
        };
        reserve.encode()
    }

    /// What it counts with when it ends before its stream begins. What upstream refused or failed to give is nothing. If its
    /// client left while upstream was asked, the model may have thought all the while.
    pub(super) fn spent_before_answer(&self, end: &EarlyEnd) -> Option<Spent> {
        let was_left = self.is_asking.get() && matches!(end, EarlyEnd::ClientGone);
        Spent::of(was_left.then(Seen::default), self.ceiling)
    }

    /// Says that another model is asked now. If something is reserved, the object is told, so that a crash is counted under
    /// this one. Nobody waits for its answer, which would take of the model's time: the end tells it again.
    pub(super) fn ask(&self, exchange: &Exchange, model: &str) {
        model.clone_into(&mut self.asked.borrow_mut());
        if self.is_reserved {
            let fallback = Entry::Fallback {
                id: &self.id,
                model,
            };
            if let Ok(told) = self.post(exchange, &fallback.encode()) {
                endpoint::abandon(&told, None).unwrap_or_default();
            }
        }
    }

    /// Counts what a model has sold that failed before the answer began: at once where there is a budget, else at the end.
    /// Gives the end if nothing may be asked after that: the budget is used up by it, or the object does not say.
    pub(super) async fn add_sold(
        &self,
        exchange: &Exchange,
        config: &Config,
        model: &str,
        seen: Seen,
        waiting: &mut Waiting,
    ) -> Result<(), EarlyEnd> {
        let Some(spent) = Spent::of(Some(seen), self.ceiling) else {
            return Ok(());
        };
        let close = Entry::Close {
            id: &fresh_id(),
            spent: Some((model, spent)),
        };
        let close = close.encode();
        // What is told twice counts once.
        self.sold.borrow_mut().push(close.clone());
        if !self.is_reserved {
            return Ok(());
        }
        let deadline_ms = deadline();
        self.require(exchange, &close, waiting, deadline_ms).await?;
        // What is reserved already stays so.
        let reservation = self.reservation(config);
        let told = self.require(exchange, &reservation, waiting, deadline_ms);
        let exhausted = exhausted_in(&told.await?).filter(Exhausted::is_spent);
        self.sold.borrow_mut().pop();
        match exhausted {
            Some(exhausted) => Err(EarlyEnd::Rejected(exhausted.error(js::now_ms()))),
            None => Ok(()),
        }
    }

    /// Tells what the answer has cost, or that nothing came of it, and what models have sold that failed before it began. Each
    /// is tried twice; the object counts it once.
    pub(super) async fn tell(
        self,
        exchange: &Exchange,
        spent: Option<Spent>,
        waiting: &mut Waiting,
    ) {
        let mut closes = self.sold.take();
        if spent.is_some() || self.is_reserved {
            let model = self.asked.borrow();
            let close = Entry::Close {
                id: &self.id,
                spent: spent.map(|spent| (model.as_str(), spent)),
            };
            closes.push(close.encode());
        }
        for close in closes {
            for attempt in 1..=2 {
                // The client may have left, which changes nothing of the cost.
                waiting.forget_client();
                let cause = match self.send(exchange, &close, waiting, deadline()).await {
                    Ok(response) if response.ok() => break,
                    Ok(response) => answered(&response),
                    Err(interrupted) => cause_of(&interrupted),
                };
                exchange.log_not_counted(attempt, &cause);
            }
        }
    }

    /// Sends an [`Entry`] on which the answer depends.
    async fn require(
        &self,
        exchange: &Exchange,
        entry: &str,
        waiting: &mut Waiting,
        deadline_ms: u64,
    ) -> Result<Response, EarlyEnd> {
        let cause = match self.send(exchange, entry, waiting, deadline_ms).await {
            Ok(response) if response.ok() => return Ok(response),
            Ok(response) => answered(&response),
            Err(Interrupted::ClientGone) => return Err(EarlyEnd::ClientGone),
            Err(interrupted) => cause_of(&interrupted),
        };
        Err(EarlyEnd::Failed(Failure::new(
            ErrorCode::StoreUnavailable,
            cause,
        )))
    }

    /// Sends an [`Entry`], and waits for the answer.
    async fn send(
        &self,
        exchange: &Exchange,
        entry: &str,
        waiting: &mut Waiting,
        deadline_ms: u64,
    ) -> Result<Response, Interrupted> {
        let posted = self.post(exchange, entry).map_err(Interrupted::Failed)?;
        let response: JsValue = waiting.settle(&posted, deadline_ms).await?;
        Ok(response.unchecked_into())
    }

    /// Sends an [`Entry`].
    fn post(&self, exchange: &Exchange, entry: &str) -> Result<Promise, JsValue> {
        let owners = exchange.isolate.owners.as_ref();
        let owners = owners.ok_or(JsValue::UNDEFINED)?;
        let options = Options {
            method: METHOD,
            headers: HeaderMap(&[("x-correlation-id", exchange.correlation_id.as_str())]),
        };
        let body = entry.as_bytes().to_vec();
        owners.ask(&self.owner, USAGE, &json::to_json(&options), Some(body))
    }
}

/// When a wait for the object that begins now is over.
fn deadline() -> u64 {
    js::steady_ms().saturating_add(MAX_WAIT_MS)
}

fn fresh_id() -> String {
    id_of(js::now_ms(), &Uuid::new_v4().to_string())
}

/// Why a budget lets nothing begin, if the object has told that.
fn exhausted_in(response: &Response) -> Option<Exhausted> {
    let exhausted = js::header(&response.headers(), EXHAUSTED_HEADER)?;
    Some(Exhausted::parse(&exhausted).unwrap_or(Exhausted::Reserved))
}

/// The cause of a failure that the object has told.
fn answered(response: &Response) -> String {
    format!("the owner's object answered {}", response.status())
}

fn cause_of(interrupted: &Interrupted) -> String {
    match interrupted {
        Interrupted::Failed(error) => js::error_text(error),
        _ => "no answer in time".to_owned(),
    }
}

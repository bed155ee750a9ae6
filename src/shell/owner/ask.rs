//! `POST /chat` with a conversation: a new answer, or one there is already.

use std::rc::Rc;

use web_sys::Request;

use super::answer::Answer;
use super::keeper::Keeper;
use super::ledger;
use super::object::{fresh_id, store_failed};
use super::writing::{self, Bill};
use crate::api::answer_id::{AnswerId, FrameId};
use crate::api::error::{ApiError, ErrorCode};
use crate::api::request::{ChatRequest, Invalid};
use crate::config::Config;
use crate::memory::begin::{BeginError, NewExchange};
use crate::memory::spent::Ceiling;
use crate::memory::store::State;
use crate::shell::early_end::EarlyEnd;
use crate::shell::exchange::Exchange;
use crate::shell::runtime::js;
use crate::shell::runtime::task;
use crate::shell::sale::Sale;

/// `Retry-After` for an owner with too many answers running, in seconds. Nobody knows when the next one ends; most take
/// less than half a minute.
const RETRY_AFTER_SECONDS: u64 = 10;

/// What a client wants to read: an answer, and the sequence of the last frame that it has.
pub(super) struct Wanted {
    pub(super) answer: Rc<Answer>,
    pub(super) after: Option<u64>,
}

/// Finds the answer that a request is about. If it asks for a new one, that begins.
pub(super) fn ask(
    keeper: &Rc<Keeper>,
    exchange: &Rc<Exchange>,
    request: &Request,
    chat: ChatRequest,
    config: &Config,
    sale: &mut Option<Sale>,
) -> Result<Wanted, EarlyEnd> {
    let key = key_of(request)?;
    if let Some(last) = last_frame(request)? {
        if key.is_some_and(|key| key != last.answer_id) {
            let rule = "Value error, the id belongs to another answer than Idempotency-Key";
            return Err(EarlyEnd::Invalid(Invalid::header("last-event-id", rule)));
        }
        return Ok(Wanted {
            answer: find(keeper, &last.answer_id)?.ok_or_else(no_answer)?,
            after: Some(last.sequence),
        });
    }
    let id = key.unwrap_or_else(|| AnswerId::fresh(fresh_id()));
    // Nothing is awaited from the look-up to the end of `begin`, so of two requests with one key, only one can begin.
    let answer = match find(keeper, &id)? {
        Some(answer) => {
            let fingerprint = chat.kept.as_ref().map(|place| &place.fingerprint);
            if fingerprint != Some(&answer.fingerprint) {
                return Err(ErrorCode::IdempotencyConflict.into());
            }
            answer
        }
        None => begin(keeper, exchange, request, chat, id, config, sale)?,
    };
    Ok(Wanted {
        answer,
        after: None,
    })
}

/// An answer by its id, whether it is being written or was.
pub(super) fn find(keeper: &Keeper, id: &AnswerId) -> Result<Option<Rc<Answer>>, EarlyEnd> {
    if let Some(answer) = keeper.running(id) {
        return Ok(Some(answer));
    }
    let stored = keeper.object.store()?.answer(id.as_str());
    let Some(stored) = stored.map_err(store_failed)? else {
        return Ok(None);
    };
    // Its ending is not stored yet.
    if stored.state == State::Streaming {
        return Err(ErrorCode::StoreUnavailable.into());
    }
    if let Some(answer) = keeper.shared(stored.exchange) {
        return Ok(Some(answer));
    }
    let answer = Answer::stored(id.clone(), stored).map(Rc::new);
    if let Some(answer) = &answer {
        keeper.share(answer);
    }
    Ok(answer)
}

/// The error for an id that no answer of this owner has.
pub(super) fn no_answer() -> EarlyEnd {
    EarlyEnd::Rejected(ApiError::new(
        ErrorCode::NotFound,
        "You have no answer with this id.",
    ))
}

/// The sequence of the last frame that a reader has: `Last-Event-ID`, which has to belong to this answer.
pub(super) fn sequence_after(request: &Request, id: &AnswerId) -> Result<Option<u64>, EarlyEnd> {
    match last_frame(request)? {
        Some(last) if last.answer_id == *id => Ok(Some(last.sequence)),
        Some(_) => {
            let rule = "Value error, the id belongs to another answer";
            Err(EarlyEnd::Invalid(Invalid::header("last-event-id", rule)))
        }
        None => Ok(None),
    }
}

fn begin(
    keeper: &Rc<Keeper>,
    exchange: &Rc<Exchange>,
    request: &Request,
    mut chat: ChatRequest,
    id: AnswerId,
    config: &Config,
    sale: &mut Option<Sale>,
) -> Result<Rc<Answer>, EarlyEnd> {
    let Some(place) = chat.kept.take() else {
        // The worker forwards no other request.
        return Err(ErrorCode::InternalError.into());
    };
    let most = usize::try_from(config.kept.max_answers_at_once).unwrap_or(usize::MAX);
    let store = keeper.object.store_with_endings()?;
    if keeper.running_count() >= most {
        let mut error = ApiError::from(ErrorCode::TooManyAnswers);
        error.retry_after_seconds = Some(RETRY_AFTER_SECONDS);
        return Err(EarlyEnd::Rejected(error));
    }
    let budget = config
        .spending
        .budget_for(&ledger::name_in(request), &chat.model);
    let budget = budget.map_err(EarlyEnd::Invalid)?;
    let left = match (&sale, budget) {
        (Some(sale), _) => sale.left,
        (None, Some(budget)) => ledger::admit(&store, config, budget, &chat.model)?,
        (None, None) => None,
    };
    let asker = &exchange.correlation_id;
    let answer_turn = fresh_id();
    let new = NewExchange {
        conversation: place.conversation_id.as_str(),
        after: &place.after,
        answer_id: id.as_str(),
        question_turn: &fresh_id(),
        answer_turn: &answer_turn,
        fingerprint: &place.fingerprint,
        correlation_id: asker.as_str(),
        model: &chat.model,
        instruction_bytes: config.target.instruction_bytes(),
        max_tokens: chat.max_tokens,
        budget_left: left,
        message: &chat.message,
        now_ms: js::now_ms(),
    };
    let begun = store.begin(&new).map_err(|error| match error {
        BeginError::UnknownTurn => EarlyEnd::Invalid(Invalid::unknown_turn()),
        BeginError::AnswerRunning => ErrorCode::AnswerRunning.into(),
        BeginError::Database(error) => store_failed(error),
    })?;
    let answer = Rc::new(Answer::begin(
        id,
        &place,
        asker.clone(),
        &answer_turn,
        &begun,
        left,
    ));
    chat.history = begun.history;
    keeper.add(&answer);
    let ceiling = Ceiling {
        sent_tokens: begun.sent_tokens,
        max_tokens: chat.max_tokens.into(),
    };
    let mut sale = sale.take();
    if let Some(sale) = &mut sale {
        sale.ceiling = ceiling;
    }
    let (written, keeper, exchange) = (Rc::clone(&answer), Rc::clone(keeper), Rc::clone(exchange));
    task::spawn(move |inbox| async move {
        let object = Rc::clone(&keeper.object);
        let bill = Bill {
            sale,
            budget,
            ceiling,
        };
        writing::write(Rc::clone(&written), object, exchange, chat, bill, inbox).await;
        keeper.remove(&written.id);
    });
    Ok(answer)
}

pub(super) fn key_of(request: &Request) -> Result<Option<AnswerId>, EarlyEnd> {
    let Some(key) = js::header(&request.headers(), "idempotency-key") else {
        return Ok(None);
    };
    AnswerId::parse(&key).map(Some).ok_or_else(|| {
        let rule = "String should have 1 to 128 characters of [A-Za-z0-9._:-], not dots alone";
        EarlyEnd::Invalid(Invalid::header("idempotency-key", rule))
    })
}

/// An empty header counts as none: a client that has read no frame may send one.
fn last_frame(request: &Request) -> Result<Option<FrameId>, EarlyEnd> {
    let header = js::header(&request.headers(), "last-event-id");
    let Some(id) = header.filter(|id| !id.is_empty()) else {
        return Ok(None);
    };
    FrameId::parse(&id).map(Some).ok_or_else(|| {
        let rule =
            "Value error, it should be the id of a frame: an answer's id, a dot and a sequence";
        EarlyEnd::Invalid(Invalid::header("last-event-id", rule))
    })
}

//! What a request about kept conversations and answers gets, one function for each route.

use web_sys::Request;

use super::ask::{self, Wanted};
use super::keeper::Keeper;
use super::ledger;
use super::object::store_failed;
use super::storage::{Storage, words_of};
use crate::api::accept::prefers_markdown;
use crate::api::answer_id::{AnswerId, sequence_of};
use crate::api::day;
use crate::api::error::{ApiError, ErrorCode};
use crate::api::listing::{Days, Page, parameter, percent_decoded};
use crate::api::request::{ConversationId, Invalid, title};
use crate::api::route::KeptRoute;
use crate::json;
use crate::memory::list::{Cursor, Listing};
use crate::memory::store::{State, Store};
use crate::memory::transcript::{Format, Transcript};
use crate::shell::early_end::EarlyEnd;
use crate::shell::runtime::js;

/// What a request gets.
pub(super) enum Reply {
    Json(String),
    Nothing,
    Stream(Wanted),
    /// A text of this media type, which is made as it is read.
    Text(&'static str, Transcript),
}

/// Does what a request asks for.
pub(super) fn reply(
    keeper: &Keeper,
    request: &Request,
    route: KeptRoute<'_>,
    body: &[u8],
) -> Result<Reply, EarlyEnd> {
    let store = keeper.object.store()?;
    match route {
        KeptRoute::List => list(&store, request),
        KeptRoute::Conversation(id) => conversation(&store, request, id),
        KeptRoute::Rename(id) => rename(&store, id, body),
        KeptRoute::Delete(id) => delete(keeper, &store, id),
        KeptRoute::DeleteAll => delete_all(keeper, &store, request),
        KeptRoute::Answer(id) => answer(keeper, request, id),
        KeptRoute::Stop(id) => stop(keeper, id),
        KeptRoute::Usage => {
            keeper.end_unfinished();
            usage(keeper, &store, request)
        }
        KeptRoute::Export => Ok(Reply::Text("application/jsonl", Transcript::export())),
    }
}

fn list(store: &Store<Storage>, request: &Request) -> Result<Reply, EarlyEnd> {
    let page = Page::parse(&query_of(request)).map_err(EarlyEnd::Invalid)?;
    let before = page.before.as_deref().map(cursor).transpose()?;
    let words = page.search.as_deref().map(words_of);
    let listing = Listing {
        words: words.as_deref(),
        before,
        limit: u64::from(page.limit),
    };
    store.list(&listing).map(Reply::Json).map_err(store_failed)
}

fn conversation(store: &Store<Storage>, request: &Request, id: &str) -> Result<Reply, EarlyEnd> {
    let id = conversation_id(id)?;
    let accept = js::header(&request.headers(), "accept").unwrap_or_default();
    let (format, media_type) = if prefers_markdown(&accept) {
        (Format::Markdown, "text/markdown; charset=utf-8")
    } else {
        (Format::Json, "application/json")
    };
    let transcript = store
        .transcript(id.as_str(), format)
        .map_err(store_failed)?;
    let transcript = transcript.ok_or_else(no_conversation)?;
    Ok(Reply::Text(media_type, transcript))
}

fn rename(store: &Store<Storage>, id: &str, body: &[u8]) -> Result<Reply, EarlyEnd> {
    let title = title(body).map_err(EarlyEnd::Invalid)?;
    let id = conversation_id(id)?;
    let is_known = store
        .rename(id.as_str(), &title, js::now_ms())
        .map_err(store_failed)?;
    if !is_known {
        return Err(no_conversation());
    }
    let title = json::to_json(&title);
    let id = id.as_str();
    Ok(Reply::Json(format!(
        "{{\"id\":\"{id}\",\"title\":{title}}}"
    )))
}

fn delete(keeper: &Keeper, store: &Store<Storage>, id: &str) -> Result<Reply, EarlyEnd> {
    let id = conversation_id(id)?;
    let running = keeper.running_in(id.as_str());
    let counted: Vec<_> = running.iter().map(|answer| answer.running()).collect();
    let deleted = store.delete(id.as_str(), &counted, js::now_ms());
    if !deleted.map_err(store_failed)? {
        return Err(no_conversation());
    }
    for answer in running {
        answer.discard();
    }
    Ok(Reply::Nothing)
}

fn delete_all(
    keeper: &Keeper,
    store: &Store<Storage>,
    request: &Request,
) -> Result<Reply, EarlyEnd> {
    let confirmation = js::header(&request.headers(), "x-confirm");
    if confirmation.as_deref() != Some("delete-everything") {
        let rule = "Value error, send 'X-Confirm: delete-everything' to forget all conversations";
        return Err(EarlyEnd::Invalid(Invalid::header("x-confirm", rule)));
    }
    let running = keeper.all_running();
    let counted: Vec<_> = running.iter().map(|answer| answer.running()).collect();
    store
        .delete_all(&counted, js::now_ms())
        .map_err(store_failed)?;
    for answer in running {
        answer.discard();
    }
    Ok(Reply::Nothing)
}

fn answer(keeper: &Keeper, request: &Request, id: &str) -> Result<Reply, EarlyEnd> {
    let id = AnswerId::parse(&percent_decoded(id)).ok_or_else(ask::no_answer)?;
    let after = match ask::sequence_after(request, &id)? {
        Some(sequence) => Some(sequence),
        None => after_in(&query_of(request))?,
    };
    let answer = ask::find(keeper, &id)?.ok_or_else(ask::no_answer)?;
    Ok(Reply::Stream(Wanted { answer, after }))
}

fn stop(keeper: &Keeper, id: &str) -> Result<Reply, EarlyEnd> {
    let id = AnswerId::parse(&percent_decoded(id)).ok_or_else(ask::no_answer)?;
    let answer = ask::find(keeper, &id)?.ok_or_else(ask::no_answer)?;
    answer.stop(&keeper.object)?;
    let state = answer.state().unwrap_or(State::Stopped).name();
    Ok(Reply::Json(format!("{{\"state\":\"{state}\"}}")))
}

fn usage(keeper: &Keeper, store: &Store<Storage>, request: &Request) -> Result<Reply, EarlyEnd> {
    let config = keeper.object.isolate.config.as_ref();
    let spending = &config.map_err(EarlyEnd::from)?.spending;
    let now_ms = js::now_ms();
    let days = Days::parse(&query_of(request), day::day_of(now_ms)).map_err(EarlyEnd::Invalid)?;
    let budget = spending.budget_of(&ledger::name_in(request));
    let usage = store.usage(days, spending, budget, now_ms);
    usage.map(Reply::Json).map_err(store_failed)
}

/// Where the last page ended.
fn cursor(text: &str) -> Result<Cursor, EarlyEnd> {
    Cursor::parse(text).ok_or_else(|| {
        EarlyEnd::Invalid(Invalid::query("before", "Value error, no page ended there"))
    })
}

fn conversation_id(id: &str) -> Result<ConversationId, EarlyEnd> {
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

//! New answers of clients without a name, which share one account: another object counts them.

use web_sys::Request;

use super::ask;
use super::keeper::Keeper;
use crate::api::request::ChatRequest;
use crate::config::Config;
use crate::shell::early_end::EarlyEnd;
use crate::shell::exchange::Exchange;
use crate::shell::forward::ELSEWHERE_HEADER;
use crate::shell::runtime::js;
use crate::shell::runtime::wait::Waiting;
use crate::shell::sale::Sale;

/// Reserves what a new answer may cost, if its client has no name. `sale` is what its end has to be told to.
pub(super) async fn reserve(
    keeper: &Keeper,
    exchange: &Exchange,
    request: &Request,
    chat: &ChatRequest,
    config: &Config,
    sale: &mut Option<Sale>,
    waiting: &mut Waiting,
) -> Result<(), EarlyEnd> {
    let headers = request.headers();
    let has = |name| js::header(&headers, name).is_some_and(|value| !value.is_empty());
    if !has(ELSEWHERE_HEADER) || has("last-event-id") {
        return Ok(());
    }
    // `ask` looks again: while this waits, another request with the key may begin its answer.
    let key = ask::key_of(request)?;
    let is_there = || key.as_ref().is_some_and(|id| keeper.running(id).is_some());
    if let Some(id) = &key
        && ask::find(keeper, id)?.is_some()
    {
        return Ok(());
    }
    let new = sale.insert(Sale::of(config, None, chat));
    if let Some(place) = &chat.kept {
        let sent_tokens = keeper.object.store()?.sent_tokens(
            place.conversation_id.as_str(),
            &place.after,
            config.target.instruction_bytes(),
            &chat.message,
        );
        // Where it cannot begin, `ask` says why.
        new.ceiling.sent_tokens = sent_tokens.unwrap_or(new.ceiling.sent_tokens);
    }
    let reserved = new.reserve(exchange, config, waiting).await;
    // What is left may be set aside for this very answer.
    if is_there() { Ok(()) } else { reserved }
}

//! Texts that a client takes with it: a conversation, or everything.

use super::object::{Object, store_failed};
use crate::api::ending::EndReason;
use crate::memory::transcript::Transcript;
use crate::shell::early_end::EarlyEnd;
use crate::shell::exchange::Exchange;
use crate::shell::response;
use crate::shell::runtime::instance::OpenWork;
use crate::shell::runtime::js;
use crate::shell::runtime::streams::Outlet;
use crate::shell::runtime::wait::{Interrupted, Waiting};
use crate::telemetry::record::Level;

/// Sends a text part by part, since a long one never stands in memory as a whole, and writes the request's last line. A
/// text that does not come to its end is broken off: some have no other sign that they are whole.
pub(super) async fn run(
    object: &Object,
    exchange: &Exchange,
    open: &OpenWork,
    waiting: &mut Waiting,
    media_type: &str,
    mut transcript: Transcript,
) -> Result<(), EarlyEnd> {
    if waiting.is_client_gone() {
        return Err(EarlyEnd::ClientGone);
    }
    let config = exchange.isolate.config.as_ref().map_err(EarlyEnd::from)?;
    let last_ms = js::steady_ms().saturating_add(config.limits.total_ms());
    let store = object.store()?;
    let mut part = store.next_part(&mut transcript).map_err(store_failed)?;
    let (mut outlet, body) = Outlet::open(waiting);
    let context = exchange.response_context();
    open.respond(response::download(media_type, &body, &context));
    let end_reason = loop {
        let room = outlet.wait_for_room(waiting, last_ms).await;
        let written = match (room, &part) {
            (Ok(()), Some(part)) => outlet.write(part.as_bytes()),
            (Ok(()), None) => outlet.write_last(&[]),
            (Err(Interrupted::TimeIsUp), _) => break EndReason::StreamTooLong,
            _ => break EndReason::ClientGone,
        };
        if written.is_err() {
            break EndReason::ClientGone;
        }
        if part.is_none() {
            break match outlet.finish(waiting, last_ms).await {
                Ok(()) => EndReason::Done,
                Err(Interrupted::TimeIsUp) => EndReason::StreamTooLong,
                Err(_) => EndReason::ClientGone,
            };
        }
        match store.next_part(&mut transcript) {
            Ok(next) => part = next,
            Err(error) => {
                if let EarlyEnd::Failed(failure) = store_failed(error) {
                    exchange.log_failure(&failure, "connection_broken_off");
                }
                break EndReason::Interrupted;
            }
        }
    };
    // Its text ends here, at the latest: what was not finished breaks off.
    drop(outlet);
    if end_reason == EndReason::StreamTooLong {
        exchange.log_stalled();
    }
    let completion = exchange.completion(Some(200), end_reason);
    exchange.log_complete(Level::Info, &completion);
    Ok(())
}

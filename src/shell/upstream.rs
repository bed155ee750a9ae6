//! Calls of upstream until one is answered with a stream: their headers under one deadline, with retries.

use web_sys::AbortSignal;

use super::attempt::{Attempt, Missed, Upstream};
use super::early_end::EarlyEnd;
use super::exchange::Exchange;
use super::runtime::js;
use super::runtime::wait::Waiting;
use crate::api::request::ChatRequest;
use crate::config::Config;
use crate::openai::retry;
use crate::telemetry::record::Level;

/// Calls upstream until it answers with a stream, or there is no use in trying again. `signal` aborts a call whose
/// headers have not come, where the end of the request does not.
pub(super) async fn open(
    exchange: &Exchange,
    config: &Config,
    request: &ChatRequest,
    signal: Option<&AbortSignal>,
    waiting: &mut Waiting,
) -> Result<Upstream, EarlyEnd> {
    let isolate = &exchange.isolate;
    let mut attempt = Attempt {
        exchange,
        config,
        request,
        signal,
        deadline_ms: js::now_ms().saturating_add(config.limits.idle_ms()),
        dialect: isolate.dialect_of(&request.model),
    };
    // A request in another dialect is sent without a pause, and does not count towards MAX_RETRIES.
    let mut pauses = 0_u32;
    let mut tried_dialects = vec![attempt.dialect];
    loop {
        let (failure, next_dialect) = match attempt.run(waiting).await {
            Ok(upstream) => {
                isolate.learn_dialect(&request.model, attempt.dialect);
                return Ok(upstream);
            }
            Err(Missed::ClientGone) => return Err(EarlyEnd::ClientGone),
            Err(Missed::Failed { failure, dialect }) => (failure, dialect),
        };
        let untried = next_dialect.filter(|dialect| !tried_dialects.contains(dialect));
        let delay_ms = match untried {
            Some(dialect) => {
                attempt.dialect = dialect;
                tried_dialects.push(dialect);
                0
            }
            None if failure.retryable && pauses < config.target.max_retries => {
                pauses = pauses.saturating_add(1);
                retry::retry_delay_ms(pauses, failure.retry_after_ms, js::random())
            }
            None => return Err(EarlyEnd::Failed(failure)),
        };
        let again_ms = js::now_ms().saturating_add(delay_ms);
        // A wait that would pass the deadline is not shortened: the chat fails at once.
        if again_ms >= attempt.deadline_ms {
            return Err(EarlyEnd::Failed(failure));
        }
        let retries = exchange.retries.get().saturating_add(1);
        exchange.retries.set(retries);
        exchange.log(Level::Warning, "upstream_retry", |record| {
            record
                .number("attempt", u64::from(retries))
                .text("code", failure.error.code.name())
                .optional_number("upstream_status", failure.upstream_status.map(u64::from))
                .number("delay_ms", delay_ms);
        });
        if !waiting.pause_until(again_ms).await {
            return Err(EarlyEnd::ClientGone);
        }
    }
}

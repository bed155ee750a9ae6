//! Calls of upstream until one is answered with a stream: the headers of all of them under one deadline, with retries, and
//! with other models when one fails.

use super::attempt::{Attempt, Missed, Upstream, Watch};
use super::early_end::EarlyEnd;
use super::exchange::Exchange;
use super::isolate::MAX_LOGGED_CAUSE;
use super::runtime::js;
use super::runtime::wait::Waiting;
use crate::api::request::ChatRequest;
use crate::config::Config;
use crate::openai::failure::Failure;
use crate::openai::fallback::Candidates;
use crate::openai::retry;
use crate::stream::seen::Seen;
use crate::telemetry::record::Level;

/// Asks the model that a request wants, then the fallbacks, until one answers or there is no use in asking another.
pub(super) async fn open(
    exchange: &Exchange,
    config: &Config,
    request: &ChatRequest,
    watch: Watch<'_>,
    waiting: &mut Waiting,
) -> Result<Upstream, EarlyEnd> {
    let isolate = &exchange.isolate;
    let last_ms = js::steady_ms().saturating_add(config.limits.idle_ms());
    let fallbacks = &config.target.fallbacks;
    let mut candidates =
        Candidates::of(fallbacks, request, &isolate.rests.borrow(), js::steady_ms());
    let mut asked = request.model.clone();
    loop {
        let candidate = candidates.current().clone();
        if candidate.model != asked {
            asked.clone_from(&candidate.model);
            (watch.asked)(&asked);
            if let Some(sale) = watch.sale {
                sale.ask(exchange, &asked);
            }
        }
        let request = candidate.request(request);
        let attempt = Attempt {
            exchange,
            config,
            request: &request,
            site: candidate.site,
            watch,
            deadline_ms: candidates.deadline_ms(js::steady_ms(), last_ms),
            is_followed: candidates.are_left(),
            dialect: isolate.dialect_of(candidate.site, &candidate.model),
        };
        let failure = match ask(attempt, waiting).await? {
            Err(failure) => failure,
            Ok(upstream) => {
                if isolate.has_fallbacks() {
                    let model = upstream.model.clone();
                    exchange.answered_by.get_or_init(|| model);
                }
                return Ok(upstream);
            }
        };
        if fallbacks.is_empty() {
            return Err(EarlyEnd::Failed(failure));
        }
        let now_ms = js::steady_ms();
        let moved = candidates.move_on(failure.clone(), now_ms < last_ms);
        let next = moved.is_ok().then(|| candidates.current());
        // When the wanted model fails as the last one, its failure is what the client is told, and is logged as that. It
        // need not rest: those that would be asked before it have failed, too.
        if next.is_some() || !candidate.is_asked_for() {
            isolate.rests.borrow_mut().add(&candidate, &failure, now_ms);
            let to = next.map(|next| next.model.as_str());
            log_fallback(exchange, &candidate.model, to, &failure);
        }
        moved.map_err(EarlyEnd::Failed)?;
        exchange.count_call();
    }
}

/// A line about a model that has failed, and the one that is asked next, if any.
fn log_fallback(exchange: &Exchange, from: &str, to: Option<&str>, failure: &Failure) {
    exchange.log(Level::Warning, "upstream_fallback", |record| {
        record
            .text("from", from)
            .optional_text("to", to)
            .text("code", failure.error.code.name())
            .optional_number("upstream_status", failure.upstream_status.map(u64::from))
            .outside("cause", &failure.cause, MAX_LOGGED_CAUSE);
    });
}

/// Calls upstream until it answers with a stream, or there is no use in trying again. Gives the failure after which another
/// model may be asked, or the end after which none may.
async fn ask(
    mut attempt: Attempt<'_>,
    waiting: &mut Waiting,
) -> Result<Result<Upstream, Failure>, EarlyEnd> {
    let Attempt {
        exchange,
        config,
        request,
        site,
        ..
    } = attempt;
    // A request in another dialect is sent without a pause, and does not count towards MAX_RETRIES.
    let mut pauses = 0_u32;
    let mut tried_dialects = vec![attempt.dialect];
    loop {
        if waiting.is_client_gone() {
            return Err(EarlyEnd::ClientGone);
        }
        attempt.watch.is_asking.set(true);
        let (failure, next_dialect) = match attempt.run(waiting).await {
            Ok(upstream) => {
                exchange
                    .isolate
                    .learn_dialect(site, &request.model, attempt.dialect);
                return Ok(Ok(upstream));
            }
            Err(Missed::ClientGone) => return Err(EarlyEnd::ClientGone),
            Err(Missed::Failed {
                failure,
                seen,
                dialect,
            }) => {
                attempt.watch.is_asking.set(false);
                if !seen.is_refused()
                    && let Err(end) = count_sold(&attempt, seen, waiting).await
                {
                    log_fallback(exchange, &request.model, None, &failure);
                    return Err(end);
                }
                if waiting.is_client_gone() {
                    return Err(EarlyEnd::ClientGone);
                }
                (failure, dialect)
            }
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
            None => return Ok(Err(failure)),
        };
        let again_ms = js::steady_ms().saturating_add(delay_ms);
        // A wait that would pass the deadline is not shortened: the call has failed at once.
        if again_ms >= attempt.deadline_ms {
            return Ok(Err(failure));
        }
        let retries = exchange.count_call();
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

/// Counts what a model has sold that has failed before the answer began; gives the end if nothing may be asked after that: a
/// budget is used up by it, or nobody knows.
async fn count_sold(
    attempt: &Attempt<'_>,
    seen: Seen,
    waiting: &mut Waiting,
) -> Result<(), EarlyEnd> {
    let Attempt {
        exchange,
        config,
        watch,
        ..
    } = attempt;
    let model = &attempt.request.model;
    match watch.sale {
        Some(sale) => sale.add_sold(exchange, config, model, seen, waiting).await,
        None => (watch.sold)(model, seen),
    }
}

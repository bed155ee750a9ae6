//! Everything between a chat's arrival and the call of upstream, cheapest first: who has no access
//! learns nothing else.

use std::rc::Rc;

use web_sys::Request;

use super::body;
use super::exchange::Exchange;
use super::js::{self, millis, names};
use super::source::Source;
use super::upstream::NotOpened;
use super::wait::{Interrupted, Waiting};
use crate::api::access::{brings_token, rate_limit_key};
use crate::api::error::{ApiError, ErrorCode};
use crate::api::request::{ChatRequest, Invalid, MAX_BODY_BYTES, media};
use crate::config::Config;
use crate::openai::failure::Failure;
use crate::telemetry::record::Level;

/// The longest period that the rate-limit binding counts over; it does not tell which one it has.
const LIMIT_PERIOD_SECONDS: u64 = 60;

/// The longest wait for the rate limiter, in milliseconds. It answers within a few.
const LIMITER_MS: u64 = 2_000;

/// Longest cause of a limiter's failure that a log line repeats, in characters.
const MAX_LOGGED_CAUSE: usize = 200;

/// Why a chat ends before its stream begins.
pub(super) enum Refusal {
    /// The body breaks a rule.
    Invalid(Invalid),
    /// The request is at fault otherwise.
    Client(ApiError),
    /// Upstream or this deployment is at fault; the log says how.
    Service { failure: Failure, retries: u32 },
    /// Nobody is there to answer.
    ClientGone { retries: u32 },
}

impl From<NotOpened> for Refusal {
    fn from(reason: NotOpened) -> Self {
        match reason {
            NotOpened::Failed { failure, retries } => Self::Service { failure, retries },
            NotOpened::ClientGone { retries } => Self::ClientGone { retries },
        }
    }
}

/// Lets a request in, or says why not.
pub(super) async fn admit(
    exchange: &Exchange,
    request: &Request,
    config: &Config,
    waiting: &mut Waiting,
) -> Result<ChatRequest, Refusal> {
    let deadline_ms = exchange
        .started_ms
        .saturating_add(millis(config.limits.idle));
    let client = match authorize(request, config) {
        Ok(client) => client,
        Err(refusal) => {
            // A stranger's body is not waited for.
            exchange.log_received(Level::Info, None, None);
            return Err(refusal);
        }
    };
    let read = match declared(request) {
        Ok(is_length_known) => read(request, is_length_known, waiting, deadline_ms).await,
        Err(refusal) => Err(let_in(request, refusal, waiting).await),
    };
    let parsed = read.and_then(|body| {
        let parsed = ChatRequest::parse(&body, &config.rules);
        parsed.map_err(Refusal::Invalid)
    });
    let length = parsed.as_ref().ok().map(|chat| chat.message_length);
    exchange.log_received(Level::Info, length, client);
    let chat = parsed?;
    limit(exchange, request, client, waiting).await?;
    Ok(chat)
}

/// The name of the client's access token, where one is needed.
fn authorize<'c>(request: &Request, config: &'c Config) -> Result<Option<&'c str>, Refusal> {
    if config.access_tokens.is_empty() {
        return Ok(None);
    }
    let authorization = js::header(&request.headers(), &names::AUTHORIZATION);
    let name = config.access_tokens.name_of(authorization.as_deref());
    name.map(Some).ok_or_else(|| {
        let mut error = ApiError::from(ErrorCode::Unauthorized);
        error.is_token_wrong = brings_token(authorization.as_deref());
        Refusal::Client(error)
    })
}

/// Whether the headers tell the body's length. They may tell enough to refuse it.
fn declared(request: &Request) -> Result<bool, Refusal> {
    let headers = request.headers();
    let content_type = js::header(&headers, &names::CONTENT_TYPE);
    let content_encoding = js::header(&headers, &names::CONTENT_ENCODING);
    media(content_type.as_deref(), content_encoding.as_deref()).map_err(Refusal::Client)?;
    let length = js::header(&headers, &names::CONTENT_LENGTH);
    match length.and_then(|length| length.parse::<u64>().ok()) {
        Some(bytes) if bytes > MAX_BODY_BYTES as u64 => Err(ErrorCode::BodyTooLarge.into()),
        length => Ok(length.is_some()),
    }
}

/// The body, as far as it may be one.
async fn read(
    request: &Request,
    is_length_known: bool,
    waiting: &mut Waiting,
    deadline_ms: u64,
) -> Result<Vec<u8>, Refusal> {
    let read = if is_length_known {
        body::read_declared(request, waiting, deadline_ms).await
    } else if let Some(mut source) = source_of(request, waiting) {
        match body::read(&mut source, MAX_BODY_BYTES, waiting, deadline_ms).await {
            Ok(body) if body.is_cut => {
                let discarded = body::discard(&mut source, waiting).await;
                return Err(unless_gone(ErrorCode::BodyTooLarge.into(), &discarded));
            }
            read => read,
        }
    } else {
        return Ok(Vec::new());
    };
    read.map(|body| body.bytes)
        .map_err(|interrupted| match interrupted {
            Interrupted::TimeIsUp => ErrorCode::RequestTimeout.into(),
            Interrupted::Failed(_) if !waiting.is_client_gone() => {
                Refusal::Invalid(Invalid::cut_off())
            }
            _ => Refusal::ClientGone { retries: 0 },
        })
}

fn source_of(request: &Request, waiting: &Waiting) -> Option<Source> {
    let body = request.body()?;
    Some(Source::of(&body, Rc::clone(&waiting.inbox)))
}

/// Refuses a request once its body has come in.
async fn let_in(request: &Request, refusal: Refusal, waiting: &mut Waiting) -> Refusal {
    match source_of(request, waiting) {
        Some(mut source) => {
            let discarded = body::discard(&mut source, waiting).await;
            unless_gone(refusal, &discarded)
        }
        None => refusal,
    }
}

/// A refusal, unless there is nobody left to be refused.
fn unless_gone(refusal: Refusal, waited: &Result<(), Interrupted>) -> Refusal {
    match waited {
        Err(Interrupted::ClientGone) => Refusal::ClientGone { retries: 0 },
        _ => refusal,
    }
}

/// Counts the request. A limiter that fails must not take the service down with it.
async fn limit(
    exchange: &Exchange,
    request: &Request,
    client: Option<&str>,
    waiting: &mut Waiting,
) -> Result<(), Refusal> {
    let Some(limiter) = &exchange.isolate.rate_limiter else {
        return Ok(());
    };
    let address = js::header(&request.headers(), &names::CONNECTING_IP);
    let key = rate_limit_key(client, address.as_deref());
    let deadline_ms = js::now_ms().saturating_add(LIMITER_MS);
    let cause = match waiting.resolve(limiter.admits(&key), deadline_ms).await {
        Ok(Ok(true)) => return Ok(()),
        Ok(Ok(false)) => {
            let mut error = ApiError::from(ErrorCode::RateLimited);
            error.retry_after_seconds = Some(LIMIT_PERIOD_SECONDS);
            return Err(Refusal::Client(error));
        }
        Ok(Err(error)) | Err(Interrupted::Failed(error)) => js::error_text(&error),
        Err(Interrupted::TimeIsUp) => "no answer within 2 s".to_owned(),
        Err(Interrupted::ClientGone) => return Err(Refusal::ClientGone { retries: 0 }),
    };
    exchange.log(Level::Warning, "rate_limiter_failed", |record| {
        record.outside("cause", &cause, MAX_LOGGED_CAUSE);
    });
    Ok(())
}

impl From<ErrorCode> for Refusal {
    fn from(code: ErrorCode) -> Self {
        Self::Client(code.into())
    }
}

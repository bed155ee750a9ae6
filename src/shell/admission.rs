//! Everything between a chat's arrival and the call of upstream, cheapest first: who has no access
//! learns nothing else.

use std::rc::Rc;

use web_sys::Request;

use super::body;
use super::exchange::Exchange;
use super::js::{self, names};
use super::source::Source;
use super::timer::NEVER_MS;
use super::upstream::NotOpened;
use super::wait::Waiting;
use crate::api::access::rate_limit_key;
use crate::api::error::{ApiError, ErrorCode};
use crate::api::request::{ChatRequest, Invalid, MAX_BODY_BYTES};
use crate::config::Config;
use crate::openai::failure::Failure;
use crate::telemetry::record::Level;

/// The longest period that the rate-limit binding counts over; it does not tell which one it has.
const LIMIT_PERIOD_SECONDS: u64 = 60;

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
    let client = authorize(request, config)
        .inspect_err(|_| exchange.log_received(Level::Info, None, None))?;
    let parsed = read(request, waiting).await.and_then(|body| {
        let parsed = ChatRequest::parse(&body, config);
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
    name.map(Some).ok_or_else(|| ErrorCode::Unauthorized.into())
}

/// The body, as far as it may be one.
async fn read(request: &Request, waiting: &mut Waiting) -> Result<Vec<u8>, Refusal> {
    let headers = request.headers();
    let content_type = js::header(&headers, &names::CONTENT_TYPE);
    if !is_json(&content_type.unwrap_or_default()) {
        return Err(ErrorCode::UnsupportedMediaType.into());
    }
    let declared_bytes =
        js::header(&headers, &names::CONTENT_LENGTH).and_then(|length| length.parse::<u64>().ok());
    let read = match declared_bytes {
        Some(bytes) if bytes > MAX_BODY_BYTES as u64 => {
            return Err(ErrorCode::BodyTooLarge.into());
        }
        Some(_) => body::read_declared(request, waiting).await,
        None => {
            let body = request.body();
            let source = body.map(|body| Source::of(&body, Rc::clone(&waiting.inbox)));
            body::read(source, MAX_BODY_BYTES, waiting, NEVER_MS).await
        }
    };
    match read {
        Ok(body) if body.is_cut => Err(ErrorCode::BodyTooLarge.into()),
        Ok(body) => Ok(body.bytes),
        // A body breaks off only when its sender has gone.
        Err(_) => Err(Refusal::ClientGone { retries: 0 }),
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
    match waiting.unless_gone(limiter.admits(&key)).await {
        Err(_) => Err(Refusal::ClientGone { retries: 0 }),
        Ok(Ok(true)) => Ok(()),
        Ok(Ok(false)) => {
            let mut error = ApiError::from(ErrorCode::RateLimited);
            error.retry_after_seconds = Some(LIMIT_PERIOD_SECONDS);
            Err(Refusal::Client(error))
        }
        Ok(Err(error)) => {
            exchange.log(Level::Warning, "rate_limiter_failed", |record| {
                record.text("cause", &js::error_text(&error));
            });
            Ok(())
        }
    }
}

fn is_json(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json")
}

impl From<ErrorCode> for Refusal {
    fn from(code: ErrorCode) -> Self {
        Self::Client(code.into())
    }
}

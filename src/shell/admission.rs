//! What a chat has to pass before upstream is called, cheapest first: access, body, rate limit. A client without access
//! learns nothing else.

use js_sys::Uint8Array;
use web_sys::Request;

use super::early_end::EarlyEnd;
use super::exchange::Exchange;
use super::isolate::MAX_LOGGED_CAUSE;
use super::runtime::js;
use super::runtime::streams::Source;
use super::runtime::wait::{Interrupted, Waiting};
use crate::api::access::{Client, brings_token, rate_limit_key};
use crate::api::error::{ApiError, ErrorCode};
use crate::api::request::{ChatRequest, Invalid, MAX_BODY_BYTES, require_uncompressed_json};
use crate::config::Config;
use crate::telemetry::record::Level;

/// The longest period that the rate-limit binding counts over; it does not tell which one it has.
const LIMIT_PERIOD_SECONDS: u64 = 60;

/// The longest wait for the rate limiter, in milliseconds. It answers within a few.
const LIMITER_MS: u64 = 2_000;

/// The most bytes of a refused body that are waited for.
const MAX_DISCARDED_BYTES: usize = 16 << 20;

/// How long they are waited for, in milliseconds.
const DISCARD_MS: u64 = 2_000;

/// A chat that was let in.
pub(super) struct Admitted<'c> {
    pub(super) chat: ChatRequest,
    /// Who sent it, where access tokens tell.
    pub(super) client: Option<&'c Client>,
    /// The body that it was parsed from.
    pub(super) body: Vec<u8>,
}

/// The configuration. A request that comes without one gets no further than its first line.
pub(super) fn config_of(exchange: &Exchange) -> Result<&Config, EarlyEnd> {
    exchange.isolate.config.as_ref().map_err(|error| {
        exchange.log_received(Level::Info, None, None);
        EarlyEnd::from(error)
    })
}

/// The name of the client that was let in, if it has one.
pub(super) fn name_of<'c>(client: &Result<Option<&'c Client>, EarlyEnd>) -> Option<&'c str> {
    let client = client.as_ref().ok().copied().flatten();
    client.map(|client| client.name.as_str())
}

/// The chat that a request asks for, if it may.
pub(super) async fn admit<'c>(
    exchange: &Exchange,
    request: &Request,
    config: &'c Config,
    waiting: &mut Waiting,
) -> Result<Admitted<'c>, EarlyEnd> {
    let client = match authorize(request, config) {
        Ok(client) => client,
        Err(refusal) => {
            // A stranger's body is not waited for.
            exchange.log_received(Level::Info, None, None);
            return Err(refusal);
        }
    };
    let read = read(exchange, request, config, waiting).await;
    let parsed = read.and_then(|body| {
        let parsed = ChatRequest::parse(&body, &config.rules);
        parsed.map(|chat| (chat, body)).map_err(EarlyEnd::Invalid)
    });
    let length = parsed.as_ref().ok().map(|(chat, _)| chat.message_length);
    let name = client.map(|client| client.name.as_str());
    exchange.log_received(Level::Info, length, name);
    let (chat, body) = parsed?;
    // A reader that resumes buys nothing.
    let last_id = || js::header(&request.headers(), "last-event-id");
    let resumes = chat.kept.is_some() && last_id().is_some_and(|id| !id.is_empty());
    if !resumes {
        check_rate(exchange, request, name, waiting).await?;
    }
    Ok(Admitted { chat, client, body })
}

/// Reads a body of JSON, within its bound and its deadline.
pub(super) async fn read(
    exchange: &Exchange,
    request: &Request,
    config: &Config,
    waiting: &mut Waiting,
) -> Result<Vec<u8>, EarlyEnd> {
    let deadline_ms = exchange.started_ms.saturating_add(config.limits.idle_ms());
    match declared(request) {
        Ok(is_length_known) => read_body(request, is_length_known, waiting, deadline_ms).await,
        Err(refusal) => match source_of(request, waiting) {
            Some(source) => Err(after_body(source, refusal, waiting).await),
            None => Err(refusal),
        },
    }
}

/// The client that an access token belongs to, where one is needed.
pub(super) fn authorize<'c>(
    request: &Request,
    config: &'c Config,
) -> Result<Option<&'c Client>, EarlyEnd> {
    if config.access_tokens.is_empty() {
        return Ok(None);
    }
    let authorization = js::header(&request.headers(), "authorization");
    let client = config.access_tokens.client_of(authorization.as_deref());
    client.map(Some).ok_or_else(|| {
        let mut error = ApiError::from(ErrorCode::Unauthorized);
        error.is_token_wrong = brings_token(authorization.as_deref());
        EarlyEnd::Rejected(error)
    })
}

/// Whether the headers declare the body's length, unless they already say enough to refuse it.
fn declared(request: &Request) -> Result<bool, EarlyEnd> {
    let headers = request.headers();
    let content_type = js::header(&headers, "content-type");
    let content_encoding = js::header(&headers, "content-encoding");
    require_uncompressed_json(content_type.as_deref(), content_encoding.as_deref())
        .map_err(EarlyEnd::Rejected)?;
    let length = js::header(&headers, "content-length");
    match length.and_then(|length| length.parse::<u64>().ok()) {
        Some(bytes) if bytes > MAX_BODY_BYTES as u64 => Err(ErrorCode::BodyTooLarge.into()),
        length => Ok(length.is_some()),
    }
}

/// The request's body.
async fn read_body(
    request: &Request,
    is_length_known: bool,
    waiting: &mut Waiting,
    deadline_ms: u64,
) -> Result<Vec<u8>, EarlyEnd> {
    let read = if is_length_known {
        read_at_once(request, waiting, deadline_ms).await
    } else if let Some(mut source) = source_of(request, waiting) {
        let read = source.read_until_over(MAX_BODY_BYTES, waiting, deadline_ms);
        match read.await {
            Ok(bytes) if bytes.len() > MAX_BODY_BYTES => {
                let too_large = ErrorCode::BodyTooLarge.into();
                return Err(after_body(source, too_large, waiting).await);
            }
            read => read,
        }
    } else {
        return Ok(Vec::new());
    };
    read.map_err(|interrupted| match interrupted {
        Interrupted::TimeIsUp => ErrorCode::RequestTimeout.into(),
        Interrupted::Failed(_) if !waiting.is_client_gone() => {
            EarlyEnd::Invalid(Invalid::cut_off())
        }
        _ => EarlyEnd::ClientGone,
    })
}

/// Reads a body whose length is known in one go: in chunks, a short request would be 5 % slower. The runtime lets no more
/// in than was declared.
async fn read_at_once(
    request: &Request,
    waiting: &mut Waiting,
    deadline_ms: u64,
) -> Result<Vec<u8>, Interrupted> {
    let whole = request.array_buffer().map_err(Interrupted::Failed)?;
    let buffer = waiting.settle(&whole, deadline_ms).await?;
    Ok(Uint8Array::new(&buffer).to_vec())
}

fn source_of(request: &Request, waiting: &Waiting) -> Option<Source> {
    let body = request.body()?;
    Some(Source::of(&body, waiting))
}

/// Waits until a refused body has come in. A client that is still sending does not read, so a response that comes too
/// soon looks to it like a broken connection.
async fn after_body(mut source: Source, refusal: EarlyEnd, waiting: &mut Waiting) -> EarlyEnd {
    let deadline_ms = js::steady_ms().saturating_add(DISCARD_MS);
    match source
        .discard(MAX_DISCARDED_BYTES, waiting, deadline_ms)
        .await
    {
        Err(Interrupted::ClientGone) => EarlyEnd::ClientGone,
        _ => refusal,
    }
}

/// Counts the request. When the limiter fails or is silent for 2 s, the request is let in: the limiter must not take the
/// service down with it.
async fn check_rate(
    exchange: &Exchange,
    request: &Request,
    client: Option<&str>,
    waiting: &mut Waiting,
) -> Result<(), EarlyEnd> {
    let Some(limiter) = &exchange.isolate.rate_limiter else {
        return Ok(());
    };
    let address = js::header(&request.headers(), "cf-connecting-ip");
    let key = rate_limit_key(client, address.as_deref());
    let deadline_ms = js::steady_ms().saturating_add(LIMITER_MS);
    let cause = match waiting.resolve(limiter.admits(&key), deadline_ms).await {
        Ok(Ok(true)) => return Ok(()),
        Ok(Ok(false)) => {
            let mut error = ApiError::from(ErrorCode::RateLimited);
            error.retry_after_seconds = Some(LIMIT_PERIOD_SECONDS);
            return Err(EarlyEnd::Rejected(error));
        }
        Ok(Err(error)) | Err(Interrupted::Failed(error)) => js::error_text(&error),
        Err(Interrupted::TimeIsUp) => "no answer within 2 s".to_owned(),
        Err(Interrupted::ClientGone) => return Err(EarlyEnd::ClientGone),
    };
    exchange.log(Level::Warning, "rate_limiter_failed", |record| {
        record.outside("cause", &cause, MAX_LOGGED_CAUSE);
    });
    Ok(())
}

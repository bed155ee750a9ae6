//! How long to wait before a retry. What bounds it in effect is the caller's deadline: a wait that would pass it is not
//! shortened, but the chat fails at once.

/// The delay before the first retry, in milliseconds.
const FIRST_DELAY_MS: u64 = 500;

/// Longest delay that upstream may ask for, in milliseconds: a day.
const MAX_RETRY_AFTER_MS: f64 = 86_400_000.0;

/// The delay before the retry that follows `attempt`, counted from 1. It is what upstream asked for, or else it grows
/// exponentially, less a jitter of up to a quarter that spreads the load. `random` is uniform in 0–1.
pub fn retry_delay_ms(attempt: u32, retry_after_ms: Option<u64>, random: f64) -> u64 {
    let exponent = attempt.saturating_sub(1).min(16);
    let delay_ms = FIRST_DELAY_MS.saturating_mul(1_u64.wrapping_shl(exponent));
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "at most 500 ms · 2^16, times 0.75 to 1"
    )]
    let jittered = (delay_ms as f64 * (1.0 - random.clamp(0.0, 1.0) / 4.0)) as u64;
    retry_after_ms.unwrap_or(jittered)
}

/// The delay that upstream asks for in `retry-after-ms` or else in `retry-after`, at most a day. A value that is not a
/// time, such as a negative number, is ignored. `until_ms` tells how far off an HTTP date is.
///
/// See <https://www.rfc-editor.org/rfc/rfc9110#field.retry-after>.
pub fn requested_delay_ms(
    milliseconds: Option<&str>,
    seconds_or_date: Option<&str>,
    until_ms: impl FnOnce(&str) -> Option<f64>,
) -> Option<u64> {
    let after = seconds_or_date.map(str::trim);
    let wait_ms = milliseconds
        .and_then(number)
        .or_else(|| after.and_then(number).map(|seconds| seconds * 1000.0))
        .or_else(|| until_ms(after.filter(|text| is_http_date(text))?))?;
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "from 0 to a day"
    )]
    (wait_ms >= 0.0).then(|| wait_ms.min(MAX_RETRY_AFTER_MS).ceil() as u64)
}

/// A number that is not negative.
fn number(text: &str) -> Option<f64> {
    let number: f64 = serde_json::from_str(text.trim()).ok()?;
    (number >= 0.0).then_some(number)
}

/// Whether a text may be an HTTP date. JavaScript would find a date in nearly every text.
fn is_http_date(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic()) && text.ends_with("GMT")
}

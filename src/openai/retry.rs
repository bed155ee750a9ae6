//! When to ask upstream again.

/// First pause before trying again, in milliseconds.
const FIRST_DELAY_MS: u64 = 500;

/// Longest pause that upstream is believed to ask for, in milliseconds: a day.
const MAX_RETRY_AFTER_MS: f64 = 86_400_000.0;

/// How long to wait before the retry that follows `attempt`, counted from 1: what upstream asked for,
/// else exponentially more, shortened by up to a quarter so that clients do not come back all at once.
/// `random` is uniform in 0–1.
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

/// How long upstream asks to wait, at most a day, by the values of its headers `retry-after-ms` and `retry-after`. The
/// first one wins when it is a time; what is none (negative, not a number) says nothing, so the other one counts.
/// `until_ms` tells how far off a date is, and is asked for HTTP dates only.
///
/// See <https://www.rfc-editor.org/rfc/rfc9110#field.retry-after>.
pub fn retry_after_ms(
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

/// A number that is no less than 0.
fn number(text: &str) -> Option<f64> {
    let number: f64 = serde_json::from_str(text.trim()).ok()?;
    (number >= 0.0).then_some(number)
}

/// JavaScript finds a date in nearly every text; HTTP's dates name the day of the week and end in GMT.
fn is_http_date(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic()) && text.ends_with("GMT")
}

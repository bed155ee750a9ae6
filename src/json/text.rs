//! JSON strings and numbers → what they stand for.

use std::borrow::Cow;

/// The text of a JSON string; `None` for other JSON, and for half a surrogate pair.
pub(super) fn decoded(json: &str) -> Option<Cow<'_, str>> {
    let mut rest = json.strip_prefix('"')?.strip_suffix('"')?;
    let mut text = String::new();
    while let Some((before, escape)) = rest.find('\\').and_then(|at| rest.split_at_checked(at)) {
        text.push_str(before);
        let (character, after) = unescaped(escape)?;
        text.push(character);
        rest = after;
    }
    if text.is_empty() {
        return Some(Cow::Borrowed(rest));
    }
    text.push_str(rest);
    Some(Cow::Owned(text))
}

/// The character that an escape stands for, and what follows it.
fn unescaped(escape: &str) -> Option<(char, &str)> {
    let character = match escape.as_bytes().get(1)? {
        b'n' => '\n',
        b't' => '\t',
        b'r' => '\r',
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'u' => return unescaped_unit(escape),
        byte => char::from(*byte),
    };
    Some((character, escape.get(2..)?))
}

fn unescaped_unit(escape: &str) -> Option<(char, &str)> {
    let (first, after) = code_unit(escape)?;
    let (units, after) = match first {
        0xD800..=0xDBFF => {
            let (second, after) = code_unit(after)?;
            ([Some(first), Some(second)], after)
        }
        _ => ([Some(first), None], after),
    };
    let character = char::decode_utf16(units.into_iter().flatten())
        .next()?
        .ok()?;
    Some((character, after))
}

/// The UTF-16 code unit of a `\uXXXX` that a text begins with, and what follows it.
pub fn code_unit(text: &str) -> Option<(u16, &str)> {
    let (digits, after) = text.strip_prefix("\\u")?.split_at_checked(4)?;
    let unit = u16::from_str_radix(digits, 16).ok()?;
    Some((unit, after))
}

/// The value of a JSON number; `None` when it is too large for a `f64`. With more digits than that has, the last one may be
/// off by one.
pub(super) fn float(json: &str) -> Option<f64> {
    let (sign, digits) = json
        .strip_prefix('-')
        .map_or((1.0, json), |rest| (-1.0, rest));
    let (mantissa, power) = digits.split_once(['e', 'E']).unwrap_or((digits, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let mut exponent: i64 = power.parse().unwrap_or(if power.starts_with('-') {
        i64::MIN
    } else {
        i64::MAX
    });
    let mut significand = 0_u64;
    let mut is_full = false;
    for (digit, is_whole) in digits_of(whole, true).chain(digits_of(fraction, false)) {
        let longer = significand
            .checked_mul(10)
            .and_then(|number| number.checked_add(digit));
        if let Some(longer) = longer.filter(|_| !is_full) {
            significand = longer;
            exponent = exponent.saturating_sub(i64::from(!is_whole));
        } else {
            is_full = true;
            exponent = exponent.saturating_add(i64::from(is_whole));
        }
    }
    if significand == 0 {
        return Some(sign * 0.0);
    }
    #[allow(clippy::cast_precision_loss, reason = "a float has no more digits")]
    let mut value = significand as f64;
    // Below 10^22, powers of ten are exact, and so is what this makes of a number of 15 digits.
    while exponent != 0 && value != 0.0 && value.is_finite() {
        let step = exponent.clamp(-22, 22);
        let power = (0..step.unsigned_abs()).fold(1.0, |power, _| power * 10.0);
        value = if step > 0 {
            value * power
        } else {
            value / power
        };
        exponent = exponent.saturating_sub(step);
    }
    Some(sign * value).filter(|value| value.is_finite())
}

fn digits_of(digits: &str, is_whole: bool) -> impl Iterator<Item = (u64, bool)> {
    let values = digits
        .bytes()
        .map(|byte| u64::from(byte.wrapping_sub(b'0')));
    values.map(move |digit| (digit, is_whole))
}

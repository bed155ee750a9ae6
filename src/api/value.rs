//! JSON values of a request, checked by pydantic 2's rules and refused in its words.
//!
//! Unlike pydantic, this does not convert types: a string or a boolean is not an integer, as in its strict mode. Any
//! whole number is one, `5.0` included, as in its lax mode and in JSON Schema.

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::json;

/// Why a value is refused, in pydantic's words.
pub(super) type Rule = Cow<'static, str>;

/// From here on, pydantic does not accept a number with a fraction or an exponent as an integer, even a whole one.
const TOO_LARGE_FOR_A_FLOAT: f64 = 9_223_372_036_854_775_808.0;

/// A string. JSON can write half a surrogate pair, which is not text.
pub(super) fn text(json: &str) -> Result<String, Rule> {
    json::text(json).ok_or_else(|| {
        let rule = if json.starts_with('"') {
            "Input should be a valid string, unable to parse raw data as a unicode string"
        } else {
            "Input should be a valid string"
        };
        rule.into()
    })
}

/// A string of 1 to `max` Unicode scalar values, and its length.
pub(super) fn text_up_to(max: usize, json: &str) -> Result<(String, usize), Rule> {
    let text = text(json)?;
    match text.chars().count() {
        0 => Err("String should have at least 1 character".into()),
        length if length > max => {
            Err(format!("String should have at most {max} characters").into())
        }
        length => Ok((text, length)),
    }
}

/// An integer from 1 to `max`.
pub(super) fn integer_up_to(max: u32, json: &str) -> Result<u32, Rule> {
    match integer(json)? {
        number if number < 1.0 => Err("Input should be greater than or equal to 1".into()),
        number if number > f64::from(max) => {
            Err(format!("Input should be less than or equal to {max}").into())
        }
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a whole number from 1 to a u32"
        )]
        number => Ok(number as u32),
    }
}

/// A whole number, as exact as a `f64` is; infinite if it is too large for that.
fn integer(json: &str) -> Result<f64, Rule> {
    if !json.starts_with(|first: char| first == '-' || first.is_ascii_digit()) {
        return Err("Input should be a valid integer".into());
    }
    let has_digits_only = !json.contains(['.', 'e', 'E']);
    // The JSON parser refuses what is too large for a `f64`.
    let number = serde_json::from_str::<f64>(json).unwrap_or(if json.starts_with('-') {
        f64::NEG_INFINITY
    } else {
        f64::INFINITY
    });
    if has_digits_only {
        Ok(number)
    } else if number.is_infinite() {
        Err("Input should be a finite number".into())
    } else if number.fract() != 0.0 {
        Err("Input should be a valid integer, got a number with a fractional part".into())
    } else if number.abs() >= TOO_LARGE_FOR_A_FLOAT {
        Err("Unable to parse input string as an integer, exceeded maximum size".into())
    } else {
        Ok(number)
    }
}

/// The items of a list of at most `max`, of any type.
pub(super) fn list_up_to(max: usize, json: &str) -> Result<Vec<&RawValue>, Rule> {
    let Ok(items) = serde_json::from_str::<Vec<&RawValue>>(json) else {
        return Err("Input should be a valid list".into());
    };
    match items.len() {
        length if length > max => Err(format!(
            "List should have at most {max} items after validation, not {length}"
        )
        .into()),
        _ => Ok(items),
    }
}

//! The counts of tokens, by either API's names.

use super::meaning::Malformed;
use crate::api::ending::Usage;
use crate::json::{Fields, is_blank};

/// The names of the tokens sent: in Chat Completions, and in Responses.
const INPUT: [&str; 2] = ["prompt_tokens", "input_tokens"];
const OUTPUT: [&str; 2] = ["completion_tokens", "output_tokens"];

/// What a `usage` says: nothing where it is a placeholder, and [`Malformed`] where it cannot be read, which costs
/// the usage and never the answer. What upstream did not count is not told as 0; a missing total is the sum.
pub(super) fn read(json: Option<&str>) -> Option<Result<Usage, Malformed>> {
    let json = json.filter(|json| !is_blank(json))?;
    Some(
        Fields::read(json)
            .ok_or(Malformed)
            .and_then(|usage| counts(&usage)),
    )
}

fn counts(usage: &Fields<'_>) -> Result<Usage, Malformed> {
    let count = |names: &[&str]| {
        let given = names.iter().find_map(|name| usage.given(name));
        given.map(whole_number).transpose()
    };
    let input_tokens = count(&INPUT)?.ok_or(Malformed)?;
    let output_tokens = count(&OUTPUT)?.ok_or(Malformed)?;
    let sum = input_tokens.checked_add(output_tokens);
    let total_tokens = count(&["total_tokens"])?.or(sum).ok_or(Malformed)?;
    Ok(Usage {
        input_tokens,
        output_tokens,
        total_tokens,
    })
}

/// A count, which some servers write as `7.0`.
fn whole_number(json: &str) -> Result<u64, Malformed> {
    let digits = json.strip_suffix(".0").unwrap_or(json);
    serde_json::from_str(digits).map_err(|_| Malformed)
}

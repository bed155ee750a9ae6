//! Days of UTC, counted from 1970-01-01.

use crate::time::{DAY_MS, date, timestamp};

/// The day of a time.
pub fn day_of(ms: u64) -> u64 {
    ms / DAY_MS
}

/// The day as `2026-01-31`.
pub fn to_text(day: u64) -> String {
    let midnight = timestamp(day.saturating_mul(DAY_MS));
    midnight
        .split('T')
        .next()
        .map(str::to_owned)
        .unwrap_or_default()
}

/// The day that a text of this form names; `None` for one that no calendar has, and for one before 1970.
pub fn parse(text: &str) -> Option<u64> {
    let is_form = text.bytes().enumerate().all(|(at, byte)| match at {
        4 | 7 => byte == b'-',
        _ => byte.is_ascii_digit(),
    });
    let mut numbers = text.split('-').map(str::parse::<u64>);
    let mut next = || numbers.next()?.ok();
    let named = (next()?, next()?, next()?);
    let (year, ..) = named;
    if text.len() != 10 || !is_form || year < 1970 {
        return None;
    }
    // The first day of the year, or one before it.
    let first = year.saturating_sub(1970).saturating_mul(365);
    let first = first.saturating_add(leap_days(year).saturating_sub(leap_days(1970)));
    (first.saturating_sub(1)..first.saturating_add(367)).find(|day| date(*day) == named)
}

/// Leap days before a year.
fn leap_days(year: u64) -> u64 {
    let last = year.saturating_sub(1);
    (last / 4)
        .saturating_sub(last / 100)
        .saturating_add(last / 400)
}

/// A period that a budget is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Period {
    /// From one midnight to the next.
    Day,
    /// From the first of a month to that of the next one.
    Month,
}

impl Period {
    /// When the period of a time ends, and the next one begins: at a midnight.
    pub fn end_ms(self, now_ms: u64) -> u64 {
        let today = day_of(now_ms);
        let next = match self {
            Self::Day => today.saturating_add(1),
            Self::Month => first_of_next_month(today),
        };
        next.saturating_mul(DAY_MS)
    }
}

/// The first day of a day's month.
pub fn first_of_month(day: u64) -> u64 {
    let (_, _, of_month) = date(day);
    day.saturating_sub(of_month.saturating_sub(1))
}

/// The first day of the month after a day's.
pub fn first_of_next_month(day: u64) -> u64 {
    first_of_month(first_of_month(day).saturating_add(31))
}

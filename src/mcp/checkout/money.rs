//! Amounts of money in words and numbers.

use crate::jobs::{Spent, amount_words};

/// Whose turn it is when a setting forbids a call.
pub(crate) const OPERATOR: &str = "fix key, balance or settings";

/// An amount as a number.
#[expect(clippy::cast_precision_loss, reason = "shown; no account spends 2^52 millionths")]
pub(crate) fn amount(millionths: i64) -> f64 {
    millionths as f64 / 1e6
}

/// An amount with its currency.
pub(crate) fn money(millionths: i64, currency: &str) -> String {
    format!("{} {currency}", amount_words(millionths))
}

/// An amount as a person in a hurry reads it: `$0.28`.
pub(crate) fn price_tag(millionths: i64, currency: &str) -> String {
    let sign = if currency == "CNY" { "¥" } else { "$" };
    match millionths {
        1..100 => format!("<{sign}0.0001"),
        _ => format!("{sign}{}", amount_words(millionths)),
    }
}

/// The unsettled parts of a sum, in words.
pub(crate) fn held_words(spent: &Spent) -> String {
    let parts = [
        (spent.reserved, "set aside for what has not ended"),
        (spent.unknown, "for what may have been billed"),
    ];
    let parts: Vec<_> = parts
        .iter()
        .filter(|(amount, _)| *amount > 0)
        .map(|(amount, what)| format!("{} {what}", amount_words(*amount)))
        .collect();
    if parts.is_empty() { String::new() } else { format!(" (of it {})", parts.join(", ")) }
}

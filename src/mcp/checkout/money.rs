//! Amounts of money in words and numbers.

use crate::jobs::{Spent, amount_words, millionths};

/// The kind of error when a setting forbids a call.
pub(crate) const OPERATOR: &str = "settings";

/// An amount as a number.
#[expect(clippy::cast_precision_loss, reason = "shown; no account spends 2^52 millionths")]
pub(crate) fn amount(millionths: i64) -> f64 {
    millionths as f64 / 1e6
}

/// An amount with its currency.
pub(crate) fn money(millionths: i64, currency: &str) -> String {
    format!("{} {currency}", amount_words(millionths))
}

/// An amount as people write it: `$0.28`, `$5`, `<$0.0001`, `free`. It has at most four decimals, and is rounded up.
pub(crate) fn price_tag(millionths: i64, currency: &str) -> String {
    let sign = sign(currency);
    match millionths {
        0 => return "free".to_owned(),
        1..100 => return format!("<{sign}0.0001"),
        _ => {}
    }
    let words = amount_words(millionths.saturating_add(99) / 100 * 100);
    let cents = words.split_once('.').is_some_and(|(_, decimals)| decimals.len() == 1);
    format!("{sign}{words}{}", if cents { "0" } else { "" })
}

/// As [`price_tag`], for a sum: nothing is `$0`.
pub(crate) fn sum_tag(millionths: i64, currency: &str) -> String {
    if millionths == 0 { format!("{}0", sign(currency)) } else { price_tag(millionths, currency) }
}

fn sign(currency: &str) -> &'static str {
    if currency == "CNY" { "¥" } else { "$" }
}

/// As [`price_tag`], for an amount of a price table.
pub(crate) fn price(amount: f64, currency: &str) -> String {
    millionths(amount).map_or_else(|| "unknown".to_owned(), |millionths| price_tag(millionths, currency))
}

/// The unsettled parts of a sum, in words.
pub(crate) fn held_words(spent: &Spent) -> String {
    let parts =
        [(spent.reserved, "reserved for running jobs"), (spent.unknown, "for what may have been billed")];
    let parts: Vec<_> = parts
        .iter()
        .filter(|(amount, _)| *amount > 0)
        .map(|(amount, what)| format!("{} {what}", amount_words(*amount)))
        .collect();
    if parts.is_empty() { String::new() } else { format!(" (including {})", parts.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_are_written_as_people_write_them() {
        for (amount, words) in [
            (0.0, "free"),
            (0.000_001_8, "<$0.0001"),
            (0.0035, "$0.0035"),
            (0.004_699_8, "$0.0047"),
            (0.05, "$0.05"),
            (0.4, "$0.40"),
            (3.0, "$3"),
            (4.520_027, "$4.5201"),
            (f64::NAN, "unknown"),
        ] {
            assert_eq!(price(amount, "USD"), words, "{amount}");
        }
        assert_eq!(price(0.2, "CNY"), "¥0.20");
        assert_eq!([0, 500_000].map(|sum| sum_tag(sum, "USD")), ["$0", "$0.50"]);
    }
}

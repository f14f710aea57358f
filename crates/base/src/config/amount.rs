//! The spending limits, and the amounts of money in settings.

use crate::money::{Currency, Decimal, Money};

/// Spending limits in the region's currency. `None` means no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Budgets {
    /// For any 24 hours, across all servers that share the data folder.
    pub day: Option<Money>,
    /// For one call.
    pub call: Option<Money>,
    /// For this process.
    pub process: Option<Money>,
    /// A call that costs more needs a person's consent.
    pub confirm_above: Option<Money>,
}

/// The largest amount, exclusive. No real limit is this large.
const LARGEST: u64 = 1_000_000_000;

/// Reads `5`, `5 USD` or `0.5usd`. A plain number is in `currency`. All prices are in that currency, and the program knows
/// no exchange rate, so another currency is an error. The error is a sentence without a subject.
pub(super) fn read(text: &str, currency: Currency) -> Result<Money, String> {
    let legal = format!("must be an amount with at most six decimals, for example `5` or `0.5 {currency}`");
    let end = text.find(|letter: char| !letter.is_ascii_digit() && letter != '.').unwrap_or(text.len());
    let (number, word) = text.split_at(end);
    let word = word.trim();
    let amount = Decimal::exactly(number).filter(|amount| *amount < LARGEST.into());
    // The ledger counts in millionths.
    let is_whole = |amount: &Money| amount.rounded_up() == *amount;
    let amount = amount.map(|amount| Money::new(amount, currency)).filter(is_whole);
    let amount = amount.ok_or_else(|| format!("is `{text}`; {legal}"))?;
    match Currency::of_code(word) {
        _ if word.is_empty() => Ok(amount),
        Some(named) if named == currency => Ok(amount),
        Some(_) => Err(format!(
            "is `{text}`; must be an amount in {currency}, the currency of this region's prices (the server knows no \
             exchange rate)"
        )),
        None => Err(format!("is `{text}`; {legal}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::money::Currency::{Cny, Usd};

    #[test]
    fn amounts_are_read_exactly_in_the_currency_of_the_region_and_in_no_other() {
        for (text, amount) in [
            ("5", 5_000_000),
            ("5 USD", 5_000_000),
            ("0.5usd", 500_000),
            (".25 Usd", 250_000),
            ("5.", 5_000_000),
            ("0", 0),
            ("0.000001", 1),
            ("999999999.999999", 999_999_999_999_999),
        ] {
            assert_eq!(read(text, Usd), Ok(Money::from_millionths(amount, Usd)), "{text}");
        }
        assert_eq!(read("30 CNY", Cny), Ok(Money::from_millionths(30_000_000, Cny)));
        for text in [
            "",
            ".",
            "-5",
            "5,5",
            "1.2.3",
            "0.0000001",
            "0.0000000001",
            "1e3",
            "5 EUR",
            "five",
            "1000000000",
            "$5",
            "٣",
        ] {
            assert!(read(text, Usd).unwrap_err().contains("must be an amount"), "{text}");
        }
        assert!(read("30 CNY", Usd).unwrap_err().contains("knows no exchange rate"));
    }
}

//! Reads the amounts of money in settings.

/// Converts `5`, `5 USD` or `0.5usd` to millionths of `currency`. A plain number is in `currency`. All prices are in
/// that currency, and the program knows no exchange rate, so another currency is an error. The error is a sentence
/// without a subject.
pub(super) fn read(text: &str, currency: &str) -> Result<i64, String> {
    let legal = format!("must be an amount with at most six decimals, for example `5` or `0.5 {currency}`");
    let end = text.find(|letter: char| !letter.is_ascii_digit() && letter != '.').unwrap_or(text.len());
    let (number, word) = text.split_at(end);
    let word = word.trim();
    let amount = millionths(number).ok_or_else(|| format!("is `{text}`; {legal}"))?;
    if word.is_empty() || word.eq_ignore_ascii_case(currency) {
        return Ok(amount);
    }
    if ["USD", "CNY"].iter().any(|known| word.eq_ignore_ascii_case(known)) {
        return Err(format!(
            "is `{text}`; must be an amount in {currency}, the currency of this region's prices (the server knows no \
             exchange rate)"
        ));
    }
    Err(format!("is `{text}`; {legal}"))
}

fn millionths(number: &str) -> Option<i64> {
    let (whole, places) = number.split_once('.').unwrap_or((number, ""));
    if (whole.is_empty() && places.is_empty()) || places.len() > 6 || places.contains('.') {
        return None;
    }
    let whole: i64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let places: i64 = format!("{places:0<6}").parse().ok()?;
    // Guards against overflow. No real limit is this large.
    (whole < 1_000_000_000).then(|| whole * 1_000_000 + places)
}

#[cfg(test)]
mod tests {
    use super::read;

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
            assert_eq!(read(text, "USD"), Ok(amount), "{text}");
        }
        assert_eq!(read("30 CNY", "CNY"), Ok(30_000_000));
        for text in
            ["", ".", "-5", "5,5", "1.2.3", "0.0000001", "1e3", "5 EUR", "five", "1000000000", "$5", "٣"]
        {
            assert!(read(text, "USD").unwrap_err().contains("must be an amount"), "{text}");
        }
        assert!(read("30 CNY", "USD").unwrap_err().contains("knows no exchange rate"));
    }
}

//! Money: whole trillionths of a currency. No binary fraction stands for an amount anywhere.
//!
//! Arithmetic is exact. There are four places that round, and all are here:
//!
//! * [`Money::per`] divides a price by the units that it is for, and rounds up to a trillionth.
//! * [`Money::times`] multiplies by a quantity, and rounds half up to a trillionth.
//! * [`Money::rounded`] rounds a finished price half up to seven decimals. Results and records have such prices.
//! * [`Money::rounded_up`] and [`Money::millionths`] round such a price up to millionths. The ledger has those, so what is
//!   reserved is never too little.
//!
//! JSON has only binary fractions. An amount becomes one when it is written ([`Serialize`]), and at no other place.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The decimals of a [`Decimal`].
const PLACES: i32 = 12;

/// One, in trillionths.
const ONE: u128 = 1_000_000_000_000;

/// The trillionths of a millionth.
const MILLIONTH: u128 = 1_000_000;

/// The trillionths of the seventh decimal.
const SEVENTH: u128 = 100_000;

/// The largest amount of the ledger in millionths, a thousand million of a currency: no sum of such amounts overflows.
const MOST: i64 = 1_000_000_000_000_000;

/// A binary fraction keeps every decimal number of so many digits.
const DIGITS: usize = 15;

/// A number from zero in whole trillionths: an amount whose currency stands beside it, a quantity, or a factor.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
#[must_use]
pub struct Decimal(u128);

impl Decimal {
    /// Reads a decimal number, such as `0.0035` or `3.5e-3`. `None` if it has more than twelve decimals.
    pub fn exactly(text: &str) -> Option<Self> {
        read(text).and_then(|(number, is_exact)| is_exact.then_some(number))
    }

    /// Reads a decimal number, rounded half up to twelve decimals.
    pub fn nearest(text: &str) -> Option<Self> {
        read(text).map(|(number, _)| number)
    }

    /// A count of thousandths, such as milliseconds as seconds.
    pub fn from_thousandths(count: u64) -> Self {
        Self(u128::from(count) * (ONE / 1000))
    }

    /// A measured quantity, such as seconds. `None` if it is negative or no number.
    pub fn measured(quantity: f64) -> Option<Self> {
        Self::nearest(&quantity.to_string())
    }

    /// The nearest binary fraction, for JSON and for metrics.
    pub fn to_f64(self) -> f64 {
        // The text of a decimal number is always a number.
        self.to_string().parse().unwrap_or_default()
    }

    /// The nearest multiple of `step`; a half is rounded up.
    fn rounded_to(self, step: u128) -> Self {
        Self(self.0.saturating_add(step / 2) / step * step)
    }
}

/// The number, and whether it has at most twelve decimals.
fn read(text: &str) -> Option<(Decimal, bool)> {
    let (number, exponent) = match text.split_once(['e', 'E']) {
        Some((number, exponent)) => (number, exponent.parse().ok()?),
        None => (text, 0_i32),
    };
    let number = number.strip_prefix('+').unwrap_or(number);
    let (whole, places) = number.split_once('.').unwrap_or((number, ""));
    let digits = [whole, places].concat();
    if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let digits: u128 = digits.parse().ok()?;
    let shift = PLACES.checked_add(exponent)?.checked_sub(i32::try_from(places.len()).ok()?)?;
    let scale = 10_u128.checked_pow(shift.unsigned_abs());
    Some(match scale {
        Some(scale) if shift >= 0 => (Decimal(digits.checked_mul(scale)?), true),
        Some(step) => (Decimal(digits.checked_add(step / 2)? / step), digits.is_multiple_of(step)),
        None if digits == 0 => (Decimal(0), true),
        None if shift < 0 => (Decimal(0), false),
        None => return None,
    })
}

impl From<u32> for Decimal {
    fn from(number: u32) -> Self {
        u64::from(number).into()
    }
}

impl From<u64> for Decimal {
    fn from(number: u64) -> Self {
        Self(u128::from(number) * ONE)
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let places = format!("{:012}", self.0 % ONE);
        let places = places.trim_end_matches('0');
        let point = if places.is_empty() { "" } else { "." };
        write!(f, "{}{point}{places}", self.0 / ONE)
    }
}

impl Serialize for Decimal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.to_f64())
    }
}

/// Reads a JSON number exactly, or refuses it.
impl<'de> Deserialize<'de> for Decimal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Number;
        impl Visitor<'_> for Number {
            type Value = Decimal;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a number from 0 with at most {PLACES} decimals and {DIGITS} digits")
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<Decimal, E> {
                Ok(number.into())
            }

            fn visit_f64<E: Error>(self, number: f64) -> Result<Decimal, E> {
                // The shortest text that reads as the same binary fraction is the one of the file, up to so many digits.
                let text = number.to_string();
                let digits = text.replace('.', "");
                let exact = Decimal::exactly(&text).filter(|_| digits.trim_matches('0').len() <= DIGITS);
                exact.ok_or_else(|| E::invalid_value(serde::de::Unexpected::Float(number), &self))
            }
        }
        deserializer.deserialize_any(Number)
    }
}

/// The currencies of MiniMax's prices. No exchange rate is known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Currency {
    /// US dollars, charged on the global host, which is the default.
    #[default]
    Usd,
    /// Yuan, charged on the China host.
    Cny,
}

impl Currency {
    /// The code, as in settings, results and records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Usd => "USD",
            Self::Cny => "CNY",
        }
    }

    /// The currency of a code, in any case.
    pub fn of_code(code: &str) -> Option<Self> {
        [Self::Usd, Self::Cny].into_iter().find(|known| code.eq_ignore_ascii_case(known.as_str()))
    }
}

impl Currency {
    fn sign(self) -> &'static str {
        match self {
            Self::Usd => "$",
            Self::Cny => "¥",
        }
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An amount of money. Amounts of different currencies cannot be added or compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub struct Money {
    amount: Decimal,
    currency: Currency,
}

impl Money {
    /// An amount in a currency.
    pub fn new(amount: Decimal, currency: Currency) -> Self {
        Self { amount, currency }
    }

    /// Nothing.
    pub fn zero(currency: Currency) -> Self {
        Self::new(Decimal::default(), currency)
    }

    /// An amount of the ledger.
    pub fn from_millionths(millionths: i64, currency: Currency) -> Self {
        let millionths = u128::try_from(millionths).unwrap_or_default();
        Self::new(Decimal(millionths.saturating_mul(MILLIONTH)), currency)
    }

    /// The amount without its currency.
    pub fn amount(self) -> Decimal {
        self.amount
    }

    /// The currency.
    pub fn currency(self) -> Currency {
        self.currency
    }

    /// The sum. `None` if the currencies differ.
    pub fn checked_add(self, other: Self) -> Option<Self> {
        let sum = self.amount.0.checked_add(other.amount.0)?;
        (self.currency == other.currency).then_some(Self { amount: Decimal(sum), ..self })
    }

    /// The price of a quantity. `None` if it is too large.
    pub fn times(self, quantity: impl Into<Decimal>) -> Option<Self> {
        let product = self.amount.0.checked_mul(quantity.into().0)?.checked_add(ONE / 2)?;
        Some(Self { amount: Decimal(product / ONE), ..self })
    }

    /// The price of one unit, from the price of `units`.
    pub fn per(self, units: u32) -> Self {
        Self { amount: Decimal(self.amount.0.div_ceil(units.max(1).into())), ..self }
    }

    /// The price as results and records have it.
    pub fn rounded(self) -> Self {
        Self { amount: self.amount.rounded_to(SEVENTH), ..self }
    }

    /// The price as the ledger has it.
    pub fn rounded_up(self) -> Self {
        Self::from_millionths(self.millionths(), self.currency)
    }

    /// The price as the ledger stores it, in millionths.
    pub fn millionths(self) -> i64 {
        let millionths = self.rounded().amount.0.div_ceil(MILLIONTH);
        i64::try_from(millionths).unwrap_or(MOST).min(MOST)
    }

    /// Whether a limit allows it. No limit allows another currency.
    pub fn is_within(self, limit: Self) -> bool {
        self.currency == limit.currency && self.amount <= limit.amount
    }

    /// What is left of it when `spent` is taken away. Nothing if that is more, or in another currency.
    pub fn left_after(self, spent: Self) -> Self {
        let left =
            if self.currency == spent.currency { self.amount.0.saturating_sub(spent.amount.0) } else { 0 };
        Self { amount: Decimal(left), ..self }
    }
}

/// For people.
impl Money {
    /// The price as people write it: `$0.28`, `$5`, `<$0.0001`, `free`. It has at most four decimals, and is rounded up.
    pub fn tag(self) -> String {
        let sign = self.currency.sign();
        let millionths = self.millionths();
        match millionths {
            0 => return "free".to_owned(),
            1..100 => return format!("<{sign}0.0001"),
            _ => {}
        }
        let shown = Self::from_millionths(millionths.saturating_add(99) / 100 * 100, self.currency);
        let words = shown.amount.to_string();
        let cents = words.split_once('.').is_some_and(|(_, decimals)| decimals.len() == 1);
        format!("{sign}{words}{}", if cents { "0" } else { "" })
    }

    /// As [`Self::tag`], for a sum: nothing is `$0`.
    pub fn sum_tag(self) -> String {
        if self.millionths() == 0 { format!("{}0", self.currency.sign()) } else { self.tag() }
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.amount, self.currency)
    }
}

/// In results, the currency stands beside the amounts.
impl Serialize for Money {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.amount.serialize(serializer)
    }
}

impl JsonSchema for Money {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        f64::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        f64::json_schema(generator)
    }
}

impl JsonSchema for Currency {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        str::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        str::json_schema(generator)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::Currency::{Cny, Usd};
    use super::*;

    fn usd(text: &str) -> Money {
        Money::new(Decimal::exactly(text).unwrap(), Usd)
    }

    #[test]
    fn prices_are_written_as_people_write_them() {
        for (amount, words) in [
            ("0", "free"),
            ("0.0000018", "<$0.0001"),
            ("0.0035", "$0.0035"),
            ("0.0046998", "$0.0047"),
            ("0.05", "$0.05"),
            ("0.4", "$0.40"),
            ("3", "$3"),
            ("4.520027", "$4.5201"),
        ] {
            assert_eq!(usd(amount).tag(), words, "{amount}");
        }
        assert_eq!(Money::new(Decimal::exactly("0.2").unwrap(), Cny).tag(), "¥0.20");
        assert_eq!(["0", "0.5"].map(|sum| usd(sum).sum_tag()), ["$0", "$0.50"]);
    }

    #[test]
    fn numbers_are_read_exactly_or_refused() {
        for (text, shown) in [
            ("0.0035", "0.0035"),
            ("3.5e-3", "0.0035"),
            ("35E-04", "0.0035"),
            (".25", "0.25"),
            ("5.", "5"),
            ("+1e2", "100"),
            ("0.000000000001", "0.000000000001"),
            ("0e-99", "0"),
            ("12345678901234567890", "12345678901234567890"),
        ] {
            assert_eq!(Decimal::exactly(text).unwrap().to_string(), shown, "{text}");
        }
        for text in ["0.0000000000005", "1e-13", "1e-99"] {
            assert!(Decimal::exactly(text).is_none() && Decimal::nearest(text).is_some(), "{text}");
        }
        assert_eq!(Decimal::nearest("0.30000000000000004"), Decimal::exactly("0.3"));
        assert_eq!(Decimal::nearest("0.0000000000005"), Decimal::exactly("0.000000000001"));
        for text in
            ["", ".", "-1", "-0.5", "1e99", "1e", "e5", "1.2.3", "1,5", "٣", "NaN", "inf", "0x10", " 1", "1 "]
        {
            assert_eq!(Decimal::nearest(text), None, "{text}");
        }
        assert_eq!(
            ["9".repeat(50), "1e-99999999999".to_owned()].map(|text| Decimal::nearest(&text)),
            [None; 2]
        );
        assert_eq!([-1.0, f64::NAN, f64::INFINITY, 1e300].map(Decimal::measured), [None; 4]);
        assert_eq!(Decimal::measured(72.5), Decimal::exactly("72.5"));
    }

    #[test]
    fn a_price_in_a_table_is_exact_or_an_error() {
        let read = |text: &str| serde_json::from_str::<Decimal>(text);
        for (text, shown) in [("0.1", "0.1"), ("100", "100"), ("1e-7", "0.0000001"), ("8.4", "8.4")] {
            assert_eq!(read(text).unwrap().to_string(), shown);
        }
        for text in ["-1", "-0.5", "0.30000000000000004", "1e-13", "\"0.1\"", "null", "[]"] {
            let error = read(text).unwrap_err().to_string();
            assert!(
                error.contains("a number from 0 with at most 12 decimals and 15 digits"),
                "{text}: {error}"
            );
        }
    }

    #[test]
    fn rounding_is_half_up_for_results_and_up_for_the_ledger() {
        for (exact, rounded, millionths) in [
            ("0.0035", "0.0035", 3500),
            ("0.00000005", "0.0000001", 1),
            ("0.00000004", "0", 0),
            ("0.0000001", "0.0000001", 1),
            ("0.00000104", "0.000001", 1),
            ("0.00000105", "0.0000011", 2),
            ("999999999.9999999", "999999999.9999999", MOST),
            ("123456789012345", "123456789012345", MOST),
        ] {
            let price = usd(exact);
            assert_eq!((price.rounded(), price.millionths()), (usd(rounded), millionths), "{exact}");
        }
        // 2.5 an hour, for 72 seconds.
        let second = usd("2.5").per(3600);
        assert_eq!(second.times(72_u32).unwrap().rounded(), usd("0.05"));
        assert_eq!(usd("1").per(3).amount().to_string(), "0.333333333334");
        assert_eq!(usd("1").times(Decimal::exactly("0.0000000000005").unwrap_or_default()), Some(usd("0")));
    }

    #[test]
    fn amounts_of_different_currencies_are_neither_added_nor_compared() {
        let (five, yuan) = (usd("5"), Money::new(5_u32.into(), Cny));
        assert_eq!(
            (five.checked_add(yuan), five.is_within(yuan), yuan.is_within(five)),
            (None, false, false)
        );
        assert_eq!(five.left_after(yuan), usd("0"));
        assert_ne!(five, yuan);
        assert_eq!(five.checked_add(five), Some(usd("10")));
        assert!(five.is_within(five) && !usd("5.000001").is_within(five));
        assert_eq!([five.left_after(usd("4.75")), five.left_after(usd("6"))], [usd("0.25"), usd("0")]);
    }

    #[test]
    fn an_amount_is_shown_with_its_currency_and_written_as_a_number() {
        assert_eq!(
            [usd("0.0315"), usd("5.0"), Money::zero(Cny)].map(|money| money.to_string()),
            ["0.0315 USD", "5 USD", "0 CNY"]
        );
        assert_eq!(
            serde_json::to_string(&[usd("0.0315"), usd("5"), usd("0.0000015")]).unwrap(),
            "[0.0315,5.0,1.5e-6]"
        );
        assert_eq!(["usd", "CNY", "EUR", ""].map(Currency::of_code), [Some(Usd), Some(Cny), None, None]);
        assert_eq!(json!(Cny), json!("CNY"));
    }

    prop_compose! {
        /// A number of up to fifteen digits with up to twelve decimals, as text.
        fn number()(digits in 0..10_u64.pow(15), places in 0..=12_u32) -> String {
            let scale = 10_u64.pow(places);
            match places {
                0 => digits.to_string(),
                _ => format!("{}.{:0width$}", digits / scale, digits % scale, width = places as usize),
            }
        }
    }

    proptest! {
        #[test]
        fn text_json_and_amount_agree(text in number()) {
            let exact = Decimal::exactly(&text).unwrap();
            prop_assert_eq!(Decimal::exactly(&exact.to_string()), Some(exact));
            prop_assert_eq!(serde_json::from_str::<Decimal>(&text).unwrap(), exact);
            let written = serde_json::to_string(&exact).unwrap();
            prop_assert_eq!(serde_json::from_str::<Decimal>(&written).unwrap(), exact);
            // Whoever read the number as a binary fraction before wrote the same bytes.
            prop_assert_eq!(written, serde_json::to_string(&text.parse::<f64>().unwrap()).unwrap());
            let value: Value = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(serde_json::from_value::<Decimal>(value).unwrap(), exact);
        }

        #[test]
        fn sums_and_products_are_exact(a in 0..10_u64.pow(15), b in 0..10_u64.pow(15), count in 0..1_000_000_u32) {
            let of = |number: u64| Money::new(Decimal(u128::from(number)), Usd);
            let sum = of(a).checked_add(of(b)).unwrap();
            prop_assert_eq!(sum, of(a + b));
            prop_assert_eq!(sum, of(b).checked_add(of(a)).unwrap());
            prop_assert_eq!(sum.left_after(of(b)), of(a));
            let product = of(a).times(count).unwrap();
            prop_assert_eq!(product.amount().0, u128::from(a) * u128::from(count));
            let both = sum.times(count).unwrap();
            prop_assert_eq!(both, product.checked_add(of(b).times(count).unwrap()).unwrap());
        }

        #[test]
        fn the_ledger_reserves_at_least_the_price_that_is_shown(amount in 0..10_u64.pow(19)) {
            let shown = Money::new(Decimal(u128::from(amount)), Cny).rounded();
            let reserved = shown.rounded_up();
            prop_assert!(shown.is_within(reserved) && reserved.left_after(shown).amount().0 < MILLIONTH);
            prop_assert_eq!(Money::from_millionths(reserved.millionths(), Cny), reserved);
            prop_assert_eq!((shown.rounded(), reserved.rounded_up()), (shown, reserved));
        }

        #[test]
        fn no_text_panics(text in ".{0,40}", digits in "[0-9.eE+-]{0,60}") {
            for text in [text, digits] {
                let _ = (Decimal::exactly(&text), Decimal::nearest(&text));
            }
        }
    }
}

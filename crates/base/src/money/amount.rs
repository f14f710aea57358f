//! Amounts: whole trillionths of a currency.
//!
//! Arithmetic is exact, except for the functions that round. All are here:
//!
//! * [`Decimal::nearest`] reads a number and rounds it half up to twelve decimals.
//! * [`Money::per`] divides a price by the units that it is for, and rounds up to a trillionth.
//! * [`Money::times`] multiplies by a quantity, and rounds half up to a trillionth.
//! * [`Money::rounded`] rounds a finished price half up to seven decimals, for results and records.
//! * [`Money::rounded_up`] and [`Money::millionths`] round such a price up to millionths, for the ledger, so that a reserve
//!   is never too small.
//! * [`Money::tag`] rounds it up to four decimals, for people, and [`Money::left_tag`] down.
//!
//! Most JSON libraries read numbers as binary fractions. An amount becomes one only when it is written ([`Serialize`]), and
//! in metrics.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The decimals of a [`Decimal`].
const PLACES: i32 = 12;

/// One, in trillionths.
const ONE: u128 = 1_000_000_000_000;

/// A millionth, in trillionths.
const MILLIONTH: u128 = 1_000_000;

/// One of the seventh decimal, in trillionths.
const SEVENTH: u128 = 100_000;

/// The largest amount of the ledger in millionths, a thousand million of a currency: no sum of such amounts overflows.
const MOST: i64 = 1_000_000_000_000_000;

/// A binary fraction keeps every decimal number with this many digits.
const DIGITS: usize = 15;

/// A number from zero in whole trillionths: an amount without its currency, a quantity, or a factor.
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

    /// A measured quantity, such as seconds. `None` if it is negative, not a number or too large.
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
                // Up to `DIGITS` digits, the shortest text of a binary fraction equals the text in the file.
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

    /// An amount that is written as a number, as people write it: `$0.28`, `$0.50`, `-¥3`.
    pub fn mark(self, number: &str) -> String {
        let (minus, number) = number.strip_prefix('-').map_or(("", number), |number| ("-", number));
        let tenths = number.split_once('.').is_some_and(|(_, decimals)| decimals.len() == 1);
        format!("{minus}{}{number}{}", self.sign(), if tenths { "0" } else { "" })
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

    /// The price in the precision of results and records.
    pub fn rounded(self) -> Self {
        Self { amount: self.amount.rounded_to(SEVENTH), ..self }
    }

    /// The price in the precision of the ledger.
    pub fn rounded_up(self) -> Self {
        Self::from_millionths(self.millionths(), self.currency)
    }

    /// The price as the ledger stores it, in millionths.
    pub fn millionths(self) -> i64 {
        let millionths = self.rounded().amount.0.div_ceil(MILLIONTH);
        i64::try_from(millionths).unwrap_or(MOST).min(MOST)
    }

    /// A number to sort by: millionths, with the currency in the bits above, so that amounts of one currency are together.
    pub fn rank(self) -> i64 {
        const CURRENCY: u32 = 56;
        let currency = match self.currency {
            Currency::Usd => 0,
            Currency::Cny => 1 << CURRENCY,
        };
        currency + self.millionths().clamp(0, (1 << CURRENCY) - 1)
    }

    /// Whether a limit allows it. No limit allows another currency.
    pub fn is_within(self, limit: Self) -> bool {
        self.currency == limit.currency && self.amount <= limit.amount
    }

    /// The rest after `spent`. Zero if `spent` is more, or in another currency.
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
        shown.to_string()
    }

    /// Like [`Self::sum_tag`], for what is left of a limit: rounded down, so that it is never more than there is.
    pub fn left_tag(self) -> String {
        const STEP: u128 = 100 * MILLIONTH;
        let floor = Self { amount: Decimal(self.amount.0 / STEP * STEP), ..self };
        if floor.amount.0 == 0 { self.sum_tag() } else { floor.to_string() }
    }

    /// Like [`Self::tag`], for a sum: zero is `$0`.
    pub fn sum_tag(self) -> String {
        if self.millionths() == 0 { format!("{}0", self.currency.sign()) } else { self.tag() }
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.currency.mark(&self.amount.to_string()))
    }
}

/// An amount without its currency, which results give in a field of its own.
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
mod tests;

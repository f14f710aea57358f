//! The cost of a job, and its form in the record.

use serde_json::{Map, Value};

use crate::money::{Currency, Decimal, Money};

/// The cost of a job. An absent amount is unknown, never 0.
#[derive(Debug, Clone, PartialEq)]
pub struct Cost {
    /// The currency of all amounts.
    pub currency: Currency,
    /// Before the purchase.
    pub estimated: Option<Money>,
    /// The highest possible price, if it is above the estimate. It is reserved in place of the estimate.
    pub most: Option<Money>,
    /// The price of what MiniMax counted.
    pub actual: Option<Money>,
    /// How the amounts were calculated.
    pub basis: Option<String>,
    /// The price of one unit: an image, a character, a second, a clip.
    pub unit: Option<Money>,
    /// A fixed amount that is added.
    pub fixed: Option<Money>,
    /// The price of one unit of input, where input is billed separately: a token.
    pub input: Option<Money>,
    /// Fields that a later version has written. They are kept unchanged.
    pub later: Map<String, Value>,
}

impl Cost {
    /// A cost about which nothing is known.
    pub fn unknown(currency: Currency) -> Self {
        Self {
            currency,
            estimated: None,
            most: None,
            actual: None,
            basis: None,
            unit: None,
            fixed: None,
            input: None,
            later: Map::new(),
        }
    }

    /// The price of `units`, if the price of one is known.
    pub fn of(&self, units: impl Into<Decimal>) -> Option<Money> {
        self.with_inputs(units, Decimal::default())
    }

    /// The price of `units` made from `inputs`, if the price of a unit is known.
    pub fn with_inputs(&self, units: impl Into<Decimal>, inputs: Decimal) -> Option<Money> {
        let mut total = self.unit?.times(units)?;
        if let Some(input) = self.input {
            total = total.checked_add(input.times(inputs)?)?;
        }
        if let Some(fixed) = self.fixed {
            total = total.checked_add(fixed)?;
        }
        Some(total.rounded())
    }

    /// The amount to reserve for it.
    pub fn ceiling(&self) -> Option<Money> {
        self.most.or(self.estimated).map(Money::rounded_up)
    }
}

/// The form in the record: a JSON number for each amount, and one currency. Without a cost, the currency is empty.
pub mod record {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use serde_json::{Map, Number, Value};

    use super::Cost;
    use crate::money::{Currency, Decimal, Money};

    #[derive(Default, Serialize, Deserialize)]
    #[serde(default)]
    struct Record {
        currency: String,
        estimated: Option<Number>,
        most: Option<Number>,
        actual: Option<Number>,
        basis: Option<String>,
        unit: Option<Number>,
        fixed: Option<Number>,
        input: Option<Number>,
        #[serde(flatten)]
        later: Map<String, Value>,
    }

    /// Writes an amount with its currency.
    pub fn serialize<S: Serializer>(cost: &Option<Cost>, serializer: S) -> Result<S::Ok, S::Error> {
        let number = |money: Option<Money>| Number::from_f64(money?.amount().to_f64());
        let nothing = || Number::from_f64(0.0);
        let record = match cost.clone() {
            Some(cost) => Record {
                currency: cost.currency.to_string(),
                estimated: number(cost.estimated),
                most: number(cost.most),
                actual: number(cost.actual),
                basis: cost.basis,
                unit: number(cost.unit),
                fixed: number(cost.fixed).or_else(nothing),
                input: number(cost.input).or_else(nothing),
                later: cost.later,
            },
            None => Record { fixed: nothing(), input: nothing(), ..Record::default() },
        };
        record.serialize(serializer)
    }

    /// Reads a cost. Earlier versions wrote binary fractions with noise after the twelfth decimal.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Cost>, D::Error> {
        let record = Record::deserialize(deserializer)?;
        Ok(Currency::of_code(&record.currency).map(|currency| {
            let money = |number: Option<Number>| {
                Decimal::nearest(&number?.to_string()).map(|amount| Money::new(amount, currency))
            };
            let added = |number| money(number).filter(|money| *money != Money::zero(currency));
            Cost {
                currency,
                estimated: money(record.estimated),
                most: money(record.most),
                actual: money(record.actual),
                basis: record.basis,
                unit: money(record.unit),
                fixed: added(record.fixed),
                input: added(record.input),
                later: record.later,
            }
        }))
    }
}

#[cfg(test)]
mod tests {
    use serde::{Deserialize, Serialize};

    use super::*;

    #[derive(Serialize, Deserialize)]
    struct Row {
        #[serde(default, with = "super::record")]
        cost: Option<Cost>,
    }

    #[test]
    fn the_record_of_a_cost_has_the_bytes_of_earlier_versions() {
        for text in [
            r#"{"cost":{"currency":"USD","estimated":0.0315,"most":null,"actual":1.0,"basis":"b","unit":0.0035,"fixed":0.0,"input":0.0}}"#,
            r#"{"cost":{"currency":"CNY","estimated":null,"most":2e-6,"actual":null,"basis":null,"unit":0.000023,"fixed":1.5,"input":5.8e-6,"newer":[1]}}"#,
            r#"{"cost":{"currency":"","estimated":null,"most":null,"actual":null,"basis":null,"unit":null,"fixed":0.0,"input":0.0}}"#,
        ] {
            let row: Row = serde_json::from_str(text).unwrap();
            assert_eq!(serde_json::to_string(&row).unwrap(), text);
        }
        for text in ["{}", r#"{"cost":{}}"#] {
            assert!(serde_json::from_str::<Row>(text).unwrap().cost.is_none());
        }
    }

    #[test]
    fn the_noise_of_binary_fractions_in_an_old_record_is_dropped() {
        let text = r#"{"cost":{"currency":"CNY","unit":0.0006944444444444445,"fixed":0.07500000000000001}}"#;
        let cost = serde_json::from_str::<Row>(text).unwrap().cost.unwrap();
        assert_eq!(cost.fixed.unwrap().to_string(), "¥0.075");
        assert_eq!(cost.of(72_u32).unwrap().to_string(), "¥0.125");
    }

    #[test]
    fn a_price_counts_units_and_inputs_and_rounds_once() {
        let usd = |text: &str| Some(Money::new(Decimal::exactly(text).unwrap(), Currency::Usd));
        let mut cost =
            Cost { unit: usd("0.0000036"), input: usd("0.0000009"), ..Cost::unknown(Currency::Usd) };
        assert_eq!(cost.with_inputs(3_u32, 7_u32.into()), usd("0.0000171"));
        cost.fixed = usd("1.5");
        assert_eq!(cost.of(1_u32), usd("1.5000036"));
        (cost.estimated, cost.most) = (usd("0.0000171"), None);
        assert_eq!(cost.ceiling(), usd("0.000018"));
        cost.most = usd("0.5");
        assert_eq!(cost.ceiling(), usd("0.5"));
        cost.fixed = Some(Money::zero(Currency::Cny));
        assert_eq!(cost.of(1_u32), None);
        assert_eq!(Cost::unknown(Currency::Usd).of(1_u32), None);
    }
}

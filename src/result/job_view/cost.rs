//! What a call costs, as structured content and in words.

use schemars::JsonSchema;
use serde::Serialize;

use crate::jobs::Cost;
use crate::money::{Currency, Decimal, Money};

/// Absent parts are unknown, never 0.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct CostView {
    currency: Currency,
    #[serde(skip_serializing_if = "Option::is_none")]
    estimated: Option<Money>,
    #[serde(skip_serializing_if = "Option::is_none")]
    actual: Option<Money>,
    #[serde(skip_serializing_if = "Option::is_none")]
    basis: Option<String>,
}

impl CostView {
    pub(crate) fn of(cost: &Cost) -> Self {
        let known = cost.actual.or(cost.estimated);
        let bound = cost.most.filter(|_| known.is_none()).map(|most| format!("at most {most} in all"));
        let basis = [cost.basis.clone(), bound].into_iter().flatten().collect::<Vec<_>>();
        Self {
            currency: cost.currency,
            estimated: cost.estimated,
            actual: cost.actual,
            basis: Some(basis.join("; ")).filter(|basis| !basis.is_empty()),
        }
    }

    /// What it costs or has cost, in words. An estimate says how it was calculated.
    pub(crate) fn line(&self) -> String {
        let basis = self.basis.as_deref().unwrap_or_default();
        let (amount, basis) = match (self.actual, self.estimated) {
            (Some(actual), _) => {
                (actual.tag(), basis.split_once("; ").map_or("", |(_, more)| more).to_owned())
            }
            (None, estimated) => {
                let amount = match estimated.map(Money::tag) {
                    None => "unknown".to_owned(),
                    // "<$0.0001" needs no "about".
                    Some(tag) if tag.starts_with('<') => tag,
                    Some(tag) => format!("about {tag}"),
                };
                (amount, self.explained(basis, estimated))
            }
        };
        let basis = if basis.is_empty() { String::new() } else { format!(" ({basis})") };
        format!("{COST}{amount}{basis}")
    }

    /// How an amount was calculated. If the basis begins with the amount itself, that is left out.
    fn explained(&self, basis: &str, amount: Option<Money>) -> String {
        // A record of an earlier version begins with `0.28 USD`.
        let unit = basis.split_once(&format!(" {} ", self.currency));
        let unit = unit.and_then(|(number, rest)| Some((Decimal::exactly(number)?, rest)));
        let unit = unit.map(|(number, rest)| (Money::new(number, self.currency).to_string(), rest));
        match unit.or_else(|| basis.split_once(' ').map(|(unit, rest)| (unit.to_owned(), rest))) {
            Some((unit, rest)) if amount.is_some_and(|amount| amount.to_string() == unit) => rest.to_owned(),
            Some((unit, rest)) => format!("{unit} {rest}"),
            None => basis.to_owned(),
        }
    }
}

/// The beginning of the line with the price.
pub(crate) const COST: &str = "Cost: ";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_price_is_said_once_and_an_estimate_with_its_reason() {
        let usd = |amount: &str| Money::new(Decimal::exactly(amount).unwrap(), Currency::Usd);
        let line = |actual: Option<&str>, estimated: Option<&str>, basis: &str| {
            let basis = Some(basis.to_owned()).filter(|basis| !basis.is_empty());
            let (actual, estimated) = (actual.map(usd), estimated.map(usd));
            CostView { currency: Currency::Usd, estimated, actual, basis }.line()
        };
        for (actual, estimated, basis, said) in [
            (Some("0.28"), Some("0.28"), "$0.28 a clip, prices of today", "Cost: $0.28"),
            (None, Some("0.28"), "$0.28 a clip", "Cost: about $0.28 (a clip)"),
            (None, Some("0.4"), "$0.08 a second", "Cost: about $0.40 ($0.08 a second)"),
            (
                None,
                Some("0.28"),
                "0.28 USD a clip, prices of today",
                "Cost: about $0.28 (a clip, prices of today)",
            ),
            (None, Some("0.4"), "0.08 USD a second", "Cost: about $0.40 ($0.08 a second)"),
            (
                None,
                Some("0.000001"),
                "$0.15 in and $0.60 out a million tokens",
                "Cost: <$0.0001 ($0.15 in and $0.60 out a million tokens)",
            ),
            (Some("1.5"), None, "1 USD a piece; by the list price", "Cost: $1.50 (by the list price)"),
            (None, None, "drawn from the plan", "Cost: unknown (drawn from the plan)"),
            (Some("0"), None, "", "Cost: free"),
        ] {
            assert_eq!(line(actual, estimated, basis), said);
        }
    }
}

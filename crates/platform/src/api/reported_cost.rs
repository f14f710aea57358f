//! The cost of an answer that some gateways report.

use reqwest::header::HeaderMap;

use crate::money::{Currency, Decimal, Money};

/// Headers in which gateways report the cost of an answer, in US dollars.
const COST_HEADERS: &[&str] = &["x-litellm-response-cost"];

/// The cost that a gateway reports. A zero means that it does not know the cost.
pub(super) fn reported_cost(headers: &HeaderMap) -> Option<Money> {
    COST_HEADERS.iter().find_map(|name| dollars(headers.get(*name)?.to_str().ok()?.trim()))
}

/// A reported cost as text; zero is unknown.
pub(super) fn dollars(text: &str) -> Option<Money> {
    let amount = Decimal::nearest(text).filter(|amount| *amount > Decimal::default());
    amount.map(|amount| Money::new(amount, Currency::Usd))
}

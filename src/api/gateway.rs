//! Gateways in front of MiniMax, such as LiteLLM: they have other paths, and some report the cost of an answer.

use std::sync::PoisonError;

use reqwest::header::HeaderMap;

use super::{ApiError, Client};
use crate::facts::Class;
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

impl Client {
    /// Whether the host is a gateway in front of MiniMax.
    pub fn is_gateway(&self) -> bool {
        self.site.is_gateway()
    }

    /// Asks for MiniMax's `own` place of an endpoint, or at a gateway for its `other` place first. If a gateway does not
    /// have the first one, which costs nothing, asks for the second, and remembers the one that exists.
    pub(super) async fn at_either<P: Copy, T, F>(
        &self,
        own: P,
        other: Option<P>,
        mut ask: impl FnMut(P) -> F,
    ) -> Result<T, ApiError>
    where
        F: Future<Output = Result<T, ApiError>>,
    {
        let Some(other) = other.filter(|_| self.is_gateway()) else { return ask(own).await };
        let known = *self.own_paths.lock().unwrap_or_else(PoisonError::into_inner);
        let (first, second) = if known == Some(true) { (own, other) } else { (other, own) };
        let missing = match ask(first).await {
            Err(error) if error.is_missing_endpoint() && known.is_none() => error,
            answer => return answer,
        };
        let answer = ask(second).await;
        match &answer {
            // Another service of the gateway answers there, or none.
            Err(error) if error.is_missing_endpoint() || error.class() == Class::Auth => Err(missing),
            _ => {
                *self.own_paths.lock().unwrap_or_else(PoisonError::into_inner) = Some(true);
                answer
            }
        }
    }
}

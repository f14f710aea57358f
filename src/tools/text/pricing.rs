//! Prices of tools that cost the same for each call.

use crate::facts::services;
use crate::jobs::Cost;
use crate::money::Currency;

/// The price of one call of a tool, if it is known.
pub(crate) fn flat(tool: &str, currency: Currency) -> Cost {
    let price = services().each(tool).in_currency(currency);
    let basis = match price {
        Some(price) => format!("{price} a call, or drawn from the plan"),
        None => "drawn from the plan; no price is published".to_owned(),
    };
    Cost { estimated: price, basis: Some(basis), ..Cost::unknown(currency) }
}

//! Prices of tools that cost the same for each call.

use crate::facts::offer;
use crate::jobs::Cost;

/// The price of one call of a tool, if it is known.
pub(crate) fn flat(tool: &str, currency: &str) -> Cost {
    let price = offer().each(tool).in_currency(currency);
    let basis = match price {
        Some(price) => format!("{price} {currency} a call, or drawn from the plan"),
        None => "drawn from the plan; no price is published".to_owned(),
    };
    Cost { currency: currency.to_owned(), estimated: price, basis: Some(basis), ..Cost::default() }
}

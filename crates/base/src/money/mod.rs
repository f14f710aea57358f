//! Money. No binary fraction stands for an amount anywhere.

mod amount;
pub mod cost;

pub use amount::{Currency, Decimal, Money};
pub use cost::Cost;

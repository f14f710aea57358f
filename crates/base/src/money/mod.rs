//! Money. Amounts are whole numbers of trillionths, and never binary fractions.

mod amount;
pub mod cost;

pub use amount::{Currency, Decimal, Money};
pub use cost::Cost;

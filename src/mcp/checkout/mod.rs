//! What stands between a checked order and the money.

pub(crate) mod budget;
pub(crate) mod consent;

//! Shared code of the speech tools: the rules of the models, and prices.

pub(crate) mod first_use;
pub(crate) mod rules;

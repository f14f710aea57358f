//! Speech below its tools: what a model accepts, and what it costs.

pub(crate) mod first_use;
pub(crate) mod rules;

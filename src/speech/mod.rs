//! Speech below its tools: which voice speaks a language, what a model accepts, what it costs, and the loudspeaker.

pub(crate) mod first_use;
pub(crate) mod language;
pub(crate) mod player;
pub(crate) mod rules;

//! Shared code of the speech tools: the voice for a language, the rules of the models, prices, and playback.

pub(crate) mod first_use;
pub(crate) mod language;
pub(crate) mod player;
pub(crate) mod rules;

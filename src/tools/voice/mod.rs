//! Voices: made, listed, deleted.

pub(crate) mod create;
pub(crate) mod list;

//! Making, listing and deleting voices.

pub(crate) mod create;
pub(crate) mod list;
mod search_words;

//! Making, listing and deleting voices.

// Modules: `just modules` writes these lines.
pub(crate) mod create;
pub(crate) mod list;
mod search_words;
// End of the modules.

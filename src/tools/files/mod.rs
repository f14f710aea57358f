//! Files that MiniMax keeps.

// Modules: `just modules` writes these lines.
pub(crate) mod manage;
pub(crate) mod transfer;
// End of the modules.

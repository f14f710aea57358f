//! Speech synthesis.

// Modules: `just modules` writes these lines.
pub(crate) mod fields;
pub(crate) mod synthesis;
pub(crate) mod t2a;
pub(crate) mod t2a_async;
pub(crate) mod t2a_websocket;
// End of the modules.

//! The endpoints of the API, one file each. Every file lists its own routes.

// Modules: `just modules` writes these lines.
pub(crate) mod account;
pub(crate) mod cdn;
pub(crate) mod chat;
pub(crate) mod control;
pub(crate) mod embeddings;
pub(crate) mod files;
pub(crate) mod image;
pub(crate) mod models;
pub(crate) mod music;
mod music_reference;
pub(crate) mod search;
pub(crate) mod speech;
pub(crate) mod transcription;
pub(crate) mod video;
pub(crate) mod vision;
pub(crate) mod voice;
// End of the modules.

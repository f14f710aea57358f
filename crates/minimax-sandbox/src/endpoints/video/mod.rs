//! Video generation.

// Modules: `just modules` writes these lines.
mod base_video;
mod content;
pub(crate) mod context_ir;
pub(crate) mod regeneration;
mod render;
pub(crate) mod template;
pub(crate) mod v1;
pub(crate) mod v2;
mod v2_tasks;
// End of the modules.

//! Tools around text models, besides `chat`.

// Modules: `just modules` writes these lines.
pub(crate) mod embed_text;
pub(crate) mod list_models;
pub(crate) mod pricing;
pub(crate) mod understand_image;
pub(crate) mod web_search;
// End of the modules.

//! Tools around text models, besides `chat`.

pub(crate) mod embed_text;
pub(crate) mod list_models;
pub(crate) mod pricing;
pub(crate) mod understand_image;
pub(crate) mod web_search;

//! Tools that answer with text and are paid for at once.

pub(crate) mod embed_text;
pub(crate) mod list_models;
pub(crate) mod understand_image;
pub(crate) mod web_search;

//! A chat between its arguments and its reply: what a model and a protocol accept, the price, and the stream.
//! The tools are in `tools/chat.rs`.

pub(crate) mod input;
pub(crate) mod normalize;
pub(crate) mod pricing;
pub(crate) mod request;
pub(crate) mod rules;
pub(crate) mod stream;
pub(crate) mod view;

//! A call of `chat`, from its arguments to its reply: the rules of models and protocols, the price, and the stream.
//! The tools are in `tools/chat.rs`.

pub(crate) mod input;
pub(crate) mod normalize;
pub(crate) mod pricing;
pub(crate) mod request;
pub(crate) mod rules;
pub(crate) mod stream;
pub(crate) mod view;

//! Text models in four protocols ("Text").
//!
//! Each protocol has a file, which parses a request into a [`question::Question`]. [`reply::Reply::to`] decides the answer,
//! which the same file renders as JSON or as an [`sse::EventStream`].
//!
//! Words in the last user message control the answer:
//!
//! * `#tool` calls the first function, `#search` searches the web if the protocol offers that.
//! * `#refuse-midway` sends an error after half of the text, `#cut` closes the connection there, and `#fade` ends the stream
//!   there as if it were complete.
//! * `#slow` takes half a minute, `#long` answers at length.
//! * `#filter` ends with the content filter, `#sensitive` is rejected.
//! * `#tags` puts the thinking into the content regardless of the request, `#system` repeats the system prompt.

// Modules: `just modules` writes these lines.
pub(crate) mod anthropic;
mod json;
mod media;
pub(crate) mod openai;
mod question;
mod reply;
pub(crate) mod responses;
mod sse;
// End of the modules.

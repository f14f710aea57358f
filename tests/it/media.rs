//! Media inputs and downloads: what is refused, what is kept, and what must never happen to a file.

mod attacks;
mod downloads;
pub(crate) mod files;
mod inputs;
mod links;
mod places;
mod world;

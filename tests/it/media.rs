//! Media inputs and downloads: refusals, saved files, and damage that a file must never suffer.

mod attacks;
mod downloads;
pub(crate) mod files;
mod inputs;
mod links;
mod places;
mod world;

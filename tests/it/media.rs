//! Bytes in and out of the machine: what is refused, what is kept, and what never happens to a file.

mod attacks;
mod downloads;
pub(crate) mod files;
mod inputs;
mod links;
mod places;
mod world;

//! The real program on a port, and strangers with raw sockets. What friends do is in `http.rs`, with the everyday refusals.
//!
//! After each attack the program answers an ordinary call, holds no more files than before, and its log, at the level
//! that says most, has no secret in it: see `stage`.

mod bodies;
mod clock;
mod crowd;
mod files;
mod forms;
mod memory;
mod names;
mod others;
mod paths;
mod sessions;
mod shares;
pub mod stage;
mod tokens;
mod wire;
mod words;

pub use stage::{ADA, Process};

//! Attacks on the real program with raw sockets. `http.rs` has ordinary calls and everyday refusals.
//!
//! After each attack, `stage` checks that the program answers an ordinary call, has no more open files than before,
//! and has no secrets in its log at the most verbose level.

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

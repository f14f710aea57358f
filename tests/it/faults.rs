//! What goes wrong at MiniMax or on the way: what is sent again, what is not, and what the caller is told.

// Time that passes faster.
pub mod clock;
// Every fault, as data.
mod list;
// Every fault in every phase of a call; the tables in `snapshots/` are what comes of it.
mod matrix;
// One fault at a time, looked at closely.
mod single;
// Sounds and answers that break off while they come.
mod streams;
// Tasks that are told about strangely.
mod tasks;

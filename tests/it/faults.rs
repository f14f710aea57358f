//! Faults at MiniMax or of the connection: what is retried, what is not, and what the caller is told.

// A faster clock.
pub mod clock;
// The list of all faults.
mod list;
// Every fault in every phase of a call, with tables in `snapshots/`.
mod matrix;
// Single faults in detail.
mod single;
// Audio and answers that break off while they are streamed.
mod streams;
// Tasks with odd reports.
mod tasks;

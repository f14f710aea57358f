//! Client-side rate limiting: one first-in, first-out queue for each group of endpoints that share a limit.
//!
//! A request takes a [`Ticket`], waits for its [`Permit`], and reports how it ended. A throttled request slows its
//! whole group; it keeps its ticket and therefore its position ahead of later requests. Dropping a ticket leaves the
//! queue. Dropping an unused permit does not count against the limit.
//!
//! The queues are in `limiter`, and the arithmetic is in `adaptive`. If several servers keep the limits together, their
//! store has the row `taken_permits` of each group, a server has its `held_permits`, and `shared` is between the two.

mod adaptive;
mod held_permits;
mod limiter;
mod promised;
mod queue;
mod shared;
mod taken_permits;

pub use adaptive::chance;
pub use limiter::{Permit, QueueView, RateLimiter, Slot, Step, Ticket};
pub use promised::PromisedSlot;
pub(crate) use queue::seconds;
pub use queue::{Ending, QueuePosition, RateLimits};
pub use shared::next_demands;
pub use taken_permits::{Demand, Grant, TakenPermits};

/// The groups that share a limit. Their limits are in `facts.json` under these names.
pub mod group {
    /// Images.
    pub const IMAGE: &str = "image";
    /// Speech in one request, whether streamed or not, and live speech.
    pub const SPEECH: &str = "speech";
    /// Voice cloning.
    pub const CLONING: &str = "voice cloning";
    /// Voice design.
    pub const DESIGN: &str = "voice design";
    /// Video, Hailuo.
    pub const VIDEO_V1: &str = "video V1";
    /// Video, H3.
    pub const VIDEO_V2: &str = "video V2";
    /// Music.
    pub const MUSIC: &str = "music";
    /// Polls of long speech tasks.
    pub const LONG_SPEECH_POLLS: &str = "looks at long speech";
    /// Polls of all other tasks.
    pub const POLLS: &str = "looks at tasks";
    /// Other free requests.
    pub const READS: &str = "reads";
    /// Other paid requests.
    pub const OTHER: &str = "other requests";
}

#[cfg(test)]
mod tests;

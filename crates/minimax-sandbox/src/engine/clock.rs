//! Wall-clock time.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// An hour, in seconds.
pub(crate) const HOUR: u64 = 3600;

/// Time since 1970. Wall-clock rather than monotonic, because tasks outlive the process.
pub(crate) fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// Unix time in milliseconds.
pub(crate) fn now_ms() -> u64 {
    u64::try_from(now().as_millis()).unwrap_or(u64::MAX)
}

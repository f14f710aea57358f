//! The time, although somebody may set the system's clock while the program runs: a person, NTP after a start with an
//! empty battery, a virtual machine that is restored.
//!
//! Beside the system's clock runs one that nobody can set. What must not come too early (the day of a budget is over,
//! something paid for is old enough to be deleted) is judged by [`earliest`]; what must not come too late (a link or
//! a token ends) is judged by [`latest`]. Across a restart there is the system's clock alone.

use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What the two clocks may come to differ by in between without either having been set, in milliseconds.
const DRIFT: i64 = 1_000;

/// Lets both clocks begin here; else they begin when they are first compared.
pub fn begin() {
    was_set_within(0);
}

/// The system's clock, in Unix milliseconds.
pub fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    let at = i64::try_from(since.as_millis()).unwrap_or(i64::MAX);
    #[cfg(feature = "crash-points")]
    let at = at.saturating_add(crate::crash::clock());
    at
}

/// Now, or what the time would be if the clock had not been set forward since the program started.
pub fn earliest() -> i64 {
    now().min(unset())
}

/// Now, or what the time would be if the clock had not been set back since the program started.
pub fn latest() -> i64 {
    now().max(unset())
}

/// How old a file is by its time of change; nothing for one from the future.
pub fn age(changed: SystemTime) -> Duration {
    let at = u64::try_from(earliest()).map(Duration::from_millis).unwrap_or_default();
    (UNIX_EPOCH + at).duration_since(changed).unwrap_or_default()
}

/// Whether the clock was set in the last so many milliseconds, as far as anybody has asked here meanwhile.
pub fn was_set_within(millis: i64) -> bool {
    static SEEN: Mutex<Option<Offset>> = Mutex::new(None);
    let at = unset();
    // A poisoned offset is still one.
    let mut seen = SEEN.lock().unwrap_or_else(PoisonError::into_inner);
    let offset = seen.take().unwrap_or_default().after(now().saturating_sub(at), at);
    *seen = Some(offset);
    offset.changed.is_some_and(|changed| at.saturating_sub(changed) < millis)
}

/// How far the system's clock is ahead of the one that nobody can set.
#[derive(Debug, Clone, Copy, Default)]
struct Offset {
    by: i64,
    /// When that was seen to change, by the clock that nobody can set.
    changed: Option<i64>,
}

impl Offset {
    fn after(self, by: i64, at: i64) -> Self {
        let was_set = by.saturating_sub(self.by).abs() > DRIFT;
        Self { by, changed: if was_set { Some(at) } else { self.changed } }
    }
}

/// The time by the clock that nobody can set, which agrees with the system's when it is first asked for.
fn unset() -> i64 {
    static START: LazyLock<(i64, Duration)> = LazyLock::new(|| (now(), running()));
    let (start, before) = *START;
    let since = running().saturating_sub(before);
    start.saturating_add(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

fn running() -> Duration {
    #[cfg(feature = "crash-points")]
    let ahead = crate::crash::passed();
    #[cfg(not(feature = "crash-points"))]
    let ahead = Duration::ZERO;
    since_boot().saturating_add(ahead)
}

/// Time while the machine sleeps is time: a budget's day passes in it.
#[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
fn since_boot() -> Duration {
    use rustix::time::{ClockId, clock_gettime};

    #[cfg(any(target_os = "linux", target_os = "android"))]
    const CLOCK: ClockId = ClockId::Boottime;
    // The one that goes on in sleep, there.
    #[cfg(target_vendor = "apple")]
    const CLOCK: ClockId = ClockId::Monotonic;
    Duration::try_from(clock_gettime(CLOCK)).unwrap_or_default()
}

/// On Windows this goes on in sleep as well.
#[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple")))]
fn since_boot() -> Duration {
    use std::time::Instant;

    static BOOT: LazyLock<Instant> = LazyLock::new(Instant::now);
    BOOT.elapsed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clocks_agree_while_nobody_sets_one() {
        let (early, at, late) = (earliest(), now(), latest());
        assert!((at - early).abs() < DRIFT && (late - at).abs() < DRIFT, "{early} {at} {late}");
        assert!(!was_set_within(i64::MAX));
        assert_eq!(age(SystemTime::now() + Duration::from_secs(60)), Duration::ZERO);
        assert!(age(SystemTime::now() - Duration::from_secs(60)) >= Duration::from_secs(59));
    }

    #[test]
    fn a_clock_that_is_set_is_told_from_one_that_drifts() {
        let mut offset = Offset::default();
        for (by, at, changed) in [
            (0, 0, None),
            (900, 10, None),
            (1_800, 20, None),
            (3_600_000, 30, Some(30)),
            (3_600_900, 40, Some(30)),
            (-86_400_000, 50, Some(50)),
            (0, 60, Some(60)),
        ] {
            offset = offset.after(by, at);
            assert_eq!(offset.changed, changed, "{by} at {at}");
        }
    }
}

//! Time that stays usable when the system clock is set while the program runs: by a person, by NTP after a start with
//! an empty battery, or by the restore of a virtual machine.
//!
//! The program compares the system clock with a monotonic clock, which cannot be set. A limit that must not end too
//! early (the day of a budget, the age at which paid results may be deleted) uses [`earliest`]. A limit that must not
//! end too late (the expiry of a link or a token) uses [`latest`]. The monotonic clock does not survive a restart, so
//! across restarts only the system clock counts.
//!
//! Servers that share a database follow its clock ([`follow`]), so that their records have one time.

use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Difference between the two clocks, in milliseconds, that counts as drift. A larger one means that the clock was
/// set.
const DRIFT: i64 = 1_000;

/// Starts both clocks now. Without this call they start when they are first compared.
pub fn begin() {
    was_set_within(0);
}

/// The clock that is followed: its time, and when that was, by [`monotonic`].
static FOLLOWED: Mutex<Option<(i64, Duration)>> = Mutex::new(None);

/// From now on the program's clock is another one, which says `at`. A small difference to what was said before is ignored: it
/// comes from the time that an answer takes.
pub fn follow(at: i64) {
    let is_known = followed().is_some_and(|known| known.saturating_sub(at).abs() < DRIFT);
    if !is_known {
        // A panic elsewhere does not make the pair invalid.
        *FOLLOWED.lock().unwrap_or_else(PoisonError::into_inner) = Some((at, monotonic()));
    }
}

fn followed() -> Option<i64> {
    let (at, then) = (*FOLLOWED.lock().unwrap_or_else(PoisonError::into_inner))?;
    let since = monotonic().saturating_sub(then);
    Some(at.saturating_add(i64::try_from(since.as_millis()).unwrap_or(i64::MAX)))
}

/// The program's clock, in Unix milliseconds: that of the system, or the one that is followed.
pub fn now() -> i64 {
    followed().unwrap_or_else(system)
}

fn system() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    let at = i64::try_from(since.as_millis()).unwrap_or(i64::MAX);
    #[cfg(feature = "crash-points")]
    let at = at.saturating_add(crate::crash::clock());
    at
}

/// The earlier of the system clock and the monotonic clock: setting the clock forward does not move it.
pub fn earliest() -> i64 {
    followed().unwrap_or_else(|| system().min(unset()))
}

/// The later of the system clock and the monotonic clock: setting the clock back does not move it.
pub fn latest() -> i64 {
    followed().unwrap_or_else(|| system().max(unset()))
}

/// The age of a file by its modification time. Zero for a time in the future.
pub fn age(changed: SystemTime) -> Duration {
    // Files have the times of this machine.
    let at = u64::try_from(system().min(unset())).map(Duration::from_millis).unwrap_or_default();
    (UNIX_EPOCH + at).duration_since(changed).unwrap_or_default()
}

/// True if the clock was set within the last `millis` milliseconds. A change is noticed only when this function is
/// called.
pub fn was_set_within(millis: i64) -> bool {
    static SEEN: Mutex<Option<Offset>> = Mutex::new(None);
    let at = unset();
    // A panic elsewhere does not make the offset invalid.
    let mut seen = SEEN.lock().unwrap_or_else(PoisonError::into_inner);
    let offset = seen.take().unwrap_or_default().after(system().saturating_sub(at), at);
    *seen = Some(offset);
    offset.changed.is_some_and(|changed| at.saturating_sub(changed) < millis)
}

/// How far the system clock is ahead of the monotonic clock.
#[derive(Debug, Clone, Copy, Default)]
struct Offset {
    by: i64,
    /// When the offset last changed, by the monotonic clock.
    changed: Option<i64>,
}

impl Offset {
    fn after(self, by: i64, at: i64) -> Self {
        let was_set = by.saturating_sub(self.by).abs() > DRIFT;
        Self { by, changed: if was_set { Some(at) } else { self.changed } }
    }
}

/// The monotonic time, as Unix milliseconds. It starts at the system time of the first call.
fn unset() -> i64 {
    static START: LazyLock<(i64, Duration)> = LazyLock::new(|| (system(), monotonic()));
    let (start, before) = *START;
    let since = monotonic().saturating_sub(before);
    start.saturating_add(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// The monotonic clock. It counts the time that the machine sleeps.
pub fn monotonic() -> Duration {
    #[cfg(feature = "crash-points")]
    let ahead = crate::crash::passed();
    #[cfg(not(feature = "crash-points"))]
    let ahead = Duration::ZERO;
    since_boot().saturating_add(ahead)
}

/// Includes the time that the machine sleeps, because the day of a budget passes in it.
#[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
fn since_boot() -> Duration {
    use rustix::time::{ClockId, clock_gettime};

    #[cfg(any(target_os = "linux", target_os = "android"))]
    const CLOCK: ClockId = ClockId::Boottime;
    // On Apple systems the monotonic clock counts sleep.
    #[cfg(target_vendor = "apple")]
    const CLOCK: ClockId = ClockId::Monotonic;
    Duration::try_from(clock_gettime(CLOCK)).unwrap_or_default()
}

/// On Windows `Instant` counts sleep too.
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
    fn the_clocks_agree_while_none_is_set() {
        let (early, at, late) = (earliest(), now(), latest());
        assert!((at - early).abs() < DRIFT && (late - at).abs() < DRIFT, "{early} {at} {late}");
        assert!(!was_set_within(i64::MAX));
        assert_eq!(age(SystemTime::now() + Duration::from_secs(60)), Duration::ZERO);
        assert!(age(SystemTime::now() - Duration::from_secs(60)) >= Duration::from_secs(59));
    }

    #[test]
    fn a_clock_that_is_set_is_distinguished_from_one_that_drifts() {
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

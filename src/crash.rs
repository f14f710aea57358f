//! Places in a job's life at which a test lets the program die, and a clock that a test can set.
//!
//! Only with the feature `crash-points`, which nothing but the tests of this package switches on (its own
//! `dev-dependencies`): a program that is built or installed has none of it.

use std::collections::HashMap;
use std::io::Write as _;
use std::sync::{LazyLock, Mutex, PoisonError};

/// `trace` names every point as it is passed; `NAME#2` stops the program for good when it comes to the point for
/// the second time, so that a test can kill it there.
const POINT: &str = "MINIMAX_CRASH_POINT";
/// Milliseconds that the clock is ahead, or `tokio`: as far as tokio's clock, which a test can move.
const CLOCK: &str = "MINIMAX_CRASH_CLOCK";

static WANTED: LazyLock<Option<String>> = LazyLock::new(|| setting(POINT));
/// `None` follows tokio's clock.
static SHIFT: LazyLock<Option<i64>> = LazyLock::new(|| match setting(CLOCK).as_deref() {
    Some("tokio") => None,
    shift => Some(shift.and_then(|shift| shift.parse().ok()).unwrap_or_default()),
});
static PASSED: LazyLock<Mutex<HashMap<&'static str, u32>>> = LazyLock::new(Mutex::default);

#[expect(clippy::disallowed_methods, reason = "not a setting of the program: tests alone have it")]
fn setting(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// A place to die at.
pub(crate) fn point(name: &'static str) {
    let Some(wanted) = &*WANTED else { return };
    let mut passed = PASSED.lock().unwrap_or_else(PoisonError::into_inner);
    let times = passed.entry(name).or_default();
    *times += 1;
    let here = format!("{name}#{times}");
    drop(passed);
    if wanted == "trace" || *wanted == here {
        let _ = writeln!(std::io::stderr(), "crash point {here}");
    }
    if *wanted == here {
        // Until the signal comes. What waits for this thread waits too, as it would for a dead one.
        loop {
            std::thread::park();
        }
    }
}

/// How far the clock is ahead, in milliseconds.
pub(crate) fn clock() -> i64 {
    SHIFT.unwrap_or_else(|| {
        let ahead = tokio::time::Instant::now().into_std().duration_since(std::time::Instant::now());
        i64::try_from(ahead.as_millis()).unwrap_or(i64::MAX)
    })
}

/// Tells the processes of a test apart at MiniMax.
pub(crate) fn user_agent() -> String {
    format!("minimax-mcp/{} process {}", env!("CARGO_PKG_VERSION"), std::process::id())
}

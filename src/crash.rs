//! Places in a job's life at which a test lets the program die, and a clock that a test can set.
//!
//! Only with the feature `crash-points`, which nothing but the tests of this package switches on (its own
//! `dev-dependencies`): a program that is built or installed has none of it.

use std::collections::HashMap;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// `trace` names every point as it is passed; `NAME#2` stops the program for good when it comes to the point for
/// the second time, so that a test can kill it there.
const POINT: &str = "MINIMAX_CRASH_POINT";
/// Milliseconds that the system's clock is ahead; `@FILE` for a file that says so and may change; or `tokio`: as far as
/// tokio's clock, which a test can move. With the last of them real time passes faster, with the others it was set.
const CLOCK: &str = "MINIMAX_CRASH_CLOCK";

static WANTED: LazyLock<Option<String>> = LazyLock::new(|| setting(POINT));
static SHIFT: LazyLock<Shift> = LazyLock::new(|| match setting(CLOCK) {
    Some(shift) if shift == "tokio" => Shift::Tokio,
    Some(shift) => match shift.strip_prefix('@') {
        Some(file) => Shift::File(file.into()),
        None => Shift::By(shift.parse().unwrap_or_default()),
    },
    None => Shift::By(0),
});
/// By how much the system's clock is ahead.
enum Shift {
    By(i64),
    File(PathBuf),
    Tokio,
}

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

/// How far the system's clock is ahead, in milliseconds.
pub(crate) fn clock() -> i64 {
    match &*SHIFT {
        Shift::By(shift) => *shift,
        Shift::File(file) => {
            let said = std::fs::read_to_string(file).unwrap_or_default();
            said.trim().parse().unwrap_or_default()
        }
        Shift::Tokio => i64::try_from(passed().as_millis()).unwrap_or(i64::MAX),
    }
}

/// How much more time has passed than really has.
pub(crate) fn passed() -> Duration {
    match &*SHIFT {
        Shift::Tokio => tokio::time::Instant::now().into_std().duration_since(Instant::now()),
        Shift::By(_) | Shift::File(_) => Duration::ZERO,
    }
}

/// Tells the processes of a test apart at MiniMax.
pub(crate) fn user_agent() -> String {
    format!("minimax-mcp/{} process {}", env!("CARGO_PKG_VERSION"), std::process::id())
}

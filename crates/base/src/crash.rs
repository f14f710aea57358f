//! Crash points, where a test kills the program, and a clock that a test can set.
//!
//! This module needs the feature `crash-points`. Only the tests of this package enable it, through
//! `dev-dependencies`, so a build or an installed program contains none of it.

use std::collections::HashMap;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// `trace` prints every crash point as it is passed. `NAME#2` stops the program forever when it reaches the point for
/// the second time, so that the test can kill it there; `NAME#2@FILE` only until that file exists. `syncs` prints what is
/// synced to the disk.
const POINT: &str = "MINIMAX_CRASH_POINT";
/// How far to move the system clock ahead: a number of milliseconds; `@FILE`, a file with that number, which may
/// change; or `tokio`, to follow tokio's clock, which a test can advance. `tokio` makes time itself pass faster; the
/// other two only set the clock.
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
/// How far the system clock is ahead.
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

/// A crash point: stops here if the test asked for it.
pub fn point(name: &'static str) {
    let Some(wanted) = &*WANTED else { return };
    let mut passed = PASSED.lock().unwrap_or_else(PoisonError::into_inner);
    let times = passed.entry(name).or_default();
    *times += 1;
    let here = format!("{name}#{times}");
    drop(passed);
    let (place, file) = wanted.split_once('@').unwrap_or((wanted, ""));
    if wanted == "trace" || place == here {
        let _ = writeln!(std::io::stderr(), "crash point {here}");
    }
    if place == here {
        // Waits for the signal, or the file. Whatever waits for this thread blocks, as if the process were dead.
        while file.is_empty() || !std::path::Path::new(file).exists() {
            std::thread::park_timeout(Duration::from_millis(20));
        }
    }
}

/// Says that something was synced to the disk, for the test that counts syncs.
pub fn synced(what: &'static str) {
    if WANTED.as_deref() == Some("syncs") {
        let _ = writeln!(std::io::stderr(), "synced {what}");
    }
}

/// How far the system clock is ahead, in milliseconds.
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

/// How much more time has passed than on the real clock.
pub(crate) fn passed() -> Duration {
    match &*SHIFT {
        Shift::Tokio => tokio::time::Instant::now().into_std().duration_since(Instant::now()),
        Shift::By(_) | Shift::File(_) => Duration::ZERO,
    }
}

/// Lets the sandbox tell the processes of a test apart.
pub fn user_agent() -> String {
    format!("minimax-mcp/{} process {}", env!("CARGO_PKG_VERSION"), std::process::id())
}

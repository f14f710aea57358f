//! A faster clock, so that a test can reach time limits of minutes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rmcp::model::CallToolResult;
use serde_json::json;
use tokio::sync::mpsc;

use crate::harness::World;

/// The interval at which the clock is moved.
const BEAT: Duration = Duration::from_millis(2);

/// Moves tokio's clock along with the real one, but faster. Needs a single-threaded runtime.
///
/// The beat comes from a blocking task, because tokio does not advance the clock itself while one runs. A busy runtime
/// misses beats, so work that takes real time does not hit its own time limits.
pub struct Clock(Arc<AtomicU64>);

impl Clock {
    pub fn start() -> Self {
        tokio::time::pause();
        let speed = Arc::new(AtomicU64::new(SLOW));
        let (beat, mut beats) = mpsc::channel(1);
        tokio::task::spawn_blocking(move || {
            while beat.blocking_send(()).is_ok() {
                std::thread::sleep(BEAT);
            }
        });
        let now = Arc::clone(&speed);
        tokio::spawn(async move {
            while beats.recv().await.is_some() {
                let times = u32::try_from(now.load(Ordering::Relaxed)).unwrap();
                tokio::time::advance(BEAT * times).await;
            }
        });
        Self(speed)
    }

    /// Sets the speed, as a multiple of real time.
    pub fn set(&self, speed: u64) {
        self.0.store(speed, Ordering::Relaxed);
    }

    /// Advances the clock until the rate limiter has forgotten all refusals and pauses.
    pub async fn forget(&self) {
        tokio::time::advance(Duration::from_secs(700)).await;
    }

    /// Runs `work` without the waiting: time passes quickly whenever the sandbox is idle. Requests to `path` are
    /// `silent` if the sandbox never answers them; `made` tells when it has processed them.
    pub async fn hurry<T>(
        &self,
        world: &World,
        (path, silent): (&str, bool),
        made: impl Fn() -> bool,
        work: impl Future<Output = T>,
    ) -> T {
        // This is shorter than every time limit, so that the step after one is not skipped over.
        const MOST: Duration = Duration::from_secs(50);
        // A server of its own needs real time for the rows or the files, and time limits of seconds must not pass in it.
        let is_elsewhere = crate::harness::chosen(world.dir.path()).next().is_some();
        // Counted in moments, which are longer the more else this machine does.
        let quiet = if is_elsewhere { 80 } else { 8 };
        let (mut seen, mut moments, mut then) = (0, 0, tokio::time::Instant::now());
        tokio::pin!(work);
        loop {
            let moment = tokio::task::spawn_blocking(|| std::thread::sleep(Duration::from_millis(5)));
            tokio::select! {
                done = &mut work => {
                    self.set(SLOW);
                    return done;
                }
                _ = moment => moments += 1,
            }
            let requests = world.sandbox.requests();
            if requests.len() != seen {
                (seen, moments, then) = (requests.len(), 0, tokio::time::Instant::now());
            }
            let struck = requests.last().is_some_and(|request| request.path.starts_with(path)) && made();
            let idle = requests.last().is_none_or(|request| request.status.is_some() || struck);
            if moments > quiet && idle {
                // On a busy machine a row may still be on its way to the disk, and time limits must not pass in it. The
                // clock stands still until the records take another one.
                self.set(0);
                let _ = world.server.jobs().check().await;
                self.set(if silent && struck && then.elapsed() < MOST { 2000 } else { 100 });
            } else {
                self.set(SLOW);
            }
        }
    }
}

/// A speed at which real work does not hit time limits.
pub const SLOW: u64 = 4;

/// Waits for the job of a call to end, and returns its last result.
pub async fn until_over(world: &World, mut result: CallToolResult) -> CallToolResult {
    let end = Instant::now() + Duration::from_secs(60);
    loop {
        let view = result.structured_content.clone().unwrap_or_default();
        if !["running", "submitting"].contains(&view["status"].as_str().unwrap_or_default()) {
            return result;
        }
        assert!(Instant::now() < end, "it does not end: {view}");
        result = world.call("get_job", json!({ "job_id": view["job_id"], "wait_seconds": 240 })).await;
    }
}

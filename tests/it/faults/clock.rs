//! Time that passes faster, so that limits of minutes are reached within a test.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use crate::harness::World;

/// How often the clock is moved.
const BEAT: Duration = Duration::from_millis(2);

/// Moves tokio's clock along with the real one, only faster. Needs a runtime of one thread.
///
/// The beat comes from a blocking task, for as long as one runs tokio does not move the clock by itself; and a busy
/// runtime misses beats, so that work which takes real time is not run down by its own limits.
pub struct Clock(Arc<AtomicU64>);

impl Clock {
    pub fn start(speed: u64) -> Self {
        tokio::time::pause();
        let speed = Arc::new(AtomicU64::new(speed));
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

    /// So many times as fast as real time.
    pub fn set(&self, speed: u64) {
        self.0.store(speed, Ordering::Relaxed);
    }

    /// The result of `work`, whose requests to `path` are left in silence: while it waits for one of those, the limit
    /// that ends its patience comes at once. `made` tells that MiniMax has nothing more to do.
    pub async fn rush<T>(
        &self,
        world: &World,
        path: &str,
        made: impl Fn() -> bool,
        work: impl Future<Output = T>,
    ) -> T {
        const QUIET: Duration = Duration::from_millis(100);
        let (mut seen, mut since) = (0, Instant::now());
        tokio::pin!(work);
        loop {
            let moment = tokio::task::spawn_blocking(|| std::thread::sleep(Duration::from_millis(5)));
            tokio::select! {
                done = &mut work => {
                    self.set(20);
                    return done;
                }
                _ = moment => {}
            }
            let requests = world.sandbox.requests();
            if requests.len() != seen {
                (seen, since) = (requests.len(), Instant::now());
            }
            let waits = requests.last().is_some_and(|request| request.path.starts_with(path));
            self.set(if waits && made() && since.elapsed() > QUIET { 4000 } else { 20 });
        }
    }
}

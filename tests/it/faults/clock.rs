//! Time that passes faster, so that limits of minutes are reached within a test.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::mpsc;

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

    /// The result of `work`; after a moment of real time, all that it still waits for comes at once.
    pub async fn rush<T>(&self, work: impl Future<Output = T>) -> T {
        let moment = tokio::task::spawn_blocking(|| std::thread::sleep(Duration::from_millis(150)));
        tokio::pin!(work);
        tokio::select! {
            done = &mut work => return done,
            _ = moment => self.set(4000),
        }
        let done = work.await;
        self.set(20);
        done
    }
}

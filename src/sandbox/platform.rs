//! What all parts of a sandbox share.

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::AtomicUsize;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::body::Bytes;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Pace;
use super::answer::Refusal;
use super::fault::Faults;
use super::limit::Limits;
use super::link::Links;
use super::record::Record;
use super::store::Store;
use super::task::Polls;

/// The platform that is imitated, as far as it has a memory.
#[derive(Debug)]
pub(super) struct Platform {
    /// The base URL, without a slash at its end.
    pub base: String,
    /// The one good key, if only one is.
    pub key: Option<String>,
    pub store: Store,
    pub links: Links,
    pub record: Record,
    pub faults: Faults,
    /// The films that were drawn last, by what they were drawn from.
    pub films: Mutex<VecDeque<(String, Bytes)>>,
    pub limits: Limits,
    pub polls: Polls,
    /// When long speech was asked about within the last second.
    pub speech_queries: Mutex<Vec<Duration>>,
    /// Requests that are being processed. They end by themselves, even when the client hangs up.
    pub work: TaskTracker,
    pub stopping: CancellationToken,
    /// Answers of text models that are being streamed now.
    pub streaming: AtomicUsize,
    pace: Mutex<Pace>,
}

impl Platform {
    pub fn new(base: String, key: Option<String>, pace: Pace, store: Store) -> io::Result<Self> {
        let links = Links::open(store.dir())?;
        Ok(Self {
            base,
            key,
            store,
            links,
            record: Record::default(),
            faults: Faults::default(),
            films: Mutex::default(),
            limits: Limits::default(),
            polls: Polls::default(),
            speech_queries: Mutex::default(),
            work: TaskTracker::new(),
            stopping: CancellationToken::new(),
            streaming: AtomicUsize::new(0),
            pace: Mutex::new(pace),
        })
    }

    pub fn pace(&self) -> Pace {
        lock(&self.pace).clone()
    }

    pub fn set_pace(&self, pace: Pace) {
        *lock(&self.pace) = pace;
    }

    /// A signed link to a media file that lives `seconds`, or what the pace says instead.
    pub fn link(&self, name: &str, seconds: u64) -> String {
        let life = self.pace().link_seconds.unwrap_or(seconds);
        self.links.mint(&self.base, name, now().as_secs().saturating_add(life))
    }
}

/// Runs work that computes or touches the disk off the async threads. A panic in it (of a codec, say) becomes
/// the refusal that MiniMax has for its own failures.
pub(super) async fn aside<T, F>(work: F) -> Result<T, Refusal>
where
    F: FnOnce() -> Result<T, Refusal> + Send + 'static,
    T: Send + 'static,
{
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(failure) => Err(Refusal::internal(&failure)),
    }
}

/// Time since 1970. The clock of the machine is used, not a monotonic one: tasks outlive the process.
pub(super) fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// The same in milliseconds.
pub(super) fn now_ms() -> u64 {
    u64::try_from(now().as_millis()).unwrap_or(u64::MAX)
}

/// Locks even after a panic elsewhere: what these locks guard is never half written.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An id with as many digits as asked for (1 to 18), unlike any other. Ids of 17 and more digits do not
/// survive a detour over a floating point number, like some of MiniMax's own.
pub(super) fn new_id(digits: u32) -> i64 {
    let floor = 10_u64.saturating_pow(digits.saturating_sub(1));
    let random = getrandom::u64().unwrap_or_else(|_| now().subsec_nanos().into());
    // The first digit stays below 9, so that the sum cannot gain a digit.
    i64::try_from(floor + random % floor.saturating_mul(8)).unwrap_or(i64::MAX)
}

/// A fresh lower-case hex string of 32 digits, the form of MiniMax's trace and request ids.
pub(super) fn new_token() -> String {
    let mut bytes = [0_u8; 16];
    if getrandom::fill(&mut bytes).is_err() {
        bytes = now().as_nanos().to_le_bytes();
    }
    data_encoding::HEXLOWER.encode(&bytes)
}

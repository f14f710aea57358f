//! Rate limits that tests set. By default the sandbox limits only queries of long-speech tasks.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::engine::errors::ApiError;
use crate::engine::lock::lock;

/// A limit on requests to some paths. Requests above it get an error and are not processed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RateLimit {
    /// A prefix of the request path.
    pub path: String,
    /// The method; `None` for any.
    #[serde(default)]
    pub method: Option<String>,
    /// How many requests are accepted within [`Self::seconds`]; `None` for no limit.
    #[serde(default)]
    pub count: Option<usize>,
    /// The length of the sliding window in seconds; 60 by default.
    #[serde(default = "a_minute")]
    pub seconds: f64,
    /// How many requests may be in flight at once; `None` for no limit.
    #[serde(default)]
    pub in_flight: Option<usize>,
    /// Seconds for a `Retry-After` header on errors.
    #[serde(default)]
    pub retry_after: Option<u64>,
}

fn a_minute() -> f64 {
    60.0
}

/// MiniMax's codes for too many requests per minute, and for too many at once.
const RATE: i64 = 1002;
const CONNECTIONS: i64 = 1041;

/// The active limits.
#[derive(Debug, Default)]
pub(crate) struct RateLimits(Mutex<Vec<Arc<Counter>>>);

#[derive(Debug)]
struct Counter {
    limit: RateLimit,
    counts: Mutex<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    taken: VecDeque<Instant>,
    in_flight_now: usize,
}

/// An accepted request. Dropping it ends the request for `in_flight`.
#[derive(Debug)]
pub(crate) struct Permits(Vec<Arc<Counter>>);

impl RateLimits {
    pub fn replace(&self, limits: Vec<RateLimit>) {
        let counters = limits.into_iter().map(|limit| Counter { limit, counts: Mutex::default() });
        *lock(&self.0) = counters.map(Arc::new).collect();
    }

    /// Counts a request, or rejects it. A rejected request does not count.
    pub fn admit(&self, method: &str, path: &str) -> Result<Permits, ApiError> {
        let counters = lock(&self.0).clone();
        let mut admitted = Permits(Vec::new());
        for counter in counters.into_iter().filter(|counter| counter.limit.concerns(method, path)) {
            counter.take()?;
            admitted.0.push(counter);
        }
        Ok(admitted)
    }
}

impl RateLimit {
    fn concerns(&self, method: &str, path: &str) -> bool {
        path.starts_with(&self.path)
            && self.method.as_ref().is_none_or(|own| own.eq_ignore_ascii_case(method))
    }
}

impl Counter {
    fn take(&self) -> Result<(), ApiError> {
        let refuse = |code| Err(ApiError::of(code).retry_after(self.limit.retry_after));
        let window = Duration::try_from_secs_f64(self.limit.seconds).unwrap_or(Duration::from_secs(60));
        let now = Instant::now();
        let mut counts = lock(&self.counts);
        while counts.taken.front().is_some_and(|at| now.duration_since(*at) >= window) {
            counts.taken.pop_front();
        }
        if self.limit.count.is_some_and(|most| counts.taken.len() >= most) {
            return refuse(RATE);
        }
        if self.limit.in_flight.is_some_and(|most| counts.in_flight_now >= most) {
            return refuse(CONNECTIONS);
        }
        counts.taken.push_back(now);
        counts.in_flight_now += 1;
        Ok(())
    }
}

impl Drop for Permits {
    fn drop(&mut self) {
        for counter in &self.0 {
            let mut counts = lock(&counter.counts);
            counts.in_flight_now = counts.in_flight_now.saturating_sub(1);
        }
    }
}

//! Rate limits, on request: the sandbox has none of its own but the one on looks at long speech.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::answer::Refusal;
use super::platform::lock;

/// How many requests of one kind are taken. What is above is refused and not processed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ceiling {
    /// How the path of the requests begins.
    pub path: String,
    /// The method, if it matters.
    #[serde(default)]
    pub method: Option<String>,
    /// How many are taken in any [`Self::seconds`]; `None` for any number.
    #[serde(default)]
    pub count: Option<usize>,
    /// The length of the window, 60 if it does not say.
    #[serde(default = "a_minute")]
    pub seconds: f64,
    /// How many may be under way at once.
    #[serde(default)]
    pub in_flight: Option<usize>,
    /// Seconds for a `Retry-After` header on refusals.
    #[serde(default)]
    pub retry_after: Option<u64>,
}

fn a_minute() -> f64 {
    60.0
}

/// MiniMax's codes for too many requests in a minute, and at once.
const RATE: i64 = 1002;
const CONNECTIONS: i64 = 1041;

/// The limits in force.
#[derive(Debug, Default)]
pub(super) struct Limits(Mutex<Vec<Arc<Counter>>>);

#[derive(Debug)]
struct Counter {
    ceiling: Ceiling,
    counts: Mutex<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    taken: VecDeque<Instant>,
    under_way: usize,
}

/// A request that was taken, as long as it is under way.
#[derive(Debug)]
pub(super) struct Admitted(Vec<Arc<Counter>>);

impl Limits {
    pub fn replace(&self, ceilings: Vec<Ceiling>) {
        let counters = ceilings.into_iter().map(|ceiling| Counter { ceiling, counts: Mutex::default() });
        *lock(&self.0) = counters.map(Arc::new).collect();
    }

    /// Counts a request, or refuses it. A refused one counts nowhere.
    pub fn admit(&self, method: &str, path: &str) -> Result<Admitted, Refusal> {
        let counters = lock(&self.0).clone();
        let mut admitted = Admitted(Vec::new());
        for counter in counters.into_iter().filter(|counter| counter.ceiling.concerns(method, path)) {
            counter.take()?;
            admitted.0.push(counter);
        }
        Ok(admitted)
    }
}

impl Ceiling {
    fn concerns(&self, method: &str, path: &str) -> bool {
        path.starts_with(&self.path)
            && self.method.as_ref().is_none_or(|own| own.eq_ignore_ascii_case(method))
    }
}

impl Counter {
    fn take(&self) -> Result<(), Refusal> {
        let refuse = |code| Err(Refusal::of(code).retry_after(self.ceiling.retry_after));
        let window = Duration::try_from_secs_f64(self.ceiling.seconds).unwrap_or(Duration::from_secs(60));
        let now = Instant::now();
        let mut counts = lock(&self.counts);
        while counts.taken.front().is_some_and(|at| now.duration_since(*at) >= window) {
            counts.taken.pop_front();
        }
        if self.ceiling.count.is_some_and(|most| counts.taken.len() >= most) {
            return refuse(RATE);
        }
        if self.ceiling.in_flight.is_some_and(|most| counts.under_way >= most) {
            return refuse(CONNECTIONS);
        }
        counts.taken.push_back(now);
        counts.under_way += 1;
        Ok(())
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        for counter in &self.0 {
            let mut counts = lock(&counter.counts);
            counts.under_way = counts.under_way.saturating_sub(1);
        }
    }
}

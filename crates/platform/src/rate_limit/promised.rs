//! Queue slots promised to requests whose row is still being written. A promise never blocks the queue.

use std::sync::Arc;

use tokio::time::Instant;

use super::limiter::{OVERALL, Queues, RateLimiter};

/// A promise to join a queue soon. Dropping it withdraws the promise.
pub struct PromisedSlot {
    limiter: Arc<RateLimiter>,
    group: &'static str,
    why: Option<String>,
}

impl RateLimiter {
    /// Announces a request before its record is written, and forecasts whether it will have to wait when it joins. If several
    /// servers share the limit, this asks the store for permits.
    pub async fn announce(self: &Arc<Self>, group: &'static str) -> PromisedSlot {
        let mut promised = self.expect(group);
        // The first answer may belong to an earlier question.
        for _ in 0..2 {
            if !self.lacks_permits(group) {
                break;
            }
            self.asked_once().await;
            let queues = &mut *self.queues();
            promised.why = queues.reason_to_wait(group, self, 0);
        }
        promised
    }

    /// Like [`Self::announce`], without asking the store.
    pub(super) fn expect(self: &Arc<Self>, group: &'static str) -> PromisedSlot {
        let mut queues = self.queues();
        let why = queues.reason_to_wait(group, self, 1);
        queues.queue(group, self.limits).expected += 1;
        drop(queues);
        PromisedSlot { limiter: Arc::clone(self), group, why }
    }

    /// Whether the store may still grant permits for the expected requests.
    fn lacks_permits(&self, group: &'static str) -> bool {
        let now = Instant::now();
        let mut queues = self.queues();
        let queue = queues.queue(group, self.limits);
        let expected = queue.expected;
        let is_empty = queue.waiting.is_empty();
        let held = queue.held_permits.as_mut();
        held.is_some_and(|held| is_empty && held.count(now) < expected && held.wait(now).is_none())
    }
}

impl Queues {
    /// What a request will wait for if `more` others are expected too; `None` if it can be sent at once.
    fn reason_to_wait(&mut self, group: &'static str, limiter: &RateLimiter, more: usize) -> Option<String> {
        let now = Instant::now();
        let crowded = self.buying >= OVERALL;
        let queue = self.queue(group, limiter.limits);
        let place = queue.expected + more;
        let room = queue.waiting.is_empty() && queue.in_flight + place <= queue.most();
        let is_allowed = queue.held_permits.as_mut().is_none_or(|held| held.count(now) >= place);
        let soon =
            room && is_allowed && (!crowded || queue.free) && queue.limiter.forecast(place, now) <= now;
        (!soon).then(|| queue.why(now))
    }
}

impl PromisedSlot {
    /// What the request will wait for; `None` if it can be sent at once.
    pub fn reason_to_wait(&self) -> Option<&str> {
        self.why.as_deref()
    }
}

impl Drop for PromisedSlot {
    fn drop(&mut self) {
        let mut queues = self.limiter.queues();
        let queue = queues.queue(self.group, self.limiter.limits);
        queue.expected = queue.expected.saturating_sub(1);
    }
}

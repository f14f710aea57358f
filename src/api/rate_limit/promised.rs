//! Queue slots promised to requests whose row is still being written. A promise never blocks the queue.

use std::sync::Arc;

use tokio::time::Instant;

use super::RateLimiter;

/// A promise to join a queue soon. Dropping it withdraws the promise.
pub struct PromisedSlot {
    limiter: Arc<RateLimiter>,
    group: &'static str,
    why: Option<String>,
}

impl RateLimiter {
    /// Announces a request before its record is written, and forecasts whether it will have to wait when it joins.
    pub fn expect(self: &Arc<Self>, group: &'static str) -> PromisedSlot {
        let now = Instant::now();
        let mut queues = self.queues();
        let crowded = queues.buying >= super::OVERALL;
        let queue = queues.queue(group, self.limits);
        let place = queue.expected + 1;
        let room = queue.waiting.is_empty() && queue.in_flight + queue.expected < queue.most();
        let soon = room && (!crowded || queue.free) && queue.limiter.forecast(place, now) <= now;
        let why = (!soon).then(|| queue.why(now));
        queue.expected += 1;
        drop(queues);
        PromisedSlot { limiter: Arc::clone(self), group, why }
    }
}

impl PromisedSlot {
    /// What the request will wait for; `None` if it can be sent at once.
    pub fn why_not(&self) -> Option<&str> {
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

//! A limit that several servers keep together. The permits come from a store that they share, see [`Bucket`](super::Bucket):
//! a loop outside asks it for what [`RateLimiter::demands`] says, and reports what it got.
//!
//! While the store cannot be asked, nothing that costs money is sent, and each server sends its share of what is free.

use std::sync::Arc;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use super::bucket::{Demand, Grant};
use super::limiter::{OVERALL, RateLimiter};
use super::share::AGAIN;

impl RateLimiter {
    /// Whether several servers keep the limits together.
    pub fn is_shared(&self) -> bool {
        self.limits.shared
    }

    /// Signals that a demand may have arisen, or that the limiter is gone.
    pub fn asking(&self) -> Arc<Notify> {
        Arc::clone(&self.asking)
    }

    /// What to ask the store for. Without a demand, when there may be one.
    pub fn demands(&self) -> Result<Vec<Demand>, Option<Instant>> {
        let now = Instant::now();
        let mut queues = self.queues();
        let is_crowded = queues.buying >= OVERALL;
        let (mut demands, mut next) = (Vec::new(), None::<Instant>);
        for (group, queue) in &mut queues.by_group {
            match queue.demand(group, is_crowded, now) {
                Ok(demand) => demands.push(demand),
                Err(at) => next = at.into_iter().chain(next).min(),
            }
        }
        if demands.is_empty() { Err(next) } else { Ok(demands) }
    }

    /// Hands out what the store gave for each of the demands that it was asked for at `asked`. So many servers share it.
    pub fn grant(&self, demands: &[Demand], grants: &[Grant], servers: usize, asked: Instant) {
        let mut queues = self.queues();
        queues.servers = servers.max(1);
        for (demand, grant) in demands.iter().zip(grants) {
            if let Some(queue) = queues.by_group.get_mut(demand.group) {
                queue.servers = servers.max(1);
                if let Some(share) = &mut queue.share {
                    share.grant(*grant, demand.rule, asked);
                }
                queue.wake();
            }
        }
        drop(queues);
        self.answered.send_modify(|answers| *answers += 1);
    }

    /// The store cannot be asked. What costs money waits for it.
    pub fn without_store(&self, demands: Vec<Demand>) {
        let now = Instant::now();
        let mut queues = self.queues();
        let servers = queues.servers.max(1);
        for demand in demands {
            let Some(queue) = queues.by_group.get_mut(demand.group) else { continue };
            let Some(share) = &mut queue.share else { continue };
            share.without_store(demand, servers, now);
            queue.wake();
        }
        drop(queues);
        self.answered.send_modify(|answers| *answers += 1);
    }

    /// Waits until the store has been asked once more, or for a moment.
    pub(super) async fn asked_once(&self) {
        let mut answered = self.answered.subscribe();
        answered.mark_unchanged();
        self.asking.notify_one();
        let _ = tokio::time::timeout(AGAIN, answered.changed()).await;
    }
}

/// Waits for a demand of the limiter. `None` once the limiter is gone.
pub async fn next_demands(limiter: &std::sync::Weak<RateLimiter>, asking: &Notify) -> Option<Vec<Demand>> {
    loop {
        let next = match limiter.upgrade()?.demands() {
            Ok(demands) => return Some(demands),
            Err(next) => next,
        };
        match next {
            Some(next) => {
                tokio::select! {
                    () = asking.notified() => {}
                    () = sleep_until(next) => {}
                }
            }
            None => asking.notified().await,
        }
    }
}

//! A limit that several servers keep together. The permits come from their shared store, which keeps
//! [`TakenPermits`](super::TakenPermits): a loop outside this module asks it for the [`RateLimiter::demands`], and reports its
//! grants.
//!
//! While the store cannot be asked, no paid requests are sent, and each server sends its part of the free requests.

use std::sync::Arc;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use super::held_permits::AGAIN;
use super::limiter::{OVERALL, RateLimiter};
use super::taken_permits::{Demand, Grant};

impl RateLimiter {
    /// Whether several servers keep the limits together.
    pub fn is_shared(&self) -> bool {
        self.limits.shared
    }

    /// Signals that there may be a demand, or that the limiter is gone.
    pub fn asking(&self) -> Arc<Notify> {
        Arc::clone(&self.asking)
    }

    /// What to ask the store for. The error means that there is no demand now, and says when there may be one.
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

    /// Distributes the store's grants for the demands, which it was asked for at `asked`. `servers` share the limits.
    pub fn grant(&self, demands: &[Demand], grants: &[Grant], servers: usize, asked: Instant) {
        let mut queues = self.queues();
        queues.servers = servers.max(1);
        for (demand, grant) in demands.iter().zip(grants) {
            if let Some(queue) = queues.by_group.get_mut(demand.group) {
                queue.servers = servers.max(1);
                if let Some(held) = &mut queue.held_permits {
                    held.grant(*grant, demand.rule, asked);
                }
                queue.wake();
            }
        }
        drop(queues);
        self.answered.send_modify(|answers| *answers += 1);
    }

    /// Called when the store cannot be asked. Paid requests wait for it.
    pub fn without_store(&self, demands: Vec<Demand>) {
        let now = Instant::now();
        let mut queues = self.queues();
        let servers = queues.servers.max(1);
        for demand in demands {
            let Some(queue) = queues.by_group.get_mut(demand.group) else { continue };
            let Some(held) = &mut queue.held_permits else { continue };
            held.without_store(demand, servers, now);
            queue.wake();
        }
        drop(queues);
        self.answered.send_modify(|answers| *answers += 1);
    }

    /// Waits until the store has been asked once more, for at most [`AGAIN`].
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

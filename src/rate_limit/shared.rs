//! A limit that several servers keep together. The permits come from a store that they share, see [`Bucket`](super::Bucket):
//! a loop outside asks it for what [`RateLimiter::demands`] says, and reports what it got.
//!
//! While the store cannot be asked, nothing that costs money is sent, and each server sends its share of what is free.

use std::collections::VecDeque;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use super::adaptive::{AdaptiveLimiter, Rule};
use super::bucket::{Demand, Grant, Refusal, life};
use super::queue::Queue;
use super::{OVERALL, RateLimiter};

/// How soon a store that could not be asked is asked again.
const AGAIN: Duration = Duration::from_secs(1);

/// The right to send one request, from the store.
#[derive(Debug, Clone, Copy)]
pub(super) struct Token {
    until: Instant,
    at: i64,
}

/// What a queue has of its group's limit.
#[derive(Debug, Default)]
pub(super) struct Share {
    held: VecDeque<Token>,
    /// There is none before this time.
    next: Option<Instant>,
    unused: Vec<(i64, u32)>,
    late: u32,
    refusal: Option<Refusal>,
    /// The share of a free group while the store is away.
    alone: Option<AdaptiveLimiter>,
}

impl Share {
    /// A token, if one is left.
    pub fn take(&mut self, now: Instant) -> Option<Token> {
        self.lapse(now);
        self.held.pop_front()
    }

    pub fn put_back(&mut self, token: Token) {
        self.held.push_front(token);
    }

    /// The request was sent at `now`.
    pub fn spend(&mut self, token: Token, now: Instant) {
        self.late += u32::from(now > token.until);
    }

    pub fn count(&mut self, now: Instant) -> usize {
        self.lapse(now);
        self.held.len()
    }

    /// How long until there may be one.
    pub fn wait(&self, now: Instant) -> Option<Duration> {
        self.next.and_then(|next| next.checked_duration_since(now)).filter(|_| self.held.is_empty())
    }

    pub fn refused(&mut self, pause: Option<Duration>, gap: Option<Duration>) {
        if let Some(pause) = pause {
            self.refusal = Some(Refusal { pause, gap });
        }
    }

    fn lapse(&mut self, now: Instant) {
        while let Some(token) = self.held.pop_front_if(|token| token.until <= now) {
            self.unused.push((token.at, 1));
        }
    }

    fn grant(&mut self, grant: Grant, rule: Rule, asked: Instant) {
        let token = Token { until: asked + life(rule), at: grant.at };
        self.held.extend((0..grant.count).map(|_| token));
        self.next = Some(Instant::now() + grant.wait);
        self.alone = None;
    }
}

impl Queue {
    /// What to ask the store for. `None` if there is nothing to ask; then also when there may be.
    fn demand(
        &mut self,
        group: &'static str,
        is_crowded: bool,
        now: Instant,
    ) -> Result<Demand, Option<Instant>> {
        let (rule, free) = (self.limiter.rule().ok_or(None)?, self.free);
        let room = self.most().saturating_sub(self.in_flight);
        let wanted = (self.waiting.len() + self.expected).min(room);
        let ready_at = self.limiter.ready_at(now);
        let Some(share) = &mut self.share else { return Err(None) };
        let wanted = wanted.saturating_sub(share.count(now));
        let can_send = wanted > 0 && (free || !is_crowded);
        let next = ready_at.max(share.next.unwrap_or(now));
        if share.refusal.is_none() && (!can_send || next > now) {
            return Err(can_send.then_some(next));
        }
        Ok(Demand {
            group,
            rule,
            wanted: if can_send && next <= now { u32::try_from(wanted).unwrap_or(u32::MAX) } else { 0 },
            unused: std::mem::take(&mut share.unused),
            late: std::mem::take(&mut share.late),
            refusal: share.refusal.take(),
            free,
        })
    }
}

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
            // These are told to the store when it is back.
            share.unused.extend(demand.unused);
            share.late = share.late.saturating_add(demand.late);
            share.refusal = share.refusal.or(demand.refusal);
            share.next = Some(now + AGAIN);
            if demand.free {
                let alone =
                    share.alone.get_or_insert_with(|| AdaptiveLimiter::new(Some(part(demand.rule, servers))));
                let token = Token { until: now + AGAIN, at: 0 };
                for _ in 0..demand.wanted {
                    if alone.ready_at(now) > now {
                        break;
                    }
                    alone.leave(now);
                    share.held.push_back(token);
                }
            }
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

/// One of so many equal parts of a limit.
fn part(rule: Rule, servers: usize) -> Rule {
    let servers = u32::try_from(servers).unwrap_or(u32::MAX);
    match rule.count / servers {
        0 => Rule {
            count: 1,
            window: rule.window.saturating_mul(servers.div_ceil(rule.count.max(1))),
            burst: 1,
        },
        count => Rule { count, burst: (rule.burst / servers).max(1), ..rule },
    }
}

impl Drop for RateLimiter {
    fn drop(&mut self) {
        let queues = self.queues.get_mut().unwrap_or_else(PoisonError::into_inner);
        queues.by_group.clear();
        self.asking.notify_one();
    }
}

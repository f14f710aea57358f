//! One server's permits of a limit that several servers keep together.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use super::adaptive::{AdaptiveLimiter, Rule};
use super::taken_permits::{Demand, Grant, Refusal, life};

/// How long to wait after the store could not be asked.
pub(super) const AGAIN: Duration = Duration::from_secs(1);

/// A permit from the store. It expires.
#[derive(Debug, Clone, Copy)]
pub(super) struct HeldPermit {
    until: Instant,
    at: i64,
}

/// The permits of one queue, and what the store does not know yet.
#[derive(Debug, Default)]
pub(super) struct HeldPermits {
    held: VecDeque<HeldPermit>,
    /// The store has no permit before this time.
    next: Option<Instant>,
    unused: Vec<(i64, u32)>,
    late: u32,
    refusal: Option<Refusal>,
    /// The limiter of a free group while the store cannot be asked.
    alone: Option<AdaptiveLimiter>,
}

impl HeldPermits {
    /// A permit, if one is left.
    pub fn take(&mut self, now: Instant) -> Option<HeldPermit> {
        self.lapse(now);
        self.held.pop_front()
    }

    pub fn put_back(&mut self, permit: HeldPermit) {
        self.held.push_front(permit);
    }

    /// Records that the request was sent at `now`.
    pub fn spend(&mut self, permit: HeldPermit, now: Instant) {
        self.late += u32::from(now > permit.until);
    }

    pub fn count(&mut self, now: Instant) -> usize {
        self.lapse(now);
        self.held.len()
    }

    /// How long until there may be a permit.
    pub fn wait(&self, now: Instant) -> Option<Duration> {
        self.next.and_then(|next| next.checked_duration_since(now)).filter(|_| self.held.is_empty())
    }

    pub fn refused(&mut self, pause: Option<Duration>, gap: Option<Duration>) {
        if let Some(pause) = pause {
            self.refusal = Some(Refusal { pause, gap });
        }
    }

    fn lapse(&mut self, now: Instant) {
        while let Some(permit) = self.held.pop_front_if(|permit| permit.until <= now) {
            self.unused.push((permit.at, 1));
        }
    }

    pub fn grant(&mut self, grant: Grant, rule: Rule, asked: Instant) {
        let permit = HeldPermit { until: asked + life(rule), at: grant.at };
        self.held.extend((0..grant.count).map(|_| permit));
        self.next = Some(Instant::now() + grant.wait);
        self.alone = None;
    }

    /// When there may be a permit.
    pub fn next(&self, now: Instant) -> Instant {
        self.next.unwrap_or(now)
    }

    /// Whether the store does not know of a refusal yet.
    pub fn was_refused(&self) -> bool {
        self.refusal.is_some()
    }

    /// A demand for `wanted` permits, with what the store does not know yet.
    pub fn demand(&mut self, group: &'static str, rule: Rule, wanted: u32, free: bool) -> Demand {
        Demand {
            group,
            rule,
            wanted,
            unused: std::mem::take(&mut self.unused),
            late: std::mem::take(&mut self.late),
            refusal: self.refusal.take(),
            free,
        }
    }

    /// Called when the store could not be asked. Paid requests wait for it. Free requests are sent within this server's part
    /// of the limit, one of `servers`.
    pub fn without_store(&mut self, demand: Demand, servers: usize, now: Instant) {
        // The store gets these when it can be asked again.
        self.unused.extend(demand.unused);
        self.late = self.late.saturating_add(demand.late);
        self.refusal = self.refusal.or(demand.refusal);
        self.next = Some(now + AGAIN);
        if !demand.free {
            return;
        }
        let alone = self.alone.get_or_insert_with(|| AdaptiveLimiter::new(Some(part(demand.rule, servers))));
        let permit = HeldPermit { until: now + AGAIN, at: 0 };
        for _ in 0..demand.wanted {
            if alone.ready_at(now) > now {
                break;
            }
            alone.record_send(now);
            self.held.push_back(permit);
        }
    }
}

/// A limit divided by the number of servers.
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

//! The queue of one group: the waiting requests, the requests in flight, and the limits that throttling has lowered.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::adaptive::{AdaptiveLimiter, Rule, chance};
use super::held_permits::HeldPermits;
use super::taken_permits::Demand;
use crate::facts::Limit;

/// The most requests of a group in flight at once, if the table has no figure.
pub(super) const DEFAULT_IN_FLIGHT: usize = 10;

/// The same if the table's limits are off. A bound is needed, because MiniMax may still have limits, and each refusal slows
/// the group down.
const UNLIMITED_IN_FLIGHT: usize = 20;

/// How many waiters at the head are woken when the queue moves; they report their new position.
const WOKEN: usize = 20;

/// Which limits are enforced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimits {
    /// Enforce the table's limits. If false, requests wait only after refusals, and while twenty others of
    /// their group are in flight.
    pub keep: bool,
    /// Use the limits of the China host.
    pub china: bool,
    /// Keep the limits together with the other servers of the same account.
    pub shared: bool,
}

impl Default for RateLimits {
    fn default() -> Self {
        Self { keep: true, china: false, shared: false }
    }
}

/// How a request ended, as far as the limiter learns from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// MiniMax counts it: it was accepted, or refused because of its content.
    Counted,
    /// Refused because of a rate limit.
    Throttled {
        /// The limit is on connections that are open at once.
        connections: bool,
        /// How long MiniMax asks to wait.
        retry_after: Option<Duration>,
    },
    /// Refused for another reason, and the host asks to wait this long.
    Paused(Duration),
    /// The limiter learns nothing: no answer, or an error of the host.
    Unknown,
}

/// A ticket as the queue sees it.
pub(super) struct Waiter {
    pub group: &'static str,
    pub number: u64,
    /// Wakes the ticket after a change in its queue.
    pub wake: Notify,
}

/// The requests of one group.
pub(super) struct Queue {
    pub limiter: AdaptiveLimiter,
    pub waiting: BTreeMap<u64, Arc<Waiter>>,
    pub in_flight: usize,
    /// Promised requests whose row is still being written.
    pub expected: usize,
    /// The table's limit.
    most: usize,
    /// A lower limit, after MiniMax refused for too many connections.
    learned: Option<usize>,
    /// Requests accepted since `learned` last changed.
    calm: usize,
    /// [`Limit::tasks`].
    pub tasks: bool,
    pub free: bool,
    /// This server's permits of a limit that several servers keep together.
    pub held_permits: Option<HeldPermits>,
    /// How many servers keep that limit together.
    pub servers: usize,
}

/// A position in a queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueuePosition {
    /// From 1.
    pub place: usize,
    /// The expected wait, if it can be forecast.
    pub wait: Option<Duration>,
    /// What the queue waits for, in words.
    pub why: String,
}

impl Queue {
    pub fn of(row: Option<&Limit>, limits: RateLimits) -> Self {
        let unknown = Limit::default();
        let row = row.unwrap_or(&unknown);
        let keep = limits.keep || row.always;
        let most = row.in_flight.filter(|_| keep).and_then(|most| usize::try_from(most).ok());
        let usual = if keep { DEFAULT_IN_FLIGHT } else { UNLIMITED_IN_FLIGHT };
        let rule = rule(row, limits.china).filter(|_| keep);
        Self {
            held_permits: rule.filter(|_| limits.shared).map(|_| HeldPermits::default()),
            servers: 1,
            limiter: AdaptiveLimiter::new(rule),
            waiting: BTreeMap::new(),
            in_flight: 0,
            expected: 0,
            most: most.unwrap_or(usual).max(1),
            learned: None,
            calm: 0,
            tasks: row.tasks && keep,
            free: row.free,
        }
    }

    /// The most requests in flight. MiniMax counts the tasks of all servers, so each server starts its part of them.
    pub fn most(&self) -> usize {
        let most = self.learned.unwrap_or(self.most);
        if self.tasks { (most / self.servers).max(1) } else { most }
    }

    pub fn wake(&self) {
        self.wake_first(WOKEN);
    }

    pub fn wake_first(&self, count: usize) {
        for waiter in self.waiting.values().take(count) {
            waiter.wake.notify_one();
        }
    }

    /// Counts an accepted request. After enough of them the learned limit rises by one.
    fn on_accepted(&mut self) {
        let Some(learned) = self.learned else { return };
        self.calm += 1;
        let caution = usize::try_from(self.limiter.throttle_count().clamp(1, 8)).unwrap_or(8);
        if self.calm >= learned.saturating_mul(caution) {
            self.calm = 0;
            self.learned = Some(learned + 1).filter(|more| *more < self.most);
        }
    }

    pub fn on_response(&mut self, left: Instant, ending: Ending) {
        let now = Instant::now();
        match ending {
            Ending::Counted => {
                self.limiter.accepted(left);
                self.on_accepted();
            }
            Ending::Throttled { connections, retry_after } => {
                if connections {
                    if self.limiter.back_off(left, now) {
                        self.learned = Some((self.in_flight / 2).clamp(1, self.most));
                        self.calm = 0;
                    }
                    self.limiter.wait(retry_after, now, chance());
                } else {
                    self.limiter.refused(left, retry_after, now, chance());
                }
                if let Some(held) = &mut self.held_permits {
                    held.refused(self.limiter.pause(now), self.limiter.gap(now));
                }
            }
            Ending::Paused(asked) => self.limiter.wait(Some(asked), now, chance()),
            Ending::Unknown => {}
        }
    }

    /// What to ask the store for. The error means that there is nothing to ask now, and says when there may be.
    pub fn demand(
        &mut self,
        group: &'static str,
        is_crowded: bool,
        now: Instant,
    ) -> Result<Demand, Option<Instant>> {
        let (rule, free) = (self.limiter.rule().ok_or(None)?, self.free);
        let room = self.most().saturating_sub(self.in_flight);
        let wanted = (self.waiting.len() + self.expected).min(room);
        let ready_at = self.limiter.ready_at(now);
        let Some(held) = &mut self.held_permits else { return Err(None) };
        let wanted = wanted.saturating_sub(held.count(now));
        let can_send = wanted > 0 && (free || !is_crowded);
        let next = held.next(now).max(ready_at);
        if !held.was_refused() && (!can_send || next > now) {
            return Err(can_send.then_some(next));
        }
        let wanted = if can_send && next <= now { u32::try_from(wanted).unwrap_or(u32::MAX) } else { 0 };
        Ok(held.demand(group, rule, wanted, free))
    }

    /// What the first in the queue waits for.
    pub fn why(&self, now: Instant) -> String {
        let rule = self.limiter.rule();
        if let Some(rest) = self.limiter.pause(now) {
            return format!("MiniMax has refused others; the queue pauses for {} s", seconds(rest));
        }
        if self.in_flight >= self.most() {
            let who = if self.tasks || self.learned.is_some() { "MiniMax" } else { "this server" };
            let what = if self.tasks { "tasks" } else { "requests" };
            return format!("{who} allows {} {what} at a time", self.most());
        }
        match (self.limiter.gap(now), rule) {
            (Some(gap), _) => format!("after a refusal one is sent every {} s", seconds(gap)),
            (None, Some(rule)) => format!("MiniMax allows {}", words(rule)),
            (None, None) => "other requests are under way".to_owned(),
        }
    }

    pub fn position(&self, number: u64, now: Instant) -> Option<QueuePosition> {
        self.waiting.get(&number)?;
        let place = self.waiting.range(..number).count() + 1;
        Some(QueuePosition { place, wait: self.forecast(place, now), why: self.why(now) })
    }

    pub fn forecast(&self, place: usize, now: Instant) -> Option<Duration> {
        // The rate gives a forecast for short requests. The duration of a task is unknown.
        let quick = !self.tasks && self.limiter.rule().is_some();
        let room = self.most().saturating_sub(self.in_flight) >= place;
        let shared = self.held_permits.as_ref().and_then(|held| held.wait(now)).unwrap_or_default();
        (quick || room).then(|| self.limiter.forecast(place, now).duration_since(now).max(shared))
    }
}

/// The rule of a table row. An unusable window counts as a minute.
fn rule(row: &Limit, china: bool) -> Option<Rule> {
    let count = row.cn.filter(|_| china).or(row.count)?.max(1);
    let usual = Duration::from_secs(60);
    let window = Duration::try_from_secs_f64(row.seconds).unwrap_or(usual).min(Duration::from_secs(86_400));
    let window = if window.is_zero() { usual } else { window };
    // Three at once, or a twentieth of a large limit.
    let burst = row.burst.unwrap_or((count / 20).max(3)).clamp(1, count);
    Some(Rule { count, window, burst })
}

fn words(rule: Rule) -> String {
    match rule.window.as_millis() {
        60_000 => format!("{} a minute", rule.count),
        1000 => format!("{} a second", rule.count),
        _ => format!("{} in {} s", rule.count, rule.window.as_secs_f64()),
    }
}

/// Whole seconds, at least one.
pub(crate) fn seconds(time: Duration) -> u128 {
    time.as_millis().div_ceil(1000).max(1)
}

impl QueuePosition {
    /// As in "3rd in line, about 12 s, MiniMax allows 10 a minute".
    pub fn words(&self) -> String {
        let ending = match (self.place % 10, self.place % 100) {
            (_, 11..=13) => "th",
            (1, _) => "st",
            (2, _) => "nd",
            (3, _) => "rd",
            _ => "th",
        };
        let place = format!("{}{ending}", self.place);
        let wait = self.wait.filter(|wait| wait.as_millis() > 500);
        let wait = wait.map(|wait| format!(" for about {} s", seconds(wait))).unwrap_or_default();
        format!("{place} in line{wait}, {}", self.why)
    }
}

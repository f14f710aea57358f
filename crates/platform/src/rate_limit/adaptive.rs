//! When the next request of a group may be sent. A plain value: the caller passes the time in.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// The longest pause or gap, whatever `Retry-After` says.
pub(super) const LONGEST: Duration = Duration::from_secs(60);

/// The first pause after a throttled request, and the smallest gap it sets.
const FIRST: Duration = Duration::from_secs(1);

/// The shortest pause that a `Retry-After` sets.
const SHORTEST: Duration = Duration::from_millis(200);

/// The smallest gap that is kept.
const NOTHING: Duration = Duration::from_millis(50);

/// How long without a throttled request it takes to forget the back-off.
const FORGOTTEN: Duration = Duration::from_secs(600);

/// A rate limit: `count` requests in `window`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rule {
    pub count: u32,
    pub window: Duration,
    /// How many may be sent at once after a pause.
    pub burst: u32,
}

impl Rule {
    /// The window with a margin, because the travel times of requests differ.
    pub(super) fn kept(self) -> Duration {
        self.window + (self.window / 50).max(Duration::from_millis(250))
    }

    fn spacing(self) -> Duration {
        self.kept() / self.count.max(1)
    }
}

/// The send times of one group, and the back-off after refusals.
#[derive(Debug, Clone, Default)]
pub(super) struct AdaptiveLimiter {
    rule: Option<Rule>,
    /// The latest send times within the window.
    left: VecDeque<Instant>,
    /// When the next request is due at an even spacing.
    due: Option<Instant>,
    last: Option<Instant>,
    /// Nothing is sent before this time.
    pause: Option<Instant>,
    /// The least time between two requests while backing off.
    gap: Option<Duration>,
    /// The last throttled request that counted. Refusals of requests sent before it are not news.
    last_throttled: Option<Instant>,
    /// Throttled requests in all; more of them slow the recovery.
    throttle_count: u32,
    /// Throttled requests in a row.
    streak: u32,
}

impl AdaptiveLimiter {
    pub fn new(rule: Option<Rule>) -> Self {
        Self { rule, ..Self::default() }
    }

    pub fn rule(&self) -> Option<Rule> {
        self.rule
    }

    /// When a request that is ready `now` may be sent.
    ///
    /// No window ever holds more than the rule allows. Within it the first few go at once and the others at an even
    /// spacing, because MiniMax may count a minute in slices.
    pub fn ready_at(&self, now: Instant) -> Instant {
        let mut at = now.max(self.pause.unwrap_or(now));
        if let (Some(gap), Some(last)) = (self.gap(now), self.last) {
            at = at.max(last + gap);
        }
        if let Some(rule) = self.rule {
            let ahead = rule.spacing() * rule.burst.saturating_sub(1);
            if let Some(due) = self.due.and_then(|due| due.checked_sub(ahead)) {
                at = at.max(due);
            }
            let full = self.left.len().checked_sub(rule.count.max(1) as usize);
            if let Some(first) = full.and_then(|index| self.left.get(index)) {
                at = at.max(*first + rule.kept());
            }
        }
        at
    }

    /// Records a request that is sent now.
    pub fn record_send(&mut self, now: Instant) {
        if let Some(rule) = self.rule {
            while self.left.front().is_some_and(|first| *first + rule.kept() <= now) {
                self.left.pop_front();
            }
            self.left.push_back(now);
            self.due = Some(self.due.map_or(now, |due| due.max(now)) + rule.spacing());
        }
        self.last = Some(self.last.map_or(now, |last| last.max(now)));
    }

    /// Corrects the send time of a request from `planned` to `now`.
    pub fn correct_send(&mut self, planned: Instant, now: Instant) {
        if let Some(index) = self.left.iter().rposition(|at| *at == planned) {
            self.left.remove(index);
            let place = self.left.partition_point(|at| *at <= now);
            self.left.insert(place, now);
        }
        self.last = Some(self.last.map_or(now, |last| last.max(now)));
    }

    /// Removes a request that was planned and never sent.
    pub fn cancel_send(&mut self, planned: Instant) {
        if let Some(index) = self.left.iter().rposition(|at| *at == planned) {
            self.left.remove(index);
            if let Some(rule) = self.rule {
                self.due = self.due.and_then(|due| due.checked_sub(rule.spacing()));
            }
        }
    }

    /// MiniMax accepted the request sent at `left`, so the gap shrinks a little.
    pub fn accepted(&mut self, left: Instant) {
        if self.last_throttled.is_some_and(|last_throttled| left <= last_throttled) {
            return;
        }
        self.streak = 0;
        if let Some(gap) = self.gap {
            let less = gap.mul_f64(1.0 - 0.15 / f64::from(self.throttle_count.clamp(1, 8)));
            let usual = self.rule.map_or(Duration::ZERO, Rule::spacing).max(NOTHING);
            self.gap = Some(less).filter(|gap| *gap > usual);
        }
    }

    /// MiniMax throttled the request sent at `left`: the group pauses, then sends at half the rate.
    pub fn refused(&mut self, left: Instant, asked: Option<Duration>, now: Instant, chance: f64) {
        if self.back_off(left, now) {
            let usual = self.rule.map_or(Duration::ZERO, Rule::spacing);
            let before = self.gap.unwrap_or(usual).max(FIRST / 2);
            self.gap = Some((before * 2).min(LONGEST));
        }
        self.wait(asked, now, chance);
    }

    /// Counts a throttled request, unless it was sent before the last one that counted. Returns whether it counts.
    pub fn back_off(&mut self, left: Instant, now: Instant) -> bool {
        let news = self.last_throttled.is_none_or(|last_throttled| left > last_throttled);
        if news {
            if self.last_throttled.is_none_or(|last_throttled| now.duration_since(last_throttled) > FORGOTTEN)
            {
                (self.gap, self.throttle_count, self.streak) = (None, 0, 0);
            }
            self.throttle_count = self.throttle_count.saturating_add(1);
            self.streak = self.streak.saturating_add(1);
            self.last_throttled = Some(now);
        }
        news
    }

    /// Pauses the group for as long as MiniMax asked, or else exponentially longer with each refusal in a row.
    pub fn wait(&mut self, asked: Option<Duration>, now: Instant, chance: f64) {
        let grown = FIRST.saturating_mul(2_u32.saturating_pow(self.streak.saturating_sub(1).min(10)));
        let spread = grown.mul_f64(0.75 + chance.clamp(0.0, 1.0) / 2.0);
        let wait = asked.map_or(spread, |asked| asked.max(SHORTEST)).min(LONGEST);
        self.pause = Some(self.pause.map_or(now + wait, |until| until.max(now + wait)));
    }

    /// The least time between two requests while backing off.
    pub fn gap(&self, now: Instant) -> Option<Duration> {
        self.gap.filter(|_| {
            self.last_throttled.is_some_and(|last_throttled| now.duration_since(last_throttled) <= FORGOTTEN)
        })
    }

    /// The rest of the pause after a refusal.
    pub fn pause(&self, now: Instant) -> Option<Duration> {
        self.pause.and_then(|until| until.checked_duration_since(now)).filter(|rest| !rest.is_zero())
    }

    pub fn throttle_count(&self) -> u32 {
        self.throttle_count
    }

    /// When the request at `place` in the queue (1 is the first) may be sent if all before it are.
    pub fn forecast(&self, place: usize, now: Instant) -> Instant {
        let (mut ahead, mut at) = (self.clone(), now);
        for _ in 0..place.min(FORECAST_LIMIT) {
            at = ahead.ready_at(at);
            ahead.record_send(at);
        }
        at
    }
}

/// The forecast looks no further ahead than this position.
const FORECAST_LIMIT: usize = 5000;

/// A random number in 0..1. It is the jitter that keeps clients from retrying in step.
pub fn chance() -> f64 {
    f64::from(getrandom::u32().unwrap_or(u32::MAX / 2)) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests;

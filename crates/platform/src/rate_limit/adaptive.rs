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
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rule(count: u32, seconds: u64, burst: u32) -> Rule {
        Rule { count, window: Duration::from_secs(seconds), burst }
    }

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// The send times of `count` requests that are all ready at once.
    fn departures(limiter: &mut AdaptiveLimiter, start: Instant, count: usize) -> Vec<Instant> {
        let mut now = start;
        let mut left = Vec::new();
        for _ in 0..count {
            now = limiter.ready_at(now);
            limiter.record_send(now);
            left.push(now);
        }
        left
    }

    #[test]
    fn three_requests_are_sent_at_once_and_sixteen_within_two_windows() {
        let start = Instant::now();
        let mut limiter = AdaptiveLimiter::new(Some(rule(10, 60, 3)));
        let left = departures(&mut limiter, start, 16);
        assert_eq!(left[2], start);
        assert!(left[3] > start && left[15] < start + seconds(100));
        for pair in left.windows(11) {
            assert!(pair[10] - pair[0] > seconds(60), "eleven within a minute");
        }
    }

    #[test]
    fn a_pause_allows_one_burst_again_and_no_more() {
        let start = Instant::now();
        let mut limiter = AdaptiveLimiter::new(Some(rule(10, 60, 3)));
        departures(&mut limiter, start, 10);
        let later = start + seconds(3600);
        let left = departures(&mut limiter, later, 5);
        assert_eq!((left[0], left[2]), (later, later));
        assert!(left[3] > later);
    }

    #[test]
    fn a_refusal_pauses_the_group_and_halves_the_rate_until_requests_are_accepted() {
        let start = Instant::now();
        let mut limiter = AdaptiveLimiter::new(Some(rule(10, 60, 3)));
        limiter.record_send(start);
        limiter.record_send(start);
        limiter.refused(start, None, start + seconds(1), 0.5);
        let gap = limiter.gap(start + seconds(1)).unwrap();
        // Another refusal from the same moment changes nothing.
        limiter.refused(start, None, start + seconds(1), 0.5);
        assert_eq!(limiter.gap(start + seconds(1)), Some(gap));
        assert!(gap >= seconds(12), "half of ten a minute: {gap:?}");
        let mut now = start + seconds(1);
        let mut taken = 0;
        while limiter.gap(now).is_some() {
            now = limiter.ready_at(now);
            limiter.record_send(now);
            limiter.accepted(now);
            taken += 1;
            assert!(taken < 20, "it recovers");
        }
        assert!(taken > 2, "slowly");
    }

    #[test]
    fn refusals_in_a_row_lengthen_the_pauses_up_to_a_minute() {
        let start = Instant::now();
        let mut limiter = AdaptiveLimiter::new(None);
        let (mut now, mut waits) = (start, Vec::new());
        for _ in 0..9 {
            limiter.record_send(now);
            limiter.refused(now, None, now, 0.5);
            waits.push(limiter.pause(now).unwrap());
            now = limiter.ready_at(now);
        }
        assert!(waits.windows(2).all(|pair| pair[0] < pair[1] || pair[1] == LONGEST), "{waits:?}");
        assert_eq!(waits.last(), Some(&LONGEST));
    }

    #[test]
    fn retry_after_holds_the_whole_group_and_is_capped() {
        let start = Instant::now();
        let mut limiter = AdaptiveLimiter::new(Some(rule(10, 60, 10)));
        limiter.record_send(start);
        limiter.refused(start, Some(seconds(20)), start, 0.0);
        assert_eq!(limiter.pause(start), Some(seconds(20)));
        assert!(limiter.ready_at(start) >= start + seconds(20));
        limiter.record_send(start + seconds(21));
        limiter.refused(start + seconds(21), Some(seconds(1_000_000_000)), start + seconds(21), 0.0);
        assert_eq!(limiter.pause(start + seconds(21)), Some(LONGEST));
    }

    #[test]
    fn a_learned_limit_is_forgotten_after_a_while() {
        let start = Instant::now();
        let mut limiter = AdaptiveLimiter::new(None);
        limiter.record_send(start);
        limiter.refused(start, None, start, 0.5);
        assert!(limiter.gap(start + seconds(60)).is_some());
        assert_eq!(limiter.gap(start + seconds(700)), None);
        // The old refusal does not make the next pause longer either.
        let later = start + seconds(700);
        limiter.record_send(later);
        limiter.refused(later, None, later, 0.5);
        assert_eq!(limiter.pause(later), Some(FIRST));
    }

    proptest! {
        /// No window holds more than the limit, for any arrivals and any responses.
        #[test]
        fn no_window_ever_holds_more_than_the_limit(
            count in 1_u32..30,
            window in 1_u64..90,
            burst in 1_u32..30,
            arrivals in prop::collection::vec((0_u64..20_000, 0_u8..8), 1..200),
        ) {
            let rule = rule(count, window, burst.min(count));
            let mut limiter = AdaptiveLimiter::new(Some(rule));
            let mut now = Instant::now();
            let mut left: Vec<Instant> = Vec::new();
            for (pause, answer) in arrivals {
                now = limiter.ready_at(now + Duration::from_millis(pause));
                limiter.record_send(now);
                match answer {
                    0 => limiter.refused(now, None, now, 0.5),
                    1 => limiter.refused(now, Some(Duration::from_secs(3)), now, 0.5),
                    2 => {
                        limiter.cancel_send(now);
                        continue;
                    }
                    3 => {
                        let later = now + Duration::from_millis(100);
                        limiter.correct_send(now, later);
                        now = later;
                        limiter.accepted(now);
                    }
                    _ => limiter.accepted(now),
                }
                left.push(now);
            }
            let most = count as usize;
            for pair in left.windows(most + 1) {
                prop_assert!(pair[most] - pair[0] > rule.window);
            }
        }

        /// The forecast for a position is exact if nothing else happens.
        #[test]
        fn the_forecast_equals_the_actual_wait(count in 1_u32..20, window in 1_u64..60, place in 1_usize..60) {
            let start = Instant::now();
            let mut limiter = AdaptiveLimiter::new(Some(rule(count, window, 3.min(count))));
            departures(&mut limiter, start, 4);
            let forecast = limiter.forecast(place, start);
            let left = departures(&mut limiter, start, place);
            prop_assert_eq!(left.last(), Some(&forecast));
        }
    }
}

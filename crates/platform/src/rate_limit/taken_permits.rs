//! The permits of a limit that several servers share, and all arithmetic on them. The caller passes in the time of the
//! database.
//!
//! A server takes permits that expire soon ([`life`]), and may leave them unused. A permit counts from the moment when it
//! was taken until its life and the window have passed. So no window ever holds more than the limit, whenever within its
//! life a permit is used.

use std::collections::VecDeque;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::adaptive::{LONGEST, Rule};

/// While few permits are taken, a server takes one in `MORE` of the limit in advance. It takes none of a small limit,
/// because other servers would lack them.
const MORE: u32 = 40;

/// The permits of one group that all servers have taken lately. Times are Unix milliseconds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TakenPermits {
    /// When permits were taken, and how many at that time.
    taken: VecDeque<(i64, u32)>,
    /// When the next permit is due at an even spacing.
    due: i64,
    last: i64,
    /// Nothing is sent before this time.
    paused_until: i64,
    /// The least time between two requests after a refusal.
    gap: i64,
}

/// A server's request for permits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Demand {
    /// The group.
    pub group: &'static str,
    pub(super) rule: Rule,
    /// Requests that could be sent now.
    pub(super) wanted: u32,
    /// Permits that were taken and not used.
    pub(super) unused: Vec<(i64, u32)>,
    /// Requests that were sent after their permit had expired.
    pub(super) late: u32,
    pub(super) refusal: Option<Refusal>,
    /// Whether the requests of the group buy nothing.
    pub(super) free: bool,
}

/// MiniMax has throttled a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Refusal {
    pub pause: Duration,
    pub gap: Option<Duration>,
}

/// The permits that a server gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grant {
    /// Identifies the permits when they are given back.
    pub(super) at: i64,
    pub(super) count: u32,
    /// How long until there may be another permit.
    pub(super) wait: Duration,
}

/// How long a permit can be used.
pub(super) fn life(rule: Rule) -> Duration {
    (rule.window / 20).clamp(Duration::from_millis(100), Duration::from_secs(2))
}

fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

impl TakenPermits {
    /// Takes permits at `now`.
    pub fn take(&mut self, demand: &Demand, now: i64) -> Grant {
        let rule = demand.rule;
        let kept = millis(rule.kept() + life(rule));
        // Rounded up. With a rounded-down spacing, the last permit of a window would be due a millisecond early.
        let spacing =
            millis(rule.kept()).saturating_add(millis(life(rule))) / i64::from(rule.count.max(1)) + 1;
        let ahead = spacing * i64::from(rule.burst.saturating_sub(1));
        self.give_back(&demand.unused, spacing);
        self.learn(demand.refusal, now);
        while self.taken.front().is_some_and(|(at, _)| at.saturating_add(kept) <= now) {
            self.taken.pop_front();
        }
        // Permits of about the same time are one entry, which counts from the end of that time.
        let slice = (millis(rule.window) / 100).max(1);
        let at = (now / slice + 1) * slice;
        self.add(at, demand.late);
        let used: u32 = self.taken.iter().map(|(_, count)| count).sum();
        let room = rule.count.saturating_sub(used);
        let mut count = 0;
        if now >= self.paused_until && self.gap > spacing {
            if now >= self.last.saturating_add(self.gap) {
                count = demand.wanted.min(room).min(1);
                // The gap shrinks while MiniMax accepts requests.
                self.gap -= if count > 0 { self.gap / 8 } else { 0 };
            }
        } else if now >= self.paused_until {
            // Far from the limit, a server takes some permits in advance, so that it asks less often.
            let is_far = used.saturating_add(demand.wanted) <= rule.count / 2;
            let more = if is_far && demand.wanted > 0 { rule.count / MORE } else { 0 };
            let most = demand.wanted.saturating_add(more).min(room);
            while count < most && self.due.saturating_sub(ahead) <= now {
                self.due = self.due.max(now).saturating_add(spacing);
                count += 1;
            }
        }
        if count > 0 {
            self.last = now;
            self.add(at, count);
        }
        let full = rule.count.saturating_sub(used).saturating_sub(count) == 0;
        let free_at = self.taken.front().filter(|_| full).map_or(now, |(at, _)| at.saturating_add(kept));
        let gap_at = if self.gap > spacing {
            self.last.saturating_add(self.gap)
        } else {
            self.due.saturating_sub(ahead)
        };
        let wait = free_at.max(gap_at).max(self.paused_until).saturating_sub(now);
        Grant { at, count, wait: Duration::from_millis(u64::try_from(wait).unwrap_or_default()).min(LONGEST) }
    }

    fn add(&mut self, at: i64, count: u32) {
        match self.taken.back_mut() {
            _ if count == 0 => {}
            // The database's clock may have been set back.
            Some((last, known)) if *last >= at => *known = known.saturating_add(count),
            _ => self.taken.push_back((at, count)),
        }
    }

    fn give_back(&mut self, unused: &[(i64, u32)], spacing: i64) {
        for (at, count) in unused {
            if let Some((_, known)) = self.taken.iter_mut().find(|(taken, _)| taken == at) {
                let count = (*count).min(*known);
                *known -= count;
                self.due = self.due.saturating_sub(spacing * i64::from(count));
            }
        }
        self.taken.retain(|(_, count)| *count > 0);
    }

    fn learn(&mut self, refusal: Option<Refusal>, now: i64) {
        let Some(Refusal { pause, gap }) = refusal else { return };
        self.paused_until = self.paused_until.max(now.saturating_add(millis(pause.min(LONGEST))));
        self.gap = self.gap.max(gap.map_or(0, millis)).min(millis(LONGEST));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn demand(count: u32, seconds: u64, burst: u32, wanted: u32) -> Demand {
        let rule = Rule { count, window: Duration::from_secs(seconds), burst };
        Demand { group: "image", rule, wanted, unused: Vec::new(), late: 0, refusal: None, free: false }
    }

    #[test]
    fn a_limit_of_ten_a_minute_holds_for_all_servers_together() {
        let mut permits = TakenPermits::default();
        let demand = demand(10, 60, 10, 4);
        let counts: Vec<_> = (0..5).map(|server| permits.take(&demand, 1_000 + server).count).collect();
        assert_eq!(counts.iter().sum::<u32>(), 10, "{counts:?}");
        let wait = permits.take(&demand, 2_000).wait;
        assert!(wait > Duration::from_secs(59), "{wait:?}");
        assert_eq!(permits.take(&demand, 60_500).count, 0, "the minute of the first is not over");
        assert_eq!(permits.take(&demand, 65_000).count, 4);
    }

    #[test]
    fn a_permit_that_is_given_back_can_be_taken_again() {
        let mut permits = TakenPermits::default();
        let first = permits.take(&demand(10, 60, 10, 10), 1_000);
        assert_eq!(first.count, 10);
        let back = Demand { unused: vec![(first.at, 3)], ..demand(10, 60, 10, 10) };
        assert_eq!(permits.take(&back, 1_100).count, 3);
    }

    #[test]
    fn far_from_the_limit_a_server_takes_permits_in_advance() {
        let mut permits = TakenPermits::default();
        assert_eq!(permits.take(&demand(600, 60, 30, 1), 1_000).count, 16);
        assert_eq!(
            permits.take(&demand(600, 60, 30, 0), 1_000).count,
            0,
            "a server without requests takes none"
        );
    }

    #[test]
    fn a_refusal_of_one_server_slows_all_until_requests_are_accepted() {
        let mut permits = TakenPermits::default();
        let refusal = Some(Refusal { pause: Duration::from_secs(3), gap: Some(Duration::from_secs(12)) });
        assert_eq!(permits.take(&Demand { refusal, ..demand(10, 60, 3, 1) }, 101_000).count, 0);
        let other = demand(10, 60, 3, 3);
        let waits = permits.take(&other, 101_100);
        assert_eq!((waits.count, waits.wait), (0, Duration::from_millis(2_900)));
        assert_eq!(permits.take(&other, 104_000).count, 1);
        assert!(permits.take(&other, 105_000).wait > Duration::from_secs(9));
        let (mut now, mut sent) = (104_000, 0);
        while permits.gap > 6_400 {
            now += 1_000;
            sent += permits.take(&other, now).count;
            assert!(sent < 20 && now < 1_000_000, "it recovers");
        }
    }

    proptest! {
        /// For any number of servers, and any demands, delays of use and returned permits.
        #[test]
        fn no_window_ever_holds_more_than_the_limit(
            count in 1_u32..30,
            seconds in 1_u64..90,
            burst in 1_u32..30,
            steps in prop::collection::vec((0_i64..5_000, 0_u32..8, 0_i64..2_000, any::<bool>()), 1..200),
        ) {
            let base = demand(count, seconds, burst.min(count), 0);
            let (mut permits, mut now) = (TakenPermits::default(), 1_000);
            let (mut sent, mut unused) = (Vec::new(), Vec::new());
            for (pause, wanted, delay, uses) in steps {
                now += pause;
                let asked = Demand { wanted, unused: std::mem::take(&mut unused), ..base.clone() };
                let grant = permits.take(&asked, now);
                if uses {
                    let used = now + delay.min(millis(life(base.rule)));
                    sent.extend((0..grant.count).map(|_| used));
                } else if grant.count > 0 {
                    unused.push((grant.at, grant.count));
                }
            }
            sent.sort_unstable();
            for pair in sent.windows(count as usize + 1) {
                prop_assert!(pair[count as usize] - pair[0] > millis(base.rule.window));
            }
        }
    }
}

//! One line: who waits, what is under way, and what MiniMax has said.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::meter::{Meter, Rule};
use super::{Pacing, Spot};
use crate::api::{ApiError, chance};
use crate::facts::{Class, Limit};

/// Where the table says nothing, so many requests of a group may be under way at once.
pub(super) const USUAL_IN_FLIGHT: usize = 10;

/// So many at the head of a line are told of each step that it makes.
const TOLD: usize = 20;

/// MiniMax's code for too many connections.
const CONNECTIONS: i64 = 1041;

/// The requests of one group.
pub(super) struct Line {
    pub meter: Meter,
    pub waiting: BTreeMap<u64, Arc<Spot>>,
    pub in_flight: usize,
    /// Those that will join when they have written something down.
    pub expected: usize,
    /// By the table.
    most: usize,
    /// Fewer, because MiniMax said so.
    learned: Option<usize>,
    /// Taken since that last changed.
    calm: usize,
    /// [`Limit::tasks`].
    pub tasks: bool,
    pub free: bool,
}

/// Where somebody stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// From 1.
    pub place: usize,
    /// Until its turn, as far as that can be foreseen.
    pub wait: Option<Duration>,
    /// What it waits for, in words.
    pub why: String,
}

impl Line {
    pub fn of(row: Option<&Limit>, pacing: Pacing) -> Self {
        let unknown = Limit::default();
        let row = row.unwrap_or(&unknown);
        let keep = pacing.keep || row.always;
        let most = row.in_flight.filter(|_| keep || !row.tasks).and_then(|most| usize::try_from(most).ok());
        Self {
            meter: Meter::new(rule(row, pacing.china).filter(|_| keep)),
            waiting: BTreeMap::new(),
            in_flight: 0,
            expected: 0,
            most: most.unwrap_or(USUAL_IN_FLIGHT).max(1),
            learned: None,
            calm: 0,
            tasks: row.tasks && keep,
            free: row.free,
        }
    }

    pub fn most(&self) -> usize {
        self.learned.unwrap_or(self.most)
    }

    pub fn stir(&self) {
        self.stir_some(TOLD);
    }

    pub fn stir_some(&self, count: usize) {
        for spot in self.waiting.values().take(count) {
            spot.stir.notify_one();
        }
    }

    /// One more request was taken: after enough of them one more may be under way.
    fn taken(&mut self) {
        let Some(learned) = self.learned else { return };
        self.calm += 1;
        let caution = usize::try_from(self.meter.lessons().clamp(1, 8)).unwrap_or(8);
        if self.calm >= learned.saturating_mul(caution) {
            self.calm = 0;
            self.learned = Some(learned + 1).filter(|more| *more < self.most);
        }
    }

    pub fn heard(&mut self, left: Instant, error: Option<&ApiError>) {
        let now = Instant::now();
        match error {
            None => {
                self.meter.accepted(left);
                self.taken();
            }
            Some(error) if error.class() == Class::Rate => {
                if error.code() == Some(CONNECTIONS) {
                    if self.meter.learns(left, now) {
                        self.learned = Some((self.in_flight / 2).clamp(1, self.most));
                        self.calm = 0;
                    }
                    self.meter.wait(error.retry_after(), now, chance());
                } else {
                    self.meter.refused(left, error.retry_after(), now, chance());
                }
            }
            Some(error) => {
                if let Some(asked) = error.retry_after() {
                    self.meter.wait(Some(asked), now, chance());
                } else if matches!(error, ApiError::Refused { status: ..500, .. }) {
                    self.meter.accepted(left);
                    self.taken();
                }
            }
        }
    }

    /// What the first of the line waits for.
    pub fn why(&self, now: Instant) -> String {
        let rule = self.meter.rule();
        if let Some(rest) = self.meter.pause(now) {
            return format!("MiniMax has refused others; a pause of {} s is kept", seconds(rest));
        }
        if self.in_flight >= self.most() {
            let who = if self.tasks || self.learned.is_some() { "MiniMax" } else { "this server" };
            let what = if self.tasks { "tasks" } else { "requests" };
            return format!("{who} allows {} {what} at a time", self.most());
        }
        match (self.meter.gap(now), rule) {
            (Some(gap), _) => format!("after a refusal one leaves every {} s", seconds(gap)),
            (None, Some(rule)) => format!("MiniMax allows {}", words(rule)),
            (None, None) => "other requests are under way".to_owned(),
        }
    }

    pub fn standing(&self, number: u64, now: Instant) -> Option<Standing> {
        self.waiting.get(&number)?;
        let place = self.waiting.range(..number).count() + 1;
        Some(Standing { place, wait: self.foreseen(place, now), why: self.why(now) })
    }

    pub fn foreseen(&self, place: usize, now: Instant) -> Option<Duration> {
        // Where requests come and go quickly, the rate is what counts; how long a task takes nobody knows.
        let quick = !self.tasks && self.meter.rule().is_some();
        let room = self.most().saturating_sub(self.in_flight) >= place;
        (quick || room).then(|| self.meter.foresee(place, now).duration_since(now))
    }
}

/// What a row of the table comes to. A window that is no length of time is a minute.
fn rule(row: &Limit, china: bool) -> Option<Rule> {
    let count = row.cn.filter(|_| china).or(row.count)?.max(1);
    let usual = Duration::from_secs(60);
    let window = Duration::try_from_secs_f64(row.seconds).unwrap_or(usual).min(Duration::from_secs(86_400));
    let window = if window.is_zero() { usual } else { window };
    // One person's handful at once; a twentieth where many are allowed.
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
pub(super) fn seconds(time: Duration) -> u128 {
    time.as_millis().div_ceil(1000).max(1)
}

impl Standing {
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

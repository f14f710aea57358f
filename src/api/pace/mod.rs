//! Rate limits kept from this side: requests of one group stand in one line and leave when MiniMax takes them.
//!
//! Whoever wants to send takes a [`Ticket`], waits for its [`Turn`], and tells it how the request ended: a
//! refusal for too much teaches the whole line. A refused request keeps its ticket, and with it its place before
//! all that came later. Dropping a ticket leaves the line; dropping a turn unused takes nothing of the limit.
//!
//! Everything is behind one lock that is never held across an await; the arithmetic is in [`meter`].

mod meter;
mod send;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

pub use send::{LOOK_PATIENCE, PATIENCE, in_turn};

use super::{ApiError, chance};
use crate::facts::{Class, Limit, facts};
use meter::{Meter, Rule};

/// The groups that limits are kept for; their limits are in `facts.json`, by these names.
pub mod group {
    /// Images.
    pub const IMAGE: &str = "image";
    /// Speech in one request, streamed or live.
    pub const SPEECH: &str = "speech";
    /// Voices from recordings.
    pub const CLONING: &str = "voice cloning";
    /// Voices from descriptions.
    pub const DESIGN: &str = "voice design";
    /// Video, Hailuo.
    pub const VIDEO_V1: &str = "video V1";
    /// Video, H3.
    pub const VIDEO_V2: &str = "video V2";
    /// Music.
    pub const MUSIC: &str = "music";
    /// Looks at tasks of long speech.
    pub const LONG_SPEECH_LOOKS: &str = "looks at long speech";
    /// Looks at tasks.
    pub const LOOKS: &str = "looks at tasks";
    /// Other requests that cost nothing.
    pub const READS: &str = "reads";
    /// Other requests that cost something.
    pub const OTHER: &str = "other requests";
}

/// Requests that buy, of all groups together, that may be under way at once.
const OVERALL: usize = 48;

/// Where the table says nothing, so many requests of a group may be under way at once.
const USUAL_IN_FLIGHT: usize = 10;

/// So many at the head of a line are told of each step that it makes.
const TOLD: usize = 20;

/// MiniMax's code for too many connections.
const CONNECTIONS: i64 = 1041;

/// Which limits hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pacing {
    /// Whether the table's limits are kept, or only what refusals teach.
    pub keep: bool,
    /// Whether those of the China host hold.
    pub china: bool,
}

impl Default for Pacing {
    fn default() -> Self {
        Self { keep: true, china: false }
    }
}

/// The lines of one account.
pub struct Pace {
    pacing: Pacing,
    lines: Mutex<Lines>,
}

impl fmt::Debug for Pace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pace").field("pacing", &self.pacing).finish_non_exhaustive()
    }
}

#[derive(Default)]
struct Lines {
    /// The next ticket's number: one count for all lines.
    number: u64,
    /// Requests that buy and are under way.
    buying: usize,
    by_group: BTreeMap<&'static str, Line>,
}

struct Line {
    meter: Meter,
    waiting: BTreeMap<u64, Arc<Spot>>,
    in_flight: usize,
    /// By the table.
    most: usize,
    /// Fewer, because MiniMax said so.
    learned: Option<usize>,
    /// Taken since that last changed.
    calm: usize,
    /// [`Limit::tasks`].
    tasks: bool,
    free: bool,
}

/// One ticket, as the line knows it.
struct Spot {
    group: &'static str,
    number: u64,
    /// Something has moved.
    stir: Notify,
}

enum Attempt {
    Go(Turn),
    At(Instant),
    Behind,
}

/// What a wait in the line brought.
pub enum Step {
    /// The request may leave.
    Turn(Turn),
    /// The line has moved; the place in it may be another.
    Moved,
}

/// A place in a line.
pub struct Ticket {
    pace: Arc<Pace>,
    spot: Arc<Spot>,
}

/// A look at a place in a line, for whoever is told about it.
#[derive(Clone)]
pub struct Waiting {
    pace: Arc<Pace>,
    spot: Arc<Spot>,
}

impl fmt::Debug for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waiting").field("group", &self.spot.group).finish_non_exhaustive()
    }
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

/// Permission to send one request, now.
pub struct Turn {
    place: Option<Place>,
    /// When the request leaves, or has left.
    at: Instant,
    gone: bool,
}

/// One of those that may be under way at once. Dropping it makes room.
pub struct Place {
    pace: Arc<Pace>,
    group: &'static str,
}

impl Pace {
    /// Lines without anybody in them.
    pub fn new(pacing: Pacing) -> Arc<Self> {
        Arc::new(Self { pacing, lines: Mutex::default() })
    }

    /// Takes the next ticket of a group. It is in the line at once.
    pub fn join(self: &Arc<Self>, group: &'static str) -> Ticket {
        let mut lines = self.lines();
        lines.number += 1;
        let spot = Arc::new(Spot { group, number: lines.number, stir: Notify::new() });
        lines.line(group, self.pacing).waiting.insert(spot.number, Arc::clone(&spot));
        drop(lines);
        Ticket { pace: Arc::clone(self), spot }
    }

    /// Counts a task that is under way already, of a group whose tasks are counted.
    pub fn occupy(self: &Arc<Self>, group: &'static str) -> Option<Place> {
        let mut lines = self.lines();
        let line = lines.line(group, self.pacing);
        line.tasks.then(|| {
            line.in_flight += 1;
            Place { pace: Arc::clone(self), group }
        })
    }

    /// How many wait or are under way, in all lines: for tests of what is left behind.
    pub fn census(&self) -> (usize, usize) {
        let lines = self.lines();
        let sum = |count: fn(&Line) -> usize| lines.by_group.values().map(count).sum();
        (sum(|line| line.waiting.len()), sum(|line| line.in_flight))
    }

    fn lines(&self) -> MutexGuard<'_, Lines> {
        // Counts are still counts after a panic elsewhere.
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn attempt(self: &Arc<Self>, spot: &Arc<Spot>) -> Attempt {
        let now = Instant::now();
        let mut lines = self.lines();
        let crowded = lines.buying >= OVERALL;
        let line = lines.line(spot.group, self.pacing);
        // A request that was refused comes back to where it stood.
        line.waiting.entry(spot.number).or_insert_with(|| Arc::clone(spot));
        let first = line.waiting.first_key_value().is_some_and(|(number, _)| *number == spot.number);
        if !first || line.in_flight >= line.most() || (crowded && !line.free) {
            return Attempt::Behind;
        }
        let at = line.meter.ready_at(now);
        if at > now {
            return Attempt::At(at);
        }
        line.waiting.remove(&spot.number);
        line.meter.leave(now);
        line.in_flight += 1;
        line.stir();
        if !line.free {
            lines.buying += 1;
        }
        let place = Place { pace: Arc::clone(self), group: spot.group };
        Attempt::Go(Turn { place: Some(place), at: now, gone: false })
    }
}

impl Lines {
    fn line(&mut self, group: &'static str, pacing: Pacing) -> &mut Line {
        self.by_group.entry(group).or_insert_with(|| Line::of(facts().limit(group), pacing))
    }

    /// Room for one more of any group: the first of each line look.
    fn stir_first(&self) {
        for line in self.by_group.values() {
            line.stir_some(1);
        }
    }
}

impl Line {
    fn of(row: Option<&Limit>, pacing: Pacing) -> Self {
        let unknown = Limit::default();
        let row = row.unwrap_or(&unknown);
        let keep = pacing.keep || row.always;
        let most = row.in_flight.filter(|_| keep || !row.tasks).and_then(|most| usize::try_from(most).ok());
        Self {
            meter: Meter::new(rule(row, pacing.china).filter(|_| keep)),
            waiting: BTreeMap::new(),
            in_flight: 0,
            most: most.unwrap_or(USUAL_IN_FLIGHT).max(1),
            learned: None,
            calm: 0,
            tasks: row.tasks && keep,
            free: row.free,
        }
    }

    fn most(&self) -> usize {
        self.learned.unwrap_or(self.most)
    }

    fn stir(&self) {
        self.stir_some(TOLD);
    }

    fn stir_some(&self, count: usize) {
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

    fn heard(&mut self, left: Instant, error: Option<&ApiError>) {
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
    fn why(&self, now: Instant) -> String {
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

    fn standing(&self, number: u64, now: Instant) -> Option<Standing> {
        self.waiting.get(&number)?;
        let place = self.waiting.range(..number).count() + 1;
        Some(Standing { place, wait: self.foreseen(place, now), why: self.why(now) })
    }

    fn foreseen(&self, place: usize, now: Instant) -> Option<Duration> {
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

impl Ticket {
    /// The turn, if nobody need wait.
    pub fn try_turn(&mut self) -> Option<Turn> {
        match self.pace.attempt(&self.spot) {
            Attempt::Go(turn) => Some(turn),
            Attempt::At(_) | Attempt::Behind => None,
        }
    }

    /// Waits until the turn has come or the line has moved.
    pub async fn step(&mut self) -> Step {
        loop {
            match self.pace.attempt(&self.spot) {
                Attempt::Go(turn) => return Step::Turn(turn),
                Attempt::Behind => {
                    self.spot.stir.notified().await;
                    // A stir may have come before its reason was seen; the next attempt tells.
                    return match self.pace.attempt(&self.spot) {
                        Attempt::Go(turn) => Step::Turn(turn),
                        _ => Step::Moved,
                    };
                }
                Attempt::At(at) => {
                    tokio::select! {
                        () = sleep_until(at) => {}
                        () = self.spot.stir.notified() => return Step::Moved,
                    }
                }
            }
        }
    }

    /// Waits for the turn.
    pub async fn turn(&mut self) -> Turn {
        loop {
            if let Step::Turn(turn) = self.step().await {
                return turn;
            }
        }
    }

    /// For whoever is told about the wait.
    pub fn waiting(&self) -> Waiting {
        Waiting { pace: Arc::clone(&self.pace), spot: Arc::clone(&self.spot) }
    }

    /// Where it stands; `None` while its request is under way.
    pub fn standing(&self) -> Option<Standing> {
        self.waiting().standing()
    }

    /// How long until its turn, also for one that has not come back to the line yet.
    fn foreseen(&self) -> Option<Duration> {
        let now = Instant::now();
        let mut lines = self.pace.lines();
        let line = lines.line(self.spot.group, self.pace.pacing);
        let place = line.waiting.range(..self.spot.number).count() + 1;
        line.foreseen(place, now)
    }

    fn group(&self) -> &'static str {
        self.spot.group
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut lines = self.pace.lines();
        let line = lines.line(self.spot.group, self.pace.pacing);
        if line.waiting.remove(&self.spot.number).is_some() {
            line.stir();
        }
    }
}

impl Waiting {
    /// Where it stands; `None` when it does not wait any more.
    pub fn standing(&self) -> Option<Standing> {
        let lines = self.pace.lines();
        lines.by_group.get(self.spot.group)?.standing(self.spot.number, Instant::now())
    }
}

impl Turn {
    /// The request leaves now. Until this is called, nothing is counted for good.
    pub fn leaves(&mut self) {
        let Some(place) = &self.place else { return };
        let now = Instant::now();
        let mut lines = place.pace.lines();
        lines.line(place.group, place.pace.pacing).meter.left_later(self.at, now);
        (self.at, self.gone) = (now, true);
    }

    /// The request has ended. What is under way may still be: then the place is kept by whoever follows it.
    pub fn heard<T>(mut self, answer: &Result<T, ApiError>) -> Option<Place> {
        if let Some(place) = &self.place {
            let mut lines = place.pace.lines();
            let line = lines.line(place.group, place.pace.pacing);
            line.heard(self.at, answer.as_ref().err());
            line.stir();
        }
        self.place.take().inspect(|place| place.answered())
    }
}

impl Place {
    /// The request is no longer under way.
    fn answered(&self) {
        let mut lines = self.pace.lines();
        if !lines.line(self.group, self.pace.pacing).free {
            lines.buying = lines.buying.saturating_sub(1);
            lines.stir_first();
        }
    }

    /// Keeps it only where tasks are counted.
    pub fn while_task(self) -> Option<Self> {
        let tasks = self.pace.lines().line(self.group, self.pace.pacing).tasks;
        tasks.then_some(self)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let Some(place) = self.place.take() else { return };
        if !self.gone {
            let mut lines = place.pace.lines();
            lines.line(place.group, place.pace.pacing).meter.stayed(self.at);
        }
        place.answered();
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut lines = self.pace.lines();
        let line = lines.line(self.group, self.pace.pacing);
        line.in_flight = line.in_flight.saturating_sub(1);
        line.stir();
    }
}

#[cfg(test)]
mod tests;

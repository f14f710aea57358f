//! Rate limits kept from this side: requests of one group stand in one line and leave when MiniMax takes them.
//!
//! Whoever wants to send takes a [`Ticket`], waits for its [`Turn`], and tells it how the request ended: a
//! refusal for too much teaches the whole line. A refused request keeps its ticket, and with it its place before
//! all that came later. Dropping a ticket leaves the line; dropping a turn unused takes nothing of the limit.
//!
//! Everything is behind one lock that is never held across an await; the arithmetic is in `meter`.

mod expected;
mod line;
mod meter;
mod send;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

pub use expected::Expected;
pub use send::{LOOK_PATIENCE, PATIENCE, in_turn};

use super::ApiError;
use crate::facts::facts;
use line::Line;
pub use line::Standing;
use line::seconds;

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

    /// Every line that was asked for: its group, how many wait, how many are under way.
    pub fn standings(&self) -> Vec<(&'static str, usize, usize)> {
        let lines = self.lines();
        lines.by_group.iter().map(|(group, line)| (*group, line.waiting.len(), line.in_flight)).collect()
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
        self.place.take().inspect(Place::answered)
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

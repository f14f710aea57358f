//! Those who will join a line when they have written something down. They hold nobody up meanwhile.

use std::sync::Arc;

use tokio::time::Instant;

use super::Pace;

/// Word of somebody who will join a line. Dropping it takes the word back.
pub struct Expected {
    pace: Arc<Pace>,
    group: &'static str,
    why: Option<String>,
}

impl Pace {
    /// Tells, before a record is written, whether the request of the record may leave as soon as it joins the line, as
    /// far as can be foreseen.
    pub fn expect(self: &Arc<Self>, group: &'static str) -> Expected {
        let now = Instant::now();
        let mut lines = self.lines();
        let crowded = lines.buying >= super::OVERALL;
        let line = lines.line(group, self.pacing);
        let place = line.expected + 1;
        let room = line.waiting.is_empty() && line.in_flight + line.expected < line.most();
        let soon = room && (!crowded || line.free) && line.meter.foresee(place, now) <= now;
        let why = (!soon).then(|| line.why(now));
        line.expected += 1;
        drop(lines);
        Expected { pace: Arc::clone(self), group, why }
    }
}

impl Expected {
    /// What it will wait for; `None` if its turn will be free.
    pub fn why_not(&self) -> Option<&str> {
        self.why.as_deref()
    }
}

impl Drop for Expected {
    fn drop(&mut self) {
        let mut lines = self.pace.lines();
        let line = lines.line(self.group, self.pace.pacing);
        line.expected = line.expected.saturating_sub(1);
    }
}

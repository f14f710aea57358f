//! Requests of calls that wait in the line themselves. A job waits where its records see it.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};

use super::{Pace, Standing, Ticket, Waiting, seconds};
use crate::api::retry::{Nature, pause};
use crate::api::{ApiError, Client, chance};
use crate::facts::{Class, facts};

/// How long a call without a job may wait in all: its client waits too.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// How long a look at a task may stand in line: nobody but its job waits for it.
pub const LOOK_PATIENCE: Duration = Duration::from_secs(600);

impl Client {
    /// The lines that this client's requests stand in.
    pub fn pace(&self) -> &Arc<Pace> {
        &self.pace
    }

    /// The last in a group's line.
    pub fn join(&self, group: &'static str) -> Ticket {
        self.pace.join(group)
    }

    /// The last in the line of a text model.
    pub fn join_text(&self, model: &str) -> Ticket {
        self.pace.join(facts().text_group(model))
    }

    /// Sends in turn, and again as [`pause`] has it. For calls without a job.
    pub async fn patiently<T, F>(
        &self,
        group: &'static str,
        nature: Nature,
        ask: impl FnMut() -> F,
    ) -> Result<T, ApiError>
    where
        F: Future<Output = Result<T, ApiError>>,
    {
        in_turn(self.join(group), nature, PATIENCE, ask).await
    }
}

/// Sends when the ticket's turn has come, and again as [`pause`] has it, as long as the patience lasts.
pub async fn in_turn<T, F>(
    mut ticket: Ticket,
    nature: Nature,
    patience: Duration,
    mut ask: impl FnMut() -> F,
) -> Result<T, ApiError>
where
    F: Future<Output = Result<T, ApiError>>,
{
    let (mut tries, start) = (1, Instant::now());
    let mut asking = Duration::ZERO;
    loop {
        // Only waiting wears patience out; what MiniMax takes to answer does not.
        let until = start + asking + patience;
        let mut turn = match ticket.standing_too_long(until) {
            Some(error) => return Err(error),
            None => match timeout_at(until, ticket.turn()).await {
                Ok(turn) => turn,
                Err(_) => return Err(ticket.too_long(patience)),
            },
        };
        turn.leaves();
        let asked = Instant::now();
        let answer = ask().await;
        asking += asked.elapsed();
        drop(turn.heard(&answer));
        let error = match answer {
            Ok(answer) => return Ok(answer),
            Err(error) => error,
        };
        let Some(wait) = pause(nature, &error, tries, chance()) else { return Err(error) };
        tries += 1;
        if error.class() == Class::Rate {
            // The whole line waits, as long as it has learned to.
            if ticket.comes_after(start + asking + patience) {
                return Err(error);
            }
            tracing::info!(%error, tries, "asked again in its turn");
            continue;
        }
        if Instant::now() + wait > start + asking + patience {
            return Err(error);
        }
        tracing::info!(%error, ?wait, tries, "asked again");
        sleep(wait).await;
    }
}

impl Waiting {
    /// What a call is told that was cancelled in line.
    pub fn given_up(&self) -> ApiError {
        let wait = self.standing().and_then(|standing| standing.wait).map_or(1, seconds);
        let why = "the call was cancelled before its turn".to_owned();
        ApiError::Held { group: self.spot.group, why, wait: format!("{wait} s") }
    }
}

impl Ticket {
    /// Whether its turn cannot come before `end`.
    fn comes_after(&self, end: Instant) -> bool {
        self.foreseen().is_some_and(|wait| Instant::now() + wait > end)
    }

    fn standing_too_long(&self, end: Instant) -> Option<ApiError> {
        let late = self.comes_after(end);
        late.then(|| self.too_long(end.saturating_duration_since(Instant::now())))
    }

    /// What a call is told that cannot wait so long.
    pub fn too_long(&self, patience: Duration) -> ApiError {
        let standing = self.standing();
        let words = standing.as_ref().map(Standing::words).unwrap_or_default();
        let wait = standing.and_then(|standing| standing.wait).unwrap_or(patience);
        ApiError::Held { group: self.group(), why: words, wait: format!("{} s", seconds(wait)) }
    }
}

//! Sending through the queue for calls without a job. A job waits in its worker, where its record shows the wait.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::{QueuePosition, QueueView, RateLimiter, Ticket, seconds};
use crate::api::retry::{Nature, pause};
use crate::api::{ApiError, Client, chance};
use crate::facts::{Class, facts};

/// The longest total wait of a call without a job: its client waits too.
pub const MAX_WAIT: Duration = Duration::from_secs(20);

/// The longest wait of a poll: only its job waits for it.
pub const MAX_POLL_WAIT: Duration = Duration::from_secs(600);

/// How long one try of a free read may take. A second try goes out over a new connection.
pub const READ_ATTEMPT: Duration = Duration::from_secs(20);

/// How long a free read may take in all, with its retries. For a call without a job this includes its wait in the queue.
pub const READ_LIMIT: Duration = Duration::from_secs(40);

impl Client {
    /// The rate limiter of this client's requests.
    pub fn rate_limiter(&self) -> &Arc<RateLimiter> {
        &self.rate_limiter
    }

    /// Joins a group's queue.
    pub fn join(&self, group: &'static str) -> Ticket {
        self.rate_limiter.join(group)
    }

    /// Joins the queue of a text model.
    pub fn join_text(&self, model: &str) -> Ticket {
        self.rate_limiter.join(facts().text_group(model))
    }

    /// Sends through the queue and retries as [`pause`] allows. For calls without a job.
    pub async fn queued<T, F>(
        &self,
        group: &'static str,
        nature: Nature,
        ask: impl FnMut() -> F,
    ) -> Result<T, ApiError>
    where
        F: Future<Output = Result<T, ApiError>>,
    {
        send_queued(self.join(group), nature, MAX_WAIT, ask).await
    }
}

/// Sends when the ticket gets its permit and retries as [`pause`] allows, until the waits add up to `patience`.
pub async fn send_queued<T, F>(
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
        // Only waiting counts against `patience`; MiniMax's own response time does not.
        let until = start + asking + patience;
        let mut permit = match ticket.refuse_long_wait(until) {
            Some(error) => return Err(error),
            None => match timeout_at(until, ticket.acquire()).await {
                Ok(turn) => turn,
                Err(_) => return Err(ticket.too_long(patience)),
            },
        };
        permit.start();
        let asked = Instant::now();
        let answer = match limit(nature, patience, start, asking) {
            Some(limit) => timeout(limit.min(READ_ATTEMPT), ask())
                .await
                .unwrap_or_else(|_| Err(ApiError::Unanswered { seconds: start.elapsed().as_secs() })),
            None => ask().await,
        };
        asking += asked.elapsed();
        drop(permit.on_response(&answer));
        let error = match answer {
            Ok(answer) => return Ok(answer),
            Err(error) => error,
        };
        let Some(wait) = pause(nature, &error, tries, chance()) else { return Err(error) };
        if limit(nature, patience, start, asking).is_some_and(|left| left <= wait) {
            return Err(error);
        }
        tries += 1;
        if error.class() == Class::Rate {
            // The whole queue backs off.
            if ticket.comes_after(start + asking + patience) {
                return Err(error);
            }
            tracing::info!(%error, tries, "throttled; retrying through the queue");
            continue;
        }
        if Instant::now() + wait > start + asking + patience {
            return Err(error);
        }
        tracing::info!(%error, ?wait, tries, "retrying");
        sleep(wait).await;
    }
}

/// How much longer a free read may be asked for. A poll may wait long in its queue, which does not count.
fn limit(nature: Nature, patience: Duration, start: Instant, asking: Duration) -> Option<Duration> {
    let used = if patience > READ_LIMIT { asking } else { start.elapsed() };
    (nature == Nature::Read).then(|| READ_LIMIT.saturating_sub(used))
}

impl QueueView {
    /// The error of a call that was cancelled while it waited.
    pub fn given_up(&self) -> ApiError {
        let wait = self.position().and_then(|standing| standing.wait).map_or(1, seconds);
        let why = "the call was cancelled while it waited in the queue".to_owned();
        ApiError::Held { group: self.waiter.group, why, wait: format!("{wait} s") }
    }
}

impl Ticket {
    /// Whether the permit cannot come before `end`.
    fn comes_after(&self, end: Instant) -> bool {
        self.forecast().is_some_and(|wait| Instant::now() + wait > end)
    }

    fn refuse_long_wait(&self, end: Instant) -> Option<ApiError> {
        let late = self.comes_after(end);
        late.then(|| self.too_long(end.saturating_duration_since(Instant::now())))
    }

    /// The error of a call that would wait too long.
    pub fn too_long(&self, patience: Duration) -> ApiError {
        let standing = self.position();
        let words = standing.as_ref().map(QueuePosition::words).unwrap_or_default();
        let wait = standing.and_then(|standing| standing.wait).unwrap_or(patience);
        ApiError::Held { group: self.group(), why: words, wait: format!("{} s", seconds(wait)) }
    }
}

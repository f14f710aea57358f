//! Sending through the queue for calls without a job. A job waits in its worker, where its record shows the wait.

use std::sync::Arc;
use std::time::Duration;

use serde::de::DeserializeOwned;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use crate::api::retry::{Nature, READ_LIMIT, pause};
use crate::api::{ApiError, Client, Endpoint};
use crate::facts::{Class, facts};
use crate::rate_limit::{Ending, QueuePosition, QueueView, RateLimiter, Ticket, chance, group, seconds};

/// MiniMax's code for too many connections.
const CONNECTIONS: i64 = 1041;

/// The longest total wait of a call without a job: its client waits too.
pub const MAX_WAIT: Duration = Duration::from_secs(20);

/// The longest wait of a poll: only its job waits for it.
pub const MAX_POLL_WAIT: Duration = Duration::from_secs(600);

/// How long one try of a free read may take. A second try goes out over a new connection.
const READ_ATTEMPT: Duration = Duration::from_secs(20);

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

    pub(super) async fn get<T: DeserializeOwned>(
        &self,
        endpoint: &Endpoint,
        query: &[(&str, &str)],
    ) -> Result<T, ApiError> {
        self.read(endpoint, endpoint.path, query).await
    }

    /// Sends a read request and retries it on transient errors: a read changes nothing and costs nothing.
    pub(super) async fn read<T: DeserializeOwned>(
        &self,
        endpoint: &Endpoint,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<T, ApiError> {
        Ok(self.read_traced(endpoint, path, query).await?.0)
    }

    /// Like [`Self::read`], with the trace id of the answer.
    pub(super) async fn read_traced<T: DeserializeOwned>(
        &self,
        endpoint: &Endpoint,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<(T, Option<String>), ApiError> {
        let patience = if endpoint.group == group::READS { MAX_WAIT } else { MAX_POLL_WAIT };
        let ask = || self.send_traced(endpoint, path, |request| request.query(query));
        send_queued(self, self.join(endpoint.group), Nature::Read, patience, ask).await
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
        send_queued(self, self.join(group), nature, MAX_WAIT, ask).await
    }
}

/// Sends when the ticket gets its permit and retries as [`pause`] allows, until the waits add up to `patience`. If MiniMax
/// refused the key and there is a newer one, sends at once with that.
pub async fn send_queued<T, F>(
    client: &Client,
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
        let mut permit = match refuse_long_wait(&ticket, until) {
            Some(error) => return Err(error),
            None => match timeout_at(until, ticket.acquire()).await {
                Ok(permit) => permit,
                Err(_) => return Err(too_long(&ticket, patience)),
            },
        };
        permit.start();
        let (asked, key) = (Instant::now(), client.key_count());
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
        let wait = match pause(nature, &error, tries, chance()) {
            Some(wait) => wait,
            None if client.has_newer_key(key, &error).await => Duration::ZERO,
            None => return Err(error),
        };
        if limit(nature, patience, start, asking).is_some_and(|left| left <= wait) {
            return Err(error);
        }
        tries += 1;
        if error.class() == Class::Rate {
            // The whole queue backs off.
            if comes_after(&ticket, start + asking + patience) {
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

/// How much longer a free read may take; `None` for requests without such a limit. A poll may wait for long in its queue,
/// which does not count.
fn limit(nature: Nature, patience: Duration, start: Instant, asking: Duration) -> Option<Duration> {
    let used = if patience > READ_LIMIT { asking } else { start.elapsed() };
    (nature == Nature::Read).then(|| READ_LIMIT.saturating_sub(used))
}

/// The error of a call that was cancelled while it waited.
pub fn given_up(waiting: &QueueView) -> ApiError {
    let wait = waiting.position().and_then(|position| position.wait).map_or(1, seconds);
    let why = "the call was cancelled while it waited in the queue".to_owned();
    ApiError::Held { group: waiting.group(), why, wait: format!("{wait} s") }
}

/// The error of a call that would wait too long.
pub fn too_long(ticket: &Ticket, patience: Duration) -> ApiError {
    let position = ticket.position();
    let words = position.as_ref().map(QueuePosition::words).unwrap_or_default();
    let wait = position.and_then(|position| position.wait).unwrap_or(patience);
    ApiError::Held { group: ticket.group(), why: words, wait: format!("{} s", seconds(wait)) }
}

fn refuse_long_wait(ticket: &Ticket, end: Instant) -> Option<ApiError> {
    let late = comes_after(ticket, end);
    late.then(|| too_long(ticket, end.saturating_duration_since(Instant::now())))
}

/// Whether the ticket gets its permit only after `end`.
fn comes_after(ticket: &Ticket, end: Instant) -> bool {
    ticket.forecast().is_some_and(|wait| Instant::now() + wait > end)
}

impl<T> From<&Result<T, ApiError>> for Ending {
    fn from(answer: &Result<T, ApiError>) -> Self {
        let Err(error) = answer else { return Self::Counted };
        let retry_after = error.retry_after();
        match (error, retry_after) {
            (error, _) if error.class() == Class::Rate => {
                Self::Throttled { connections: error.code() == Some(CONNECTIONS), retry_after }
            }
            (_, Some(asked)) => Self::Paused(asked),
            (ApiError::Refused { status: ..500, .. }, None) => Self::Counted,
            _ => Self::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;
    use crate::rate_limit::{RateLimits, group};

    fn any_client() -> &'static Client {
        static CLIENT: std::sync::LazyLock<Client> =
            std::sync::LazyLock::new(|| Client::new("http://127.0.0.1:1", None));
        &CLIENT
    }

    #[test]
    fn the_limiter_learns_from_throttled_and_counted_requests() {
        let lost = ApiError::Lost { at: "/v1/x".into(), why: "timed out".to_owned(), answer: None };
        let refused = |status, code, seconds: Option<u64>| {
            let retry_after = seconds.map(Duration::from_secs);
            let (at, message) = ("/v1/x".into(), String::new());
            ApiError::Refused { at, status, code: Some(code), message, trace_id: None, retry_after }
        };
        let throttled = |connections, seconds: Option<u64>| Ending::Throttled {
            connections,
            retry_after: seconds.map(Duration::from_secs),
        };
        for (error, ending) in [
            (refused(200, 1002, None), throttled(false, None)),
            (refused(200, 1002, Some(30)), throttled(false, Some(30))),
            (refused(200, 1041, None), throttled(true, None)),
            (refused(200, 2013, None), Ending::Counted),
            (refused(503, 1000, None), Ending::Unknown),
            (refused(503, 1000, Some(9)), Ending::Paused(Duration::from_secs(9))),
            (lost, Ending::Unknown),
        ] {
            assert_eq!(Ending::from(&Err::<(), _>(error)), ending);
        }
        assert_eq!(Ending::from(&Ok(())), Ending::Counted);
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_would_wait_too_long_is_refused_and_the_error_names_the_limit() {
        let limiter = RateLimiter::new(RateLimits::default());
        for _ in 0..3 {
            let mut permit = limiter.join(group::VIDEO_V1).acquire().await;
            permit.start();
            drop(permit.on_response(Ending::Counted));
        }
        let ticket = limiter.join(group::VIDEO_V1);
        let start = Instant::now();
        let asked =
            send_queued(any_client(), ticket, Nature::Paid, Duration::from_secs(5), async || Ok(())).await;
        let error = asked.unwrap_err();
        assert_eq!(start.elapsed(), Duration::ZERO, "it is refused without waiting");
        assert!(
            error.to_string().contains("5 a minute") && error.advice().contains("Nothing was bought"),
            "{error}"
        );
        let ticket = limiter.join(group::VIDEO_V1);
        send_queued(any_client(), ticket, Nature::Paid, MAX_WAIT, async || Ok(()))
            .await
            .expect("twelve seconds are not too long");
        advance(Duration::from_secs(1)).await;
        assert_eq!(limiter.counts(), (0, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_read_that_is_never_answered_ends_within_its_limit_with_all_its_retries() {
        let limiter = RateLimiter::new(RateLimits::default());
        for patience in [MAX_WAIT, MAX_POLL_WAIT] {
            // Silence forever, or for as long as one try may take.
            for silence in [Duration::from_secs(100_000), READ_ATTEMPT, Duration::from_secs(3)] {
                let start = Instant::now();
                let asked = send_queued(
                    any_client(),
                    limiter.join(group::READS),
                    Nature::Read,
                    patience,
                    async || {
                        sleep(silence).await;
                        Err::<(), _>(ApiError::Lost {
                            at: "/v1/x".into(),
                            why: "timed out".to_owned(),
                            answer: None,
                        })
                    },
                );
                let error = asked.await.unwrap_err();
                assert!(start.elapsed() <= Duration::from_secs(45), "{:?}: {error}", start.elapsed());
                if silence > READ_LIMIT {
                    assert!(error.to_string().contains("not answered within 40 s"), "{error}");
                }
            }
        }
        // A paid request is waited for as long as its endpoint allows.
        let asked =
            send_queued(any_client(), limiter.join(group::OTHER), Nature::Paid, MAX_WAIT, async || {
                sleep(Duration::from_secs(300)).await;
                Ok(())
            });
        asked.await.unwrap();
    }
}

//! Room for callers: how many connections, and how much of what they send, at once.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::LARGEST_BODY;

/// Connections at once; more wait in the system's queue.
const CONNECTIONS: usize = 1024;

/// As many connections as leave the system's files for records, downloads and results.
pub fn connections() -> usize {
    // Sockets are no files there.
    #[cfg(not(unix))]
    let places = CONNECTIONS;
    #[cfg(unix)]
    let places = places(files());
    places
}

/// A connection takes a file handle, and another one while a result goes over it.
#[cfg(unix)]
fn places(files: u64) -> usize {
    let all = usize::try_from(files).unwrap_or(usize::MAX);
    (all.saturating_sub(128) / 2).clamp(16, CONNECTIONS)
}

/// How many file handles this process may have. Systems begin with few for programs that cannot count them, and let
/// others take more.
#[cfg(unix)]
fn files() -> u64 {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    const ENOUGH: u64 = 4096;
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let wanted = maximum.map_or(ENOUGH, |maximum| maximum.min(ENOUGH));
    if current.is_some_and(|current| current < wanted)
        && let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum })
    {
        tracing::debug!(%error, "no more files may be opened than before");
    }
    getrlimit(Resource::Nofile).current.unwrap_or(ENOUGH)
}

/// Bodies of requests that are in memory at once, in KiB.
const BODIES: usize = 512 * 1024;

/// Shorter bodies need no room of their own: so much there is for every connection.
const SMALL: usize = 64 * 1024;

/// What is left for bodies of requests. A body counts as long as its request is worked on.
#[derive(Debug, Clone)]
pub struct Bodies(Arc<Semaphore>);

impl Default for Bodies {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(BODIES)))
    }
}

/// Travels with the request, and gives the room back with it.
#[derive(Debug, Clone)]
struct Held {
    _room: Arc<OwnedSemaphorePermit>,
}

/// Refuses a body that is too large before any of it is read, and one for which there is no room now.
pub async fn for_body(State(Bodies(room)): State<Bodies>, mut request: Request, next: Next) -> Response {
    // What does not say how long it is may be as long as it can.
    let declared = request.headers().get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok());
    let length = declared.map_or(Some(LARGEST_BODY), |length| length.parse().ok());
    let Some(length) = length.filter(|length| *length <= LARGEST_BODY) else {
        let text = format!("A message has at most {LARGEST_BODY} bytes.\n");
        return (StatusCode::PAYLOAD_TOO_LARGE, text).into_response();
    };
    if length <= SMALL {
        return next.run(request).await;
    }
    let some = u32::try_from(length.div_ceil(1024)).unwrap_or(u32::MAX);
    let Ok(held) = room.try_acquire_many_owned(some) else {
        let text = "Too many large requests are worked on. Try again in a moment.\n";
        return (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "5")], text).into_response();
    };
    request.extensions_mut().insert(Held { _room: Arc::new(held) });
    next.run(request).await
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_files_for_the_work() {
        assert_eq!(places(4096), CONNECTIONS);
        assert_eq!(places(1024), 448);
        assert_eq!(places(256), 64);
        assert_eq!(places(64), 16);
        assert_eq!(places(u64::MAX), CONNECTIONS);
    }
}

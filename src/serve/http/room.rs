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
    let some = u32::try_from(length.div_ceil(1024)).unwrap_or(u32::MAX);
    let Ok(held) = room.try_acquire_many_owned(some) else {
        let text = "Too many large requests are worked on. Try again in a moment.\n";
        return (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "5")], text).into_response();
    };
    request.extensions_mut().insert(Held { _room: Arc::new(held) });
    next.run(request).await
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::body::Body;
    use axum::middleware::from_fn_with_state;
    use axum::routing::post;
    use tokio::sync::Notify;

    use super::*;
    use crate::serve::http::connection::connection;

    #[cfg(unix)]
    #[test]
    fn connections_leave_files_for_the_work() {
        assert_eq!(places(4096), CONNECTIONS);
        assert_eq!(places(1024), 448);
        assert_eq!(places(256), 64);
        assert_eq!(places(64), 16);
        assert_eq!(places(u64::MAX), CONNECTIONS);
    }

    /// The status line of the answer to a request with a body of `length` declared bytes.
    async fn ask(app: &Router, length: &str) -> String {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let (mut ours, theirs) = tokio::io::duplex(1024);
        let serving = tokio_util::task::TaskTracker::new();
        let app = app.clone();
        serving.spawn(async move { connection(theirs, app).await.is_ok() });
        let head = format!("POST / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{length}\r\n\r\n");
        ours.write_all(head.as_bytes()).await.unwrap();
        let mut answer = [0; 12];
        ours.read_exact(&mut answer).await.unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    }

    #[tokio::test]
    async fn large_bodies_are_taken_while_there_is_memory_for_them() {
        let (begun, done) = (Arc::new(Notify::new()), Arc::new(Semaphore::new(0)));
        let (told, wait) = (Arc::clone(&begun), Arc::clone(&done));
        let work = async move |_: Body| {
            told.notify_one();
            let _ = wait.acquire().await;
        };
        let bodies = Bodies(Arc::new(Semaphore::new(20 * 1024)));
        let app = Router::new().route("/", post(work)).layer(from_fn_with_state(bodies.clone(), for_body));
        let (large, small) = ("Content-Length: 16777216", "Content-Length: 0");
        let working = app.clone();
        let first = tokio_util::task::TaskTracker::new();
        let first = first.spawn(async move { ask(&working, large).await });
        begun.notified().await;
        assert_eq!(ask(&app, large).await, "HTTP/1.1 503");
        assert_eq!(ask(&app, "Transfer-Encoding: chunked").await, "HTTP/1.1 503");
        assert_eq!(ask(&app, "Content-Length: 16777217").await, "HTTP/1.1 413");
        assert_eq!(ask(&app, "Content-Length: 99999999999999999").await, "HTTP/1.1 413");
        done.add_permits(1);
        assert_eq!(first.await.unwrap(), "HTTP/1.1 200");
        done.add_permits(10);
        assert_eq!(ask(&app, small).await, "HTTP/1.1 200");
        assert_eq!(ask(&app, large).await, "HTTP/1.1 200");
        assert_eq!(bodies.0.available_permits(), 20 * 1024);
    }
}

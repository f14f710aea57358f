//! What a caller may have the server do at once: memory for requests and answers, parsers, and requests a minute.

use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::{StreamExt as _, poll};
use tokio::time::Instant;

use super::LARGEST_BODY;
use super::connections::Place;
use super::held::holding;
use crate::mcp::{Caller, RateLimiter};
use crate::permits::{Exhausted, Permits, Reservation};
use crate::serve::json;

/// Memory for requests and answers of all callers, in KiB: half of what the service unit in examples/deploy allows.
const MEMORY: usize = 512 * 1024;

/// Of one caller.
const MEMORY_EACH: usize = MEMORY / 4;

/// What every request counts for, in bytes: its headers, its task and its buffers.
const LEAST: usize = 64 * 1024;

/// A message that takes no more than this while it is parsed counts for nothing besides. A caller's connections are too
/// few for it to matter.
const SMALL: usize = 256 * 1024;

/// Large messages that are parsed at once. Parsing keeps a core busy for up to a tenth of a second.
const PARSERS: usize = 4;

/// How long a request waits for memory that its caller's other requests hold.
const PATIENCE: Duration = Duration::from_secs(10);

/// Requests of one caller a minute, of any kind: a hundred a second, which all may come at once. It is against loops that
/// keep a core busy; a token's own `rate` counts calls of tools.
const REQUESTS: u32 = 6_000;

/// Values of a message that count as much as a request.
const VALUES_A_REQUEST: usize = 2_000;

/// Bytes of a message that count as much as a request.
const BYTES_A_REQUEST: usize = 256 * 1024;

/// A body that is not here by then never will be, however regularly another piece of it comes.
const WHOLE: Duration = Duration::from_secs(300);

/// What all callers share. A handle: cloning is cheap.
#[derive(Debug, Clone)]
pub struct Admission {
    memory: Permits,
    parsers: Permits,
    requests: Arc<RateLimiter>,
}

impl Default for Admission {
    fn default() -> Self {
        Self {
            memory: Permits::new(MEMORY, MEMORY_EACH),
            parsers: Permits::new(PARSERS, 1),
            requests: Arc::default(),
        }
    }
}

impl Admission {
    /// Counts requests of a caller. The refusal, if there were too many.
    fn too_many(&self, caller: &str, count: u32) -> Option<Response> {
        let wait = self.requests.take(caller, REQUESTS, count, Instant::now()).err()?;
        let seconds = wait.as_secs().saturating_add(1).to_string();
        let text = format!(
            "Too many requests: a caller may make {REQUESTS} a minute, and large ones count several times. Try again in \
             {seconds} s.\n"
        );
        Some((StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, seconds)], text).into_response())
    }
}

/// For every request of a known caller: counts it, its connection, and the memory that it and its answer take until the
/// answer has left.
pub async fn count(State(admission): State<Admission>, mut request: Request, next: Next) -> Response {
    let caller = limited_as(&request);
    if let Some(refusal) = admission.too_many(&caller, 1) {
        return refusal;
    }
    let claim = match request.extensions().get::<Place>().map(|place| place.claim(&caller)).transpose() {
        Ok(claim) => claim,
        Err(short) => return no_connection(short),
    };
    let memory = Reservation::new(admission.memory.clone(), &caller);
    if let Err(short) = memory.grow(LEAST, PATIENCE).await {
        return no_memory(short);
    }
    request.extensions_mut().insert(memory.clone());
    let response = next.run(request).await;
    holding(response, claim, Some(memory))
}

/// For a message: reads it within its bounds, and looks how much it becomes before it is parsed. The handler behind it
/// parses it the first time it is polled.
pub async fn admit(State(admission): State<Admission>, request: Request, next: Next) -> Response {
    let caller = limited_as(&request);
    let (parts, body) = request.into_parts();
    // What does not say how long it is may be as long as it can.
    let declared = parts.headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok());
    let length = declared.map_or(Some(LARGEST_BODY), |length| length.parse().ok());
    let Some(length) = length.filter(|length| *length <= LARGEST_BODY) else { return too_large() };
    let unread = if length > LEAST {
        match admission.memory.take(&caller, length.div_ceil(1024), PATIENCE).await {
            Ok(permit) => Some(permit),
            Err(short) => return no_memory(short),
        }
    } else {
        None
    };
    let body = match tokio::time::timeout(WHOLE, whole(body)).await {
        Ok(Ok(body)) => body,
        Ok(Err(refusal)) => return refusal,
        Err(_) => return late(),
    };
    // One large message of a caller at a time, so that no caller keeps every core busy.
    let parser = if body.len() > LEAST { admission.parsers.take(&caller, 1, WHOLE).await.ok() } else { None };
    let values = match json::count(&body) {
        Ok(values) => values,
        Err(unfit) => return (StatusCode::PAYLOAD_TOO_LARGE, sentence(unfit)).into_response(),
    };
    let more = (values / VALUES_A_REQUEST).saturating_add(body.len() / BYTES_A_REQUEST);
    if let Some(refusal) = admission.too_many(&caller, u32::try_from(more).unwrap_or(u32::MAX)) {
        return refusal;
    }
    // Half of it is gone when the message is parsed.
    let half = json::in_memory(body.len(), values) / 2;
    let mut parsing = None;
    if let Some(memory) = parts.extensions.get::<Reservation>().filter(|_| half > SMALL / 2) {
        match memory.grow(half, PATIENCE).await {
            Ok(()) => {}
            Err(short) => return no_memory(short),
        }
        match admission.memory.take(&caller, half.div_ceil(1024), PATIENCE).await {
            Ok(permit) => parsing = Some(permit),
            Err(short) => return no_memory(short),
        }
    }
    drop(unread);
    let mut answer = Box::pin(next.run(Request::from_parts(parts, Body::from(body))));
    let first = poll!(&mut answer);
    drop((parser, parsing));
    match first {
        Poll::Ready(response) => response,
        Poll::Pending => answer.await,
    }
}

fn sentence(unfit: json::Unfit) -> String {
    let text = unfit.to_string();
    let mut letters = text.chars();
    let first = letters.next().map(|letter| letter.to_ascii_uppercase()).into_iter();
    first.chain(letters).chain(".\n".chars()).collect()
}

/// All of a body, or why not.
async fn whole(body: Body) -> Result<Bytes, Response> {
    let (mut pieces, mut whole) = (body.into_data_stream(), Vec::new());
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(|_| {
            (StatusCode::REQUEST_TIMEOUT, "The message broke off, or stopped coming.\n").into_response()
        })?;
        if piece.len() > LARGEST_BODY.saturating_sub(whole.len()) {
            return Err(too_large());
        }
        whole.extend_from_slice(&piece);
    }
    Ok(whole.into())
}

fn limited_as(request: &Request) -> String {
    request.extensions().get::<Caller>().map(|caller| caller.limited_as().to_owned()).unwrap_or_default()
}

fn too_large() -> Response {
    let text = format!("A message has at most {LARGEST_BODY} bytes.\n");
    (StatusCode::PAYLOAD_TOO_LARGE, text).into_response()
}

/// 408 for a message that never completes.
fn late() -> Response {
    let text = format!("The message was not here after {} s.\n", WHOLE.as_secs());
    (StatusCode::REQUEST_TIMEOUT, text).into_response()
}

fn no_memory(short: Exhausted) -> Response {
    busy(match short {
        Exhausted::Share => {
            "Your other requests, and answers that you have not read yet, take all the memory that one caller may have."
        }
        Exhausted::Total => "Too many large requests and answers are worked on.",
    })
}

/// Why a request of a known caller is refused on a connection too many.
pub fn no_connection(short: Exhausted) -> Response {
    busy(match short {
        Exhausted::Share => "You have as many requests open as one caller may have.",
        Exhausted::Total => "All connections are in use.",
    })
}

fn busy(why: &str) -> Response {
    let headers = [(header::RETRY_AFTER, "5"), (header::CONNECTION, "close")];
    (StatusCode::SERVICE_UNAVAILABLE, headers, format!("{why} Try again in a moment.\n")).into_response()
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::middleware::from_fn_with_state;
    use axum::routing::post;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio_util::task::TaskTracker;

    use super::*;
    use crate::serve::http::connection::connection;

    #[tokio::test(start_paused = true)]
    async fn a_body_that_drips_regularly_is_given_up_all_the_same() {
        let app = Router::new().route("/", post(async |_: Bytes| "all"));
        let app = app.layer(from_fn_with_state(Admission::default(), admit));
        let (ours, theirs) = tokio::io::duplex(1024);
        let serving = TaskTracker::new();
        serving.spawn(async move { connection(theirs, app, None).await.is_ok() });
        let (mut read, mut write) = tokio::io::split(ours);
        let drip = async {
            write.write_all(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 16000000\r\n\r\n").await.unwrap();
            for sent in 0_u64.. {
                if sent > 2 * WHOLE.as_secs() || write.write_all(b"x").await.is_err() {
                    return sent;
                }
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            0
        };
        let mut answer = [0; 12];
        let (sent, _) = tokio::join!(drip, read.read_exact(&mut answer));
        assert_eq!(&answer, b"HTTP/1.1 408");
        assert!(sent <= WHOLE.as_secs() + 5, "{sent}");
    }
}

//! Limits the load: memory for requests and responses, concurrent parsers, and requests per minute of each caller.

use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::{StreamExt as _, poll};
use tokio::time::Instant;

use super::connections::Place;
use super::held::holding;
use super::rpc::{MessageId, of_message, refusal};
use crate::mcp::{CallRates, Caller};
use crate::permits::{Exhausted, Permits, Reservation};
use crate::serve::batch;
use crate::serve::json::{self, Unfit};
use crate::serve::outline::Outline;
use crate::serve::readable_id::{readable_id, without_mark};

/// The largest body, in bytes, as large as a line on stdio. The limit is high because inputs may be data URIs.
pub(super) const LARGEST_BODY: usize = 16 * 1024 * 1024;

/// Memory for the requests and responses of all callers, in KiB: half of the limit in the service unit in examples/deploy.
const MEMORY: usize = 512 * 1024;

/// The share of one caller.
const MEMORY_EACH: usize = MEMORY / 4;

/// The memory that is counted for every request, in bytes: headers, task and buffers.
const LEAST: usize = 64 * 1024;

/// A message that takes less memory than this, in bytes, adds nothing to [`LEAST`]. A caller has so few connections that it
/// does not matter.
const SMALL: usize = 256 * 1024;

/// How many large messages are parsed at once. Parsing one keeps a core busy for up to a tenth of a second.
const PARSERS: usize = 4;

/// How long a request waits for memory.
const PATIENCE: Duration = Duration::from_secs(10);

/// The most requests of one caller per minute, of any kind. They may all come at once. This stops loops that keep a
/// core busy; the `rate` of a token limits tool calls.
const REQUESTS: u32 = 6_000;

/// The start of a message in which its id is looked for, in bytes.
const IDENTIFIED: usize = 64 * 1024;

/// A large message counts as one more request for each of this many values.
const VALUES_A_REQUEST: usize = 2_000;

/// A large message counts as one more request for each of this many bytes.
const BYTES_A_REQUEST: usize = 256 * 1024;

/// The time limit for a complete body, even for one that arrives slowly but steadily.
const WHOLE: Duration = Duration::from_secs(300);

/// The limits of one server. A handle: cloning is cheap.
#[derive(Debug, Clone)]
pub struct Admission {
    memory: Permits,
    parsers: Permits,
    requests: Arc<CallRates>,
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
    /// Counts requests of a caller. Returns the refusal if there are too many.
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

impl Admission {
    /// Counts the messages of a batch beyond the first, which are as much work as so many requests. Returns the refusal
    /// if that is too much.
    pub async fn admit_more(&self, parts: &Parts, count: usize) -> Option<Response> {
        let caller = parts.extensions.get::<Caller>().map(|caller| caller.limited_as().to_owned());
        let requests = u32::try_from(count).unwrap_or(u32::MAX);
        if let Some(refusal) = self.too_many(&caller.unwrap_or_default(), requests) {
            return Some(refusal);
        }
        let memory = parts.extensions.get::<Reservation>()?;
        memory.grow(count.saturating_mul(LEAST), PATIENCE).await.err().map(no_memory)
    }
}

/// Middleware for every request of a known caller. Counts the request and its connection, and reserves memory for it
/// until its response is sent.
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

/// Middleware for a message: reads the body within its limits, and reserves the memory for parsing it. The handler
/// parses it during its first poll.
pub async fn admit(State(admission): State<Admission>, request: Request, next: Next) -> Response {
    let caller = limited_as(&request);
    let (mut parts, body) = request.into_parts();
    // A body without a declared length counts as the largest.
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
    // One large message per caller at a time, so that no caller keeps every core busy.
    let parser = if body.len() > LEAST { admission.parsers.take(&caller, 1, WHOLE).await.ok() } else { None };
    let body = body.slice_ref(without_mark(&body));
    let id = readable_id(body.get(..IDENTIFIED).unwrap_or(&body));
    let values = match json::count(&body) {
        Ok(values) => values,
        // Only POST requests have a body.
        Err(Unfit::Syntax(_)) if parts.method != Method::POST => 0,
        Err(unfit @ Unfit::Syntax(_)) => {
            return refusal(StatusCode::BAD_REQUEST, unfit.code(), &unfit.to_string(), id.as_ref());
        }
        Err(unfit) => {
            let refused = (StatusCode::PAYLOAD_TOO_LARGE, sentence(&unfit)).into_response();
            return of_message(refused, id.as_ref());
        }
    };
    // The messages of a batch are repaired and checked when it is split.
    let is_batch = batch::is_batch(&body);
    let body = match json::repaired(&body).filter(|_| !is_batch) {
        Some(changed) => {
            parts.headers.remove(header::CONTENT_LENGTH);
            Bytes::from(changed)
        }
        None => body,
    };
    // The service would not recognize it as a message.
    if let Some(error) = Outline::of(&body).problem().filter(|_| !is_batch) {
        return refusal(StatusCode::BAD_REQUEST, error.code, &error.message, id.as_ref());
    }
    parts.extensions.insert(MessageId(id.clone()));
    let more = (values / VALUES_A_REQUEST).saturating_add(body.len() / BYTES_A_REQUEST);
    if let Some(refusal) = admission.too_many(&caller, u32::try_from(more).unwrap_or(u32::MAX)) {
        return of_message(refusal, id.as_ref());
    }
    // Half of the memory is free again after parsing, so reserve the two halves separately.
    let half = json::in_memory(body.len(), values) / 2;
    let mut parsing = None;
    if let Some(memory) = parts.extensions.get::<Reservation>().filter(|_| half > SMALL / 2) {
        match memory.grow(half, PATIENCE).await {
            Ok(()) => {}
            Err(short) => return of_message(no_memory(short), id.as_ref()),
        }
        match admission.memory.take(&caller, half.div_ceil(1024), PATIENCE).await {
            Ok(permit) => parsing = Some(permit),
            Err(short) => return of_message(no_memory(short), id.as_ref()),
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

fn sentence(unfit: &Unfit) -> String {
    let text = unfit.to_string();
    let mut letters = text.chars();
    let first = letters.next().map(|letter| letter.to_ascii_uppercase()).into_iter();
    first.chain(letters).chain(".\n".chars()).collect()
}

/// Reads a complete body, or returns the refusal.
async fn whole(body: Body) -> Result<Bytes, Response> {
    let (mut pieces, mut whole) = (body.into_data_stream(), Vec::new());
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(|_| {
            (StatusCode::REQUEST_TIMEOUT, "The message broke off or stalled.\n").into_response()
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
    let text = format!("The message did not arrive within {} s.\n", WHOLE.as_secs());
    (StatusCode::REQUEST_TIMEOUT, text).into_response()
}

fn no_memory(short: Exhausted) -> Response {
    busy(match short {
        Exhausted::Share => {
            "Your other requests and unread answers take all the memory that one caller may have."
        }
        Exhausted::Total => "The server is working on too many large requests.",
    })
}

/// The refusal for a caller with too many connections.
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
    async fn a_body_that_arrives_steadily_but_slowly_ends_at_the_time_limit() {
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

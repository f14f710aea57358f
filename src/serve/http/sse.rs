//! HTTP with SSE, the transport of protocol 2024-11-05, for clients that support no other. The protocol deprecates it,
//! and it is off by default.
//!
//! `GET /sse` opens a stream. Its first event names the address for requests, and responses arrive on the stream. A
//! session belongs to the caller that opened it and ends with its stream. When the server stops, a session stays open
//! for pending responses, but not longer than the server's grace period.

use std::collections::HashMap;
use std::convert::Infallible;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::body::to_bytes;
use axum::extract::{Extension, Query, Request, State};
use axum::http::{StatusCode, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream::{self, StreamExt as _, poll_fn};
use rmcp::RoleServer;
use rmcp::model::{ClientJsonRpcMessage, ErrorCode, JsonRpcMessage, RequestId};
use rmcp::service::{RxJsonRpcMessage, TxJsonRpcMessage, serve_server_with_ct};
use rmcp::transport::Transport;
use serde::Deserialize;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::admission::LARGEST_BODY;
use super::keepalive::PING;
use super::rpc::{MessageId, refusal};
use crate::mcp::{self, Caller, Connection, Server};
use crate::permits::{Exhausted, Permit, Permits, Reservation};
use crate::serve::in_flight::{InFlight, Refused, answered};

/// The most streams at once.
const SESSIONS: usize = 64;

/// The most streams of one caller, so that some remain for others.
const SESSIONS_EACH: usize = 32;

/// The most queued messages in each direction.
const WAITING: usize = 64;

/// The most requests in flight of one session.
const OPEN: usize = 64;

/// All open sessions.
#[derive(Debug, Clone)]
pub struct Sessions {
    server: Server,
    places: Permits,
    open: Arc<Mutex<HashMap<String, Session>>>,
    /// Cancelled when the server stops. Sessions without a request in flight then end.
    stop: CancellationToken,
    /// Cancelled when the grace period is over.
    late: CancellationToken,
    tracker: TaskTracker,
}

#[derive(Debug)]
struct Session {
    principal: String,
    /// The tools that the session was opened with.
    tools: Option<Vec<&'static str>>,
    requests: mpsc::Sender<RxJsonRpcMessage<RoleServer>>,
    in_flight: InFlight,
    end: CancellationToken,
    _place: Permit,
}

/// Ends a session when its stream is dropped, because responses can no longer be delivered.
struct Ending {
    sessions: Sessions,
    id: String,
    end: CancellationToken,
}

impl Drop for Ending {
    fn drop(&mut self) {
        self.sessions.table().remove(&self.id);
        self.sessions.server.session_ended(&self.id);
        self.end.cancel();
    }
}

impl Sessions {
    /// A table without sessions.
    pub fn new(
        server: Server,
        stop: CancellationToken,
        late: CancellationToken,
        tracker: TaskTracker,
    ) -> Self {
        Self {
            server,
            places: Permits::new(SESSIONS, SESSIONS_EACH),
            open: Arc::default(),
            stop,
            late,
            tracker,
        }
    }

    fn table(&self) -> MutexGuard<'_, HashMap<String, Session>> {
        // The table is valid even if a thread panicked while it held the lock.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends a session when the server stops and its pending responses are sent.
    async fn end_in_time(self, in_flight: InFlight, end: CancellationToken) {
        let told = async {
            self.stop.cancelled().await;
            in_flight.none().await;
        };
        end.run_until_cancelled(told).await;
        end.cancel();
    }
}

/// A queued message. It is serialized at once, because the text takes much less memory than the value.
#[derive(Debug)]
struct Waiting {
    answers: Option<RequestId>,
    text: String,
}

/// The server side of a session.
struct Messages {
    requests: mpsc::Receiver<RxJsonRpcMessage<RoleServer>>,
    answers: mpsc::Sender<Waiting>,
    in_flight: InFlight,
}

impl Transport<RoleServer> for Messages {
    type Error = io::Error;

    fn send(
        &mut self,
        message: TxJsonRpcMessage<RoleServer>,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send + 'static {
        let text = serde_json::to_string(&message);
        let answers = answered(&message).cloned();
        match (&text, &answers) {
            (Ok(text), _) => self.in_flight.queued(&message, text.len()),
            (Err(_), Some(id)) => self.in_flight.left(id),
            (Err(_), None) => {}
        }
        drop(message);
        let queue = self.answers.clone();
        async move {
            let sent = queue.send(Waiting { answers, text: text? }).await;
            sent.map_err(|_| io::ErrorKind::BrokenPipe.into())
        }
    }

    async fn receive(&mut self) -> Option<RxJsonRpcMessage<RoleServer>> {
        loop {
            let message = self.requests.recv().await?;
            self.in_flight.received(&message);
            let (Some(problem), JsonRpcMessage::Request(request)) =
                (mcp::initialize_problem(&message), &message)
            else {
                return Some(message);
            };
            let refusal = JsonRpcMessage::error(problem, Some(request.id.clone()));
            self.send(refusal).await.ok()?;
        }
    }

    async fn close(&mut self) -> Result<(), Self::Error> {
        self.requests.close();
        Ok(())
    }
}

/// `GET /sse`
pub async fn open(State(sessions): State<Sessions>, Extension(caller): Extension<Caller>) -> Response {
    let mut bits = [0_u8; 16];
    if getrandom::fill(&mut bits).is_err() {
        return (StatusCode::SERVICE_UNAVAILABLE, "No session id could be made.\n").into_response();
    }
    let id = data_encoding::HEXLOWER.encode(&bits);
    let place = match sessions.places.try_take(caller.limited_as(), 1) {
        Ok(place) => place,
        Err(short) => {
            let taken = if short == Exhausted::Share { SESSIONS_EACH } else { SESSIONS };
            let text = format!("{taken} sessions are open; close one, or use /mcp, which needs none.\n");
            return (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "30")], text).into_response();
        }
    };
    let (requests, incoming) = mpsc::channel(WAITING);
    let (answers, mut outgoing) = mpsc::channel::<Waiting>(WAITING);
    // Derived from `late` and not from `stop`, so that pending responses are still sent when the server stops.
    let (in_flight, end) = (InFlight::new(OPEN), sessions.late.child_token());
    let session = Session {
        principal: caller.principal,
        tools: caller.tools,
        requests,
        in_flight: in_flight.clone(),
        end: end.clone(),
        _place: place,
    };
    sessions.table().insert(id.clone(), session);
    sessions.tracker.spawn(sessions.clone().end_in_time(in_flight.clone(), end.clone()));
    let ending = Ending { sessions: sessions.clone(), id: id.clone(), end: end.clone() };
    let (server, ended) = (sessions.server.clone(), end.clone());
    let messages = Messages { requests: incoming, answers, in_flight: in_flight.clone() };
    sessions.tracker.spawn(async move {
        if let Ok(running) = serve_server_with_ct(server, messages, ended).await {
            let _ = running.waiting().await;
        }
    });
    let first = Event::default().event("endpoint").data(format!("/messages?sessionId={id}"));
    let rest = poll_fn(move |context| outgoing.poll_recv(context)).map(move |Waiting { answers, text }| {
        let _held = &ending;
        if let Some(id) = answers {
            in_flight.left(&id);
        }
        Event::default().event("message").data(text)
    });
    let events = stream::iter([first]).chain(rest).take_until(end.cancelled_owned()).map(Ok::<_, Infallible>);
    let mut response = Sse::new(events).keep_alive(KeepAlive::new().interval(PING)).into_response();
    response.headers_mut().insert("x-accel-buffering", header::HeaderValue::from_static("no"));
    response
}

/// The query of a post.
#[derive(Debug, Deserialize)]
pub struct Addressed {
    #[serde(rename = "sessionId", alias = "session_id")]
    session_id: String,
}

/// `POST /messages?sessionId=…`
pub async fn post(
    State(sessions): State<Sessions>,
    Query(Addressed { session_id }): Query<Addressed>,
    Extension(caller): Extension<Caller>,
    request: Request,
) -> Response {
    let (mut parts, body) = request.into_parts();
    parts.extensions.insert(mcp::Session(session_id.clone()));
    let id = parts.extensions.get::<MessageId>().and_then(|MessageId(id)| id.clone());
    // Another caller's session looks the same as an unknown one.
    let session = {
        let table = sessions.table();
        let session = table.get(&session_id).filter(|session| session.principal == caller.principal);
        session.map(|session| {
            // The token's present rights, limited to the tools that the session was opened with.
            parts.extensions.insert(Caller { tools: session.tools.clone(), ..caller });
            (session.requests.clone(), session.in_flight.clone(), session.end.clone())
        })
    };
    let Some((requests, in_flight, end)) = session else {
        return (StatusCode::NOT_FOUND, "There is no such session; open one with GET /sse.\n")
            .into_response();
    };
    // `admit` has already read and checked the body.
    let body = to_bytes(body, LARGEST_BODY).await.unwrap_or_default();
    let mut message: ClientJsonRpcMessage = match serde_json::from_slice(&body) {
        Ok(message) => message,
        Err(error) => {
            let text = format!("the body is JSON, but not a single MCP message: {error}");
            return refusal(StatusCode::BAD_REQUEST, ErrorCode::INVALID_REQUEST, &text, id.as_ref());
        }
    };
    drop(body);
    if let JsonRpcMessage::Request(request) = &message {
        match in_flight.enter(&request.id, parts.extensions.get::<Reservation>().cloned()) {
            Ok(handling) => message.insert_extension(handling),
            Err(refused) => return not_started(&request.id, refused),
        }
    }
    message.insert_extension(parts);
    message.insert_extension(Connection(end));
    match requests.send(message).await {
        Ok(()) => (StatusCode::ACCEPTED, "Accepted\n").into_response(),
        Err(_) => (StatusCode::NOT_FOUND, "The session has ended.\n").into_response(),
    }
}

fn not_started(id: &RequestId, refused: Refused) -> Response {
    match refused {
        Refused::SameId => {
            let id: String = id.to_string().chars().take(64).collect();
            let text = format!("Request {id} is still in progress; a new request needs another id.\n");
            (StatusCode::CONFLICT, text).into_response()
        }
        Refused::Full(most) => {
            let text = format!("{most} requests are not answered yet; read the stream first.\n");
            (StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, "5")], text).into_response()
        }
    }
}

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
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream::{self, StreamExt as _, poll_fn};
use rmcp::model::{ClientJsonRpcMessage, JsonRpcMessage, ProtocolVersion, RequestId};
use rmcp::service::{RxJsonRpcMessage, TxJsonRpcMessage, serve_server_with_ct};
use rmcp::transport::Transport;
use rmcp::{ErrorData, RoleServer};
use serde::Deserialize;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::admission::LARGEST_BODY;
use super::keepalive::PING;
use super::rpc::{of_json, refusal};
use crate::mcp::{self, Caller, Connection, Server};
use crate::permits::{Exhausted, Permit, Permits, Reservation};
use crate::serve::answers::text_of;
use crate::serve::batch::{self, Batches, Complete};
use crate::serve::in_flight::{InFlight, Refused, answered};
use crate::serve::json::{Unread, message};
use crate::serve::opening::{Early, Opening};

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
    line: Line,
    end: CancellationToken,
    _place: Permit,
}

/// The way of a client's messages to its session. A handle: cloning is cheap.
#[derive(Debug, Clone)]
struct Line {
    requests: mpsc::Sender<RxJsonRpcMessage<RoleServer>>,
    in_flight: InFlight,
    batches: Batches,
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
    /// The requests that it answers.
    answers: Vec<RequestId>,
    text: String,
}

impl From<Complete> for Waiting {
    fn from(Complete { ids, text }: Complete) -> Self {
        Self { answers: ids, text }
    }
}

/// The server side of a session.
struct Messages {
    requests: mpsc::Receiver<RxJsonRpcMessage<RoleServer>>,
    answers: mpsc::Sender<Waiting>,
    in_flight: InFlight,
    batches: Batches,
    opening: Opening,
}

impl Transport<RoleServer> for Messages {
    type Error = io::Error;

    fn send(
        &mut self,
        message: TxJsonRpcMessage<RoleServer>,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send + 'static {
        self.batches.sends(&message);
        let answers = answered(&message).cloned();
        let text = text_of(message);
        let waiting = match (text, answers) {
            (Ok(text), Some(id)) => {
                self.in_flight.queued(&id, text.len());
                if self.batches.wait_for(&id) {
                    Ok(self.batches.answer(&id, text).map(Waiting::from))
                } else {
                    Ok(Some(Waiting { answers: vec![id], text }))
                }
            }
            (Ok(text), None) => Ok(Some(Waiting { answers: Vec::new(), text })),
            (Err(error), id) => {
                if let Some(id) = id {
                    self.in_flight.left(&id);
                }
                Err(error)
            }
        };
        let queue = self.answers.clone();
        async move {
            let Some(waiting) = waiting? else { return Ok(()) };
            queue.send(waiting).await.map_err(|_| io::ErrorKind::BrokenPipe.into())
        }
    }

    async fn receive(&mut self) -> Option<RxJsonRpcMessage<RoleServer>> {
        loop {
            let message = self.requests.recv().await?;
            self.in_flight.received(&message);
            if let Some(complete) = self.batches.received(&message) {
                self.answers.send(complete.into()).await.ok()?;
            }
            match (self.opening.check(&message), message) {
                (Early::Pass, message) => return Some(message),
                (Early::Refuse(problem), JsonRpcMessage::Request(request)) => {
                    self.send(JsonRpcMessage::error(problem, Some(request.id))).await.ok()?;
                }
                _ => {}
            }
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
    let (batches, opening) = (Batches::default(), Opening::default());
    let session = Session {
        principal: caller.principal,
        tools: caller.tools,
        line: Line { requests, in_flight: in_flight.clone(), batches: batches.clone() },
        end: end.clone(),
        _place: place,
    };
    sessions.table().insert(id.clone(), session);
    sessions.tracker.spawn(sessions.clone().end_in_time(in_flight.clone(), end.clone()));
    let ending = Ending { sessions: sessions.clone(), id: id.clone(), end: end.clone() };
    let (server, ended) = (sessions.server.clone(), end.clone());
    let messages = Messages { requests: incoming, answers, in_flight: in_flight.clone(), batches, opening };
    sessions.tracker.spawn(async move {
        if let Ok(running) = serve_server_with_ct(server, messages, ended).await {
            let _ = running.waiting().await;
        }
    });
    let first = Event::default().event("endpoint").data(format!("/messages?sessionId={id}"));
    let rest = poll_fn(move |context| outgoing.poll_recv(context)).map(move |Waiting { answers, text }| {
        let _held = &ending;
        for id in &answers {
            in_flight.left(id);
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
    // Another caller's session looks the same as an unknown one.
    let session = {
        let table = sessions.table();
        let session = table.get(&session_id).filter(|session| session.principal == caller.principal);
        session.map(|session| {
            // The token's present rights, limited to the tools that the session was opened with.
            parts.extensions.insert(Caller { tools: session.tools.clone(), ..caller });
            (session.line.clone(), session.end.clone())
        })
    };
    let Some((line, end)) = session else {
        return (StatusCode::NOT_FOUND, "There is no such session; open one with GET /sse.\n")
            .into_response();
    };
    // `admit` has already read and checked the body.
    let body = to_bytes(body, LARGEST_BODY).await.unwrap_or_default();
    let is_batch = batch::is_batch(&body);
    let entries = if is_batch { line.entries(&body) } else { Ok(vec![&body[..]]) };
    let entries = match entries {
        Ok(entries) => entries,
        Err(error) => return refusal(StatusCode::BAD_REQUEST, error.code, &error.message, None),
    };
    // Reserved before anything is registered, so that a client that leaves now leaves nothing half done.
    let Ok(places) = line.requests.reserve_many(entries.len()).await else {
        return (StatusCode::NOT_FOUND, "The session has ended.\n").into_response();
    };
    let taken = if is_batch { line.unpack(entries, &parts) } else { line.take(&body, &parts) };
    let messages = match taken {
        Ok(messages) => messages,
        Err(refusal) => return *refusal,
    };
    for (place, mut message) in places.zip(messages) {
        message.insert_extension(parts.clone());
        message.insert_extension(Connection(end.clone()));
        place.send(message);
    }
    (StatusCode::ACCEPTED, "Accepted\n").into_response()
}

impl Line {
    /// Splits a batch into the texts of its messages.
    fn entries<'a>(&self, body: &'a [u8]) -> Result<Vec<&'a [u8]>, ErrorData> {
        let revision = self.batches.revision();
        batch::entries(body, revision.as_ref().map(ProtocolVersion::as_str))
    }

    /// Reads a body that is one message. Nothing is left of a notification that cannot be read.
    fn take(&self, body: &[u8], parts: &Parts) -> Result<Vec<ClientJsonRpcMessage>, Box<Response>> {
        let mut message = match message(body) {
            Some(Ok(message)) => message,
            Some(Err(Unread { id, error })) => {
                return Err(Box::new(refusal(
                    StatusCode::BAD_REQUEST,
                    error.code,
                    &error.message,
                    id.as_ref(),
                )));
            }
            None => return Ok(Vec::new()),
        };
        match self.enter(&mut message, parts) {
            Ok(()) => Ok(vec![message]),
            Err((id, refused)) => Err(Box::new(not_started(&id, refused))),
        }
    }

    /// Reads the messages of a batch. A message that cannot be handled has its error among the answers, which arrive on
    /// the stream, or in the response to the post if no request was handled.
    fn unpack(&self, entries: Vec<&[u8]>, parts: &Parts) -> Result<Vec<ClientJsonRpcMessage>, Box<Response>> {
        let (mut messages, mut waiting, mut answers) = (Vec::new(), Vec::new(), Vec::new());
        for entry in entries {
            let error = match message(entry) {
                Some(Ok(mut message)) => match self.enter(&mut message, parts) {
                    Ok(()) => {
                        if let JsonRpcMessage::Request(request) = &message {
                            waiting.push(request.id.clone());
                        }
                        messages.push(message);
                        continue;
                    }
                    Err((id, refused)) => {
                        let text = refusal_text(&id, refused);
                        JsonRpcMessage::error(ErrorData::invalid_request(text, None), None)
                    }
                },
                Some(Err(Unread { id, error })) => {
                    JsonRpcMessage::error(error, id.filter(|id| !self.in_flight.is_open(id)))
                }
                None => continue,
            };
            answers.extend(text_of(error));
        }
        if let (true, Some(text)) = (waiting.is_empty(), batch::array(&answers)) {
            return Err(Box::new(of_json(StatusCode::BAD_REQUEST, text)));
        }
        self.batches.open(waiting, answers);
        Ok(messages)
    }

    /// Registers a request.
    fn enter(&self, message: &mut ClientJsonRpcMessage, parts: &Parts) -> Result<(), (RequestId, Refused)> {
        let JsonRpcMessage::Request(request) = &*message else { return Ok(()) };
        let id = request.id.clone();
        let memory = parts.extensions.get::<Reservation>().cloned();
        match self.in_flight.enter(&id, memory) {
            Ok(handling) => {
                message.insert_extension(handling);
                Ok(())
            }
            Err(refused) => Err((id, refused)),
        }
    }
}

fn refusal_text(id: &RequestId, refused: Refused) -> String {
    match refused {
        Refused::SameId => {
            let id: String = id.to_string().chars().take(64).collect();
            format!("Request {id} has no answer yet; a new request needs another id.\n")
        }
        Refused::Full(most) => format!("{most} requests are not answered yet; read the stream first.\n"),
    }
}

fn not_started(id: &RequestId, refused: Refused) -> Response {
    let text = refusal_text(id, refused);
    match refused {
        Refused::SameId => (StatusCode::CONFLICT, text).into_response(),
        Refused::Full(_) => {
            (StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, "5")], text).into_response()
        }
    }
}

//! MCP over standard input and output, one message per line (MCP specification > Transports > stdio).
//!
//! A line that is not a message is answered with an error, under the id of the request if that can be read. Without an
//! answer the sender would wait forever.

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use rmcp::model::{ClientJsonRpcMessage, ErrorCode, JsonRpcMessage, ProtocolVersion, RequestId};
use rmcp::service::{RxJsonRpcMessage, ServerInitializeError, TxJsonRpcMessage};
use rmcp::transport::async_rw::DEFAULT_MAX_LINE_LENGTH;
use rmcp::transport::{Transport, stdio_pipes};
use rmcp::{ErrorData, RoleServer, ServiceExt};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, BufReader};
use tokio_util::sync::CancellationToken;

use super::answers::{Answers, text_of};
use super::batch::{self, Batches, Complete};
use super::in_flight::{InFlight, Refused, answered};
use super::json::{self, Unread, message};
use super::opening::{Early, Opening};
use super::readable_id::{readable_id, without_mark};
use super::{LINGER_AFTER_SIGNAL, no_receivers, resume, signal};
use crate::mcp::{Connection, Server, TakesText};

/// The most requests in flight. A local client may have many, but one that reaches this number is not reading
/// responses.
const MOST: usize = 4096;

/// How long paid requests in flight may delay the exit after the client has left, because their results are paid for.
const LINGER: Duration = Duration::from_secs(180);

/// The most refusals that wait to be written. Reading pauses at this number.
const MOST_REFUSALS: usize = 64;

/// How much is kept of each end of a line that is too long, in bytes. The id is usually near one end.
const END: usize = 1024;

/// Serves one client until it disconnects or a signal arrives. Writes only the protocol to stdout.
pub async fn serve(server: Server) -> Result<(), ServerInitializeError> {
    let stop = CancellationToken::new();
    let signalled = stop.clone();
    let watcher = tokio_util::task::TaskTracker::new();
    watcher.spawn(async move {
        signal().await;
        signalled.cancel();
    });
    let jobs = server.jobs().clone();
    let resume = watcher.spawn(resume(server.clone(), stop.clone(), no_receivers(), true));
    let (input, output) = stdio_pipes();
    let transport = Guarded {
        lines: Lines::new(input),
        answers: Answers::new(output),
        opening: Opening::default(),
        server: server.clone(),
        stop: stop.clone(),
        in_flight: InFlight::new(MOST),
        batches: Batches::default(),
        unpacked: VecDeque::new(),
        writing: VecDeque::new(),
    };
    // Pass a child token, because the service cancels its token when it ends.
    let opened = server.serve_with_ct(transport, stop.child_token()).await;
    let outcome = match opened {
        Ok(running) => {
            let _ = running.waiting().await;
            Ok(())
        }
        // A client that leaves before it initializes, or a signal before then, is not an error.
        Err(ServerInitializeError::ConnectionClosed(_) | ServerInitializeError::Cancelled) => Ok(()),
        Err(error) => Err(error),
    };
    resume.abort();
    let linger = async {
        stop.cancelled().await;
        tokio::time::sleep(LINGER_AFTER_SIGNAL).await;
    };
    tokio::select! {
        () = jobs.shut_down(LINGER) => {}
        () = linger => jobs.shut_down(Duration::ZERO).await,
    }
    outcome
}

/// A transport that filters messages before the service sees them. It answers lines that are no messages, and unpacks
/// batches. It drops what means nothing before the session has begun, because it would end the session. It also refuses
/// requests with an id in flight, and requests over the limit.
struct Guarded<R, W> {
    lines: Lines<R>,
    answers: Answers<W>,
    opening: Opening,
    server: Server,
    stop: CancellationToken,
    in_flight: InFlight,
    batches: Batches,
    /// The messages of a batch that the service has not seen yet.
    unpacked: VecDeque<ClientJsonRpcMessage>,
    /// Refusals and batches that are being written.
    writing: VecDeque<BoxFuture<'static, ()>>,
}

impl<R, W: AsyncWrite + Send + Unpin + 'static> Guarded<R, W> {
    /// Checks a message that the service may see. If it is refused, the error has the id to answer under.
    fn admit(&mut self, message: &mut ClientJsonRpcMessage) -> Result<(), Box<Unread>> {
        let JsonRpcMessage::Request(request) = &*message else { return Ok(()) };
        let id = request.id.clone();
        match self.in_flight.enter(&id, None) {
            Ok(handling) => {
                message.insert_extension(handling);
                Ok(())
            }
            Err(Refused::SameId) => {
                // An error with this id would be taken for the response to the first request.
                let id: String = id.to_string().chars().take(64).collect();
                let why = format!(
                    "the request {id} is not answered yet, so another one with this id was not started: nothing was sent \
                     or billed; give each request an id of its own"
                );
                Err(Box::new(Unread { id: None, error: ErrorData::invalid_request(why, None) }))
            }
            Err(Refused::Full(most)) => {
                let why = format!("{most} requests are not answered yet; read their answers first");
                Err(Box::new(Unread { id: Some(id), error: ErrorData::invalid_request(why, None) }))
            }
        }
    }

    fn refuse(&mut self, error: ErrorData, id: Option<RequestId>) {
        let error = JsonRpcMessage::error(error, id);
        self.writing.push_back(self.answers.send(error).map(drop).boxed());
    }

    /// Refuses a line. An error with the id of another request would be taken for the response to that one.
    fn refuse_unread(&mut self, Unread { id, error }: Unread) {
        let id = id.filter(|id| !self.in_flight.is_open(id));
        self.refuse(error, id);
    }

    /// Splits a batch into its messages.
    fn unpack(&mut self, text: &[u8]) {
        let revision = self.batches.revision();
        let entries = match batch::entries(text, revision.as_ref().map(ProtocolVersion::as_str)) {
            Ok(entries) => entries,
            Err(error) => return self.refuse(error, None),
        };
        let (mut waiting, mut answers) = (Vec::new(), Vec::new());
        for entry in entries {
            let read = match message(entry) {
                Some(Ok(mut message)) => self.admit(&mut message).map(|()| message),
                Some(Err(unread)) => Err(Box::new(unread)),
                None => continue,
            };
            match read {
                Ok(message) => {
                    if let JsonRpcMessage::Request(request) = &message {
                        waiting.push(request.id.clone());
                    }
                    self.unpacked.push_back(message);
                }
                Err(unread) => {
                    let Unread { id, error } = *unread;
                    let id = id.filter(|id| !self.in_flight.is_open(id));
                    answers.extend(text_of(JsonRpcMessage::error(error, id)));
                }
            }
        }
        let complete = self.batches.open(waiting, answers);
        self.write(complete);
    }

    fn write(&mut self, complete: Option<Complete>) {
        if let Some(complete) = complete {
            let written =
                send_complete(self.answers.send_text(complete.text), complete.ids, self.in_flight.clone());
            self.writing.push_back(written.map(drop).boxed());
        }
    }

    /// Notes a message that the service is about to see.
    fn pass(&mut self, mut message: ClientJsonRpcMessage) -> ClientJsonRpcMessage {
        self.in_flight.received(&message);
        let complete = self.batches.received(&message);
        self.write(complete);
        self.server.received(&message);
        message.insert_extension(Connection(self.stop.clone()));
        message.insert_extension(TakesText);
        message
    }
}

/// Writes the answers of a batch. Only then are its ids free.
async fn send_complete(
    sending: impl Future<Output = io::Result<()>>,
    ids: Vec<RequestId>,
    in_flight: InFlight,
) -> io::Result<()> {
    let sent = sending.await;
    for id in &ids {
        in_flight.left(id);
    }
    sent
}

impl<R, W> Transport<RoleServer> for Guarded<R, W>
where
    R: AsyncRead + Send + Unpin,
    W: AsyncWrite + Send + Unpin + 'static,
{
    type Error = io::Error;

    fn send(
        &mut self,
        message: TxJsonRpcMessage<RoleServer>,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send + 'static {
        let id = answered(&message).cloned();
        if let Some(id) = &id {
            self.in_flight.queued(id, 0);
        }
        self.batches.sends(&message);
        let (answers, in_flight, batches) =
            (self.answers.clone(), self.in_flight.clone(), self.batches.clone());
        async move {
            if let Some(id) = id.as_ref().filter(|id| batches.wait_for(id)) {
                return match batches.answer(id, text_of(message)?) {
                    Some(Complete { ids, text }) => {
                        send_complete(answers.send_text(text), ids, in_flight).await
                    }
                    None => Ok(()),
                };
            }
            let sent = answers.send(message).await;
            if let Some(id) = id {
                in_flight.left(&id);
            }
            sent
        }
    }

    async fn receive(&mut self) -> Option<RxJsonRpcMessage<RoleServer>> {
        loop {
            if let Some(message) = self.unpacked.pop_front() {
                return Some(self.pass(message));
            }
            // Both futures are cancel-safe. Refusals are written while reading goes on, so that a client that reads
            // slowly does not delay the check for ids in flight.
            let (waiting, mut first) = (self.writing.len(), self.writing.front_mut());
            let received = tokio::select! {
                biased;
                received = self.lines.next(), if waiting < MOST_REFUSALS => received,
                () = async { if let Some(writing) = &mut first { writing.await } }, if waiting > 0 => {
                    self.writing.pop_front();
                    continue;
                }
            };
            let mut message = match received {
                Some(Read::Message(message)) => *message,
                Some(Read::Batch(text)) => {
                    self.unpack(&text);
                    continue;
                }
                Some(Read::Unread(unread)) => {
                    self.refuse_unread(unread);
                    continue;
                }
                None => {
                    while let Some(writing) = self.writing.pop_front() {
                        writing.await;
                    }
                    self.server.client_gone();
                    return None;
                }
            };
            match self.opening.check(&message) {
                Early::Pass => match self.admit(&mut message) {
                    Ok(()) => return Some(self.pass(message)),
                    Err(unread) => self.refuse(unread.error, unread.id),
                },
                Early::Drop => {}
                Early::Refuse(error) => {
                    let id = match message {
                        JsonRpcMessage::Request(request) => Some(request.id),
                        _ => None,
                    };
                    self.refuse_unread(Unread { id, error });
                }
            }
        }
    }

    async fn close(&mut self) -> io::Result<()> {
        self.answers.close().await;
        Ok(())
    }
}

/// Reads lines of limited length.
#[derive(Debug)]
struct Lines<R> {
    inner: BufReader<R>,
    line: Line,
}

/// The line that is being read.
#[derive(Debug, Default)]
struct Line {
    length: usize,
    /// The line so far, or the start of one that is too long.
    head: Vec<u8>,
    /// The end of a line that is too long.
    tail: Vec<u8>,
}

/// A line, as far as it can be read.
#[derive(Debug)]
enum Read {
    Message(Box<ClientJsonRpcMessage>),
    /// The text of an array.
    Batch(Vec<u8>),
    Unread(Unread),
}

impl<R: AsyncRead + Unpin> Lines<R> {
    fn new(inner: R) -> Self {
        Self { inner: BufReader::with_capacity(64 * 1024, inner), line: Line::default() }
    }

    /// The next line that is not blank; `None` at the end of the input. Cancel-safe.
    async fn next(&mut self) -> Option<Read> {
        loop {
            match self.read_line().await {
                Ok(Some(line)) => {
                    if let Some(read) = line.read() {
                        return Some(read);
                    }
                }
                Ok(None) => return None,
                Err(error) => {
                    tracing::error!(%error, "stdin cannot be read");
                    return None;
                }
            }
        }
    }

    /// The next line. An unfinished line at the end of the input is dropped.
    async fn read_line(&mut self) -> io::Result<Option<Line>> {
        loop {
            let available = self.inner.fill_buf().await?;
            if available.is_empty() {
                return Ok(None);
            }
            let end = available.iter().position(|byte| *byte == b'\n').map(|at| at.saturating_add(1));
            let piece = available.get(..end.unwrap_or(available.len())).unwrap_or_default();
            let length = piece.len();
            self.line.add(piece);
            self.inner.consume(length);
            if end.is_some() {
                return Ok(Some(std::mem::take(&mut self.line)));
            }
        }
    }
}

impl Line {
    fn is_too_long(&self) -> bool {
        self.length > DEFAULT_MAX_LINE_LENGTH
    }

    fn add(&mut self, piece: &[u8]) {
        self.length = self.length.saturating_add(piece.len());
        if !self.is_too_long() {
            self.head.extend_from_slice(piece);
            return;
        }
        if self.head.len() > END {
            let last = self.head.len().saturating_sub(END);
            self.tail = self.head.split_off(last.max(END));
            self.head.truncate(END);
            self.head.shrink_to_fit();
        }
        self.tail.extend_from_slice(piece.get(piece.len().saturating_sub(END)..).unwrap_or_default());
        self.tail.drain(..self.tail.len().saturating_sub(END));
    }

    /// The message, or what is wrong with the line; `None` for a line that needs no answer.
    fn read(self) -> Option<Read> {
        let unread =
            |id, code, why: String| Some(Read::Unread(Unread { id, error: ErrorData::new(code, why, None) }));
        if self.is_too_long() {
            let why = "the message is longer than 16 MiB, so it was not read and nothing was sent or billed; give media as \
                       paths or URLs, and long texts in parts";
            let id = readable_id(&self.head).or_else(|| last_id(&self.tail));
            return unread(id, ErrorCode::INVALID_REQUEST, why.to_owned());
        }
        let text = without_mark(&self.head).trim_ascii();
        if text.is_empty() {
            return None;
        }
        if let Err(unfit) = json::count(text) {
            return unread(readable_id(text), unfit.code(), unfit.to_string());
        }
        if batch::is_batch(text) {
            return Some(Read::Batch(text.to_vec()));
        }
        Some(match message(text)? {
            Ok(message) => Read::Message(Box::new(message)),
            Err(unread) => Read::Unread(unread),
        })
    }
}

/// The id of a message, if it is the last field.
fn last_id(tail: &[u8]) -> Option<RequestId> {
    const NAME: &[u8] = b"\"id\"";
    let tail = tail.trim_ascii_end().strip_suffix(b"}")?;
    let at = tail.windows(NAME.len()).rposition(|window| window == NAME)?;
    let (before, after) = tail.split_at_checked(at)?;
    before.trim_ascii_end().strip_suffix(b",")?;
    let value = after.strip_prefix(NAME)?.trim_ascii_start().strip_prefix(b":")?;
    serde_json::from_slice(value).ok()
}

#[cfg(test)]
mod tests;

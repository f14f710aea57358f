//! Speech that comes while it is made (platform docs > T2A v2 > Streaming).

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, TryStreamExt as _, stream};
use reqwest::{StatusCode, header};
use secrecy::ExposeSecret as _;
use serde::Deserialize;
use serde_json::Value;
use sse_stream::{Sse, SseStream};
use tokio::time::timeout;

use super::speech::{Submit, T2A};
use super::{ApiError, Client, header_text, read, retry_after};

/// Nothing for so long is the end (client rules > transport).
const IDLE: Duration = Duration::from_secs(120);

/// A piece of a sound that is still being made.
#[derive(Debug, Clone, PartialEq)]
pub enum SoundPiece {
    /// The next bytes of the file.
    Audio(Bytes),
    /// There are no more, and this is what MiniMax says about it.
    End(SoundEnd),
}

/// What MiniMax says about a sound when it is whole.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SoundEnd {
    /// Characters that are billed.
    pub characters: Option<u64>,
    /// `extra_info` as it came.
    pub usage: Option<Value>,
}

/// A sound as it comes. Ends with [`SoundPiece::End`] or with an error, never without a word.
pub type SoundStream = Pin<Box<dyn Stream<Item = Result<SoundPiece, ApiError>> + Send>>;

/// An event, or the whole answer of a server that does not stream.
#[derive(Debug, Deserialize)]
struct Event {
    data: Option<Data>,
    extra_info: Option<Value>,
}

#[derive(Debug, Deserialize)]
struct Data {
    #[serde(default)]
    audio: Option<String>,
    #[serde(default)]
    status: i64,
}

/// 1 is a piece, 2 the end.
const LAST: i64 = 2;

struct Reader {
    /// A client of its own, for its words on errors: the stream outlives the call.
    client: Client,
    events: Pin<Box<dyn Stream<Item = Result<Sse, String>> + Send>>,
    trace: Option<String>,
    heard: bool,
    /// Bytes that have come since the last event.
    unread: Arc<AtomicUsize>,
    /// What was read ahead.
    ready: Vec<SoundPiece>,
    over: bool,
}

impl Client {
    /// Speaks a text with `stream` set. Returns when MiniMax has sent a first piece: what it refuses, it refuses
    /// before that, and such a request can be sent again.
    pub async fn speak_streamed(&self, submit: &Submit) -> Result<SoundStream, ApiError> {
        self.observed(T2A.path, self.open_sound(submit)).await
    }

    async fn open_sound(&self, submit: &Submit) -> Result<SoundStream, ApiError> {
        let key = self.key.as_ref().ok_or(ApiError::NoKey)?;
        let request = self
            .http()?
            .post(format!("{}{}", self.host, T2A.path))
            .header(header::ACCEPT, "text/event-stream")
            .bearer_auth(key.expose_secret())
            .json(submit);
        let response = timeout(IDLE, request.send()).await.map_err(|_| silence())?;
        let response = response.map_err(|error| self.lost(T2A.path, error))?;
        let trace = header_text(&response, "trace-id");
        let kind = header_text(&response, "content-type").unwrap_or_default();
        let mut reader = Reader {
            client: Self::new(self.host.clone(), self.key.clone()),
            events: Box::pin(stream::empty()),
            trace,
            heard: false,
            unread: Arc::default(),
            ready: Vec::new(),
            over: false,
        };
        if kind.starts_with("text/event-stream") && response.status().is_success() {
            reader.events = events(response, Arc::clone(&reader.unread));
            let first = reader.next().await?;
            reader.ready.extend(first);
        } else {
            let (status, after) = (response.status(), retry_after(&response));
            let body =
                read(response, T2A.longest).await.map_err(|_| lost("the answer was cut off".to_owned()))?;
            let event: Event = self.decode(T2A.path, status, reader.trace.clone(), after, &body)?;
            reader.take(event)?;
        }
        Ok(Box::pin(stream::try_unfold(reader, |mut reader| async move {
            Ok(reader.next().await?.map(|piece| (piece, reader)))
        })))
    }
}

/// The events of a body. One that does not end must not fill the memory.
fn events(
    response: reqwest::Response,
    unread: Arc<AtomicUsize>,
) -> Pin<Box<dyn Stream<Item = Result<Sse, String>> + Send>> {
    let chunks = response.bytes_stream().map(move |piece| {
        let piece = piece.map_err(|error| std::io::Error::other(error.without_url()))?;
        let before = unread.fetch_add(piece.len(), Ordering::Relaxed);
        if before.saturating_add(piece.len()) > T2A.longest {
            return Err(std::io::Error::other("an event does not end"));
        }
        Ok(piece)
    });
    Box::pin(SseStream::from_bytes_stream(chunks).map_err(|error| error.to_string()))
}

impl Reader {
    async fn next(&mut self) -> Result<Option<SoundPiece>, ApiError> {
        loop {
            if !self.ready.is_empty() {
                return Ok(Some(self.ready.remove(0)));
            }
            if self.over {
                return Ok(None);
            }
            let event = timeout(IDLE, self.events.next()).await.map_err(|_| silence())?;
            let event = event.ok_or_else(|| lost("the stream ended before the sound did".to_owned()))?;
            self.unread.store(0, Ordering::Relaxed);
            let event = event.map_err(|why| lost(self.client.clean(&why)))?;
            // Comments keep a connection alive and have no data.
            let Some(data) = event.data.filter(|data| !data.is_empty()) else { continue };
            let trace = self.trace.clone();
            let event = self.client.decode(T2A.path, StatusCode::OK, trace, None, data.as_bytes())?;
            self.take(event)?;
        }
    }

    /// The last event repeats the whole sound if it was not asked to leave that out: it is heard once.
    fn take(&mut self, event: Event) -> Result<(), ApiError> {
        let last = event.data.as_ref().is_some_and(|data| data.status == LAST);
        let audio = event.data.and_then(|data| data.audio).filter(|audio| !audio.is_empty());
        if let Some(audio) = audio.filter(|_| !(last && self.heard)) {
            self.ready.push(SoundPiece::Audio(decoded(T2A.path, &audio)?));
            self.heard = true;
        }
        if last {
            let characters =
                event.extra_info.as_ref().and_then(|extra| extra.get("usage_characters")?.as_u64());
            self.ready.push(SoundPiece::End(SoundEnd { characters, usage: event.extra_info }));
            self.over = true;
        }
        Ok(())
    }
}

/// Hex, in either case, as bytes.
pub(super) fn decoded(path: &'static str, hex: &str) -> Result<Bytes, ApiError> {
    let bytes = data_encoding::HEXLOWER_PERMISSIVE.decode(hex.as_bytes());
    bytes.map(Bytes::from).map_err(|error| {
        let why = format!("a piece of sound is not hex: {error}");
        ApiError::Shape { path, why, trace_id: None }
    })
}

fn silence() -> ApiError {
    lost(format!("nothing came for {} s", IDLE.as_secs()))
}

fn lost(why: String) -> ApiError {
    ApiError::Lost { path: T2A.path, why }
}

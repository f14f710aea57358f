//! Streamed speech over HTTP (platform docs > T2A v2 > Streaming).

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

use super::exchange::{header_text, retry_after, whole};
use super::speech::{SpeechSubmit, T2A};
use super::{ApiError, Client, RawAnswer, or_default};
use crate::response::body::Unread;
use crate::response::clip;
use crate::response::envelope::{count, usable_link};
use crate::response::sse::{self, Pieces};

/// A stream that sends nothing for this long is lost (client rules > transport).
const IDLE: Duration = Duration::from_secs(120);

/// A piece of streamed audio.
#[derive(Debug, Clone, PartialEq)]
pub enum SoundPiece {
    /// The next bytes of the file.
    Audio(Bytes),
    /// The end of the audio, with MiniMax's figures about it.
    End(SoundEnd),
}

/// MiniMax's figures about complete audio.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SoundEnd {
    /// The billed characters.
    pub characters: Option<u64>,
    /// `extra_info`, unchanged.
    pub usage: Option<Value>,
    /// A link to the audio, if MiniMax sent one instead of bytes.
    pub link: Option<String>,
}

/// Streamed audio. It always ends with [`SoundPiece::End`] or an error.
pub type SoundStream = Pin<Box<dyn Stream<Item = Result<SoundPiece, ApiError>> + Send>>;

/// An event, or the complete response of a server that does not stream.
#[derive(Debug, Deserialize)]
struct Event {
    data: Option<Data>,
    extra_info: Option<Value>,
}

#[derive(Debug, Deserialize)]
struct Data {
    #[serde(default, deserialize_with = "or_default")]
    audio: Option<String>,
    status: Option<Value>,
}

/// The `status` of the last event. Earlier events have 1.
const LAST: i64 = 2;

struct Reader {
    /// Parses errors. A separate client, because the stream outlives the call.
    client: Client,
    events: Pin<Box<dyn Stream<Item = Result<Sse, String>> + Send>>,
    trace: Option<String>,
    heard: bool,
    /// Bytes received since the last event.
    unread: Arc<AtomicUsize>,
    /// Pieces that were read and not yet returned.
    ready: Vec<SoundPiece>,
    /// A link to the audio.
    link: Option<String>,
    over: bool,
}

impl Client {
    /// Speaks a text with `stream` set. Returns after the first piece, because MiniMax refuses a request before that,
    /// and a refused request can be retried.
    pub async fn speak_streamed(&self, submit: &SpeechSubmit) -> Result<SoundStream, ApiError> {
        self.observed(T2A.path, self.open_sound(submit)).await
    }

    async fn open_sound(&self, submit: &SpeechSubmit) -> Result<SoundStream, ApiError> {
        let key = self.keys.current().ok_or(ApiError::NoKey)?;
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
            client: Self::new(self.host.clone(), self.keys.current()),
            events: Box::pin(stream::empty()),
            trace,
            heard: false,
            unread: Arc::default(),
            ready: Vec::new(),
            link: None,
            over: false,
        };
        let (status, after) = (response.status(), retry_after(&response));
        let (first, pieces) = timeout(IDLE, sse::begun(response)).await.map_err(|_| silence())?;
        if status.is_success() && sse::is_events(first, &kind) {
            reader.events = events(pieces, Arc::clone(&reader.unread));
            let first = reader.next().await?;
            reader.ready.extend(first);
        } else {
            let body = match sse::collected(pieces, T2A.longest).await {
                Ok(body) => body,
                Err(Unread::Broken(_, body, _)) if whole::<Value>(&body).is_ok() => body,
                Err(Unread::Broken(_, body, _) | Unread::Endless(body)) => {
                    let kept = self.kept(body).filter(|_| status.is_success());
                    return Err(
                        lost("the answer was cut off".to_owned()).with_answer(kept.map(RawAnswer::part))
                    );
                }
            };
            let event: Event = self.decode(T2A.path, status, reader.trace.clone(), after, &body)?;
            let has_status = event.data.as_ref().is_some_and(|data| data.status.is_some());
            reader.take(event).map_err(|error| error.with_answer(self.kept(body.clone())))?;
            if reader.ready.is_empty() && reader.link.is_none() {
                let why = "a success without audio".to_owned();
                let (at, trace_id, answer) = (self.at(T2A.path), reader.trace, self.kept(body));
                return Err(ApiError::Shape { at, why, trace_id, answer });
            }
            // Nothing follows a whole answer. One that calls itself unfinished is not taken for complete.
            if !reader.over && !has_status {
                reader.end(None);
            }
        }
        Ok(Box::pin(stream::try_unfold(reader, |mut reader| async move {
            Ok(reader.next().await?.map(|piece| (piece, reader)))
        })))
    }
}

/// The events of a body. Fails on an event that exceeds the size limit, to bound memory.
fn events(
    pieces: Pieces,
    unread: Arc<AtomicUsize>,
) -> Pin<Box<dyn Stream<Item = Result<Sse, String>> + Send>> {
    let chunks = pieces.map(move |piece| {
        let piece = piece.map_err(|error| std::io::Error::other(error.without_url()))?;
        let before = unread.fetch_add(piece.len(), Ordering::Relaxed);
        if before.saturating_add(piece.len()) > T2A.longest {
            return Err(std::io::Error::other("an event does not end"));
        }
        Ok(piece)
    });
    let lines = sse::lines(chunks, Arc::default());
    Box::pin(SseStream::from_bytes_stream(lines).map_err(|error| error.to_string()))
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
            // A comment, which only keeps the connection alive, has no data.
            let Some(data) = event.data.filter(|data| !data.is_empty()) else { continue };
            let trace = self.trace.clone();
            let event = self.client.decode(T2A.path, StatusCode::OK, trace, None, data.as_bytes())?;
            self.take(event)?;
        }
    }

    /// Takes one event. The last one may repeat all of the audio; the repetition is dropped.
    fn take(&mut self, event: Event) -> Result<(), ApiError> {
        let last = event.data.as_ref().is_some_and(|data| data.status.as_ref().and_then(count) == Some(LAST));
        let audio = event.data.and_then(|data| data.audio).filter(|audio| !audio.is_empty());
        if let Some(audio) = audio.filter(|_| !(last && self.heard)) {
            // Bytes were requested.
            if let Some(link) = usable_link(&audio) {
                self.link = Some(link);
            } else {
                self.ready.push(SoundPiece::Audio(decoded(T2A.path, &audio)?));
                self.heard = true;
            }
        }
        if last {
            self.end(event.extra_info);
        }
        Ok(())
    }

    fn end(&mut self, usage: Option<Value>) {
        let count = |usage: &Value| count(usage.get("usage_characters")?)?.try_into().ok();
        let characters = usage.as_ref().and_then(count);
        self.ready.push(SoundPiece::End(SoundEnd { characters, usage, link: self.link.take() }));
        self.over = true;
    }
}

/// Decodes a piece of audio.
pub(super) fn decoded(path: &'static str, text: &str) -> Result<Bytes, ApiError> {
    if let Some(bytes) = clip::piece(text) {
        return Ok(Bytes::from(bytes));
    }
    let (why, begins) =
        ("a piece of sound is neither hex nor base64", text.chars().take(200).collect::<String>());
    Err(ApiError::Shape { at: path.into(), why: format!("{why}: {begins:?}"), trace_id: None, answer: None })
}

fn silence() -> ApiError {
    lost(format!("nothing arrived for {} s", IDLE.as_secs()))
}

fn lost(why: String) -> ApiError {
    ApiError::Lost { at: T2A.path.into(), why, answer: None }
}

//! Live speech over a WebSocket (platform docs > T2A WebSocket, bidirectional).

use std::pin::Pin;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _, stream};
use reqwest::{StatusCode, Upgraded, header};
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Message, Role};

use super::exchange::header_text;
use super::speech::{AudioSetting, VoiceSetting};
use super::speech_stream::{SoundEnd, SoundPiece, SoundStream, decoded};
use super::{ApiError, Client, or_default, read};

const PATH: &str = "/ws/v1/t2a_v2_bidi";

/// MiniMax closes the socket after 120 s without an event.
const IDLE: Duration = Duration::from_secs(120);
/// The limit for the connection and the `task_start` exchange.
const OPENING: Duration = Duration::from_secs(20);
/// How long to wait for MiniMax to refuse the text before sending `task_finish`, without which it waits for more.
const SETTLING: Duration = Duration::from_millis(300);

/// MiniMax's code for too much queued text. The text must be sent again a moment later.
const CROWDED: i64 = 2205;
const CROWDED_TRIES: u32 = 5;
const CROWDED_PAUSE: Duration = Duration::from_millis(700);

/// The body of `task_start`, and the text to speak.
#[derive(Debug, Clone, Serialize)]
pub struct LiveSpeech {
    /// A speech model, such as `speech-2.8-hd`.
    pub model: String,
    /// The voice and how it speaks.
    pub voice_setting: VoiceSetting,
    /// The audio format.
    pub audio_setting: AudioSetting,
    /// The name of a language, or `auto`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub language_boost: Option<String>,
    /// Fewer than 10,000 characters. Not part of `task_start`.
    #[serde(skip)]
    pub text: String,
}

type Socket = WebSocketStream<Upgraded>;

#[derive(Debug, Deserialize)]
struct Event {
    /// Empty for audio events: as documented, they have no name.
    #[serde(default, rename = "event", deserialize_with = "or_default")]
    word: String,
    data: Option<Data>,
    // An odd value beside the audio must not lose it.
    #[serde(default, deserialize_with = "or_default")]
    extra_info: Option<Map<String, Value>>,
    #[serde(default, deserialize_with = "or_default")]
    is_final: bool,
}

#[derive(Debug, Deserialize)]
struct Data {
    #[serde(default, deserialize_with = "or_default")]
    audio: Option<String>,
}

struct Session {
    client: Client,
    socket: Pin<Box<Socket>>,
    text: String,
    /// How often the text was sent. `finished` is set once `task_finish` is sent.
    tries: u32,
    finished: bool,
    usage: Map<String, Value>,
    over: bool,
}

impl Client {
    /// Opens a session and sends the text. The audio arrives while MiniMax makes it. Nothing is billed before the text
    /// is sent.
    pub async fn speak_live(&self, live: &LiveSpeech) -> Result<SoundStream, ApiError> {
        let opening = async {
            let opened = timeout(OPENING, self.open_session(live)).await;
            let mut session = opened.map_err(|_| {
                unsent(format!("MiniMax did not open a session within {} s", OPENING.as_secs()))
            })??;
            session.send_text().await?;
            Ok(session)
        };
        let session = self.observed(PATH, opening).await?;
        Ok(Box::pin(stream::try_unfold(session, |mut session| async move {
            Ok(session.next().await?.map(|piece| (piece, session)))
        })))
    }

    async fn open_session(&self, live: &LiveSpeech) -> Result<Session, ApiError> {
        let socket = self.open_socket().await?;
        let mut session = Session {
            client: self.beside(self.keys.current(), super::RateLimits::default()),
            socket: Box::pin(socket),
            text: live.text.clone(),
            tries: 0,
            finished: false,
            usage: Map::new(),
            over: false,
        };
        session.await_event("connected_success").await?;
        let mut start = serde_json::to_value(live).map_err(|error| unsent(error.to_string()))?;
        if let Some(fields) = start.as_object_mut() {
            fields.insert("event".into(), json!("task_start"));
        }
        session.send(&start).await.map_err(unsent)?;
        session.await_event("task_started").await?;
        Ok(session)
    }

    /// Upgrades an HTTP request, so that the socket uses the same root certificates and proxies as other requests.
    async fn open_socket(&self) -> Result<Socket, ApiError> {
        let key = self.keys.current().ok_or(ApiError::NoKey)?;
        let nonce = generate_key();
        let request = self
            .build(true)?
            .get(format!("{}{PATH}", self.host))
            .bearer_auth(key.expose_secret())
            .header(header::CONNECTION, "Upgrade")
            .header(header::UPGRADE, "websocket")
            .header(header::SEC_WEBSOCKET_VERSION, "13")
            .header(header::SEC_WEBSOCKET_KEY, &nonce);
        let response = request.send().await.map_err(|error| nothing_sent(self.lost(PATH, error)))?;
        let (status, trace) = (response.status(), header_text(&response, "trace-id"));
        if status != StatusCode::SWITCHING_PROTOCOLS {
            let body = read(response, super::USUAL).await.map_err(|_| unsent("the answer was cut off"))?;
            let _: Value = self.decode(PATH, status, trace, None, &body)?;
            return Err(unsent("it is not a WebSocket"));
        }
        let accepted = header_text(&response, "sec-websocket-accept").unwrap_or_default();
        if accepted != derive_accept_key(nonce.as_bytes()) {
            return Err(unsent("the handshake of the WebSocket is invalid"));
        }
        let upgraded = response.upgrade().await.map_err(|error| nothing_sent(self.lost(PATH, error)))?;
        Ok(WebSocketStream::from_raw_socket(upgraded, Role::Client, None).await)
    }
}

impl Session {
    async fn send(&mut self, event: &Value) -> Result<(), String> {
        let sent = self.socket.send(Message::text(event.to_string())).await;
        sent.map_err(|error| self.client.clean(&error.to_string()))
    }

    async fn send_text(&mut self) -> Result<(), ApiError> {
        self.tries += 1;
        let text = json!({ "event": "task_continue", "text": self.text });
        self.send(&text).await.map_err(lost)
    }

    async fn finish(&mut self) -> Result<(), ApiError> {
        self.finished = true;
        self.send(&json!({ "event": "task_finish" })).await.map_err(lost)
    }

    /// Waits for an event before the text is sent. A lost connection here means that nothing was billed.
    async fn await_event(&mut self, wanted: &str) -> Result<(), ApiError> {
        loop {
            let event = self.receive().await.map_err(nothing_sent)?;
            if event.word == wanted {
                return Ok(());
            }
        }
    }

    async fn receive(&mut self) -> Result<Event, ApiError> {
        loop {
            let message = timeout(IDLE, self.socket.next()).await;
            let message = message.map_err(|_| lost(format!("nothing arrived for {} s", IDLE.as_secs())))?;
            match message {
                Some(Ok(Message::Text(text))) => {
                    return self.client.decode(PATH, StatusCode::OK, None, None, text.as_bytes());
                }
                Some(Ok(Message::Close(_))) | None => {
                    return Err(lost("the WebSocket was closed before the sound was complete"));
                }
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(lost(self.client.clean(&error.to_string()))),
            }
        }
    }

    async fn next(&mut self) -> Result<Option<SoundPiece>, ApiError> {
        while !self.over {
            let event = if self.finished {
                self.receive().await
            } else {
                let Ok(event) = timeout(SETTLING, self.receive()).await else {
                    self.finish().await?;
                    continue;
                };
                event
            };
            let event = match event {
                Ok(event) => event,
                Err(error)
                    if error.code() == Some(CROWDED) && !self.finished && self.tries < CROWDED_TRIES =>
                {
                    tokio::time::sleep(CROWDED_PAUSE).await;
                    self.send_text().await?;
                    continue;
                }
                Err(error) => return Err(error),
            };
            if !self.finished {
                self.finish().await?;
            }
            if let Some(piece) = self.take(event)? {
                return Ok(Some(piece));
            }
        }
        Ok(None)
    }

    fn take(&mut self, event: Event) -> Result<Option<SoundPiece>, ApiError> {
        if event.word == "task_finished" {
            self.over = true;
            let characters = self.usage.get("usage_characters").and_then(Value::as_u64);
            let usage = Some(std::mem::take(&mut self.usage)).filter(|usage| !usage.is_empty());
            return Ok(Some(SoundPiece::End(SoundEnd {
                characters,
                usage: usage.map(Value::Object),
                link: None,
            })));
        }
        if event.is_final {
            self.add(event.extra_info.unwrap_or_default());
        }
        let audio = event.data.and_then(|data| data.audio).filter(|audio| !audio.is_empty());
        audio.map(|audio| decoded(PATH, &audio).map(SoundPiece::Audio)).transpose()
    }

    /// Adds up the usage, which MiniMax reports for each sentence.
    fn add(&mut self, extra: Map<String, Value>) {
        for (name, value) in extra {
            let counted = ["audio_length", "audio_size", "usage_characters", "word_count"];
            let sum = match (self.usage.get(&name).and_then(Value::as_u64), value.as_u64()) {
                (Some(before), Some(now)) if counted.contains(&name.as_str()) => {
                    json!(before.saturating_add(now))
                }
                _ => value,
            };
            self.usage.insert(name, sum);
        }
    }
}

/// The text has not been sent yet, so nothing was billed.
fn nothing_sent(error: ApiError) -> ApiError {
    match error {
        ApiError::Lost { at, why, .. } => {
            ApiError::Unsent { at, why: format!("The session with MiniMax could not be opened: {why}") }
        }
        other => other,
    }
}

fn unsent(why: impl Into<String>) -> ApiError {
    ApiError::Unsent { at: PATH.into(), why: why.into() }
}

fn lost(why: impl Into<String>) -> ApiError {
    ApiError::Lost { at: PATH.into(), why: why.into(), answer: None }
}

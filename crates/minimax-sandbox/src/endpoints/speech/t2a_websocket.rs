//! The WebSockets `/ws/v1/t2a_v2` and `/ws/v1/t2a_v2_bidi` ("T2A WebSocket").
//!
//! Words in a text control the session: `#crowded` is rejected once with 2205. After the first frame of sound, `#failtask`
//! ends the session with an error, `#cut` closes it without one, `#silence` sends nothing more, and `#garbage` sends invalid
//! JSON.

use std::sync::Arc;

use axum::extract::State;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::response::Response;
use serde_json::{Map, Value, json};

use crate::endpoints::speech::fields::{
    ANY_TEXTS, AUDIO, LANGUAGES, MODELS, MODIFY, TIMBRE, VOICE, check_combinations,
};
use crate::endpoints::speech::synthesis::{CHUNK, extra_info, setting, synthesize};
use crate::engine::blocking::run_blocking;
use crate::engine::errors::{ApiError, INVALID, SENSITIVE_OUTPUT, base_resp, success};
use crate::engine::field_rules::{FILLED, Field, Kind, check, optional, reject_sensitive, required, text};
use crate::engine::ids::{new_id, new_token};
use crate::engine::journal::Entry;
use crate::engine::request::Call;
use crate::engine::request_log::Request;
use crate::engine::routes::Routes;
use crate::engine::state::AppState;

const START: &[Field] = &[
    required("event", Kind::OneOf(&["task_start"])),
    required("model", Kind::OneOf(MODELS)),
    required("voice_setting", Kind::Object(VOICE)),
    optional("audio_setting", Kind::Object(AUDIO)),
    optional("pronunciation_dict", Kind::Object(&[optional("tone", ANY_TEXTS)])),
    optional("timbre_weights", Kind::List { min: 1, max: 4, item: &Kind::Object(TIMBRE) }),
    optional("language_boost", Kind::OneOfOrNull(LANGUAGES)),
    optional("voice_modify", Kind::Object(MODIFY)),
    optional("subtitle_enable", Kind::Bool),
    optional("subtitle_type", Kind::OneOf(&["sentence", "word", "word_streaming"])),
    optional("continuous_sound", Kind::Bool),
];
const CONTINUE: &[Field] =
    &[required("event", FILLED), required("text", Kind::Text { min: 0, max: usize::MAX })];
const BARE: &[Field] = &[required("event", FILLED)];

/// "T2A WebSocket > Status codes".
const ILLEGAL: i64 = 2202;
const EMPTY: i64 = 2203;
const TOO_LONG: i64 = 2204;
const CROWDED: i64 = 2205;
const DISORDER: i64 = 2206;

const LONGEST: usize = 10_000;

pub(crate) fn routes() -> Routes {
    Routes::new()
        .get("/ws/v1/t2a_v2", async |state, upgrade, call| open(state, upgrade, call, false))
        .get("/ws/v1/t2a_v2_bidi", async |state, upgrade, call| open(state, upgrade, call, true))
}

fn open(
    State(state): State<Arc<AppState>>,
    upgrade: WebSocketUpgrade,
    call: Result<Call, ApiError>,
    bidi: bool,
) -> Response {
    upgrade.on_upgrade(move |socket| async move {
        let stopping = state.stopping.clone();
        let (bill, error) = match call {
            Ok(call) => (Some(call.bill()), None),
            Err(error) => (None, Some(error)),
        };
        let session = Session {
            socket,
            state,
            bill,
            bidi,
            id: new_token(),
            connect_id: new_id(15).to_string(),
            start: None,
            buffer: String::new(),
            crowded: false,
        };
        stopping.run_until_cancelled(session.serve(error)).await;
    })
}

/// The session is over: its last event was sent, or the client is gone.
struct Closed;

struct Session {
    socket: WebSocket,
    state: Arc<AppState>,
    bill: Option<Request>,
    bidi: bool,
    id: String,
    connect_id: String,
    start: Option<Map<String, Value>>,
    /// Text whose sentence is not complete yet.
    buffer: String,
    /// Whether `#crowded` was already rejected.
    crowded: bool,
}

impl Session {
    async fn serve(mut self, error: Option<ApiError>) {
        let _ = self.run(error).await;
        // The client may have disconnected already.
        let _ = self.socket.send(Message::Close(None)).await;
    }

    async fn run(&mut self, error: Option<ApiError>) -> Result<(), Closed> {
        if let Some(error) = error {
            return self.fail(error.code, &error.message).await;
        }
        self.send_event("connected_success").await?;
        loop {
            let text = match self.socket.recv().await {
                Some(Ok(Message::Text(text))) => text,
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => continue,
                Some(Ok(Message::Binary(_))) => return self.fail(ILLEGAL, "illegal event").await,
                Some(Ok(Message::Close(_)) | Err(_)) | None => return Err(Closed),
            };
            let Ok(event) = serde_json::from_str::<Map<String, Value>>(&text) else {
                return self.fail(ILLEGAL, "illegal event").await;
            };
            self.handle(&event).await?;
        }
    }

    async fn handle(&mut self, event: &Map<String, Value>) -> Result<(), Closed> {
        let name = text(event, "event");
        let fields = match name {
            "task_start" => START,
            "task_continue" => CONTINUE,
            "task_finish" => BARE,
            "task_cancel" | "task_flush" if self.bidi => BARE,
            _ => return self.fail(ILLEGAL, "illegal event").await,
        };
        if (name == "task_start") == self.start.is_some() {
            return self.fail(DISORDER, "illegal order of events").await;
        }
        if let Err(error) = check(event, fields) {
            return self.fail(error.code, &error.message).await;
        }
        match name {
            "task_start" => self.begin(event).await,
            "task_continue" => self.add_text(text(event, "text")).await,
            "task_cancel" => {
                self.buffer.clear();
                self.send_event("task_canceled").await
            }
            "task_flush" => {
                self.flush().await?;
                self.send_event("task_flushed").await
            }
            _ => {
                if self.bidi {
                    self.flush().await?;
                }
                self.send_event("task_finished").await?;
                Err(Closed)
            }
        }
    }

    async fn begin(&mut self, event: &Map<String, Value>) -> Result<(), Closed> {
        if let Err(error) = check_combinations(event) {
            return self.fail(error.code, &error.message).await;
        }
        if event.contains_key("continuous_sound") && !text(event, "model").starts_with("speech-2.8") {
            return self.fail(INVALID, "invalid params, continuous_sound needs a speech-2.8 model").await;
        }
        self.start = Some(event.clone());
        self.send_event("task_started").await
    }

    async fn add_text(&mut self, spoken: &str) -> Result<(), Closed> {
        if spoken.chars().count() > LONGEST {
            return self.warn(TOO_LONG, "text is too long, skipped").await;
        }
        if spoken.trim().is_empty() {
            return if self.bidi { Ok(()) } else { self.warn(EMPTY, "empty text, skipped").await };
        }
        if spoken.contains("#crowded") && !std::mem::replace(&mut self.crowded, true) {
            return self.warn(CROWDED, "too much text is queued").await;
        }
        if let Err(error) = reject_sensitive(spoken) {
            return self.fail(error.code, &error.message).await;
        }
        if let Some(bill) = &self.bill {
            let body = json!({"start": self.start, "text": spoken});
            let entry = Entry::paid(Request { body, ..bill.clone() }, None, None);
            if let Err(failure) = self.state.store.add(&entry) {
                let error = ApiError::from(failure);
                return self.fail(error.code, &error.message).await;
            }
        }
        if !self.bidi {
            return self.speak(spoken).await;
        }
        self.buffer.push_str(spoken);
        let ends = ['.', '!', '?', '。', '！', '？', '…', '\n'];
        while let Some((at, end)) = self.buffer.char_indices().find(|(_, letter)| ends.contains(letter)) {
            let rest = self.buffer.split_off(at + end.len_utf8());
            let sentence = std::mem::replace(&mut self.buffer, rest);
            self.sentence(&sentence).await?;
        }
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), Closed> {
        let rest = std::mem::take(&mut self.buffer);
        self.sentence(&rest).await
    }

    async fn sentence(&mut self, sentence: &str) -> Result<(), Closed> {
        if !sentence.chars().any(char::is_alphanumeric) {
            return Ok(());
        }
        self.send_event("sentence_start").await?;
        self.speak(sentence).await?;
        self.send_event("sentence_end").await
    }

    /// Sends frames of sound. The last one includes the counts.
    async fn speak(&mut self, spoken: &str) -> Result<(), Closed> {
        let mut order = self.start.clone().unwrap_or_default();
        order.insert("text".into(), json!(spoken));
        let setting = setting(&order);
        let made = run_blocking(move || {
            let sound = synthesize(&order, setting)?;
            let extra = extra_info(&order, setting, &sound);
            Ok((sound, extra))
        });
        let (sound, extra) = match made.await {
            Ok(made) => made,
            Err(error) => return self.fail(error.code, &error.message).await,
        };
        let frames: Vec<_> = sound.bytes.chunks(CHUNK).collect();
        for (number, frame) in frames.iter().enumerate() {
            let last = number + 1 == frames.len();
            let mut fields = json!({
                "data": {"audio": data_encoding::HEXLOWER.encode(frame)},
                "is_final": last,
                "event": "task_continued",
            });
            if let (true, Some(fields)) = (last, fields.as_object_mut()) {
                fields.insert("extra_info".into(), extra.clone());
            }
            self.send(fields, success()).await?;
            if spoken.contains("#failtask") {
                return self.fail(SENSITIVE_OUTPUT, "the generated content is sensitive").await;
            }
            if spoken.contains("#cut") {
                return Err(Closed);
            }
            if spoken.contains("#silence") {
                std::future::pending::<()>().await;
            }
            if spoken.contains("#garbage") {
                let garbage = Message::Text("{\"event\": garbage".into());
                self.socket.send(garbage).await.map_err(|_| Closed)?;
            }
        }
        Ok(())
    }

    async fn send_event(&mut self, event: &str) -> Result<(), Closed> {
        self.send(json!({"event": event}), success()).await
    }

    /// Sends an error after which the session continues.
    async fn warn(&mut self, code: i64, message: &str) -> Result<(), Closed> {
        self.send(json!({"event": "task_failed"}), base_resp(code, message)).await
    }

    /// Sends an error that ends the session.
    async fn fail(&mut self, code: i64, message: &str) -> Result<(), Closed> {
        self.warn(code, message).await?;
        Err(Closed)
    }

    async fn send(&mut self, mut event: Value, outcome: Value) -> Result<(), Closed> {
        if let Some(fields) = event.as_object_mut() {
            fields.insert("session_id".into(), json!(self.id));
            if self.bidi {
                fields.insert("connect_id".into(), json!(self.connect_id));
            }
            fields.insert("trace_id".into(), json!(new_token()));
            fields.insert("base_resp".into(), outcome);
        }
        self.socket.send(Message::Text(event.to_string().into())).await.map_err(|_| Closed)
    }
}

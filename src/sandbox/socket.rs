//! The WebSockets `/ws/v1/t2a_v2` and `/ws/v1/t2a_v2_bidi` ("T2A WebSocket").
//!
//! The word `#crowded` in a text makes the session refuse it once with 2205, `#failtask` ends it in mid-sound. There
//! `#cut` ends the session without a word, `#silence` says nothing more, `#garbage` says something that is no event.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::response::Response;
use axum::routing::get;
use serde_json::{Map, Value, json};

use super::answer::{INVALID, Refusal, SENSITIVE_OUTPUT, base_resp, success};
use super::call::Call;
use super::check::{FILLED, Field, Kind, check, decent, optional, required, text};
use super::platform::{Platform, aside, new_id, new_token};
use super::record;
use super::speech::{
    ANY_TEXTS, AUDIO, CHUNK, LANGUAGES, MODELS, MODIFY, TIMBRE, combine, extra_info, setting, utter,
};
use super::speech_long::VOICE;
use super::store::Entry;

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

pub(super) fn routes() -> Router<Arc<Platform>> {
    Router::new()
        .route("/ws/v1/t2a_v2", get(async |state, upgrade, call| open(state, upgrade, call, false)))
        .route("/ws/v1/t2a_v2_bidi", get(async |state, upgrade, call| open(state, upgrade, call, true)))
}

fn open(
    State(platform): State<Arc<Platform>>,
    upgrade: WebSocketUpgrade,
    call: Result<Call, Refusal>,
    bidi: bool,
) -> Response {
    upgrade.on_upgrade(move |socket| async move {
        let stopping = platform.stopping.clone();
        let (bill, refusal) = match call {
            Ok(call) => (Some(call.bill()), None),
            Err(refusal) => (None, Some(refusal)),
        };
        let session = Session {
            socket,
            platform,
            bill,
            bidi,
            name: new_token(),
            connect: new_id(15).to_string(),
            start: None,
            buffer: String::new(),
            crowded: false,
        };
        stopping.run_until_cancelled(session.serve(refusal)).await;
    })
}

/// Why a session ends: it was said, or nobody listens any more.
struct Over;

struct Session {
    socket: WebSocket,
    platform: Arc<Platform>,
    bill: Option<record::Request>,
    bidi: bool,
    name: String,
    connect: String,
    start: Option<Map<String, Value>>,
    /// Text that waits for the end of its sentence.
    buffer: String,
    crowded: bool,
}

impl Session {
    async fn serve(mut self, refusal: Option<Refusal>) {
        let _ = self.converse(refusal).await;
        // The other side may have gone already.
        let _ = self.socket.send(Message::Close(None)).await;
    }

    async fn converse(&mut self, refusal: Option<Refusal>) -> Result<(), Over> {
        if let Some(refusal) = refusal {
            return self.fail(refusal.code, &refusal.message).await;
        }
        self.say("connected_success").await?;
        loop {
            let text = match self.socket.recv().await {
                Some(Ok(Message::Text(text))) => text,
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => continue,
                Some(Ok(Message::Binary(_))) => return self.fail(ILLEGAL, "illegal event").await,
                Some(Ok(Message::Close(_)) | Err(_)) | None => return Err(Over),
            };
            let Ok(event) = serde_json::from_str::<Map<String, Value>>(&text) else {
                return self.fail(ILLEGAL, "illegal event").await;
            };
            self.obey(&event).await?;
        }
    }

    async fn obey(&mut self, event: &Map<String, Value>) -> Result<(), Over> {
        let word = text(event, "event");
        let fields = match word {
            "task_start" => START,
            "task_continue" => CONTINUE,
            "task_finish" => BARE,
            "task_cancel" | "task_flush" if self.bidi => BARE,
            _ => return self.fail(ILLEGAL, "illegal event").await,
        };
        if (word == "task_start") == self.start.is_some() {
            return self.fail(DISORDER, "illegal order of events").await;
        }
        if let Err(refusal) = check(event, fields) {
            return self.fail(refusal.code, &refusal.message).await;
        }
        match word {
            "task_start" => self.begin(event).await,
            "task_continue" => self.take(text(event, "text")).await,
            "task_cancel" => {
                self.buffer.clear();
                self.say("task_canceled").await
            }
            "task_flush" => {
                self.flush().await?;
                self.say("task_flushed").await
            }
            _ => {
                if self.bidi {
                    self.flush().await?;
                }
                self.say("task_finished").await?;
                Err(Over)
            }
        }
    }

    async fn begin(&mut self, event: &Map<String, Value>) -> Result<(), Over> {
        if let Err(refusal) = combine(event) {
            return self.fail(refusal.code, &refusal.message).await;
        }
        if event.contains_key("continuous_sound") && !text(event, "model").starts_with("speech-2.8") {
            return self.fail(INVALID, "invalid params, continuous_sound needs a speech-2.8 model").await;
        }
        self.start = Some(event.clone());
        self.say("task_started").await
    }

    async fn take(&mut self, spoken: &str) -> Result<(), Over> {
        if spoken.chars().count() > LONGEST {
            return self.warn(TOO_LONG, "text is too long, skipped").await;
        }
        if spoken.trim().is_empty() {
            return if self.bidi { Ok(()) } else { self.warn(EMPTY, "empty text, skipped").await };
        }
        if spoken.contains("#crowded") && !std::mem::replace(&mut self.crowded, true) {
            return self.warn(CROWDED, "too much text is queued").await;
        }
        if let Err(refusal) = decent(spoken) {
            return self.fail(refusal.code, &refusal.message).await;
        }
        if let Some(bill) = &self.bill {
            let body = json!({"start": self.start, "text": spoken});
            let entry = Entry::paid(record::Request { body, ..bill.clone() }, None, None);
            if let Err(failure) = self.platform.store.add(&entry) {
                let refusal = Refusal::from(failure);
                return self.fail(refusal.code, &refusal.message).await;
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

    async fn flush(&mut self) -> Result<(), Over> {
        let rest = std::mem::take(&mut self.buffer);
        self.sentence(&rest).await
    }

    async fn sentence(&mut self, sentence: &str) -> Result<(), Over> {
        if !sentence.chars().any(char::is_alphanumeric) {
            return Ok(());
        }
        self.say("sentence_start").await?;
        self.speak(sentence).await?;
        self.say("sentence_end").await
    }

    /// Frames of sound; the last has the counts.
    async fn speak(&mut self, spoken: &str) -> Result<(), Over> {
        let mut order = self.start.clone().unwrap_or_default();
        order.insert("text".into(), json!(spoken));
        let setting = setting(&order);
        let made = aside(move || {
            let sound = utter(&order, setting)?;
            let extra = extra_info(&order, setting, &sound);
            Ok((sound, extra))
        });
        let (sound, extra) = match made.await {
            Ok(made) => made,
            Err(refusal) => return self.fail(refusal.code, &refusal.message).await,
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
                return Err(Over);
            }
            if spoken.contains("#silence") {
                std::future::pending::<()>().await;
            }
            if spoken.contains("#garbage") {
                let garbage = Message::Text("{\"event\": garbage".into());
                self.socket.send(garbage).await.map_err(|_| Over)?;
            }
        }
        Ok(())
    }

    async fn say(&mut self, event: &str) -> Result<(), Over> {
        self.send(json!({"event": event}), success()).await
    }

    /// A complaint after which the session goes on.
    async fn warn(&mut self, code: i64, message: &str) -> Result<(), Over> {
        self.send(json!({"event": "task_failed"}), base_resp(code, message)).await
    }

    /// A complaint that ends the session.
    async fn fail(&mut self, code: i64, message: &str) -> Result<(), Over> {
        self.warn(code, message).await?;
        Err(Over)
    }

    async fn send(&mut self, mut event: Value, outcome: Value) -> Result<(), Over> {
        if let Some(fields) = event.as_object_mut() {
            fields.insert("session_id".into(), json!(self.name));
            if self.bidi {
                fields.insert("connect_id".into(), json!(self.connect));
            }
            fields.insert("trace_id".into(), json!(new_token()));
            fields.insert("base_resp".into(), outcome);
        }
        self.socket.send(Message::Text(event.to_string().into())).await.map_err(|_| Over)
    }
}

//! Speech over WebSockets.

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

use super::{KEY, World};

struct Session(WebSocketStream<TcpStream>);

impl Session {
    async fn open(world: &World, path: &str, key: Option<&str>) -> Self {
        let host = world.sandbox.url().replace("http://", "");
        let mut request = format!("ws://{host}{path}").into_client_request().unwrap();
        if let Some(key) = key {
            request.headers_mut().insert("authorization", format!("Bearer {key}").parse().unwrap());
        }
        let stream = TcpStream::connect(host).await.unwrap();
        Self(tokio_tungstenite::client_async(request, stream).await.unwrap().0)
    }

    /// Opens a session and waits for `task_started`.
    async fn started(world: &World, path: &str) -> Self {
        let mut session = Self::open(world, path, Some(KEY)).await;
        assert_eq!(session.next().await["event"], "connected_success");
        session.send(start()).await;
        assert_eq!(session.next().await["event"], "task_started");
        session
    }

    async fn send(&mut self, event: Value) {
        self.0.send(Message::text(event.to_string())).await.unwrap();
    }

    /// The next event; null after the end.
    async fn next(&mut self) -> Value {
        match self.0.next().await {
            Some(Ok(Message::Text(text))) => serde_json::from_str(&text).unwrap(),
            _ => Value::Null,
        }
    }

    /// The names of all events until the end of the session; consecutive sound events are named once.
    async fn rest(&mut self) -> Vec<String> {
        let mut words: Vec<String> = Vec::new();
        loop {
            match self.next().await {
                Value::Null => return words,
                event => words.push(event["event"].as_str().unwrap().to_owned()),
            }
            words.dedup();
        }
    }

    async fn fails(&mut self, code: i64) {
        let event = self.next().await;
        assert_eq!(
            (&event["event"], &event["base_resp"]["status_code"]),
            (&json!("task_failed"), &json!(code))
        );
    }
}

const PLAIN: &str = "/ws/v1/t2a_v2";
const BIDI: &str = "/ws/v1/t2a_v2_bidi";

fn start() -> Value {
    json!({ "event": "task_start", "model": "speech-2.8-hd", "voice_setting": { "voice_id": "a" } })
}

fn text(text: &str) -> Value {
    json!({ "event": "task_continue", "text": text })
}

fn bare(event: &str) -> Value {
    json!({ "event": event })
}

#[tokio::test]
async fn a_bidirectional_session_speaks_sentences_and_the_rest_at_its_end() {
    let world = World::new().await;
    let mut session = Session::started(&world, BIDI).await;
    session.send(text("One. Tw")).await;
    session.send(text("o! three")).await;
    session.send(bare("task_finish")).await;
    let sentence = ["sentence_start", "task_continued", "sentence_end"];
    let mut all = sentence.repeat(3);
    all.push("task_finished");
    assert_eq!(session.rest().await, all);
    assert_eq!(world.sandbox.paid().len(), 2);
}

#[tokio::test]
async fn sound_is_mp3_in_frames_and_the_last_of_a_sentence_has_the_counts() {
    let world = World::new().await;
    let mut session = Session::started(&world, BIDI).await;
    session.send(text("The quick brown fox jumps over the lazy dog.")).await;
    assert_eq!(session.next().await["event"], "sentence_start");
    let mut bytes = 0;
    loop {
        let event = session.next().await;
        assert!(event["connect_id"].is_string() && event["session_id"].is_string());
        bytes += event["data"]["audio"].as_str().unwrap().len() / 2;
        assert_eq!(event["is_final"] == true, event["extra_info"].is_object());
        if event["is_final"] == true {
            assert_eq!(event["extra_info"]["audio_size"], bytes);
            assert_eq!(event["extra_info"]["usage_characters"], 44);
            break;
        }
    }
}

#[tokio::test]
async fn a_tail_can_be_flushed_or_cancelled_without_ending_the_session() {
    let world = World::new().await;
    let mut session = Session::started(&world, BIDI).await;
    session.send(text("one")).await;
    session.send(bare("task_flush")).await;
    session.send(text("two")).await;
    session.send(bare("task_cancel")).await;
    session.send(text("  ")).await;
    session.send(bare("task_finish")).await;
    let words = [
        "sentence_start",
        "task_continued",
        "sentence_end",
        "task_flushed",
        "task_canceled",
        "task_finished",
    ];
    assert_eq!(session.rest().await, words);
}

#[tokio::test]
async fn a_plain_session_has_no_sentences_and_ends_at_once() {
    let world = World::new().await;
    let mut session = Session::started(&world, PLAIN).await;
    session.send(text("One. Two.")).await;
    session.send(text(" ")).await;
    session.send(bare("task_finish")).await;
    assert_eq!(session.rest().await, ["task_continued", "task_failed", "task_finished"]);
    let mut session = Session::started(&world, PLAIN).await;
    session.send(bare("task_flush")).await;
    session.fails(2202).await;
}

#[tokio::test]
async fn every_mistake_has_its_code() {
    let world = World::new().await;
    for (event, code) in [
        (start(), 2206),
        (bare("dance"), 2202),
        (json!({ "event": "task_continue" }), 2013),
        (json!({ "event": "task_continue", "text": "x", "stream": true }), 2013),
        (text("#sensitive"), 1026),
    ] {
        let mut session = Session::started(&world, BIDI).await;
        session.send(event.clone()).await;
        session.fails(code).await;
        assert_eq!(session.next().await, Value::Null, "{event} ends the session");
    }
    for (event, code) in [(text(&"x".repeat(10_001)), 2204), (text("#crowded."), 2205)] {
        let mut session = Session::started(&world, BIDI).await;
        session.send(event).await;
        session.fails(code).await;
        session.send(text("Go on.")).await;
        assert_eq!(session.next().await["event"], "sentence_start");
    }
    let wrong = json!({ "event": "task_start", "model": "speech-2.8-hd", "voice_setting": { "voice_id": "a", "text_normalization": true } });
    for (event, code) in [(text("too early"), 2206), (wrong, 2013)] {
        let mut session = Session::open(&world, BIDI, Some(KEY)).await;
        session.next().await;
        session.send(event).await;
        session.fails(code).await;
    }
    Session::open(&world, BIDI, None).await.fails(1004).await;
}

//! Calls over HTTP that their caller abandons before MiniMax has the order: they buy nothing.

use std::time::Duration;

use minimax_mcp::sandbox::{Act, Rule};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::harness::{eventually, quick};
use crate::http::{ADA, BOB, Served, post};
use crate::voice::wav;

const UPLOAD: &str = "/v1/files/upload";

/// A call that uploads a recording before it buys.
fn clone_of(dir: &std::path::Path, id: Value, voice: &str) -> Value {
    let recording = std::fs::read(wav(&dir.join("me.wav"), 12)).unwrap();
    let file = format!("data:audio/wav;base64,{}", data_encoding::BASE64.encode(&recording));
    json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": {
        "name": "voice_clone", "arguments": { "voice_id": voice, "file": file, "text": "Hello." } } })
}

fn cancelled(id: &Value) -> Value {
    json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": id, "reason": "x" } })
}

fn uploads(served: &Served) -> usize {
    served.sandbox.requests().iter().filter(|request| request.path == UPLOAD).count()
}

/// All tools for every caller.
fn everything(config: &mut minimax_mcp::config::Config) {
    config.http.tokens.iter_mut().for_each(|row| row.toolsets = None);
}

#[tokio::test]
async fn a_call_whose_connection_ends_before_its_order_is_sent_buys_nothing() {
    let served = Served::tuned(true, quick(), everything).await;
    for accept in ["application/json, text/event-stream", "application/json"] {
        let before = uploads(&served);
        served.sandbox.script(vec![Rule::once(UPLOAD, Act::Hold)]);
        let body = clone_of(served.dir.path(), json!(1), "AdaVoice001");
        let call = tokio::spawn(post(&served.base, Some(ADA), &body).header("Accept", accept).send());
        eventually("its input is uploaded", async || uploads(&served) > before).await;
        call.abort();
        // A streamed answer has begun already.
        drop(call.await);
        // The server has no sign that it has noticed.
        tokio::time::sleep(Duration::from_secs(1)).await;
        served.sandbox.script(Vec::new());
        buys_alone(&served).await;
    }
    served.end().await;
}

#[tokio::test]
async fn a_call_that_is_cancelled_before_its_order_is_sent_buys_nothing() {
    let served = Served::tuned(true, quick(), everything).await;
    for (id, accept) in [
        (json!(7), "application/json, text/event-stream"),
        (json!("call-7"), "application/json"),
        (json!(7), "text/event-stream"),
    ] {
        let before = uploads(&served);
        served.sandbox.script(vec![Rule::once(UPLOAD, Act::Hold)]);
        let body = clone_of(served.dir.path(), id.clone(), "AdaVoice001");
        let call = tokio::spawn(post(&served.base, Some(ADA), &body).header("Accept", accept).send());
        eventually("its input is uploaded", async || uploads(&served) > before).await;
        let taken = post(&served.base, Some(ADA), &cancelled(&id)).send().await.unwrap();
        assert_eq!(taken.status(), StatusCode::ACCEPTED);
        // It ends while its upload is not answered, and has no result.
        let answer = call.await.unwrap().unwrap().text().await.unwrap_or_default();
        assert!(!answer.contains("result"), "{answer}");
        served.sandbox.script(Vec::new());
        buys_alone(&served).await;
    }
    served.end().await;
}

#[tokio::test]
async fn another_caller_another_program_or_another_id_cancels_nothing() {
    let served = Served::tuned(true, quick(), everything).await;
    served.sandbox.script(vec![Rule::once(UPLOAD, Act::Hold)]);
    let body = clone_of(served.dir.path(), json!(7), "AdaVoice001");
    let call = tokio::spawn(post(&served.base, Some(ADA), &body).send());
    eventually("its input is uploaded", async || uploads(&served) == 1).await;
    for (token, id, program) in
        [(BOB, json!(7), ""), (ADA, json!(8), ""), (ADA, json!("7"), ""), (ADA, json!(7), "x/1")]
    {
        let mut note = post(&served.base, Some(token), &cancelled(&id));
        if !program.is_empty() {
            note = note.header("User-Agent", program);
        }
        assert_eq!(note.send().await.unwrap().status(), StatusCode::ACCEPTED);
    }
    served.sandbox.script(Vec::new());
    let answer = crate::http::answer(call.await.unwrap().unwrap()).await;
    assert_eq!(answer["result"]["structuredContent"]["status"], "succeeded", "{answer}");
    assert_eq!(served.sandbox.paid().len(), 1);
    served.end().await;
}

/// Another call buys, and nothing else has been bought meanwhile.
async fn buys_alone(served: &Served) {
    let before = served.sandbox.paid().len();
    let voice = format!("BobVoice{before:03}");
    let body = clone_of(served.dir.path(), json!(99), &voice);
    let answer = crate::http::answer(post(&served.base, Some(BOB), &body).send().await.unwrap()).await;
    assert_eq!(answer["result"]["structuredContent"]["status"], "succeeded", "{answer}");
    let bought: Vec<_> =
        served.sandbox.paid().iter().skip(before).map(|paid| paid.body["voice_id"].clone()).collect();
    assert_eq!(bought, [json!(voice)]);
    let all = served.sandbox.paid();
    assert!(all.iter().all(|paid| paid.body["voice_id"] != "AdaVoice001"), "{}", all.len());
}

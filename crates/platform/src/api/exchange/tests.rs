//! Odd and cut answers to paid requests.

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;

#[test]
fn an_answer_is_kept_without_the_key_and_otherwise_unchanged() {
    let client = Client::new("http://127.0.0.1:9", Some("sk-api-secret".into()));
    for (body, kept) in [
        (&b"{\"a\":\"begun"[..], &b"{\"a\":\"begun"[..]),
        (b"\xff\xfb\x90sound", b"\xff\xfb\x90sound"),
        (b"for sk-api-secret: yes", b"for [key]: yes"),
    ] {
        assert_eq!(client.kept(body.to_vec()).unwrap().bytes(), kept);
    }
    for nothing in ["", "{}", " [] \n", "null"] {
        assert_eq!(client.kept(nothing.into()), None);
    }
    let quoted = client.kept("quoted: é".into()).unwrap();
    assert_eq!((quoted.quoted(100), quoted.quoted(9)), ("quoted: é".to_owned(), "quoted: ".to_owned()));
}

/// Answers one request with these bytes, which are fewer than announced.
async fn cut(body: &str) -> Result<Value, ApiError> {
    let buy = Endpoint::post("/v1/x", 10).with_audio(1024 * 1024);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = Client::new(format!("http://{}", listener.local_addr().unwrap()), Some("k".into()));
    let serving = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        assert!(stream.read(&mut [0; 4096]).await.unwrap() > 0);
        let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: 900000\r\n\r\n{body}");
        stream.write_all(answer.as_bytes()).await.unwrap();
    };
    let read = |answer: Value, _: &mut Beside| match answer.get("task_id") {
        Some(id) => Ok(id.clone()),
        None => Err("no id".to_owned()),
    };
    tokio::join!(client.buy(&buy, |request| request.json(&json!({})), read), serving).0
}

#[tokio::test]
async fn what_came_before_the_connection_broke_counts_and_is_kept_if_it_is_not_enough() {
    assert_eq!(cut(r#"{"task_id":"4711","base_resp":{"status_code":0}}"#).await.unwrap(), "4711");
    assert_eq!(cut(r#"{"task_id":"4711","base_re"#).await.unwrap(), "4711");
    let refused = cut(r#"{"base_resp":{"status_code":1008,"status_m"#).await.unwrap_err();
    assert_eq!(refused.code(), Some(1008));
    let hex = "49".repeat(20_000);
    for body in ["<html>not JSON".to_owned(), r#"{"other":"4711"#.to_owned(), format!(r#"{{"other":"{hex}"#)]
    {
        let error = cut(&body).await.unwrap_err();
        assert!(matches!(error, ApiError::Lost { .. }), "{error}");
        let answer = error.answer().unwrap();
        assert!(answer.is_part() && answer.bytes() == body.as_bytes(), "{answer:?}");
    }
    assert!(cut("").await.unwrap_err().answer().is_none());
}

#[tokio::test]
async fn a_sound_that_was_decoded_as_it_came_is_back_in_the_answer_that_is_kept() {
    let client = Client::new("http://127.0.0.1:9", None);
    let body = format!(r#"{{"other":"{}"}}"#, "49ff".repeat(20_000));
    let mut lifter = crate::response::lifted::Lifter::new(None);
    lifter.push(body.as_bytes());
    let (rest, sounds) = lifter.finish();
    let success = Success { body: rest, lifted: sounds, trace_id: None, cost: None, broken: None };
    let read = |_: Value, _: &mut Beside| Err::<(), _>("nothing".to_owned());
    let error = client.bought("/v1/x", success, read).unwrap_err();
    assert!(error.answer().unwrap().bytes() == body.as_bytes());
}

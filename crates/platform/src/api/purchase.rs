//! Answers to paid requests. What can be read of an odd one is used, and one that cannot be read is kept whole in the error.

use reqwest::RequestBuilder;
use serde::de::DeserializeOwned;

use super::{ApiError, Client, Endpoint, RawAnswer, Success, whole};
use crate::response::lifted::Lifted;
use crate::response::raw::whole_again;
use crate::response::tolerant;

/// What is wrong with an answer that ends in the middle, where its beginning is not enough.
pub(super) const CUT: &str = "it ends in the middle";

/// A shorter answer, such as `{}` or `null`, has nothing that could be kept.
const LEAST: usize = 8;

/// What belongs to an answer besides its fields.
pub(super) struct Beside {
    /// Sounds that were decoded as they came.
    pub(super) lifted: Lifted,
    /// The trace id, which MiniMax's support asks for.
    pub(super) trace_id: Option<String>,
    /// The answer ends in the middle.
    pub(super) is_cut: bool,
}

impl Client {
    /// Sends a paid request that brings a job's result or its task. `read` returns what is wrong with the answer if it has
    /// nothing of what was bought.
    pub(super) async fn buy<T: DeserializeOwned, R>(
        &self,
        endpoint: &Endpoint,
        fill: impl FnOnce(RequestBuilder) -> RequestBuilder,
        read: impl FnOnce(T, &mut Beside) -> Result<R, String>,
    ) -> Result<R, ApiError> {
        let exchange = self.exchange(endpoint, endpoint.path, fill);
        let success = self.observed(endpoint.path, exchange).await?;
        self.bought(endpoint.path, success, read)
    }

    /// Reads the answer to a paid request.
    pub(super) fn bought<T: DeserializeOwned, R>(
        &self,
        path: &'static str,
        success: Success,
        read: impl FnOnce(T, &mut Beside) -> Result<R, String>,
    ) -> Result<R, ApiError> {
        let Success { body, lifted, trace_id, broken, .. } = success;
        let mut beside = Beside { lifted, trace_id: trace_id.clone(), is_cut: broken.is_some() };
        let parsed = whole(&body).or_else(|error| {
            let closed = tolerant::closed(&body).and_then(|closed| whole(&closed).ok());
            beside.is_cut |= closed.is_some();
            closed.ok_or(error)
        });
        let why = match parsed {
            Ok(answer) => match read(answer, &mut beside) {
                Ok(result) => return Ok(result),
                Err(why) => why,
            },
            Err(error) => self.unparsed(&body, &error),
        };
        let answer = self.kept(whole_again(body, &beside.lifted));
        Err(match broken {
            Some(lost) => lost.with_answer(answer.map(RawAnswer::part)),
            None => ApiError::Shape { at: self.at(path), why, trace_id, answer },
        })
    }

    /// Keeps an answer. `None` if it is too short to have anything.
    pub(super) fn kept(&self, body: Vec<u8>) -> Option<RawAnswer> {
        if body.trim_ascii().len() < LEAST {
            return None;
        }
        // An answer may be large, and is copied only if it has a key.
        let text = String::from_utf8_lossy(&body);
        let hidden = self.keys.are_in(&text).then(|| self.keys.hidden_in(&text).into_bytes());
        Some(RawAnswer::new(hidden.unwrap_or(body)))
    }
}

#[cfg(test)]
mod tests {
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
        for body in
            ["<html>not JSON".to_owned(), r#"{"other":"4711"#.to_owned(), format!(r#"{{"other":"{hex}"#)]
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
}

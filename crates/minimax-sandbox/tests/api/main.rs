//! The sandbox against the documentation of MiniMax, over HTTP, without any client library.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::needless_pass_by_value,
    clippy::default_trait_access,
    clippy::similar_names,
    reason = "clippy's own exceptions do not cover helpers of tests"
)]

// Modules: `just modules` writes these lines.
mod chat;
mod fault;
mod file;
mod image;
mod music;
mod plan;
mod program;
mod server;
mod socket;
mod speech;
mod speech_long;
mod transcription;
mod video;
mod video_extras;
mod video_v2;
mod voice;
// End of the modules.

use std::path::Path;
use std::time::Duration;

use data_encoding::BASE64;
use minimax_sandbox::{Act, Options, Pace, Rule, Sandbox};
use reqwest::multipart::{Form, Part};
use reqwest::{Client, Method, Response};
use serde_json::{Value, json};

const KEY: &str = "sk-api-a-key-for-tests";

/// A sandbox and an HTTP client.
struct World {
    sandbox: Sandbox,
    client: Client,
}

/// Tasks are done at the first query.
fn at_once() -> Pace {
    Pace { polls: 0, seconds: 0.0, ..Pace::default() }
}

/// The TLS provider belongs to the process, and any test can be the first that needs it.
fn http_client() -> Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder().no_proxy().timeout(Duration::from_mins(1)).build().unwrap()
}

impl World {
    async fn new() -> Self {
        Self::with(Options { pace: at_once(), ..Options::default() }).await
    }

    async fn with(options: Options) -> Self {
        Self { sandbox: Sandbox::start(options).await.unwrap(), client: http_client() }
    }

    async fn at(dir: &Path) -> Self {
        Self::with(Options { dir: Some(dir.to_owned()), pace: at_once(), ..Options::default() }).await
    }

    fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.client.request(method, format!("{}{path}", self.sandbox.url())).bearer_auth(KEY)
    }

    async fn try_post(&self, path: &str, body: &Value) -> reqwest::Result<Response> {
        self.request(Method::POST, path).json(body).send().await
    }

    /// The status and body of the response.
    async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        read(self.try_post(path, &body).await.unwrap()).await
    }

    async fn get(&self, path: &str) -> (u16, Value) {
        read(self.request(Method::GET, path).send().await.unwrap()).await
    }

    /// Fetches a link as intended, without a key.
    async fn fetch(&self, link: &Value) -> Response {
        self.client.get(link.as_str().unwrap()).send().await.unwrap()
    }

    async fn bytes(&self, link: &Value) -> Vec<u8> {
        let response = self.fetch(link).await;
        assert_eq!(response.status(), 200);
        response.bytes().await.unwrap().to_vec()
    }

    fn fault(&self, path: &str, act: Act) {
        self.sandbox.script(vec![Rule::once(path, act)]);
    }

    async fn upload(&self, purpose: &str, name: &str, bytes: Vec<u8>) -> (u16, Value) {
        let part = Part::bytes(bytes).file_name(name.to_owned());
        let form = Form::new().text("purpose", purpose.to_owned()).part("file", part);
        read(self.request(Method::POST, "/v1/files/upload").multipart(form).send().await.unwrap()).await
    }

    /// Asserts that a V1 endpoint rejects the body as invalid, names the field, and does not bill.
    async fn refuses(&self, path: &str, body: Value, named: &str) {
        let (status, answer) = self.post(path, body.clone()).await;
        assert_eq!((status, &answer["base_resp"]["status_code"]), (200, &json!(2013)), "{body} got {answer}");
        let message = answer["base_resp"]["status_msg"].as_str().unwrap();
        assert!(message.starts_with("invalid params, ") && message.contains(named), "{body} got {message}");
        assert!(self.sandbox.paid().is_empty(), "{body} was billed");
    }

    /// Asserts the same for the V2 endpoint.
    async fn refuses_v2(&self, body: Value, named: &str) {
        let (status, answer) = self.post("/v2/video_generation", body.clone()).await;
        let message = answer["error"]["message"].as_str().unwrap_or_default();
        assert_eq!(status, 400, "{body} got {answer}");
        assert!(message.contains(named) && message.ends_with("(2013)"), "{body} got {message}");
        assert!(self.sandbox.paid().is_empty(), "{body} was billed");
    }
}

async fn read(response: Response) -> (u16, Value) {
    let status = response.status().as_u16();
    let text = response.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

/// `base` with some fields replaced or added.
fn with(base: &Value, fields: Value) -> Value {
    let mut body = base.clone();
    if let Value::Object(fields) = fields {
        body.as_object_mut().unwrap().extend(fields);
    }
    body
}

fn data_url(mime: &str, bytes: &[u8]) -> String {
    format!("data:{mime};base64,{}", BASE64.encode(bytes))
}

fn png(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    ::image::RgbImage::from_pixel(width, height, ::image::Rgb([200, 30, 30]))
        .write_to(&mut bytes, ::image::ImageFormat::Png)
        .unwrap();
    bytes.into_inner()
}

fn picture(width: u32, height: u32) -> String {
    data_url("image/png", &png(width, height))
}

fn four(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap())
}

fn little(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
}

fn find(bytes: &[u8], needle: &[u8]) -> usize {
    bytes.windows(needle.len()).position(|window| window == needle).unwrap()
}

/// The length in seconds and the picture size that an MP4 file declares.
fn film(bytes: &[u8]) -> (f64, (u16, u16)) {
    assert_eq!(&bytes[4..8], b"ftyp");
    // Version, flags, two times; then timescale and duration. Version 1 has longer times.
    let head = find(bytes, b"mvhd") + 4;
    let (scale, length) = match bytes[head] {
        0 => (four(bytes, head + 12), f64::from(four(bytes, head + 16))),
        _ => (four(bytes, head + 20), f64::from(four(bytes, head + 28))),
    };
    let entry = find(bytes, b"avc1\0\0\0\0\0\0") + 4;
    let two = |at: usize| u16::from_be_bytes(bytes[at..at + 2].try_into().unwrap());
    (length / f64::from(scale), (two(entry + 24), two(entry + 26)))
}

fn image() -> Value {
    json!({"model": "image-01", "prompt": "a lighthouse"})
}

fn speech() -> Value {
    json!({"model": "speech-2.8-hd", "text": "Good morning, world.", "voice_setting": {"voice_id": "narrator"}})
}

fn video() -> Value {
    json!({"model": "MiniMax-Hailuo-2.3", "prompt": "a glacier"})
}

fn video_v2() -> Value {
    json!({
        "model": "MiniMax-H3-Lite",
        "content": [{"type": "text", "text": "a glacier"}],
        "resolution": "480P",
        "duration": 4,
        "ratio": "1:1",
    })
}

//! Files stored at MiniMax (platform docs > File Management).

use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use reqwest::multipart::{Form, Part};
use reqwest::{Body, RequestBuilder, Response};
use secrecy::ExposeSecret;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::exchange::{header_text, retry_after};
use super::{ApiError, Client, Endpoint, group, lenient, or_default};
use crate::response::envelope::usable_link;

const UPLOAD: Endpoint = Endpoint::free_post("/v1/files/upload");
const LIST: Endpoint = Endpoint::get("/v1/files/list");
const RETRIEVE: Endpoint = Endpoint::get("/v1/files/retrieve").polled_in(group::POLLS);
const CONTENT: Endpoint = Endpoint::get("/v1/files/retrieve_content");
const DELETE: Endpoint = Endpoint::free_post("/v1/files/delete");

/// A file stored at MiniMax.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct RemoteFile {
    /// A number on the wire, kept as text.
    #[serde(deserialize_with = "lenient")]
    pub file_id: String,
    /// Its size. MiniMax always reports 0 for results of video tasks.
    #[serde(deserialize_with = "or_default")]
    pub bytes: u64,
    /// Unix seconds.
    #[serde(deserialize_with = "or_default")]
    pub created_at: i64,
    /// MiniMax's name for it.
    #[serde(deserialize_with = "or_default")]
    pub filename: String,
    /// The purpose it was uploaded or made for.
    #[serde(deserialize_with = "or_default")]
    pub purpose: String,
    /// A new link, valid for one hour for video and nine hours for long speech. Uploaded inputs have none.
    #[serde(deserialize_with = "filled")]
    pub download_url: Option<String>,
}

fn filled<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(Value::deserialize(deserializer)?.as_str().and_then(usable_link))
}

/// The file in an answer. MiniMax documents `file`.
fn file_in(answer: &Value) -> Option<RemoteFile> {
    let is_file = |place: &&Value| place.get("file_id").or_else(|| place.get("download_url")).is_some();
    let mut places =
        ["/file", "/data/file", "/data", "/result", ""].iter().filter_map(|place| answer.pointer(place));
    let file = places.find(is_file).map(RemoteFile::deserialize);
    file.and_then(Result::ok)
}

/// The content of a file as a stream.
pub struct Download {
    /// The total size, if MiniMax announces it.
    pub length: Option<u64>,
    /// The bytes, or the error that ended the stream.
    pub chunks: Pin<Box<dyn Stream<Item = Result<Bytes, String>> + Send>>,
}

/// The largest error that MiniMax sends in place of a file. A larger body is a file.
const LARGEST_REFUSAL: usize = 64 * 1024;

/// The timeout for the content of a file, enough for half a gigabyte over a slow connection.
const CONTENT_PATIENCE: Duration = Duration::from_secs(3600);

/// How long the content of a file may pause.
const SILENCE: Duration = Duration::from_secs(20);

/// The purpose and the type of an upload.
#[derive(Debug, Clone)]
pub struct Upload {
    /// `voice_clone`, `prompt_audio`, `t2a_async_input`, `video_understanding`, `video_generation_input`.
    pub purpose: String,
    /// The file name. Its extension must fit the content, because MiniMax takes the type from it.
    pub name: String,
    /// The MIME type of the content.
    pub mime: &'static str,
    /// The size of the content.
    pub bytes: u64,
}

/// The slowest upload that does not time out, in bytes per second.
pub(super) const SLOWEST_UPLOAD: u64 = 50_000;

impl Client {
    /// Uploads a file as a stream. Free.
    pub async fn upload<S, E>(&self, upload: &Upload, content: S) -> Result<RemoteFile, ApiError>
    where
        S: Stream<Item = Result<Bytes, E>> + Send + 'static,
        E: Into<Box<dyn std::error::Error + Send + Sync>> + 'static,
    {
        let body = Body::wrap_stream(content);
        let part = Part::stream_with_length(body, upload.bytes).file_name(upload.name.clone());
        let part = part.mime_str(upload.mime).map_err(|error| self.lost(UPLOAD.path, error))?;
        let form = Form::new().text("purpose", upload.purpose.clone()).part("file", part);
        let patience = UPLOAD.timeout + Duration::from_secs(upload.bytes / SLOWEST_UPLOAD);
        let fill = |request: RequestBuilder| request.multipart(form).timeout(patience);
        let answer: Value = self.send(&UPLOAD, UPLOAD.path, fill).await?;
        let uploaded = file_in(&answer).unwrap_or_default();
        if uploaded.file_id.is_empty() {
            let why = self.not_json(answer.to_string().as_bytes(), "an upload without a file_id");
            return Err(ApiError::Shape { at: self.at(UPLOAD.path), why, trace_id: None, answer: None });
        }
        Ok(uploaded)
    }

    /// Lists all files of one purpose. The API has no pages.
    pub async fn list_files(&self, purpose: &str) -> Result<Vec<RemoteFile>, ApiError> {
        #[derive(Deserialize)]
        struct Files {
            // `null` is undocumented; treat it as an empty list.
            files: Option<Vec<RemoteFile>>,
        }
        let list: Files = self.get(&LIST, &[("purpose", purpose)]).await?;
        Ok(list.files.unwrap_or_default())
    }

    /// Gets a file's metadata and link.
    pub async fn retrieve_file(&self, file_id: &str) -> Result<RemoteFile, ApiError> {
        let asked = [("file_id", file_id)];
        let (answer, trace_id): (Value, _) = self.read_traced(&RETRIEVE, RETRIEVE.path, &asked).await?;
        file_in(&answer).ok_or_else(|| {
            let why = self.not_json(answer.to_string().as_bytes(), "an answer without a file");
            ApiError::Shape { at: self.at(RETRIEVE.path), why, trace_id, answer: None }
        })
    }

    /// Deletes a file.
    pub async fn delete_file(&self, file_id: u64, purpose: &str) -> Result<(), ApiError> {
        // This endpoint alone refuses the id as a string; it must be a JSON number.
        let _: Value = self.post(&DELETE, &json!({ "file_id": file_id, "purpose": purpose })).await?;
        Ok(())
    }

    /// Downloads the content of a file that has no link.
    pub async fn file_content(&self, file_id: &str) -> Result<Download, ApiError> {
        self.observed(CONTENT.path, self.open_content(file_id)).await
    }

    async fn open_content(&self, file_id: &str) -> Result<Download, ApiError> {
        let key = self.keys.current().ok_or(ApiError::NoKey)?;
        let request = self
            .http()?
            .get(format!("{}{}", self.host, CONTENT.path))
            .query(&[("file_id", file_id)])
            .timeout(CONTENT_PATIENCE)
            .bearer_auth(key.expose_secret());
        let response = request.send().await.map_err(|error| self.lost(CONTENT.path, error))?;
        self.download(response).await
    }

    /// Distinguishes a file from an error, because MiniMax declares both as JSON. A small JSON object may be an error.
    async fn download(&self, response: Response) -> Result<Download, ApiError> {
        let lost = |error: reqwest::Error| self.lost(CONTENT.path, error);
        let (status, length) = (response.status(), response.content_length());
        let (trace, wait) = (header_text(&response, "trace-id"), retry_after(&response));
        let (mut head, mut open) = (Vec::new(), Some(response));
        while let Some(response) = &mut open {
            let Some(chunk) = response.chunk().await.map_err(lost)? else {
                open = None;
                break;
            };
            head.extend_from_slice(&chunk);
            let object = head.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{');
            if head.len() > LARGEST_REFUSAL || (!object && status.is_success()) {
                break;
            }
        }
        if !status.is_success() || head.len() <= LARGEST_REFUSAL {
            // A file that is itself JSON has no MiniMax error code, so it passes.
            self.judge(CONTENT.path, status, trace, wait, &head)?;
        }
        let rest = stream::unfold(open, |response| async move {
            let mut response = response?;
            match timeout(SILENCE, response.chunk()).await {
                Ok(Ok(chunk)) => Some((Ok(chunk?), Some(response))),
                Ok(Err(error)) => Some((Err(error.without_url().to_string()), None)),
                Err(_) => Some((Err(format!("nothing arrived for {} s", SILENCE.as_secs())), None)),
            }
        });
        // The reader of a small file polls the stream past its end, and `unfold` would panic.
        let chunks = stream::iter([Ok(Bytes::from(head))]).chain(rest).fuse();
        Ok(Download { length, chunks: Box::pin(chunks) })
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;
    use tokio::time::Instant;

    use super::*;
    use crate::api::voice::VoiceKind;

    async fn client() -> (Client, TcpListener) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = format!("http://{}", listener.local_addr().unwrap());
        (Client::new(host, Some("sk-api-secret".into())), listener)
    }

    #[tokio::test(start_paused = true)]
    async fn a_free_request_that_changes_something_and_is_never_answered_ends_within_its_limit() {
        let (client, _listener) = client().await;
        let upload = Upload {
            purpose: "voice_clone".to_owned(),
            name: "a.mp3".to_owned(),
            mime: "audio/mpeg",
            bytes: 1,
        };
        let content = || stream::iter([Ok::<_, std::io::Error>(Bytes::from_static(b"x"))]);
        let start = Instant::now();
        assert!(client.delete_file(1, "voice_clone").await.is_err());
        let deleted = Instant::now();
        assert!(client.delete_voice(VoiceKind::VoiceCloning, "Voice0001").await.is_err());
        let voice = Instant::now();
        assert!(client.upload(&upload, content()).await.is_err());
        for (took, what) in
            [(deleted - start, "delete_file"), (voice - deleted, "delete_voice"), (voice.elapsed(), "upload")]
        {
            assert!(took <= Duration::from_secs(45), "{what}: {took:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_content_of_a_file_that_stops_coming_ends_with_an_error() {
        let (client, listener) = client().await;
        let serving = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            // An answer before the request would break the connection.
            assert!(stream.read(&mut [0; 4096]).await.unwrap() > 0);
            let head = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nbeginning";
            stream.write_all(head).await.unwrap();
            stream
        };
        let (download, _open) = tokio::join!(client.file_content("5"), serving);
        let mut chunks = download.unwrap().chunks;
        assert_eq!(chunks.next().await.unwrap().unwrap(), "beginning");
        let start = Instant::now();
        assert!(chunks.next().await.unwrap().unwrap_err().contains("nothing arrived for 20 s"));
        assert!(start.elapsed() < Duration::from_secs(45));
        assert!(chunks.next().await.is_none());
    }
}

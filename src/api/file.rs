//! Files that MiniMax keeps (platform docs > File Management).

use std::time::Duration;

use bytes::Bytes;
use futures_util::Stream;
use reqwest::multipart::{Form, Part};
use reqwest::{Body, RequestBuilder};
use serde::Deserialize;

use super::{ApiError, Client, Endpoint, lenient};

const UPLOAD: Endpoint = Endpoint::post("/v1/files/upload", 60);
const RETRIEVE: Endpoint = Endpoint::get("/v1/files/retrieve");

/// A file at MiniMax.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteFile {
    /// As MiniMax names it.
    pub filename: String,
    /// A fresh link: an hour for video, nine hours for long speech. Uploaded inputs have none.
    pub download_url: Option<String>,
}

/// What an upload is for and what it is.
#[derive(Debug, Clone)]
pub struct Upload {
    /// `voice_clone`, `prompt_audio`, `t2a_async_input`, `video_understanding`, `video_generation_input`.
    pub purpose: String,
    /// With the extension of the real type: MiniMax judges by it.
    pub name: String,
    /// The real type.
    pub mime: &'static str,
    /// The content's length.
    pub bytes: u64,
}

/// The slowest line that an upload is given time for, in bytes a second.
pub(super) const SLOWEST_UPLOAD: u64 = 50_000;

impl Client {
    /// Uploads a file, piece by piece; the answer is its id. Free.
    pub async fn upload<S, E>(&self, upload: &Upload, content: S) -> Result<String, ApiError>
    where
        S: Stream<Item = Result<Bytes, E>> + Send + 'static,
        E: Into<Box<dyn std::error::Error + Send + Sync>> + 'static,
    {
        #[derive(Deserialize)]
        struct Answer {
            file: Wire,
        }
        #[derive(Deserialize)]
        struct Wire {
            #[serde(deserialize_with = "lenient")]
            file_id: String,
        }
        let body = Body::wrap_stream(content);
        let part = Part::stream_with_length(body, upload.bytes).file_name(upload.name.clone());
        let part = part.mime_str(upload.mime).map_err(|error| self.lost(UPLOAD.path, error))?;
        let form = Form::new().text("purpose", upload.purpose.clone()).part("file", part);
        let patience = UPLOAD.timeout + Duration::from_secs(upload.bytes / SLOWEST_UPLOAD);
        let fill = |request: RequestBuilder| request.multipart(form).timeout(patience);
        let Answer { file } = self.send(&UPLOAD, UPLOAD.path, fill).await?;
        Ok(file.file_id)
    }

    /// Asks for a file's link.
    pub async fn retrieve_file(&self, file_id: &str) -> Result<RemoteFile, ApiError> {
        #[derive(Deserialize)]
        struct Answer {
            file: Wire,
        }
        #[derive(Deserialize)]
        struct Wire {
            filename: Option<String>,
            download_url: Option<String>,
        }
        let Answer { file } = self.get(&RETRIEVE, &[("file_id", file_id)]).await?;
        Ok(RemoteFile {
            filename: file.filename.unwrap_or_default(),
            download_url: file.download_url.filter(|url| !url.is_empty()),
        })
    }
}

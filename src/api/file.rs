//! Files that MiniMax keeps (platform docs > File Management).

use serde::Deserialize;

use super::{ApiError, Client, Endpoint};

const RETRIEVE: Endpoint = Endpoint::get("/v1/files/retrieve");

/// A file at MiniMax.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteFile {
    /// As MiniMax names it.
    pub filename: String,
    /// A fresh link: an hour for video, nine hours for long speech. Uploaded inputs have none.
    pub download_url: Option<String>,
}

impl Client {
    /// Asks for a file's link.
    pub async fn retrieve_file(&self, file_id: &str) -> Result<RemoteFile, ApiError> {
        #[derive(Deserialize)]
        struct Answer {
            file: Wire,
        }
        #[derive(Deserialize)]
        struct Wire {
            #[serde(default)]
            filename: String,
            download_url: Option<String>,
        }
        let Answer { file } = self.get(&RETRIEVE, &[("file_id", file_id)]).await?;
        Ok(RemoteFile {
            filename: file.filename,
            download_url: file.download_url.filter(|url| !url.is_empty()),
        })
    }
}

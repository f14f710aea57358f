//! Files that remote callers hand in, and then name by their `minimax://uploads/` URI wherever a tool takes media.

use std::path::PathBuf;

use serde::Serialize;

use crate::config::{Config, UploadSettings};
use crate::mcp::caller::Caller;
use crate::mcp::job_view::time;
use crate::media::input::uploads::{self, Incoming, Rules};
use crate::media::{HandedIn, Inbox, Limits};

pub use crate::media::InboxProblem as UploadProblem;
pub use crate::media::InputProblem as Unfit;

/// Every type that some tool takes.
const TAKEN: &[&str] = &[
    "image/jpeg",
    "image/png",
    "image/webp",
    "image/gif",
    "image/heic",
    "image/heif",
    "audio/mpeg",
    "audio/wav",
    "audio/mp4",
    "audio/flac",
    "audio/ogg",
    "audio/aac",
    "audio/aiff",
    "video/mp4",
    "video/quicktime",
    "video/x-msvideo",
    "video/x-matroska",
    "video/webm",
    "text/plain",
    "application/zip",
];

/// A file that was handed in, as its caller is told.
#[derive(Debug, Serialize)]
pub struct Handed {
    /// Goes into a tool's argument.
    pub uri: String,
    /// The name that it was stored under.
    pub name: String,
    /// Its length.
    pub bytes: u64,
    /// Its type, by its content.
    pub content_type: &'static str,
    /// When it will be removed.
    pub expires_at: Option<String>,
}

impl From<HandedIn> for Handed {
    fn from(file: HandedIn) -> Self {
        let HandedIn { id, name, bytes, mime, expires } = file;
        let expires_at = i64::try_from(expires).ok().and_then(|at| time(at.saturating_mul(1000)));
        let encoded = percent_encoding::utf8_percent_encode(&name, percent_encoding::NON_ALPHANUMERIC);
        let uri =
            format!("minimax://uploads/{id}/{}", encoded.to_string().replace("%2D", "-").replace("%2E", "."));
        Self { uri, name, bytes, content_type: mime, expires_at }
    }
}

/// The files that callers hand in over HTTP.
#[derive(Debug, Clone)]
pub struct Uploads {
    settings: UploadSettings,
    folder: PathBuf,
    /// Where this server can be reached.
    base: Option<String>,
}

impl Uploads {
    pub(crate) fn new(config: &Config) -> Self {
        let base = config.http.public_url.as_deref().map(|url| url.trim_end_matches('/').to_owned());
        Self { settings: config.http.uploads, folder: config.data_dir.join("uploads"), base }
    }

    /// The largest file that may be handed in, in bytes; `None` where none may.
    pub fn largest(&self) -> Option<u64> {
        Some(self.settings.largest).filter(|largest| *largest > 0)
    }

    /// Makes room for a file of this caller, `announced` bytes long if the length is known.
    pub async fn receive(&self, caller: &Caller, announced: Option<u64>) -> Result<Incoming, UploadProblem> {
        let UploadSettings { largest, total, count, life } = self.settings;
        let rules = Rules { limits: Limits::new(TAKEN, largest), total, count, life };
        self.inbox(&caller.principal).receive(announced, rules).await
    }

    /// Removes a file of this caller; false if there is none.
    pub async fn remove(&self, caller: &Caller, id: &str, name: &str) -> bool {
        self.inbox(&caller.principal).remove(id, name).await
    }

    /// Removes the expired files of all callers.
    pub async fn sweep(&self) {
        uploads::sweep(&self.folder).await;
    }

    /// Where remote callers hand files in; `None` where they cannot.
    pub(crate) fn url(&self) -> Option<String> {
        self.largest()?;
        Some(format!("{}/uploads", self.base.as_ref()?))
    }

    /// The folder of a principal's files.
    pub(crate) fn folder_of(&self, principal: &str) -> PathBuf {
        self.inbox(principal).folder().to_path_buf()
    }

    /// A file that a principal has handed in, by its percent-encoded name.
    pub(crate) fn find(&self, principal: &str, id: &str, name: &str) -> Option<PathBuf> {
        let name = percent_encoding::percent_decode_str(name).decode_utf8_lossy();
        self.inbox(principal).find(id, &name)
    }

    fn inbox(&self, principal: &str) -> Inbox {
        Inbox::of(&self.folder, principal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::offer;

    #[test]
    fn whatever_is_uploaded_to_minimax_can_be_handed_in() {
        let rules = offer().purposes().iter().flat_map(|row| &row.rules);
        for mime in rules.flat_map(|rule| rule.mimes) {
            assert!(TAKEN.contains(mime), "{mime}");
        }
    }
}

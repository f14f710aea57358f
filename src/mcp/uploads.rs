//! Files that callers at other machines hand in, to be named by their `minimax://uploads/` URI wherever a tool takes
//! media.

use std::path::PathBuf;

use serde::Serialize;

use crate::config::Config;
use crate::mcp::job_view::time;
use crate::mcp::{Caller, Server, ToolError};
use crate::media::input::uploads::{self, Incoming, Rules};
use crate::media::{self, HandedIn, Inbox, Limits, Roots};

pub use crate::media::InboxProblem as UploadProblem;
pub use crate::media::InputProblem as Unfit;

/// All that some tool takes.
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

/// A file that was handed in, as its caller hears of it.
#[derive(Debug, Serialize)]
pub struct Handed {
    /// What tools take.
    pub uri: String,
    /// What it is called here.
    pub name: String,
    /// Its length.
    pub bytes: u64,
    /// What it is, by its content.
    pub content_type: &'static str,
    /// When it will be gone.
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

impl Server {
    /// The largest file that may be handed in, in bytes; `None` where none may.
    pub fn largest_upload(&self) -> Option<u64> {
        Some(self.config().http.uploads.largest).filter(|largest| *largest > 0)
    }

    /// Makes a place for a file of this caller's, `announced` bytes long if that is known.
    pub async fn receive(&self, caller: &Caller, announced: Option<u64>) -> Result<Incoming, UploadProblem> {
        let settings = self.config().http.uploads;
        let limits = Limits::new(TAKEN, settings.largest);
        let rules = Rules { limits, total: settings.total, count: settings.count, life: settings.life };
        self.inbox(&caller.principal).receive(announced, rules).await
    }

    /// Removes a file of this caller's; false if there is none.
    pub async fn forget_upload(&self, caller: &Caller, id: &str, name: &str) -> bool {
        self.inbox(&caller.principal).remove(id, name).await
    }

    /// Removes what has been here for long enough, whoever handed it in.
    pub async fn sweep_uploads(&self) {
        uploads::sweep(&self.upload_root()).await;
    }

    /// Where files are handed in; `None` where they are not.
    pub(crate) fn upload_url(&self) -> Option<String> {
        self.largest_upload()?;
        Some(format!("{}/uploads", self.links()?.base()))
    }

    /// The folders that this caller's inputs may lie in.
    pub(crate) fn roots(&self) -> Roots {
        self.shared.roots.clone().with(self.inbox(self.principal()).folder())
    }

    /// Where a file is that this caller has handed in; `None` for what names none.
    pub(crate) fn handed_in(&self, field: &str, text: &str) -> Result<Option<PathBuf>, ToolError> {
        let Some((id, name)) = media::handed_in(text) else { return Ok(None) };
        let name = percent_encoding::percent_decode_str(name).decode_utf8_lossy();
        let found = self.inbox(self.principal()).find(id, &name);
        let problem = || {
            let again = self.upload_url().map(|url| format!("; POST it to {url} again")).unwrap_or_default();
            format!("names a file that is not here: uploads are kept for a while only{again}")
        };
        found.map(Some).ok_or_else(|| ToolError::argument(field, problem()))
    }

    fn inbox(&self, principal: &str) -> Inbox {
        Inbox::of(&self.upload_root(), principal)
    }

    fn upload_root(&self) -> PathBuf {
        self.config().data_dir.join("uploads")
    }
}

/// The folders that callers may name, without the files that this server itself believes.
pub(super) fn roots_of(config: &Config) -> Roots {
    let roots =
        Roots::new(&config.base_path, Some(&config.home), &config.allowed_dirs).without(&config.data_dir);
    let files = [&config.key_file, &config.facts_file, &config.http.token_file];
    files.into_iter().flatten().fold(roots, |roots, file| roots.without(file))
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

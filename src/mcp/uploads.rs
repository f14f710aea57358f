//! Files that remote callers upload to this server, and then name by their `minimax://uploads/` URI wherever a tool
//! takes media.

use std::path::PathBuf;

use serde::Serialize;

use crate::bucket::{Bucket, BucketProblem, StoredFile};
use crate::config::{Config, UploadSettings};
use crate::download;
use crate::download::FetchProblem;
use crate::mcp::caller::Caller;
use crate::media::input::uploads::{self, Incoming, Rules};
use crate::media::{HandedIn, Limits, UploadFolder};
use crate::result::job_view::time;

pub use crate::media::InputProblem as Unfit;
pub use crate::media::UploadProblem;

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

/// An uploaded file, as its caller sees it.
#[derive(Debug, Serialize)]
pub struct Handed {
    /// The URI to give as a tool's argument.
    pub uri: String,
    /// The name under which it was stored.
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

/// The files that callers upload over HTTP.
#[derive(Debug, Clone)]
pub struct Uploads {
    settings: UploadSettings,
    folder: PathBuf,
    /// The public URL of this server.
    base: Option<String>,
    /// The bucket from which all servers read the files. The folder has copies.
    bucket: Option<Bucket>,
}

impl Uploads {
    pub(crate) fn new(config: &Config, bucket: Option<&Bucket>) -> Self {
        let base = config.http.public_url.as_deref().map(|url| url.trim_end_matches('/').to_owned());
        Self {
            settings: config.http.uploads,
            folder: config.data_dir.join("uploads"),
            base,
            bucket: bucket.cloned(),
        }
    }

    /// The largest file that may be uploaded, in bytes; `None` if uploads are off.
    pub fn largest(&self) -> Option<u64> {
        Some(self.settings.largest).filter(|largest| *largest > 0)
    }

    /// Prepares to receive a file of this caller. `announced` is its length in bytes, if it is known.
    pub async fn receive(&self, caller: &Caller, announced: Option<u64>) -> Result<Incoming, UploadProblem> {
        let UploadSettings { largest, total, count, life } = self.settings;
        let rules = Rules { limits: Limits::new(TAKEN, largest), total, count, life };
        let folder = self.upload_folder(&caller.principal);
        if let Some(bucket) = &self.bucket {
            // Other servers may have received files of this caller.
            let there = bucket.list(&key_of(&folder)).await.map_err(unsaved)?;
            let bytes = there.iter().fold(0, |sum: u64, file| sum.saturating_add(file.bytes));
            let left = total.saturating_sub(bytes);
            if there.len() >= count || left == 0 || announced.is_some_and(|announced| announced > left) {
                return Err(UploadProblem::Quota {
                    files: there.len(),
                    bytes,
                    most_files: count,
                    most: total,
                });
            }
        }
        folder.receive(announced, rules).await
    }

    /// Keeps a file that has arrived completely, under a name similar to `name`.
    pub async fn keep(
        &self,
        caller: &Caller,
        incoming: Incoming,
        name: &str,
    ) -> Result<Handed, UploadProblem> {
        let file = incoming.finish(name).await?;
        let Some(bucket) = &self.bucket else { return Ok(file.into()) };
        let folder = self.upload_folder(&caller.principal);
        let key = format!("{}/{}/{}", key_of(&folder), file.id, file.name);
        let copied = match folder.find(&file.id, &file.name) {
            Some(path) => download::copy_to_key(bucket, &key, file.mime, &path).await,
            None => Err(FetchProblem::Disk("it was removed".to_owned())),
        };
        match copied {
            Ok(()) => Ok(file.into()),
            Err(problem) => {
                folder.remove(&file.id, &file.name).await;
                Err(UploadProblem::Failed(std::io::Error::other(problem)))
            }
        }
    }

    /// Removes a file of this caller; false if there is none.
    pub async fn remove(&self, caller: &Caller, id: &str, name: &str) -> bool {
        let folder = self.upload_folder(&caller.principal);
        let was_here = folder.remove(id, name).await;
        let Some(key) = object_of(&folder, id, name) else { return was_here };
        let Some(bucket) = &self.bucket else { return was_here };
        bucket.head(&key).await.is_ok() && bucket.delete(&key).await.is_ok() || was_here
    }

    /// Removes the expired files of all callers.
    pub async fn sweep(&self) {
        uploads::sweep(&self.folder).await;
        let Some(bucket) = &self.bucket else { return };
        for file in bucket.list(UPLOADS).await.unwrap_or_default() {
            let id = file.key.split('/').nth(2).unwrap_or_default();
            if uploads::has_expired(id) {
                // The next sweep tries again.
                let _ = bucket.delete(&file.key).await;
            }
        }
    }

    /// The URL to which remote callers upload files; `None` if they cannot.
    pub(crate) fn url(&self) -> Option<String> {
        self.largest()?;
        Some(format!("{}/uploads", self.base.as_ref()?))
    }

    /// The folder of a principal's files.
    pub(crate) fn folder_of(&self, principal: &str) -> PathBuf {
        self.upload_folder(principal).path().to_path_buf()
    }

    /// A file that a principal has uploaded, by its percent-encoded name. A file that another server received is copied
    /// from the bucket.
    pub(crate) async fn find(
        &self,
        principal: &str,
        id: &str,
        name: &str,
    ) -> Result<Option<PathBuf>, FetchProblem> {
        let name = percent_encoding::percent_decode_str(name).decode_utf8_lossy();
        let folder = self.upload_folder(principal);
        if let Some(path) = folder.find(id, &name) {
            return Ok(Some(path));
        }
        let (Some(bucket), Some(key)) = (&self.bucket, object_of(&folder, id, &name)) else {
            return Ok(None);
        };
        let (object, bytes) = match bucket.head(&key).await {
            Ok(found) => found,
            Err(BucketProblem::Absent) => return Ok(None),
            Err(problem) => return Err(problem.into()),
        };
        let file = StoredFile::open(bucket, &object, bytes).await?;
        download::fetched(&folder.path().join(id), &name, file, None).await?;
        Ok(folder.find(id, &name))
    }

    fn upload_folder(&self, principal: &str) -> UploadFolder {
        UploadFolder::of(&self.folder, principal)
    }
}

/// The key of the folder of all uploads.
const UPLOADS: &str = "uploads";

/// The key of the folder of an owner's uploads.
fn key_of(folder: &UploadFolder) -> String {
    let owner = folder.path().file_name().and_then(|name| name.to_str()).unwrap_or_default();
    format!("{UPLOADS}/{owner}")
}

/// The key of an upload that has not expired.
fn object_of(folder: &UploadFolder, id: &str, name: &str) -> Option<String> {
    let is_here = uploads::is_live(id, name);
    is_here.then(|| format!("{}/{id}/{name}", key_of(folder)))
}

fn unsaved(problem: BucketProblem) -> UploadProblem {
    UploadProblem::Failed(std::io::Error::other(problem))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::services;

    #[test]
    fn every_file_for_minimax_can_be_uploaded_by_a_caller() {
        let rules = services().purposes().iter().flat_map(|row| &row.rules);
        for mime in rules.flat_map(|rule| rule.mimes) {
            assert!(TAKEN.contains(mime), "{mime}");
        }
    }
}

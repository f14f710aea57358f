//! Objects of the bucket that are needed as files: inputs that are opened, measured and sent again.
//!
//! The copies are in `{root}/{owner}/{folder}/{name}` on this machine's disk, and are removed an hour after their last
//! use.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use futures_util::TryStreamExt as _;
use tokio::task::spawn_blocking;

use crate::bucket::{BucketProblem, StoredFile};
use crate::clock::age;
use crate::download::link::FetchProblem;
use crate::download::save::save_stream;
use crate::download::writer::Expect;
use crate::media::input::resendable::Resendable;
use crate::media::private;

/// How long a copy stays after its last use.
const LIFE: Duration = Duration::from_hours(1);

/// Copies an object into `folder`, which is created if it is missing, and returns the path. An existing copy is reused.
/// `sha256` is the hash of the content, if it is known.
pub async fn fetched(
    folder: &Path,
    name: &str,
    file: StoredFile,
    sha256: Option<&str>,
) -> Result<PathBuf, FetchProblem> {
    let disk = |error: std::io::Error| FetchProblem::Disk(error.to_string());
    let (place, path, bytes) = (folder.to_owned(), folder.join(name), file.bytes());
    let made = spawn_blocking(move || {
        if let Some(parent) = place.parent() {
            private::folder(parent)?;
        }
        private::folder(&place)?;
        let known = std::fs::File::options().write(true).open(place.join(&path)).ok();
        let known = known.filter(|file| file.metadata().is_ok_and(|data| data.len() == bytes));
        if let Some(file) = &known {
            let _ = file.set_modified(SystemTime::now());
        }
        Ok(known.map(|_| path))
    });
    if let Some(path) = made.await.map_err(|error| FetchProblem::Disk(error.to_string()))?.map_err(disk)? {
        return Ok(path);
    }
    let chunks =
        Resendable::stored(file).chunks().map_err(|error| FetchProblem::transient(error.to_string()));
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
    let expect = Expect { kind: None, max_bytes: u64::MAX, extension };
    let saved = save_stream(chunks, folder, name, &expect).await?;
    if saved.bytes != bytes || sha256.is_some_and(|known| known != saved.sha256) {
        let _ = tokio::fs::remove_file(&saved.path).await;
        return Err(BucketProblem::Replaced.into());
    }
    Ok(saved.path)
}

/// Removes the copies that were not used for an hour.
pub async fn sweep(root: &Path) {
    let root = root.to_owned();
    let sweeping = spawn_blocking(move || {
        for owner in std::fs::read_dir(root).into_iter().flatten().flatten() {
            for folder in std::fs::read_dir(owner.path()).into_iter().flatten().flatten() {
                for file in std::fs::read_dir(folder.path()).into_iter().flatten().flatten() {
                    let used = file.metadata().and_then(|data| data.modified());
                    if used.is_ok_and(|used| age(used) > LIFE) {
                        let _ = std::fs::remove_file(file.path());
                    }
                }
                // Fails while the folder has files.
                let _ = std::fs::remove_dir(folder.path());
            }
        }
    });
    // Best effort.
    let _ = sweeping.await;
}

//! Checks that recorded files have not changed since they were written.

use std::collections::HashMap;
use std::fs::{File, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use crate::media::input::content::{is_same, options};
use crate::media::input::resendable::{PIECE, Resendable, read_at};

/// The number of digests to remember. When it is reached, all are forgotten.
const MOST: usize = 4096;

/// The number of files that are hashed at once. A file may have gibibytes, and hashing occupies a blocking thread.
/// Other files wait without a thread.
const READINGS: usize = 4;

/// Identifies the state of a file: a different file at the same path, or a later write, changes it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Print {
    bytes: u64,
    modified: Option<SystemTime>,
    /// On Unix the device, the inode and the change time, which no program can set back. Elsewhere the creation time.
    place: Place,
}

#[cfg(unix)]
type Place = (u64, u64, i64, i64);
#[cfg(not(unix))]
type Place = Option<SystemTime>;

/// Opens recorded files. Each file is hashed once; the result is remembered until the file changes. This is a handle,
/// so cloning is cheap.
#[derive(Debug, Clone)]
pub struct VerifiedFiles(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// Locked for lookups and insertions, never while a file is read.
    known: Mutex<HashMap<PathBuf, (Print, String)>>,
    readings: Semaphore,
}

impl Default for VerifiedFiles {
    fn default() -> Self {
        Self(Arc::new(Shared { known: Mutex::default(), readings: Semaphore::new(READINGS) }))
    }
}

/// The result of a check.
enum Looked {
    /// The file is unchanged, and open.
    Intact(Resendable),
    /// A regular file of the right length, which must be hashed first.
    Unread,
}

impl Looked {
    fn into_resendable(self) -> Option<Resendable> {
        match self {
            Self::Intact(source) => Some(source),
            Self::Unread => None,
        }
    }
}

/// What the store knows about a file.
#[derive(Debug, Clone, Copy)]
pub struct Recorded<'a> {
    /// The path at which it was written.
    pub path: &'a Path,
    /// The size in bytes.
    pub bytes: u64,
    /// The SHA-256 of the content, in lower-case hexadecimal.
    pub sha256: &'a str,
}

impl VerifiedFiles {
    /// Opens the file if it is a regular file with exactly this content, else returns `None`. Does not follow links.
    /// The open handle keeps reading the same file even if the path is replaced.
    pub async fn open(&self, file: Recorded<'_>) -> Option<Resendable> {
        let looked = self.look(file, false).await?;
        if let Looked::Unread = looked {
            let _reading = self.0.readings.acquire().await.ok()?;
            return self.look(file, true).await?.into_resendable();
        }
        looked.into_resendable()
    }

    async fn look(&self, file: Recorded<'_>, read: bool) -> Option<Looked> {
        let (kept, path) = (self.clone(), file.path.to_owned());
        let (bytes, sha256) = (file.bytes, file.sha256.to_owned());
        spawn_blocking(move || kept.open_now(path, bytes, &sha256, read)).await.ok()?
    }

    /// Hashes the file only if `read` is true and the digest is not known.
    fn open_now(&self, path: PathBuf, bytes: u64, sha256: &str, read: bool) -> Option<Looked> {
        let looked = path.symlink_metadata().ok().filter(Metadata::is_file)?;
        let file = options().open(&path).ok()?;
        let opened = file.metadata().ok()?;
        if !opened.is_file() || !is_same(&looked, &opened) || opened.len() != bytes {
            return None;
        }
        match self.digest(path, &file, &opened, read).ok()? {
            Some(digest) if digest == sha256 => Some(Looked::Intact(Resendable::opened(file, bytes))),
            Some(_) => None,
            None => Some(Looked::Unread),
        }
    }

    fn digest(
        &self,
        path: PathBuf,
        file: &File,
        opened: &Metadata,
        read: bool,
    ) -> io::Result<Option<String>> {
        let print = Print { bytes: opened.len(), modified: opened.modified().ok(), place: place(opened) };
        let known = self.with(|known| known.get(&path).filter(|(of, _)| *of == print).cloned());
        if let Some((_, digest)) = known.filter(|_| print.modified.is_some()) {
            return Ok(Some(digest));
        }
        if !read {
            return Ok(None);
        }
        let digest = digest_of(file, print.bytes)?;
        self.with(|known| {
            if known.len() >= MOST {
                known.clear();
            }
            known.insert(path, (print, digest.clone()));
        });
        Ok(Some(digest))
    }

    fn with<T>(&self, what: impl FnOnce(&mut HashMap<PathBuf, (Print, String)>) -> T) -> T {
        // The table stays usable after a panic elsewhere.
        what(&mut self.0.known.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The SHA-256 of the first `bytes` of a file, in lower-case hexadecimal. Blocking.
pub(crate) fn digest_of(file: &File, bytes: u64) -> io::Result<String> {
    let (mut digest, mut piece, mut at) = (Sha256::new(), vec![0; PIECE], 0_u64);
    while at < bytes {
        let read = read_at(file, &mut piece, at)?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        digest.update(piece.get(..read).unwrap_or_default());
        at = at.saturating_add(read as u64);
    }
    Ok(HEXLOWER.encode(&digest.finalize()))
}

#[cfg(unix)]
fn place(opened: &Metadata) -> Place {
    use std::os::unix::fs::MetadataExt as _;

    (opened.dev(), opened.ino(), opened.ctime(), opened.ctime_nsec())
}

#[cfg(not(unix))]
fn place(opened: &Metadata) -> Place {
    opened.created().ok()
}

#[cfg(test)]
mod tests {
    use futures_util::TryStreamExt as _;

    use super::*;

    async fn read(kept: &VerifiedFiles, path: &Path, content: &[u8]) -> Option<Vec<u8>> {
        let sha256 = HEXLOWER.encode(&Sha256::digest(content));
        let intact = Recorded { path, bytes: content.len() as u64, sha256: &sha256 };
        let source = kept.open(intact).await?;
        source
            .part(1, 3)
            .try_fold(Vec::new(), async |all, piece| Ok([all, piece.to_vec()].concat()))
            .await
            .ok()
    }

    #[tokio::test]
    async fn a_recorded_file_is_read_as_long_as_it_is_unchanged() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        let kept = VerifiedFiles::default();
        assert_eq!(read(&kept, &path, b"12345").await, None, "nothing there");
        std::fs::write(&path, b"12345").unwrap();
        for _ in 0..2 {
            assert_eq!(read(&kept, &path, b"12345").await.as_deref(), Some(b"23".as_slice()));
        }
        assert_eq!(read(&kept, &path, b"12346").await, None, "another content of the same length");
        // A different file at the same path, with the same length.
        std::fs::write(dir.path().join("b"), b"54321").unwrap();
        std::fs::rename(dir.path().join("b"), &path).unwrap();
        assert_eq!(read(&kept, &path, b"12345").await, None, "put in its place");
        assert_eq!(read(&kept, &path, b"54321").await.as_deref(), Some(b"43".as_slice()));
    }

    /// A program that may write to a file may also set its modification time.
    #[cfg(unix)]
    #[tokio::test]
    async fn a_file_that_was_written_to_is_refused_even_if_its_time_was_set_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        let kept = VerifiedFiles::default();
        std::fs::write(&path, b"12345").unwrap();
        let modified = path.metadata().unwrap().modified().unwrap();
        assert!(read(&kept, &path, b"12345").await.is_some());
        std::fs::write(&path, b"54321").unwrap();
        File::options().write(true).open(&path).unwrap().set_modified(modified).unwrap();
        assert_eq!(read(&kept, &path, b"12345").await, None);
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn a_link_in_the_place_of_a_recorded_file_is_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let (path, other) = (dir.path().join("a"), dir.path().join("b"));
        std::fs::write(&other, b"12345").unwrap();
        std::os::unix::fs::symlink(&other, &path).unwrap();
        assert_eq!(read(&VerifiedFiles::default(), &path, b"12345").await, None);
    }
}

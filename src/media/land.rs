//! The blocking half of [`super::output`]: writing, hashing, and the one moment in which a file gets its
//! name.

use std::fs::File;
use std::io::{self, BufWriter, Read, Write as _};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};
use tempfile::NamedTempFile;
use tokio::sync::mpsc;
use tokio::task::{JoinError, JoinHandle, spawn_blocking};

use super::folder::temporary;
use super::kind::HEAD;
use super::link::FetchProblem;
use super::output::Saved;
use super::probe::{self, Facts};
use super::{blob, name};

/// Chunks between the network and the disk. Few, since one can be some hundred kilobytes.
const CHUNKS: usize = 4;
const BUFFER: usize = 128 * 1024;
/// How many other files of the same name there may be.
const NAMES: u32 = 99;

/// Where a file is to go, and what it is.
#[derive(Debug, Clone)]
pub(super) struct Target {
    pub(super) folder: PathBuf,
    pub(super) stem: String,
    pub(super) extension: String,
    /// The type its bytes show, which says how to measure it.
    pub(super) sniffed: &'static str,
    /// The type to report.
    pub(super) mime: &'static str,
}

impl Target {
    /// The wanted name, then the same with a number. An underscore, which no name of ours has, so that it is
    /// not taken for the number of one of several results.
    fn candidates(&self) -> impl Iterator<Item = PathBuf> {
        let numbered = (2..=NAMES).map(|number| format!("{}_{number}", self.stem));
        let stems = std::iter::once(self.stem.clone()).chain(numbered);
        stems.map(|stem| self.folder.join(name::joined(&stem, &self.extension)))
    }

    fn saved(&self, path: PathBuf, bytes: u64, sha256: String, facts: Facts) -> Saved {
        let Facts { width, height, duration_ms } = facts;
        Saved { path, bytes, sha256, mime: self.mime.to_owned(), width, height, duration_ms }
    }

    fn disk(&self, error: &io::Error) -> FetchProblem {
        let folder = self.folder.display();
        FetchProblem::Disk(match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                format!("no space is left in {folder}")
            }
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                format!("writing to {folder} is not permitted")
            }
            io::ErrorKind::NotFound => format!("{folder} does not exist any more"),
            _ => format!("writing to {folder} failed ({error})"),
        })
    }
}

/// A file on its way. Dropping it, at any moment, removes what was written.
pub(super) struct Landing {
    target: Target,
    chunks: mpsc::Sender<Bytes>,
    writing: JoinHandle<io::Result<Written>>,
}

/// Everything is written, but not under its name.
struct Written {
    file: NamedTempFile,
    bytes: u64,
    sha256: String,
}

impl Landing {
    pub(super) fn start(target: &Target) -> Self {
        let (chunks, arriving) = mpsc::channel(CHUNKS);
        let folder = target.folder.clone();
        let writing = spawn_blocking(move || write(&folder, arriving));
        Self { target: target.clone(), chunks, writing }
    }

    /// Waits while the disk is slower than the network.
    pub(super) async fn push(&mut self, chunk: Bytes) -> Result<(), FetchProblem> {
        if self.chunks.send(chunk).await.is_ok() {
            return Ok(());
        }
        // The writer only stops listening when it has failed.
        match (&mut self.writing).await {
            Ok(Err(error)) => Err(self.target.disk(&error)),
            Ok(Ok(_)) => Err(FetchProblem::Disk("the writer stopped early".into())),
            Err(error) => Err(stopped(&error)),
        }
    }

    /// Waits until what was written is gone again.
    pub(super) async fn abandon(self) {
        drop(self.chunks);
        // Whether the writer had come to its end or failed, its file goes away with its result. A writer that
        // was waited for already has none.
        if !self.writing.is_finished() {
            drop(self.writing.await);
        }
    }

    /// Gives the file its name. Only a complete one may come here.
    pub(super) async fn finish(self, target: Target) -> Result<Saved, FetchProblem> {
        drop(self.chunks);
        let written = self.writing.await.map_err(|error| stopped(&error))?;
        let written = written.map_err(|error| target.disk(&error))?;
        spawn_blocking(move || place(written, &target)).await.map_err(|error| stopped(&error))?
    }
}

fn stopped(error: &JoinError) -> FetchProblem {
    FetchProblem::Disk(format!("the writer was stopped ({error})"))
}

/// The end of the chunks is no sign of success: they end as well when nobody waits for the file any more.
/// Then the result is dropped unseen, and the temporary file with it.
fn write(folder: &Path, mut arriving: mpsc::Receiver<Bytes>) -> io::Result<Written> {
    let mut file = BufWriter::with_capacity(BUFFER, temporary(folder)?);
    let mut hasher = Sha256::new();
    let mut bytes: u64 = 0;
    while let Some(chunk) = arriving.blocking_recv() {
        file.write_all(&chunk)?;
        #[cfg(feature = "crash-points")]
        if bytes == 0 {
            file.flush()?;
            crate::crash::point("file.begun");
        }
        hasher.update(&chunk);
        bytes = bytes.saturating_add(chunk.len() as u64);
    }
    let file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
    Ok(Written { file, bytes, sha256: HEXLOWER.encode(&hasher.finalize()) })
}

fn place(written: Written, target: &Target) -> Result<Saved, FetchProblem> {
    let Written { mut file, bytes, sha256 } = written;
    // Contents before name: after a power cut a name must not stand for an empty file.
    file.as_file().sync_all().map_err(|error| target.disk(&error))?;
    #[cfg(feature = "crash-points")]
    crate::crash::point("file.written");
    let facts = probe::measure(file.as_file(), target.sniffed);
    for path in target.candidates() {
        match claim(file, &path) {
            Ok(()) => {
                sync_folder(&target.folder);
                #[cfg(feature = "crash-points")]
                crate::crash::point("file.named");
                return Ok(target.saved(path, bytes, sha256, facts));
            }
            Err(refused) if refused.error.kind() == io::ErrorKind::AlreadyExists => file = refused.file,
            Err(refused) => return Err(target.disk(&refused.error)),
        }
        if hash_if(&path, bytes, None).is_some_and(|present| present == sha256) {
            return Ok(target.saved(path, bytes, sha256, facts));
        }
    }
    Err(FetchProblem::Disk(format!("{} has too many files named {}", target.folder.display(), target.stem)))
}

/// Renames without overwriting, in one step.
fn claim(file: NamedTempFile, path: &Path) -> Result<(), tempfile::PersistError> {
    let refused = match file.persist_noclobber(path) {
        Ok(_) => return Ok(()),
        // Gone from under its own name: the folder is another one now, and nothing is to be put into that.
        Err(refused)
            if matches!(refused.error.kind(), io::ErrorKind::AlreadyExists | io::ErrorKind::NotFound) =>
        {
            return Err(refused);
        }
        Err(refused) => refused,
    };
    // Some file systems (FAT, network shares) can't. There the name is first taken with an empty file of our
    // own.
    let file = refused.file;
    if let Err(error) = File::create_new(path) {
        return Err(tempfile::PersistError { error, file });
    }
    file.persist(path).map(drop).inspect_err(|_| {
        let _ = std::fs::remove_file(path);
    })
}

/// Where the platform lets a folder be opened, the new name itself is made to last. No harm if it does not.
fn sync_folder(folder: &Path) {
    if cfg!(unix) {
        let _ = File::open(folder).and_then(|folder| folder.sync_all());
    }
}

/// Finds the file that an earlier attempt left complete: right name, right length, same beginning.
pub(super) async fn adopt(target: &Target, length: u64, head: &Bytes) -> Result<Option<Saved>, FetchProblem> {
    let (target, head) = (target.clone(), head.clone());
    let looking = spawn_blocking(move || {
        let present = |path: &PathBuf| path.symlink_metadata().is_ok();
        target.candidates().take_while(present).find_map(|path| {
            let sha256 = hash_if(&path, length, Some(&head))?;
            let facts =
                File::open(&path).map(|file| probe::measure(file, target.sniffed)).unwrap_or_default();
            tracing::info!(path = %path.display(), "the file is here already; it is not written again");
            Some(target.saved(path, length, sha256, facts))
        })
    });
    looking.await.map_err(|error| stopped(&error))
}

/// The hash of an ordinary file of this length and beginning; `None` for any other.
fn hash_if(path: &Path, length: u64, head: Option<&[u8]>) -> Option<String> {
    let is_file =
        |data: io::Result<std::fs::Metadata>| data.is_ok_and(|data| data.is_file() && data.len() == length);
    if !is_file(path.symlink_metadata()) {
        return None;
    }
    let mut file = blob::options().open(path).ok()?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; BUFFER.max(HEAD)];
    let mut unseen = head.unwrap_or_default();
    let mut bytes: u64 = 0;
    loop {
        let read = match file.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => buffer.get(..read)?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(_) => return None,
        };
        let (compared, rest) = unseen.split_at(unseen.len().min(read.len()));
        if !read.starts_with(compared) {
            return None;
        }
        unseen = rest;
        hasher.update(read);
        bytes = bytes.saturating_add(read.len() as u64);
    }
    (bytes == length).then(|| HEXLOWER.encode(&hasher.finalize()))
}

//! Writes and hashes a file on a blocking thread, and gives it its final name.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use data_encoding::HEXLOWER;
use futures_util::{Stream, TryStreamExt as _};
use sha2::{Digest as _, Sha256};
use tempfile::NamedTempFile;
use tokio::sync::mpsc;
use tokio::task::{JoinError, JoinHandle, spawn_blocking};

use crate::download::link::{self, FetchProblem};
use crate::download::partial_file::PartialFile;
use crate::download::target::{Expect, Saved, Target, check_size};
use crate::media::input::content;
use crate::media::probe::{completeness, metadata};

/// The number of chunks between network and disk. One, because a chunk can have several hundred kilobytes.
const CHUNKS: usize = 1;
const BUFFER: usize = 128 * 1024;

/// The error for a failed write to `folder`.
pub(crate) fn disk(folder: &Path, error: &io::Error) -> FetchProblem {
    let folder = folder.display();
    FetchProblem::Disk(match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            format!("no space is left in {folder}")
        }
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            format!("writing to {folder} is not permitted")
        }
        io::ErrorKind::NotFound => format!("{folder} no longer exists"),
        _ => format!("writing to {folder} failed ({error})"),
    })
}

/// A file that is being written. Dropping it removes the file, unless the download can be resumed.
pub(crate) struct FileWriter {
    folder: PathBuf,
    /// `None` after the end of the file.
    chunks: Option<mpsc::Sender<Bytes>>,
    /// `None` after the result was awaited.
    writing: Option<JoinHandle<io::Result<PartialFile>>>,
}

impl FileWriter {
    /// Appends to `part`.
    pub(crate) fn start(folder: &Path, part: PartialFile) -> Self {
        let (chunks, arriving) = mpsc::channel(CHUNKS);
        let writing = spawn_blocking(move || write(part, arriving));
        Self { folder: folder.to_owned(), chunks: Some(chunks), writing: Some(writing) }
    }

    /// Writes the chunks as they arrive. Adds their sizes to `arrived`.
    pub(crate) async fn feed<S>(
        &mut self,
        chunks: &mut S,
        arrived: &mut u64,
        length: Option<u64>,
        expect: &Expect<'_>,
    ) -> Result<(), FetchProblem>
    where
        S: Stream<Item = Result<Bytes, FetchProblem>> + Unpin,
    {
        while let Some(chunk) = chunks.try_next().await? {
            *arrived = arrived.saturating_add(chunk.len() as u64);
            check_size(*arrived, expect)?;
            self.push(chunk).await?;
        }
        link::check_length(length, *arrived)
    }

    /// Sends a chunk. Waits if the disk is slower than the network.
    async fn push(&mut self, chunk: Bytes) -> Result<(), FetchProblem> {
        if let Some(chunks) = &self.chunks
            && chunks.send(chunk).await.is_ok()
        {
            return Ok(());
        }
        // The writer only stops receiving after an error.
        match self.written().await {
            Ok(_) => Err(ended_early()),
            Err(problem) => Err(problem),
        }
    }

    /// Stops, and returns the partial file unless the writer failed.
    pub(crate) async fn abandon(mut self) -> Option<PartialFile> {
        self.chunks = None;
        self.written().await.ok()
    }

    /// Waits until everything is written.
    pub(crate) async fn finish(mut self) -> Result<PartialFile, FetchProblem> {
        self.chunks = None;
        self.written().await
    }

    async fn written(&mut self) -> Result<PartialFile, FetchProblem> {
        let writing = self.writing.take().ok_or_else(ended_early)?;
        let written = writing.await.map_err(|error| stopped(&error))?;
        written.map_err(|error| disk(&self.folder, &error))
    }
}

fn ended_early() -> FetchProblem {
    FetchProblem::Disk("the writer stopped early".into())
}

pub(crate) fn stopped(error: &JoinError) -> FetchProblem {
    FetchProblem::Disk(format!("the writer was stopped ({error})"))
}

/// The end of the channel does not mean success, because it also ends when the caller is dropped. Then the result is
/// dropped too.
fn write(mut part: PartialFile, mut arriving: mpsc::Receiver<Bytes>) -> io::Result<PartialFile> {
    while let Some(chunk) = arriving.blocking_recv() {
        part = append(part, &chunk)?;
    }
    part.note();
    Ok(part)
}

fn append(mut part: PartialFile, chunk: &[u8]) -> io::Result<PartialFile> {
    if let Err(error) = part.push(chunk) {
        // Free the space at once if the disk is full.
        part.discard();
        return Err(error);
    }
    #[cfg(feature = "crash-points")]
    if part.bytes() == chunk.len() as u64 {
        crate::crash::point("file.begun");
    }
    Ok(part)
}

/// Saves bytes in memory under their final name. Blocks.
pub(crate) fn save(bytes: &[u8], target: &Target) -> Result<Saved, FetchProblem> {
    let written = PartialFile::unnamed(&target.folder).and_then(|part| append(part, bytes));
    place(written.map_err(|error| disk(&target.folder, &error))?, target)
}

/// Gives a complete file its final name.
pub(crate) async fn settle(part: PartialFile, target: Target) -> Result<Saved, FetchProblem> {
    spawn_blocking(move || place(part, &target)).await.map_err(|error| stopped(&error))?
}

fn place(mut part: PartialFile, target: &Target) -> Result<Saved, FetchProblem> {
    let (bytes, sha256) = (part.bytes(), part.sha256());
    // Sync the content before the rename. Otherwise a power cut could leave an empty file under the name.
    part.file().sync_all().map_err(|error| disk(&target.folder, &error))?;
    #[cfg(feature = "crash-points")]
    crate::crash::synced("file");
    #[cfg(feature = "crash-points")]
    crate::crash::point("file.written");
    let facts = metadata::measure(part.file(), target.sniffed);
    let facts = (facts, completeness::is_cut(part.file(), target.sniffed));
    for path in target.candidates() {
        let naming = |file| claim(file, &path).map_err(|refused| (refused.file, refused.error));
        match part.named_by(naming) {
            Ok(()) => {
                sync_folder(&target.folder);
                #[cfg(feature = "crash-points")]
                crate::crash::point("file.named");
                return Ok(target.saved(path, bytes, sha256, facts));
            }
            Err((kept, error)) if error.kind() == io::ErrorKind::AlreadyExists => part = *kept,
            Err((_, error)) => return Err(disk(&target.folder, &error)),
        }
        if hash_if(&path, bytes).is_some_and(|present| present == sha256) {
            part.discard();
            return Ok(target.saved(path, bytes, sha256, facts));
        }
    }
    part.discard();
    Err(FetchProblem::Disk(format!("{} has too many files named {}", target.folder.display(), target.stem)))
}

/// Renames without overwriting, in one step.
fn claim(file: NamedTempFile, path: &Path) -> Result<(), tempfile::PersistError> {
    match file.persist_noclobber(path) {
        Ok(_) => Ok(()),
        // The temporary file is gone, so the folder was replaced. Nothing may be written to the new folder.
        Err(refused)
            if matches!(refused.error.kind(), io::ErrorKind::AlreadyExists | io::ErrorKind::NotFound) =>
        {
            Err(refused)
        }
        Err(refused) => claim_in_two_steps(refused.file, path),
    }
}

/// For file systems that cannot rename without overwriting, such as FAT and network shares: checks first, then
/// renames. The lock keeps calls of this process apart. Names contain the id of a job, so other programs do not use
/// them. The name only ever shows the complete file.
fn claim_in_two_steps(file: NamedTempFile, path: &Path) -> Result<(), tempfile::PersistError> {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    match path.symlink_metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => file.persist(path).map(drop),
        Err(error) => Err(tempfile::PersistError { error, file }),
        Ok(_) => Err(tempfile::PersistError { error: io::ErrorKind::AlreadyExists.into(), file }),
    }
}

/// Syncs the folder so that the new name survives a power cut. Best effort.
fn sync_folder(folder: &Path) {
    if cfg!(unix) {
        let _ = File::open(folder).and_then(|folder| folder.sync_all());
        #[cfg(feature = "crash-points")]
        crate::crash::synced("folder");
    }
}

/// The hash of a regular file with this length. `None` for any other.
fn hash_if(path: &Path, length: u64) -> Option<String> {
    let is_file =
        |data: io::Result<std::fs::Metadata>| data.is_ok_and(|data| data.is_file() && data.len() == length);
    if !is_file(path.symlink_metadata()) {
        return None;
    }
    let mut file = content::options().open(path).ok()?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; BUFFER];
    let mut bytes: u64 = 0;
    loop {
        let read = match file.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => buffer.get(..read)?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(_) => return None,
        };
        hasher.update(read);
        bytes = bytes.saturating_add(read.len() as u64);
    }
    (bytes == length).then(|| HEXLOWER.encode(&hasher.finalize()))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;
    use crate::download::folder::temporary;

    fn file(folder: &Path, content: &str) -> NamedTempFile {
        let mut file = temporary(folder).unwrap();
        file.write_all(content.as_bytes()).unwrap();
        file
    }

    #[test]
    fn a_claim_in_two_steps_overwrites_nothing_and_leaves_no_empty_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("fox.jpg");
        claim_in_two_steps(file(folder.path(), "first"), &path).unwrap();
        let refused = claim_in_two_steps(file(folder.path(), "second"), &path).unwrap_err();
        assert_eq!(refused.error.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(std::fs::read(&path).unwrap(), b"first");
        let gone = folder.path().join("gone/fox.jpg");
        let refused = claim_in_two_steps(refused.file, &gone).unwrap_err();
        assert_eq!(refused.error.kind(), io::ErrorKind::NotFound);
        drop(refused);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn only_one_of_many_concurrent_claims_gets_the_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("fox.jpg");
        let claims: Vec<_> = (0..8).map(|n| file(folder.path(), &n.to_string())).collect();
        let won = std::thread::scope(|scope| {
            let claims: Vec<_> = claims
                .into_iter()
                .map(|file| scope.spawn(|| claim_in_two_steps(file, &path).is_ok()))
                .collect();
            claims.into_iter().map(|claim| claim.join().unwrap()).filter(|won| *won).count()
        });
        assert_eq!(won, 1);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}

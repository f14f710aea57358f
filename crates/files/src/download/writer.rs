//! The requirements for a result, its name, and the file: written and hashed on a blocking thread, then renamed.

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

use crate::bucket::Object;
use crate::download::link::{self, FetchProblem};
use crate::download::partial_file::PartialFile;
use crate::media::file_name;
use crate::media::input::content;
use crate::media::probe::metadata::{self, Facts};
use crate::media::probe::sniff::{self, Found, Kind};

/// The number of chunks between network and disk. One, because a chunk can have several hundred kilobytes.
const CHUNKS: usize = 1;
const BUFFER: usize = 128 * 1024;

/// The greatest number that is appended to a name that is taken.
const NAMES: u32 = 99;

/// A saved file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Saved {
    /// The path, or the URL of the object.
    pub path: PathBuf,
    /// The object, if the file is in the bucket.
    pub object: Option<Object>,
    /// The size in bytes.
    pub bytes: u64,
    /// The SHA-256 of the content, in lower-case hexadecimal.
    pub sha256: String,
    /// The MIME type of the content.
    pub mime: String,
    /// The width in pixels, if the header has it.
    pub width: Option<u32>,
    /// The height in pixels, if the header has it.
    pub height: Option<u32>,
    /// The duration in milliseconds, if the header has it.
    pub duration_ms: Option<u64>,
    /// Its format marks the end of a file, and this one has none.
    pub is_cut: bool,
}

/// The requirements for a result.
#[derive(Debug, Clone, Copy)]
pub struct Expect<'a> {
    /// The kind of media. `None` and `Other` accept anything except an HTML page. Raw audio has no signature, so
    /// bytes of unknown type are accepted as audio, but not as other media.
    pub kind: Option<Kind>,
    /// The size limit in bytes.
    pub max_bytes: u64,
    /// The requested extension without its dot. If the content has another known type, the file gets the extension of
    /// that type.
    pub extension: &'a str,
}

/// The target and the type of a file.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) folder: PathBuf,
    pub(crate) stem: String,
    pub(crate) extension: String,
    /// The type of the content, which decides how to measure the file.
    pub(crate) sniffed: &'static str,
    /// The type to report.
    pub(crate) mime: &'static str,
}

impl Target {
    /// The target of a file that was given the name `given` and has the type `found`.
    pub(crate) fn of(folder: &Path, given: &str, found: Found, expect: &Expect<'_>) -> Self {
        let (stem, extension) = file_name::split(given);
        let (stem, wanted) = match expect.extension {
            "" => (stem, extension),
            wanted if extension.eq_ignore_ascii_case(wanted) => (stem, wanted),
            wanted => (given, wanted),
        };
        let mime = mime_of(found, found.extension(wanted));
        let (stem, extension) = file_name::apart(stem, found.extension(wanted));
        Self { folder: folder.to_owned(), stem, extension, sniffed: found.mime, mime }
    }

    /// The requested name.
    pub(crate) fn name(&self) -> String {
        file_name::joined(&self.stem, &self.extension)
    }

    /// The requested name, then the same name with a number after an underscore. The program's own names contain no
    /// underscore there, so the number cannot be confused with the index of a result.
    pub(crate) fn candidates(&self) -> impl Iterator<Item = PathBuf> {
        let numbered = (2..=NAMES).map(|number| format!("{}_{number}", self.stem));
        let stems = std::iter::once(self.stem.clone()).chain(numbered);
        stems.map(|stem| self.folder.join(file_name::joined(&stem, &self.extension)))
    }

    pub(crate) fn saved(
        &self,
        path: PathBuf,
        bytes: u64,
        sha256: String,
        (facts, is_cut): (Facts, bool),
    ) -> Saved {
        let (Facts { width, height, duration_ms }, mime) = (facts, self.mime.to_owned());
        Saved { path, object: None, bytes, sha256, mime, width, height, duration_ms, is_cut }
    }
}

pub(crate) fn check_name(name: &str) -> Result<(), FetchProblem> {
    if file_name::is_plain(name) {
        return Ok(());
    }
    Err(FetchProblem::Wrong("the file's name is not a plain name".into()))
}

pub(crate) fn check_size(bytes: u64, expect: &Expect<'_>) -> Result<(), FetchProblem> {
    if bytes > expect.max_bytes { Err(FetchProblem::too_large(bytes, expect.max_bytes)) } else { Ok(()) }
}

/// Checks the type. An error page is not a video, even with HTTP 200.
pub(crate) fn judge(head: &[u8], expect: &Expect<'_>) -> Result<Found, FetchProblem> {
    let found = sniff::sniff(head);
    let is_page = found.mime == "text/html" && !expect.extension.starts_with("htm");
    let fits = match expect.kind {
        None | Some(Kind::Other) => true,
        Some(Kind::Audio) if !found.is_recognised() => true,
        Some(kind) => kind == found.kind,
    };
    if !found.is_text() && sniff::raw(expect.extension).is_some() {
        return Ok(sniff::unknown());
    }
    if fits && !is_page {
        return Ok(found);
    }
    if is_page && expect.kind.is_none() {
        return Err(FetchProblem::Page);
    }
    let wanted = expect.kind.unwrap_or(Kind::Other).described();
    Err(FetchProblem::Wrong(format!("the content is {} instead of {wanted}", found.described())))
}

/// Text and raw audio have no signature, so the extension decides.
fn mime_of(found: Found, extension: &str) -> &'static str {
    match extension {
        _ if found.is_recognised() && found.mime != "text/plain" => found.mime,
        "json" => "application/json",
        "srt" => "application/x-subrip",
        "vtt" => "text/vtt",
        _ => sniff::raw(extension).unwrap_or(found.mime),
    }
}

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
    let facts = (facts, metadata::is_cut(part.file(), target.sniffed));
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
mod tests;

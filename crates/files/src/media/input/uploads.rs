//! Files that HTTP callers upload, until they expire.
//!
//! The files lie in `{root}/{owner}/{id}/{name}`. The folder of the owner separates callers. The id contains the
//! expiry, so nothing else is recorded: every server that uses the folder knows every file, and the next sweep removes the
//! remains of a crash.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};
use tempfile::NamedTempFile;
use tokio::io::AsyncWriteExt as _;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use crate::clock::{age, earliest, latest};
use crate::media::file_name::{self, PREFIX, SUFFIX};
use crate::media::input::content::{Limits, check_secrets};
use crate::media::input::error::InputProblem;
use crate::media::private;
use crate::media::probe::metadata;
use crate::media::probe::sniff::{self, HEAD};
use crate::media::units::{count, size};

/// The free disk space to keep for the store, in bytes.
const MARGIN: u64 = 64 * 1024 * 1024;

/// After this long without a write, an upload is abandoned.
const LEFTOVER: Duration = Duration::from_mins(10);

/// Locked while the files of an owner are counted.
const LOCK: &str = ".lock";

/// The number of digits of an id for the expiry (seconds since 1970) and for its random part.
const TIME: usize = 9;
const CHANCE: usize = 32;

/// Legal extensions of texts, whose bytes do not show their type.
const TEXTS: &[&str] = &["txt", "json", "jsonl", "md", "csv", "srt", "vtt"];

/// The limits of uploads.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// The accepted types, and the size limit of one file.
    pub limits: Limits,
    /// The total size of the files of an owner, in bytes.
    pub total: u64,
    /// The number of files that an owner may have.
    pub count: usize,
    /// How long a file is kept.
    pub life: Duration,
}

/// Why an upload failed. The message is a sentence without its full stop and names no folder.
#[derive(Debug, thiserror::Error)]
pub enum UploadProblem {
    /// The file is not acceptable.
    #[error("the file {0}")]
    Unfit(InputProblem),
    /// The owner has used up the quota.
    #[error(
        "you have {} of {} in all here already; the limit is {} of {}",
        count(files, "file"), size(*bytes), count(most_files, "file"), size(*most)
    )]
    Quota {
        /// The number of files, including uploads in progress.
        files: usize,
        /// Their size in bytes.
        bytes: u64,
        /// The greatest number of files.
        most_files: usize,
        /// The greatest total size in bytes.
        most: u64,
    },
    /// The disk is full.
    #[error("this server has no disk space for it")]
    NoRoom,
    /// An error of the system. Only the log shows it.
    #[error("this server cannot save it")]
    Failed(#[source] io::Error),
}

impl From<io::Error> for UploadProblem {
    fn from(error: io::Error) -> Self {
        let full = matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
        if full { Self::NoRoom } else { Self::Failed(error) }
    }
}

/// An uploaded file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HandedIn {
    /// The id, which contains the expiry.
    pub id: String,
    /// The name, with the extension of the real type.
    pub name: String,
    /// The size in bytes.
    pub bytes: u64,
    /// The real MIME type.
    pub mime: &'static str,
    /// The expiry in seconds since 1970.
    pub expires: u64,
}

/// The folder with the uploads of one owner.
#[derive(Debug, Clone)]
pub struct UploadFolder {
    folder: PathBuf,
}

/// Limits how many uploads begin at once, because each may block a thread while it waits for the lock.
static BEGINNINGS: Semaphore = Semaphore::const_new(8);

impl UploadFolder {
    /// The folder of an owner, without disk access. `owner` is any text that identifies the caller.
    pub fn of(root: &Path, owner: &str) -> Self {
        let mut digest = HEXLOWER.encode(&Sha256::digest(owner));
        digest.truncate(CHANCE);
        Self { folder: root.join(digest) }
    }

    /// Its path, for the allowed folders of the owner's tools.
    pub fn path(&self) -> &Path {
        &self.folder
    }

    /// The path of an uploaded file that has not expired. Reads the disk.
    pub fn find(&self, id: &str, name: &str) -> Option<PathBuf> {
        let path = self.folder.join(id).join(name);
        let found = is_live(id, name).then(|| path.symlink_metadata().ok()).flatten()?;
        found.is_file().then_some(path)
    }

    /// Removes a file before its expiry. False if it does not exist.
    pub async fn remove(&self, id: &str, name: &str) -> bool {
        let (uploads, id, name) = (self.clone(), id.to_owned(), name.to_owned());
        let removing = spawn_blocking(move || {
            uploads.find(&id, &name).is_some() && std::fs::remove_dir_all(uploads.folder.join(&id)).is_ok()
        });
        removing.await.unwrap_or(false)
    }

    /// Reserves space for a file of `announced` bytes, or for all that the owner has left.
    pub async fn receive(&self, announced: Option<u64>, rules: Rules) -> Result<Incoming, UploadProblem> {
        let folder = self.folder.clone();
        // Each upload waits for the lock of its owner's folder. The limit keeps the blocking threads free for other
        // work.
        let _turn = BEGINNINGS.acquire().await.map_err(io::Error::other)?;
        let beginning = spawn_blocking(move || begin(&folder, announced, rules));
        beginning.await.map_err(io::Error::other)?
    }
}

/// True if this may be the name of an upload that has not expired.
pub fn is_live(id: &str, name: &str) -> bool {
    expiry(id).is_some_and(|expires| expires > seconds(latest())) && file_name::is_plain(name)
}

/// True if this is the id of an upload that has expired.
pub fn has_expired(id: &str) -> bool {
    expiry(id).is_some_and(|expires| expires <= seconds(earliest()))
}

/// The id and the name in `minimax://uploads/{id}/{name}`.
pub fn handed_in(uri: &str) -> Option<(&str, &str)> {
    uri.trim().strip_prefix("minimax://uploads/")?.split_once('/')
}

/// Removes the expired files of all owners.
pub async fn sweep(root: &Path) {
    let root = root.to_owned();
    let sweeping = spawn_blocking(move || {
        for entry in std::fs::read_dir(root).into_iter().flatten().flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                tidy(&entry.path());
            }
        }
    });
    // Best effort.
    let _ = sweeping.await;
}

/// An upload in progress. Dropping it removes the file.
#[derive(Debug)]
pub struct Incoming {
    part: NamedTempFile,
    file: tokio::fs::File,
    rules: Rules,
    /// The reserved size in bytes.
    most: u64,
    bytes: u64,
    head: Vec<u8>,
    folder: PathBuf,
}

impl Incoming {
    /// Writes the next piece. Fails as soon as the size or the type is wrong.
    pub async fn write(&mut self, piece: &[u8]) -> Result<(), UploadProblem> {
        self.bytes = self.bytes.saturating_add(piece.len() as u64);
        self.rules.limits.check_size(self.bytes.max(1)).map_err(UploadProblem::Unfit)?;
        if self.bytes > self.most {
            let (most_files, most) = (self.rules.count, self.rules.total);
            let (files, bytes) = held(&self.folder);
            return Err(UploadProblem::Quota { files, bytes, most_files, most });
        }
        let missing = HEAD.saturating_sub(self.head.len());
        if missing > 0 {
            self.head.extend_from_slice(piece.get(..missing).unwrap_or(piece));
            if self.head.len() == HEAD {
                self.judge()?;
            }
        }
        Ok(self.file.write_all(piece).await?)
    }

    fn judge(&self) -> Result<(), UploadProblem> {
        self.rules.limits.check_head(&sniff::sniff(&self.head)).map_err(UploadProblem::Unfit)
    }

    /// Keeps the complete file under a name similar to `hint`.
    pub async fn finish(mut self, hint: &str) -> Result<HandedIn, UploadProblem> {
        self.rules.limits.check_size(self.bytes).map_err(UploadProblem::Unfit)?;
        self.judge()?;
        self.file.flush().await?;
        let hint = hint.to_owned();
        let keeping = spawn_blocking(move || self.keep(&hint));
        keeping.await.map_err(io::Error::other)?
    }

    fn keep(self, hint: &str) -> Result<HandedIn, UploadProblem> {
        let Self { part, file, rules, bytes, head, folder, .. } = self;
        drop(file);
        part.as_file().sync_data()?;
        let found = sniff::sniff(&head);
        let found = metadata::measure(part.as_file(), found.mime).refine(found);
        rules.limits.check_type(&found).map_err(UploadProblem::Unfit)?;
        let mut content = part.as_file().try_clone()?;
        check_secrets(&mut content, &found, &rules.limits, Path::new(hint)).map_err(UploadProblem::Unfit)?;
        let expires = seconds(latest()).saturating_add(rules.life.as_secs());
        let id = new_id(expires)?;
        let (stem, wanted) = file_name::split(last_part(hint));
        let text = || TEXTS.iter().find(|known| known.eq_ignore_ascii_case(wanted)).unwrap_or(&"txt");
        let extension = if found.is_text() { text() } else { found.extension(wanted) };
        let name = file_name::file_name(stem, "", 1, false, extension);
        let place = folder.join(&id);
        private::subfolder(&place)?;
        part.persist_noclobber(place.join(&name)).map_err(|failed| failed.error)?;
        Ok(HandedIn { id, name, bytes, mime: found.mime, expires })
    }
}

fn begin(folder: &Path, announced: Option<u64>, rules: Rules) -> Result<Incoming, UploadProblem> {
    if let Some(announced) = announced {
        rules.limits.check_size(announced).map_err(UploadProblem::Unfit)?;
    }
    private::folder(folder)?;
    // The lock makes other calls and other servers wait here. It ends with its handle. On a file system without locks, the
    // quota is less exact.
    let lock = private::create(&folder.join(LOCK))?;
    let _ = lock.lock();
    tidy(folder);
    let (files, bytes) = held(folder);
    let left = rules.total.saturating_sub(bytes);
    let most = announced.unwrap_or_else(|| rules.limits.max_bytes.min(left));
    if files >= rules.count || most > left || left == 0 {
        return Err(UploadProblem::Quota { files, bytes, most_files: rules.count, most: rules.total });
    }
    // If the system does not report the free space, the write shows whether there is enough.
    if fs4::available_space(folder).is_ok_and(|free| free < most.saturating_add(MARGIN)) {
        return Err(UploadProblem::NoRoom);
    }
    let set_aside = format!("{PREFIX}{most}-");
    let part = tempfile::Builder::new().prefix(&set_aside).suffix(SUFFIX).tempfile_in(folder)?;
    let file = tokio::fs::File::from_std(part.as_file().try_clone()?);
    Ok(Incoming { part, file, rules, most, bytes: 0, head: Vec::new(), folder: folder.to_owned() })
}

/// The number of files and their size. An upload in progress counts with its reserved size.
fn held(folder: &Path) -> (usize, u64) {
    let (mut files, mut bytes) = (0_usize, 0_u64);
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let size = if expiry(&name).is_some() {
            let inside = std::fs::read_dir(entry.path()).into_iter().flatten().flatten();
            inside.filter_map(|file| Some(file.metadata().ok()?.len())).sum()
        } else if let Some(set_aside) = set_aside(&name) {
            set_aside
        } else {
            continue;
        };
        files = files.saturating_add(1);
        bytes = bytes.saturating_add(size);
    }
    (files, bytes)
}

fn set_aside(name: &str) -> Option<u64> {
    name.strip_prefix(PREFIX).filter(|rest| rest.ends_with(SUFFIX))?.split_once('-')?.0.parse().ok()
}

/// Removes expired files and abandoned uploads.
fn tidy(folder: &Path) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if has_expired(&name) {
            let _ = std::fs::remove_dir_all(entry.path());
        } else if set_aside(&name).is_some() && is_leftover(&entry.path()) {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

fn is_leftover(path: &Path) -> bool {
    let changed = path.symlink_metadata().and_then(|data| data.modified()).ok();
    changed.is_some_and(|changed| age(changed) > LEFTOVER)
}

/// The expiry in an id. `None` if it is not an id.
fn expiry(id: &str) -> Option<u64> {
    let plain = id.len() == TIME + CHANCE && id.bytes().all(|c| matches!(c, b'0'..=b'9' | b'a'..=b'f'));
    u64::from_str_radix(id.get(..TIME).filter(|_| plain)?, 16).ok()
}

fn new_id(expires: u64) -> io::Result<String> {
    let mut bits = [0_u8; CHANCE / 2];
    getrandom::fill(&mut bits).map_err(io::Error::other)?;
    Ok(format!("{expires:0TIME$x}{}", HEXLOWER.encode(&bits)))
}

fn seconds(millis: i64) -> u64 {
    u64::try_from(millis / 1000).unwrap_or_default()
}

/// The name of a file. Some programs send a path instead of a name.
fn last_part(hint: &str) -> &str {
    hint.rsplit(['/', '\\']).next().unwrap_or_default()
}

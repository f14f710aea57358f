//! Files that callers at other machines hand in, until their time is over.
//!
//! They lie in `{root}/{owner}/{id}/{name}`. The owner's folder keeps one caller's files from another, and the id says
//! when a file's time is over, so nothing has to be recorded: every server on the same folder knows every file, and
//! what a crash has left is swept by whoever comes next.

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
use crate::media::download::file_name;
use crate::media::download::folder::{PREFIX, SUFFIX};
use crate::media::input::content::{Limits, check_secrets, grouped};
use crate::media::input::reference::InputProblem;
use crate::media::private;
use crate::media::probe::metadata;
use crate::media::probe::sniff::{self, HEAD};

/// What is left free on the disk, in bytes: records have to be written too.
const MARGIN: u64 = 64 * 1024 * 1024;

/// Whoever writes nothing for so long writes no more.
const LEFTOVER: Duration = Duration::from_mins(10);

/// Held while somebody counts what an owner has.
const LOCK: &str = ".lock";

/// The digits of an id that say when its time is over, in seconds since 1970, and those that nobody can guess.
const TIME: usize = 9;
const CHANCE: usize = 32;

/// What texts may be called; their bytes do not tell.
const TEXTS: &[&str] = &["txt", "json", "jsonl", "md", "csv", "srt", "vtt"];

/// What may be handed in.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// Types, and the size of one file.
    pub limits: Limits,
    /// The size of all files of an owner, in bytes.
    pub total: u64,
    /// How many files an owner may have.
    pub count: usize,
    /// How long a file is kept.
    pub life: Duration,
}

/// Why a file was not kept. A sentence without its end; none names a folder.
#[derive(Debug, thiserror::Error)]
pub enum InboxProblem {
    /// It is not what may be handed in.
    #[error("the file {0}")]
    Unfit(InputProblem),
    /// The owner has as much here as is allowed.
    #[error(
        "{files} files with {} bytes of yours are here already; at most {most_files} files with {} bytes are kept",
        grouped(*bytes), grouped(*most)
    )]
    Quota {
        /// How many there are, those on their way among them.
        files: usize,
        /// What they have, in bytes.
        bytes: u64,
        /// How many there may be.
        most_files: usize,
        /// What they may have, in bytes.
        most: u64,
    },
    /// The disk is full.
    #[error("this server has no room for it")]
    NoRoom,
    /// The system's words, for the log.
    #[error("this server cannot keep it")]
    Failed(#[source] io::Error),
}

impl From<io::Error> for InboxProblem {
    fn from(error: io::Error) -> Self {
        let full = matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
        if full { Self::NoRoom } else { Self::Failed(error) }
    }
}

/// A file that is here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HandedIn {
    /// Names it, and says when its time is over.
    pub id: String,
    /// What it is called, with the extension of its real type.
    pub name: String,
    /// Its length.
    pub bytes: u64,
    /// Its real type.
    pub mime: &'static str,
    /// When it will be gone, in seconds since 1970.
    pub expires: u64,
}

/// One owner's files.
#[derive(Debug, Clone)]
pub struct Inbox {
    folder: PathBuf,
}

/// Files that are begun at a time; there is a lock to wait for.
static BEGINNINGS: Semaphore = Semaphore::const_new(8);

impl Inbox {
    /// Opens nothing. `owner` is any text that tells one caller from another.
    pub fn of(root: &Path, owner: &str) -> Self {
        let mut digest = HEXLOWER.encode(&Sha256::digest(owner));
        digest.truncate(CHANCE);
        Self { folder: root.join(digest) }
    }

    /// What a tool may read of it.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where a file is that was handed in, if its time is not over. A look at the disk.
    pub fn find(&self, id: &str, name: &str) -> Option<PathBuf> {
        let here = expiry(id)? > seconds(latest()) && file_name::is_plain(name);
        let path = self.folder.join(id).join(name);
        let found = here.then(|| path.symlink_metadata().ok()).flatten()?;
        found.is_file().then_some(path)
    }

    /// Removes a file before its time; false if there is none.
    pub async fn remove(&self, id: &str, name: &str) -> bool {
        let (inbox, id, name) = (self.clone(), id.to_owned(), name.to_owned());
        let removing = spawn_blocking(move || {
            inbox.find(&id, &name).is_some() && std::fs::remove_dir_all(inbox.folder.join(&id)).is_ok()
        });
        removing.await.unwrap_or(false)
    }

    /// Makes a place for a file of `announced` bytes, or of whatever is still allowed.
    pub async fn receive(&self, announced: Option<u64>, rules: Rules) -> Result<Incoming, InboxProblem> {
        let folder = self.folder.clone();
        // Each waits for the lock on a caller's folder, and the threads that wait are needed elsewhere.
        let _turn = BEGINNINGS.acquire().await.map_err(io::Error::other)?;
        let beginning = spawn_blocking(move || begin(&folder, announced, rules));
        beginning.await.map_err(io::Error::other)?
    }
}

/// The id and the name in `minimax://uploads/{id}/{name}`.
pub fn handed_in(uri: &str) -> Option<(&str, &str)> {
    uri.trim().strip_prefix("minimax://uploads/")?.split_once('/')
}

/// Removes what is over of all owners.
pub async fn sweep(root: &Path) {
    let root = root.to_owned();
    let sweeping = spawn_blocking(move || {
        for entry in std::fs::read_dir(root).into_iter().flatten().flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                tidy(&entry.path());
            }
        }
    });
    // Tidying is a courtesy.
    let _ = sweeping.await;
}

/// A file on its way. One that is dropped leaves nothing behind.
#[derive(Debug)]
pub struct Incoming {
    part: NamedTempFile,
    file: tokio::fs::File,
    rules: Rules,
    /// What is set aside for it.
    most: u64,
    bytes: u64,
    head: Vec<u8>,
    folder: PathBuf,
}

impl Incoming {
    /// Takes the next piece. What is too long or of a wrong type is known as soon as it shows.
    pub async fn write(&mut self, piece: &[u8]) -> Result<(), InboxProblem> {
        self.bytes = self.bytes.saturating_add(piece.len() as u64);
        self.rules.limits.check_size(self.bytes.max(1)).map_err(InboxProblem::Unfit)?;
        if self.bytes > self.most {
            let (most_files, most) = (self.rules.count, self.rules.total);
            let (files, bytes) = held(&self.folder);
            return Err(InboxProblem::Quota { files, bytes, most_files, most });
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

    fn judge(&self) -> Result<(), InboxProblem> {
        self.rules.limits.check_head(&sniff::sniff(&self.head)).map_err(InboxProblem::Unfit)
    }

    /// Keeps what has come, under a name like `hint`.
    pub async fn finish(mut self, hint: &str) -> Result<HandedIn, InboxProblem> {
        self.rules.limits.check_size(self.bytes).map_err(InboxProblem::Unfit)?;
        self.judge()?;
        self.file.flush().await?;
        let hint = hint.to_owned();
        let keeping = spawn_blocking(move || self.keep(&hint));
        keeping.await.map_err(io::Error::other)?
    }

    fn keep(self, hint: &str) -> Result<HandedIn, InboxProblem> {
        let Self { part, file, rules, bytes, head, folder, .. } = self;
        drop(file);
        part.as_file().sync_data()?;
        let found = sniff::sniff(&head);
        let found = metadata::measure(part.as_file(), found.mime).refine(found);
        rules.limits.check_type(&found).map_err(InboxProblem::Unfit)?;
        let mut content = part.as_file().try_clone()?;
        check_secrets(&mut content, &found, &rules.limits, Path::new(hint)).map_err(InboxProblem::Unfit)?;
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

fn begin(folder: &Path, announced: Option<u64>, rules: Rules) -> Result<Incoming, InboxProblem> {
    if let Some(announced) = announced {
        rules.limits.check_size(announced).map_err(InboxProblem::Unfit)?;
    }
    private::folder(folder)?;
    // Other calls and other servers count here too; the lock ends with its handle. A file system without locks counts
    // less strictly.
    let lock = private::create(&folder.join(LOCK))?;
    let _ = lock.lock();
    tidy(folder);
    let (files, bytes) = held(folder);
    let left = rules.total.saturating_sub(bytes);
    let most = announced.unwrap_or_else(|| rules.limits.max_bytes.min(left));
    if files >= rules.count || most > left || left == 0 {
        return Err(InboxProblem::Quota { files, bytes, most_files: rules.count, most: rules.total });
    }
    // Where the system does not say, writing will show.
    if fs4::available_space(folder).is_ok_and(|free| free < most.saturating_add(MARGIN)) {
        return Err(InboxProblem::NoRoom);
    }
    let set_aside = format!("{PREFIX}{most}-");
    let part = tempfile::Builder::new().prefix(&set_aside).suffix(SUFFIX).tempfile_in(folder)?;
    let file = tokio::fs::File::from_std(part.as_file().try_clone()?);
    Ok(Incoming { part, file, rules, most, bytes: 0, head: Vec::new(), folder: folder.to_owned() })
}

/// How many files there are, and their bytes: of those on their way, what is set aside for them.
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

/// Removes what is over, and what somebody has stopped writing.
fn tidy(folder: &Path) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if expiry(&name).is_some_and(|expires| expires <= seconds(earliest())) {
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

/// When the time of an id is over; `None` for what is no id.
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

/// Names come with paths from some programs.
fn last_part(hint: &str) -> &str {
    hint.rsplit(['/', '\\']).next().unwrap_or_default()
}

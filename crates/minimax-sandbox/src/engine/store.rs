//! The folder of a sandbox: the journal, the media files, and the port it was served on.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard};

use crate::engine::journal::{Entry, Journal, StoredFile, StoredVoice};
use crate::engine::lock::lock;
use crate::engine::request_log::Request;
use crate::engine::tasks::Task;

#[derive(Debug)]
pub(crate) struct Store {
    dir: PathBuf,
    journal: Mutex<Journal>,
    /// Dropping it removes the temporary folder.
    _temporary: Option<tempfile::TempDir>,
}

impl Store {
    /// Opens the folder, or a temporary one, and reads its journal.
    pub fn open(dir: Option<PathBuf>) -> io::Result<Self> {
        let temporary = if dir.is_none() { Some(tempfile::tempdir()?) } else { None };
        let dir =
            dir.or_else(|| temporary.as_ref().map(|folder| folder.path().to_owned())).unwrap_or_default();
        std::fs::create_dir_all(dir.join("media"))?;
        let journal = Journal::open(&dir.join("sandbox.jsonl"))?;
        Ok(Self { dir, journal: Mutex::new(journal), _temporary: temporary })
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Appends an entry to the journal. Once this returns, the entry survives a crash of the process.
    pub fn add(&self, entry: &Entry) -> io::Result<()> {
        lock(&self.journal).append(entry)
    }

    pub fn task(&self, id: &str) -> Option<Task> {
        self.current().tables.tasks.get(id).cloned()
    }

    /// All tasks, newest first.
    pub fn tasks(&self) -> Vec<Task> {
        let mut tasks: Vec<_> = self.current().tables.tasks.values().cloned().collect();
        tasks.sort_by(|a, b| (b.created_ms, &b.id).cmp(&(a.created_ms, &a.id)));
        tasks
    }

    pub fn file(&self, id: i64) -> Option<StoredFile> {
        self.current().tables.files.get(&id).cloned()
    }

    /// All files, ordered by id.
    pub fn files(&self) -> Vec<StoredFile> {
        self.current().tables.files.values().cloned().collect()
    }

    pub fn voice(&self, id: &str) -> Option<StoredVoice> {
        self.current().tables.voices.get(id).cloned()
    }

    /// All voices that belong to the account, ordered by id.
    pub fn voices(&self) -> Vec<StoredVoice> {
        self.current().tables.voices.values().cloned().collect()
    }

    pub fn paid(&self) -> Vec<Request> {
        self.current().tables.paid.clone()
    }

    /// The path of a media file, which may not exist yet. `None` for a name that leads out of the folder.
    pub fn media(&self, name: &str) -> Option<PathBuf> {
        let plain = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.');
        (!name.starts_with('.') && name.chars().all(plain)).then(|| self.dir.join("media").join(name))
    }

    /// Writes a media file.
    pub fn keep(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let path = self.media(name).ok_or(io::ErrorKind::InvalidFilename)?;
        std::fs::write(path, bytes)
    }

    /// The port on which this folder was last served.
    pub fn port(&self) -> Option<u16> {
        std::fs::read_to_string(self.dir.join("port")).ok()?.trim().parse().ok()
    }

    pub fn keep_port(&self, port: u16) -> io::Result<()> {
        std::fs::write(self.dir.join("port"), port.to_string())
    }

    /// The journal, including entries that another process has appended.
    fn current(&self) -> MutexGuard<'_, Journal> {
        let mut journal = lock(&self.journal);
        if let Err(failure) = journal.catch_up() {
            tracing::warn!("cannot read the journal: {failure}");
        }
        journal
    }
}

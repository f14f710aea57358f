//! What survives a crash: a journal of what was accepted, and the media.
//!
//! The journal is the truth. Every process appends whole lines to it and builds its tables by reading it, its
//! own lines included, so that two sandboxes on one folder see the same tasks.

use std::collections::{BTreeMap, HashMap};
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard};

use serde::{Deserialize, Serialize};

use super::platform::lock;
use super::record::Request;
use super::task::Task;

/// A file that can be asked for by id: an upload, or the result of a video task.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct StoredFile {
    pub id: i64,
    pub bytes: u64,
    /// Unix seconds.
    pub created_at: u64,
    pub filename: String,
    pub purpose: String,
    /// The name of its bytes in the media folder.
    pub media: String,
    /// Whether it can be downloaded by link: results can, uploads cannot ("File retrieve").
    pub result: bool,
}

/// A voice of the account's own.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct StoredVoice {
    pub id: String,
    /// `voice_cloning` or `voice_generation`.
    pub kind: String,
    /// Unix seconds.
    pub created_at: u64,
    /// Whether anything was spoken with it: only then it is listed, and stays.
    #[serde(default)]
    pub used: bool,
}

/// A request that is billed, and what it started.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Accepted {
    request: Request,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    task: Option<Task>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    file: Option<StoredFile>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    voice: Option<StoredVoice>,
}

/// One line of the journal.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Entry {
    Paid(Box<Accepted>),
    Uploaded(StoredFile),
    FileDeleted(i64),
    /// A status query saw this task done. From now on it is, whatever the pace says after a restart.
    Done(String),
    Cancelled(String),
    TaskDeleted(String),
    VoiceUsed(String),
    VoiceDeleted(String),
}

#[derive(Debug)]
pub(super) struct Store {
    dir: PathBuf,
    journal: Mutex<Journal>,
    /// Holds the temporary folder; dropping it removes the folder.
    _temporary: Option<tempfile::TempDir>,
}

#[derive(Debug)]
struct Journal {
    file: File,
    /// How far it has been read.
    offset: u64,
    tables: Tables,
}

#[derive(Debug, Default)]
struct Tables {
    tasks: HashMap<String, Task>,
    files: BTreeMap<i64, StoredFile>,
    voices: BTreeMap<String, StoredVoice>,
    paid: Vec<Request>,
}

impl Entry {
    pub fn paid(request: Request, task: Option<Task>, file: Option<StoredFile>) -> Self {
        Self::Paid(Box::new(Accepted { request, task, file, voice: None }))
    }

    /// A request that made a voice.
    pub fn paid_voice(request: Request, voice: StoredVoice) -> Self {
        Self::Paid(Box::new(Accepted { request, task: None, file: None, voice: Some(voice) }))
    }
}

impl Store {
    /// Opens the folder, or a temporary one, and reads what is there.
    pub fn open(dir: Option<PathBuf>) -> io::Result<Self> {
        let temporary = if dir.is_none() { Some(tempfile::tempdir()?) } else { None };
        let dir =
            dir.or_else(|| temporary.as_ref().map(|folder| folder.path().to_owned())).unwrap_or_default();
        std::fs::create_dir_all(dir.join("media"))?;
        let path = dir.join("sandbox.jsonl");
        let file = OpenOptions::new().create(true).read(true).append(true).open(path)?;
        let mut journal = Journal { file, offset: 0, tables: Tables::default() };
        journal.mend()?;
        journal.catch_up()?;
        Ok(Self { dir, journal: Mutex::new(journal), _temporary: temporary })
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Adds a line. Once this returns, the entry outlives the process.
    pub fn add(&self, entry: &Entry) -> io::Result<()> {
        let mut line = serde_json::to_vec(entry)?;
        line.push(b'\n');
        let mut journal = lock(&self.journal);
        // One write, so that lines of two processes do not mix.
        journal.file.write_all(&line)?;
        journal.catch_up()
    }

    pub fn task(&self, id: &str) -> Option<Task> {
        self.current().tables.tasks.get(id).cloned()
    }

    /// All tasks, the newest first.
    pub fn tasks(&self) -> Vec<Task> {
        let mut tasks: Vec<_> = self.current().tables.tasks.values().cloned().collect();
        tasks.sort_by(|a, b| (b.created_ms, &b.id).cmp(&(a.created_ms, &a.id)));
        tasks
    }

    pub fn file(&self, id: i64) -> Option<StoredFile> {
        self.current().tables.files.get(&id).cloned()
    }

    /// All files, by id.
    pub fn files(&self) -> Vec<StoredFile> {
        self.current().tables.files.values().cloned().collect()
    }

    pub fn voice(&self, id: &str) -> Option<StoredVoice> {
        self.current().tables.voices.get(id).cloned()
    }

    /// All voices of the account's own, by id.
    pub fn voices(&self) -> Vec<StoredVoice> {
        self.current().tables.voices.values().cloned().collect()
    }

    pub fn paid(&self) -> Vec<Request> {
        self.current().tables.paid.clone()
    }

    /// Where a media file is, or is to be. `None` for a name that leads out of the folder.
    pub fn media(&self, name: &str) -> Option<PathBuf> {
        let plain = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.');
        (!name.starts_with('.') && name.chars().all(plain)).then(|| self.dir.join("media").join(name))
    }

    /// Writes a media file.
    pub fn keep(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let path = self.media(name).ok_or(io::ErrorKind::InvalidFilename)?;
        std::fs::write(path, bytes)
    }

    /// The port that this folder was served on before.
    pub fn port(&self) -> Option<u16> {
        std::fs::read_to_string(self.dir.join("port")).ok()?.trim().parse().ok()
    }

    pub fn keep_port(&self, port: u16) -> io::Result<()> {
        std::fs::write(self.dir.join("port"), port.to_string())
    }

    /// The journal with its newest lines read: another process may have written some.
    fn current(&self) -> MutexGuard<'_, Journal> {
        let mut journal = lock(&self.journal);
        if let Err(failure) = journal.catch_up() {
            tracing::warn!("cannot read the journal: {failure}");
        }
        journal
    }
}

impl Journal {
    /// Ends a line that a crash left torn, so that the next one starts on its own.
    fn mend(&mut self) -> io::Result<()> {
        let mut last = [b'\n'];
        if self.file.metadata()?.len() > 0 {
            self.file.seek(SeekFrom::End(-1))?;
            self.file.read_exact(&mut last)?;
        }
        if last == [b'\n'] { Ok(()) } else { self.file.write_all(b"\n") }
    }

    /// Reads the whole lines that were added since the last time.
    fn catch_up(&mut self) -> io::Result<()> {
        if self.file.metadata()?.len() <= self.offset {
            return Ok(());
        }
        let mut fresh = Vec::new();
        self.file.seek(SeekFrom::Start(self.offset))?;
        self.file.read_to_end(&mut fresh)?;
        for line in fresh.split_inclusive(|byte| *byte == b'\n').filter(|line| line.ends_with(b"\n")) {
            self.offset = self.offset.saturating_add(line.len() as u64);
            // A torn line was never answered for; skipping it loses nothing.
            if let Ok(entry) = serde_json::from_slice(line) {
                self.tables.apply(entry);
            }
        }
        Ok(())
    }
}

impl Tables {
    fn apply(&mut self, entry: Entry) {
        match entry {
            Entry::Paid(accepted) => {
                let Accepted { request, task, file, voice } = *accepted;
                self.paid.push(request);
                self.tasks.extend(task.map(|task| (task.id.clone(), task)));
                self.files.extend(file.map(|file| (file.id, file)));
                self.voices.extend(voice.map(|voice| (voice.id.clone(), voice)));
            }
            Entry::Uploaded(file) => {
                self.files.insert(file.id, file);
            }
            Entry::FileDeleted(id) => {
                self.files.remove(&id);
            }
            Entry::Done(id) => {
                if let Some(task) = self.tasks.get_mut(&id) {
                    task.done = true;
                }
            }
            Entry::Cancelled(id) => {
                if let Some(task) = self.tasks.get_mut(&id) {
                    task.cancelled = true;
                }
            }
            Entry::TaskDeleted(id) => {
                self.tasks.remove(&id);
            }
            Entry::VoiceUsed(id) => {
                if let Some(voice) = self.voices.get_mut(&id) {
                    voice.used = true;
                }
            }
            Entry::VoiceDeleted(id) => {
                self.voices.remove(&id);
            }
        }
    }
}

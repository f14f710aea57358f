//! The journal: the part of the state that survives a crash.
//!
//! The journal is the source of truth. Each process appends whole lines and builds its tables by reading the file back,
//! including its own lines, so that two sandboxes on one folder see the same state.

use std::collections::{BTreeMap, HashMap};
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::engine::request_log::Request;
use crate::engine::tasks::Task;

/// A file that has an id: an upload, or the result of a task.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct StoredFile {
    pub id: i64,
    pub bytes: u64,
    /// Unix seconds.
    pub created_at: u64,
    pub filename: String,
    pub purpose: String,
    /// The name of the file in the media folder.
    pub media: String,
    /// Whether the file can be downloaded by link. Results can, uploads cannot ("File retrieve").
    pub result: bool,
}

/// A voice that the account cloned or designed.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct StoredVoice {
    pub id: String,
    /// `voice_cloning` or `voice_generation`.
    pub kind: String,
    /// Unix seconds.
    pub created_at: u64,
    /// Whether it was used for speech. Unused voices are not listed, and expire.
    #[serde(default)]
    pub used: bool,
}

/// A billed request and what it created.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Accepted {
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
pub(crate) enum Entry {
    Paid(Box<Accepted>),
    Uploaded(StoredFile),
    FileDeleted(i64),
    /// A status query reported this task as done. It stays done, even with another pace after a restart.
    Done(String),
    Cancelled(String),
    TaskDeleted(String),
    VoiceUsed(String),
    VoiceDeleted(String),
}

/// The journal file and the tables built from it.
#[derive(Debug)]
pub(crate) struct Journal {
    file: File,
    /// How far the file has been read, in bytes.
    offset: u64,
    pub tables: Tables,
}

/// The current state, according to the journal.
#[derive(Debug, Default)]
pub(crate) struct Tables {
    pub tasks: HashMap<String, Task>,
    pub files: BTreeMap<i64, StoredFile>,
    pub voices: BTreeMap<String, StoredVoice>,
    pub paid: Vec<Request>,
}

impl Entry {
    pub fn paid(request: Request, task: Option<Task>, file: Option<StoredFile>) -> Self {
        Self::Paid(Box::new(Accepted { request, task, file, voice: None }))
    }

    /// A billed request that created a voice.
    pub fn paid_voice(request: Request, voice: StoredVoice) -> Self {
        Self::Paid(Box::new(Accepted { request, task: None, file: None, voice: Some(voice) }))
    }
}

impl Journal {
    /// Opens or creates the file and reads it.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().create(true).read(true).append(true).open(path)?;
        let mut journal = Self { file, offset: 0, tables: Tables::default() };
        journal.terminate_torn_line()?;
        journal.catch_up()?;
        Ok(journal)
    }

    /// Appends an entry and applies it.
    pub fn append(&mut self, entry: &Entry) -> io::Result<()> {
        let mut line = serde_json::to_vec(entry)?;
        line.push(b'\n');
        // A single write, so that lines of two processes do not interleave.
        self.file.write_all(&line)?;
        self.catch_up()
    }

    /// Terminates a line that a crash left incomplete, so that the next entry starts on a new line.
    fn terminate_torn_line(&mut self) -> io::Result<()> {
        let mut last = [b'\n'];
        if self.file.metadata()?.len() > 0 {
            self.file.seek(SeekFrom::End(-1))?;
            self.file.read_exact(&mut last)?;
        }
        if last == [b'\n'] { Ok(()) } else { self.file.write_all(b"\n") }
    }

    /// Reads and applies the complete lines added since the last call.
    pub fn catch_up(&mut self) -> io::Result<()> {
        if self.file.metadata()?.len() <= self.offset {
            return Ok(());
        }
        let mut fresh = Vec::new();
        self.file.seek(SeekFrom::Start(self.offset))?;
        self.file.read_to_end(&mut fresh)?;
        for line in fresh.split_inclusive(|byte| *byte == b'\n').filter(|line| line.ends_with(b"\n")) {
            self.offset = self.offset.saturating_add(line.len() as u64);
            // No response was sent for an incomplete line, so skipping it loses nothing.
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

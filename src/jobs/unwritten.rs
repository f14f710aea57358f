//! What could not be written to the records: kept in a file beside them at once, and written as soon as they can be.
//!
//! What MiniMax has taken is paid for, and its name must not live in the memory of one process alone. While the
//! records are locked or their disk is full, a line for each job or purchase stands in a small file of the data folder,
//! or of the output folder if that cannot be written either. This process goes on trying; if it dies, the next one
//! reads the file.

use std::collections::{BTreeMap, HashSet};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::job::{Job, now};
use super::state::State;
use super::store::Store;
use super::store_error::StoreError;
use super::{Jobs, random_id};

/// A record that is not written so soon gets its line in the file meanwhile.
pub(super) const PROMPTLY: Duration = Duration::from_secs(1);

/// How long to wait before the records are tried again, at first and at most.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

const NAME: &str = "unwritten-";
/// In the output folder, where people look.
const HIDDEN: &str = ".minimax-unwritten-";
const ENDING: &str = ".jsonl";
/// Of a file that is still written, or whose process has died over it.
const FRESH: &str = "new";

/// The fields of a job that change on its way.
const KEPT: &[&str] = &[
    "state",
    "files",
    "file_ids",
    "text",
    "voice_id",
    "missing",
    "may_be_billed",
    "unread",
    "usage",
    "cost",
    "warnings",
    "model",
    "updated_at",
];

/// One line of the file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Note {
    /// When it became known, in Unix milliseconds.
    pub when: i64,
    /// What.
    #[serde(flatten)]
    pub what: News,
}

/// What a process has come to know.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum News {
    /// Of a job.
    Job {
        /// The job's id.
        job: String,
        /// MiniMax's id of it, for whoever reads the file.
        task_id: Option<String>,
        /// What its record should say.
        record: Map<String, Value>,
    },
    /// How a purchase without a job has ended.
    Purchase {
        /// Its id in the ledger.
        purchase: String,
        /// The word for it.
        state: String,
        /// Millionths.
        actual: Option<i64>,
    },
}

impl News {
    pub(super) fn of(job: &Job) -> Self {
        let mut record = match serde_json::to_value(job) {
            Ok(Value::Object(record)) => record,
            _ => Map::new(),
        };
        record.retain(|name, value| KEPT.contains(&name.as_str()) && !value.is_null());
        let task_id = job.state.task().map(|task| task.id.clone());
        Self::Job { job: job.id.clone(), task_id, record }
    }

    fn id(&self) -> &str {
        match self {
            Self::Job { job, .. } => job,
            Self::Purchase { purchase, .. } => purchase,
        }
    }
}

impl Note {
    /// Lets the job say what is known, unless it says so already or is further. Tells whether it has changed.
    pub(super) fn amend(&self, job: &mut Job) -> bool {
        let News::Job { job: id, record, .. } = &self.what else { return false };
        let Ok(Value::Object(mut all)) = serde_json::to_value(&*job) else { return false };
        all.extend(record.clone());
        let Ok(mut known) = serde_json::from_value::<Job>(Value::Object(all)) else { return false };
        // That a request waits is true until it leaves; all else that is known stays true.
        let in_time = !matches!(known.state, State::Submitting { .. }) || known.updated_at > job.updated_at;
        let fits = *id == job.id && in_time && job.state.gives_way_to(&known.state);
        if fits {
            known.waiting = job.waiting.take();
            *job = known;
        }
        fits
    }
}

/// What this process could not write.
#[derive(Debug, Default)]
pub(super) struct Unwritten {
    desk: Mutex<Desk>,
    /// Where the file is, if there is one. Held while it is written.
    file: tokio::sync::Mutex<Option<PathBuf>>,
}

#[derive(Debug, Default)]
struct Desk {
    notes: BTreeMap<String, Note>,
    /// A task of this process tries to write them.
    is_tended: bool,
}

impl Unwritten {
    fn desk(&self) -> MutexGuard<'_, Desk> {
        // Notes are still notes after a panic elsewhere.
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Jobs {
    /// Keeps what could not be written, and goes on trying.
    pub(super) async fn owe(&self, what: News) {
        let tend = {
            let mut desk = self.shared.unwritten.desk();
            desk.notes.insert(what.id().to_owned(), Note { when: now(), what });
            !std::mem::replace(&mut desk.is_tended, true)
        };
        self.keep_file().await;
        if tend {
            self.shared.tracker.spawn(self.clone().tend_unwritten());
        }
    }

    /// The records have it.
    pub(super) async fn no_longer_owed(&self, id: &str) {
        let known = self.shared.unwritten.desk().notes.remove(id).is_some();
        if known {
            self.keep_file().await;
        }
    }

    /// Whether this process knows more of a job than its record.
    pub(super) fn has_news(&self, id: &str) -> bool {
        self.shared.unwritten.desk().notes.contains_key(id)
    }

    /// The job as this process knows it.
    pub(super) fn with_news(&self, mut job: Job) -> Job {
        if let Some(note) = self.shared.unwritten.desk().notes.get(&job.id) {
            note.amend(&mut job);
        }
        job
    }

    /// Writes what is known of one job, if that is more than its record says.
    pub(super) async fn write_note_of(&self, store: &Store, id: &str) -> Result<(), StoreError> {
        let note = self.shared.unwritten.desk().notes.get(id).cloned();
        match note {
            Some(note) => store.join(&note).await.map(drop),
            None => Ok(()),
        }
    }

    async fn tend_unwritten(self) {
        let mut pause = PAUSES.0;
        // What is not written when the server stops is in the file.
        while self.shared.stop.run_until_cancelled(tokio::time::sleep(pause)).await.is_some() {
            self.write_notes().await;
            {
                let mut desk = self.shared.unwritten.desk();
                if desk.notes.is_empty() {
                    desk.is_tended = false;
                    return;
                }
            }
            pause = pause.saturating_mul(2).min(PAUSES.1);
        }
    }

    async fn write_notes(&self) {
        let Some(store) = self.shared.store.get() else { return };
        let notes: Vec<_> = self.shared.unwritten.desk().notes.values().cloned().collect();
        for note in notes {
            let id = note.what.id();
            match store.join(&note).await {
                Ok(_) => {
                    tracing::info!(id, "what could not be written is written");
                    let mut desk = self.shared.unwritten.desk();
                    if desk.notes.get(id) == Some(&note) {
                        desk.notes.remove(id);
                    }
                    drop(desk);
                    self.wake(id);
                }
                Err(error) => tracing::warn!(id, %error, "the record still cannot be written"),
            }
        }
        self.keep_file().await;
    }

    /// Lets the file say what is not written; without any, there is none.
    async fn keep_file(&self) {
        let Some(store) = self.shared.store.get() else { return };
        let mut at = self.shared.unwritten.file.lock().await;
        let lines = self.shared.unwritten.desk().notes.values().fold(String::new(), |mut lines, note| {
            lines.push_str(&serde_json::to_string(note).unwrap_or_default());
            lines.push('\n');
            lines
        });
        if lines.is_empty() {
            if let Some(old) = at.take() {
                remove(&old).await;
            }
            return;
        }
        let settings = &self.shared.settings;
        let places = [
            settings.data_dir.join(format!("{NAME}{}{ENDING}", store.owner())),
            settings.base_path.join(format!("{HIDDEN}{}{ENDING}", store.owner())),
        ];
        for place in places {
            match put(place.clone(), lines.clone()).await {
                Ok(()) => {
                    if let Some(old) = at.replace(place.clone()).filter(|old| *old != place) {
                        remove(&old).await;
                    }
                    return;
                }
                Err(error) => {
                    tracing::warn!(file = %place.display(), %error, "what is not recorded cannot be kept here");
                }
            }
        }
        // The last resort of whoever has paid.
        tracing::error!(%lines, "known to this process alone: neither the data folder nor the output folder can be written");
    }

    /// Writes into the records what other processes could not.
    pub(super) async fn gather_everywhere(&self, store: &Store) {
        let settings = &self.shared.settings;
        for folder in [&settings.data_dir, &settings.base_path] {
            self.gather(store, folder, &mut HashSet::new()).await;
        }
    }

    /// As [`Self::gather_everywhere`], in one folder. `left` are files with lines that are about no record here.
    pub(super) async fn gather(&self, store: &Store, folder: &Path, left: &mut HashSet<PathBuf>) {
        for path in files(folder.to_owned()).await {
            if left.contains(&path) || path.to_string_lossy().contains(store.owner()) {
                continue;
            }
            let known = path;
            let path = taken(&known).await;
            let Ok(text) = tokio::fs::read_to_string(&path).await else { continue };
            match join_all(store, &text).await {
                Ok(0) => {
                    tracing::info!(file = %path.display(), "what an earlier process could not write is written");
                    remove(&path).await;
                }
                Ok(lines) => {
                    let path = put_back(path, known).await;
                    tracing::warn!(file = %path.display(), lines, "lines that are about no record of this data folder");
                    left.insert(path);
                }
                Err(error) => tracing::warn!(file = %path.display(), %error, "it cannot be written yet"),
            }
        }
    }
}

/// The file under a name that its process does not know: what that one writes meanwhile is another file, and is not
/// removed with this one. In a folder that cannot be changed it stays what it was.
async fn taken(path: &Path) -> PathBuf {
    let name = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    let beginning = if name.starts_with(HIDDEN) { HIDDEN } else { NAME };
    let own = path.with_file_name(format!("{beginning}{}{ENDING}", random_id("taken")));
    match tokio::fs::rename(path, &own).await {
        Ok(()) => own,
        Err(_) => path.to_owned(),
    }
}

/// Gives a file the name again that it had, unless there is another of that name by now.
async fn put_back(path: PathBuf, known: PathBuf) -> PathBuf {
    if path == known || tokio::fs::hard_link(&path, &known).await.is_err() {
        return path;
    }
    remove(&path).await;
    known
}

/// How many lines are about nothing that the records have.
async fn join_all(store: &Store, text: &str) -> Result<usize, StoreError> {
    let mut strange = 0;
    for line in text.lines() {
        let joined = match serde_json::from_str::<Note>(line) {
            Ok(note) => store.join(&note).await?,
            Err(_) => false,
        };
        strange += usize::from(!joined);
    }
    Ok(strange)
}

/// The files of all processes in a folder.
async fn files(folder: PathBuf) -> Vec<PathBuf> {
    let reading = tokio::task::spawn_blocking(move || {
        let ours = |path: &PathBuf| {
            let name = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
            let is_whole = name.ends_with(ENDING);
            (name.starts_with(NAME) || name.starts_with(HIDDEN))
                && (is_whole || path.extension().is_some_and(|it| it == FRESH))
        };
        let entries = std::fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
        entries.map(|entry| entry.path()).filter(ours).collect()
    });
    reading.await.unwrap_or_default()
}

/// Writes a file whole, readable for its owner alone: links to results may be in it.
async fn put(path: PathBuf, text: String) -> std::io::Result<()> {
    let writing = tokio::task::spawn_blocking(move || {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let fresh = path.with_extension(FRESH);
        let mut options = std::fs::File::options();
        options.create(true).truncate(true).write(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let written = options.open(&fresh).and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            file.sync_all()
        });
        written.and_then(|()| std::fs::rename(&fresh, &path)).inspect_err(|_| {
            let _ = std::fs::remove_file(&fresh);
        })
    });
    writing.await.unwrap_or_else(|error| Err(std::io::Error::other(error)))
}

async fn remove(path: &Path) {
    if let Err(error) = tokio::fs::remove_file(path).await
        && error.kind() != std::io::ErrorKind::NotFound
    {
        tracing::warn!(file = %path.display(), %error, "a file that is no longer needed stays");
    }
}

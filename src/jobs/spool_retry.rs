//! What could not be written to the records: kept in a file beside them at once, and written as soon as they can be.
//!
//! What MiniMax has taken is paid for, and its name must not live in the memory of one process alone. While the
//! records are locked or their disk is full, a line for each job or purchase stands in the [`spool`]. This process goes
//! on trying; if it dies, the next one reads the file.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::task::spawn_blocking;

use super::{Jobs, random_id};
use crate::clock::now;
use crate::store::spool::{self, Entry, Update};
use crate::store::{Job, Store, StoreError};

/// A record that is not written so soon gets its line in the file meanwhile.
pub(super) const PROMPTLY: Duration = Duration::from_secs(1);

/// How long to wait before the records are tried again, at first and at most.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// What this process could not write.
#[derive(Debug, Default)]
pub(super) struct Unwritten {
    desk: Mutex<Desk>,
    /// Where the file is, if there is one. Held while it is written.
    file: tokio::sync::Mutex<Option<PathBuf>>,
    /// Files of others with lines that are not for these records. Each is spoken of once.
    left: Mutex<HashSet<PathBuf>>,
}

#[derive(Debug, Default)]
struct Desk {
    notes: BTreeMap<String, Entry>,
    /// A task of this process tries to write them.
    is_tended: bool,
}

impl Unwritten {
    fn desk(&self) -> MutexGuard<'_, Desk> {
        // Notes are still notes after a panic elsewhere.
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a file was left aside before.
    fn is_left(&self, path: &Path) -> bool {
        self.left.lock().unwrap_or_else(PoisonError::into_inner).contains(path)
    }

    /// Leaves a file aside. Tells whether that is new.
    fn leave(&self, path: PathBuf) -> bool {
        self.left.lock().unwrap_or_else(PoisonError::into_inner).insert(path)
    }
}

impl Jobs {
    /// Keeps what could not be written, and goes on trying.
    pub(super) async fn owe(&self, what: Update) {
        let tend = {
            let mut desk = self.shared.unwritten.desk();
            desk.notes.insert(what.id().to_owned(), Entry { when: now(), what });
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
        let key = store.spool_key();
        let lines = self.shared.unwritten.desk().notes.values().fold(String::new(), |mut lines, entry| {
            lines.push_str(&key.line(entry).unwrap_or_default());
            lines.push('\n');
            lines
        });
        if lines.is_empty() {
            if let Some(old) = at.take() {
                let _ = spawn_blocking(move || spool::remove(&old)).await;
            }
            return;
        }
        for folder in self.spool_folders() {
            let place = spool::file_of(&folder, store.owner());
            let (path, text) = (place.clone(), lines.clone());
            let written = spawn_blocking(move || spool::write(&path, &text)).await;
            match written.unwrap_or_else(|error| Err(std::io::Error::other(error))) {
                Ok(()) => {
                    if let Some(old) = at.replace(place.clone()).filter(|old| *old != place) {
                        let _ = spawn_blocking(move || spool::remove(&old)).await;
                    }
                    return;
                }
                Err(error) => {
                    tracing::warn!(file = %place.display(), %error, "what is not recorded cannot be kept here");
                }
            }
        }
        // The last resort of a person who has paid.
        tracing::error!(%lines, "known to this process alone: neither the data folder nor the output folder can be written");
    }

    fn spool_folders(&self) -> [PathBuf; 2] {
        spool::folders(&self.shared.settings.data_dir, &self.shared.settings.base_path)
    }

    /// Writes into the records what other processes could not.
    pub(super) async fn gather_everywhere(&self, store: &Store) {
        for folder in self.spool_folders() {
            self.gather_from(store, folder).await;
        }
        self.gather_legacy(store).await;
    }

    /// As [`Self::gather_everywhere`], from the usual place.
    pub(super) async fn gather(&self, store: &Store) {
        let [usual, _] = self.spool_folders();
        self.gather_from(store, usual).await;
    }

    async fn gather_from(&self, store: &Store, folder: PathBuf) {
        let own = spool::file_of(&folder, store.owner());
        let files = spawn_blocking(move || spool::files(&folder)).await.unwrap_or_default();
        for known in files {
            if self.shared.unwritten.is_left(&known) || known.file_stem() == own.file_stem() {
                continue;
            }
            let name = random_id("taken");
            let reading = spawn_blocking(move || {
                let path = spool::take(&known, &name);
                let text = spool::read(&path, false);
                (known, path, text)
            });
            let Ok((known, path, text)) = reading.await else { continue };
            let joined = match text {
                Ok(text) => join_all(store, &text, |line| store.spool_key().entry(line)).await,
                Err(error) => {
                    self.leave(path, known, &error.to_string()).await;
                    continue;
                }
            };
            match joined {
                Ok(0) => {
                    tracing::info!(file = %known.display(), "what an earlier process could not write is written");
                    let _ = spawn_blocking(move || spool::remove(&path)).await;
                }
                Ok(lines) => {
                    let why = format!(
                        "{lines} lines are about no record of this data folder, or were not written by a server of it"
                    );
                    self.leave(path, known, &why).await;
                }
                Err(error) => tracing::warn!(file = %path.display(), %error, "it cannot be written yet"),
            }
        }
    }

    /// Reads nothing more of a file, and says so once.
    async fn leave(&self, path: PathBuf, known: PathBuf, why: &str) {
        let Ok(path) = spawn_blocking(move || spool::put_back(path, known)).await else { return };
        let file = path.display().to_string();
        if self.shared.unwritten.leave(path) {
            tracing::warn!(file, why, "a spool file is left aside");
        }
    }

    /// Reads what versions before the spool have left. They signed nothing, so it counts only where no tool can write.
    async fn gather_legacy(&self, store: &Store) {
        let (data, output) = (self.shared.settings.data_dir.clone(), self.shared.settings.base_path.clone());
        let roots = self.shared.settings.roots.clone();
        let looking = spawn_blocking(move || {
            let (mut believed, mut doubtful) = (Vec::new(), Vec::new());
            let safe = !roots.surround(&data);
            for path in spool::legacy_files(&data) {
                match spool::read(&path, true).ok().filter(|_| safe) {
                    Some(text) => believed.push((path, text)),
                    None => doubtful.push(path),
                }
            }
            if output != data {
                let hidden = spool::legacy_files(&output).into_iter();
                doubtful.extend(hidden.filter(|path| spool::is_legacy_hidden(path)));
            }
            (believed, doubtful)
        });
        let Ok((believed, doubtful)) = looking.await else { return };
        for (path, text) in believed {
            match join_all(store, &text, spool::legacy_entry).await {
                Ok(0) => {
                    tracing::info!(file = %path.display(), "what an earlier version could not write is written");
                    let _ = spawn_blocking(move || spool::remove(&path)).await;
                }
                Ok(lines) => {
                    tracing::warn!(file = %path.display(), lines, "lines that are about no record of this data folder");
                }
                Err(error) => tracing::warn!(file = %path.display(), %error, "it cannot be written yet"),
            }
        }
        for path in doubtful {
            tracing::warn!(
                file = %path.display(),
                "an earlier version may have kept here what it could not record, but other programs or tools can write \
                 to it, so it is not believed. Look the task_id of each line up with query_video_generation or on \
                 MiniMax's billing page, then delete the file"
            );
        }
    }
}

/// Writes what the lines of a file say into the records. Tells how many say nothing that belongs there.
async fn join_all(
    store: &Store,
    text: &str,
    read: impl Fn(&str) -> Option<Entry>,
) -> Result<usize, StoreError> {
    let mut strange = 0;
    for line in text.lines() {
        let joined = match read(line) {
            Some(entry) => store.join(&entry).await?,
            None => false,
        };
        strange += usize::from(!joined);
    }
    Ok(strange)
}

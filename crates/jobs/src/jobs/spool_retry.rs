//! Retries updates that the store could not take. They go to a spool file first, and a background task retries them.
//!
//! An order that MiniMax has taken is paid for, so its task id must not exist in memory alone. While the database is
//! locked or the disk is full, the [`spool`] has a line for each job or purchase. If this process dies, the next one
//! reads the file.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::OnceCell;
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::registry::Registry;
use crate::clock::now;
use crate::media::Roots;
use crate::store::spool::{self, Entry, Update};
use crate::store::{Job, Store, StoreError, random_id};

/// An update that takes longer than this to write gets a line in the spool.
pub(super) const PROMPTLY: Duration = Duration::from_secs(1);

/// The first and the longest pause between retries.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// The updates that this process could not write, and what it needs to retry them.
#[derive(Debug)]
pub(super) struct SpoolRetry {
    pub(super) data_dir: PathBuf,
    pub(super) base_path: PathBuf,
    pub(super) roots: Roots,
    pub(super) registry: Arc<Registry>,
    pub(super) store: Arc<OnceCell<Arc<Store>>>,
    pub(super) tracker: TaskTracker,
    pub(super) stop: CancellationToken,
    pub(super) pending: Mutex<Pending>,
    /// The path of the spool file, if there is one. Locked while it is written.
    pub(super) file: tokio::sync::Mutex<Option<PathBuf>>,
    /// Spool files with lines that do not belong to this database. Each is logged once.
    pub(super) left: Mutex<HashSet<PathBuf>>,
}

#[derive(Debug, Default)]
pub(super) struct Pending {
    entries: BTreeMap<String, Entry>,
    /// A task of this process retries them.
    is_retried: bool,
}

impl SpoolRetry {
    fn pending(&self) -> MutexGuard<'_, Pending> {
        // The entries stay usable after a panic elsewhere.
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a file was set aside before.
    fn is_left(&self, path: &Path) -> bool {
        self.left.lock().unwrap_or_else(PoisonError::into_inner).contains(path)
    }

    /// Keeps an update that could not be written, and retries it.
    pub(super) async fn keep(self: &Arc<Self>, what: Update) {
        let starts = {
            let mut pending = self.pending();
            pending.entries.insert(what.id().to_owned(), Entry { when: now(), what });
            !std::mem::replace(&mut pending.is_retried, true)
        };
        self.keep_file().await;
        if starts {
            self.tracker.spawn(Arc::clone(self).retry());
        }
    }

    /// Called when the database has the update.
    pub(super) async fn written(&self, id: &str) {
        let known = self.pending().entries.remove(id).is_some();
        if known {
            self.keep_file().await;
        }
    }

    /// Whether this process knows more about a job than its record.
    pub(super) fn has(&self, id: &str) -> bool {
        self.pending().entries.contains_key(id)
    }

    /// The job as this process knows it.
    pub(super) fn amend(&self, mut job: Job) -> Job {
        if let Some(entry) = self.pending().entries.get(&job.id) {
            entry.amend(&mut job);
        }
        job
    }

    /// Writes the pending update of one job.
    pub(super) async fn write_one(&self, store: &Store, id: &str) -> Result<(), StoreError> {
        let entry = self.pending().entries.get(id).cloned();
        match entry {
            Some(entry) => store.join(&entry).await.map(drop),
            None => Ok(()),
        }
    }

    async fn retry(self: Arc<Self>) {
        let mut pause = PAUSES.0;
        // When the server stops, the spool file has what is not written.
        while self.stop.run_until_cancelled(tokio::time::sleep(pause)).await.is_some() {
            self.write_all().await;
            {
                let mut pending = self.pending();
                if pending.entries.is_empty() {
                    pending.is_retried = false;
                    return;
                }
            }
            pause = pause.saturating_mul(2).min(PAUSES.1);
        }
    }

    async fn write_all(&self) {
        let Some(store) = self.store.get() else { return };
        let entries: Vec<_> = self.pending().entries.values().cloned().collect();
        for entry in entries {
            let id = entry.what.id();
            match store.join(&entry).await {
                Ok(_) => {
                    tracing::info!(id, "a delayed update has reached the database");
                    let mut pending = self.pending();
                    if pending.entries.get(id) == Some(&entry) {
                        pending.entries.remove(id);
                    }
                    drop(pending);
                    self.registry.wake(id);
                }
                Err(error) => tracing::warn!(id, %error, "the record still cannot be written"),
            }
        }
        self.keep_file().await;
    }

    /// Writes the spool file, or removes it if nothing is pending.
    async fn keep_file(&self) {
        let Some(store) = self.store.get() else { return };
        let mut at = self.file.lock().await;
        let key = store.spool_key();
        let lines = self.pending().entries.values().fold(String::new(), |mut lines, entry| {
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
                    tracing::warn!(
                        file = %place.display(),
                        %error,
                        "the spool file cannot be written here"
                    );
                }
            }
        }
        // The log is the last place that can keep the ids of paid results.
        tracing::error!(
            %lines,
            "these updates are only in memory and in this line: neither the data folder nor the output folder can be written"
        );
    }

    fn spool_folders(&self) -> [PathBuf; 2] {
        spool::folders(&self.data_dir, &self.base_path)
    }

    /// Drains the spool files of other processes.
    pub(super) async fn drain_everywhere(&self, store: &Store) {
        for folder in self.spool_folders() {
            self.drain_folder(store, folder).await;
        }
        self.drain_legacy(store).await;
    }

    /// As [`Self::drain_everywhere`], but only from the usual folder.
    pub(super) async fn drain(&self, store: &Store) {
        let [usual, _] = self.spool_folders();
        self.drain_folder(store, usual).await;
    }

    async fn drain_folder(&self, store: &Store, folder: PathBuf) {
        let own = spool::file_of(&folder, store.owner());
        let files = spawn_blocking(move || spool::files(&folder)).await.unwrap_or_default();
        for known in files {
            if self.is_left(&known) || known.file_stem() == own.file_stem() {
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
                    tracing::info!(
                        file = %known.display(),
                        "the spooled updates of an earlier process have reached the database"
                    );
                    let _ = spawn_blocking(move || spool::remove(&path)).await;
                }
                Ok(lines) => {
                    let why = format!(
                        "{lines} of its lines name no record of this data folder, or were not written by one of its servers"
                    );
                    self.leave(path, known, &why).await;
                }
                Err(error) => {
                    tracing::warn!(
                        file = %path.display(),
                        %error,
                        "the updates of a spool file cannot be written yet"
                    );
                }
            }
        }
    }

    /// Leaves a file aside from now on, and logs that once.
    async fn leave(&self, path: PathBuf, known: PathBuf, why: &str) {
        let Ok(path) = spawn_blocking(move || spool::put_back(path, known)).await else { return };
        let file = path.display().to_string();
        if self.left.lock().unwrap_or_else(PoisonError::into_inner).insert(path) {
            tracing::warn!(file, why, "a spool file is left aside");
        }
    }

    /// Drains the files of versions before the spool. They have no MAC, so only files that no tool can write are
    /// trusted.
    async fn drain_legacy(&self, store: &Store) {
        let (data, output) = (self.data_dir.clone(), self.base_path.clone());
        let roots = self.roots.clone();
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
                    tracing::info!(
                        file = %path.display(),
                        "the spooled updates of an earlier version have reached the database"
                    );
                    let _ = spawn_blocking(move || spool::remove(&path)).await;
                }
                Ok(lines) => {
                    tracing::warn!(
                        file = %path.display(),
                        lines,
                        "some lines of a spool file name no record of this data folder"
                    );
                }
                Err(error) => {
                    tracing::warn!(
                        file = %path.display(),
                        %error,
                        "the updates of a spool file cannot be written yet"
                    );
                }
            }
        }
        for path in doubtful {
            tracing::warn!(
                file = %path.display(),
                "an earlier version may have kept unrecorded updates here, but other programs or tools can write to this \
                 file, so it is not trusted. Look up the task_id of each line with query_video_generation or on \
                 MiniMax's billing page, then delete the file"
            );
        }
    }
}

/// Writes the lines of a file into the database. Returns how many lines do not belong to it.
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

//! Syncs SQLite's log to the disk, once for all commits that wait.
//!
//! With `synchronous = NORMAL`, a commit survives the end of the process but not that of the machine, and SQLite itself
//! syncs only where its own order of writes needs it. A commit that has to survive both is followed by
//! [`LogSync::sync`]. A sync covers everything that was committed before it began, so fifty commits at once need two or
//! three syncs.

use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sqlx::sqlite::SqlitePool;
use tokio::sync::Mutex;
use tokio::task::spawn_blocking;
use tokio_util::task::TaskTracker;

/// How long a commit that no caller waits for may exist in memory alone. Usually the sync of the next commit covers it.
const SOON: Duration = Duration::from_secs(1);

/// The log of one database. The default is for connections that never write.
#[derive(Debug, Clone, Default)]
pub(super) struct LogSync(Option<Arc<Log>>);

#[derive(Debug)]
struct Log {
    path: PathBuf,
    pool: SqlitePool,
    /// The number of the last commit.
    commits: AtomicU64,
    state: Mutex<State>,
    /// Delayed syncs. Closing the database does not wait for them: it syncs everything itself.
    later: TaskTracker,
}

#[derive(Debug, Default)]
struct State {
    /// The last commit that a sync has tried to cover.
    tried: u64,
    /// The last commit whose sync has failed.
    failed: u64,
    /// After a failed sync the system may consider the pages written, so another sync of the log proves nothing.
    distrusted: bool,
    syncs: u64,
}

impl LogSync {
    /// The log of the database at `database`.
    pub(super) fn of(database: &Path, pool: SqlitePool) -> Self {
        let mut path = OsString::from(database);
        path.push("-wal");
        Self(Some(Arc::new(Log {
            path: path.into(),
            pool,
            commits: AtomicU64::new(0),
            state: Mutex::default(),
            later: TaskTracker::new(),
        })))
    }

    /// Call this after a commit. The commit is on disk when this returns.
    pub(super) async fn sync(&self) -> Result<(), sqlx::Error> {
        let Some(log) = &self.0 else { return Ok(()) };
        log.sync(log.committed()).await
    }

    /// Call this after a commit that need not be on disk yet. It is on disk about a second later.
    pub(super) fn sync_soon(&self) {
        let Some(log) = self.0.clone() else { return };
        let commit = log.committed();
        log.later.clone().spawn(async move {
            tokio::time::sleep(SOON).await;
            // A closed database has no log any more.
            if !log.pool.is_closed()
                && let Err(error) = log.sync(commit).await
            {
                tracing::warn!(%error, "a record may not be on the disk");
            }
        });
    }

    /// Brings every commit to the disk, before the database is closed.
    pub(super) async fn sync_all(&self) {
        if let Some(log) = &self.0
            && let Err(error) = log.sync(log.commits.load(Ordering::SeqCst)).await
        {
            tracing::warn!(%error, "the last records may not be on the disk");
        }
    }

    /// How many syncs there were.
    #[cfg(test)]
    pub(super) async fn count(&self) -> u64 {
        match &self.0 {
            Some(log) => log.state.lock().await.syncs,
            None => 0,
        }
    }
}

impl Log {
    /// The number of a commit that has just been made.
    fn committed(&self) -> u64 {
        self.commits.fetch_add(1, Ordering::SeqCst) + 1
    }

    async fn sync(&self, commit: u64) -> Result<(), sqlx::Error> {
        let mut state = self.state.lock().await;
        if commit <= state.tried {
            let is_synced = state.failed == 0 || commit > state.failed;
            return if is_synced { Ok(()) } else { Err(failed().into()) };
        }
        let upto = self.commits.load(Ordering::SeqCst);
        state.syncs += 1;
        let synced = if state.distrusted { self.checkpoint().await } else { self.sync_file().await };
        state.tried = upto;
        state.distrusted = synced.is_err();
        if synced.is_err() {
            state.failed = upto;
        }
        synced
    }

    async fn sync_file(&self) -> Result<(), sqlx::Error> {
        let path = self.path.clone();
        let syncing = spawn_blocking(move || match OpenOptions::new().write(true).open(path) {
            Ok(log) => {
                #[cfg(feature = "crash-points")]
                crate::crash::synced("records");
                log.sync_data()
            }
            // The last connection was closed, which merged the log into the database and synced that.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        });
        Ok(syncing.await.map_err(io::Error::other)??)
    }

    /// Merges the log into the database file and syncs that.
    async fn checkpoint(&self) -> Result<(), sqlx::Error> {
        let busy: i64 = sqlx::query_scalar("PRAGMA wal_checkpoint(TRUNCATE)").fetch_one(&self.pool).await?;
        if busy == 0 { Ok(()) } else { Err(failed().into()) }
    }
}

fn failed() -> io::Error {
    io::Error::other("the log of the database could not be synced")
}

#[cfg(test)]
mod tests {
    use futures_util::future::join_all;

    use super::*;

    async fn log(folder: &Path) -> (LogSync, SqlitePool) {
        let pool = SqlitePool::connect("sqlite::memory:").await.unwrap();
        (LogSync::of(&folder.join("jobs.sqlite3"), pool.clone()), pool)
    }

    #[tokio::test]
    async fn fifty_commits_at_once_need_two_syncs() {
        let folder = tempfile::tempdir().unwrap();
        let (log, _) = log(folder.path()).await;
        std::fs::write(folder.path().join("jobs.sqlite3-wal"), "frames").unwrap();
        for synced in join_all((0..50).map(|_| log.sync())).await {
            synced.unwrap();
        }
        assert_eq!(log.count().await, 2, "the first commit's, and one for all that came meanwhile");
        log.sync().await.unwrap();
        assert_eq!(log.count().await, 3, "a later commit has a sync of its own");
    }

    #[tokio::test]
    async fn a_sync_that_fails_fails_for_all_that_waited_for_it_and_the_next_one_trusts_no_log() {
        let folder = tempfile::tempdir().unwrap();
        let (log, pool) = log(folder.path()).await;
        // A folder cannot be opened as a file.
        std::fs::create_dir(folder.path().join("jobs.sqlite3-wal")).unwrap();
        let synced = join_all((0..3).map(|_| log.sync())).await;
        assert!(synced[0].is_err());
        std::fs::remove_dir(folder.path().join("jobs.sqlite3-wal")).unwrap();
        // The database in memory has no log, so this shows only that the database was asked.
        assert!(log.sync().await.is_ok());
        pool.close().await;
        std::fs::create_dir(folder.path().join("jobs.sqlite3-wal")).unwrap();
        assert!(log.sync().await.is_err());
        let distrusted = log.sync().await.unwrap_err();
        assert!(matches!(distrusted, sqlx::Error::PoolClosed), "{distrusted}");
    }

    #[tokio::test]
    async fn a_delayed_commit_is_synced_with_the_next_one_or_before_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let (log, _) = log(folder.path()).await;
        log.0.as_ref().unwrap().sync(0).await.unwrap();
        log.sync_soon();
        assert_eq!(log.count().await, 0);
        log.sync().await.unwrap();
        assert_eq!(log.count().await, 1, "both");
        log.sync_all().await;
        assert_eq!(log.count().await, 1, "nothing is left");
        log.sync_soon();
        log.sync_all().await;
        assert_eq!(log.count().await, 2);
    }

    #[tokio::test]
    async fn a_missing_log_counts_as_synced() {
        let folder = tempfile::tempdir().unwrap();
        log(folder.path()).await.0.sync().await.unwrap();
        LogSync::default().sync().await.unwrap();
    }
}

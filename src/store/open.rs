//! Opening the records: by however many processes, in whatever state they are.
//!
//! A damaged database is what stands between a paid task and its result, so it is repaired at once: what can be
//! read is written to a new one, which takes its place, and the damaged one stays beside it. That happens only
//! while no other process has the records open, since that one would go on writing to what nobody reads.

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{ConnectOptions as _, Connection as _};
use tokio::task::spawn_blocking;
use tokio::time::Instant;

use super::Store;
use super::error::StoreError;
use super::recovery;
use crate::media::private::{self, Found};

/// Every process that has the records open shares a lock on this file; only one that locks it alone may replace them.
const LOCK: &str = "jobs.lock";

/// How long a start waits for that lock. A repair takes longer only for very large records.
const LOCK_PATIENCE: Duration = Duration::from_secs(5);

/// Everything in the data folder whose name begins so is the records' own.
const OWN: &[&str] = &["jobs.", "salvage.", "spool", "uploads"];

/// How long a statement waits for another process that writes.
const BUSY: Duration = Duration::from_secs(20);

/// Connections to one database.
#[derive(Debug, Clone)]
pub(super) struct Pools {
    /// Few: SQLite has one writer at a time, and a connection that waits for its turn is of no use to others.
    pub(super) writers: SqlitePool,
    /// These cannot write, so no writer keeps them waiting.
    pub(super) readers: SqlitePool,
    /// One that writes what is never committed: see [`Store::probe`].
    pub(super) probe: SqlitePool,
}

impl Pools {
    fn around(writers: SqlitePool, path: &Path) -> Self {
        let options = SqliteConnectOptions::new().filename(path);
        let readers = options.clone().busy_timeout(Duration::from_secs(5)).pragma("query_only", "ON");
        // What does not fit into so small a cache is written to the disk before the transaction ends.
        let probe = options.busy_timeout(Duration::from_secs(2)).pragma("cache_size", "2");
        Self { writers, readers: pool(4).connect_lazy_with(readers), probe: pool(1).connect_lazy_with(probe) }
    }

    /// Ends all connections. The last one that can write leaves everything in one file.
    pub(super) async fn close(&self) {
        self.readers.close().await;
        self.probe.close().await;
        self.writers.close().await;
    }
}

/// A place among those that have the records open. Dropping it leaves.
#[derive(Debug)]
pub(super) struct Presence {
    /// `None` where files cannot be locked, as on some network drives.
    _held: Option<Arc<File>>,
}

impl Store {
    /// Opens the database in `folder`, making what is missing and repairing what is damaged.
    pub async fn open(folder: &Path, owner: String) -> Result<Self, StoreError> {
        let fail = |source| StoreError::new(folder, source);
        let path = folder.join(Self::FILE);
        make_private(folder).await.map_err(|error| fail(error.into()))?;
        let presence = enter(folder).await.map_err(|error| fail(error.into()))?;
        let damaged = match connect(&path).await {
            Ok(pool) => return Self::with(Pools::around(pool, &path), folder, owner, presence, None).await,
            Err(error) => fail(error),
        };
        if !damaged.is_damaged() {
            return Err(damaged);
        }
        drop(presence);
        let Some(alone) = enter_alone(folder).await else { return Err(damaged.in_use()) };
        // Another process may have repaired it while this one waited.
        let note = match connect(&path).await {
            Ok(pool) => {
                pool.close().await;
                None
            }
            Err(_) => Some(recovery::repair(folder).await.map_err(|error| damaged.unrepaired(&error))?),
        };
        if let Some(note) = &note {
            tracing::warn!("{note}");
        }
        drop(alone);
        let presence = enter(folder).await.map_err(|error| fail(error.into()))?;
        let pool = connect(&path).await.map_err(fail)?;
        Self::with(Pools::around(pool, &path), folder, owner, presence, note).await
    }
}

type Trouble = Box<dyn std::error::Error + Send + Sync>;

/// How long servers that start in the same moment make way for each other. `SQLite` does not wait by itself where
/// one makes the database and the other changes its mode.
const JOSTLE: Duration = Duration::from_secs(5);

/// A database of the newest form. Fails if a page of it is damaged.
pub(super) async fn connect(path: &Path) -> Result<SqlitePool, Trouble> {
    let start = Instant::now();
    loop {
        match connect_once(path).await {
            Err(trouble) if trouble.to_string().contains("locked") && start.elapsed() < JOSTLE => {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            settled => return settled,
        }
    }
}

async fn connect_once(path: &Path) -> Result<SqlitePool, Trouble> {
    // SQLite gives its other files the rights of this one, which it would make by the umask alone. Where it cannot be
    // made, SQLite says why.
    let made = path.to_owned();
    let _ = spawn_blocking(move || private::create(&made)).await;
    let options = SqliteConnectOptions::new().filename(path).create_if_missing(true).busy_timeout(BUSY);
    // A connection that fails while it opens would be closed behind our back, and what SQLite tidies up then may
    // be the log of another database by the same name. This one opens without a look into the file.
    let mut first = options.connect().await?;
    let readable = sqlx::query("PRAGMA journal_mode = WAL").execute(&mut first).await;
    let closed = first.close().await;
    readable?;
    closed?;
    let options = options
        .journal_mode(SqliteJournalMode::Wal)
        // A record of money must survive a power cut too.
        .synchronous(SqliteSynchronous::Full);
    let pool = pool(2).connect_with(options).await?;
    match prepare(&pool).await {
        Ok(()) => Ok(pool),
        Err(trouble) => {
            pool.close().await;
            Err(trouble)
        }
    }
}

fn pool(most: u32) -> SqlitePoolOptions {
    SqlitePoolOptions::new().max_connections(most).acquire_timeout(BUSY).after_release(|connection, _| {
        Box::pin(async move {
            // SQLite ends a transaction by itself when the disk is full, and sqlx goes on counting it: nothing could
            // be begun on the connection any more. A ping waits until what is under way has ended.
            connection.ping().await?;
            Ok(!connection.is_in_transaction())
        })
    })
}

async fn prepare(pool: &SqlitePool) -> Result<(), Trouble> {
    let mut migrated = sqlx::migrate!().run(pool).await;
    for _ in 0..5 {
        if migrated.is_ok() {
            break;
        }
        // Another process may have been quicker; then there is nothing left to do.
        tokio::time::sleep(Duration::from_millis(100)).await;
        migrated = sqlx::migrate!().run(pool).await;
    }
    migrated?;
    // Some 0.1 s for ten thousand jobs.
    let found: String = sqlx::query_scalar("PRAGMA quick_check(1)").fetch_one(pool).await?;
    if found == "ok" { Ok(()) } else { Err(format!("the database is malformed: {found}").into()) }
}

/// Waits a little while another process repairs.
async fn enter(folder: &Path) -> io::Result<Presence> {
    let path = folder.join(LOCK);
    let opening = spawn_blocking({
        let path = path.clone();
        move || private::create(&path)
    });
    // A folder that cannot be written has its say when the database is opened.
    let Ok(file) = opening.await.map_err(io::Error::other)? else { return Ok(Presence { _held: None }) };
    let start = Instant::now();
    let mut is_told = false;
    loop {
        match file.try_lock_shared() {
            Ok(()) => return Ok(Presence { _held: Some(Arc::new(file)) }),
            Err(TryLockError::Error(_)) => return Ok(Presence { _held: None }),
            Err(TryLockError::WouldBlock) if start.elapsed() >= LOCK_PATIENCE => {
                return Err(io::Error::new(io::ErrorKind::WouldBlock, StoreError::LOCKED_OUT));
            }
            Err(TryLockError::WouldBlock) => {
                if !std::mem::replace(&mut is_told, true) {
                    let (lock, seconds) = (path.display(), LOCK_PATIENCE.as_secs());
                    tracing::warn!(%lock, seconds, "waiting for another program to unlock the job records");
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

/// `None` if another process has the records open.
async fn enter_alone(folder: &Path) -> Option<Presence> {
    let path = folder.join(LOCK);
    let entering = spawn_blocking(move || {
        let file = private::create(&path).ok();
        match file.as_ref().map(File::try_lock) {
            Some(Err(TryLockError::WouldBlock)) => None,
            _ => Some(Presence { _held: file.map(Arc::new) }),
        }
    });
    entering.await.ok().flatten()
}

/// Makes the folder for its owner alone, and takes the rights of others from what is there: records hold prompts,
/// signed links and keys.
async fn make_private(folder: &Path) -> io::Result<()> {
    let folder = folder.to_owned();
    let making = spawn_blocking(move || {
        let mut found = private::folder(&folder)?;
        for path in own_files(&folder) {
            // What cannot be mended, such as the file of another user, has its say when it is opened.
            found = found.max(private::narrow(&path).unwrap_or(Found::Private));
        }
        let folder = folder.display();
        match found {
            Found::Private => {}
            Found::Mended => {
                tracing::warn!(%folder, "other users could read the data folder; it is now for its owner alone");
            }
            Found::Open => {
                tracing::warn!(%folder, "other users may read the data folder, and its file system lets no one change that");
            }
        }
        Ok(())
    });
    making.await.map_err(io::Error::other)?
}

fn own_files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    let own = entries.filter(|entry| {
        let name = entry.file_name().to_string_lossy().into_owned();
        OWN.iter().any(|start| name.starts_with(start))
    });
    own.map(|entry| entry.path()).collect()
}

//! Opening the records: by however many processes, in whatever state they are.
//!
//! A damaged database is what stands between a paid task and its result, so it is repaired at once: what can be
//! read is written to a new one, which takes its place, and the damaged one stays beside it. That happens only
//! while no other process has the records open, since that one would go on writing to what nobody reads.

use std::fs::{File, TryLockError};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{ConnectOptions as _, Connection as _};

use super::salvage;
use super::store::Store;
use super::store_error::StoreError;

/// Whoever has the records open holds this file; only who holds it alone may replace them.
const LOCK: &str = "jobs.lock";

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
        private(folder).await.map_err(|error| fail(error.into()))?;
        let presence = enter(folder).await;
        let damaged = match connect(&folder.join(Self::FILE)).await {
            Ok(pool) => return Ok(Self::with(pool, folder, owner, presence, None)),
            Err(error) => fail(error),
        };
        if !damaged.is_damaged() {
            return Err(damaged);
        }
        drop(presence);
        let Some(alone) = enter_alone(folder).await else { return Err(damaged.in_use()) };
        // Another process may have repaired it while this one waited.
        let note = match connect(&folder.join(Self::FILE)).await {
            Ok(pool) => {
                pool.close().await;
                None
            }
            Err(_) => Some(salvage::repair(folder).await.map_err(|error| damaged.unrepaired(&error))?),
        };
        if let Some(note) = &note {
            tracing::warn!("{note}");
        }
        drop(alone);
        let presence = enter(folder).await;
        let pool = connect(&folder.join(Self::FILE)).await.map_err(fail)?;
        Ok(Self::with(pool, folder, owner, presence, note))
    }
}

type Trouble = Box<dyn std::error::Error + Send + Sync>;

/// How long servers that start in the same moment make way for each other. `SQLite` does not wait by itself where
/// one makes the database and the other changes its mode.
const JOSTLE: Duration = Duration::from_secs(5);

/// A database of the newest form. Fails if a page of it is damaged.
pub(super) async fn connect(path: &Path) -> Result<SqlitePool, Trouble> {
    let start = std::time::Instant::now();
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
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .busy_timeout(Duration::from_secs(20));
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
    let pool = SqlitePoolOptions::new().max_connections(4).after_release(|connection, _| {
        Box::pin(async move {
            // SQLite ends a transaction by itself when the disk is full, and sqlx goes on counting it: nothing could
            // be begun on the connection any more. A ping waits until what is under way has ended.
            connection.ping().await?;
            Ok(!connection.is_in_transaction())
        })
    });
    let pool = pool.connect_with(options).await?;
    match prepare(&pool).await {
        Ok(()) => Ok(pool),
        Err(trouble) => {
            pool.close().await;
            Err(trouble)
        }
    }
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

/// Waits while another process repairs.
async fn enter(folder: &Path) -> Presence {
    let path = folder.join(LOCK);
    let entering = tokio::task::spawn_blocking(move || {
        let file = File::options().create(true).truncate(false).write(true).open(path)?;
        file.lock_shared()?;
        Ok::<_, std::io::Error>(Arc::new(file))
    });
    // A folder that cannot be written has its say when the database is opened.
    Presence { _held: entering.await.ok().and_then(Result::ok) }
}

/// `None` if another process has the records open.
async fn enter_alone(folder: &Path) -> Option<Presence> {
    let path = folder.join(LOCK);
    let entering = tokio::task::spawn_blocking(move || {
        let file = File::options().create(true).truncate(false).write(true).open(path).ok();
        match file.as_ref().map(File::try_lock) {
            Some(Err(TryLockError::WouldBlock)) => None,
            _ => Some(Presence { _held: file.map(Arc::new) }),
        }
    });
    entering.await.ok().flatten()
}

/// Makes the folder, readable for its owner alone: records hold prompts and signed links.
async fn private(folder: &Path) -> std::io::Result<()> {
    let mut builder = tokio::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    builder.mode(0o700);
    builder.create(folder).await
}

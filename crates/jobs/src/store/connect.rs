//! Connections to the database, which is migrated and checked before it is used.

use std::path::Path;
use std::time::Duration;

use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{ConnectOptions as _, Connection as _};
use tokio::task::spawn_blocking;
use tokio::time::Instant;

use super::error::{Cause, Fault};
use super::migrations;
use crate::media::private;

/// How long a statement waits for another process that writes.
const BUSY: Duration = Duration::from_secs(20);

/// The connections of readers and of probes. The writers' are made by [`connect`].
pub(super) fn readers_and_probe(path: &Path) -> (SqlitePool, SqlitePool) {
    let options = SqliteConnectOptions::new().filename(path);
    let readers = options.clone().busy_timeout(Duration::from_secs(5)).pragma("query_only", "ON");
    // A tiny cache forces the probe to write to the disk before the transaction ends.
    let probe = options.busy_timeout(Duration::from_secs(2)).pragma("cache_size", "2");
    (pool(4).connect_lazy_with(readers), pool(1).connect_lazy_with(probe))
}

type Trouble = Box<dyn std::error::Error + Send + Sync>;

/// How long servers that start at the same time wait for each other. `SQLite` does not wait by itself while one
/// creates the database and another changes its mode.
const START_PATIENCE: Duration = Duration::from_secs(5);

/// A migrated database. Fails if a page is damaged.
pub(super) async fn connect(path: &Path) -> Result<SqlitePool, Trouble> {
    let start = Instant::now();
    loop {
        match connect_once(path).await {
            Err(trouble) if Cause::of(&*trouble) == Cause::Lock && start.elapsed() < START_PATIENCE => {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            settled => return settled,
        }
    }
}

async fn connect_once(path: &Path) -> Result<SqlitePool, Trouble> {
    // SQLite gives its other files the mode of this one, and would create it with the umask's. If it cannot be
    // created, SQLite reports why.
    let made = path.to_owned();
    let _ = spawn_blocking(move || private::create(&made)).await;
    let options = SqliteConnectOptions::new().filename(path).create_if_missing(true).busy_timeout(BUSY);
    // When opening fails, sqlx closes the connection in the background. That could happen after a repair, and SQLite
    // would then remove the log of the new database. So this first connection opens without reading the file, and is
    // closed here.
    let mut first = options.connect().await?;
    let readable = sqlx::query("PRAGMA journal_mode = WAL").execute(&mut first).await;
    let closed = first.close().await;
    readable?;
    closed?;
    let options = options
        .journal_mode(SqliteJournalMode::Wal)
        // A purchase must also survive a power cut. `LogSync` syncs the log, once for many commits.
        .synchronous(SqliteSynchronous::Normal);
    // One connection: SQLite has one writer at a time, and two connections would invalidate each other's caches.
    let pool = pool(1).connect_with(options).await?;
    match prepare(&pool).await {
        Ok(()) => Ok(pool),
        Err(trouble) => {
            pool.close().await;
            Err(trouble)
        }
    }
}

fn pool(most: u32) -> SqlitePoolOptions {
    let options = SqlitePoolOptions::new().max_connections(most).acquire_timeout(BUSY);
    // No test before use: connections are tested when they are returned, and nothing closes a connection to a file in
    // between.
    options.test_before_acquire(false).after_release(|connection, _| {
        Box::pin(async move {
            // When the disk is full, SQLite ends a transaction by itself, but sqlx still counts it: no transaction could
            // begin on this connection again.
            if !connection.is_in_transaction() {
                return Ok(true);
            }
            // A ping waits for the statement in progress.
            connection.ping().await?;
            Ok(!connection.is_in_transaction())
        })
    })
}

async fn prepare(pool: &SqlitePool) -> Result<(), Trouble> {
    let mut migrated = migrations::SQLITE.run(pool).await;
    for _ in 0..5 {
        if migrated.is_ok() {
            break;
        }
        // Another process may have migrated it first.
        tokio::time::sleep(Duration::from_millis(100)).await;
        migrated = migrations::SQLITE.run(pool).await;
    }
    migrated?;
    // Takes about 0.1 s for ten thousand jobs.
    let found: String = sqlx::query_scalar("PRAGMA quick_check(1)").fetch_one(pool).await?;
    if found == "ok" { Ok(()) } else { Err(Fault::Malformed(found).into()) }
}

//! Connections to one of the two databases.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::postgres::PgPool;
use sqlx::sqlite::SqlitePool;
use sqlx::{Postgres, Sqlite, Transaction};

use super::log_sync::LogSync;

/// Begins a transaction that cannot hang: a replica that stops answering in the middle of one must not keep the others
/// waiting. A commit that is reported is on disk, even if the server's default is another.
const BEGIN_POSTGRES: &str = "BEGIN;
    SET LOCAL lock_timeout = '15s';
    SET LOCAL statement_timeout = '30s';
    SET LOCAL idle_in_transaction_session_timeout = '30s';
    SELECT set_config('synchronous_commit', 'on', true) WHERE current_setting('synchronous_commit') = 'off'";

/// How long a server that did not answer before is waited for. Jobs that go on without it must not wait long each time.
const AWAY: Duration = Duration::from_millis(1500);

/// Connections to a database.
#[derive(Debug, Clone)]
pub(super) enum Pool {
    Sqlite(SqlitePool, LogSync),
    Postgres(ServerPool),
}

/// Connections to a PostgreSQL server.
#[derive(Debug, Clone)]
pub(super) struct ServerPool {
    pool: PgPool,
    is_away: Arc<AtomicBool>,
}

impl ServerPool {
    pub(super) fn new(pool: PgPool) -> Self {
        Self { pool, is_away: Arc::default() }
    }

    pub(super) async fn begin(&self) -> Result<Transaction<'static, Postgres>, sqlx::Error> {
        let beginning = begin_postgres(&self.pool);
        let begun = if self.is_away.load(Ordering::Relaxed) {
            tokio::time::timeout(AWAY, beginning).await.unwrap_or(Err(sqlx::Error::PoolTimedOut))
        } else {
            beginning.await
        };
        // All of its connections being taken is no failure of the server. The size counts attempts to connect too.
        let has_room = self.pool.size() < self.pool.options().get_max_connections();
        let is_away = matches!(begun, Err(sqlx::Error::PoolTimedOut)) && has_room;
        if is_away || begun.is_ok() {
            self.is_away.store(is_away, Ordering::Relaxed);
        }
        begun
    }
}

/// The connections of one process.
#[derive(Debug, Clone)]
pub(super) struct Pools {
    /// One in SQLite, which has one writer at a time.
    pub(super) writers: Pool,
    /// In SQLite these cannot write, so no writer keeps them waiting.
    pub(super) readers: Pool,
    /// For probes, which write and roll back.
    pub(super) probe: Pool,
}

impl Pools {
    /// Closes all connections. In SQLite the last writer merges the log into the file.
    pub(super) async fn close(&self) {
        self.readers.close().await;
        self.probe.close().await;
        self.writers.close().await;
    }
}

/// One connection.
#[derive(Debug)]
pub(super) enum Connection {
    Sqlite(PoolConnection<Sqlite>),
    SqliteTransaction(Transaction<'static, Sqlite>, LogSync),
    /// Always in a transaction: a pooler in front of the database gives out its connections by the transaction.
    Postgres(Transaction<'static, Postgres>),
}

impl Pool {
    /// A connection for several statements that read.
    pub(super) async fn acquire(&self) -> Result<Connection, sqlx::Error> {
        match self {
            Self::Sqlite(pool, _) => pool.acquire().await.map(Connection::Sqlite),
            Self::Postgres(pool) => Box::pin(pool.begin()).await.map(Connection::Postgres),
        }
    }

    /// A transaction. In SQLite it holds the write lock.
    pub(super) async fn begin(&self) -> Result<Connection, sqlx::Error> {
        match self {
            Self::Sqlite(pool, log) => {
                let begun = pool.begin_with("BEGIN IMMEDIATE").await?;
                Ok(Connection::SqliteTransaction(begun, log.clone()))
            }
            Self::Postgres(pool) => pool.begin().await.map(Connection::Postgres),
        }
    }

    /// Whether all connections are in use.
    pub(super) fn is_exhausted(&self) -> bool {
        let idle = match self {
            Self::Sqlite(pool, _) => pool.num_idle(),
            Self::Postgres(pool) => pool.pool.num_idle(),
        };
        idle == 0
    }

    pub(super) async fn close(&self) {
        match self {
            Self::Sqlite(pool, log) => {
                log.sync_all().await;
                pool.close().await;
            }
            Self::Postgres(pool) => pool.pool.close().await,
        }
    }
}

pub(super) async fn begin_postgres(pool: &PgPool) -> Result<Transaction<'static, Postgres>, sqlx::Error> {
    pool.begin_with(BEGIN_POSTGRES).await
}

impl Connection {
    /// Ends the transaction. What it wrote is on disk when this returns.
    pub(super) async fn commit(self) -> Result<(), sqlx::Error> {
        match self {
            // Each statement was a transaction of its own.
            Self::Sqlite(_) => Ok(()),
            Self::SqliteTransaction(transaction, log) => {
                Box::pin(transaction.commit()).await?;
                log.sync().await
            }
            Self::Postgres(transaction) => Box::pin(transaction.commit()).await,
        }
    }

    /// Ends the transaction. What it wrote survives the end of the process at once, and that of the machine a moment
    /// later. For what another process would find out again.
    pub(super) async fn commit_soon(self) -> Result<(), sqlx::Error> {
        match self {
            Self::SqliteTransaction(transaction, log) => {
                Box::pin(transaction.commit()).await?;
                log.sync_soon();
                Ok(())
            }
            other => other.commit().await,
        }
    }

    /// Ends the transaction, and undoes what it wrote.
    pub(super) async fn rollback(self) -> Result<(), sqlx::Error> {
        match self {
            Self::Sqlite(_) => Ok(()),
            Self::SqliteTransaction(transaction, _) => transaction.rollback().await,
            Self::Postgres(transaction) => transaction.rollback().await,
        }
    }

    pub(super) fn is_postgres(&self) -> bool {
        matches!(self, Self::Postgres(_))
    }
}

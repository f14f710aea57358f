//! Connections to one of the two databases.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::postgres::PgPool;
use sqlx::sqlite::SqlitePool;
use sqlx::{PgConnection, Postgres, Sqlite, Transaction};

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
    /// Transactions that are open.
    open: Arc<AtomicU32>,
}

/// A transaction on a PostgreSQL server.
#[derive(Debug)]
pub(super) struct ServerTransaction {
    transaction: Transaction<'static, Postgres>,
    _counted: Counted,
}

/// Counts an open transaction as long as it lives.
#[derive(Debug)]
struct Counted(Arc<AtomicU32>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl ServerTransaction {
    /// For a statement.
    pub(super) fn connection(&mut self) -> &mut PgConnection {
        &mut self.transaction
    }

    pub(super) async fn commit(self) -> Result<(), sqlx::Error> {
        self.transaction.commit().await
    }

    pub(super) async fn rollback(self) -> Result<(), sqlx::Error> {
        self.transaction.rollback().await
    }
}

/// Whether a server is away whose pool gave no connection in time. It is not if all connections are in transactions. Attempts to
/// connect do not count: while the server is away, they take the places of connections.
fn is_away(transactions: u32, most: u32) -> bool {
    transactions < most
}

impl ServerPool {
    pub(super) fn new(pool: PgPool) -> Self {
        Self { pool, is_away: Arc::default(), open: Arc::default() }
    }

    pub(super) async fn begin(&self) -> Result<ServerTransaction, sqlx::Error> {
        let beginning = begin_postgres(&self.pool);
        let begun = if self.is_away.load(Ordering::Relaxed) {
            tokio::time::timeout(AWAY, beginning).await.unwrap_or(Err(sqlx::Error::PoolTimedOut))
        } else {
            beginning.await
        };
        match &begun {
            Ok(_) => self.is_away.store(false, Ordering::Relaxed),
            Err(sqlx::Error::PoolTimedOut) => {
                let most = self.pool.options().get_max_connections();
                if is_away(self.open.load(Ordering::Relaxed), most) {
                    self.is_away.store(true, Ordering::Relaxed);
                }
            }
            Err(_) => {}
        }
        let transaction = begun?;
        self.open.fetch_add(1, Ordering::Relaxed);
        Ok(ServerTransaction { transaction, _counted: Counted(Arc::clone(&self.open)) })
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
    Postgres(ServerTransaction),
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

#[cfg(test)]
mod tests {
    use futures_util::future::join_all;
    use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
    use tokio::time::Instant;

    use super::*;

    #[test]
    fn a_server_is_away_unless_all_connections_are_in_transactions() {
        for (transactions, away) in [(0, true), (9, true), (10, false), (11, false)] {
            assert_eq!(is_away(transactions, 10), away, "{transactions}");
        }
    }

    /// A server that accepts connections and says nothing, and more callers than connections.
    #[tokio::test(start_paused = true)]
    async fn many_callers_at_once_find_out_that_the_server_is_away() {
        let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let options = PgConnectOptions::new_without_pgpass().host("127.0.0.1");
        let options = options.port(silent.local_addr().unwrap().port()).username("x");
        let patience = AWAY * 3;
        let pool = PgPoolOptions::new().max_connections(3).acquire_timeout(patience);
        let pool = ServerPool::new(pool.connect_lazy_with(options));
        let refused = join_all((0..9).map(|_| pool.begin())).await;
        assert!(refused.iter().all(|begun| matches!(begun, Err(sqlx::Error::PoolTimedOut))), "{refused:?}");
        let start = Instant::now();
        assert!(join_all((0..9).map(|_| pool.begin())).await.iter().all(Result::is_err));
        assert!(start.elapsed() < patience, "the second time they do not wait as long");
        assert_eq!(pool.open.load(Ordering::Relaxed), 0);
    }
}

//! Connections to one of the two databases.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::postgres::PgPool;
use sqlx::sqlite::SqlitePool;
use sqlx::{PgConnection, Postgres, Sqlite, Transaction};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout, timeout_at};

use super::log_sync::LogSync;

/// Begins a transaction that cannot hang: a replica that stops answering in the middle of one must not keep the others
/// waiting. A reported commit is on disk, even if the server's default is not to wait for that.
const BEGIN_POSTGRES: &str = "BEGIN;
    SET LOCAL lock_timeout = '15s';
    SET LOCAL statement_timeout = '30s';
    SET LOCAL idle_in_transaction_session_timeout = '30s';
    SELECT set_config('synchronous_commit', 'on', true) WHERE current_setting('synchronous_commit') = 'off'";

/// How long to wait for a server that did not answer the last time. Jobs that continue without it must not wait long.
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
    /// A permit for each connection.
    permits: Arc<Semaphore>,
    is_away: Arc<AtomicBool>,
}

/// A transaction on a PostgreSQL server.
#[derive(Debug)]
pub(super) struct ServerTransaction {
    transaction: Transaction<'static, Postgres>,
    _permit: OwnedSemaphorePermit,
}

impl ServerTransaction {
    /// The connection, to run a statement on it.
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

impl ServerPool {
    pub(super) fn new(pool: PgPool) -> Self {
        let most = usize::try_from(pool.options().get_max_connections()).unwrap_or(usize::MAX);
        Self { pool, permits: Arc::new(Semaphore::new(most)), is_away: Arc::default() }
    }

    /// A transaction. There is one permit for each connection. A caller that waits in vain for a permit learns nothing about the
    /// server; an attempt to connect that takes too long shows that it is away. A pooler without a free connection accepts ours,
    /// and lets the transaction wait, for minutes by default.
    ///
    /// While the server is away, callers wait only briefly, but their attempts continue after they have given up. With
    /// many callers, a caller gets its permit late. If the attempt ended with the caller, no attempt would last long
    /// enough to find that the server is back.
    pub(super) async fn begin(&self) -> Result<ServerTransaction, sqlx::Error> {
        let is_away = self.is_away.load(Ordering::Relaxed);
        let patience = self.pool.options().get_acquire_timeout();
        let end = Instant::now() + if is_away { AWAY } else { patience };
        let permit = timeout_at(end, Arc::clone(&self.permits).acquire_owned()).await;
        let permit = permit.map_err(|_| sqlx::Error::PoolTimedOut)?.map_err(|_| sqlx::Error::PoolClosed)?;
        #[expect(
            clippy::disallowed_methods,
            reason = "a shut-down may lose an attempt, which has written nothing"
        )]
        let attempt = tokio::spawn(Box::pin(self.clone().attempt(permit)));
        // As long for the transaction as for the connection.
        let end = if is_away { end } else { Instant::now() + patience * 2 };
        match timeout_at(end, attempt).await {
            Ok(Ok(begun)) => begun,
            Ok(Err(_)) | Err(_) => Err(sqlx::Error::PoolTimedOut),
        }
    }

    async fn attempt(self, permit: OwnedSemaphorePermit) -> Result<ServerTransaction, sqlx::Error> {
        let begun = begin_postgres(&self.pool).await;
        match &begun {
            Ok(_) => self.is_away.store(false, Ordering::Relaxed),
            Err(sqlx::Error::PoolTimedOut) => self.is_away.store(true, Ordering::Relaxed),
            Err(_) => {}
        }
        Ok(ServerTransaction { transaction: begun?, _permit: permit })
    }

    /// Whether all connections are in transactions.
    fn is_busy(&self) -> bool {
        self.permits.available_permits() == 0 && !self.is_away.load(Ordering::Relaxed)
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
        match self {
            Self::Sqlite(pool, _) => pool.num_idle() == 0,
            Self::Postgres(pool) => pool.is_busy(),
        }
    }

    pub(super) async fn close(&self) {
        match self {
            Self::Sqlite(pool, log) => {
                log.sync_all().await;
                pool.close().await;
            }
            // It waits for connections that are in use. One that waits for a pooler may be in use for minutes.
            Self::Postgres(pool) => drop(timeout(AWAY, pool.pool.close()).await),
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
    /// later. Only for updates that another process would make again.
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
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    const FEW: u32 = 3;

    /// A pool for a server that lets connections in after this time, or never.
    async fn pool(delay: Option<Duration>) -> ServerPool {
        pool_of(delay, Duration::ZERO, AWAY * 3).await
    }

    /// A pool for a server that lets connections in after `delay`, or never, and begins a transaction after `pooler`.
    #[expect(clippy::disallowed_methods, reason = "the server ends with the test")]
    async fn pool_of(delay: Option<Duration>, pooler: Duration, patience: Duration) -> ServerPool {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let options = PgConnectOptions::new_without_pgpass().host("127.0.0.1").username("x");
        let options =
            options.port(listener.local_addr().unwrap().port()).ssl_mode(sqlx::postgres::PgSslMode::Disable);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(served(stream, delay, pooler));
            }
        });
        let pool = PgPoolOptions::new().max_connections(FEW).acquire_timeout(patience);
        ServerPool::new(pool.connect_lazy_with(options))
    }

    /// As little of the protocol as a transaction needs.
    async fn served(mut stream: TcpStream, delay: Option<Duration>, pooler: Duration) -> std::io::Result<()> {
        let Some(delay) = delay else { return std::future::pending().await };
        let length = stream.read_u32().await? as usize;
        stream.read_exact(&mut vec![0; length - 4]).await?;
        tokio::time::sleep(delay).await;
        // The log-in is accepted, and no transaction is open.
        stream.write_all(b"R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I").await?;
        loop {
            let kind = stream.read_u8().await?;
            let mut text = vec![0; stream.read_u32().await? as usize - 4];
            stream.read_exact(&mut text).await?;
            let state = if text.starts_with(b"BEGIN") { b'T' } else { b'I' };
            if state == b'T' {
                tokio::time::sleep(pooler).await;
            }
            if kind == b'Q' {
                stream.write_all(b"C\0\0\0\x07OK\0").await?;
            }
            stream.write_all(&[b'Z', 0, 0, 0, 5, state]).await?;
        }
    }

    fn timed_out(begun: &Result<ServerTransaction, sqlx::Error>) -> bool {
        matches!(begun, Err(sqlx::Error::PoolTimedOut))
    }

    /// The server accepts connections and says nothing, and there are more callers than connections.
    #[tokio::test(start_paused = true)]
    async fn many_callers_at_once_find_out_that_the_server_is_away() {
        let pool = pool(None).await;
        assert!(join_all((0..9).map(|_| pool.begin())).await.iter().all(timed_out));
        assert!(pool.is_away.load(Ordering::Relaxed) && !pool.is_busy());
        let start = Instant::now();
        assert!(join_all((0..9).map(|_| pool.begin())).await.iter().all(timed_out));
        assert!(start.elapsed() < AWAY * 2, "the second time they do not wait as long");
    }

    #[tokio::test]
    async fn a_server_whose_connections_are_all_in_transactions_is_not_away() {
        let pool = pool(Some(Duration::ZERO)).await;
        let mut held = join_all((0..FEW).map(|_| pool.begin())).await;
        assert!(held.iter().all(Result::is_ok), "{held:?}");
        assert!(pool.is_busy());
        assert!(timed_out(&pool.begin().await));
        assert!(!pool.is_away.load(Ordering::Relaxed));
        held.pop();
        assert!(pool.begin().await.is_ok());
    }

    /// Letting a connection in takes longer than callers wait for a server that was away.
    #[tokio::test]
    async fn an_abandoned_attempt_notices_that_the_server_is_back() {
        let pool = pool(Some(AWAY * 3 / 2)).await;
        pool.is_away.store(true, Ordering::Relaxed);
        assert!(join_all((0..9).map(|_| pool.begin())).await.iter().all(timed_out));
        while pool.is_away.load(Ordering::Relaxed) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert!(pool.begin().await.is_ok());
    }
    /// A pooler accepts the connection at once, and the transaction begins when it has a connection to the server.
    #[tokio::test]
    async fn a_transaction_that_does_not_begin_is_not_waited_for_until_the_pooler_gives_up() {
        let pool = pool_of(Some(Duration::ZERO), AWAY * 3, Duration::from_millis(300)).await;
        let start = Instant::now();
        assert!(timed_out(&pool.begin().await));
        assert!(start.elapsed() < AWAY * 2, "{:?}", start.elapsed());
        assert!(!pool.is_away.load(Ordering::Relaxed), "the next caller waits as long");
        // The transaction is still about to begin, so its connection cannot be closed.
        let start = Instant::now();
        Pool::Postgres(pool).close().await;
        assert!(start.elapsed() < AWAY * 2);
    }
}

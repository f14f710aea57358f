//! The open database. Each table's file builds on it.

use super::error::{Fault, Place, StoreError};
use super::heartbeat::Heartbeat;
use super::pool::{Connection, Pool, Pools};
use super::presence::Presence;
use super::spool::SpoolKey;
use super::sql::{Row, either, storable_json};
use crate::record::Job;

/// An open database.
#[derive(Debug)]
pub struct Store {
    pub(super) pools: Pools,
    pub(super) heartbeat: Heartbeat,
    pub(super) place: Place,
    /// This process, in leases.
    pub(super) owner: String,
    pub(super) notice: Option<String>,
    pub(super) spool_key: SpoolKey,
    /// Whether a message is written when a job ends.
    pub(super) announces: bool,
    /// `None` for PostgreSQL.
    pub(super) _presence: Option<Presence>,
}

/// How much a probe writes, in bytes. SQLite stores it as twice as many hexadecimal digits, which is more than the
/// probe's cache.
const PROBE: i64 = 32 * 1024;

impl Store {
    /// The database's name in the data folder.
    pub const FILE: &str = "jobs.sqlite3";

    /// The key that proves that a spooled line belongs to this database.
    pub(crate) fn spool_key(&self) -> &SpoolKey {
        &self.spool_key
    }

    /// What the operator should know: the database was repaired.
    pub fn notice(&self) -> Option<&str> {
        self.notice.as_deref()
    }

    /// Closes all connections.
    pub async fn close(&self) {
        self.pools.close().await;
    }

    /// Connections for statements that write.
    pub(super) fn writers(&self) -> &Pool {
        &self.pools.writers
    }

    /// Connections for statements that read. They never wait for a writer.
    pub(super) fn readers(&self) -> &Pool {
        &self.pools.readers
    }

    /// Whether the database can be written: writes a row to the disk and rolls back.
    pub(crate) async fn probe(&self) -> Result<(), StoreError> {
        let mut transaction = Box::pin(self.pools.probe.begin()).await.map_err(|error| self.fail(error))?;
        let row = either(
            "INSERT INTO answers (principal, account, digest, body, created_at)
             VALUES ('', '', ?2, hex(zeroblob(?1)), 0)",
            "INSERT INTO answers (principal, account, digest, body, created_at) VALUES ('', '', ?2, repeat('0', CAST(?1 AS int)), 0)",
        );
        // Two probes at once must not wait for each other.
        let digest = format!("probe {}", self.owner);
        let written = row.bind(PROBE).bind(digest).execute(&mut transaction).await;
        written.map_err(|error| self.fail(error))?;
        transaction.rollback().await.map_err(|error| self.fail(error))
    }

    /// This process, in leases.
    pub(crate) fn owner(&self) -> &str {
        &self.owner
    }

    /// A failure of this database.
    pub(super) fn fail(&self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> StoreError {
        let source = source.into();
        match source.downcast_ref() {
            // All connections are taken, or none could be made.
            Some(sqlx::Error::PoolTimedOut) if self.place.is_server() => {
                let fault = if self.pools.writers.is_exhausted() { Fault::Busy } else { Fault::Away };
                StoreError::new(self.place.clone(), fault.into())
            }
            // Other writes hold the connections while they wait for the lock, or long reads hold them.
            Some(sqlx::Error::PoolTimedOut) if self.pools.writers.is_exhausted() => {
                StoreError::new(self.place.clone(), Fault::Locked.into())
            }
            Some(sqlx::Error::PoolTimedOut) => StoreError::new(self.place.clone(), Fault::Busy.into()),
            _ => StoreError::new(self.place.clone(), source),
        }
    }

    /// A transaction. In SQLite it holds the write lock.
    pub(super) async fn begin(&self) -> Result<Connection, StoreError> {
        Box::pin(self.pools.writers.begin()).await.map_err(|error| self.fail(error))
    }

    /// The job of a row.
    pub(super) fn parse(&self, row: &Row) -> Result<Job, StoreError> {
        let body: &str = row.try_get("body").map_err(|error| self.fail(error))?;
        serde_json::from_str(body).map_err(|error| self.fail(error))
    }

    /// The body of a job's row.
    pub(super) fn body_of(&self, job: &Job) -> Result<String, StoreError> {
        let body = serde_json::to_string(job).map_err(|error| self.fail(error))?;
        Ok(if self.place.is_server() { storable_json(body) } else { body })
    }

    /// The connections to SQLite.
    #[cfg(test)]
    pub(super) fn sqlite(&self) -> &sqlx::SqlitePool {
        match self.writers() {
            Pool::Sqlite(pool, _) => pool,
            Pool::Postgres(_) => panic!("the test is about SQLite"),
        }
    }
}

//! The open database. Each table's file builds on it.

use std::path::PathBuf;

use sqlx::sqlite::SqlitePool;
use sqlx::{Row as _, Sqlite, Transaction};

use super::connect::Pools;
use super::error::{Fault, StoreError};
use super::presence::Presence;
use super::record::Job;
use super::spool::SpoolKey;

/// An open database.
#[derive(Debug)]
pub struct Store {
    pub(super) pools: Pools,
    pub(super) folder: PathBuf,
    /// This process, in leases.
    pub(super) owner: String,
    pub(super) notice: Option<String>,
    pub(super) spool_key: SpoolKey,
    pub(super) _presence: Presence,
}

/// How much a probe writes, in bytes. In the database it takes twice as much, which is more than the probe's cache.
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
    pub(super) fn writers(&self) -> &SqlitePool {
        &self.pools.writers
    }

    /// Connections for statements that read. They never wait for a writer.
    pub(super) fn readers(&self) -> &SqlitePool {
        &self.pools.readers
    }

    /// Whether the database can be written: writes a row to the disk and rolls back.
    pub(crate) async fn probe(&self) -> Result<(), StoreError> {
        let begun = self.pools.probe.begin_with("BEGIN IMMEDIATE").await;
        let mut transaction = begun.map_err(|error| self.fail(error))?;
        let row = "INSERT INTO answers (principal, account, digest, body, created_at)
                   VALUES ('', '', 'probe', hex(zeroblob(?1)), 0)";
        let written = sqlx::query(row).bind(PROBE).execute(&mut *transaction).await;
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
            // The connections are taken by writes that wait themselves, or by reads that take long.
            Some(sqlx::Error::PoolTimedOut) if self.pools.writers.num_idle() == 0 => {
                StoreError::new(&self.folder, Fault::Locked.into())
            }
            Some(sqlx::Error::PoolTimedOut) => StoreError::new(&self.folder, Fault::Busy.into()),
            _ => StoreError::new(&self.folder, source),
        }
    }

    /// A transaction that holds the write lock.
    pub(super) async fn begin(&self) -> Result<Transaction<'static, Sqlite>, StoreError> {
        self.pools.writers.begin_with("BEGIN IMMEDIATE").await.map_err(|error| self.fail(error))
    }

    /// The job of a row.
    pub(super) fn parse(&self, row: &sqlx::sqlite::SqliteRow) -> Result<Job, StoreError> {
        let body: &str = row.try_get("body").map_err(|error| self.fail(error))?;
        serde_json::from_str(body).map_err(|error| self.fail(error))
    }
}

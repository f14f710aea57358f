//! The rows: SQLite, shared by every server process of one data folder.
//!
//! A lease decides which process polls and delivers a job. It runs out a few seconds after its owner has died,
//! and each write of an owner carries it, so a process that was asleep cannot overwrite what another has done.

mod accounts;
mod conversations;
mod error;
mod id;
mod lease;
mod ledger;
mod money;
mod open;
#[cfg(test)]
mod properties;
mod queries;
mod record;
mod recovery;
mod remote_ids;
mod response_cache;
mod retention;
mod secrets;
pub(crate) mod spool;
mod state;
#[cfg(test)]
mod state_properties;

use std::path::{Path, PathBuf};

use sqlx::sqlite::SqlitePool;
use sqlx::{Row as _, Sqlite, SqliteConnection, Transaction};

pub use self::accounts::CALLERS;
pub use self::conversations::{Conversation, Kept, Said};
pub use self::error::StoreError;
pub use self::id::random_id;
pub(crate) use self::lease::LEASE;
pub use self::money::{
    Denied, Limit, Limits, NotBought, Purchase, Spending, Spent, amount_words, millionths,
};
pub use self::queries::{Filter, Page};
pub(crate) use self::record::MOST_FILES;
pub use self::record::{Cost, Job, JobFile, Kind, OnDisk, Wrapped};
pub use self::remote_ids::{Owner, RemoteKind};
pub use self::response_cache::Answer;
pub(crate) use self::retention::sweep_often;
pub use self::state::{Failure, Route, STATUSES, Seen, State, Task};

use self::open::{Pools, Presence};
use self::spool::{Entry, SpoolKey, Update};
use crate::clock::now;

/// An open database.
#[derive(Debug)]
pub struct Store {
    pools: Pools,
    folder: PathBuf,
    /// This process, in leases.
    owner: String,
    notice: Option<String>,
    spool_key: SpoolKey,
    _presence: Presence,
}

/// How much a probe writes, in bytes; in the database it is twice as long, and longer than the probe's cache.
const PROBE: i64 = 32 * 1024;

/// What became of an insertion.
#[derive(Debug)]
pub enum Inserted {
    /// The row is there and leased to us.
    New,
    /// The principal has used this `idempotency_key`, or holds this task, already.
    Existing(Box<Job>),
    /// It may not be bought, and nothing was written.
    Denied(Denied),
}

impl Store {
    /// The database's name in the data folder.
    pub const FILE: &str = "jobs.sqlite3";

    /// An open database and what there is to say about it.
    async fn with(
        pools: Pools,
        folder: &Path,
        owner: String,
        presence: Presence,
        notice: Option<String>,
    ) -> Result<Self, StoreError> {
        let folder = folder.to_owned();
        let spool_key = SpoolKey::new(Vec::new());
        let mut store = Self { pools, folder, owner, notice, spool_key, _presence: presence };
        store.spool_key = SpoolKey::new(store.secret("spool").await?);
        Ok(store)
    }

    /// What proves that a spooled line belongs to these records.
    pub(crate) fn spool_key(&self) -> &SpoolKey {
        &self.spool_key
    }

    /// What whoever runs the server should know: the records had to be repaired.
    pub fn notice(&self) -> Option<&str> {
        self.notice.as_deref()
    }

    /// Ends all connections.
    pub async fn close(&self) {
        self.pools.close().await;
    }

    /// For statements that change something.
    fn writers(&self) -> &SqlitePool {
        &self.pools.writers
    }

    /// For statements that change nothing. None of them waits for a writer.
    fn readers(&self) -> &SqlitePool {
        &self.pools.readers
    }

    /// Whether something can be written: writes a row to the disk and takes it back.
    pub(crate) async fn probe(&self) -> Result<(), StoreError> {
        let begun = self.pools.probe.begin_with("BEGIN IMMEDIATE").await;
        let mut transaction = begun.map_err(|error| self.fail(error))?;
        let row = "INSERT INTO answers (principal, account, digest, body, created_at)
                   VALUES ('', '', 'probe', hex(zeroblob(?1)), 0)";
        let written = sqlx::query(row).bind(PROBE).execute(&mut *transaction).await;
        written.map_err(|error| self.fail(error))?;
        transaction.rollback().await.map_err(|error| self.fail(error))
    }

    pub(crate) fn owner(&self) -> &str {
        &self.owner
    }

    fn fail(&self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> StoreError {
        let source = source.into();
        match source.downcast_ref() {
            // The connections are taken by writes that wait themselves, or by reads that take long.
            Some(sqlx::Error::PoolTimedOut) if self.pools.writers.num_idle() == 0 => {
                StoreError::new(&self.folder, "the database is locked, and other writes wait for it".into())
            }
            Some(sqlx::Error::PoolTimedOut) => {
                StoreError::new(&self.folder, "the database is busy with other calls".into())
            }
            _ => StoreError::new(&self.folder, source),
        }
    }

    /// Writes a new job, leased to this process, and with it what is set aside for its purchase, if it is one and
    /// the limits leave room; on disk when it returns.
    pub async fn insert(
        &self,
        job: &Job,
        purchase: Option<(&Purchase, &Limits)>,
    ) -> Result<Inserted, StoreError> {
        let mut transaction = self.begin().await?;
        let inserted = self.insert_on(&mut transaction, job).await?;
        if let (Inserted::New, Some((purchase, limits))) = (&inserted, purchase) {
            let allowed = self.set_aside(&mut transaction, &job.id, &job.account, purchase, limits).await?;
            if let Err(denied) = allowed {
                return Ok(Inserted::Denied(denied));
            }
        }
        transaction.commit().await.map_err(|error| self.fail(error))?;
        #[cfg(feature = "crash-points")]
        if matches!(inserted, Inserted::New) {
            crate::crash::point("record.after");
        }
        Ok(inserted)
    }

    /// A transaction that nobody writes beside.
    async fn begin(&self) -> Result<Transaction<'static, Sqlite>, StoreError> {
        self.pools.writers.begin_with("BEGIN IMMEDIATE").await.map_err(|error| self.fail(error))
    }

    async fn insert_on(&self, connection: &mut SqliteConnection, job: &Job) -> Result<Inserted, StoreError> {
        let body = serde_json::to_string(job).map_err(|error| self.fail(error))?;
        #[cfg(feature = "crash-points")]
        crate::crash::point("record.before");
        let inserted = sqlx::query(
            "INSERT INTO jobs (id, principal, account, kind, status, is_open, task_id, idempotency_key, search,
                               body, lease_owner, lease_until, created_at, updated_at)
             SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?13
             WHERE ?7 IS NULL OR NOT EXISTS
                (SELECT 1 FROM jobs WHERE principal = ?2 AND account = ?3 AND task_id = ?7)
             ON CONFLICT DO NOTHING",
        )
        .bind(&job.id)
        .bind(&job.principal)
        .bind(&job.account)
        .bind(job.kind.word())
        .bind(job.state.status())
        .bind(!job.state.is_over())
        .bind(job.state.task().map(|task| task.id.as_str()))
        .bind(&job.idempotency_key)
        .bind(search_text(job))
        .bind(body)
        .bind(&self.owner)
        .bind(now() + LEASE)
        .bind(job.created_at)
        .execute(&mut *connection)
        .await
        .map_err(|error| self.fail(error))?;
        if inserted.rows_affected() == 1 {
            self.record_ids(connection, job).await?;
            return Ok(Inserted::New);
        }
        let existing = sqlx::query(
            "SELECT body FROM jobs WHERE principal = ?1 AND account = ?3
             AND (idempotency_key = ?2 OR task_id = ?4) LIMIT 1",
        )
        .bind(&job.principal)
        .bind(&job.idempotency_key)
        .bind(&job.account)
        .bind(job.state.task().map(|task| task.id.as_str()))
        .fetch_one(connection)
        .await
        .map_err(|error| self.fail(error))?;
        Ok(Inserted::Existing(Box::new(self.parse(&existing)?)))
    }

    /// Writes a job back, for whoever follows it. `false` means that another process has it now, or that it was
    /// cancelled meanwhile, in this process too, and nothing was written.
    pub async fn save_progress(&self, job: &Job) -> Result<bool, StoreError> {
        self.save_whole(job, "progress").await
    }

    /// Writes the answer to a submit, whoever holds the lease and whatever was thought of the job meanwhile: it
    /// names what was paid for. Notes with it whether another job has the same task.
    pub async fn save_answer(&self, job: &mut Job) -> Result<bool, StoreError> {
        let mut transaction = self.begin().await?;
        self.note_twin(&mut transaction, job).await?;
        let saved = self.save_on(&mut transaction, job, "answer").await?;
        self.commit(transaction).await?;
        Ok(saved)
    }

    /// Writes what a process has come to know and could not write, if the record is not further. `false` where there
    /// is no such record. The lease stays with whoever has it.
    pub(crate) async fn join(&self, entry: &Entry) -> Result<bool, StoreError> {
        let mut transaction = self.begin().await?;
        match &entry.what {
            Update::Purchase { purchase, state, actual } => {
                if !self.end_purchase(&mut transaction, purchase, state, *actual).await? {
                    return Ok(false);
                }
            }
            Update::Job { job, .. } => {
                let row = sqlx::query("SELECT body FROM jobs WHERE id = ?1").bind(job);
                let row = row.fetch_optional(&mut *transaction).await.map_err(|error| self.fail(error))?;
                let Some(row) = row else { return Ok(false) };
                let mut job = self.parse(&row)?;
                if entry.amend(&mut job) {
                    self.note_twin(&mut transaction, &mut job).await?;
                    self.save_on(&mut transaction, &job, "note").await?;
                }
            }
        }
        self.commit(transaction).await?;
        Ok(true)
    }

    async fn note_twin(&self, connection: &mut SqliteConnection, job: &mut Job) -> Result<(), StoreError> {
        let Some(twin) = self.twin(connection, job).await? else { return Ok(()) };
        let warning = format!(
            "MiniMax gave job {twin} the same task id: it may be one result for two orders. Compare the files, and \
             the platform's billing page"
        );
        if !job.warnings.contains(&warning) {
            job.warnings.push(warning);
        }
        Ok(())
    }

    async fn commit(&self, transaction: Transaction<'static, Sqlite>) -> Result<(), StoreError> {
        transaction.commit().await.map_err(|error| self.fail(error))?;
        #[cfg(feature = "crash-points")]
        crate::crash::point("save.after");
        Ok(())
    }

    async fn save_whole(&self, job: &Job, right: &str) -> Result<bool, StoreError> {
        let mut transaction = self.begin().await?;
        let saved = self.save_on(&mut transaction, job, right).await?;
        self.commit(transaction).await?;
        Ok(saved)
    }

    /// The one place where a job's row is changed, and what is set aside for it with it.
    async fn save_on(
        &self,
        connection: &mut SqliteConnection,
        job: &Job,
        right: &str,
    ) -> Result<bool, StoreError> {
        let body = serde_json::to_string(job).map_err(|error| self.fail(error))?;
        #[cfg(feature = "crash-points")]
        crate::crash::point("save.before");
        let saved = sqlx::query(
            "UPDATE jobs SET status = ?2, is_open = ?3, task_id = ?4, body = ?5, search = ?6, updated_at = ?7,
                             lease_owner = CASE WHEN ?11 = 'note' THEN lease_owner ELSE ?8 END,
                             lease_until = CASE WHEN ?11 = 'note' THEN lease_until ELSE ?9 END,
                             idempotency_key = CASE WHEN ?10 THEN NULL ELSE idempotency_key END
             WHERE id = ?1 AND (?11 = 'note' OR (lease_owner = ?8 AND (?11 <> 'progress' OR status <> 'cancelled'))
                OR (?11 = 'answer' AND status IN ('submitting', 'unknown', 'cancelled', 'failed')))",
        )
        .bind(&job.id)
        .bind(job.state.status())
        .bind(!job.state.is_over())
        .bind(job.state.task().map(|task| task.id.as_str()))
        .bind(body)
        .bind(search_text(job))
        .bind(job.updated_at)
        .bind(&self.owner)
        .bind(if job.state.is_over() { 0 } else { now() + LEASE })
        // What failed and was not bought: its key is free for another try.
        .bind(matches!(job.state, State::Failed { task: None, .. }) && job.is_free())
        .bind(right)
        .execute(&mut *connection)
        .await
        .map_err(|error| self.fail(error))?;
        if saved.rows_affected() == 1 {
            self.account_for(&mut *connection, job).await?;
            self.record_ids(connection, job).await?;
        }
        Ok(saved.rows_affected() == 1)
    }

    /// Writes a job back if it is still in the state `before`, whoever has it, and takes it over.
    pub async fn replace(&self, job: &Job, before: &State) -> Result<bool, StoreError> {
        let mut transaction = self.begin().await?;
        let row = sqlx::query("UPDATE jobs SET lease_owner = ?2 WHERE id = ?1 RETURNING body")
            .bind(&job.id)
            .bind(&self.owner)
            .fetch_one(&mut *transaction)
            .await
            .map_err(|error| self.fail(error))?;
        if self.parse(&row)?.state != *before {
            return Ok(false);
        }
        let saved = self.save_on(&mut transaction, job, "").await?;
        self.commit(transaction).await?;
        Ok(saved)
    }

    fn parse(&self, row: &sqlx::sqlite::SqliteRow) -> Result<Job, StoreError> {
        let body: &str = row.try_get("body").map_err(|error| self.fail(error))?;
        serde_json::from_str(body).map_err(|error| self.fail(error))
    }
}

/// Characters of a prompt that `list_jobs` searches. Each list reads them all.
const SEARCHED: usize = 2000;

/// What `list_jobs` searches, in lower case: SQLite's own `lower` knows ASCII alone.
fn search_text(job: &Job) -> String {
    let cut = |text: &str, most: usize| text.chars().take(most).collect::<String>();
    let task = cut(job.state.task().map_or("", |task| task.id.as_str()), 256);
    let (model, prompt) = (cut(&job.model, 256), cut(&job.prompt, SEARCHED));
    format!("{} {} {model} {prompt} {task}", job.id, job.tool).to_lowercase()
}

//! The rows: SQLite, shared by every server process of one data folder.
//!
//! A lease decides which process polls and delivers a job. It runs out a few seconds after its owner has died,
//! and each write of an owner carries it, so a process that was asleep cannot overwrite what another has done.

use std::path::{Path, PathBuf};

use sqlx::sqlite::SqlitePool;
use sqlx::{QueryBuilder, Row, Sqlite, SqliteConnection, Transaction};

use super::job::{Job, now};
use super::ledger::{Denied, Limits, Purchase};
use super::open::Presence;
use super::state::State;

/// How long a lease lasts, in milliseconds. A dead process's jobs are idle for this long at most.
pub const LEASE: i64 = 6_000;

/// A failure of the records, worded for the person who runs the server.
#[derive(Debug, thiserror::Error)]
#[error("the job records in {} cannot be used: {source}", folder.display())]
pub struct StoreError {
    folder: PathBuf,
    source: Box<dyn std::error::Error + Send + Sync>,
}

impl StoreError {
    pub(super) fn new(folder: &Path, source: Box<dyn std::error::Error + Send + Sync>) -> Self {
        Self { folder: folder.to_owned(), source }
    }

    /// What the person who runs the server can do.
    pub fn advice(&self) -> &'static str {
        use sqlx::migrate::MigrateError::{VersionMismatch, VersionMissing};
        if let Some(VersionMissing(_) | VersionMismatch(_)) = self.source.downcast_ref() {
            return "Another version of minimax-mcp, probably a newer one, has used this folder: update this one, or \
                    set MINIMAX_DATA_DIR to another folder.";
        }
        let says = |words: &[&str]| words.iter().any(|word| self.source.to_string().contains(word));
        if self.is_damaged() {
            "The file of the job records is damaged. End every minimax-mcp that uses this folder; the next one that \
             starts repairs it and keeps the damaged file beside it. Saved results stay where they are."
        } else if says(&["disk is full", "No space left", "disk I/O error"]) {
            "Make room on the disk of this folder, or set MINIMAX_DATA_DIR to a folder on another one."
        } else if says(&["is locked", "is busy"]) {
            "Another program holds the job records. Try again in a minute; if it stays so, end that program."
        } else {
            "Make the folder writable, or set MINIMAX_DATA_DIR to one that is."
        }
    }

    pub(super) fn is_damaged(&self) -> bool {
        let text = self.source.to_string();
        text.contains("malformed") || text.contains("not a database")
    }

    /// Damaged, and not to be repaired while another process writes to it.
    pub(super) fn in_use(self) -> Self {
        let source = format!("{}, and another minimax-mcp uses them", self.source).into();
        Self { source, ..self }
    }

    /// Damaged, and the repair failed.
    pub(super) fn unrepaired(&self, why: &dyn std::fmt::Display) -> Self {
        Self::new(&self.folder, format!("{}; repairing them failed: {why}", self.source).into())
    }

    /// The server stops, so nothing new is begun.
    pub(super) fn stopping(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), source: "the server is stopping".into() }
    }
}

/// An open database.
#[derive(Debug)]
pub struct Store {
    pool: SqlitePool,
    folder: PathBuf,
    /// This process, in leases.
    owner: String,
    notice: Option<String>,
    _presence: Presence,
}

/// What `list_jobs` asks for.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// A word of `State::status`.
    pub status: Option<String>,
    /// A word of `Kind`.
    pub kind: Option<String>,
    /// A part of prompt, tool, model or id.
    pub query: Option<String>,
    /// Where the page before ended.
    pub before: Option<(i64, String)>,
    /// Rows at most.
    pub limit: u32,
}

/// What `list_jobs` gets.
#[derive(Debug)]
pub struct Page {
    /// Newest first.
    pub jobs: Vec<Job>,
    /// `Filter::before` of the next page; `None` on the last.
    pub next: Option<(i64, String)>,
}

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
    pub(super) fn with(
        pool: SqlitePool,
        folder: &Path,
        owner: String,
        presence: Presence,
        notice: Option<String>,
    ) -> Self {
        Self { pool, folder: folder.to_owned(), owner, notice, _presence: presence }
    }

    /// What whoever runs the server should know: the records had to be repaired.
    pub fn notice(&self) -> Option<&str> {
        self.notice.as_deref()
    }

    /// Ends all connections.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    pub(super) fn pool(&self) -> &SqlitePool {
        &self.pool
    }

    pub(super) fn owner(&self) -> &str {
        &self.owner
    }

    pub(super) fn fail(&self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> StoreError {
        StoreError { folder: self.folder.clone(), source: source.into() }
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
    pub(super) async fn begin(&self) -> Result<Transaction<'static, Sqlite>, StoreError> {
        self.pool.begin_with("BEGIN IMMEDIATE").await.map_err(|error| self.fail(error))
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
    /// names what was paid for.
    pub async fn save_answer(&self, job: &Job) -> Result<bool, StoreError> {
        self.save_whole(job, "answer").await
    }

    async fn save_whole(&self, job: &Job, right: &str) -> Result<bool, StoreError> {
        let mut transaction = self.begin().await?;
        let saved = self.save_on(&mut transaction, job, right).await?;
        transaction.commit().await.map_err(|error| self.fail(error))?;
        #[cfg(feature = "crash-points")]
        crate::crash::point("save.after");
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
                             lease_owner = ?8, lease_until = ?9,
                             idempotency_key = CASE WHEN ?10 THEN NULL ELSE idempotency_key END
             WHERE id = ?1 AND ((lease_owner = ?8 AND (?11 <> 'progress' OR status <> 'cancelled'))
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
            self.account_for(connection, job).await?;
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
        transaction.commit().await.map_err(|error| self.fail(error))?;
        #[cfg(feature = "crash-points")]
        crate::crash::point("save.after");
        Ok(saved)
    }

    /// One job of a principal's.
    pub async fn get(&self, principal: &str, id: &str) -> Result<Option<Job>, StoreError> {
        let row = sqlx::query("SELECT body FROM jobs WHERE principal = ?1 AND id = ?2")
            .bind(principal)
            .bind(id)
            .fetch_optional(&self.pool)
            .await
            .map_err(|error| self.fail(error))?;
        row.map(|row| self.parse(&row)).transpose()
    }

    /// How many jobs an account has, by kind and status.
    pub async fn counts(&self, account: &str) -> Result<Vec<(String, String, i64)>, StoreError> {
        sqlx::query_as("SELECT kind, status, COUNT(*) FROM jobs WHERE account = ?1 GROUP BY kind, status")
            .bind(account)
            .fetch_all(&self.pool)
            .await
            .map_err(|error| self.fail(error))
    }

    /// One job, whoever it belongs to.
    pub async fn of_anybody(&self, id: &str) -> Result<Option<Job>, StoreError> {
        let row =
            sqlx::query("SELECT body FROM jobs WHERE id = ?1").bind(id).fetch_optional(&self.pool).await;
        row.map_err(|error| self.fail(error))?.map(|row| self.parse(&row)).transpose()
    }

    /// The job that was ordered with an `idempotency_key`.
    pub async fn by_key(&self, principal: &str, account: &str, key: &str) -> Result<Option<Job>, StoreError> {
        let row = sqlx::query(
            "SELECT body FROM jobs WHERE principal = ?1 AND account = ?2 AND idempotency_key = ?3",
        )
        .bind(principal)
        .bind(account)
        .bind(key)
        .fetch_optional(&self.pool)
        .await
        .map_err(|error| self.fail(error))?;
        row.map(|row| self.parse(&row)).transpose()
    }

    /// Another job with the same task, if MiniMax has given the id of one twice.
    pub async fn twin(&self, job: &Job) -> Result<Option<String>, StoreError> {
        let row = sqlx::query(
            "SELECT id FROM jobs WHERE principal = ?1 AND account = ?2 AND task_id = ?3 AND id <> ?4 LIMIT 1",
        )
        .bind(&job.principal)
        .bind(&job.account)
        .bind(job.state.task().map(|task| task.id.as_str()))
        .bind(&job.id)
        .fetch_optional(&self.pool)
        .await
        .map_err(|error| self.fail(error))?;
        row.map(|row| row.try_get("id").map_err(|error| self.fail(error))).transpose()
    }

    /// The job that holds a task of MiniMax's; the newest, should there be several.
    pub async fn by_task(
        &self,
        principal: &str,
        account: &str,
        task: &str,
    ) -> Result<Option<Job>, StoreError> {
        let row = sqlx::query(
            "SELECT body FROM jobs WHERE principal = ?1 AND account = ?2 AND task_id = ?3
             ORDER BY created_at DESC, id DESC LIMIT 1",
        )
        .bind(principal)
        .bind(account)
        .bind(task)
        .fetch_optional(&self.pool)
        .await
        .map_err(|error| self.fail(error))?;
        row.map(|row| self.parse(&row)).transpose()
    }

    /// A page of jobs, newest first, and where the next one begins.
    pub async fn list(&self, principal: &str, filter: &Filter) -> Result<Page, StoreError> {
        let mut query =
            QueryBuilder::<Sqlite>::new("SELECT body, created_at, id FROM jobs WHERE principal = ");
        query.push_bind(principal);
        if let Some(status) = &filter.status {
            query.push(" AND status = ").push_bind(status);
        }
        if let Some(kind) = &filter.kind {
            query.push(" AND kind = ").push_bind(kind);
        }
        if let Some(text) = &filter.query {
            query.push(" AND instr(search, ").push_bind(text.to_lowercase()).push(") > 0");
        }
        if let Some((at, id)) = &filter.before {
            query.push(" AND (created_at, id) < (").push_bind(*at).push(", ").push_bind(id).push(")");
        }
        // One more than asked for tells whether there is another page.
        query.push(" ORDER BY created_at DESC, id DESC LIMIT ").push_bind(filter.limit.saturating_add(1));
        let mut rows = query.build().fetch_all(&self.pool).await.map_err(|error| self.fail(error))?;
        let more = rows.len() > filter.limit as usize;
        rows.truncate(filter.limit as usize);
        let last = rows.last().filter(|_| more);
        let next = last.and_then(|row| Some((row.try_get("created_at").ok()?, row.try_get("id").ok()?)));
        // One record that a later version wrote differently must not hide all others.
        Ok(Page { jobs: rows.iter().filter_map(|row| self.parse(row).ok()).collect(), next })
    }

    /// Leases one open job to this process, unless another, living one has it. Gives the job as it stands.
    pub async fn claim(&self, id: &str) -> Result<Option<Job>, StoreError> {
        let row = sqlx::query(
            "UPDATE jobs SET lease_owner = ?2, lease_until = ?3 + ?4
             WHERE id = ?1 AND (lease_owner IS ?2 OR lease_until < ?3 OR lease_until > ?3 + 10 * ?4)
             RETURNING body",
        )
        .bind(id)
        .bind(&self.owner)
        .bind(now())
        .bind(LEASE)
        .fetch_optional(&self.pool)
        .await
        .map_err(|error| self.fail(error))?;
        let Some(row) = row else { return Ok(None) };
        match self.parse(&row) {
            Ok(job) => Ok(Some(job)),
            Err(error) => {
                // A later version may have written it, and can go on with it.
                self.give_back(id).await?;
                Err(error)
            }
        }
    }

    /// Whether no other process has claimed the job since this one did.
    pub async fn holds(&self, id: &str) -> Result<bool, StoreError> {
        let row = sqlx::query("SELECT 1 FROM jobs WHERE id = ?1 AND lease_owner = ?2")
            .bind(id)
            .bind(&self.owner)
            .fetch_optional(&self.pool)
            .await
            .map_err(|error| self.fail(error))?;
        Ok(row.is_some())
    }

    async fn give_back(&self, id: &str) -> Result<(), StoreError> {
        sqlx::query("UPDATE jobs SET lease_until = 0 WHERE id = ?1 AND lease_owner = ?2")
            .bind(id)
            .bind(&self.owner)
            .execute(&self.pool)
            .await
            .map_err(|error| self.fail(error))?;
        Ok(())
    }

    /// Keeps this process's leases alive, and names the open jobs of the account that this process has to follow:
    /// its own, and those whose process died or whose lease a clock that was set back has put far ahead.
    ///
    /// `followed` are the jobs that a task of this process is at: only their leases are worth keeping.
    pub async fn renew(&self, account: &str, followed: &[String]) -> Result<Vec<String>, StoreError> {
        let at = now();
        if !followed.is_empty() {
            sqlx::query(
                "UPDATE jobs SET lease_until = ?2 WHERE lease_owner = ?1 AND is_open = 1
                 AND id IN (SELECT value FROM json_each(?3))",
            )
            .bind(&self.owner)
            .bind(at + LEASE)
            .bind(serde_json::json!(followed).to_string())
            .execute(&self.pool)
            .await
            .map_err(|error| self.fail(error))?;
        }
        let rows = sqlx::query(
            "SELECT id FROM jobs WHERE is_open = 1 AND account = ?1
             AND (lease_owner = ?4 OR lease_until < ?2 OR lease_until > ?2 + 10 * ?3)",
        )
        .bind(account)
        .bind(at)
        .bind(LEASE)
        .bind(&self.owner)
        .fetch_all(&self.pool)
        .await
        .map_err(|error| self.fail(error))?;
        Ok(rows.iter().filter_map(|row| row.try_get(0).ok()).collect())
    }

    /// Whether a task of MiniMax's belongs to somebody else.
    pub async fn is_of_another(
        &self,
        principal: &str,
        account: &str,
        task: &str,
    ) -> Result<bool, StoreError> {
        let row =
            sqlx::query("SELECT 1 FROM jobs WHERE account = ?1 AND task_id = ?2 AND principal <> ?3 LIMIT 1");
        let found = row.bind(account).bind(task).bind(principal).fetch_optional(&self.pool).await;
        Ok(found.map_err(|error| self.fail(error))?.is_some())
    }

    /// Gives this process's leases back, so that another need not wait for them to run out.
    pub async fn release(&self) -> Result<(), StoreError> {
        sqlx::query("UPDATE jobs SET lease_until = 0 WHERE lease_owner = ?1")
            .bind(&self.owner)
            .execute(&self.pool)
            .await
            .map_err(|error| self.fail(error))?;
        Ok(())
    }

    fn parse(&self, row: &sqlx::sqlite::SqliteRow) -> Result<Job, StoreError> {
        let body: &str = row.try_get("body").map_err(|error| self.fail(error))?;
        serde_json::from_str(body).map_err(|error| self.fail(error))
    }
}

/// What `list_jobs` searches, in lower case: SQLite's own `lower` knows ASCII alone.
fn search_text(job: &Job) -> String {
    let task = job.state.task().map_or("", |task| task.id.as_str());
    format!("{} {} {} {} {task}", job.id, job.tool, job.model, job.prompt).to_lowercase()
}

//! The table of jobs: how records are written.

use std::path::Path;

use super::accounts::at_host;
use super::budget::{Denied, Limits, Purchase};
use super::database::Store;
use super::error::StoreError;
use super::heartbeat::LEASE;
use super::pool::Connection;
use super::spool::{Entry, Update};
use super::sql::{either, query};
use crate::clock::now;
use crate::money::Money;
use crate::record::{Job, RemovedJob, State};

/// Which records may be changed by a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Write {
    /// A job whose lease this process holds, unless it was cancelled in the meantime, or its row has a task that this
    /// process does not know, because a spool entry with that task was read after the claim.
    Progress,
    /// For the answer to a submit: also a job that another process holds, or that is `unknown`.
    Answer,
    /// For a sender that knows that its submit brought no result: also a job that another process holds. A job that is
    /// `unknown` can only end by this, and is not sent again.
    NoResult,
    /// Any job. The lease stays as it is.
    Note,
    /// One whose lease this process holds.
    Replace,
}

impl Write {
    /// The condition on the row; `?3` says that the job is still open, `?4` is the task to write, and `?8` is this
    /// process.
    fn condition(self) -> &'static str {
        match self {
            Self::Progress => {
                "lease_owner = ?8 AND status <> 'cancelled' AND (task_id IS NULL OR task_id = ?4)"
            }
            Self::Answer => {
                "(lease_owner = ?8 OR status IN ('submitting', 'unknown', 'cancelled', 'failed'))"
            }
            Self::NoResult => {
                "(status = 'submitting' OR (status = 'unknown' AND task_id IS NULL AND ?3 = 0))"
            }
            Self::Note => "TRUE",
            Self::Replace => "lease_owner = ?8",
        }
    }
}

/// Whether a caller wants a job cancelled, as its row says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Cancelled(bool);

/// The result of an insertion.
#[derive(Debug)]
pub enum Inserted {
    /// The row exists and is leased to this process.
    New,
    /// The principal already has a job with this `idempotency_key` or task.
    Existing(Box<Job>),
    /// The principal's job with this `idempotency_key` was removed. Nothing was written.
    Removed(RemovedJob),
    /// A limit forbids the purchase, and nothing was written.
    Denied(Denied),
}

impl Store {
    /// Writes a new job, leased to this process, and reserves its price if it is a purchase and the limits leave room. It is
    /// on disk when this returns.
    pub async fn insert(
        &self,
        job: &Job,
        purchase: Option<(&Purchase, &Limits)>,
    ) -> Result<Inserted, StoreError> {
        let mut transaction = self.begin().await?;
        let is_limited =
            purchase.is_some_and(|(purchase, limits)| !limits.with(purchase.budget_day).is_empty());
        if is_limited || job.state.task().is_some() {
            self.lock_account(&mut transaction, &job.account).await?;
        }
        let inserted = self.insert_on(&mut transaction, job).await?;
        if let (Inserted::New, Some((purchase, limits))) = (&inserted, purchase) {
            let allowed = self.reserve_on(&mut transaction, &job.id, &job.account, purchase, limits).await?;
            if let Err(denied) = allowed {
                return Ok(Inserted::Denied(denied));
            }
        }
        if let Err(error) = transaction.commit().await {
            if matches!(inserted, Inserted::New) {
                self.withdraw(&job.id, &error).await;
            }
            return Err(self.fail(error));
        }
        #[cfg(feature = "crash-points")]
        if matches!(inserted, Inserted::New) {
            crate::crash::point("record.after");
        }
        Ok(inserted)
    }

    async fn insert_on(&self, connection: &mut Connection, job: &Job) -> Result<Inserted, StoreError> {
        if let Some(key) = &job.idempotency_key {
            let removed = self.removed_by_key_on(&mut *connection, &job.principal, &job.account, key).await?;
            if let Some(removed) = removed {
                return Ok(Inserted::Removed(removed));
            }
        }
        let body = self.body_of(job)?;
        let (first, last) = at_host(&job.account);
        #[cfg(feature = "crash-points")]
        crate::crash::point("record.before");
        let inserted = query(
            "INSERT INTO jobs (id, principal, account, kind, status, is_open, task_id, idempotency_key, search,
                               body, lease_owner, lease_until, created_at, updated_at, folder, model, voice, price)
             SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?13, ?14, ?15, ?16, ?17
             WHERE (?7 IS NULL OR NOT EXISTS
                (SELECT 1 FROM jobs WHERE principal = ?2 AND account = ?3 AND task_id = ?7))
             AND (?8 IS NULL OR NOT EXISTS
                (SELECT 1 FROM jobs WHERE principal = ?2 AND account BETWEEN ?18 AND ?19 AND idempotency_key = ?8))
             ON CONFLICT DO NOTHING",
        )
        .bind(&job.id)
        .bind(&job.principal)
        .bind(&job.account)
        .bind(job.kind.word())
        .bind(job.state.status())
        .bind(i64::from(!job.state.is_over()))
        .bind(job.state.task().map(|task| task.id.as_str()))
        .bind(job.idempotency_key.as_deref())
        .bind(search_text(job))
        .bind(body)
        .bind(&self.owner)
        .bind_moment(now(), LEASE)
        .bind(job.created_at)
        .bind(folder(job))
        .bind(named(&job.model))
        .bind(voice_of(job))
        .bind(job.price().map_or(0, Money::rank))
        .bind(&*first)
        .bind(&*last)
        .execute(&mut *connection)
        .await
        .map_err(|error| self.fail(error))?;
        if inserted == 1 {
            self.record_ids(connection, job).await?;
            return Ok(Inserted::New);
        }
        let existing = query(
            "SELECT body FROM jobs WHERE principal = ?1 AND account BETWEEN ?5 AND ?6
             AND (idempotency_key = ?2 OR (account = ?3 AND task_id = ?4)) LIMIT 1",
        )
        .bind(&job.principal)
        .bind(job.idempotency_key.as_deref())
        .bind(&job.account)
        .bind(job.state.task().map(|task| task.id.as_str()))
        .bind(first)
        .bind(last)
        .fetch_one(connection)
        .await
        .map_err(|error| self.fail(error))?;
        Ok(Inserted::Existing(Box::new(self.parse(&existing)?)))
    }

    /// Writes a job back for its worker. `false` means that another process has the job now or that it was cancelled,
    /// and nothing was written.
    pub async fn save_progress(&self, job: &Job) -> Result<bool, StoreError> {
        self.save_whole(job, Write::Progress).await
    }

    /// Like [`Self::save_progress`], but the row reaches the disk only within a second. If the machine (not just this process)
    /// dies before that, the previous record stays. Only for updates that the next start can repeat from that record.
    pub async fn save_progress_soon(&self, job: &Job) -> Result<bool, StoreError> {
        let mut transaction = self.begin().await?;
        let saved = self.save_on(&mut transaction, job, Write::Progress).await?;
        transaction.commit_soon().await.map_err(|error| self.fail(error))?;
        #[cfg(feature = "crash-points")]
        crate::crash::point("save.after");
        Ok(saved.is_some())
    }

    /// Writes the answer to a submit even if the lease or the state has changed in the meantime: the answer names what
    /// was paid for. Adds a warning if another job has the same task, and learns whether a caller wants the job
    /// cancelled.
    pub async fn save_answer(&self, job: &mut Job) -> Result<bool, StoreError> {
        let mut transaction = self.begin().await?;
        self.lock_account(&mut transaction, &job.account).await?;
        self.note_twin(&mut transaction, job).await?;
        let saved = self.save_on(&mut transaction, job, Write::Answer).await?;
        self.commit(transaction).await?;
        job.cancel_requested |= saved == Some(Cancelled(true));
        Ok(saved.is_some())
    }

    /// Writes that a submit brought no result, even if another process holds the lease now. `false` if another process
    /// has ended the job, which then stays as it is.
    pub async fn save_no_result(&self, job: &Job) -> Result<bool, StoreError> {
        self.save_whole(job, Write::NoResult).await
    }

    /// Writes a spooled update, unless the record is already more advanced. `false` if there is no such record. The lease stays as it is.
    pub(crate) async fn join(&self, entry: &Entry) -> Result<bool, StoreError> {
        let mut transaction = self.begin().await?;
        match &entry.what {
            Update::Purchase { purchase, state, actual } => {
                if !self.end_purchase(&mut transaction, purchase, *state, *actual).await? {
                    return Ok(false);
                }
            }
            Update::Job { job, .. } => {
                let row = query("SELECT body FROM jobs WHERE id = ?1 FOR UPDATE").bind(job);
                let row = row.fetch_optional(&mut transaction).await.map_err(|error| self.fail(error))?;
                let Some(row) = row else { return Ok(false) };
                let mut job = self.parse(&row)?;
                if entry.amend(&mut job) {
                    self.note_twin(&mut transaction, &mut job).await?;
                    self.save_on(&mut transaction, &job, Write::Note).await?;
                }
            }
        }
        self.commit(transaction).await?;
        Ok(true)
    }

    /// Records that a caller wants to cancel a job whose request is in flight. `false` if it no longer is.
    pub async fn request_cancel(&self, id: &str) -> Result<bool, StoreError> {
        let written = either(
            "UPDATE jobs SET body = json_set(body, '$.cancel_requested', json('true'))
             WHERE id = ?1 AND body ->> '$.state.at' = 'submitting'",
            // The other fields keep their text and order.
            "UPDATE jobs SET body = CASE WHEN CAST(body AS json) ->> 'cancel_requested' IS NULL
                                         THEN '{\"cancel_requested\":true,' || substr(body, 2) ELSE body END
             WHERE id = ?1 AND CAST(body AS json) #>> '{state,at}' = 'submitting'",
        )
        .bind(id)
        .execute(self.writers())
        .await
        .map_err(|error| self.fail(error))?;
        Ok(written == 1)
    }

    /// Whether a caller wants the job cancelled.
    pub async fn is_cancel_requested(&self, id: &str) -> Result<bool, StoreError> {
        let row = either(
            "SELECT 1 FROM jobs WHERE id = ?1 AND body ->> '$.cancel_requested'",
            "SELECT 1 FROM jobs WHERE id = ?1 AND CAST(body AS json) ->> 'cancel_requested' = 'true'",
        );
        let row = row.bind(id).fetch_optional(self.readers()).await.map_err(|error| self.fail(error))?;
        Ok(row.is_some())
    }

    async fn note_twin(&self, connection: &mut Connection, job: &mut Job) -> Result<(), StoreError> {
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

    async fn commit(&self, transaction: Connection) -> Result<(), StoreError> {
        transaction.commit().await.map_err(|error| self.fail(error))?;
        #[cfg(feature = "crash-points")]
        crate::crash::point("save.after");
        Ok(())
    }

    async fn save_whole(&self, job: &Job, write: Write) -> Result<bool, StoreError> {
        let mut transaction = self.begin().await?;
        let saved = self.save_on(&mut transaction, job, write).await?;
        self.commit(transaction).await?;
        Ok(saved.is_some())
    }

    /// The one place where a job's row is changed, and its purchase with it. `None` if it was not changed.
    async fn save_on(
        &self,
        connection: &mut Connection,
        job: &Job,
        write: Write,
    ) -> Result<Option<Cancelled>, StoreError> {
        let body = self.body_of(job)?;
        #[cfg(feature = "crash-points")]
        crate::crash::point("save.before");
        let condition = write.condition();
        let update = |body: &str, cancelled: &str| {
            format!(
                "UPDATE jobs SET status = ?2, is_open = ?3, task_id = ?4, search = ?6, updated_at = ?7,
                                 lease_owner = CASE WHEN ?11 THEN lease_owner ELSE ?8 END,
                                 lease_until = CASE WHEN ?11 THEN lease_until ELSE ?9 END,
                                 idempotency_key = CASE WHEN ?10 THEN NULL ELSE idempotency_key END,
                                 folder = ?12, bytes = ?13, model = ?14, voice = ?15,
                                 price = ?16, length = ?17,
                                 body = {body}
                 WHERE id = ?1 AND {condition}
                 RETURNING {cancelled} AS is_cancelled"
            )
        };
        let saving = either(update(BODY, CANCELLED), update(BODY_POSTGRES, CANCELLED_POSTGRES))
            .bind(&job.id)
            .bind(job.state.status())
            .bind(i64::from(!job.state.is_over()))
            .bind(job.state.task().map(|task| task.id.as_str()))
            .bind(body)
            .bind(search_text(job))
            .bind(job.updated_at)
            .bind(&self.owner);
        let saving = if job.state.is_over() { saving.bind(0_i64) } else { saving.bind_moment(now(), LEASE) };
        let saved = saving
            // A job that failed without a purchase frees its key for another try.
            .bind(matches!(job.state, State::Failed { task: None, .. }) && job.is_free())
            .bind(write == Write::Note)
            .bind(folder(job))
            .bind(job.saved_bytes())
            .bind(named(&job.model))
            .bind(voice_of(job))
            .bind(job.price().map_or(0, Money::rank))
            .bind(job.length())
            .fetch_optional(&mut *connection)
            .await
            .map_err(|error| self.fail(error))?;
        let Some(row) = saved else { return Ok(None) };
        let is_cancelled = row.try_get("is_cancelled").map_err(|error| self.fail(error))?;
        self.update_purchase(&mut *connection, job).await?;
        self.announce(&mut *connection, job).await?;
        self.record_ids(connection, job).await?;
        Ok(Some(Cancelled(is_cancelled)))
    }

    /// Moves a job whose order was refused to the account that it now names, with a reservation of its own. What was
    /// reserved with the first account is released. `Ok(Ok(false))` means that another process changed the record. In
    /// that case, and when the purchase is denied, nothing is written.
    pub async fn move_purchase(
        &self,
        job: &Job,
        before: &Job,
        purchase: &Purchase,
        limits: &Limits,
    ) -> Result<Result<bool, Denied>, StoreError> {
        let mut transaction = self.begin().await?;
        if !limits.with(purchase.budget_day).is_empty() {
            self.lock_account(&mut transaction, &job.account).await?;
        }
        let row = query("UPDATE jobs SET account = ?2 WHERE id = ?1 AND lease_owner = ?3 RETURNING body")
            .bind(&job.id)
            .bind(&job.account)
            .bind(&self.owner)
            .fetch_optional(&mut transaction)
            .await
            .map_err(|error| self.fail(error))?;
        let Some(row) = row else { return Ok(Ok(false)) };
        if self.parse(&row)?.state != before.state {
            return Ok(Ok(false));
        }
        // The row of the refused purchase stays, under another id, so that the job's second purchase can have the job's
        // id.
        query(
            "UPDATE spending SET id = id || ' by the plan', state = 'released', consent = NULL, updated_at = ?2
             WHERE id = ?1",
        )
        .bind(&job.id)
        .bind(now())
        .execute(&mut transaction)
        .await
        .map_err(|error| self.fail(error))?;
        if let Err(denied) =
            self.reserve_on(&mut transaction, &job.id, &job.account, purchase, limits).await?
        {
            return Ok(Err(denied));
        }
        let saved = self.save_on(&mut transaction, job, Write::Replace).await?;
        self.commit(transaction).await?;
        Ok(Ok(saved.is_some()))
    }

    /// Writes a job back if it is still in the state `before`, and takes the lease from any process.
    pub async fn replace(&self, job: &Job, before: &State) -> Result<bool, StoreError> {
        let mut transaction = self.begin().await?;
        let row = query("UPDATE jobs SET lease_owner = ?2 WHERE id = ?1 RETURNING body")
            .bind(&job.id)
            .bind(&self.owner)
            .fetch_one(&mut transaction)
            .await
            .map_err(|error| self.fail(error))?;
        if self.parse(&row)?.state != *before {
            return Ok(false);
        }
        let saved = self.save_on(&mut transaction, job, Write::Replace).await?;
        self.commit(transaction).await?;
        Ok(saved.is_some())
    }
}

/// The new body. A worker that submits does not know that a caller wants the job cancelled, and must not overwrite it.
const BODY: &str = "CASE WHEN body ->> '$.state.at' = 'submitting' AND body ->> '$.cancel_requested'
         THEN json_set(?5, '$.cancel_requested', json('true')) ELSE ?5 END";

const BODY_POSTGRES: &str = "CASE WHEN CAST(body AS json) #>> '{state,at}' = 'submitting'
              AND CAST(body AS json) ->> 'cancel_requested' = 'true'
              AND CAST(?5 AS json) ->> 'cancel_requested' IS NULL
         THEN '{\"cancel_requested\":true,' || substr(?5, 2) ELSE ?5 END";

/// Whether the row says that a caller wants the job cancelled.
const CANCELLED: &str = "(body ->> '$.cancel_requested') IS TRUE";

const CANCELLED_POSTGRES: &str = "COALESCE(CAST(body AS json) ->> 'cancel_requested', '') = 'true'";

/// The folder of a job's files, as in the record.
fn folder(job: &Job) -> Option<&str> {
    job.folder.as_deref().and_then(Path::to_str)
}

/// How many characters of a prompt `list_jobs` searches. Each list reads all of them.
const SEARCHED: usize = 2000;

/// The text that `list_jobs` searches, in lower case: SQLite's own `lower` knows only ASCII.
fn search_text(job: &Job) -> String {
    let cut = |text: &str, most: usize| text.chars().take(most).collect::<String>();
    let task = cut(job.state.task().map_or("", |task| task.id.as_str()), 256);
    let (model, prompt) = (cut(&job.model, 256), cut(&job.prompt, SEARCHED));
    format!("{} {} {model} {prompt} {task}", job.id, job.tool).to_lowercase()
}

/// The beginning of a name, for an index; `None` without one.
fn named(name: &str) -> Option<&str> {
    let end = name.char_indices().nth(256).map_or(name.len(), |(at, _)| at);
    name.get(..end).filter(|name| !name.is_empty())
}

/// The voice that a job made or speaks with.
fn voice_of(job: &Job) -> Option<&str> {
    let spoken = job.request.pointer("/voice_setting/voice_id").and_then(serde_json::Value::as_str);
    job.voice_id.as_deref().or(spoken).and_then(named)
}

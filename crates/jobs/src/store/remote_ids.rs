//! The owners of files, tasks and voices at MiniMax.
//!
//! For MiniMax, all callers with one key are one account. The table `remote_ids` tells them apart: it has a row for
//! each file, task and voice that MiniMax has named for a job or an upload, written in the transaction that records the
//! job. A task's row is deleted with its job, once MiniMax no longer knows the task; a voice's when the voice is
//! deleted. An id without a row has no known owner: it was made elsewhere, or never reached this server.

use std::collections::HashMap;

use super::accounts::pool;
use super::database::Store;
use super::error::StoreError;
use super::pool::Connection;
use super::sql::{either, query};
use crate::clock::now;
use crate::record::State;
use crate::record::{Job, Kind};

/// What an id at MiniMax names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RemoteKind {
    /// An upload or a result.
    File,
    /// A video or a long speech.
    Task,
    /// A cloned or designed voice.
    Voice,
}

impl RemoteKind {
    fn word(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Task => "task",
            Self::Voice => "voice",
        }
    }

    /// The canonical spelling of an id. MiniMax reads file and task ids as numbers, so `007` and `7` are the same.
    fn canonical(self, id: &str) -> &str {
        let id = id.trim();
        let is_number = self != Self::Voice && !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit());
        match id.trim_start_matches('0') {
            "" if is_number => "0",
            digits if is_number => digits,
            _ => id,
        }
    }
}

/// The spelling of a task's id in its row.
pub(super) fn canonical_task(id: &str) -> &str {
    RemoteKind::Task.canonical(id)
}

/// The owner of an id, as seen by one principal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// The principal's own.
    Principal,
    /// Another principal's.
    Another,
    /// Not in the database.
    Unknown,
}

/// Rows for any spelling of the requested ids. The accounts of caller keys count as one here: two keys may belong to one
/// account at MiniMax.
const FIND: &str = "SELECT asked.value AS asked, known.id, known.account, known.principal, known.pending_job
     FROM ?1 AS asked
     CROSS JOIN remote_ids AS known ON known.kind = ?2 AND known.id = asked.value COLLATE NOCASE
     WHERE known.account = ?3 OR (known.account >= ?4 AND known.account < ?4 || 'g')";

const FIND_POSTGRES: &str =
    "SELECT asked.value AS asked, known.id, known.account, known.principal, known.pending_job
     FROM ?1 AS asked
     JOIN remote_ids AS known ON known.kind = ?2 AND lower(known.id) = lower(asked.value COLLATE \"C\")
     WHERE known.account = ?3 OR (known.account >= ?4 AND known.account < ?4 || 'g')";

/// Whether another principal is known. Two index ranges, because `<>` would scan the whole index.
const OTHERS: &str = "SELECT EXISTS (SELECT 1 FROM remote_ids WHERE account = ?1 AND principal < ?2)
        OR EXISTS (SELECT 1 FROM remote_ids WHERE account = ?1 AND principal > ?2)
        OR EXISTS (SELECT 1 FROM jobs WHERE principal < ?2)
        OR EXISTS (SELECT 1 FROM jobs WHERE principal > ?2)";

/// The latest purchase owns an id, because MiniMax gives out a voice's name again once the voice is deleted. An adopted
/// job (`?6` is 0) owns only ids without another owner.
const RECORD: &str =
    "INSERT INTO remote_ids (account, kind, id, principal, created_at) VALUES (?1, ?2, ?3, ?4, ?5)
     ON CONFLICT (account, kind, id) DO UPDATE
     SET principal = excluded.principal, pending_job = NULL, created_at = excluded.created_at
     WHERE ?6 AND (remote_ids.pending_job IS NOT NULL OR excluded.created_at > remote_ids.created_at)";

#[derive(Debug, Clone, Copy)]
struct RemoteId<'a> {
    account: &'a str,
    kind: RemoteKind,
    id: &'a str,
}

impl Store {
    /// Records the owner of an uploaded file.
    pub async fn record_upload(
        &self,
        principal: &str,
        account: &str,
        file_id: &str,
    ) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        let id = RemoteId { account, kind: RemoteKind::File, id: file_id };
        self.record_id(&mut transaction, id, principal, now(), true).await?;
        transaction.commit().await.map_err(|error| self.fail(error))
    }

    /// Whether the records have this id for the account.
    pub async fn knows_id(&self, account: &str, kind: RemoteKind, id: &str) -> Result<bool, StoreError> {
        let known = "SELECT EXISTS (SELECT 1 FROM remote_ids WHERE account = ?1 AND kind = ?2 AND id = ?3)";
        let found = query(known).bind(account).bind(kind.word()).bind(kind.canonical(id));
        let found = found.fetch_one(self.readers()).await;
        found.and_then(|row| row.try_get(0)).map_err(|error| self.fail(error))
    }

    /// Whether another principal is known.
    pub async fn has_others(&self, principal: &str, account: &str) -> Result<bool, StoreError> {
        let found = query(OTHERS).bind(account).bind(principal).fetch_one(self.readers()).await;
        found.and_then(|row| row.try_get(0)).map_err(|error| self.fail(error))
    }

    /// The owner of each id. Ids that are missing in the result are [`Owner::Unknown`].
    pub async fn owners(
        &self,
        principal: &str,
        account: &str,
        kind: RemoteKind,
        ids: &[&str],
    ) -> Result<HashMap<String, Owner>, StoreError> {
        let asked: Vec<_> = ids.iter().map(|id| kind.canonical(id)).collect();
        let rows = either(FIND, FIND_POSTGRES)
            .bind_list(&asked)
            .bind(kind.word())
            .bind(account)
            .bind(pool(account))
            .fetch_all(self.readers())
            .await
            .map_err(|error| self.fail(error))?;
        // By canonical id: the owner by the row with exactly this spelling, and by rows with another spelling.
        let mut found: HashMap<String, (Option<Owner>, Option<Owner>)> = HashMap::new();
        for row in rows {
            let text = |name: &str| row.try_get::<String, _>(name).map_err(|error| self.fail(error));
            let pending: Option<String> = row.try_get("pending_job").map_err(|error| self.fail(error))?;
            let is_own = text("principal")? == principal && text("account")? == account;
            let (asked, id) = (text("asked")?, text("id")?);
            let is_exact = asked == id;
            let owner = match (is_own, pending) {
                (true, None) if is_exact => Owner::Principal,
                (true, _) => Owner::Unknown,
                (false, _) => Owner::Another,
            };
            let (exact, near) = found.entry(asked).or_default();
            let place = if is_exact { exact } else { near };
            // Several accounts of caller keys may have a row. The caller's own counts first.
            *place = match (*place, owner) {
                (Some(Owner::Principal), _) | (_, Owner::Principal) => Some(Owner::Principal),
                (Some(Owner::Another), _) | (_, Owner::Another) => Some(Owner::Another),
                _ => Some(Owner::Unknown),
            };
        }
        let owner = |id: &&str| {
            let (exact, near) = found.get(kind.canonical(id)).copied().unwrap_or_default();
            exact.or(near).map(|owner| ((*id).to_owned(), owner))
        };
        Ok(ids.iter().filter_map(owner).collect())
    }

    /// Records every id that MiniMax has named for this job. Part of each write of a job.
    pub(super) async fn record_ids(&self, connection: &mut Connection, job: &Job) -> Result<(), StoreError> {
        let is_bought = !job.request.is_null();
        let task = job.state.task().map(|task| (RemoteKind::Task, task.id.as_str()));
        let files = job.file_ids.iter().chain(job.files.iter().filter_map(|file| file.file_id.as_ref()));
        let files = files.map(|id| (RemoteKind::File, id.as_str()));
        let voice = job.voice_id.as_deref().map(|id| (RemoteKind::Voice, id));
        for (kind, id) in task.into_iter().chain(files).chain(voice) {
            let id = RemoteId { account: &job.account, kind, id };
            self.record_id(connection, id, &job.principal, job.created_at, is_bought).await?;
        }
        match job.request.get("voice_id").and_then(serde_json::Value::as_str) {
            Some(wanted) if job.kind == Kind::Voice && job.voice_id.is_none() => {
                self.record_wanted_voice(connection, job, wanted).await
            }
            _ => Ok(()),
        }
    }

    async fn record_id(
        &self,
        connection: &mut Connection,
        id: RemoteId<'_>,
        principal: &str,
        created_at: i64,
        is_bought: bool,
    ) -> Result<(), StoreError> {
        let RemoteId { account, kind, id } = id;
        let id = kind.canonical(id);
        if id.is_empty() {
            return Ok(());
        }
        let row = query(RECORD).bind(account).bind(kind.word()).bind(id).bind(principal);
        let row = row.bind(created_at).bind(is_bought);
        row.execute(connection).await.map(drop).map_err(|error| self.fail(error))
    }

    /// Records the voice that a job has asked for by name, before the request leaves. Until MiniMax has answered, the row
    /// grants nothing: the caller may have named a voice that belongs to another principal.
    async fn record_wanted_voice(
        &self,
        connection: &mut Connection,
        job: &Job,
        id: &str,
    ) -> Result<(), StoreError> {
        let sql = match &job.state {
            State::Submitting { sent: true, .. } => {
                "INSERT INTO remote_ids (account, kind, id, principal, created_at, pending_job)
                 VALUES (?1, 'voice', ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING"
            }
            // No answer came. If the voice exists, this request has made it.
            State::Unknown { .. } => {
                "INSERT INTO remote_ids (account, kind, id, principal, created_at) VALUES (?1, 'voice', ?2, ?3, ?4)
                 ON CONFLICT (account, kind, id) DO UPDATE SET pending_job = NULL WHERE remote_ids.pending_job = ?5"
            }
            // MiniMax did not make it.
            _ => {
                "DELETE FROM remote_ids WHERE account = ?1 AND kind = 'voice' AND id = ?2 AND principal = ?3
                 AND created_at = ?4 AND pending_job = ?5"
            }
        };
        let row = query(sql).bind(&job.account).bind(RemoteKind::Voice.canonical(id));
        let row = row.bind(&job.principal).bind(job.created_at).bind(&job.id);
        row.execute(connection).await.map(drop).map_err(|error| self.fail(error))
    }
}

#[cfg(test)]
mod tests;

//! Removes ended jobs with their files, oldest first.
//!
//! The files of a job go before its record. If the process dies in between, the next sweep finds the files gone and
//! removes the record. Several processes may sweep at once: each leases the jobs that it works on.

use std::collections::{BTreeMap, HashSet};

use tokio::task::spawn_blocking;

use super::rules::{BATCH, BREATH, Pruned, Retention};
use crate::bucket::Bucket;
use crate::clock::now;
use crate::download::{Reach, Recorded, Removal, remove_object, remove_result};
use crate::record::Job;
use crate::record::State;
use crate::store::database::Store;
use crate::store::error::StoreError;
use crate::store::pool::Connection;
use crate::store::remote_ids::canonical_task;
use crate::store::sql::{Query, Row, either, query};

/// The shortest time for which a job with a task is kept, in milliseconds: MiniMax knows tasks for seven days, and the
/// record names the owner. The byte limit may remove the job earlier, because the table of remote ids also has the
/// owner. The task's row there is removed with its job, but not before this time either.
const LEAST_TASK: i64 = 8 * 24 * 3_600_000;

/// The shortest time for which the byte limit keeps a job, in milliseconds. Its caller may be about to use the files.
const LEAST_STORED: i64 = 3_600_000;

/// The position of an ended job in the order of removal: its id, and when it last changed.
type Place = (String, i64);

/// Which ended jobs to remove.
struct Wanted<'a> {
    /// The present.
    at: i64,
    /// Only jobs that last changed before this time.
    before: i64,
    /// Jobs with a task must have last changed before this time.
    with_task_before: i64,
    /// Only jobs with files in one of these places; empty for all jobs.
    places: &'a [String],
    /// Only until this many bytes are free.
    bytes: u64,
}

impl Store {
    /// Removes the jobs that the rules do not keep.
    pub(super) async fn remove_ended(
        &self,
        rules: &Retention,
        at: i64,
        dry: bool,
        pruned: &mut Pruned,
    ) -> Result<(), StoreError> {
        // A dry run does not remove rows, and must not count a row twice.
        let mut counted = HashSet::new();
        if let Some(age) = rules.age {
            let age = i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
            let wanted = Wanted {
                at,
                before: at.saturating_sub(age),
                with_task_before: at.saturating_sub(age.max(LEAST_TASK)),
                places: &[],
                bytes: u64::MAX,
            };
            self.remove_wanted(rules, &wanted, dry, &mut counted, pruned).await?;
        }
        let Some(most) = rules.bytes.filter(|_| !rules.keeps_files) else { return Ok(()) };
        let base = rules.base.clone();
        let real =
            spawn_blocking(move || dunce::canonicalize(base)).await.map_err(|error| self.fail(error))?;
        let base = real.ok().and_then(|base| base.to_str().map(str::to_owned));
        let bucket = rules.bucket.as_ref().map(Bucket::shown);
        let places: Vec<_> = base.into_iter().chain(bucket).collect();
        // If no place for results exists, there is nothing to free.
        if places.is_empty() {
            return Ok(());
        }
        let counted_already: Vec<_> = counted.iter().collect();
        let stored = self.stored_in(&places, &counted_already).await?;
        if stored > most {
            let before = at.saturating_sub(LEAST_STORED);
            let wanted = Wanted {
                at,
                before,
                with_task_before: before,
                places: &places,
                bytes: stored.saturating_sub(most),
            };
            self.remove_wanted(rules, &wanted, dry, &mut counted, pruned).await?;
        }
        Ok(())
    }

    /// The size of all results in these places according to their records, except those of the jobs in `without`.
    async fn stored_in(&self, places: &[String], without: &[&String]) -> Result<u64, StoreError> {
        let sum = "SELECT CAST(COALESCE(SUM(bytes), 0) AS BIGINT) FROM jobs
                   WHERE folder IN (SELECT value FROM ?1) AND bytes > 0 AND id NOT IN (SELECT value FROM ?2)";
        let row = query(sum).bind_list(places).bind_list(without).fetch_one(self.readers()).await;
        let sum: i64 = row.and_then(|row| row.try_get(0)).map_err(|error| self.fail(error))?;
        Ok(u64::try_from(sum).unwrap_or_default())
    }

    async fn remove_wanted(
        &self,
        rules: &Retention,
        wanted: &Wanted<'_>,
        dry: bool,
        counted: &mut HashSet<String>,
        pruned: &mut Pruned,
    ) -> Result<(), StoreError> {
        let mut after: Place = (String::new(), i64::MIN);
        let mut freed = 0_u64;
        loop {
            let batch = self.ended_after(&after, wanted).await?;
            let Some((last, _)) = batch.last().cloned() else { return Ok(()) };
            after = last;
            let ids: Vec<_> = batch.iter().map(|((id, _), _)| id.clone()).collect();
            let mut jobs = if dry { self.read_all(&ids).await? } else { self.lease_all(&ids).await? };
            let mut gone = Vec::new();
            for (place, bytes) in &batch {
                if freed >= wanted.bytes {
                    break;
                }
                let Some(job) = jobs.remove(&place.0).filter(|_| !counted.contains(&place.0)) else {
                    continue;
                };
                // Skipped if it has changed since the search found it.
                if job.updated_at > place.1 || !is_removable(&job) {
                    continue;
                }
                if self.remove_files(&job, rules, dry, pruned).await? {
                    freed = freed.saturating_add(*bytes);
                    gone.push(place.clone());
                } else {
                    pruned.jobs_failed = pruned.jobs_failed.saturating_add(1);
                }
            }
            let removed = if dry {
                counted.extend(gone.iter().map(|(id, _)| id.clone()));
                gone.len() as u64
            } else {
                self.forget_jobs(&gone, wanted.at).await?
            };
            pruned.jobs = pruned.jobs.saturating_add(removed);
            if !dry {
                self.end_leases(&ids).await?;
            }
            if freed >= wanted.bytes {
                return Ok(());
            }
            tokio::time::sleep(BREATH).await;
        }
    }

    /// The next ended jobs that are wanted, with the size of their files.
    async fn ended_after(
        &self,
        (id, at): &Place,
        wanted: &Wanted<'_>,
    ) -> Result<Vec<(Place, u64)>, StoreError> {
        let mut ended = ended();
        ended = ended.bind(*at).bind(id).bind(wanted.before).bind(wanted.with_task_before);
        for (number, place) in wanted.places.iter().enumerate() {
            let before = if number == 0 { " AND bytes > 0 AND folder IN (" } else { ", " };
            ended = ended.push(before).push_bind(place);
        }
        if !wanted.places.is_empty() {
            ended = ended.push(")");
        }
        ended = ended.push(" ORDER BY updated_at, id LIMIT ").push_bind(BATCH);
        let rows = ended.fetch_all(self.readers()).await.map_err(|error| self.fail(error))?;
        let read = |row: &Row| -> Result<(Place, u64), sqlx::Error> {
            let bytes: i64 = row.try_get("bytes")?;
            let place = (row.try_get("id")?, row.try_get("updated_at")?);
            Ok((place, u64::try_from(bytes).unwrap_or_default()))
        };
        rows.iter().map(|row| read(row).map_err(|error| self.fail(error))).collect()
    }

    async fn read_all(&self, ids: &[String]) -> Result<BTreeMap<String, Job>, StoreError> {
        let rows = query("SELECT body FROM jobs WHERE id IN (SELECT value FROM ?1)").bind_list(ids);
        let rows = rows.fetch_all(self.readers()).await.map_err(|error| self.fail(error))?;
        let jobs = rows.iter().filter_map(|row| self.parse(row).ok());
        Ok(jobs.map(|job| (job.id.clone(), job)).collect())
    }

    async fn lease_all(&self, ids: &[String]) -> Result<BTreeMap<String, Job>, StoreError> {
        // A record that a later version wrote is left to it.
        let jobs = self.claim_all(ids).await?.into_iter().filter_map(|(id, job)| Some((id, job.ok()?)));
        Ok(jobs.collect())
    }

    /// Removes the files of a job. `false` if one of them could not be removed, so the record must stay.
    async fn remove_files(
        &self,
        job: &Job,
        rules: &Retention,
        dry: bool,
        pruned: &mut Pruned,
    ) -> Result<bool, StoreError> {
        let mut is_done = true;
        for saved in job.files.iter().filter_map(|file| file.saved.as_ref()) {
            if rules.keeps_files {
                pruned.files_kept = pruned.files_kept.saturating_add(1);
                continue;
            }
            let (path, bytes, sha256) = (saved.path.clone(), saved.bytes, saved.sha256.clone());
            let removal = if let Some(object) = &saved.object {
                remove_object(rules.bucket.as_ref(), object, bytes, dry).await
            } else {
                let base = rules.base.clone();
                let remove = move || {
                    let file = Recorded { path: &path, bytes, sha256: &sha256 };
                    remove_result(file, &base, Reach::Directly, dry)
                };
                spawn_blocking(remove).await.map_err(|error| self.fail(error))?
            };
            match removal {
                Removal::Removed => {
                    pruned.files = pruned.files.saturating_add(1);
                    pruned.bytes = pruned.bytes.saturating_add(bytes);
                }
                Removal::Missing => {}
                Removal::Elsewhere => pruned.files_kept = pruned.files_kept.saturating_add(1),
                Removal::Changed => pruned.changed(saved.path.clone()),
                Removal::Failed(error) => {
                    tracing::warn!(job = job.id, path = %saved.path.display(), %error, "an old file was not removed");
                    is_done = false;
                }
            }
        }
        Ok(is_done)
    }

    /// Removes the records of jobs that have not changed in the meantime. A row in `removed_jobs` keeps the idempotency
    /// key of each from buying again.
    async fn forget_jobs(&self, gone: &[Place], at: i64) -> Result<u64, StoreError> {
        if gone.is_empty() {
            return Ok(0);
        }
        let ids: Vec<_> = gone.iter().map(|(id, _)| id).collect();
        let places: Vec<_> = gone.iter().map(|(id, at)| format!("{id} {at}")).collect();
        let mut transaction = self.begin().await?;
        let still = "is_open = 0 AND lease_owner = ?3 AND id IN (SELECT value FROM ?1)
                     AND id || ' ' || updated_at IN (SELECT value FROM ?2)";
        let noted = query(format!(
            "INSERT INTO removed_jobs (id, principal, account, idempotency_key, removed_at)
             SELECT id, principal, account, idempotency_key, ?4 FROM jobs WHERE {still} ON CONFLICT DO NOTHING"
        ));
        let noted = noted.bind_list(&ids).bind_list(&places).bind(self.owner()).bind_moment(now(), 0);
        noted.execute(&mut transaction).await.map_err(|error| self.fail(error))?;
        let removed = query(format!("DELETE FROM jobs WHERE {still} RETURNING account, task_id"));
        let removed = removed.bind_list(&ids).bind_list(&places).bind(self.owner());
        let removed = removed.fetch_all(&mut transaction).await.map_err(|error| self.fail(error))?;
        self.forget_tasks(&mut transaction, &removed, at).await?;
        let told = query(
            "DELETE FROM outbox WHERE job IN (SELECT value FROM ?1)
             AND NOT EXISTS (SELECT 1 FROM jobs WHERE jobs.id = outbox.job)",
        );
        told.bind_list(&ids).execute(&mut transaction).await.map_err(|error| self.fail(error))?;
        transaction.commit().await.map_err(|error| self.fail(error))?;
        Ok(removed.len() as u64)
    }

    /// Removes the owners of the tasks of removed jobs, once MiniMax no longer knows the tasks. A row that a later
    /// purchase took over has a later time, and stays. The owners of files and voices stay too: MiniMax may keep those
    /// for years, and an id without an owner may be used by a caller who is the only one in the records.
    async fn forget_tasks(
        &self,
        transaction: &mut Connection,
        removed: &[Row],
        at: i64,
    ) -> Result<(), StoreError> {
        let mut tasks = BTreeMap::<String, Vec<String>>::new();
        for row in removed {
            let read = |row: &Row| Ok::<_, sqlx::Error>((row.try_get("account")?, row.try_get("task_id")?));
            let (account, task): (String, Option<String>) = read(row).map_err(|error| self.fail(error))?;
            tasks.entry(account).or_default().extend(task.map(|task| canonical_task(&task).to_owned()));
        }
        for (account, ids) in tasks {
            let forget = query(
                "DELETE FROM remote_ids
                 WHERE account = ?1 AND kind = 'task' AND id IN (SELECT value FROM ?2) AND created_at < ?3",
            );
            let forget = forget.bind(account).bind_list(&ids).bind(at.saturating_sub(LEAST_TASK));
            forget.execute(&mut *transaction).await.map_err(|error| self.fail(error))?;
        }
        Ok(())
    }

    /// Gives back the leases of jobs that stay.
    async fn end_leases(&self, ids: &[String]) -> Result<(), StoreError> {
        let given = query(
            "UPDATE jobs SET lease_until = 0
             WHERE id IN (SELECT value FROM ?1) AND lease_owner = ?2 AND is_open = 0 AND lease_until <> 0",
        );
        let given = given.bind_list(ids).bind(self.owner()).execute(self.writers()).await;
        given.map(drop).map_err(|error| self.fail(error))
    }
}

/// Whether nothing is left to deliver. The query has checked the row; this checks the record again after it was leased.
fn is_removable(job: &Job) -> bool {
    match job.state {
        State::Failed { .. } | State::Cancelled { .. } => true,
        State::Done { .. } => !job.is_undelivered(),
        State::Submitting { .. } | State::Running { .. } | State::Fetching { .. } | State::Unknown { .. } => {
            false
        }
    }
}

/// Selects ended jobs. Leaves out jobs with files that were not saved, and jobs whose message is still in the outbox.
pub(super) fn ended() -> Query<'static> {
    either(ENDED, ENDED_POSTGRES)
}

pub(super) const ENDED: &str = "
    SELECT id, updated_at, bytes FROM jobs
    WHERE is_open = 0 AND status <> 'unknown' AND (updated_at, id) > (?1, ?2)
      AND updated_at < ?3 AND (task_id IS NULL OR updated_at < ?4)
      AND NOT EXISTS (SELECT 1 FROM outbox WHERE outbox.job = jobs.id AND outbox.is_open = 1)
      AND CASE WHEN status IN ('failed', 'cancelled') THEN 1 WHEN NOT json_valid(body) THEN 0 ELSE
            json_extract(body, '$.folder') IS NULL OR NOT EXISTS
                (SELECT 1 FROM json_each(body, '$.files') WHERE json_extract(value, '$.saved') IS NULL) END";

const ENDED_POSTGRES: &str = "
    SELECT id, updated_at, bytes FROM jobs
    WHERE is_open = 0 AND status <> 'unknown' AND (updated_at, id) > (?1, ?2)
      AND updated_at < ?3 AND (task_id IS NULL OR updated_at < ?4)
      AND NOT EXISTS (SELECT 1 FROM outbox WHERE outbox.job = jobs.id AND outbox.is_open = 1)
      AND CASE WHEN status IN ('failed', 'cancelled') THEN TRUE ELSE
            CAST(body AS json) ->> 'folder' IS NULL OR NOT EXISTS
                (SELECT 1 FROM json_array_elements(COALESCE(CAST(body AS json) -> 'files', '[]')) AS file
                 WHERE file ->> 'saved' IS NULL) END";

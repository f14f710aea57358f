//! Leases: which process works on a job.
//!
//! A job belongs to the process in its row for [`LEASE`] after each write, and longer while the row of that process in
//! `processes` says that it lives. So a process renews one row, whatever the number of its jobs ([`super::heartbeat`]).
//!
//! A row can expire although its process lives: the process was suspended, or a pooler in front of the database delayed
//! its heartbeat. What can happen then:
//!
//! | The job | Another process | The process comes back |
//! |---|---|---|
//! | has a task, or files to fetch | takes it over, polls and delivers | It finds before its next poll, or at its next write, that the lease is gone, and stops. Both may read; only one writes the end |
//! | waits to be sent | after [`GRACE`] ends it as not bought | Before it sends, it writes that the request leaves. That write finds another state, and nothing is sent |
//! | was written as sent, and has not left | after [`GRACE`] calls it `unknown` | If its write is older than [`LEASE`], it repeats the write before it sends, finds another state, and nothing is sent |
//! | was sent | after [`GRACE`] calls it `unknown`. It is never sent again | Its answer replaces `unknown`, whether the order was accepted, refused or lost |
//!
//! The last three wait longer, because no other process can do anything for such a job. Other rules apply to a process
//! that hands its jobs over, or whose own row has expired: see [`Store::release`] and [`Store::is_in_doubt`].

use super::database::Store;
use super::error::StoreError;
use super::heartbeat::LEASE;
use super::sql::{Row, query};
use crate::clock::{now, was_set_within};
use crate::record::Job;

/// How much longer a job whose request may be on its way is left to its process, in milliseconds, where processes share
/// a server. In this time, one heartbeat can time out and the next can arrive. A single statement can block a pooler's
/// connection for as long.
const GRACE: i64 = 30_000;

/// The most jobs that a process takes over at once. Other processes take others in the meantime.
const BATCH: u32 = 100;

/// How long the row of an ended process without jobs is kept, in milliseconds.
const FORGOTTEN: i64 = 60_000;

/// The condition that no other live process has the job. `?1` is this process, `?2` the present, `?3` the length of a
/// lease, `?4` says that times cannot be relied on, and `?5` is the grace. A time far in the future was written before
/// the clock was set back.
macro_rules! free {
    () => {
        "(lease_owner = ?1 OR lease_until = 0
             OR EXISTS (SELECT 1 FROM processes WHERE name = lease_owner AND alive_until = 0)
             OR (NOT ?4 AND (lease_until < ?2 - CASE status WHEN 'submitting' THEN ?5 ELSE 0 END
                             OR lease_until > ?2 + 10 * ?3)
                 AND NOT EXISTS (SELECT 1 FROM processes WHERE name = lease_owner
                                 AND alive_until >= ?2 - CASE status WHEN 'submitting' THEN ?5 ELSE 0 END
                                 AND alive_until <= ?2 + 10 * ?3)))"
    };
}

/// Which jobs to look through for those that this process has to work on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Search {
    /// The jobs of processes that have ended. An index finds them.
    Ended,
    /// All open jobs.
    All,
}

impl Store {
    /// Leases one open job to this process, unless another live process has it. Returns the job.
    pub async fn claim(&self, id: &str) -> Result<Option<Job>, StoreError> {
        let sql = concat!(
            "UPDATE jobs SET lease_owner = ?1, lease_until = ?2 + ?3 WHERE id = ?6 AND ",
            free!(),
            " RETURNING body"
        );
        let row = query(sql)
            .bind(self.owner())
            .bind_moment(now(), 0)
            .bind(LEASE)
            .bind(self.is_in_doubt())
            .bind(self.grace())
            .bind(id)
            .fetch_optional(self.writers())
            .await
            .map_err(|error| self.fail(error))?;
        match row {
            Some(row) => self.claimed(id, &row).await.map(Some),
            None => Ok(None),
        }
    }

    /// Leases open jobs to this process, except those that other processes have or are just claiming. Returns each with
    /// its id.
    pub async fn claim_all(
        &self,
        ids: &[String],
    ) -> Result<Vec<(String, Result<Job, StoreError>)>, StoreError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let sql = concat!(
            "WITH free AS MATERIALIZED (
                SELECT id FROM jobs WHERE id IN (SELECT value FROM ?6) AND ",
            free!(),
            " FOR UPDATE SKIP LOCKED)
             UPDATE jobs SET lease_owner = ?1, lease_until = ?2 + ?3 WHERE id IN (SELECT id FROM free)
             RETURNING id, body"
        );
        let rows = query(sql)
            .bind(self.owner())
            .bind_moment(now(), 0)
            .bind(LEASE)
            .bind(self.is_in_doubt())
            .bind(self.grace())
            .bind_list(ids)
            .fetch_all(self.writers())
            .await
            .map_err(|error| self.fail(error))?;
        let mut jobs = Vec::new();
        for row in rows {
            let id: String = row.try_get("id").map_err(|error| self.fail(error))?;
            let job = self.claimed(&id, &row).await;
            jobs.push((id, job));
        }
        Ok(jobs)
    }

    async fn claimed(&self, id: &str, row: &Row) -> Result<Job, StoreError> {
        let job = self.parse(row);
        if job.is_err() {
            // A later version may have written it, and can continue it.
            self.give_back(id).await?;
        }
        job
    }

    /// Whether no other process has claimed the job since this one did.
    pub async fn holds(&self, id: &str) -> Result<bool, StoreError> {
        let row = query("SELECT 1 FROM jobs WHERE id = ?1 AND lease_owner = ?2")
            .bind(id)
            .bind(self.owner())
            .fetch_optional(self.readers())
            .await
            .map_err(|error| self.fail(error))?;
        Ok(row.is_some())
    }

    async fn give_back(&self, id: &str) -> Result<(), StoreError> {
        query("UPDATE jobs SET lease_until = 0 WHERE id = ?1 AND lease_owner = ?2")
            .bind(id)
            .bind(self.owner())
            .execute(self.writers())
            .await
            .map_err(|error| self.fail(error))?;
        Ok(())
    }

    fn grace(&self) -> i64 {
        if self.place.is_server() { GRACE } else { 0 }
    }

    /// Whether this process must renew its row even without jobs, because other machines rely on it. With SQLite, they
    /// do not.
    pub fn is_shared(&self) -> bool {
        self.place.is_server()
    }

    /// Removes the rows of processes that have ended and left no open jobs. A live process would write its row again.
    pub async fn forget_processes(&self) -> Result<(), StoreError> {
        let gone = query(
            "DELETE FROM processes WHERE alive_until < ?1
             AND NOT EXISTS (SELECT 1 FROM jobs WHERE is_open = 1 AND lease_owner = name)",
        );
        gone.bind_moment(now(), -FORGOTTEN)
            .execute(self.writers())
            .await
            .map_err(|error| self.fail(error))?;
        Ok(())
    }

    /// The open jobs of the account that this process has to work on, except those in `known`: jobs of dead processes.
    /// A search of all also finds the process's own jobs, and jobs whose lease lies far in the future because the clock
    /// was set back. At most one batch.
    pub async fn due(
        &self,
        account: &str,
        search: Search,
        known: &[String],
    ) -> Result<Vec<String>, StoreError> {
        if search == Search::All {
            return self.due_of(account, None, known).await;
        }
        // One query for each name uses the index. For a list of names the planner would expect most jobs to match, and
        // scan.
        for name in self.ended().await? {
            let due = self.due_of(account, Some(&name), known).await?;
            if !due.is_empty() {
                return Ok(due);
            }
        }
        Ok(Vec::new())
    }

    /// Other processes that have ended.
    async fn ended(&self) -> Result<Vec<String>, StoreError> {
        let ended = query(
            "SELECT name FROM processes WHERE name <> ?1
             AND (alive_until = 0 OR (NOT ?4 AND (alive_until < ?2 OR alive_until > ?2 + 10 * ?3)))",
        );
        let rows = ended
            .bind(self.owner())
            .bind_moment(now(), 0)
            .bind(LEASE)
            .bind(self.is_in_doubt())
            .fetch_all(self.readers())
            .await
            .map_err(|error| self.fail(error))?;
        Ok(rows.iter().filter_map(|row| row.try_get(0).ok()).collect())
    }

    /// The due jobs of all processes, or of the one with this name.
    async fn due_of(
        &self,
        account: &str,
        process: Option<&str>,
        known: &[String],
    ) -> Result<Vec<String>, StoreError> {
        let sql = concat!(
            "SELECT id FROM jobs WHERE is_open = 1 AND account = ?6 AND ",
            free!(),
            " AND id NOT IN (SELECT value FROM ?7)"
        );
        let due = query(sql)
            .bind(self.owner())
            .bind_moment(now(), 0)
            .bind(LEASE)
            .bind(self.is_in_doubt())
            .bind(self.grace())
            .bind(account)
            .bind_list(known);
        let due = match process {
            Some(process) => due.push(" AND lease_owner = ").push_bind(process),
            None => due.push(" ORDER BY lease_until"),
        };
        let rows = due
            .push(" LIMIT ")
            .push_bind(BATCH)
            .fetch_all(self.readers())
            .await
            .map_err(|error| self.fail(error))?;
        Ok(rows.iter().filter_map(|row| row.try_get(0).ok()).collect())
    }

    /// Says that this process lives, which renews the leases of its jobs. `false` after they were handed over.
    pub async fn renew(&self) -> Result<bool, StoreError> {
        self.heartbeat.renew(self.owner(), self.writers()).await.map_err(|error| self.fail(error))
    }

    /// Ends the heartbeat for now. For a process without jobs whose database is a file.
    pub fn need_not_renew(&self) {
        self.heartbeat.pause();
    }

    /// Whether the database took the last heartbeat.
    pub fn was_renewed(&self) -> bool {
        !self.heartbeat.has_failed()
    }

    /// Whether a process that seems to have ended may still live: the clock was just set, or this process's own row
    /// expired although it lives, so other rows may have expired for the same reason. Then only jobs that were handed
    /// over are claimed.
    fn is_in_doubt(&self) -> bool {
        self.heartbeat.is_late() || (!self.place.is_server() && was_set_within(LEASE))
    }

    /// Hands over the jobs of this process, so that another need not wait for the leases to expire.
    pub async fn release(&self) -> Result<(), StoreError> {
        self.heartbeat.end(self.owner(), self.writers()).await.map_err(|error| self.fail(error))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::record::State;

    /// Its own heartbeat was late, so the other process's may be late too.
    #[tokio::test]
    async fn a_process_whose_own_lease_expired_adopts_only_handed_over_jobs() {
        let dir = tempfile::tempdir().unwrap();
        let [other, this] = ["other", "this"].map(|owner| Store::open(dir.path(), owner.to_owned()));
        let (other, this) = (other.await.unwrap(), this.await.unwrap());
        let body = json!({
            "id": "j", "principal": "local", "kind": "image", "tool": "text_to_image", "model": "", "account": "host",
            "prompt": "", "request": {}, "digest": "", "state": State::NEW, "created_at": 1, "updated_at": 1,
        });
        other.insert(&serde_json::from_value(body).unwrap(), None).await.unwrap();
        query("UPDATE jobs SET lease_until = 1").execute(this.writers()).await.unwrap();
        this.renew().await.unwrap();
        this.heartbeat.miss();
        for _ in 0..2 {
            assert!(this.claim("j").await.unwrap().is_none());
            assert_eq!(this.due("host", Search::All, &[]).await.unwrap(), Vec::<String>::new());
            // Still so when the next heartbeat has arrived.
            this.renew().await.unwrap();
        }
        this.heartbeat.pause();
        assert_eq!(this.due("host", Search::All, &[]).await.unwrap(), ["j"]);
        this.heartbeat.miss();
        other.renew().await.unwrap();
        other.release().await.unwrap();
        assert!(!other.renew().await.unwrap(), "no heartbeat follows the last");
        assert_eq!(this.due("host", Search::Ended, &[]).await.unwrap(), ["j"]);
        assert!(this.claim("j").await.unwrap().is_some());
    }
}

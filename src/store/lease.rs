//! Leases: which process works on a job.
//!
//! A job belongs to the process in its row for [`LEASE`] after each write, and longer while the row of that process in
//! `processes` says that it lives. So a process renews one row, whatever the number of its jobs.

use super::database::Store;
use super::error::StoreError;
use super::sql::{Row, query};
use crate::clock::{self, now};
use crate::record::Job;

/// How long a lease lasts, in milliseconds. The jobs of a dead process are idle for at most this time, or twice as long
/// after the clock was set: then live leases look expired until they are renewed.
pub const LEASE: i64 = 6_000;

/// The most jobs that a process takes over at once. Other processes take others in the meantime.
const BATCH: u32 = 100;

/// How long the row of a process that has ended and has no jobs is kept, in milliseconds.
const FORGOTTEN: i64 = 60_000;

/// No other live process has the job. `?1` is this process, `?2` the present, `?3` the length of a lease, and `?4` says that the
/// clock was just set. A time that lies far ahead is from before the clock was set back.
macro_rules! free {
    () => {
        "(lease_owner = ?1 OR lease_until = 0
             OR EXISTS (SELECT 1 FROM processes WHERE name = lease_owner AND alive_until = 0)
             OR (NOT ?4 AND (lease_until < ?2 OR lease_until > ?2 + 10 * ?3)
                 AND NOT EXISTS (SELECT 1 FROM processes WHERE name = lease_owner
                                 AND alive_until >= ?2 AND alive_until <= ?2 + 10 * ?3)))"
    };
}

/// Which jobs to look through for those that this process has to work on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Search {
    /// Those of processes that have ended, which an index finds.
    Ended,
    /// All that are open.
    All,
}

impl Store {
    /// Leases one open job to this process, unless another live process has it. Returns the job.
    pub async fn claim(&self, id: &str) -> Result<Option<Job>, StoreError> {
        let sql = concat!(
            "UPDATE jobs SET lease_owner = ?1, lease_until = ?2 + ?3 WHERE id = ?5 AND ",
            free!(),
            " RETURNING body"
        );
        let row = query(sql)
            .bind(self.owner())
            .bind_moment(now(), 0)
            .bind(LEASE)
            .bind(self.clock_was_set_within(LEASE))
            .bind(id)
            .fetch_optional(self.writers())
            .await
            .map_err(|error| self.fail(error))?;
        match row {
            Some(row) => self.claimed(id, &row).await.map(Some),
            None => Ok(None),
        }
    }

    /// Leases open jobs to this process, those that other processes do not have or are just taking. Returns each with its id.
    pub async fn claim_all(
        &self,
        ids: &[String],
    ) -> Result<Vec<(String, Result<Job, StoreError>)>, StoreError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let sql = concat!(
            "WITH free AS MATERIALIZED (
                SELECT id FROM jobs WHERE id IN (SELECT value FROM ?5) AND ",
            free!(),
            " FOR UPDATE SKIP LOCKED)
             UPDATE jobs SET lease_owner = ?1, lease_until = ?2 + ?3 WHERE id IN (SELECT id FROM free)
             RETURNING id, body"
        );
        let rows = query(sql)
            .bind(self.owner())
            .bind_moment(now(), 0)
            .bind(LEASE)
            .bind(self.clock_was_set_within(LEASE))
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

    /// Says that this process lives, which renews the leases of its jobs. A database server's clock is followed from then on.
    pub async fn renew(&self) -> Result<(), StoreError> {
        let row = query(
            "INSERT INTO processes (name, alive_until) VALUES (?1, ?2)
             ON CONFLICT (name) DO UPDATE SET alive_until = excluded.alive_until RETURNING alive_until",
        );
        let row = row.bind(self.owner()).bind_moment(now(), LEASE).fetch_one(self.heartbeat()).await;
        let until: i64 = row.and_then(|row| row.try_get("alive_until")).map_err(|error| self.fail(error))?;
        if self.place.is_server() {
            clock::follow(until - LEASE);
        }
        Ok(())
    }

    /// Whether this process must renew its row even without jobs, because other machines rely on it. Not so for a file on
    /// this machine.
    pub fn is_shared(&self) -> bool {
        self.place.is_server()
    }

    /// Removes the rows of processes that have ended and left nothing. One that lives writes its row again.
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

    /// The open jobs of the account that this process has to work on, except those in `known`: those of dead processes, and
    /// in a search of all also its own, and those whose lease lies far ahead because the clock was set back. At most a batch.
    pub async fn due(
        &self,
        account: &str,
        search: Search,
        known: &[String],
    ) -> Result<Vec<String>, StoreError> {
        if search == Search::All {
            return self.due_of(account, None, known).await;
        }
        // One query for each name, which uses the index. For a list of names the planner expects most jobs to match.
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
            .bind(self.clock_was_set_within(LEASE))
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
            "SELECT id FROM jobs WHERE is_open = 1 AND account = ?5 AND ",
            free!(),
            " AND id NOT IN (SELECT value FROM ?6)"
        );
        let due = query(sql)
            .bind(self.owner())
            .bind_moment(now(), 0)
            .bind(LEASE)
            .bind(self.clock_was_set_within(LEASE))
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

    /// Hands over the jobs of this process, so that another need not wait for the leases to expire.
    pub async fn release(&self) -> Result<(), StoreError> {
        query("UPDATE processes SET alive_until = 0 WHERE name = ?1")
            .bind(self.owner())
            .execute(self.writers())
            .await
            .map_err(|error| self.fail(error))?;
        Ok(())
    }
}

//! Which process follows a job: the one that has leased it, as long as it lives.

use sqlx::Row as _;

use super::database::Store;
use super::error::StoreError;
use super::record::Job;
use crate::clock::{self, now};

/// How long a lease lasts, in milliseconds. A dead process's jobs are idle for this long at most, or twice as long after
/// the clock was set: then the leases of the living look as if they had run out, until they are renewed.
pub const LEASE: i64 = 6_000;

impl Store {
    /// Leases one open job to this process, unless another, living one has it. Gives the job as it stands.
    pub async fn claim(&self, id: &str) -> Result<Option<Job>, StoreError> {
        let row = sqlx::query(
            "UPDATE jobs SET lease_owner = ?2, lease_until = ?3 + ?4
             WHERE id = ?1 AND (lease_owner IS ?2 OR lease_until = 0
                OR (NOT ?5 AND (lease_until < ?3 OR lease_until > ?3 + 10 * ?4)))
             RETURNING body",
        )
        .bind(id)
        .bind(self.owner())
        .bind(now())
        .bind(LEASE)
        .bind(clock::was_set_within(LEASE))
        .fetch_optional(self.writers())
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
            .bind(self.owner())
            .fetch_optional(self.readers())
            .await
            .map_err(|error| self.fail(error))?;
        Ok(row.is_some())
    }

    async fn give_back(&self, id: &str) -> Result<(), StoreError> {
        sqlx::query("UPDATE jobs SET lease_until = 0 WHERE id = ?1 AND lease_owner = ?2")
            .bind(id)
            .bind(self.owner())
            .execute(self.writers())
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
            .bind(self.owner())
            .bind(at + LEASE)
            .bind(serde_json::json!(followed).to_string())
            .execute(self.writers())
            .await
            .map_err(|error| self.fail(error))?;
        }
        let rows = sqlx::query(
            "SELECT id FROM jobs WHERE is_open = 1 AND account = ?1
             AND (lease_owner = ?4 OR lease_until = 0
                OR (NOT ?5 AND (lease_until < ?2 OR lease_until > ?2 + 10 * ?3)))",
        )
        .bind(account)
        .bind(at)
        .bind(LEASE)
        .bind(self.owner())
        .bind(clock::was_set_within(LEASE))
        .fetch_all(self.readers())
        .await
        .map_err(|error| self.fail(error))?;
        Ok(rows.iter().filter_map(|row| row.try_get(0).ok()).collect())
    }

    /// Gives this process's leases back, so that another need not wait for them to run out.
    pub async fn release(&self) -> Result<(), StoreError> {
        sqlx::query("UPDATE jobs SET lease_until = 0 WHERE lease_owner = ?1")
            .bind(self.owner())
            .execute(self.writers())
            .await
            .map_err(|error| self.fail(error))?;
        Ok(())
    }
}

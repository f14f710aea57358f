//! Leases: which process works on a job.

use sqlx::Row as _;

use super::database::Store;
use super::error::StoreError;
use super::record::Job;
use crate::clock::{self, now};

/// How long a lease lasts, in milliseconds. The jobs of a dead process are idle for at most this time, or twice as long
/// after the clock was set: then live leases look expired until they are renewed.
pub const LEASE: i64 = 6_000;

impl Store {
    /// Leases one open job to this process, unless another live process has it. Returns the job.
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
                // A later version may have written it, and can continue it.
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

    /// Renews this process's leases, and returns the open jobs of the account that it has to work on: its own, those of dead
    /// processes, and those whose lease lies far ahead because the clock was set back.
    ///
    /// `followed` are the jobs with a worker in this process: only their leases are renewed.
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

    /// Releases this process's leases, so that another need not wait for them to expire.
    pub async fn release(&self) -> Result<(), StoreError> {
        sqlx::query("UPDATE jobs SET lease_until = 0 WHERE lease_owner = ?1")
            .bind(self.owner())
            .execute(self.writers())
            .await
            .map_err(|error| self.fail(error))?;
        Ok(())
    }
}

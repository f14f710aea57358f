//! The rows that stay of removed jobs. A job is removed in the gallery, or because of its age or size.

use super::accounts::at_host;
use super::database::Store;
use super::error::StoreError;
use super::pool::Connection;
use super::sql::{On, Row, query};
use crate::record::RemovedJob;

impl Store {
    /// The removed job of a principal with this id, if there was one.
    pub async fn removed(&self, principal: &str, id: &str) -> Result<Option<RemovedJob>, StoreError> {
        let row = query("SELECT id, removed_at FROM removed_jobs WHERE id = ?1 AND principal = ?2");
        let row = row.bind(id).bind(principal).fetch_optional(self.readers()).await;
        self.removed_job(row)
    }

    /// Whether a job of any principal was removed.
    pub async fn was_removed(&self, id: &str) -> Result<bool, StoreError> {
        let row = query("SELECT id, removed_at FROM removed_jobs WHERE id = ?1");
        Ok(self.removed_job(row.bind(id).fetch_optional(self.readers()).await)?.is_some())
    }

    /// The removed job that was started with an `idempotency_key`.
    pub async fn removed_by_key(
        &self,
        principal: &str,
        account: &str,
        key: &str,
    ) -> Result<Option<RemovedJob>, StoreError> {
        self.find_removed(self.readers().into(), principal, account, key).await
    }

    /// As [`Self::removed_by_key`], in a transaction.
    pub(super) async fn removed_by_key_on(
        &self,
        connection: &mut Connection,
        principal: &str,
        account: &str,
        key: &str,
    ) -> Result<Option<RemovedJob>, StoreError> {
        self.find_removed(connection.into(), principal, account, key).await
    }

    /// Another key of the host may have bought it.
    async fn find_removed(
        &self,
        on: On<'_>,
        principal: &str,
        account: &str,
        key: &str,
    ) -> Result<Option<RemovedJob>, StoreError> {
        let (first, last) = at_host(account);
        let row = query(
            "SELECT id, removed_at FROM removed_jobs
             WHERE principal = ?1 AND account BETWEEN ?2 AND ?3 AND idempotency_key = ?4
             ORDER BY removed_at DESC LIMIT 1",
        );
        self.removed_job(row.bind(principal).bind(first).bind(last).bind(key).fetch_optional(on).await)
    }

    fn removed_job(&self, row: Result<Option<Row>, sqlx::Error>) -> Result<Option<RemovedJob>, StoreError> {
        let read = |row: Row| Ok(RemovedJob { id: row.try_get("id")?, at: row.try_get("removed_at")? });
        row.and_then(|row| row.map(read).transpose()).map_err(|error| self.fail(error))
    }
}

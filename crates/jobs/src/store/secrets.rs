//! The store's random keys, each with a name.

use super::database::Store;
use super::error::StoreError;
use super::sql::query;

impl Store {
    /// The random key with this name, created when it is first needed.
    pub(crate) async fn secret(&self, name: &str) -> Result<Vec<u8>, StoreError> {
        if let Some(known) = self.known_secret(name).await? {
            return Ok(known);
        }
        let mut fresh = [0_u8; 32];
        getrandom::fill(&mut fresh).map_err(|error| self.fail(error.to_string()))?;
        query("INSERT INTO secrets (name, value) VALUES (?1, ?2) ON CONFLICT DO NOTHING")
            .bind(name)
            .bind(fresh.to_vec())
            .execute(self.writers())
            .await
            .map_err(|error| self.fail(error))?;
        // Another process may have created it first.
        self.known_secret(name).await?.ok_or_else(|| self.fail(sqlx::Error::RowNotFound))
    }

    async fn known_secret(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let row = query("SELECT value FROM secrets WHERE name = ?1").bind(name);
        let row = row.fetch_optional(self.readers()).await.map_err(|error| self.fail(error))?;
        row.map(|row| row.try_get(0).map_err(|error| self.fail(error))).transpose()
    }
}

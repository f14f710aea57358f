//! Whose the files are that MiniMax keeps. To MiniMax all callers of an account are one.

use std::collections::HashSet;

use sqlx::Row as _;

use super::{Jobs, StoreError, now};

impl Jobs {
    /// Notes who has sent a file to MiniMax.
    pub async fn sent_up(&self, principal: &str, file_id: &str) -> Result<(), StoreError> {
        let store = self.store().await?;
        let row = sqlx::query(
            "INSERT OR REPLACE INTO remote_files (account, file_id, principal, created_at) VALUES (?1, ?2, ?3, ?4)",
        );
        let row = row.bind(&self.account.name).bind(file_id).bind(principal).bind(now());
        row.execute(store.writers()).await.map_err(|error| store.fail(error))?;
        Ok(())
    }

    /// The ids of voices that other principals have made.
    pub async fn voices_of_others(&self, principal: &str) -> Result<HashSet<String>, StoreError> {
        let store = self.store().await?;
        let rows = sqlx::query(
            "SELECT DISTINCT json_extract(body, '$.voice_id') FROM jobs WHERE account = ?1 AND principal <> ?2
             AND kind = 'voice' AND json_extract(body, '$.voice_id') IS NOT NULL",
        );
        let rows = rows.bind(&self.account.name).bind(principal).fetch_all(store.readers()).await;
        let rows = rows.map_err(|error| store.fail(error))?;
        rows.iter().map(|row| row.try_get(0).map_err(|error| store.fail(error))).collect()
    }

    /// The ids of files that other principals have sent to MiniMax or had made there.
    pub async fn files_of_others(&self, principal: &str) -> Result<HashSet<String>, StoreError> {
        let store = self.store().await?;
        let rows = sqlx::query(
            "SELECT file_id FROM remote_files WHERE account = ?1 AND principal <> ?2
             UNION
             SELECT CAST(json_extract(file.value, '$.file_id') AS TEXT)
             FROM jobs, json_each(jobs.body, '$.files') AS file
             WHERE jobs.account = ?1 AND jobs.principal <> ?2
             AND json_extract(file.value, '$.file_id') IS NOT NULL",
        );
        let rows = rows.bind(&self.account.name).bind(principal).fetch_all(store.readers()).await;
        let rows = rows.map_err(|error| store.fail(error))?;
        rows.iter().map(|row| row.try_get(0).map_err(|error| store.fail(error))).collect()
    }
}

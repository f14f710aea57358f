//! What the gallery reads and removes, beside single jobs.

use super::handle::Jobs;
use super::undelivered::folder_of;
use crate::clock::now;
use crate::store::{ConversationRow, DaySpending, Job, Named, StoreError};

/// The models or voices of a principal's jobs.
pub async fn names(jobs: &Jobs, principal: &str, column: Named) -> Result<Vec<String>, StoreError> {
    jobs.store().await?.names(principal, column).await
}

/// A page of a principal's conversations, the last continued first, and where the next page begins.
pub async fn conversations(
    jobs: &Jobs,
    principal: &str,
    before: Option<(i64, String)>,
    limit: u32,
) -> Result<(Vec<ConversationRow>, Option<(i64, String)>), StoreError> {
    jobs.store().await?.conversations(principal, before, limit).await
}

/// What a principal has spent since a time, by day, tool and model.
pub async fn spent_by_day(jobs: &Jobs, principal: &str, since: i64) -> Result<Vec<DaySpending>, StoreError> {
    jobs.store().await?.spent_by_day(principal, since).await
}

/// Removes the record of a job that has ended. What was spent on it stays in the ledger. `false` if it was not removed.
pub async fn remove(jobs: &Jobs, principal: &str, id: &str) -> Result<bool, StoreError> {
    if jobs.active().iter().any(|active| active == id) {
        return Ok(false);
    }
    let removed = jobs.store().await?.remove(principal, id).await?;
    if removed {
        // What could not be delivered goes with its record. Best effort: a sweep removes what stays.
        let _ = tokio::fs::remove_dir_all(folder_of(&jobs.shared.settings.data_dir, id)).await;
    }
    Ok(removed)
}

/// Takes a file that was deleted off the record of its job, so that it is not downloaded again. `false` if the job has
/// changed in the meantime.
pub async fn forget_file(jobs: &Jobs, job: &Job, name: &str) -> Result<bool, StoreError> {
    let mut without = job.clone();
    without.files.retain(|file| file.name != name);
    without.warnings.push(format!("{name} was deleted in the gallery"));
    without.updated_at = now();
    jobs.store().await?.replace(&without, &job.state).await
}

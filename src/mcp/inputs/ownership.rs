//! Which of the account's files and voices at MiniMax a caller may know of.
//!
//! All principals of this server share one account at MiniMax, whose file ids are numbers and can be guessed. What
//! another principal uploaded or had made is hidden; what no principal made here, such as uploads from elsewhere, is
//! visible to all.

use std::collections::HashSet;
use std::sync::Arc;

use crate::jobs::Jobs;
use crate::mcp::caller::Caller;
use crate::mcp::error::ToolError;

/// What one caller may know of.
#[derive(Debug, Clone)]
pub(crate) struct Ownership {
    caller: Arc<Caller>,
    jobs: Jobs,
}

impl Ownership {
    pub(crate) fn new(caller: Arc<Caller>, jobs: Jobs) -> Self {
        Self { caller, jobs }
    }

    /// Ids of files that are hidden from this caller. The owner has the key, and with it everything.
    pub(crate) async fn hidden_files(&self) -> Result<HashSet<String>, ToolError> {
        if !self.caller.remote {
            return Ok(HashSet::new());
        }
        Ok(self.jobs.files_of_others(&self.caller.principal).await?)
    }

    /// As [`Self::hidden_files`], for voices.
    pub(crate) async fn hidden_voices(&self) -> Result<HashSet<String>, ToolError> {
        if !self.caller.remote {
            return Ok(HashSet::new());
        }
        Ok(self.jobs.voices_of_others(&self.caller.principal).await?)
    }

    /// Refuses a hidden file in the words for a file that does not exist.
    pub(crate) async fn check_file(&self, field: &str, id: &str) -> Result<(), ToolError> {
        let bare = id.trim().trim_start_matches("mm_file://");
        let number = bare.parse::<u64>().map_or_else(|_| bare.to_owned(), |number| number.to_string());
        if self.hidden_files().await?.contains(&number) {
            let problem = "is a file that is not there; list_files shows those that are";
            return Err(ToolError::argument(field, problem));
        }
        Ok(())
    }

    /// Records the owner of an upload. The upload is complete, so a failure here must not lose it.
    pub(crate) async fn record_upload(&self, file_id: &str) {
        if let Err(error) = self.jobs.sent_up(&self.caller.principal, file_id).await {
            tracing::warn!(%error, file_id, "whose this upload is could not be written down");
        }
    }
}

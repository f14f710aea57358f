//! Which of the files at MiniMax a caller may know of.
//!
//! An account's files are one heap, and its ids are numbers. What another principal of this server has sent up or had
//! made is not there for this one; what nobody here knows (uploads of the account's owner elsewhere) is common.

use std::collections::HashSet;

use crate::mcp::{Server, ToolError};

impl Server {
    /// Ids that this caller is not to see. Whoever started the server has the key, and with it everything.
    pub(crate) async fn hidden_files(&self) -> Result<HashSet<String>, ToolError> {
        if !self.caller.remote {
            return Ok(HashSet::new());
        }
        Ok(self.jobs().files_of_others(self.principal()).await?)
    }

    /// Voices of others, by the same rule.
    pub(crate) async fn hidden_voices(&self) -> Result<HashSet<String>, ToolError> {
        if !self.caller.remote {
            return Ok(HashSet::new());
        }
        Ok(self.jobs().voices_of_others(self.principal()).await?)
    }

    /// Another's file is answered like none at all.
    pub(crate) async fn own_file(&self, field: &str, id: &str) -> Result<(), ToolError> {
        let bare = id.trim().trim_start_matches("mm_file://");
        let number = bare.parse::<u64>().map_or_else(|_| bare.to_owned(), |number| number.to_string());
        if self.hidden_files().await?.contains(&number) {
            let problem = "is a file that is not there; list_files shows those that are";
            return Err(ToolError::argument(field, problem));
        }
        Ok(())
    }

    /// Notes whose an upload is. It is made already, so a failure is no reason to lose it.
    pub(crate) async fn note_upload(&self, file_id: &str) {
        if let Err(error) = self.jobs().sent_up(self.principal(), file_id).await {
            tracing::warn!(%error, file_id, "whose this upload is could not be written down");
        }
    }
}

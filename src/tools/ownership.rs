//! Which files, tasks and voices at MiniMax a caller may see and use.
//!
//! An account's files, tasks and voices are common to all of its callers at MiniMax. Here a caller over HTTP has those
//! that the records name as theirs. What the records do not name (made elsewhere, or by a request whose answer was lost)
//! belongs to the account's owner.

use std::collections::HashMap;

use super::caller_key::Purse;
use super::{Server, ToolError};
use crate::api::retry::Nature;
use crate::api::{VoiceKind, group};
use crate::facts::voices;
use crate::jobs::{Owner, RemoteKind};

/// System voices have spaces and brackets in their ids, and none is nearly as long.
const LONGEST_VOICE: usize = 256;

/// MiniMax's task ids are shorter.
const LONGEST_TASK: usize = 64;

impl Server {
    /// Whether what the account has at MiniMax, and the records do not name, is this caller's.
    pub(super) async fn has_whole_account(&self) -> Result<bool, ToolError> {
        // A caller who brings a key owns its account.
        let is_owner = !self.caller.remote
            || self.principal() == super::Caller::OWNER
            || self.purse == Purse::Caller
            || self.config().http.shared_account;
        Ok(is_owner || (self.caller.is_only_one && !self.jobs().has_others(self.principal()).await?))
    }

    /// Those of `items` whose ids this caller may see.
    pub(super) async fn visible<T>(
        &self,
        kind: RemoteKind,
        mut items: Vec<T>,
        id: impl Fn(&T) -> &str,
    ) -> Result<Vec<T>, ToolError> {
        // The person who started the server has the key, and with it everything.
        if !self.caller.remote || items.is_empty() {
            return Ok(items);
        }
        let ids: Vec<_> = items.iter().map(&id).collect();
        let owners: HashMap<String, Owner> = self.jobs().owners(self.principal(), kind, &ids).await?;
        let unknown = self.has_whole_account().await?;
        items.retain(|item| match owners.get(id(item)).unwrap_or(&Owner::Unknown) {
            Owner::Principal => true,
            Owner::Another => false,
            Owner::Unknown => unknown,
        });
        Ok(items)
    }

    /// Whether this caller may use what an id names.
    pub(super) async fn may_use(&self, kind: RemoteKind, id: &str) -> Result<bool, ToolError> {
        Ok(!self.visible(kind, vec![id], |id| id).await?.is_empty())
    }

    /// Refuses a file that is not this caller's in the words for one that does not exist.
    pub(super) async fn own_file(&self, field: &str, id: u64) -> Result<(), ToolError> {
        if self.may_use(RemoteKind::File, &id.to_string()).await? {
            return Ok(());
        }
        let problem = "is a file that is not there; list_files shows those that are";
        Err(ToolError::argument(field, problem))
    }

    /// Refuses a voice to speak with that is neither MiniMax's nor this caller's. The server's default is for everybody.
    pub(super) async fn own_voice(&self, field: &str, id: &str) -> Result<(), ToolError> {
        let id = id.trim();
        let is_common = voices().get(id).is_some() || self.config().defaults.voice_id.as_deref() == Some(id);
        if !self.caller.remote || is_common {
            return Ok(());
        }
        let is_plain = id.len() <= LONGEST_VOICE && id.bytes().all(|byte| matches!(byte, b' '..=b'~'));
        if is_plain && (self.may_use(RemoteKind::Voice, id).await? || self.is_system_voice(id).await?) {
            return Ok(());
        }
        let problem = "is a voice that is not there; list_voices shows those that are";
        Err(ToolError::argument(field, problem))
    }

    /// Asks MiniMax, which may have voices that the table does not know yet.
    async fn is_system_voice(&self, id: &str) -> Result<bool, ToolError> {
        let (api, system) = (self.jobs().api(), VoiceKind::System);
        let listed = api.queued(group::READS, Nature::Read, || api.voices(system.word())).await?;
        Ok(listed.iter().any(|voice| voice.kind == system && voice.id == id))
    }

    /// Records whose an upload is. The file is there already, so a failure does not lose it.
    pub(super) async fn record_upload(&self, file_id: &str) {
        if let Err(error) = self.jobs().record_upload(self.principal(), file_id).await {
            tracing::warn!(%error, file_id, "the owner of an upload was not recorded");
        }
    }
}

/// Reads an id of MiniMax's task.
pub(super) fn task_id(text: &str) -> Result<&str, ToolError> {
    let id = text.trim();
    let is_legal = (1..=LONGEST_TASK).contains(&id.len())
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    if !is_legal {
        let problem = "is not a task id of MiniMax; those are letters and digits, at most 64";
        return Err(ToolError::argument("task_id", problem));
    }
    // MiniMax may read a number, to which leading zeros make no difference.
    match id.trim_start_matches('0') {
        digits if !digits.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit()) => Ok(digits),
        _ => Ok(id),
    }
}

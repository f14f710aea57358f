//! Which files, tasks and voices at MiniMax a caller may see and use.
//!
//! At MiniMax, all callers share the files, tasks and voices of an account. Here, a caller over HTTP has only those
//! that the records name as the caller's. Those that are not in the records (made elsewhere, or by a request whose
//! answer was lost) belong to the account's owner.

use std::collections::HashMap;
use std::sync::Arc;

use crate::api::retry::Nature;
use crate::api::voice::VoiceKind;
use crate::config::Config;
use crate::facts::voices;
use crate::jobs::{Jobs, Owner, RemoteKind};
use crate::mcp::caller::Caller;
use crate::mcp::caller_key::Payer;
use crate::mcp::error::ToolError;
use crate::rate_limit::group;

/// The longest voice id that is looked up, in bytes. No system voice has nearly as long an id.
const LONGEST_VOICE: usize = 256;

/// What one caller may see and use.
#[derive(Debug, Clone)]
pub(crate) struct Ownership {
    config: Arc<Config>,
    caller: Arc<Caller>,
    payer: Payer,
    jobs: Jobs,
}

impl Ownership {
    pub(crate) fn new(config: Arc<Config>, caller: Arc<Caller>, payer: Payer, jobs: Jobs) -> Self {
        Self { config, caller, payer, jobs }
    }

    /// Whether this caller owns the ids of the account that are not in the records.
    pub(crate) async fn has_whole_account(&self) -> Result<bool, ToolError> {
        let principal = &self.caller.principal;
        // A caller who brings a key owns its account.
        let is_owner = !self.caller.remote
            || principal == Caller::OWNER
            || self.payer == Payer::Caller
            || self.config.http.shared_account;
        Ok(is_owner || (self.caller.is_only_one && !self.jobs.has_others(principal).await?))
    }

    /// Those of `items` whose ids this caller may see.
    pub(crate) async fn visible<T>(
        &self,
        kind: RemoteKind,
        mut items: Vec<T>,
        id: impl Fn(&T) -> &str,
    ) -> Result<Vec<T>, ToolError> {
        // The person who started the server has the key, and so may see everything.
        if !self.caller.remote || items.is_empty() {
            return Ok(items);
        }
        let ids: Vec<_> = items.iter().map(&id).collect();
        let owners: HashMap<String, Owner> = self.jobs.owners(&self.caller.principal, kind, &ids).await?;
        let unknown = self.has_whole_account().await?;
        items.retain(|item| match owners.get(id(item)).unwrap_or(&Owner::Unknown) {
            Owner::Principal => true,
            Owner::Another => false,
            Owner::Unknown => unknown,
        });
        Ok(items)
    }

    /// Whether this caller may use what an id names.
    pub(crate) async fn may_use(&self, kind: RemoteKind, id: &str) -> Result<bool, ToolError> {
        Ok(!self.visible(kind, vec![id], |id| id).await?.is_empty())
    }

    /// Refuses a file that is not this caller's, with the error for a file that does not exist.
    pub(crate) async fn check_file(&self, field: &str, id: u64) -> Result<(), ToolError> {
        if self.may_use(RemoteKind::File, &id.to_string()).await? {
            return Ok(());
        }
        let problem = "is a file that does not exist; list_files shows the existing files";
        Err(ToolError::argument(field, problem))
    }

    /// Refuses a voice that is neither MiniMax's nor this caller's. All callers may use the server's default voice.
    pub(crate) async fn check_voice(&self, field: &str, id: &str) -> Result<(), ToolError> {
        let id = id.trim();
        let is_common = voices().get(id).is_some() || self.config.defaults.voice_id.as_deref() == Some(id);
        if !self.caller.remote || is_common {
            return Ok(());
        }
        let is_plain = id.len() <= LONGEST_VOICE && id.bytes().all(|byte| matches!(byte, b' '..=b'~'));
        if is_plain && (self.may_use(RemoteKind::Voice, id).await? || self.is_system_voice(id).await?) {
            return Ok(());
        }
        let problem = "is a voice that does not exist; list_voices shows the existing voices";
        Err(ToolError::argument(field, problem))
    }

    /// Asks MiniMax, which may have voices that the table does not know yet.
    async fn is_system_voice(&self, id: &str) -> Result<bool, ToolError> {
        let (api, system) = (self.jobs.api(), VoiceKind::System);
        let listed = api.queued(group::READS, Nature::Read, || api.voices(system.word())).await?;
        Ok(listed.iter().any(|voice| voice.kind == system && voice.id == id))
    }

    /// Records the owner of an upload. The upload is complete, so a failure here must not lose it.
    pub(crate) async fn record_upload(&self, file_id: &str) {
        if let Err(error) = self.jobs.record_upload(&self.caller.principal, file_id).await {
            tracing::warn!(%error, file_id, "the owner of an upload was not recorded");
        }
    }
}

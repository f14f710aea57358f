//! Who calls.

use std::path::PathBuf;

use rmcp::model::{CallToolResponse, ContentBlock};
use rmcp::service::RequestContext;
use rmcp::{ErrorData, RoleServer};
use serde_json::Value;

use super::{Server, ToolError};
use crate::config::Toolset;
use crate::jobs::StoreError;
use crate::media::{self, Reference};

/// Whoever a call comes from. A transport that knows its callers puts one into each request's
/// [`http::Extensions`]; a call without one is the owner's, who started the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Whose the jobs, files and conversations are. Nobody sees another principal's.
    pub principal: String,
    /// Sits at another machine, or may: paths of this one mean nothing there, and results are links.
    pub remote: bool,
    /// The groups of tools the caller may use; `None` for all that the server offers.
    pub toolsets: Option<Vec<Toolset>>,
}

impl Caller {
    /// The principal of whoever started the server.
    pub const OWNER: &str = "local";

    /// Whoever started the server, at the same machine.
    pub fn owner() -> Self {
        Self { principal: Self::OWNER.to_owned(), remote: false, toolsets: None }
    }

    fn of(call: &RequestContext<RoleServer>) -> Option<Self> {
        call.extensions.get::<http::request::Parts>()?.extensions.get::<Self>().cloned()
    }
}

impl Server {
    /// This server as the caller of this request sees it.
    pub(super) fn for_caller(&self, call: &RequestContext<RoleServer>) -> Self {
        match Caller::of(call) {
            Some(caller) => Self { caller: caller.into(), ..self.clone() },
            None => self.clone(),
        }
    }

    /// Whether this caller is to know of a tool.
    pub(super) fn offers(&self, name: &str) -> bool {
        let allowed = match &self.caller.toolsets {
            Some(groups) => self.shared.group_of.get(name).is_some_and(|group| groups.contains(group)),
            None => true,
        };
        // It saves a file where a caller from elsewhere has nothing of it; get_file has the link.
        allowed && !(self.caller.remote && name == "download_file")
    }

    /// Whose call this is.
    pub(super) fn principal(&self) -> &str {
        &self.caller.principal
    }

    /// What a failure of the records is called to this caller.
    pub(super) fn words_of(&self, error: &StoreError) -> String {
        if self.caller.remote { error.discreet() } else { error.to_string() }
    }

    /// As [`Self::words_of`], for what is no tool call.
    pub(super) fn no_records(&self, error: &StoreError) -> ErrorData {
        tracing::warn!(%error, "a request without an answer");
        ErrorData::internal_error(self.words_of(error), None)
    }

    /// The response as this caller may see it: what fails for the records names no folder of this machine to others.
    pub(super) fn discreetly(&self, response: CallToolResponse) -> CallToolResponse {
        let CallToolResponse::Complete(mut result) = response else { return response };
        if self.caller.remote && result.is_error == Some(true) {
            let folder = format!("the job records in {}", self.config().data_dir.display());
            let hide = |text: &str| text.replace(&folder, "the job records");
            for block in &mut result.content {
                if let ContentBlock::Text(block) = block
                    && block.text.contains(&folder)
                {
                    tracing::warn!(error = block.text, "a call without a result");
                    block.text = hide(&block.text);
                }
            }
            let message =
                result.structured_content.as_mut().and_then(|view| view.pointer_mut("/error/message"));
            if let Some(Value::String(message)) = message {
                *message = hide(message);
            }
        }
        result.into()
    }

    /// What the argument `field` refers to. Paths are for those who sit at this machine.
    pub(super) fn reference(&self, field: &str, text: &str) -> Result<Reference, ToolError> {
        let parsed = media::parse(text, Some(&self.config().home));
        match parsed.map_err(|problem| ToolError::argument(field, problem.to_string()))? {
            Reference::Path(path) => self.own_path(field, path).map(Reference::Path),
            reference => Ok(reference),
        }
    }

    fn own_path(&self, field: &str, path: PathBuf) -> Result<PathBuf, ToolError> {
        if self.caller.remote {
            let problem = "is a path, which a server that is reached over HTTP does not read; give an https:// URL, a \
                data: URI, or a minimax:// URI of an earlier result";
            return Err(ToolError::argument(field, problem));
        }
        Ok(path)
    }
}

//! Who calls.

use std::path::PathBuf;

use rmcp::model::{CallToolResponse, ContentBlock};
use rmcp::service::RequestContext;
use rmcp::{ErrorData, RoleServer};
use serde_json::Value;

use super::{Server, ToolError};
use crate::config::Toolset;
use crate::jobs::StoreError;
use crate::media::{self, InputProblem, Reference};

/// Whoever a call comes from. A transport that knows its callers puts one into each request's
/// [`http::Extensions`]; elsewhere a call is the owner's, who started the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Whose the jobs, files and conversations are. Nobody sees another principal's.
    pub principal: String,
    /// Sits at another machine, or may: paths of this one mean nothing there, and results are links.
    pub remote: bool,
    /// The groups of tools the caller may use; `None` for all that the server offers.
    pub toolsets: Option<Vec<Toolset>>,
    /// What the caller may spend in 24 hours, in millionths of the region's currency.
    pub budget_day: Option<i64>,
    /// How many tool calls the caller may make a minute.
    pub rate: Option<u32>,
}

impl Caller {
    /// The principal of whoever started the server.
    pub const OWNER: &str = "local";

    /// Whoever started the server, at the same machine.
    pub fn owner() -> Self {
        Self {
            principal: Self::OWNER.to_owned(),
            remote: false,
            toolsets: None,
            budget_day: None,
            rate: None,
        }
    }

    /// Somebody at another machine, with everything that is on offer.
    pub fn remote(principal: impl Into<String>) -> Self {
        Self { principal: principal.into(), remote: true, ..Self::owner() }
    }

    /// The principal without what sort it is of.
    pub(super) fn name(&self) -> &str {
        self.principal.strip_prefix("token:").unwrap_or(&self.principal)
    }

    fn of(call: &RequestContext<RoleServer>) -> Option<Self> {
        call.extensions.get::<http::request::Parts>()?.extensions.get::<Self>().cloned()
    }
}

impl Server {
    /// The same server where every request has to say whose it is: over a transport that has callers of its own. A
    /// request that does not is nobody's, and not the owner's.
    #[must_use]
    pub fn for_strangers(mut self) -> Self {
        let nobody = Caller { toolsets: Some(Vec::new()), ..Caller::remote("") };
        (self.strangers, self.caller) = (true, nobody.into());
        self
    }

    /// This server as the caller of this request sees it.
    pub(super) fn for_caller(&self, call: &RequestContext<RoleServer>) -> Result<Self, ErrorData> {
        match Caller::of(call) {
            Some(caller) => Ok(Self { caller: caller.into(), ..self.clone() }),
            None if self.strangers => {
                // A mistake of ours, which must not make a stranger the owner.
                tracing::error!("a request came without a caller, and was refused");
                Err(ErrorData::invalid_request("it is not known whose request this is", None))
            }
            None => Ok(self.clone()),
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

    /// Whether this server has a tool, and this caller may call it.
    pub(super) fn has(&self, name: &str) -> bool {
        self.shared.router.has_route(name) && self.offers(name)
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
        if let Some(path) = self.handed_in(field, text)? {
            return Ok(Reference::Path(path));
        }
        match media::parse(text, Some(&self.config().home)) {
            Ok(Reference::Path(path)) => self.own_path(field, path).map(Reference::Path),
            Err(InputProblem::Relative | InputProblem::NoHome) if self.caller.remote => {
                Err(self.no_paths(field))
            }
            Ok(reference) => Ok(reference),
            Err(problem) => Err(ToolError::argument(field, problem.to_string())),
        }
    }

    fn own_path(&self, field: &str, path: PathBuf) -> Result<PathBuf, ToolError> {
        if self.caller.remote { Err(self.no_paths(field)) } else { Ok(path) }
    }

    /// What those do who sit elsewhere and have a file.
    fn no_paths(&self, field: &str) -> ToolError {
        let upload = match self.upload_url() {
            Some(url) => format!(
                ". To hand a file in: POST {url} with the file as the body (the same Authorization as here), for example \
                 curl --data-binary @FILE {url}?name=FILE; the answer has a minimax://uploads/ URI to give here"
            ),
            None => String::new(),
        };
        let problem = format!(
            "is a path, which a server that is reached over HTTP does not read; give an https:// URL, a data: URI, or \
             a minimax:// URI of an earlier result{upload}"
        );
        ToolError::argument(field, problem)
    }
}

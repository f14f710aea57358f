//! Who calls.

use std::path::PathBuf;

use rmcp::RoleServer;
use rmcp::service::RequestContext;

use super::{CallerKey, Server, ToolError};
use crate::config::Toolset;
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
}

impl Server {
    /// This server as the caller of this request sees it.
    pub(super) fn for_caller(&self, call: &RequestContext<RoleServer>) -> Self {
        let Some(parts) = call.extensions.get::<http::request::Parts>() else { return self.clone() };
        let mut me = self.clone();
        if let Some(caller) = parts.extensions.get::<Caller>() {
            me.caller = caller.clone().into();
        }
        match parts.extensions.get::<CallerKey>() {
            Some(key) => me.paid_by(key),
            // Whatever a transport forgets, it must not be the server's key that pays for it.
            None if self.config().http.caller_keys => me.paid_by(&CallerKey::Missing),
            None => me,
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

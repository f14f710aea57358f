//! Who calls.

use std::path::PathBuf;

use rmcp::service::RequestContext;
use rmcp::{ErrorData, RoleServer};

use crate::config::Toolset;
use crate::jobs::StoreError;
use crate::mcp::{CallerKey, Server, ToolError};
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

    /// Whom limits are for: a token, however many keys are brought with it. Where there are no tokens, everybody.
    pub fn limited_as(&self) -> &str {
        match self.principal.split_once("+key:") {
            Some((token, _)) => token,
            None if self.principal.starts_with("key:") => Self::OWNER,
            None => &self.principal,
        }
    }

    /// The name of the token, without the key that came with it.
    pub(crate) fn name(&self) -> &str {
        let name = self.principal.strip_prefix("token:").unwrap_or(&self.principal);
        name.split_once("+key:").map_or(name, |(name, _)| name)
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
    pub(crate) fn for_caller(&self, call: &RequestContext<RoleServer>) -> Result<Self, ErrorData> {
        let parts = call.extensions.get::<http::request::Parts>();
        let Some((parts, caller)) = parts.and_then(|parts| Some((parts, parts.extensions.get::<Caller>()?)))
        else {
            if self.strangers {
                // A mistake of ours, which must not make a stranger the owner.
                tracing::error!("a request came without a caller, and was refused");
                return Err(ErrorData::invalid_request("it is not known whose request this is", None));
            }
            return Ok(self.clone());
        };
        let me = Self { caller: caller.clone().into(), ..self.clone() };
        Ok(match parts.extensions.get::<CallerKey>() {
            Some(key) => me.paid_by(key),
            // Whatever a transport forgets, it must not be the server's key that pays for it.
            None if self.config().http.caller_keys => me.paid_by(&CallerKey::Missing),
            None => me,
        })
    }

    /// Whether this caller is to know of a tool.
    pub(crate) fn offers(&self, name: &str) -> bool {
        let Some(spec) = self.shared.catalogue.find(name) else { return false };
        let allowed = self.caller.toolsets.as_ref().is_none_or(|groups| groups.contains(&spec.toolset));
        allowed && (spec.remote || !self.caller.remote)
    }

    /// Whether this server has a tool, and this caller may call it.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.shared.catalogue.router.has_route(name) && self.offers(name)
    }

    /// Whose call this is.
    pub(crate) fn principal(&self) -> &str {
        &self.caller.principal
    }

    /// What a failure of the records is called to this caller.
    pub(crate) fn words_of(&self, error: &StoreError) -> String {
        if self.caller.remote { error.discreet() } else { error.to_string() }
    }

    /// As [`Self::words_of`], for what is no tool call.
    pub(crate) fn no_records(&self, error: &StoreError) -> ErrorData {
        tracing::warn!(%error, "a request without an answer");
        ErrorData::internal_error(self.words_of(error), None)
    }

    /// What the argument `field` refers to. Paths are for those who sit at this machine.
    pub(crate) fn reference(&self, field: &str, text: &str) -> Result<Reference, ToolError> {
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

    /// Why a file of this machine cannot be used. Where it lies is nobody's business elsewhere.
    pub(crate) fn unread(&self, field: &str, problem: &InputProblem) -> ToolError {
        let hidden = self.caller.remote && problem.names_a_path();
        let words = || "cannot be read on the server any more; give it anew".to_owned();
        ToolError::argument(field, if hidden { words() } else { problem.to_string() })
    }

    /// What those do who sit elsewhere and have a file.
    fn no_paths(&self, field: &str) -> ToolError {
        let upload = match self.upload_url() {
            Some(url) => format!(
                ". To hand a file in: POST {url} with the file as the body (with the same Authorization and X-MiniMax-Api-Key as here), for example \
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

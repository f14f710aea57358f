//! The caller of a tool.

use crate::config::Toolset;
use crate::money::Money;

/// The caller of a tool. A transport that authenticates its callers puts one into each request's [`http::Extensions`];
/// on other transports every call is the owner's, who started the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The owner of jobs, files and conversations. A principal sees only its own.
    pub principal: String,
    /// Whether the caller may be at another machine, where paths on this machine mean nothing. Its results are links.
    pub remote: bool,
    /// Whether the server knows no other caller. Then everything at MiniMax that no principal owns belongs to this
    /// caller.
    pub is_only_one: bool,
    /// The toolsets that the caller may use; `None` for all toolsets that the server offers.
    pub toolsets: Option<Vec<Toolset>>,
    /// The tools that the request chooses among the allowed ones; `None` for all of them.
    pub tools: Option<Vec<&'static str>>,
    /// What the caller may spend in 24 hours.
    pub budget_day: Option<Money>,
    /// How many tool calls a minute the caller may make.
    pub rate: Option<u32>,
}

impl Caller {
    /// The principal of the person who started the server.
    pub const OWNER: &str = "local";

    /// The person who started the server, at the same machine.
    pub fn owner() -> Self {
        Self {
            principal: Self::OWNER.to_owned(),
            remote: false,
            is_only_one: false,
            toolsets: None,
            tools: None,
            budget_day: None,
            rate: None,
        }
    }

    /// A caller at another machine who may use every tool.
    pub fn remote(principal: impl Into<String>) -> Self {
        Self { principal: principal.into(), remote: true, ..Self::owner() }
    }

    /// The name under which limits are counted: the token, whatever key comes with it. Without tokens, all callers
    /// share one name.
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

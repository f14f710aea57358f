//! What a caller may call, and how often.

use std::sync::Arc;

use tokio::time::Instant;

use crate::mcp::caller::Caller;
use crate::mcp::catalogue::ToolSpec;
use crate::mcp::error::ToolError;
use crate::mcp::rate_limit::RateLimiter;
use crate::telemetry;

/// The policy for one caller.
#[derive(Debug, Clone)]
pub(crate) struct CallPolicy {
    caller: Arc<Caller>,
    /// The tools that the settings leave in.
    available: Arc<[&'static ToolSpec]>,
    rates: Arc<RateLimiter>,
}

impl CallPolicy {
    pub(crate) fn new(
        caller: Arc<Caller>,
        available: Arc<[&'static ToolSpec]>,
        rates: Arc<RateLimiter>,
    ) -> Self {
        Self { caller, available, rates }
    }

    /// The tools that this caller may know of.
    pub(crate) fn offered(&self) -> impl Iterator<Item = &'static ToolSpec> {
        self.available.iter().copied().filter(|spec| self.allows(spec))
    }

    /// Whether this caller may call the tool of this name.
    pub(crate) fn offers(&self, tool: &str) -> bool {
        self.offered().any(|spec| spec.name == tool)
    }

    /// Whether this caller gets everything that the server offers, as every other such caller does.
    pub(crate) fn is_unrestricted(&self) -> bool {
        self.caller.toolsets.is_none() && self.caller.tools.is_none()
    }

    fn allows(&self, spec: &ToolSpec) -> bool {
        let granted = self.caller.toolsets.as_ref().is_none_or(|toolsets| toolsets.contains(&spec.toolset));
        let chosen = self.caller.tools.as_ref().is_none_or(|tools| tools.contains(&spec.name));
        granted && chosen && (spec.remote || !self.caller.remote)
    }

    /// Counts a call against the caller's rate, or says when it may be made.
    pub(crate) fn check_rate(&self) -> Result<(), ToolError> {
        let Some(rate) = self.caller.rate else { return Ok(()) };
        self.rates.take(self.caller.limited_as(), rate, 1, Instant::now()).map_err(|wait| {
            ToolError::TooOften {
                name: telemetry::display(self.caller.name(), 64),
                rate,
                seconds: wait.as_secs().saturating_add(1),
            }
        })
    }
}

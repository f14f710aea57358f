//! What a caller may call, and how often.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::mcp::caller::Caller;
use crate::mcp::catalogue::ToolSpec;
use crate::mcp::error::ToolError;
use crate::telemetry;

const MINUTE: Duration = Duration::from_secs(60);

/// From this number of callers on, callers without recent calls are dropped from the table.
const MANY: usize = 1000;

/// The policy for one caller.
#[derive(Debug, Clone)]
pub(crate) struct CallPolicy {
    caller: Arc<Caller>,
    /// The tools that the settings allow.
    available: Arc<[&'static ToolSpec]>,
    rates: Arc<CallRates>,
}

impl CallPolicy {
    pub(crate) fn new(
        caller: Arc<Caller>,
        available: Arc<[&'static ToolSpec]>,
        rates: Arc<CallRates>,
    ) -> Self {
        Self { caller, available, rates }
    }

    /// The tools that this caller may see and call.
    pub(crate) fn offered(&self) -> impl Iterator<Item = &'static ToolSpec> {
        self.available.iter().copied().filter(|spec| self.allows(spec))
    }

    /// Whether this caller may call the tool of this name.
    pub(crate) fn offers(&self, tool: &str) -> bool {
        self.offered().any(|spec| spec.name == tool)
    }

    /// Whether the caller's token and request leave the caller every tool, so that lists are the same for all such
    /// callers.
    pub(crate) fn is_unrestricted(&self) -> bool {
        self.caller.toolsets.is_none() && self.caller.tools.is_none()
    }

    fn allows(&self, spec: &ToolSpec) -> bool {
        let granted = self.caller.toolsets.as_ref().is_none_or(|toolsets| toolsets.contains(&spec.toolset));
        let chosen = self.caller.tools.as_ref().is_none_or(|tools| tools.contains(&spec.name));
        granted && chosen && (spec.remote || !self.caller.remote)
    }

    /// Counts a call against the caller's rate. The error says when the call may be made.
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

/// The rates of callers, by GCRA: for each name, the time up to which its calls are used. A time one minute in the
/// future means that no call is left. Only in memory: a rate stops a runaway loop, and budgets protect the money.
#[derive(Debug, Default)]
pub struct CallRates(Mutex<HashMap<String, Instant>>);

impl CallRates {
    /// Takes `count` of `rate` calls a minute. The error is the time to wait.
    pub fn take(&self, principal: &str, rate: u32, count: u32, now: Instant) -> Result<(), Duration> {
        // The times stay usable after a panic elsewhere.
        let mut table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if table.len() >= MANY {
            table.retain(|_, used| *used > now);
        }
        let used = table.get(principal).copied().unwrap_or(now).max(now);
        let after = used + MINUTE / rate.max(1) * count;
        let over = after.saturating_duration_since(now + MINUTE);
        // Rounding, where the rate does not divide a minute evenly, must not cost the last call.
        if over > Duration::from_micros(1) {
            return Err(over);
        }
        table.insert(principal.to_owned(), after);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minute_s_calls_may_come_at_once_and_then_evenly() {
        let (rates, start) = (CallRates::default(), Instant::now());
        for rate in [1, 3, 7, 100_000] {
            let name = rate.to_string();
            for call in 0..rate {
                assert_eq!(rates.take(&name, rate, 1, start), Ok(()), "{call} of {rate}");
            }
            let wait = rates.take(&name, rate, 1, start).unwrap_err();
            assert!(wait <= MINUTE / rate + Duration::from_micros(1), "{wait:?}");
            assert!(rates.take(&name, rate, 1, start + wait / 2).is_err());
            assert_eq!(rates.take(&name, rate, 1, start + wait), Ok(()));
            assert!(rates.take(&name, rate, 1, start + wait).is_err());
            assert_eq!(rates.take("another", 1_000, 1, start), Ok(()));
        }
        // A long pause saves up at most one minute's calls.
        let later = start + MINUTE * 60;
        assert_eq!((0..10).filter(|_| rates.take("3", 3, 1, later).is_ok()).count(), 3);
    }

    #[test]
    fn callers_who_have_been_quiet_are_forgotten() {
        let (rates, start) = (CallRates::default(), Instant::now());
        for count in 0..MANY {
            rates.take(&count.to_string(), 60, 1, start).unwrap();
        }
        rates.take("late", 60, 1, start + MINUTE).unwrap();
        assert_eq!(rates.0.lock().unwrap().len(), 1);
    }
}

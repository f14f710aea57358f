//! How often a caller may call: so many times a minute, evenly or at once.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::mcp::{Server, ToolError};

const MINUTE: Duration = Duration::from_secs(60);

/// More callers than that are looked through for those who have been quiet.
const MANY: usize = 1000;

/// When each caller has used up what is granted, by principal: a full minute ahead of now is nothing left. In this
/// process alone, and forgotten with it: a rate is against a runaway loop, a budget is what keeps the money.
#[derive(Debug, Default)]
pub(crate) struct Rates(Mutex<HashMap<String, Instant>>);

impl Rates {
    /// Takes one call of `rate` a minute. The error is how long to wait for the next one.
    fn take(&self, principal: &str, rate: u32, now: Instant) -> Result<(), Duration> {
        // A poisoned table is still a table of times.
        let mut table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if table.len() >= MANY {
            table.retain(|_, used| *used > now);
        }
        let used = table.get(principal).copied().unwrap_or(now).max(now);
        let after = used + MINUTE / rate.max(1);
        let over = after.saturating_duration_since(now + MINUTE);
        // A part of a minute that does not divide evenly must not cost the last call of it.
        if over > Duration::from_micros(1) {
            return Err(over);
        }
        table.insert(principal.to_owned(), after);
        Ok(())
    }
}

impl Server {
    /// Counts a call of this caller's, or says when it may be made.
    pub(crate) fn take_turn(&self) -> Result<(), ToolError> {
        let Some(rate) = self.caller.rate else { return Ok(()) };
        self.shared.rates.take(self.caller.limited_as(), rate, Instant::now()).map_err(|wait| {
            ToolError::TooOften {
                name: self.caller.name().to_owned(),
                rate,
                seconds: wait.as_secs().saturating_add(1),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minute_s_calls_may_come_at_once_and_then_evenly() {
        let (rates, start) = (Rates::default(), Instant::now());
        for rate in [1, 3, 7, 100_000] {
            let name = rate.to_string();
            for call in 0..rate {
                assert_eq!(rates.take(&name, rate, start), Ok(()), "{call} of {rate}");
            }
            let wait = rates.take(&name, rate, start).unwrap_err();
            assert!(wait <= MINUTE / rate + Duration::from_micros(1), "{wait:?}");
            assert!(rates.take(&name, rate, start + wait / 2).is_err());
            assert_eq!(rates.take(&name, rate, start + wait), Ok(()));
            assert!(rates.take(&name, rate, start + wait).is_err());
            assert_eq!(rates.take("another", 1_000, start), Ok(()));
        }
        // A long silence saves no more than a minute's calls.
        let later = start + MINUTE * 60;
        assert_eq!((0..10).filter(|_| rates.take("3", 3, later).is_ok()).count(), 3);
    }

    #[test]
    fn callers_who_have_been_quiet_are_forgotten() {
        let (rates, start) = (Rates::default(), Instant::now());
        for count in 0..MANY {
            rates.take(&count.to_string(), 60, start).unwrap();
        }
        rates.take("late", 60, start + MINUTE).unwrap();
        assert_eq!(rates.0.lock().unwrap().len(), 1);
    }
}

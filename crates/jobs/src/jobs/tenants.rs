//! MiniMax accounts: the server's own key, and keys that callers bring.
//!
//! A caller's key is kept only in memory, while there is room or one of its jobs runs. The disk has only the account's
//! name. After a restart, the jobs of such a key wait until a caller brings the key again.

use std::sync::{Arc, Mutex, MutexGuard, Once, PoisonError};

use tokio::sync::Notify;

use crate::api::Client;
use crate::rate_limit::RateLimiter;

/// How many callers' keys are held at once. A new key replaces the least recently used one that has no work in
/// progress.
const MOST: usize = 128;

/// A MiniMax account: a host and a key.
#[derive(Debug)]
pub(super) struct Tenant {
    /// The API client with the key.
    client: Client,
    /// The host and a fingerprint of the key.
    pub(super) name: String,
    /// Starts to share the limits of this account with other servers, once.
    sharing: Once,
}

impl Tenant {
    pub(super) fn new(client: Client, name: String) -> Self {
        Self { client, name, sharing: Once::new() }
    }

    /// The client. Its first use starts sharing its rate limits with other servers, if they are to be shared.
    pub(super) fn client(&self, share: impl FnOnce(&Arc<RateLimiter>)) -> &Client {
        let limiter = self.client.rate_limiter();
        if limiter.is_shared() {
            self.sharing.call_once(|| share(limiter));
        }
        &self.client
    }
}

/// The keys of callers, most recently used last.
#[derive(Debug, Default)]
pub(super) struct Tenants {
    held: Mutex<Vec<Arc<Tenant>>>,
    /// Signals that a key arrived whose jobs may be waiting.
    pub(super) arrived: Notify,
}

impl Tenants {
    fn table(&self) -> MutexGuard<'_, Vec<Arc<Tenant>>> {
        // The table stays usable after a panic elsewhere.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.table().iter().map(|tenant| tenant.name.clone()).collect()
    }

    pub(super) fn len(&self) -> usize {
        self.table().len()
    }

    pub(super) fn find(&self, name: &str) -> Option<Arc<Tenant>> {
        self.table().iter().find(|tenant| tenant.name == name).cloned()
    }

    /// The tenant with this name, now the most recently used. `None` if there is no room for it.
    pub(super) fn admit(&self, name: &str, client: impl FnOnce() -> Client) -> Option<Arc<Tenant>> {
        let mut table = self.table();
        if let Some(place) = table.iter().position(|tenant| tenant.name == name) {
            let tenant = table.remove(place);
            table.push(Arc::clone(&tenant));
            return Some(tenant);
        }
        if table.len() >= MOST {
            // Work in progress holds a reference, and references come from this table alone.
            let idle = table.iter().position(|tenant| Arc::strong_count(tenant) == 1)?;
            table.remove(idle);
        }
        let tenant = Arc::new(Tenant::new(client(), name.to_owned()));
        table.push(Arc::clone(&tenant));
        self.arrived.notify_one();
        Some(tenant)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client() -> Client {
        Client::new("https://api.minimax.io", None)
    }

    #[test]
    fn a_new_key_replaces_the_least_recently_used_one_that_has_no_work() {
        let tenants = Tenants::default();
        let busy = tenants.admit("busy", client).unwrap();
        for number in 1..MOST {
            assert!(tenants.admit(&format!("idle {number}"), client).is_some());
        }
        drop(tenants.admit("idle 1", client));
        assert!(tenants.admit("new", client).is_some());
        let names = tenants.names();
        assert_eq!(names.len(), MOST);
        assert!(names.contains(&busy.name), "its work goes on");
        assert!(names.contains(&"idle 1".to_owned()), "it was used again");
        assert!(!names.contains(&"idle 2".to_owned()), "it was used longest ago");
    }

    #[test]
    fn a_new_key_is_refused_while_all_kept_keys_are_at_work() {
        let tenants = Tenants::default();
        let mut held: Vec<_> = (0..MOST).map(|number| tenants.admit(&number.to_string(), client)).collect();
        assert!(tenants.admit("new", client).is_none());
        assert!(tenants.admit("0", client).is_some(), "those that are in stay in");
        held.pop();
        assert!(tenants.admit("new", client).is_some());
    }
}

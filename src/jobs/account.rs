//! Keys of MiniMax: whose jobs are whose, and the keys that callers bring.
//!
//! A key that a caller brings lives here and nowhere else: in memory, as long as there is room or one of its jobs
//! runs. On disk there is only the account's name, which tells it from others. After a restart the jobs of such a key
//! sleep until a caller brings it again.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::Jobs;
use crate::api::Client;

/// Keys of callers that are held at once. The one that was used longest ago makes room, unless work of its goes on.
const MOST: usize = 128;

/// A key, and what tells the jobs that were bought with it from others.
#[derive(Debug)]
pub(super) struct Account {
    /// MiniMax, asked with the key.
    pub(super) client: Client,
    /// The host and a print of the key.
    pub(super) name: String,
}

/// The keys that callers have brought, the one that was used last at the end.
#[derive(Debug, Default)]
pub(super) struct Guests {
    held: Mutex<Vec<Arc<Account>>>,
    /// One has come whose jobs may be asleep.
    pub(super) came: Notify,
}

impl Guests {
    fn table(&self) -> MutexGuard<'_, Vec<Arc<Account>>> {
        // A poisoned table is still a table of keys.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn names(&self) -> Vec<String> {
        self.table().iter().map(|account| account.name.clone()).collect()
    }

    fn find(&self, name: &str) -> Option<Arc<Account>> {
        self.table().iter().find(|account| account.name == name).cloned()
    }

    /// The account of that name, which is now the one that was used last. `None` if there is no room for it.
    fn admit(&self, name: &str, client: impl FnOnce() -> Client) -> Option<Arc<Account>> {
        let mut table = self.table();
        if let Some(place) = table.iter().position(|account| account.name == name) {
            let account = table.remove(place);
            table.push(Arc::clone(&account));
            return Some(account);
        }
        if table.len() >= MOST {
            // Whoever works with an account holds it, and nobody takes hold of one but through this table.
            let idle = table.iter().position(|account| Arc::strong_count(account) == 1)?;
            table.remove(idle);
        }
        let account = Arc::new(Account { client: client(), name: name.to_owned() });
        table.push(Arc::clone(&account));
        self.came.notify_one();
        Some(account)
    }
}

impl Jobs {
    /// The same jobs for a caller who brings a key: what is bought and asked through this handle is bought and asked
    /// with it. `name` tells the key from others and does not give it away. `None` if too many keys are at work.
    pub fn for_key(&self, name: &str, client: impl FnOnce() -> Client) -> Option<Self> {
        let account = self.shared.guests.admit(name, client)?;
        Some(Self { shared: Arc::clone(&self.shared), account })
    }

    /// The same jobs for a caller with whom nothing is to be bought: `client` has no key.
    #[must_use]
    pub fn for_nobody(&self, name: &str, client: Client) -> Self {
        let account = Arc::new(Account { client, name: name.to_owned() });
        Self { shared: Arc::clone(&self.shared), account }
    }

    /// The name of the account that this handle buys with.
    pub fn account(&self) -> &str {
        &self.account.name
    }

    /// The lines of all accounts: by group, how many requests wait and how many are under way.
    pub fn standings(&self) -> Vec<(&'static str, usize, usize)> {
        let mut sums: BTreeMap<_, (usize, usize)> = BTreeMap::new();
        for jobs in self.of_each_account() {
            for (group, waiting, in_flight) in jobs.api().rate_limiter().queue_lengths() {
                let sum = sums.entry(group).or_default();
                *sum = (sum.0 + waiting, sum.1 + in_flight);
            }
        }
        sums.into_iter().map(|(group, (waiting, in_flight))| (group, waiting, in_flight)).collect()
    }

    /// How many keys of callers are held: for tests of what is left behind.
    pub fn keys_held(&self) -> usize {
        self.shared.guests.table().len()
    }

    /// Handles for the accounts whose jobs this process may follow, one after another: holding all at once would
    /// keep each from making room.
    pub(super) fn of_each_account(&self) -> impl Iterator<Item = Self> {
        let own = self.of_server();
        let shared = Arc::clone(&self.shared);
        let guests = self.shared.guests.names().into_iter();
        let found = guests.filter_map(move |name| {
            let account = shared.guests.find(&name)?;
            Some(Self { shared: Arc::clone(&shared), account })
        });
        own.into_iter().chain(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nobody() -> Client {
        Client::new("https://api.minimax.io", None)
    }

    #[test]
    fn the_key_that_was_used_longest_ago_makes_room_unless_its_work_goes_on() {
        let guests = Guests::default();
        let busy = guests.admit("busy", nobody).unwrap();
        for number in 1..MOST {
            assert!(guests.admit(&format!("idle {number}"), nobody).is_some());
        }
        drop(guests.admit("idle 1", nobody));
        assert!(guests.admit("new", nobody).is_some());
        let names = guests.names();
        assert_eq!(names.len(), MOST);
        assert!(names.contains(&busy.name), "its work goes on");
        assert!(names.contains(&"idle 1".to_owned()), "it was used again");
        assert!(!names.contains(&"idle 2".to_owned()), "it was used longest ago");
    }

    #[test]
    fn a_key_finds_no_room_beside_as_many_that_are_all_at_work() {
        let guests = Guests::default();
        let mut held: Vec<_> = (0..MOST).map(|number| guests.admit(&number.to_string(), nobody)).collect();
        assert!(guests.admit("new", nobody).is_none());
        assert!(guests.admit("0", nobody).is_some(), "those that are in stay in");
        held.pop();
        assert!(guests.admit("new", nobody).is_some());
    }
}

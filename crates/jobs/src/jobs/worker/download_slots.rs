//! Permits to download: few at once, and never all of them for one host, so that a slow host does not hold up the files
//! of others.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};

/// Downloads at the same time, over all jobs of a process.
const ALL: usize = 16;
/// Of these, for one host: more than the nine images of one order need.
const OF_ONE_HOST: usize = 12;

/// The slots of a process, first come, first served.
#[derive(Debug)]
pub(crate) struct DownloadSlots {
    all: Arc<Semaphore>,
    hosts: Mutex<HashMap<String, Weak<Semaphore>>>,
}

/// A download slot. Dropping it frees the slot.
#[derive(Debug)]
pub(crate) struct DownloadSlot {
    _one: OwnedSemaphorePermit,
    _of_host: OwnedSemaphorePermit,
}

impl Default for DownloadSlots {
    fn default() -> Self {
        Self { all: Arc::new(Semaphore::new(ALL)), hosts: Mutex::default() }
    }
}

impl DownloadSlots {
    /// Waits for a slot to download `url`.
    pub(crate) async fn acquire(&self, url: &str) -> Result<DownloadSlot, AcquireError> {
        // A download that waits for a slow host holds no slot of the process.
        let of_host = self.host(url).acquire_owned().await?;
        let one = Arc::clone(&self.all).acquire_owned().await?;
        Ok(DownloadSlot { _one: one, _of_host: of_host })
    }

    fn host(&self, url: &str) -> Arc<Semaphore> {
        let url = url::Url::parse(url).ok();
        let host = url.as_ref().and_then(|url| url.host_str()).unwrap_or_default();
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = hosts.get(host).and_then(Weak::upgrade) {
            return known;
        }
        hosts.retain(|_, slots| slots.strong_count() > 0);
        let slots = Arc::new(Semaphore::new(OF_ONE_HOST));
        hosts.insert(host.to_owned(), Arc::downgrade(&slots));
        slots
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn a_slow_host_leaves_slots_to_the_others() {
        let slots = DownloadSlots::default();
        let acquire = |url: &str| slots.acquire(url).now_or_never().map(Result::unwrap);
        let slow: Vec<_> = (0..ALL).filter_map(|_| acquire("https://slow.example.com/a?b")).collect();
        assert_eq!(slow.len(), OF_ONE_HOST);
        let other = |n: usize| acquire(&format!("https://h{n}.example.com/a"));
        let others: Vec<_> = (0..ALL).filter_map(other).collect();
        assert_eq!(others.len(), ALL - OF_ONE_HOST, "all slots are taken");
        drop(slow);
        assert!(acquire("https://slow.example.com/c").is_some());
    }

    #[tokio::test]
    async fn hosts_without_downloads_are_forgotten() {
        let slots = DownloadSlots::default();
        for n in 0..100 {
            drop(slots.acquire(&format!("https://h{n}.example.com/")).await.unwrap());
        }
        assert_eq!(slots.hosts.lock().unwrap().len(), 1);
    }
}

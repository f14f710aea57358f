//! Whose turn it is to download: not too many at once, and never all of them from one host, so that a slow host
//! does not keep the files of the others waiting.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};

/// Downloads at the same time, over all jobs of a process.
const ALL: usize = 8;
/// Of these, from one host.
const OF_ONE_HOST: usize = 6;

/// First come, first served.
#[derive(Debug)]
pub(super) struct Turns {
    all: Arc<Semaphore>,
    hosts: Mutex<HashMap<String, Weak<Semaphore>>>,
}

/// A turn; it ends when this is dropped.
#[derive(Debug)]
pub(super) struct Turn {
    _one: OwnedSemaphorePermit,
    _of_host: OwnedSemaphorePermit,
}

impl Default for Turns {
    fn default() -> Self {
        Self { all: Arc::new(Semaphore::new(ALL)), hosts: Mutex::default() }
    }
}

impl Turns {
    /// Waits for a turn to download `url`.
    pub(super) async fn take(&self, url: &str) -> Result<Turn, AcquireError> {
        // Whoever waits for a slow host waits there, and takes nobody's turn meanwhile.
        let of_host = self.host(url).acquire_owned().await?;
        let one = Arc::clone(&self.all).acquire_owned().await?;
        Ok(Turn { _one: one, _of_host: of_host })
    }

    fn host(&self, url: &str) -> Arc<Semaphore> {
        let url = url::Url::parse(url).ok();
        let host = url.as_ref().and_then(|url| url.host_str()).unwrap_or_default();
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = hosts.get(host).and_then(Weak::upgrade) {
            return known;
        }
        hosts.retain(|_, turns| turns.strong_count() > 0);
        let turns = Arc::new(Semaphore::new(OF_ONE_HOST));
        hosts.insert(host.to_owned(), Arc::downgrade(&turns));
        turns
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn a_slow_host_leaves_turns_to_the_others() {
        let turns = Turns::default();
        let take = |url: &'static str| turns.take(url).now_or_never().map(Result::unwrap);
        let slow: Vec<_> = (0..ALL).filter_map(|_| take("https://slow.example.com/a?b")).collect();
        assert_eq!(slow.len(), OF_ONE_HOST);
        let (first, second) = (take("https://one.example.com/a"), take("https://two.example.com/a"));
        assert!(first.is_some() && second.is_some());
        assert!(take("https://three.example.com/a").is_none(), "all turns are taken");
        drop(slow);
        assert!(take("https://slow.example.com/c").is_some());
    }

    #[tokio::test]
    async fn hosts_that_nobody_downloads_from_are_forgotten() {
        let turns = Turns::default();
        for n in 0..100 {
            drop(turns.take(&format!("https://h{n}.example.com/")).await.unwrap());
        }
        assert_eq!(turns.hosts.lock().unwrap().len(), 1);
    }
}

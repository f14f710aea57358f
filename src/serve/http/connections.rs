//! Limits the number of connections, in total and for each caller.
//!
//! A connection belongs to a caller while it serves one of their requests, and each caller may have a quarter of all
//! connections. The other connections are new, idle, or from clients without a token. When there is no place left, the
//! oldest of these is closed for a new one. So neither one caller nor many clients without tokens can lock others out.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use crate::permits::{Exhausted, Permit, Permits};

/// The most connections at once.
const CONNECTIONS: usize = 1024;

/// The most connections that leave enough file handles for records, downloads and results.
fn most() -> usize {
    // On Windows, sockets do not use file handles.
    #[cfg(not(unix))]
    let places = CONNECTIONS;
    #[cfg(unix)]
    let places = places(files());
    places
}

/// The number of connections for a number of file handles. A connection needs one, and a second while it sends a file.
#[cfg(unix)]
fn places(files: u64) -> usize {
    let all = usize::try_from(files).unwrap_or(usize::MAX);
    (all.saturating_sub(128) / 2).clamp(16, CONNECTIONS)
}

/// The number of file handles of this process. Raises the soft limit first, which is low by default on many systems.
#[cfg(unix)]
fn files() -> u64 {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    const ENOUGH: u64 = 4096;
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let wanted = maximum.map_or(ENOUGH, |maximum| maximum.min(ENOUGH));
    if current.is_some_and(|current| current < wanted)
        && let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum })
    {
        tracing::debug!(%error, "the limit of open files was not raised");
    }
    getrlimit(Resource::Nofile).current.unwrap_or(ENOUGH)
}

/// All connections. A handle: cloning is cheap.
#[derive(Debug, Clone)]
pub struct Connections {
    places: Arc<Semaphore>,
    claims: Permits,
    unclaimed: Arc<Mutex<Unclaimed>>,
}

/// Connections that serve no caller, the longest unclaimed one first.
#[derive(Debug, Default)]
struct Unclaimed {
    next: u64,
    open: BTreeMap<u64, CancellationToken>,
}

/// A connection's place, passed on with each of its requests. A handle: cloning is cheap.
#[derive(Debug, Clone)]
pub struct Place(Arc<Held>);

#[derive(Debug)]
struct Held {
    of: Connections,
    peer: IpAddr,
    close: CancellationToken,
    /// The key in [`Unclaimed`], while the connection is unclaimed.
    number: Mutex<Option<u64>>,
    _place: OwnedSemaphorePermit,
}

/// A caller's right to a connection, for one request and its response.
#[derive(Debug)]
pub struct Claim {
    place: Place,
    _permit: Permit,
}

impl Default for Connections {
    fn default() -> Self {
        Self::new(most())
    }
}

impl Connections {
    fn new(most: usize) -> Self {
        Self {
            places: Arc::new(Semaphore::new(most)),
            // An eighth always remains for clients that are not identified yet.
            claims: Permits::new(most.saturating_sub(most / 8), (most / 4).max(1)),
            unclaimed: Arc::default(),
        }
    }

    fn unclaimed(&self) -> MutexGuard<'_, Unclaimed> {
        // The table is valid even if a thread panicked while it held the lock.
        self.unclaimed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a place for a new connection. If none is free, closes the longest unclaimed connection and waits.
    pub async fn place(&self, peer: IpAddr) -> Option<Place> {
        let place = if let Ok(place) = Arc::clone(&self.places).try_acquire_owned() {
            place
        } else {
            if let Some((_, oldest)) = self.unclaimed().open.pop_first() {
                oldest.cancel();
            }
            Arc::clone(&self.places).acquire_owned().await.ok()?
        };
        let (of, close) = (self.clone(), CancellationToken::new());
        let place = Place(Arc::new(Held { of, peer, close, number: Mutex::default(), _place: place }));
        place.release();
        Some(place)
    }
}

impl Place {
    /// The address at the other end.
    pub fn peer(&self) -> IpAddr {
        self.0.peer
    }

    fn number(&self) -> MutexGuard<'_, Option<u64>> {
        self.0.number.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Claims the connection for a request of this caller.
    pub fn claim(&self, caller: &str) -> Result<Claim, Exhausted> {
        let permit = self.0.of.claims.try_take(caller, 1)?;
        if let Some(number) = self.number().take() {
            self.0.of.unclaimed().open.remove(&number);
        }
        Ok(Claim { place: self.clone(), _permit: permit })
    }

    fn release(&self) {
        let mut unclaimed = self.0.of.unclaimed();
        unclaimed.next = unclaimed.next.wrapping_add(1);
        let number = unclaimed.next;
        unclaimed.open.insert(number, self.0.close.clone());
        drop(unclaimed);
        *self.number() = Some(number);
    }

    /// Completes when the connection must close for a new one.
    pub async fn given_up(&self) {
        self.0.close.cancelled().await;
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.place.release();
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let number = *self.number.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(number) = number {
            self.of.unclaimed().open.remove(&number);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    const PEER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    #[cfg(unix)]
    #[test]
    fn connections_leave_enough_file_handles_for_other_work() {
        assert_eq!(places(4096), CONNECTIONS);
        assert_eq!(places(1024), 448);
        assert_eq!(places(256), 64);
        assert_eq!(places(64), 16);
        assert_eq!(places(u64::MAX), CONNECTIONS);
    }

    #[tokio::test]
    async fn one_caller_may_have_a_quarter_of_all_connections_and_some_remain_for_unidentified_clients() {
        let all = Connections::new(16);
        let mut open = Vec::new();
        for _ in 0..16 {
            open.push(all.place(PEER).await.unwrap());
        }
        let mut claims: Vec<_> = (0..4).map(|at| open[at].claim("ada").unwrap()).collect();
        assert_eq!(open[4].claim("ada").unwrap_err(), Exhausted::Share);
        claims.extend((4..14).map(|at| open[at].claim(&format!("caller {at}")).unwrap()));
        assert_eq!(open[14].claim("bob").unwrap_err(), Exhausted::Total);
        claims.clear();
        assert!(open[14].claim("ada").is_ok());
    }

    #[tokio::test]
    async fn a_new_connection_replaces_the_one_that_has_been_unclaimed_longest() {
        let all = Connections::new(3);
        let mut open = Vec::new();
        for _ in 0..3 {
            open.push(all.place(PEER).await.unwrap());
        }
        let closed = |place: &Place| place.given_up().now_or_never().is_some();
        let claim = open[0].claim("ada").unwrap();
        assert!(all.place(PEER).now_or_never().is_none(), "it waits until the place is free");
        assert!(closed(&open[1]) && !closed(&open[0]) && !closed(&open[2]), "the first works for a caller");
        open.remove(1);
        open.push(all.place(PEER).now_or_never().flatten().unwrap());
        drop(claim);
        assert!(all.place(PEER).now_or_never().is_none());
        assert!(closed(&open[1]) && !closed(&open[0]), "the first was used not long ago");
    }
}

//! Limits on shared resources: so many units in total, and at most a part of them for one caller.
//!
//! Connections, memory and parsers all use this. A caller that has used up its share waits or is refused, and other
//! callers are not affected.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// With this many callers in the table, those that hold nothing are removed.
const MANY: usize = 1000;

/// A resource with a limit for all callers and a limit for each. A handle: cloning is cheap.
#[derive(Clone)]
pub struct Permits(Arc<Shared>);

struct Shared {
    all: Arc<Semaphore>,
    each: usize,
    callers: Mutex<HashMap<String, Arc<Semaphore>>>,
}

/// Units of a resource. Dropping the permit gives them back.
#[derive(Debug)]
pub struct Permit {
    own: OwnedSemaphorePermit,
    all: OwnedSemaphorePermit,
}

/// Why no permit was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exhausted {
    /// The caller has used up its share.
    Share,
    /// All units are in use.
    Total,
}

impl fmt::Display for Exhausted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Share => "this caller's share is used up",
            Self::Total => "everything is in use",
        })
    }
}

impl fmt::Debug for Permits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Permits({} free, {} each)", self.0.all.available_permits(), self.0.each)
    }
}

impl Permits {
    /// Creates `all` units, of which one caller may hold `each`.
    pub fn new(all: usize, each: usize) -> Self {
        let (all, each) = (all.min(Semaphore::MAX_PERMITS), each.min(all));
        Self(Arc::new(Shared { all: Arc::new(Semaphore::new(all)), each, callers: Mutex::default() }))
    }

    /// How many units one caller may hold.
    pub fn each(&self) -> usize {
        self.0.each
    }

    fn callers(&self) -> MutexGuard<'_, HashMap<String, Arc<Semaphore>>> {
        // A panic elsewhere does not make the table invalid.
        self.0.callers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn share_of(&self, caller: &str) -> Arc<Semaphore> {
        let mut callers = self.callers();
        if let Some(share) = callers.get(caller) {
            return Arc::clone(share);
        }
        if callers.len() >= MANY {
            // Each permit holds a handle to the semaphore, so a count of one means that the caller holds nothing.
            callers.retain(|_, share| Arc::strong_count(share) > 1);
        }
        let share = Arc::new(Semaphore::new(self.0.each));
        callers.insert(caller.to_owned(), Arc::clone(&share));
        share
    }

    /// Takes the units now, or fails without waiting.
    pub fn try_take(&self, caller: &str, units: usize) -> Result<Permit, Exhausted> {
        let units = u32::try_from(units).map_err(|_| Exhausted::Share)?;
        let own = self.share_of(caller).try_acquire_many_owned(units).map_err(|_| Exhausted::Share)?;
        let all = Arc::clone(&self.0.all).try_acquire_many_owned(units).map_err(|_| Exhausted::Total)?;
        Ok(Permit { own, all })
    }

    /// Takes the units in first-in, first-out order. Waits at most `patience`.
    pub async fn take(&self, caller: &str, units: usize, patience: Duration) -> Result<Permit, Exhausted> {
        if units > self.0.each {
            return Err(Exhausted::Share);
        }
        let units = u32::try_from(units).map_err(|_| Exhausted::Share)?;
        let (share, all) = (self.share_of(caller), Arc::clone(&self.0.all));
        let mut short = Exhausted::Share;
        let taking = async {
            let own = share.acquire_many_owned(units).await.ok()?;
            short = Exhausted::Total;
            let all = all.acquire_many_owned(units).await.ok()?;
            Some(Permit { own, all })
        };
        let taken = tokio::time::timeout(patience, taking).await;
        taken.ok().flatten().ok_or(short)
    }

    /// Takes up to `units`, as many as are free. For memory that is in use already and can only be counted.
    fn take_some(&self, caller: &str, units: usize) -> Option<Permit> {
        let free = self.share_of(caller).available_permits().min(self.0.all.available_permits());
        let some = units.min(free);
        (some > 0).then(|| self.try_take(caller, some).ok()).flatten()
    }
}

impl Permit {
    fn merge(&mut self, other: Self) {
        self.own.merge(other.own);
        self.all.merge(other.all);
    }
}

/// Memory of one request and its answer, counted for its caller until the last clone is dropped. Units are KiB.
#[derive(Clone)]
pub struct Reservation(Arc<Reserved>);

struct Reserved {
    memory: Permits,
    caller: String,
    held: Mutex<Option<Permit>>,
}

impl fmt::Debug for Reservation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reservation({} KiB)", self.held().as_ref().map_or(0, |held| held.own.num_permits()))
    }
}

impl Reservation {
    /// Creates a reservation that holds nothing yet.
    pub fn new(memory: Permits, caller: &str) -> Self {
        Self(Arc::new(Reserved { memory, caller: caller.to_owned(), held: Mutex::default() }))
    }

    fn held(&self) -> MutexGuard<'_, Option<Permit>> {
        self.0.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self, more: Permit) {
        match &mut *self.held() {
            Some(held) => held.merge(more),
            held @ None => *held = Some(more),
        }
    }

    /// Reserves `bytes` more. Waits at most `patience`.
    pub async fn grow(&self, bytes: usize, patience: Duration) -> Result<(), Exhausted> {
        let more = self.0.memory.take(&self.0.caller, bytes.div_ceil(1024), patience).await?;
        self.keep(more);
        Ok(())
    }

    /// Counts bytes that are in memory already. Bytes beyond the caller's share are not counted, but the caller's
    /// next request is refused.
    pub fn count(&self, bytes: usize) {
        if let Some(more) = self.0.memory.take_some(&self.0.caller, bytes.div_ceil(1024)) {
            self.keep(more);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOMENT: Duration = Duration::from_secs(1);

    #[test]
    fn one_caller_gets_its_share_and_all_together_get_everything() {
        let permits = Permits::new(10, 4);
        let first = permits.try_take("ada", 3).unwrap();
        assert_eq!(permits.try_take("ada", 2).unwrap_err(), Exhausted::Share);
        let _second = permits.try_take("ada", 1).unwrap();
        let _bob = permits.try_take("bob", 4).unwrap();
        assert_eq!(permits.try_take("eve", 3).unwrap_err(), Exhausted::Total);
        let _eve = permits.try_take("eve", 2).unwrap();
        drop(first);
        assert_eq!(permits.try_take("eve", 3).unwrap_err(), Exhausted::Share);
        assert!(permits.try_take("eve", 2).is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_caller_waits_for_its_own_share_for_a_limited_time() {
        let permits = Permits::new(10, 4);
        let held = permits.take("ada", 4, MOMENT).await.unwrap();
        assert_eq!(permits.take("ada", 1, MOMENT).await.unwrap_err(), Exhausted::Share);
        assert_eq!(permits.take("ada", 5, MOMENT).await.unwrap_err(), Exhausted::Share);
        assert!(permits.take("bob", 4, Duration::ZERO).await.is_ok());
        let later = async {
            tokio::time::sleep(MOMENT / 2).await;
            drop(held);
        };
        let (taken, ()) = tokio::join!(permits.take("ada", 4, MOMENT), later);
        assert!(taken.is_ok());
    }

    #[tokio::test]
    async fn a_reservation_grows_and_is_given_back_with_its_last_clone() {
        let memory = Permits::new(100, 10);
        let one = Reservation::new(memory.clone(), "ada");
        let other = one.clone();
        one.grow(4 * 1024, MOMENT).await.unwrap();
        other.count(100 * 1024);
        assert_eq!(memory.try_take("ada", 1).unwrap_err(), Exhausted::Share);
        assert!(memory.try_take("bob", 10).is_ok());
        drop(one);
        assert!(memory.try_take("ada", 1).is_err());
        drop(other);
        assert!(memory.try_take("ada", 10).is_ok());
    }

    #[test]
    fn callers_without_permits_are_forgotten() {
        let permits = Permits::new(10, 4);
        let _held = permits.try_take("ada", 1).unwrap();
        for count in 0..MANY {
            drop(permits.try_take(&count.to_string(), 1).unwrap());
        }
        assert!(permits.callers().len() <= 2, "{}", permits.callers().len());
        assert_eq!(permits.try_take("ada", 4).unwrap_err(), Exhausted::Share);
    }
}

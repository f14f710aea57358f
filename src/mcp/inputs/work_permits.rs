//! Permits for work on media that keeps a core or a blocking thread busy.
//!
//! A few bytes can cause a second of work: an image is decompressed, a text is scanned. All callers share the blocking
//! threads, and records and files need them too, so no work may wait on one. A caller has a few places for running and
//! waiting calls together, and more calls are refused at once. Calls wait in tasks, before they take a thread, and each
//! caller has its own queue, so that one caller's calls do not delay another's.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::mcp::caller::Caller;
use crate::mcp::error::ToolError;

/// How many calls may do one kind of work at a time.
#[derive(Debug, Clone, Copy)]
struct Bounds {
    /// Running calls of all callers.
    all: usize,
    /// Running calls of one caller.
    each: usize,
    /// Running and waiting calls of one caller.
    places: usize,
}

/// Images that are decoded: each may take 256 MiB and a second of a core, whatever its size in bytes.
const PICTURES: Bounds = Bounds { all: 1, each: 1, places: 4 };

/// Inputs that are read, measured, scanned or encoded: the work is proportional to their length.
const INPUTS: Bounds = Bounds { all: 8, each: 2, places: 64 };

/// Links that are fetched here. Each holds a writing thread for the whole download.
const LINKS: Bounds = Bounds { all: 64, each: 8, places: 32 };

/// The permits of a server, by kind of work.
#[derive(Debug)]
pub(crate) struct WorkPermits {
    pictures: Permits,
    inputs: Permits,
    links: Permits,
}

impl Default for WorkPermits {
    fn default() -> Self {
        let [pictures, inputs, links] = [PICTURES, INPUTS, LINKS].map(Permits::new);
        Self { pictures, inputs, links }
    }
}

#[derive(Debug)]
struct Permits {
    bounds: Bounds,
    all: Arc<Semaphore>,
    /// By caller. Unused queues are dropped. The lock is held only to look up a queue.
    callers: Mutex<HashMap<String, Weak<Queue>>>,
}

#[derive(Debug)]
struct Queue {
    places: Arc<Semaphore>,
    running: Arc<Semaphore>,
}

/// All places of a caller are taken.
#[derive(Debug, PartialEq, Eq)]
struct Full;

/// A place among a caller's calls. Dropping it frees the place.
#[derive(Debug)]
pub(crate) struct Place {
    queue: Arc<Queue>,
    all: Arc<Semaphore>,
    _taken: OwnedSemaphorePermit,
}

/// The permit to work. It moves into the closure of the blocking thread, which may outlive a cancelled call.
#[derive(Debug)]
pub(crate) struct WorkPermit {
    _all: Option<OwnedSemaphorePermit>,
    _running: Option<OwnedSemaphorePermit>,
    _place: Place,
}

impl Permits {
    fn new(bounds: Bounds) -> Self {
        Self { bounds, all: Arc::new(Semaphore::new(bounds.all)), callers: Mutex::default() }
    }

    /// A place for a call of `caller`, without waiting.
    fn enter(&self, caller: &str) -> Result<Place, Full> {
        let queue = self.queue(caller);
        let place = Arc::clone(&queue.places).try_acquire_owned().map_err(|_| Full)?;
        Ok(Place { queue, all: Arc::clone(&self.all), _taken: place })
    }

    fn queue(&self, caller: &str) -> Arc<Queue> {
        // The queues stay usable after a panic elsewhere.
        let mut callers = self.callers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(queue) = callers.get(caller).and_then(Weak::upgrade) {
            return queue;
        }
        callers.retain(|_, queue| queue.strong_count() > 0);
        let [places, running] =
            [self.bounds.places, self.bounds.each].map(|count| Arc::new(Semaphore::new(count)));
        let queue = Arc::new(Queue { places, running });
        callers.insert(caller.to_owned(), Arc::downgrade(&queue));
        queue
    }
}

impl Place {
    /// Waits for the permit, first behind the caller's own calls, so that each caller has few calls in the common
    /// queue.
    pub(crate) async fn permit(self) -> WorkPermit {
        // The semaphores are never closed; without a permit the work would still be bounded by the places.
        let running = Arc::clone(&self.queue.running).acquire_owned().await.ok();
        let all = Arc::clone(&self.all).acquire_owned().await.ok();
        WorkPermit { _all: all, _running: running, _place: self }
    }
}

/// The work of one caller.
#[derive(Debug, Clone)]
pub(crate) struct CallerWork {
    permits: Arc<WorkPermits>,
    caller: Arc<Caller>,
}

impl CallerWork {
    pub(crate) fn new(permits: Arc<WorkPermits>, caller: Arc<Caller>) -> Self {
        Self { permits, caller }
    }

    /// A place among this caller's pictures. Take it before reading anything for a picture.
    pub(crate) fn picture_place(&self) -> Result<Place, ToolError> {
        self.place(&self.permits.pictures)
    }

    /// The permit to read, measure, search or encode an input.
    pub(crate) async fn input_permit(&self) -> Result<WorkPermit, ToolError> {
        Ok(self.place(&self.permits.inputs)?.permit().await)
    }

    /// The permit to fetch a link.
    pub(crate) async fn link_permit(&self) -> Result<WorkPermit, ToolError> {
        Ok(self.place(&self.permits.links)?.permit().await)
    }

    fn place(&self, permits: &Permits) -> Result<Place, ToolError> {
        permits
            .enter(self.caller.limited_as())
            .map_err(|Full| ToolError::Busy { places: permits.bounds.places })
    }

    /// Works on an input on a blocking thread, once there is a permit.
    pub(crate) async fn on_input<T: Send + 'static>(
        &self,
        field: &str,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, ToolError> {
        let permit = self.input_permit().await?;
        run(permit, work).await.ok_or_else(|| ToolError::argument(field, "could not be read"))
    }
}

/// Runs `work` on a blocking thread and keeps the permit until it ends; `None` if it panicked or was stopped.
pub(crate) async fn run<T: Send + 'static>(
    permit: WorkPermit,
    work: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    let working = tokio::task::spawn_blocking(move || {
        let done = work();
        drop(permit);
        done
    });
    working.await.ok()
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    const FEW: Bounds = Bounds { all: 2, each: 1, places: 3 };

    #[tokio::test]
    async fn a_caller_has_few_slots_and_cannot_use_those_of_others() {
        let permits = Permits::new(FEW);
        let mut ada: Vec<_> = (0..3).map(|_| permits.enter("ada").unwrap()).collect();
        assert_eq!(permits.enter("ada").err(), Some(Full));
        let first = ada.remove(0).permit().now_or_never().expect("it is the first");
        let second = ada.remove(0);
        let mut waiting = Box::pin(second.permit());
        assert!((&mut waiting).now_or_never().is_none(), "one at a time");
        let bob = permits.enter("bob").unwrap().permit().now_or_never();
        assert!(bob.is_some(), "who waits behind a call of their own does not stand before others");
        drop(bob);
        drop(first);
        assert!(waiting.now_or_never().is_some(), "the next one's turn");
        assert!(permits.enter("ada").is_ok(), "places come free with their calls");
    }

    #[tokio::test]
    async fn all_callers_together_run_at_most_the_overall_limit() {
        let permits = Permits::new(FEW);
        let names: Vec<_> = (0..5).map(|number| number.to_string()).collect();
        let mut held: Vec<_> =
            names.iter().filter_map(|name| permits.enter(name).unwrap().permit().now_or_never()).collect();
        assert_eq!(held.len(), FEW.all);
        held.clear();
        assert!(permits.enter("late").unwrap().permit().now_or_never().is_some());
        assert_eq!(permits.callers.lock().unwrap().len(), 1, "callers without calls are forgotten");
    }

    #[tokio::test]
    async fn a_permit_is_held_until_the_work_has_ended_even_if_its_caller_has_left() {
        let permits = Permits::new(FEW);
        let (end, ended) = std::sync::mpsc::channel::<()>();
        let permit = permits.enter("ada").unwrap().permit().await;
        let mut work = Box::pin(run(permit, move || ended.recv().is_ok()));
        assert!((&mut work).now_or_never().is_none());
        drop(work);
        let mut next = Box::pin(permits.enter("ada").unwrap().permit());
        assert!((&mut next).now_or_never().is_none(), "the thread still works");
        end.send(()).unwrap();
        next.await;
    }
}

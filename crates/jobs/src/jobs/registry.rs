//! The jobs that this process works on, in memory.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, watch};

use crate::store::Job;

/// A job as it changes. Each state is on disk before it is sent here, except after a failed poll.
pub type Watch = watch::Receiver<Arc<Job>>;

/// An entry of the registry.
#[derive(Debug)]
struct ActiveJob {
    job: Watch,
    wake: Arc<Notify>,
}

/// The worker's side of an entry.
#[derive(Debug)]
pub(super) struct Registration {
    pub(super) sender: watch::Sender<Arc<Job>>,
    /// Wakes the worker when the record was changed from elsewhere.
    pub(super) wake: Arc<Notify>,
}

/// All active jobs. A job has one worker, which serves all calls that wait for it.
#[derive(Debug, Default)]
pub(super) struct Registry {
    // A std mutex: it is never held across an await.
    active: Mutex<HashMap<String, ActiveJob>>,
}

impl Registry {
    fn active(&self) -> MutexGuard<'_, HashMap<String, ActiveJob>> {
        // The table stays usable after a panic elsewhere.
        self.active.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a new job.
    pub(super) fn register(&self, job: &Job) -> Registration {
        register(&mut self.active(), job)
    }

    /// Adds a job. The error is the channel of the job that is already there.
    pub(super) fn register_once(&self, job: &Job) -> Result<Registration, Watch> {
        let mut active = self.active();
        match active.get(&job.id) {
            Some(known) => Err(known.job.clone()),
            None => Ok(register(&mut active, job)),
        }
    }

    /// The channel of an active job.
    pub(super) fn find(&self, id: &str) -> Option<Watch> {
        self.active().get(id).map(|active| active.job.clone())
    }

    pub(super) fn remove(&self, id: &str) {
        self.active().remove(id);
    }

    /// Removes a job if `may_leave`. The table stays locked meanwhile, so no call subscribes to a channel that is about
    /// to close.
    pub(super) fn remove_if(&self, id: &str, may_leave: impl FnOnce() -> bool) -> bool {
        let mut active = self.active();
        let leaves = may_leave();
        if leaves {
            active.remove(id);
        }
        leaves
    }

    /// Removes the entry of this worker, but not the entry of a later one.
    pub(super) fn remove_own(&self, id: &str, wake: &Arc<Notify>) {
        let mut active = self.active();
        if active.get(id).is_some_and(|active| Arc::ptr_eq(&active.wake, wake)) {
            active.remove(id);
        }
    }

    /// Tells the worker that the record was changed, or that it should poll now.
    pub(super) fn wake(&self, id: &str) {
        if let Some(active) = self.active().get(id) {
            active.wake.notify_one();
        }
    }

    pub(super) fn ids(&self) -> Vec<String> {
        self.active().keys().cloned().collect()
    }

    pub(super) fn len(&self) -> usize {
        self.active().len()
    }
}

fn register(active: &mut HashMap<String, ActiveJob>, job: &Job) -> Registration {
    let (sender, receiver) = watch::channel(Arc::new(job.clone()));
    let wake = Arc::new(Notify::new());
    active.insert(job.id.clone(), ActiveJob { job: receiver, wake: Arc::clone(&wake) });
    Registration { sender, wake }
}

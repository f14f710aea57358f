//! The queues of one account. In a queue, a request holds a ticket, and when it is sent, a permit and a slot.
//!
//! One mutex guards all queues and is never held across an await.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep_until};

use super::held_permits::HeldPermit;
use super::queue::{Ending, Queue, QueuePosition, RateLimits, Waiter};
use crate::facts::facts;

/// The most paid requests in flight at once, over all groups.
pub(super) const OVERALL: usize = 48;

/// The queues of one account.
pub struct RateLimiter {
    pub(super) limits: RateLimits,
    queues: Mutex<Queues>,
    pub(super) asking: Arc<Notify>,
    /// Counts the answers of the shared store.
    pub(super) answered: watch::Sender<u64>,
}

impl fmt::Debug for RateLimiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RateLimiter").field("limits", &self.limits).finish_non_exhaustive()
    }
}

#[derive(Default)]
pub(super) struct Queues {
    /// The next ticket's number: one count for all queues.
    number: u64,
    /// Paid requests in flight.
    pub(super) buying: usize,
    /// How many servers share the limits, by the store's last answer.
    pub(super) servers: usize,
    pub(super) by_group: BTreeMap<&'static str, Queue>,
}

enum Attempt {
    Go(Permit),
    At(Instant),
    Behind,
}

/// The result of one wait in the queue.
pub enum Step {
    /// The request may be sent.
    Permit(Permit),
    /// The queue has moved, so the position may have changed.
    Moved,
}

/// A place in a queue.
pub struct Ticket {
    limiter: Arc<RateLimiter>,
    waiter: Arc<Waiter>,
}

/// A read-only view of a ticket's position, for progress notes.
#[derive(Clone)]
pub struct QueueView {
    limiter: Arc<RateLimiter>,
    waiter: Arc<Waiter>,
}

impl fmt::Debug for QueueView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QueueView").field("group", &self.waiter.group).finish_non_exhaustive()
    }
}

/// The right to send one request now.
pub struct Permit {
    slot: Option<Slot>,
    /// When the request is sent, or was sent.
    at: Instant,
    sent: bool,
    /// The store's permit for the request, if servers share the limit.
    held: Option<HeldPermit>,
}

/// One of the requests or tasks that may be in flight at once. Dropping it frees the slot.
pub struct Slot {
    limiter: Arc<RateLimiter>,
    group: &'static str,
}

impl RateLimiter {
    /// A limiter with empty queues.
    pub fn new(limits: RateLimits) -> Arc<Self> {
        Arc::new(Self {
            limits,
            queues: Mutex::default(),
            asking: Arc::default(),
            answered: watch::Sender::new(0),
        })
    }

    /// Joins a group's queue. The position counts from this call, not from the first await.
    pub fn join(self: &Arc<Self>, group: &'static str) -> Ticket {
        let mut queues = self.queues();
        queues.number += 1;
        let waiter = Arc::new(Waiter { group, number: queues.number, wake: Notify::new() });
        queues.queue(group, self.limits).waiting.insert(waiter.number, Arc::clone(&waiter));
        drop(queues);
        Ticket { limiter: Arc::clone(self), waiter }
    }

    /// Takes a slot for a task that is already running, if the group counts tasks.
    pub fn occupy(self: &Arc<Self>, group: &'static str) -> Option<Slot> {
        let mut queues = self.queues();
        let queue = queues.queue(group, self.limits);
        queue.tasks.then(|| {
            queue.in_flight += 1;
            Slot { limiter: Arc::clone(self), group }
        })
    }

    /// Every queue that was used: its group, waiting requests, requests in flight.
    pub fn queue_lengths(&self) -> Vec<(&'static str, usize, usize)> {
        let queues = self.queues();
        queues.by_group.iter().map(|(group, queue)| (*group, queue.waiting.len(), queue.in_flight)).collect()
    }

    /// Waiting requests and requests in flight over all queues. Tests check that nothing is left behind.
    pub fn counts(&self) -> (usize, usize) {
        let queues = self.queues();
        let sum = |count: fn(&Queue) -> usize| queues.by_group.values().map(count).sum();
        (sum(|queue| queue.waiting.len()), sum(|queue| queue.in_flight))
    }

    pub(super) fn queues(&self) -> MutexGuard<'_, Queues> {
        // The counts stay valid if another thread panicked while it held the lock.
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn attempt(self: &Arc<Self>, waiter: &Arc<Waiter>) -> Attempt {
        let now = Instant::now();
        let mut queues = self.queues();
        let crowded = queues.buying >= OVERALL;
        let queue = queues.queue(waiter.group, self.limits);
        // A throttled request returns to its old position.
        queue.waiting.entry(waiter.number).or_insert_with(|| Arc::clone(waiter));
        let first = queue.waiting.first_key_value().is_some_and(|(number, _)| *number == waiter.number);
        if !first || queue.in_flight >= queue.most() || (crowded && !queue.free) {
            return Attempt::Behind;
        }
        let at = queue.limiter.ready_at(now);
        if at > now {
            return Attempt::At(at);
        }
        let held = match queue.held_permits.as_mut().map(|held| held.take(now)) {
            Some(None) => {
                self.asking.notify_one();
                return Attempt::Behind;
            }
            held => held.flatten(),
        };
        queue.waiting.remove(&waiter.number);
        queue.limiter.record_send(now);
        queue.in_flight += 1;
        queue.wake();
        if !queue.free {
            queues.buying += 1;
        }
        let slot = Slot { limiter: Arc::clone(self), group: waiter.group };
        Attempt::Go(Permit { slot: Some(slot), at: now, sent: false, held })
    }
}

impl Drop for RateLimiter {
    fn drop(&mut self) {
        let queues = self.queues.get_mut().unwrap_or_else(PoisonError::into_inner);
        queues.by_group.clear();
        self.asking.notify_one();
    }
}

impl Queues {
    pub(super) fn queue(&mut self, group: &'static str, limits: RateLimits) -> &mut Queue {
        self.by_group.entry(group).or_insert_with(|| Queue::of(facts().limit(group), limits))
    }

    /// A paid request has ended, so the first of each queue may go.
    fn wake_each_queue(&self) {
        for queue in self.by_group.values() {
            queue.wake_first(1);
        }
    }
}

impl Ticket {
    /// The permit, if it is free right now.
    pub fn try_acquire(&mut self) -> Option<Permit> {
        match self.limiter.attempt(&self.waiter) {
            Attempt::Go(permit) => Some(permit),
            Attempt::At(_) | Attempt::Behind => None,
        }
    }

    /// Waits for the permit or for a move of the queue.
    pub async fn step(&mut self) -> Step {
        loop {
            match self.limiter.attempt(&self.waiter) {
                Attempt::Go(permit) => return Step::Permit(permit),
                Attempt::Behind => {
                    self.waiter.wake.notified().await;
                    // The wake may be older than the last attempt, so try again before reporting a move.
                    return match self.limiter.attempt(&self.waiter) {
                        Attempt::Go(permit) => Step::Permit(permit),
                        _ => Step::Moved,
                    };
                }
                Attempt::At(at) => {
                    tokio::select! {
                        () = sleep_until(at) => {}
                        () = self.waiter.wake.notified() => return Step::Moved,
                    }
                }
            }
        }
    }

    /// Waits for the permit.
    pub async fn acquire(&mut self) -> Permit {
        loop {
            if let Step::Permit(permit) = self.step().await {
                return permit;
            }
        }
    }

    /// A view of this ticket for progress notes.
    pub fn view(&self) -> QueueView {
        QueueView { limiter: Arc::clone(&self.limiter), waiter: Arc::clone(&self.waiter) }
    }

    /// The position in the queue; `None` while the request is in flight.
    pub fn position(&self) -> Option<QueuePosition> {
        self.view().position()
    }

    /// The expected wait, even for a throttled request that has not rejoined its queue yet.
    pub(crate) fn forecast(&self) -> Option<Duration> {
        let now = Instant::now();
        let mut queues = self.limiter.queues();
        let queue = queues.queue(self.waiter.group, self.limiter.limits);
        let place = queue.waiting.range(..self.waiter.number).count() + 1;
        queue.forecast(place, now)
    }

    /// The group of its queue.
    pub(crate) fn group(&self) -> &'static str {
        self.waiter.group
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut queues = self.limiter.queues();
        let queue = queues.queue(self.waiter.group, self.limiter.limits);
        if queue.waiting.remove(&self.waiter.number).is_some() {
            queue.wake();
        }
    }
}

impl QueueView {
    /// The group of the queue.
    pub(crate) fn group(&self) -> &'static str {
        self.waiter.group
    }

    /// The position in the queue; `None` once the request no longer waits.
    pub fn position(&self) -> Option<QueuePosition> {
        let queues = self.limiter.queues();
        queues.by_group.get(self.waiter.group)?.position(self.waiter.number, Instant::now())
    }
}

impl Permit {
    /// Marks the request as sent now. A permit that is dropped before this does not count against the limit.
    pub fn start(&mut self) {
        let Some(slot) = &self.slot else { return };
        let now = Instant::now();
        let mut queues = slot.limiter.queues();
        let queue = queues.queue(slot.group, slot.limiter.limits);
        queue.limiter.correct_send(self.at, now);
        if let (Some(all), Some(held)) = (&mut queue.held_permits, self.held.take()) {
            all.spend(held, now);
        }
        (self.at, self.sent) = (now, true);
    }

    /// Reports how the request ended. Returns its slot, which a task keeps until the task ends.
    pub fn on_response(mut self, ending: impl Into<Ending>) -> Option<Slot> {
        if let Some(slot) = &self.slot {
            let mut queues = slot.limiter.queues();
            let queue = queues.queue(slot.group, slot.limiter.limits);
            queue.on_response(self.at, ending.into());
            queue.wake();
            drop(queues);
            slot.limiter.asking.notify_one();
        }
        self.slot.take().inspect(Slot::answered)
    }
}

impl Slot {
    /// Records that the request is no longer in flight.
    fn answered(&self) {
        let mut queues = self.limiter.queues();
        if !queues.queue(self.group, self.limiter.limits).free {
            queues.buying = queues.buying.saturating_sub(1);
            queues.wake_each_queue();
        }
    }

    /// Keeps the slot only if the group counts tasks.
    pub fn while_task(self) -> Option<Self> {
        let tasks = self.limiter.queues().queue(self.group, self.limiter.limits).tasks;
        tasks.then_some(self)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let Some(slot) = self.slot.take() else { return };
        if !self.sent {
            let mut queues = slot.limiter.queues();
            let queue = queues.queue(slot.group, slot.limiter.limits);
            queue.limiter.cancel_send(self.at);
            if let (Some(all), Some(held)) = (&mut queue.held_permits, self.held.take()) {
                all.put_back(held);
            }
        }
        slot.answered();
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut queues = self.limiter.queues();
        let queue = queues.queue(self.group, self.limiter.limits);
        queue.in_flight = queue.in_flight.saturating_sub(1);
        queue.wake();
    }
}

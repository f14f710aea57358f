//! Properties of a record that two processes write in any order. Either process may die at any moment, or find the
//! database locked.

use std::sync::LazyLock;

use proptest::prelude::*;
use sqlx::Row as _;

use super::budget::{Limits, Purchase};
use super::database::Store;
use super::jobs::Inserted;
use super::spool::{Entry, Update};
use crate::api::Blame;
use crate::money::{Currency, Money};
use crate::record::{Failure, Route, Seen, State, Task};
use crate::record::{Job, Kind};

/// One step of one process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    /// It finds the job and starts to work on it.
    Claim,
    /// It takes the next step of the job that it works on.
    Go,
    /// As above, but the database is locked.
    GoUnwritten,
    /// A caller cancels the job.
    Cancel,
    /// A caller asks for the job again.
    Again,
    /// The spooled updates are retried, or the next process reads them.
    Join,
    /// It dies.
    Die,
    /// Its leases run out.
    Sleep,
}

use Action::{Again, Cancel, Claim, Die, Go, GoUnwritten, Join, Sleep};

fn actions() -> impl Strategy<Value = Vec<(usize, Action, u8)>> {
    let action = prop::sample::select(vec![
        Claim,
        Claim,
        Go,
        Go,
        Go,
        Go,
        GoUnwritten,
        GoUnwritten,
        Cancel,
        Again,
        Join,
        Die,
        Sleep,
    ]);
    prop::collection::vec((0..2_usize, action, any::<u8>()), 1..20)
}

/// A process, as far as this job is concerned.
#[derive(Default)]
struct Process {
    /// The job as this process knows it, if it works on it.
    job: Option<Job>,
    /// The request, which lives in the memory of the process that takes the order.
    has_request: bool,
}

struct World {
    id: String,
    processes: [Process; 2],
    /// The spool file of each process, which outlives the process.
    note: [Option<Entry>; 2],
    /// How many requests were sent to MiniMax and not provably refused.
    taken: u32,
    time: i64,
}

fn task() -> Task {
    Task { route: Route::VideoV1, id: "t-1".into() }
}

fn failure() -> Failure {
    Failure { message: "no".into(), blame: Blame::Caller, advice: "x".into(), code: None, trace_id: None }
}

fn order(id: &str, state: &State) -> Job {
    let cost = serde_json::json!({ "currency": "USD", "estimated": 1.0 });
    let blank = serde_json::json!({
        "id": id, "principal": id, "kind": Kind::Video, "tool": "generate_video", "model": "m", "account": "a",
        "prompt": "p", "request": null, "digest": "d", "state": state, "cost": cost, "created_at": 1, "updated_at": 1,
    });
    serde_json::from_value(blank).unwrap()
}

/// What a process that works on the job sees next, and whether that is an answer to a submit.
fn next(state: &State, has_request: bool, chance: u8) -> (Seen, bool) {
    match state {
        State::Submitting { .. } if !has_request => (Seen::Orphaned, false),
        State::Submitting { sent: false, .. } => (Seen::Leaving, false),
        State::Submitting { sent: true, .. } => match chance % 6 {
            0 | 1 => (Seen::Accepted(task()), true),
            2 => (Seen::Made, true),
            3 => (Seen::Held("rate".into()), false),
            4 => (Seen::Failed(failure()), false),
            _ => (Seen::Lost("reset".into()), false),
        },
        State::Running { .. } => match chance % 6 {
            0 | 1 => (Seen::Made, false),
            2 => (Seen::Pending("Processing".into()), false),
            3 => (Seen::Cancelled { at_minimax: true }, false),
            4 => (Seen::Failed(failure()), false),
            _ => (Seen::Lost("gone".into()), false),
        },
        _ => (Seen::Fetched { partial: false }, false),
    }
}

impl World {
    async fn begin(store: &Store, sent: bool) -> Self {
        let id = super::id::random_id("video");
        let state = if sent { State::NEW.after(Seen::Leaving) } else { State::NEW };
        let job = order(&id, &state);
        let purchase = Purchase {
            tool: "generate_video",
            principal: id.clone(),
            budget_day: None,
            model: "m".into(),
            currency: Currency::Usd,
            estimate: Some(Money::from_millionths(1_000_000, Currency::Usd)),
            consent: None,
        };
        let inserted = store.insert(&job, Some((&purchase, &Limits::default()))).await.unwrap();
        assert!(matches!(inserted, Inserted::New));
        let first = Process { job: Some(job), has_request: true };
        Self { id, processes: [first, Process::default()], note: [None, None], taken: 0, time: 1 }
    }

    async fn row(&self, store: &Store) -> Job {
        store.get(&self.id, &self.id).await.unwrap().unwrap()
    }

    /// One step, as `Worker` takes it.
    async fn go(&mut self, stores: &[Store; 2], who: usize, chance: u8, locked: bool) {
        let Process { job: Some(job), has_request } = &mut self.processes[who] else { return };
        let before = job.state.clone();
        let (seen, is_answer) = next(&before, *has_request, chance);
        let leaves = seen == Seen::Leaving;
        // The request is sent between a record that says so and its answer.
        if matches!(before, State::Submitting { sent: true, .. }) && *has_request {
            let refused = matches!(seen, Seen::Held(_) | Seen::Failed(_));
            self.taken += u32::from(!refused);
            *has_request = refused && matches!(seen, Seen::Held(_));
        }
        self.time += 1;
        job.state = before.clone().after(seen);
        job.updated_at = self.time;
        if locked && !leaves {
            self.note[who] = Some(Entry { when: self.time, what: Update::of(job) });
            return;
        }
        if locked {
            self.processes[who] = Process::default();
            return;
        }
        if let (true, Some(note)) = (leaves, &self.note[who]) {
            stores[who].join(note).await.unwrap();
        }
        let ours = match (leaves, is_answer) {
            (true, _) => stores[who].replace(job, &before).await.unwrap(),
            (_, true) => stores[who].save_answer(job).await.unwrap(),
            _ => stores[who].save_progress(job).await.unwrap(),
        };
        if ours {
            // The file may be read once more before it is removed.
            if chance < 128 {
                self.note[who] = None;
            }
        } else {
            self.processes[who] = Process::default();
        }
    }

    async fn elsewhere(&mut self, store: &Store, seen: Seen) {
        let mut job = self.row(store).await;
        let before = job.state.clone();
        self.time += 1;
        (job.state, job.updated_at) = (before.clone().after(seen), self.time);
        if job.state != before {
            assert!(store.replace(&job, &before).await.unwrap());
        }
    }

    async fn does(&mut self, stores: &[Store; 2], who: usize, action: Action, chance: u8) {
        let store = &stores[who];
        match action {
            Claim if self.processes[who].job.is_none() => {
                self.processes[who].job = store.claim(&self.id).await.unwrap();
            }
            Go | GoUnwritten => {
                if self.processes[who].job.as_ref().is_some_and(|job| job.state.is_over()) {
                    self.processes[who] = Process::default();
                }
                self.go(stores, who, chance, action == GoUnwritten).await;
            }
            Cancel => self.elsewhere(store, Seen::Cancelled { at_minimax: false }).await,
            Again => self.elsewhere(store, Seen::Again).await,
            Join => {
                for note in self.note.iter().flatten() {
                    assert!(store.join(note).await.unwrap(), "the record is there");
                }
            }
            Die => {
                let Process { job, has_request } = std::mem::take(&mut self.processes[who]);
                let is_out = job.is_some_and(|job| matches!(job.state, State::Submitting { sent: true, .. }));
                // It is unknown whether the request had arrived by then.
                self.taken += u32::from(is_out && has_request && chance.is_multiple_of(2));
            }
            Sleep => {
                let run_out = sqlx::query("UPDATE jobs SET lease_until = 0 WHERE id = ?1").bind(&self.id);
                run_out.execute(store.sqlite()).await.unwrap();
            }
            Claim => {}
        }
    }

    async fn judge(&self, store: &Store, before: &State) -> Result<(), TestCaseError> {
        let job = self.row(store).await;
        let after = &job.state;
        prop_assert!(self.taken <= 1, "it was submitted twice");
        let submits = |state: &State| matches!(state, State::Submitting { .. });
        prop_assert!(submits(before) || !submits(after), "{before:?} led back to {after:?}");
        prop_assert!(before.task().is_none() || before.task() == after.task(), "{before:?} forgot its task");
        let kept = match before {
            State::Done { .. } | State::Fetching { .. } => {
                matches!(after, State::Done { .. } | State::Fetching { .. })
            }
            State::Failed { task: Some(_), .. } | State::Cancelled { at_minimax: true, .. } => {
                after == before
            }
            State::Failed { .. } => after == before || self.taken == 1,
            _ => true,
        };
        prop_assert!(kept, "{before:?} became {after:?}");
        prop_assert!(
            !job.is_free() || self.taken == 0 || job.state.task().is_some(),
            "billed, and said to be free: {after:?}"
        );
        let ledger = sqlx::query("SELECT state FROM spending WHERE id = ?1").bind(&self.id);
        let word: String = ledger.fetch_one(store.sqlite()).await.unwrap().try_get(0).unwrap();
        let right = match after {
            _ if job.is_free() => "released",
            State::Submitting { .. } | State::Running { .. } => "reserved",
            State::Unknown { .. } => "unknown",
            _ => "settled",
        };
        prop_assert_eq!(word, right, "{:?}", after);
        Ok(())
    }
}

#[test]
fn a_spooled_wait_is_ignored_after_the_request_was_sent() {
    let held = State::NEW.after(Seen::Held("rate".into()));
    let mut known = order("video-1", &held);
    known.updated_at = 5;
    let note = Entry { when: 5, what: Update::of(&known) };
    for (written, is_believed) in [(4, true), (5, false), (6, false)] {
        let mut job = order("video-1", &State::NEW.after(Seen::Leaving));
        job.updated_at = written;
        assert_eq!((note.amend(&mut job), job.state == held), (is_believed, is_believed), "{written}");
    }
}

/// Two processes on one folder, for all cases.
struct Place {
    runtime: tokio::runtime::Runtime,
    stores: [Store; 2],
    _folder: tempfile::TempDir,
}

static PLACE: LazyLock<Place> = LazyLock::new(|| {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let open = |name: &str| runtime.block_on(Store::open(folder.path(), name.to_owned())).unwrap();
    let stores = [open("one"), open("two")];
    Place { runtime, stores, _folder: folder }
});

#[test]
fn a_task_that_was_joined_after_the_claim_is_not_overwritten() {
    let Place { runtime, stores, .. } = &*PLACE;
    runtime.block_on(async {
        let mut world = World::begin(&stores[0], true).await;
        for (action, chance) in
            [(GoUnwritten, 30), (Die, 0), (Claim, 0), (Join, 0), (Go, 0), (Claim, 0), (Go, 0)]
        {
            let before = world.row(&stores[0]).await.state;
            world.does(stores, 0, action, chance).await;
            world.judge(&stores[0], &before).await.unwrap();
        }
        let job = world.row(&stores[0]).await;
        assert!(matches!(job.state, State::Fetching { .. }), "{:?}", job.state);
    });
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(30) })]

    #[test]
    fn two_processes_that_die_at_any_moment_submit_once_and_undo_no_end(sent in any::<bool>(), actions in actions()) {
        let Place { runtime, stores, .. } = &*PLACE;
        runtime.block_on(async {
            let mut world = World::begin(&stores[0], sent).await;
            for (who, action, chance) in actions {
                let before = world.row(&stores[0]).await.state;
                world.does(stores, who, action, chance).await;
                world.judge(&stores[0], &before).await?;
            }
            // Whichever process died, the spool files are written into the database.
            let named = world.note.iter().flatten().any(|note| matches!(&note.what, Update::Job { task_id: Some(_), .. }));
            let before = world.row(&stores[0]).await.state;
            world.does(stores, 1, Join, 0).await;
            world.judge(&stores[0], &before).await?;
            let job = world.row(&stores[0]).await;
            prop_assert!(!named || job.state.task().is_some(), "a task that was paid for is lost: {:?}", job.state);
            Ok(())
        })?;
    }
}

//! What holds for a job after any events in any order.

use proptest::prelude::*;

use super::state::{Failure, Route, STATUSES, Seen, State, Task};
use crate::api::Blame;

fn task() -> Task {
    Task { route: Route::VideoV2, id: "t-1".into() }
}

fn failure() -> Failure {
    Failure { message: "no".into(), blame: Blame::Caller, advice: "x".into(), code: None, trace_id: None }
}

fn word() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["", "x", "Queueing"]).prop_map(str::to_owned)
}

fn seen() -> impl Strategy<Value = Seen> {
    prop_oneof![
        3 => Just(Seen::Leaving),
        2 => word().prop_map(Seen::Held),
        2 => Just(Seen::Accepted(task())),
        1 => word().prop_map(Seen::Pending),
        1 => word().prop_map(|why| Seen::PollFailed { why, advice: None }),
        2 => Just(Seen::Made),
        2 => any::<bool>().prop_map(|partial| Seen::Fetched { partial }),
        1 => Just(Seen::Again),
        1 => Just(Seen::Failed(failure())),
        1 => any::<bool>().prop_map(|at_minimax| Seen::Cancelled { at_minimax }),
        1 => word().prop_map(Seen::Lost),
        1 => Just(Seen::Orphaned),
    ]
}

/// Every state that a job goes through, and what was seen to lead there.
fn lives() -> impl Strategy<Value = Vec<(State, Seen, State)>> {
    prop::collection::vec(seen(), 0..24).prop_map(|all| {
        let mut state = State::NEW;
        all.into_iter()
            .map(|seen| {
                let before = state.clone();
                state = before.clone().after(seen.clone());
                (before, seen, state.clone())
            })
            .collect()
    })
}

fn config() -> ProptestConfig {
    ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(500) }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_request_is_sent_once_unless_minimax_has_refused_it_in_between(life in lives()) {
        let mut may_leave = true;
        for (before, seen, after) in life {
            let is_sent = |state: &State| matches!(state, State::Submitting { sent: true, .. });
            if seen == Seen::Leaving && !is_sent(&before) && is_sent(&after) {
                prop_assert!(may_leave, "it left twice");
                may_leave = false;
            }
            if matches!(seen, Seen::Held(_)) {
                may_leave = true;
            }
        }
    }

    #[test]
    fn a_job_that_has_left_submitting_never_returns_to_it(life in lives()) {
        for (before, seen, after) in life {
            let submits = |state: &State| matches!(state, State::Submitting { .. });
            prop_assert!(submits(&before) || !submits(&after), "{before:?} {seen:?} {after:?}");
        }
    }

    #[test]
    fn an_end_with_a_result_is_never_undone(life in lives()) {
        let mut done = None;
        for (_, seen, after) in life {
            if let Some(task) = &done {
                let kept = matches!(after, State::Done { .. } | State::Fetching { .. });
                prop_assert!(kept && after.task() == Option::as_ref(task), "{seen:?} led to {after:?}");
            }
            if let State::Done { task, .. } = &after {
                done = Some(task.clone());
            }
        }
    }

    #[test]
    fn a_bought_result_is_delivered_and_never_called_failed(life in lives()) {
        for (before, seen, after) in life {
            if matches!(before, State::Fetching { .. }) {
                prop_assert!(matches!(after, State::Fetching { .. } | State::Done { .. }), "{seen:?} led to {after:?}");
            }
        }
    }

    #[test]
    fn the_name_of_a_task_is_never_forgotten(life in lives()) {
        for (before, seen, after) in life {
            prop_assert!(before.task().is_none() || after.task() == before.task(), "{before:?} {seen:?} {after:?}");
        }
    }

    #[test]
    fn after_a_death_a_job_is_unknown_exactly_if_the_request_may_have_been_accepted(life in lives()) {
        for (before, _, _) in life {
            let State::Submitting { sent, .. } = before else { continue };
            let after = before.after(Seen::Orphaned);
            prop_assert_eq!(after.status(), if sent { "unknown" } else { "failed" });
            prop_assert!(after.is_over());
        }
    }

    #[test]
    fn a_job_that_may_be_billed_and_has_no_task_is_not_called_cancelled(life in lives()) {
        for (before, seen, after) in life {
            let may_be_billed =
                matches!(before, State::Submitting { sent: true, .. } | State::Unknown { task: None, .. });
            prop_assert!(!(may_be_billed && after.status() == "cancelled"), "{before:?} {seen:?}");
        }
    }

    #[test]
    fn every_state_survives_the_store_and_has_a_word(life in lives()) {
        for (_, _, after) in life {
            let text = serde_json::to_string(&after).unwrap();
            prop_assert_eq!(&serde_json::from_str::<State>(&text).unwrap(), &after);
            prop_assert!(STATUSES.contains(&after.status()));
        }
    }
}

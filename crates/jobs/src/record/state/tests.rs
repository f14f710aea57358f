//! Transitions, and records of earlier versions.

use super::*;

fn task() -> Task {
    Task { route: Route::VideoV1, id: "1".into() }
}

fn failure() -> Failure {
    Failure {
        message: "no".into(),
        blame: Blame::Caller,
        advice: "other".into(),
        code: Some(1026),
        trace_id: None,
    }
}

fn all_seen() -> Vec<Seen> {
    vec![
        Seen::Leaving,
        Seen::Held("rate".into()),
        Seen::Accepted(task()),
        Seen::Pending("Queueing".into()),
        Seen::PollFailed { why: "reset".into(), advice: None },
        Seen::Made,
        Seen::Fetched { partial: false },
        Seen::Again,
        Seen::Failed(failure()),
        Seen::Cancelled { at_minimax: false },
        Seen::Lost("reset".into()),
        Seen::Orphaned,
    ]
}

#[test]
fn a_job_runs_its_course() {
    let state = State::NEW
        .after(Seen::Leaving)
        .after(Seen::Accepted(task()))
        .after(Seen::Pending("Queueing".into()))
        .after(Seen::PollFailed { why: "reset".into(), advice: None })
        .after(Seen::Pending("Processing".into()));
    assert_eq!(state.status(), "running");
    let done = state.after(Seen::Made).after(Seen::Fetched { partial: false });
    assert_eq!((done.status(), done.task()), ("succeeded", Some(&task())));
}

#[test]
fn a_late_event_does_not_undo_the_end_of_a_job() {
    let failed = State::Failed { failure: failure(), task: None };
    let cancelled = State::Cancelled { task: Some(task()), at_minimax: true };
    for end in [failed, cancelled] {
        for seen in all_seen() {
            assert_eq!(end.clone().after(seen.clone()), end, "{seen:?}");
        }
    }
    let done = State::Done { task: None, partial: false };
    for seen in all_seen().into_iter().filter(|seen| *seen != Seen::Again) {
        assert_eq!(done.clone().after(seen.clone()), done, "{seen:?}");
    }
}

#[test]
fn after_a_death_during_the_submit_a_job_is_unknown_only_if_the_request_may_have_been_sent() {
    assert_eq!(State::NEW.after(Seen::Orphaned).status(), "failed");
    assert_eq!(State::NEW.after(Seen::Leaving).after(Seen::Orphaned).status(), "unknown");
    let held = State::NEW.after(Seen::Leaving).after(Seen::Held("1002".into()));
    assert_eq!(held.after(Seen::Orphaned).status(), "failed");
}

#[test]
fn a_late_answer_is_kept() {
    let unknown = State::NEW.after(Seen::Leaving).after(Seen::Orphaned);
    assert_eq!(unknown.clone().after(Seen::Accepted(task())).status(), "running");
    assert_eq!(unknown.after(Seen::Made).status(), "running");
}

#[test]
fn no_event_leads_back_to_submitting() {
    let running = State::NEW.after(Seen::Leaving).after(Seen::Accepted(task()));
    for seen in all_seen() {
        assert_ne!(running.clone().after(seen.clone()).status(), "submitting", "{seen:?}");
    }
}

#[test]
fn a_request_on_its_way_cannot_be_cancelled_because_it_may_be_billed() {
    let leaving = State::NEW.after(Seen::Leaving);
    assert_eq!(leaving.clone().after(Seen::Cancelled { at_minimax: false }), leaving);
}

#[test]
fn the_blame_is_stored_as_a_word_and_an_unknown_word_can_be_read() {
    for (blame, word) in [
        (Blame::Caller, "caller"),
        (Blame::Operator, "operator"),
        (Blame::Transient, "weather"),
        (Blame::Crate, "crate"),
    ] {
        let text = serde_json::to_string(&Failure { blame, ..failure() }).unwrap();
        assert!(text.contains(&format!(r#""blame":"{word}""#)), "{text}");
        assert_eq!(serde_json::from_str::<Failure>(&text).unwrap().blame, blame);
        assert_eq!(blame.as_str(), word);
    }
    let later = r#"{ "message": "no", "blame": "a word of a later version", "advice": "other" }"#;
    assert_eq!(serde_json::from_str::<Failure>(later).unwrap().blame, Blame::Crate);
}

#[test]
fn every_state_survives_the_store() {
    let mut state = State::NEW;
    for seen in [Seen::Leaving, Seen::Accepted(task()), Seen::Made, Seen::Fetched { partial: true }] {
        state = state.after(seen);
        let text = serde_json::to_string(&state).unwrap();
        assert_eq!(serde_json::from_str::<State>(&text).unwrap(), state);
        assert!(STATUSES.contains(&state.status()));
    }
}

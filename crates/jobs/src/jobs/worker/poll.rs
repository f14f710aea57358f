//! Polls a task until MiniMax has a result.

use std::time::Duration;

use super::deliver::record_result;
use super::failure::{done_without_file, ended};
use super::raw_answer;
use super::record::{Interrupted, Step, Worker, Write};
use crate::api::task::Progress;
use crate::api::{ApiError, Blame};
use crate::jobs::order::task as order_task;
use crate::store::{Seen, State, Task};

/// The age, in milliseconds, after which an open task is no longer polled unless a caller asks.
const LONGEST_WATCH: i64 = 24 * 3_600_000;

/// How many polls in a row have to find a finished task without a file before the job ends.
const NO_FILE_POLLS: u32 = 5;

/// How many polls in a row may fail before an answer that cannot be read ends the job.
const UNREADABLE_POLLS: u32 = 10;

/// How many characters of MiniMax's word for a task's state are recorded.
const LONGEST_WORD: usize = 64;

const NO_FILE: &str = "MiniMax says that the task is done, but names no file";

pub(super) async fn poll(worker: &mut Worker, task: &Task) -> Step {
    let jobs = worker.jobs.clone();
    // A process that was suspended for longer than its lease would poll beside the new owner of the job.
    if let Ok(store) = jobs.store().await
        && let Ok(false) = store.holds(&worker.job.id).await
    {
        return Err(Interrupted);
    }
    let api = jobs.api();
    #[cfg(feature = "crash-points")]
    crate::crash::point("poll.before");
    let polled = worker.unless_interrupted(order_task::poll(api, task)).await?;
    #[cfg(feature = "crash-points")]
    crate::crash::point("poll.after");
    let made = match polled {
        Ok(Progress::Pending(word)) => {
            let word: String = word.chars().take(LONGEST_WORD).collect();
            let is_late = worker.age() > LONGEST_WATCH;
            let lost = || Seen::Lost(format!("MiniMax has said `{word}` for a day"));
            let seen = if is_late { lost() } else { Seen::Pending(word) };
            return worker.see(seen).await;
        }
        Ok(Progress::Failed { code, message }) => {
            return worker.see(Seen::Failed(ended(code, &message))).await;
        }
        Ok(Progress::Cancelled) => return worker.see(Seen::Cancelled { at_minimax: true }).await,
        Ok(Progress::Empty { trace_id }) => return no_file(worker, trace_id).await,
        Ok(Progress::Ready(ready)) => {
            record_file(worker, ready.file_id.clone()).await?;
            worker.unless_interrupted(order_task::collect(api, task.route, *ready)).await?
        }
        Err(error) => Err(error),
    };
    match made {
        Ok(Some(made)) => record_result(worker, made, Write::Progress).await,
        Ok(None) => no_file(worker, None).await,
        Err(error) => failed_poll(worker, &error).await,
    }
}

/// For a task that is done but has no file. The file may be late, so the job ends only after several such polls in a
/// row. It counts as billed.
async fn no_file(worker: &mut Worker, trace_id: Option<String>) -> Step {
    let (misses, again) = match &worker.job.state {
        State::Running { misses, trouble, .. } => (*misses, trouble.as_deref() == Some(NO_FILE)),
        _ => (0, false),
    };
    if again && misses + 1 >= NO_FILE_POLLS {
        worker.job.may_be_billed = true;
        return worker.see(Seen::Failed(done_without_file(trace_id))).await;
    }
    worker.see(Seen::PollFailed { why: NO_FILE.to_owned(), advice: None }).await
}

/// Records the id of the result file, and so its owner, before the file can be downloaded.
async fn record_file(worker: &mut Worker, id: Option<String>) -> Step {
    if !worker.job.add_file_id(id) {
        return Ok(());
    }
    let state = worker.job.state.clone();
    if worker.save(Write::Progress, &state).await { Ok(()) } else { Err(Interrupted) }
}

/// A single failed poll never ends a job, because the task continues at MiniMax. The job ends only if MiniMax keeps
/// saying that there is no such task or what cannot be read, or after a day.
async fn failed_poll(worker: &mut Worker, error: &ApiError) -> Step {
    tracing::info!(job = worker.job.id, %error, "a poll failed");
    let misses = match &worker.job.state {
        State::Running { misses, .. } => *misses,
        _ => 0,
    };
    let disowned = matches!(error.blame(), Blame::Caller) && misses >= 4 && worker.age() > 30_000;
    if disowned || worker.age() > LONGEST_WATCH {
        return worker
            .see(Seen::Lost(format!("MiniMax no longer says what became of the task: {error}")))
            .await;
    }
    if error.unread().is_some() && misses.saturating_add(1) >= UNREADABLE_POLLS {
        let kept = raw_answer::keep(worker, error).await;
        let lost = format!("MiniMax's answers about the task cannot be read: {error}{kept}");
        return worker.see(Seen::Lost(lost)).await;
    }
    let advice = (error.blame() == Blame::Operator).then(|| error.advice());
    worker.see(Seen::PollFailed { why: error.to_string(), advice }).await
}

/// How long to wait before the next poll. Early polls are closer together because short jobs end early. Failed polls and
/// very long jobs slow them down.
pub(super) fn delay(poll: Duration, age: i64, misses: u32, chance: f64) -> Duration {
    let base = match age {
        ..20_000 => poll / 2,
        20_000..1_800_000 => poll,
        _ => poll * 3,
    };
    let slowed = base.saturating_mul(2_u32.saturating_pow(misses.min(6))).min(Duration::from_secs(60));
    slowed.mul_f64(0.85 + 0.3 * chance.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_young_job_is_polled_more_often_and_a_failing_one_less() {
        let poll = Duration::from_secs(10);
        let wait = |age, misses| delay(poll, age, misses, 0.5);
        assert!(wait(0, 0) < wait(60_000, 0));
        assert!(wait(60_000, 0) < wait(4_000_000, 0));
        assert!(wait(60_000, 0) < wait(60_000, 2));
        assert!(wait(60_000, 60) < Duration::from_secs(70));
        assert!(delay(poll, 60_000, 0, 0.0) < delay(poll, 60_000, 0, 1.0));
    }
}

//! Looks at a task, until MiniMax has something to show.

use std::time::Duration;

use super::failure::ended;
use super::paid;
use super::run::{Interrupted, Run, Step, Write};
use crate::api::{ApiError, Blame, Progress};
use crate::store::{Seen, State, Task};

/// After this long without an end, MiniMax is no longer asked by itself.
const LONGEST_WATCH: i64 = 24 * 3_600_000;

impl Run {
    pub(super) async fn look(&mut self, task: &Task) -> Step {
        let jobs = self.jobs.clone();
        // A process that was held up for longer than its lease would look beside the one that has the job now.
        if let Ok(store) = jobs.store().await
            && let Ok(false) = store.holds(&self.job.id).await
        {
            return Err(Interrupted);
        }
        let api = jobs.api();
        #[cfg(feature = "crash-points")]
        crate::crash::point("look.before");
        let looked = self.unless_interrupted(paid::look(api, task)).await?;
        #[cfg(feature = "crash-points")]
        crate::crash::point("look.after");
        let ready = match looked {
            Ok(Progress::Pending(word)) if self.age() > LONGEST_WATCH => {
                return self.see(Seen::Lost(format!("MiniMax has said `{word}` for a day"))).await;
            }
            Ok(Progress::Pending(word)) => return self.see(Seen::Pending(word)).await,
            Ok(Progress::Failed { code, message }) => {
                return self.see(Seen::Failed(ended(code, &message))).await;
            }
            Ok(Progress::Cancelled) => return self.see(Seen::Cancelled { at_minimax: true }).await,
            Ok(Progress::Ready(ready)) => {
                self.record_file(ready.file_id.clone()).await?;
                self.unless_interrupted(paid::collect(api, task.route, *ready)).await?
            }
            Err(error) => Err(error),
        };
        match ready {
            Ok(made) => self.made(made, Write::Progress).await,
            Err(error) => self.saw_nothing(&error).await,
        }
    }

    /// The owner of a file is on record before the file can be had.
    async fn record_file(&mut self, id: Option<String>) -> Step {
        if !self.job.add_file_id(id) {
            return Ok(());
        }
        let state = self.job.state.clone();
        if self.save(Write::Progress, &state).await { Ok(()) } else { Err(Interrupted) }
    }

    /// A look that failed never ends a job by itself: the task goes on at MiniMax. Only if MiniMax keeps
    /// saying that there is no such task, or a long time has passed, is it given up.
    async fn saw_nothing(&mut self, error: &ApiError) -> Step {
        tracing::info!(job = self.job.id, %error, "a look showed nothing");
        let misses = match &self.job.state {
            State::Running { misses, .. } => *misses,
            _ => 0,
        };
        let disowned = matches!(error.blame(), Blame::Caller) && misses >= 4 && self.age() > 30_000;
        if disowned || self.age() > LONGEST_WATCH {
            return self
                .see(Seen::Lost(format!("MiniMax no longer says what became of the task: {error}")))
                .await;
        }
        self.see(Seen::Nothing(error.to_string())).await
    }
}

/// How long to wait before the next look. Early looks are closer together: short jobs end early. Misses slow
/// them down, and so does a job that takes very long.
pub(super) fn next_look(poll: Duration, age: i64, misses: u32, chance: f64) -> Duration {
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
    fn looks_come_sooner_for_a_young_job_and_later_after_misses() {
        let poll = Duration::from_secs(10);
        let look = |age, misses| next_look(poll, age, misses, 0.5);
        assert!(look(0, 0) < look(60_000, 0));
        assert!(look(60_000, 0) < look(4_000_000, 0));
        assert!(look(60_000, 0) < look(60_000, 2));
        assert!(look(60_000, 60) < Duration::from_secs(70));
        assert!(next_look(poll, 60_000, 0, 0.0) < next_look(poll, 60_000, 0, 1.0));
    }
}

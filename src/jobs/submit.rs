//! The moment that costs money: the request leaves, once.

use super::failure::{failure, traced};
use super::paid::{Answer, Paid};
use super::run::{Run, Step, Write};
use super::state::{Seen, Task};
use crate::api::retry::{self, Nature};
use crate::api::{Taken, chance};

impl Run {
    /// Sends the request, and again only if MiniMax provably did not take it.
    pub(super) async fn submit(&mut self, paid: &Paid) -> Step {
        let mut tries = 1;
        loop {
            #[cfg(feature = "crash-points")]
            crate::crash::point("post.before");
            let answer = paid.send(&self.jobs.shared.api).await;
            #[cfg(feature = "crash-points")]
            crate::crash::point("post.after");
            let error = match answer {
                Ok(Answer::Task(task)) => return self.accepted(task).await,
                Ok(Answer::Counted { task, units, usage }) => {
                    self.job.cost.actual = units.and_then(|units| self.job.cost.of(units));
                    self.job.usage = usage;
                    return self.accepted(task).await;
                }
                Ok(Answer::Made(made)) => return self.made(made, Write::Answer).await,
                Ok(Answer::Sound(sound)) => return self.receive(sound).await,
                Err(error) => error,
            };
            let Some(pause) = retry::pause(Nature::Paid, &error, tries, chance()) else {
                return match error.taken() {
                    Taken::No => self.see(Seen::Failed(failure(&error))).await,
                    Taken::Perhaps => {
                        self.job.unread = error.answer().map(str::to_owned);
                        self.see(Seen::Lost(traced(&error))).await
                    }
                };
            };
            tracing::info!(job = self.job.id, %error, ?pause, "not taken; it is sent again");
            self.see(Seen::Held(error.to_string())).await?;
            self.pause(pause).await?;
            // If the record cannot say that it leaves, it does not leave.
            self.commit(Seen::Leaving, Write::First).await?;
            tries += 1;
        }
    }

    /// Writes down which task it is, and only then whether another job has the same.
    async fn accepted(&mut self, task: Task) -> Step {
        self.commit(Seen::Accepted(task), Write::Answer).await?;
        let Ok(store) = self.jobs.store().await else { return Ok(()) };
        if let Ok(Some(twin)) = store.twin(&self.job).await {
            let warning = format!(
                "MiniMax gave job {twin} the same task id: it may be one result for two orders. Compare the files, and \
                 the platform's billing page"
            );
            self.job.warnings.push(warning);
        }
        Ok(())
    }
}

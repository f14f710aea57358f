//! The moment that costs money: the request leaves, once.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::failure::traced;
use super::overflow::Overflow;
use super::paid::{Answer, Paid};
use super::run::{Run, Step, Write};
use crate::api::rate_limit::{self, Permit, QueueView, Ticket};
use crate::api::retry::{self, Nature};
use crate::api::{Accepted, ApiError, Client, chance};
use crate::facts::Class;
use crate::store::{Purchase, Seen, State};

/// So often MiniMax may say that it is too much, whatever the time.
const REFUSALS: u32 = 8;

/// After so long it is given up; nothing was bought.
const REFUSED_FOR: Duration = Duration::from_secs(900);

/// A request on its way out: in line, or with its turn.
pub(super) struct Departure {
    paid: Paid,
    ticket: Ticket,
    /// The turn that was free at once.
    turn: Option<Permit>,
    /// What is bought from the balance if the plan refuses it.
    overflow: Option<Purchase>,
}

impl Departure {
    pub(super) fn of(api: &Client, paid: Paid, overflow: Option<Purchase>) -> Self {
        let mut ticket = api.join(paid.group());
        let turn = ticket.try_acquire();
        Self { paid, ticket, turn, overflow }
    }

    pub(super) fn waiting(&self) -> Option<QueueView> {
        self.turn.is_none().then(|| self.ticket.view())
    }
}

fn in_line(ticket: &Ticket) -> String {
    let why = ticket.position().map_or_else(|| "others are before it".to_owned(), |standing| standing.why);
    format!("{}: {why}", State::IN_LINE)
}

impl Run {
    /// Sends the request in its turn, and again only if MiniMax provably did not take it.
    pub(super) async fn submit(&mut self, departure: Departure) -> Step {
        let Departure { paid, mut ticket, mut turn, mut overflow } = departure;
        let (mut tries, mut refused) = (1, None);
        if turn.is_none() && matches!(self.job.state, State::Submitting { sent: true, .. }) {
            // Another was quicker, and what has not left must not be taken for what has.
            self.see(Seen::Held(in_line(&ticket))).await?;
        }
        loop {
            let mut turn = match turn.take() {
                Some(turn) => {
                    self.commit(Seen::Leaving, Write::First).await?;
                    turn
                }
                None => self.turn(&mut ticket).await?,
            };
            #[cfg(feature = "crash-points")]
            crate::crash::point("post.before");
            turn.start();
            let answer = paid.send(self.jobs.api()).await;
            #[cfg(feature = "crash-points")]
            crate::crash::point("post.after");
            let place = turn.on_response(&answer);
            let error = match answer {
                Ok(answer) => {
                    // A sound that still comes is still under way; a task may count as long as it runs.
                    let (task, sound) = match &answer {
                        Answer::Task(_) | Answer::Counted { .. } => {
                            (place.and_then(rate_limit::Slot::while_task), None)
                        }
                        Answer::Sound(_) => (None, place),
                        Answer::Made(_) => (None, None),
                    };
                    self.place = task;
                    let taken = self.taken(answer).await;
                    drop(sound);
                    return taken;
                }
                Err(error) => error,
            };
            drop(place);
            let Some(pause) = again(&error, tries, &mut refused) else {
                return match error.accepted() {
                    Accepted::No => match self.overflow(&error, overflow.take()).await? {
                        Overflow::Bought => {
                            ticket = self.jobs.api().join(paid.group());
                            (tries, refused) = (1, None);
                            continue;
                        }
                        Overflow::Failed(failure) => self.see(Seen::Failed(failure)).await,
                    },
                    Accepted::Unknown => {
                        self.job.unread = error.answer().map(str::to_owned);
                        self.see(Seen::Lost(traced(&error))).await
                    }
                };
            };
            tracing::info!(job = self.job.id, %error, ?pause, "not taken; it is sent again");
            self.job.waiting = Some(ticket.view());
            self.see(Seen::Held(error.to_string())).await?;
            self.pause(pause).await?;
            tries += 1;
        }
    }

    /// Writes down what MiniMax took.
    async fn taken(&mut self, answer: Answer) -> Step {
        match answer {
            Answer::Task(task) => self.commit(Seen::Accepted(task), Write::Answer).await,
            Answer::Counted { task, file_id, units, usage } => {
                self.job.add_file_id(file_id);
                self.job.cost.actual = units.and_then(|units| self.job.cost.of(units));
                self.job.usage = usage;
                self.commit(Seen::Accepted(task), Write::Answer).await
            }
            Answer::Made(made) => self.made(made, Write::Answer).await,
            Answer::Sound(sound) => self.receive(sound).await,
        }
    }

    /// Stands in line until the request may leave, and writes down that it does.
    async fn turn(&mut self, ticket: &mut Ticket) -> Result<Permit, super::run::Interrupted> {
        let turn = loop {
            match self.unless_interrupted(ticket.step()).await? {
                rate_limit::Step::Permit(turn) => break turn,
                // Whoever is told where it stands is told anew.
                rate_limit::Step::Moved => drop(self.seen_by_all.send_replace(Arc::new(self.job.clone()))),
            }
        };
        self.job.waiting = None;
        // If the record cannot say that it leaves, it does not leave.
        self.commit(Seen::Leaving, Write::First).await?;
        Ok(turn)
    }
}

/// How long to wait before standing in line again; `None` to give up. Refused for its rate the request waits
/// in the line alone, which knows for how long.
fn again(error: &ApiError, tries: u32, refused: &mut Option<Instant>) -> Option<Duration> {
    if error.class() != Class::Rate {
        return retry::pause(Nature::Paid, error, tries, chance());
    }
    let since = *refused.get_or_insert_with(Instant::now);
    (tries < REFUSALS || since.elapsed() < REFUSED_FOR).then_some(Duration::ZERO)
}

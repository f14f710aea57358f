//! How a job begins: as a row, before it is a request.

use std::path::PathBuf;
use std::sync::Arc;

use super::follow::Seat;
use super::paid::Paid;
use super::submit::Departure;
use super::{Jobs, Order, StoreError, Watch, random_id};
use crate::api::rate_limit::PromisedSlot;
use crate::clock::now;
use crate::store::{Cost, Inserted, Job, Kind, NotBought, Purchase, Seen, State, Task};
use crate::telemetry;

impl Jobs {
    /// Writes the record, and lets the request leave once. The second value tells that the order was there
    /// already, by its `idempotency_key`, and nothing was bought.
    ///
    /// Record and request belong to the server, not to the call: a caller that goes away in this very moment
    /// does not tear them apart.
    pub async fn start(&self, order: Order) -> Result<(Watch, bool), NotBought> {
        let jobs = self.clone();
        let beginning = telemetry::ordered(async move { jobs.begin(order).await });
        let started = self.shared.tracker.spawn(beginning).await;
        started.unwrap_or_else(|_| Err(StoreError::stopping(&self.shared.settings.data_dir).into()))
    }

    async fn begin(&self, order: Order) -> Result<(Watch, bool), NotBought> {
        if self.shared.stop.is_cancelled() {
            return Err(StoreError::stopping(&self.shared.settings.data_dir).into());
        }
        let purchase = Purchase {
            tool: order.tool,
            principal: order.principal.clone(),
            allowance: order.allowance,
            model: order.model.clone(),
            currency: order.cost.currency.clone(),
            estimate: order.cost.ceiling(),
            consent: order.consent,
        };
        // Whoever waits for the records waits outside of the line, and holds nobody up there.
        let expected = self.api().rate_limiter().expect(order.paid.group());
        let mut job = Job {
            principal: order.principal,
            tool: order.tool.to_owned(),
            model: order.model,
            prompt: order.prompt,
            digest: order.digest,
            request: order.paid.record(),
            idempotency_key: order.idempotency_key,
            folder: order.folder,
            state: at_first(&expected),
            cost: order.cost,
            warnings: order.warnings,
            ..self.blank(order.paid.kind())
        };
        job.warnings.extend(self.notice().await?);
        let entered = self.enter(job, Some((order.paid, purchase))).await;
        drop(expected);
        entered
    }

    /// Takes over a task that another program has submitted, or finds the job that it is.
    pub async fn adopt(&self, job: Job) -> Result<(Watch, bool), NotBought> {
        let jobs = self.clone();
        let entering = telemetry::ordered(async move { jobs.enter(job, None).await });
        let adopted = self.shared.tracker.spawn(entering).await;
        adopted.unwrap_or_else(|_| Err(StoreError::stopping(&self.shared.settings.data_dir).into()))
    }

    /// The job is on the table of those that are followed before its row is there: whoever finds the row must
    /// find it followed, or would take it for one whose process has died.
    async fn enter(&self, job: Job, bought: Option<(Paid, Purchase)>) -> Result<(Watch, bool), NotBought> {
        let store = self.store().await?;
        // The row of another call with the same key may have moved to the other account since this call began.
        if let (Some(key), Some(_)) = (&job.idempotency_key, self.pays_with())
            && let Some((watch, _)) = self.by_key(&job.principal, key).await?
        {
            return Ok((watch, true));
        }
        let seat = Seat::take(&mut self.live(), &job);
        let (paid, purchase) = bought.unzip();
        let limits = &self.shared.settings.limits;
        let first = match store.insert(&job, purchase.as_ref().map(|purchase| (purchase, limits))).await {
            Ok(Inserted::New) => {
                let departure = paid.map(|paid| Departure::of(self.api(), paid, self.overflowing(purchase)));
                let waiting = departure.as_ref().and_then(Departure::waiting);
                seat.sender.send_modify(|job| Arc::make_mut(job).waiting = waiting);
                return Ok((self.run(seat, departure), false));
            }
            Ok(Inserted::Existing(first)) => Ok(first),
            Ok(Inserted::Denied(denied)) => Err(NotBought::Denied(denied)),
            Err(error) => Err(error.into()),
        };
        self.live().remove(&job.id);
        Ok((self.channel(*first?), true))
    }

    /// A blank job for a task that was submitted elsewhere.
    pub fn foreign(&self, principal: &str, tool: &str, task: Task, folder: Option<PathBuf>) -> Job {
        Job {
            principal: principal.to_owned(),
            tool: tool.to_owned(),
            prompt: format!("task {}", task.id),
            folder,
            state: State::Running { task, word: State::UNSEEN.to_owned(), misses: 0, trouble: None },
            ..self.blank(Kind::Video)
        }
    }

    /// A job of this account about which nothing is known yet.
    fn blank(&self, kind: Kind) -> Job {
        let at = now();
        Job {
            id: random_id(kind.word()),
            principal: String::new(),
            kind,
            tool: String::new(),
            model: String::new(),
            account: self.account.name.clone(),
            prompt: String::new(),
            request: serde_json::Value::Null,
            digest: String::new(),
            idempotency_key: None,
            folder: None,
            state: State::NEW,
            waiting: None,
            files: Vec::new(),
            file_ids: Vec::new(),
            text: None,
            voice_id: None,
            missing: 0,
            may_be_billed: false,
            unread: None,
            usage: None,
            cost: Cost::default(),
            warnings: Vec::new(),
            created_at: at,
            updated_at: at,
            later: serde_json::Map::new(),
        }
    }
}

/// What the record says from the start: that the request leaves as soon as it is on disk, or that it waits and
/// nothing has left.
fn at_first(expected: &PromisedSlot) -> State {
    State::NEW.after(match expected.why_not() {
        None => Seen::Leaving,
        Some(why) => Seen::Held(format!("{}: {why}", State::IN_LINE)),
    })
}

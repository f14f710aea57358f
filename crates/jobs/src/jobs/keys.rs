//! The two keys that a server may have: one for the balance and one for a plan. A job uses the key that bought it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use super::handle::Jobs;
use super::order::task;
use super::registry::Watch;
use super::tenants::Tenant;
use crate::api::account::restarts_at;
use crate::api::retry::Nature;
use crate::api::retry::READ_LIMIT;
use crate::api::task::Progress;
use crate::api::{ApiError, Blame};
use crate::clock::now;
use crate::facts::{PlanRefusal, facts, plan};
use crate::rate_limit::group;
use crate::store::{Job, MadeVoice, Owner, Purchase, RemoteKind, RemovedJob, Route, StoreError, Task};

/// How long a call waits for answers that it can do without: when the plan's window starts again, or which key made an
/// id.
const PATIENCE: Duration = Duration::from_secs(5);

/// In milliseconds.
const DAY: i64 = 24 * 3_600_000;

/// The two keys of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PaysWith {
    /// The plan's key.
    Plan,
    /// The pay-as-you-go key.
    Balance,
}

/// How the words about the key begin in the basis of a price.
const PAID_BY: &str = "paid ";

impl PaysWith {
    /// What the basis of a price says about the key.
    pub fn words(self) -> &'static str {
        match self {
            Self::Plan => "paid by the plan (MINIMAX_PLAN_KEY); the list price is what is counted",
            Self::Balance => "paid from the balance (MINIMAX_API_KEY)",
        }
    }

    /// The key in results.
    pub fn word(self) -> &'static str {
        match self {
            Self::Plan => "plan",
            Self::Balance => "balance",
        }
    }

    /// The setting with the key.
    pub fn setting(self) -> &'static str {
        match self {
            Self::Plan => "MINIMAX_PLAN_KEY",
            Self::Balance => "MINIMAX_API_KEY",
        }
    }

    /// The key that paid for a job, if the server had two when it was bought.
    fn of(job: &Job) -> Option<Self> {
        let basis = job.cost.as_ref()?.basis.as_deref()?;
        let paid = basis.get(basis.rfind(PAID_BY)?..)?;
        [Self::Plan, Self::Balance].into_iter().find(|key| paid.contains(key.setting()))
    }
}

/// What the basis of a price says about the key after the plan has refused the order.
pub const INSTEAD_OF_PLAN: &str =
    "paid from the balance (MINIMAX_API_KEY), because the plan refused it (MINIMAX_PLAN_OVERFLOW=balance)";

/// Says in the basis of a price which key paid, and replaces what it said about that before.
pub fn name_key(basis: Option<String>, words: &str) -> String {
    let basis = basis.unwrap_or_default();
    let kept = match basis.rfind(PAID_BY) {
        Some(start) if start == 0 || basis.get(..start).is_some_and(|before| before.ends_with("; ")) => {
            basis.get(..start).unwrap_or_default().trim_end_matches("; ")
        }
        _ => &basis,
    };
    if kept.is_empty() { words.to_owned() } else { format!("{kept}; {words}") }
}

impl Jobs {
    fn with(&self, tenant: &Arc<Tenant>) -> Self {
        Self { shared: Arc::clone(&self.shared), tenant: Arc::clone(tenant) }
    }

    /// The accounts of this handle's payer, the handle's own first: those of the server's keys, or the one of the key
    /// that a caller has brought.
    fn keys_of_payer(&self) -> impl Iterator<Item = &Arc<Tenant>> {
        let shared = &self.shared;
        let of_server = [Some(&shared.own), shared.plan.as_ref()].into_iter().flatten();
        let is_of_server = of_server.clone().any(|tenant| Arc::ptr_eq(tenant, &self.tenant));
        let others = of_server.filter(move |tenant| is_of_server && !Arc::ptr_eq(tenant, &self.tenant));
        std::iter::once(&self.tenant).chain(others)
    }

    /// This handle, and one for the payer's other key if there is one.
    pub fn each_key(&self) -> Vec<Self> {
        self.keys_of_payer().map(|tenant| self.with(tenant)).collect()
    }

    /// A handle for each account, one after another: while a handle exists, its account cannot be dropped for another.
    pub(super) fn of_each_tenant(&self) -> impl Iterator<Item = Self> {
        let of_server = self.with(&self.shared.own).each_key();
        let shared = Arc::clone(&self.shared);
        let names = self.shared.tenants.names().into_iter();
        let found = names.filter_map(move |name| {
            let tenant = shared.tenants.find(&name)?;
            Some(Self { shared: Arc::clone(&shared), tenant })
        });
        of_server.into_iter().chain(found)
    }

    /// Which of two keys this handle buys with; `None` if the payer has one key.
    pub fn pays_with(&self) -> Option<PaysWith> {
        self.keys_of_payer().nth(1)?;
        let is_own = Arc::ptr_eq(&self.tenant, &self.shared.own);
        Some(if is_own { PaysWith::Balance } else { PaysWith::Plan })
    }

    /// The same jobs with one of the payer's two keys; `None` if the payer has one.
    pub fn paying_with(&self, key: PaysWith) -> Option<Self> {
        self.each_key().into_iter().find(|jobs| jobs.pays_with() == Some(key))
    }

    /// Whether the payer has the key that can poll the job's task.
    pub fn is_ours(&self, job: &Job) -> bool {
        self.keys_of_payer().any(|tenant| tenant.name == job.account)
    }

    /// Why this server cannot poll a job that another key or host has bought, and what the operator can do.
    pub fn why_not_ours(&self, job: &Job) -> String {
        let host = |account: &str| account.split(" (key ").next().unwrap_or_default().to_owned();
        let there = host(&job.account);
        if there != host(&self.tenant.name) {
            return format!(
                "It was bought at {there}, and this server asks another host. Start the server with the MINIMAX_REGION or \
                 MINIMAX_API_HOST of that host."
            );
        }
        let setting = PaysWith::of(job).map_or("MINIMAX_API_KEY or MINIMAX_PLAN_KEY", PaysWith::setting);
        format!(
            "It was bought with a key that this server no longer has. Set {setting} to that key again, and restart the \
             server."
        )
    }

    /// The same jobs with the key that bought a job; `None` if this server does not have that key.
    pub(super) fn with_key_of(&self, job: &Job) -> Option<Self> {
        let tenant = self.keys_of_payer().find(|tenant| tenant.name == job.account);
        tenant.map(|tenant| self.with(tenant))
    }

    /// The same jobs with the key that the records have for an id; `None` if they have none.
    pub async fn with_key_of_id(&self, kind: RemoteKind, id: &str) -> Result<Option<Self>, StoreError> {
        for jobs in self.each_key() {
            if self.store().await?.knows_id(&jobs.tenant.name, kind, id).await? {
                return Ok(Some(jobs));
            }
        }
        Ok(None)
    }

    /// Whether MiniMax knows an id under this key: a file, a voice, or an H3 task; `None` without a clear answer. Free.
    pub async fn sees(&self, kind: RemoteKind, id: &str) -> Option<bool> {
        let api = self.api();
        let seen = async {
            match kind {
                RemoteKind::File => api.retrieve_file(id).await.map(|_| Some(true)),
                RemoteKind::Task => {
                    let task = api.queued(group::POLLS, Nature::Read, || api.video_task(id)).await;
                    task.map(|_| Some(true))
                }
                RemoteKind::Voice => {
                    let listed = api.queued(group::READS, Nature::Read, || api.voices("all")).await;
                    listed.map(|voices| Some(voices.iter().any(|voice| voice.id == id)))
                }
            }
        };
        match timeout(PATIENCE, seen).await {
            Ok(Ok(seen)) => seen,
            Ok(Err(error)) if error.blame() == Blame::Caller => Some(false),
            Ok(Err(_)) | Err(_) => None,
        }
    }

    /// The same jobs with the key that bought the job of this id; `None` if there is no such job.
    pub async fn with_key_of_job(&self, principal: &str, id: &str) -> Result<Option<Self>, StoreError> {
        Ok(self.get(principal, id).await?.and_then(|job| self.with_key_of(&job)))
    }

    /// The job that was started with this idempotency key at this host, if there is one. Another key may have bought it.
    pub async fn by_key(&self, principal: &str, key: &str) -> Result<Option<(Watch, String)>, StoreError> {
        let job = self.store().await?.by_key(principal, &self.tenant.name, key).await?;
        Ok(job.map(|job| {
            let job = self.shared.spool.amend(job);
            let digest = job.digest.clone();
            (self.channel(job), digest)
        }))
    }

    /// The job that was started with this idempotency key and removed since.
    pub async fn removed_by_key(&self, principal: &str, key: &str) -> Result<Option<RemovedJob>, StoreError> {
        self.store().await?.removed_by_key(principal, &self.tenant.name, key).await
    }

    /// The job of a task, if this server started or adopted it.
    pub async fn by_task(&self, principal: &str, task: &str) -> Result<Option<Job>, StoreError> {
        for tenant in self.keys_of_payer() {
            if let Some(job) = self.store().await?.by_task(principal, &tenant.name, task).await? {
                return Ok(Some(self.shared.spool.amend(job)));
            }
        }
        Ok(None)
    }

    /// The key and the endpoint that know a task, found by polling each.
    pub async fn find_task(&self, id: &str) -> Result<Option<(Self, Route)>, ApiError> {
        let found = timeout(READ_LIMIT, self.poll_with_each_key(id)).await;
        found.unwrap_or_else(|_| Err(ApiError::Unanswered { seconds: READ_LIMIT.as_secs() }))
    }

    async fn poll_with_each_key(&self, id: &str) -> Result<Option<(Self, Route)>, ApiError> {
        let mut last = None;
        for jobs in self.each_key() {
            match jobs.poll_each_route(id).await {
                Ok(Some(route)) => return Ok(Some((jobs, route))),
                Ok(None) => {}
                Err(error) => last = Some(error),
            }
        }
        last.map_or(Ok(None), Err)
    }

    async fn poll_each_route(&self, id: &str) -> Result<Option<Route>, ApiError> {
        let mut last = None;
        for route in [Route::VideoV1, Route::VideoV2, Route::VideoTemplate] {
            match task::poll(self.api(), &Task { route, id: id.to_owned() }).await {
                // V1 answers with an empty or unknown status for a task that it does not know.
                Ok(Progress::Pending(word)) if word.is_empty() || word.eq_ignore_ascii_case("unknown") => {}
                Ok(_) => return Ok(Some(route)),
                Err(error) if error.blame() == Blame::Caller => {}
                Err(error) => last = Some(error),
            }
        }
        last.map_or(Ok(None), Err)
    }

    /// The owner of each id. Ids that are missing in the result are [`Owner::Unknown`].
    pub async fn owners(
        &self,
        principal: &str,
        kind: RemoteKind,
        ids: &[&str],
    ) -> Result<HashMap<String, Owner>, StoreError> {
        let mut all = HashMap::new();
        for tenant in self.keys_of_payer() {
            for (id, owner) in self.store().await?.owners(principal, &tenant.name, kind, ids).await? {
                // An id that the caller owns under one key is the caller's, even if the records of the other key say
                // otherwise.
                let known = all.entry(id).or_insert(owner);
                if owner == Owner::Principal || *known == Owner::Unknown {
                    *known = owner;
                }
            }
        }
        Ok(all)
    }

    /// Whether the database knows another principal.
    pub async fn has_others(&self, principal: &str) -> Result<bool, StoreError> {
        for tenant in self.keys_of_payer() {
            if self.store().await?.has_others(principal, &tenant.name).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The unused voices that this principal's jobs made, newest first. Creates no database.
    pub async fn unused_voices(&self, principal: &str) -> Result<Vec<MadeVoice>, StoreError> {
        self.find_unused(Some(principal), None).await
    }

    /// The voice with this id, if a job made it and no speech has used it.
    pub async fn unused_voice(&self, id: &str) -> Result<Option<MadeVoice>, StoreError> {
        Ok(self.find_unused(None, Some(id)).await?.into_iter().next())
    }

    async fn find_unused(
        &self,
        principal: Option<&str>,
        id: Option<&str>,
    ) -> Result<Vec<MadeVoice>, StoreError> {
        let mut all = Vec::new();
        if !self.has_records() {
            return Ok(all);
        }
        let since = now().saturating_sub(i64::from(facts().voice.unused_days) * DAY);
        for tenant in self.keys_of_payer() {
            all.extend(self.store().await?.unused_voices(&tenant.name, since, principal, id).await?);
        }
        all.sort_by_key(|voice| std::cmp::Reverse(voice.created_at));
        Ok(all)
    }

    /// Removes a voice that was deleted at MiniMax from the unused ones.
    pub async fn forget_voice(&self, id: &str) -> Result<(), StoreError> {
        for tenant in self.keys_of_payer() {
            self.store().await?.forget_voice(&tenant.name, id).await?;
        }
        Ok(())
    }

    /// Whether this handle buys with the key of a plan.
    fn buys_with_plan(&self) -> bool {
        let is_own = Arc::ptr_eq(&self.tenant, &self.shared.own);
        self.pays_with() == Some(PaysWith::Plan) || (is_own && self.shared.settings.is_plan)
    }

    /// Whether an order that the plan refuses is bought from the balance instead.
    pub fn overflows(&self) -> bool {
        self.shared.settings.plan_overflow && self.pays_with() == Some(PaysWith::Plan)
    }

    /// The purchase, if it is bought from the balance when the plan refuses it.
    pub(super) fn overflowing(&self, purchase: Option<Purchase>) -> Option<Purchase> {
        purchase.filter(|_| self.overflows())
    }

    /// What to do about an order that the plan refused with this code, and when its window starts again; `None` for
    /// another code or a key that is not a plan's.
    pub async fn advice_of_plan(&self, code: Option<i64>) -> Option<String> {
        let why = plan().refusal(code).filter(|_| self.buys_with_plan())?;
        let with_balance = self.pays_with() == Some(PaysWith::Plan);
        if why == PlanRefusal::NotIncluded {
            return with_balance.then(|| {
                "Nothing was billed. The plan does not include this. To let the balance pay for what the plan refuses, ask \
                 the user to set MINIMAX_PLAN_OVERFLOW=balance in this server's configuration and to restart it."
                    .to_owned()
            });
        }
        let windows = tokio::time::timeout(PATIENCE, self.api().plan_windows()).await;
        let start = windows.ok().and_then(Result::ok).and_then(|windows| restarts_at(&windows));
        let start = start.and_then(|at| jiff::Timestamp::from_second(at / 1000).ok());
        let wait = match start {
            Some(start) => format!("The plan's usage window starts again at {start}: wait until then"),
            None => "Wait for the plan's next usage window (check_account shows when it starts)".to_owned(),
        };
        let instead = if with_balance {
            ", or ask the user to set MINIMAX_PLAN_OVERFLOW=balance in this server's configuration, which lets the balance \
             pay for what the plan refuses, and to restart it"
        } else {
            ", upgrade the plan, or use a pay-as-you-go key (sk-api-…)"
        };
        Some(format!("Nothing was billed. {wait}{instead}."))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_basis_names_one_key_however_often_it_is_named() {
        let plan = name_key(Some("$0.0035 an image".to_owned()), PaysWith::Plan.words());
        assert!(plan.starts_with("$0.0035 an image; paid by the plan"), "{plan}");
        let moved = name_key(Some(plan.clone()), INSTEAD_OF_PLAN);
        assert_eq!(moved, format!("$0.0035 an image; {INSTEAD_OF_PLAN}"));
        assert_eq!(name_key(Some(plan.clone()), PaysWith::Plan.words()), plan);
        assert_eq!(name_key(None, INSTEAD_OF_PLAN), INSTEAD_OF_PLAN);
        assert_eq!(name_key(Some("prepaid rate".to_owned()), "paid x"), "prepaid rate; paid x");
    }
}

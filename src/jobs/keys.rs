//! The two keys that a server may have: that of the balance and that of a plan. A job goes by the key that bought it.

use std::sync::Arc;

use super::account::Account;
use super::{Jobs, Purchase};
use crate::store::{Job, RemoteKind, StoreError};

/// Which of the server's two keys a handle buys with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PaysWith {
    /// The plan's key.
    Plan,
    /// The pay-as-you-go key.
    Balance,
}

/// The beginning of what a price's basis says about the key.
const PAID_BY: &str = "paid ";

impl PaysWith {
    /// What the basis of a price says about the key.
    pub fn words(self) -> &'static str {
        match self {
            Self::Plan => "paid by the plan (MINIMAX_PLAN_KEY); the list price is what is counted",
            Self::Balance => "paid from the balance (MINIMAX_API_KEY)",
        }
    }
}

/// What the basis says where the plan has refused the order.
pub const INSTEAD_OF_PLAN: &str =
    "paid from the balance (MINIMAX_API_KEY), because the plan refused it (MINIMAX_PLAN_OVERFLOW=balance)";

/// Adds to the basis of a price which key paid, in place of what it said about that before.
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
    fn with(&self, account: &Arc<Account>) -> Self {
        Self { shared: Arc::clone(&self.shared), account: Arc::clone(account) }
    }

    /// The accounts of the payer of this handle, the handle's own first: both keys of the server, or the one key that a
    /// caller has brought.
    pub(super) fn keys_of_payer(&self) -> impl Iterator<Item = &Arc<Account>> {
        let shared = &self.shared;
        let of_server = [Some(&shared.own), shared.plan.as_ref()].into_iter().flatten();
        let is_of_server = of_server.clone().any(|account| Arc::ptr_eq(account, &self.account));
        let others = of_server.filter(move |account| is_of_server && !Arc::ptr_eq(account, &self.account));
        std::iter::once(&self.account).chain(others)
    }

    /// This handle, and one for the server's other key if there is one and this handle is the server's.
    pub fn each_key(&self) -> Vec<Self> {
        self.keys_of_payer().map(|account| self.with(account)).collect()
    }

    /// Handles for all keys of the server.
    pub(super) fn of_server(&self) -> Vec<Self> {
        self.with(&self.shared.own).each_key()
    }

    /// Which of two keys this handle buys with; `None` where the payer has one key.
    pub fn pays_with(&self) -> Option<PaysWith> {
        self.keys_of_payer().nth(1)?;
        let is_own = Arc::ptr_eq(&self.account, &self.shared.own);
        Some(if is_own { PaysWith::Balance } else { PaysWith::Plan })
    }

    /// The same jobs with one of the payer's two keys; `None` where it has one.
    pub fn paying_with(&self, key: PaysWith) -> Option<Self> {
        self.each_key().into_iter().find(|jobs| jobs.pays_with() == Some(key))
    }

    /// The same jobs with the key that bought a job; `None` if that key is not here.
    pub(super) fn with_key_of(&self, job: &Job) -> Option<Self> {
        let account = self.keys_of_payer().find(|account| account.name == job.account);
        account.map(|account| self.with(account))
    }

    /// The same jobs with the key by which the records know an id; `None` if they do not.
    pub async fn with_key_of_id(&self, kind: RemoteKind, id: &str) -> Result<Option<Self>, StoreError> {
        for jobs in self.each_key() {
            if self.store().await?.knows_id(&jobs.account.name, kind, id).await? {
                return Ok(Some(jobs));
            }
        }
        Ok(None)
    }

    /// The same jobs with the key that bought the job of this id; `None` if there is no such job.
    pub async fn with_key_of_job(&self, principal: &str, id: &str) -> Result<Option<Self>, StoreError> {
        Ok(self.get(principal, id).await?.and_then(|job| self.with_key_of(&job)))
    }

    /// Whether this handle buys with the key of a plan.
    pub(super) fn buys_with_plan(&self) -> bool {
        let is_own = Arc::ptr_eq(&self.account, &self.shared.own);
        self.pays_with() == Some(PaysWith::Plan) || (is_own && self.shared.settings.is_plan)
    }

    /// Whether an order that the plan refuses is bought from the balance instead.
    pub fn overflows(&self) -> bool {
        self.shared.settings.plan_overflow && self.pays_with() == Some(PaysWith::Plan)
    }

    /// What is bought from the balance if the plan refuses it.
    pub(super) fn overflowing(&self, purchase: Option<Purchase>) -> Option<Purchase> {
        purchase.filter(|_| self.overflows())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_basis_names_one_key_however_often_it_is_named() {
        let plan = name_key(Some("0.0035 USD an image".to_owned()), PaysWith::Plan.words());
        assert!(plan.starts_with("0.0035 USD an image; paid by the plan"), "{plan}");
        let moved = name_key(Some(plan.clone()), INSTEAD_OF_PLAN);
        assert_eq!(moved, format!("0.0035 USD an image; {INSTEAD_OF_PLAN}"));
        assert_eq!(name_key(Some(plan.clone()), PaysWith::Plan.words()), plan);
        assert_eq!(name_key(None, INSTEAD_OF_PLAN), INSTEAD_OF_PLAN);
        assert_eq!(name_key(Some("prepaid rate".to_owned()), "paid x"), "prepaid rate; paid x");
    }
}

//! Purchases, and the limits that they must not exceed.

use serde::{Deserialize, Serialize};

use super::error::StoreError;
use crate::money::{Currency, Money};
use crate::record::RemovedJob;

/// Amounts that must not be exceeded. `None` means no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limits {
    /// Everything that the account spends in 24 hours, by any process of this data folder.
    pub day: Option<Money>,
    /// One purchase.
    pub call: Option<Money>,
    /// Everything that this process spends.
    pub process: Option<Money>,
    /// Everything that one principal spends on the account in 24 hours, by any process of this data folder. Each
    /// purchase brings this limit along, because it differs by principal.
    pub principal: Option<Money>,
}

/// One of the [`Limits`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the variants are the fields of Limits")]
pub enum Limit {
    Day,
    Call,
    Process,
    Principal,
}

/// Something that is about to be bought.
#[derive(Debug, Clone)]
pub struct Purchase {
    /// The tool that buys it.
    pub tool: &'static str,
    /// Its owner.
    pub principal: String,
    /// What the principal may spend in 24 hours.
    pub budget_day: Option<Money>,
    /// The model; may be empty.
    pub model: String,
    /// The currency of the price.
    pub currency: Currency,
    /// The highest price; `None` if no price is known.
    pub estimate: Option<Money>,
    /// The name of the sealed question that a person has approved.
    pub consent: Option<String>,
}

/// The state of a purchase in the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PurchaseState {
    /// Its price is reserved.
    Reserved,
    /// It was bought.
    Settled,
    /// MiniMax provably did not take it; it costs nothing.
    Released,
    /// It may or may not have been billed.
    Unknown,
}

impl PurchaseState {
    /// The word for it in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reserved => "reserved",
            Self::Settled => "settled",
            Self::Released => "released",
            Self::Unknown => "unknown",
        }
    }
}

/// Why something may not be bought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Denied {
    /// Its price is not known in the limit's currency, so the limit cannot be kept.
    NoPrice(Limit),
    /// It costs more than what is left.
    Over {
        /// The limit that it would exceed.
        limit: Limit,
        /// What the limit is.
        allowed: Money,
        /// What it costs at most.
        price: Money,
        /// What has been spent of the limit.
        spent: Box<Spent>,
    },
    /// The person's consent has already bought something.
    Used,
}

/// What was spent in one currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spent {
    /// Bought: at the price that MiniMax reported, or at the estimate if it reported none.
    pub settled: Money,
    /// Reserved for purchases that have not ended.
    pub reserved: Money,
    /// Reserved for purchases that may or may not have been billed.
    pub unknown: Money,
    /// What counts against a limit: the sum of these.
    pub total: Money,
    /// Purchases without a known price; they count as nothing.
    pub unpriced: i64,
}

impl Spent {
    /// From the ledger's sums in millionths: settled, reserved, unknown.
    pub(super) fn of([settled, reserved, unknown]: [i64; 3], unpriced: i64, currency: Currency) -> Self {
        let total = settled.saturating_add(reserved).saturating_add(unknown);
        let [settled, reserved, unknown, total] =
            [settled, reserved, unknown, total].map(|sum| Money::from_millionths(sum, currency));
        Self { settled, reserved, unknown, total, unpriced }
    }

    /// Adds spending in the same currency.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let sum = |one: Money, other: Money| one.millionths().saturating_add(other.millionths());
        let sums = [
            sum(self.settled, other.settled),
            sum(self.reserved, other.reserved),
            sum(self.unknown, other.unknown),
        ];
        Self::of(sums, self.unpriced.saturating_add(other.unpriced), self.total.currency())
    }

    /// Before the first purchase.
    pub fn nothing(currency: Currency) -> Self {
        Self::of([0; 3], 0, currency)
    }
}

/// What an account has spent in one currency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spending {
    /// The currency of both sums.
    pub currency: Currency,
    /// In the last 24 hours, by every process.
    pub day: Spent,
    /// By this process.
    pub process: Spent,
}

/// Nothing was sent and nothing bought.
#[derive(Debug, thiserror::Error)]
pub enum NotBought {
    /// The database cannot be used.
    #[error(transparent)]
    Records(#[from] StoreError),
    /// A limit forbids it.
    #[error("a limit forbids it")]
    Denied(Denied),
    /// The same order was bought before, and its job was removed.
    #[error("the job of this order was removed")]
    Removed(RemovedJob),
}

impl Limits {
    /// Whether there are any.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// These limits, with the one of a principal.
    pub(crate) fn with(self, principal: Option<Money>) -> Self {
        Self { principal, ..self }
    }

    /// The limits, each with what has been spent of it. A refusal names the first limit in this order that the purchase
    /// would exceed.
    fn rows(&self, counted: &Counted) -> [(Limit, Option<Money>, Spent); 4] {
        [
            (Limit::Call, self.call, Spent::nothing(counted.day.total.currency())),
            (Limit::Principal, self.principal, counted.principal),
            (Limit::Process, self.process, counted.process),
            (Limit::Day, self.day, counted.day),
        ]
    }

    /// Whether a purchase of `estimate` is within the limits.
    pub(super) fn check(&self, estimate: Option<Money>, counted: &Counted) -> Result<(), Denied> {
        for (limit, allowed, spent) in self.rows(counted) {
            let Some(allowed) = allowed else { continue };
            let price = estimate.filter(|price| price.currency() == allowed.currency());
            let Some(price) = price else { return Err(Denied::NoPrice(limit)) };
            let Some(total) = spent.total.checked_add(price) else { return Err(Denied::NoPrice(limit)) };
            if !total.is_within(allowed) {
                return Err(Denied::Over { limit, allowed, price, spent: Box::new(spent) });
            }
        }
        Ok(())
    }

    /// The limit that leaves the least for one more purchase, and how much that is.
    pub(super) fn left(&self, counted: &Counted) -> Option<(Limit, Money)> {
        let rows = self.rows(counted).into_iter();
        let left = rows.filter_map(|(limit, allowed, spent)| Some((limit, allowed?.left_after(spent.total))));
        left.min_by_key(|(_, left)| left.amount())
    }
}

/// What has been spent of the limits.
#[derive(Debug, Clone, Copy)]
pub(super) struct Counted {
    pub(super) day: Spent,
    pub(super) process: Spent,
    pub(super) principal: Spent,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::money::Currency::{Cny, Usd};

    fn usd(millionths: i64) -> Money {
        Money::from_millionths(millionths, Usd)
    }

    fn counted(day: i64, process: i64, principal: i64) -> Counted {
        let [day, process, principal] =
            [day, process, principal].map(|settled| Spent::of([settled, 0, 0], 0, Usd));
        Counted { day, process, principal }
    }

    #[test]
    fn a_limit_may_be_reached_but_not_exceeded_and_no_limit_allows_an_unknown_price() {
        let limits =
            Limits { day: Some(usd(10)), call: None, process: Some(usd(4)), principal: Some(usd(100)) };
        let none = counted(0, 0, 0);
        assert_eq!(limits.check(Some(usd(3)), &counted(7, 1, 0)), Ok(()));
        let over = |denied| matches!(denied, Err(Denied::Over { limit, .. }) if limit == Limit::Day);
        assert!(over(limits.check(Some(usd(3)), &counted(8, 1, 0))));
        assert_eq!(limits.check(None, &none), Err(Denied::NoPrice(Limit::Principal)));
        assert_eq!(Limits::default().check(None, &none), Ok(()));
        let day = Spent::of([i64::MAX, i64::MAX, 1], 0, Usd);
        assert!(over(limits.with(None).check(Some(usd(1)), &Counted { day, ..none })));
        let own = limits.check(Some(usd(1)), &counted(0, 0, 100));
        let allowed = usd(100);
        assert!(
            matches!(own, Err(Denied::Over { limit: Limit::Principal, allowed: of, .. }) if of == allowed)
        );
    }

    #[test]
    fn no_limit_allows_a_price_in_another_currency() {
        let limits = Limits { day: Some(usd(10)), ..Limits::default() };
        let yuan = Some(Money::from_millionths(1, Cny));
        let denied = Err(Denied::NoPrice(Limit::Day));
        assert_eq!(limits.check(yuan, &counted(0, 0, 0)), denied);
        let day = Spent::nothing(Cny);
        assert_eq!(limits.check(Some(usd(1)), &Counted { day, ..counted(0, 0, 0) }), denied);
    }

    #[test]
    fn the_rest_is_the_smallest_of_all_limits_and_never_negative() {
        let limits = Limits { day: Some(usd(10)), call: Some(usd(5)), process: None, principal: None };
        let left = |spent| limits.left(&counted(spent, 0, 0));
        assert_eq!(left(0), Some((Limit::Call, usd(5))));
        assert_eq!(left(7), Some((Limit::Day, usd(3))));
        assert_eq!(left(12), Some((Limit::Day, usd(0))));
        assert_eq!(Limits::default().left(&counted(12, 0, 0)), None);
    }
}

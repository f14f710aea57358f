//! Amounts, and the limits that they must not exceed.

use serde::{Deserialize, Serialize};

use super::error::StoreError;
use super::record::Cost;

/// The largest amount, a thousand million of a currency: no sum of such amounts overflows.
const MOST: f64 = 1e15;

/// Amounts that must not be exceeded, in millionths of the account's currency. `None` is no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limits {
    /// Everything that the account spends in 24 hours, by any process of this data folder.
    pub day: Option<i64>,
    /// One purchase.
    pub call: Option<i64>,
    /// Everything that this process spends.
    pub process: Option<i64>,
    /// Everything that one principal spends on the account in 24 hours, by any process of this data folder. It comes with each
    /// purchase, because each principal has its own.
    pub principal: Option<i64>,
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
    pub allowance: Option<i64>,
    /// The model; may be empty.
    pub model: String,
    /// `USD` or `CNY`.
    pub currency: String,
    /// The highest price in millionths; `None` if no price is known.
    pub estimate: Option<i64>,
    /// The name of the sealed question that a person has approved.
    pub consent: Option<String>,
}

/// Where a purchase stands in the ledger.
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
    /// Its price is not known, so the limit cannot be kept.
    NoPrice(Limit),
    /// It costs more than what is left.
    Over {
        /// The limit that it would exceed.
        limit: Limit,
        /// What the limit is.
        allowed: i64,
        /// What it costs at most.
        price: i64,
        /// What has been spent of the limit.
        spent: Spent,
    },
    /// The person's consent has already bought something.
    Used,
}

/// What was spent, in millionths of one currency.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Spent {
    /// By MiniMax's count, or at the estimate where it gave none.
    pub settled: i64,
    /// Reserved for what has not ended.
    pub reserved: i64,
    /// Reserved for what may or may not have been billed.
    pub unknown: i64,
    /// Purchases without a known price; they count as nothing.
    pub unpriced: i64,
}

impl Spent {
    /// The sum of two.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            settled: self.settled.saturating_add(other.settled),
            reserved: self.reserved.saturating_add(other.reserved),
            unknown: self.unknown.saturating_add(other.unknown),
            unpriced: self.unpriced.saturating_add(other.unpriced),
        }
    }

    /// What counts against a limit.
    pub fn total(&self) -> i64 {
        self.settled.saturating_add(self.reserved).saturating_add(self.unknown)
    }
}

/// What an account has spent in one currency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spending {
    /// `USD` or `CNY`.
    pub currency: String,
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
}

/// An amount in whole millionths, rounded up; `None` if it is not an amount.
pub fn millionths(amount: f64) -> Option<i64> {
    if !amount.is_finite() || amount < 0.0 {
        return None;
    }
    // Prices have at most seven decimals; the rest is binary rounding noise.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "bounded, and not negative")]
    let tenths = (amount * 1e7).round().min(MOST * 10.0) as u64;
    i64::try_from(tenths.div_ceil(10)).ok()
}

/// Millionths as a person writes the amount.
pub fn amount_words(millionths: i64) -> String {
    let (sign, amount) = (if millionths < 0 { "-" } else { "" }, millionths.unsigned_abs());
    let places = format!("{:06}", amount % 1_000_000);
    let places = places.trim_end_matches('0');
    let point = if places.is_empty() { "" } else { "." };
    format!("{sign}{}{point}{places}", amount / 1_000_000)
}

impl Cost {
    /// What is reserved for it, in millionths.
    pub fn ceiling(&self) -> Option<i64> {
        self.most.or(self.estimated).and_then(millionths)
    }
}

impl Limits {
    /// Whether there are any.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// These, and what a principal may spend.
    pub(crate) fn with(self, principal: Option<i64>) -> Self {
        Self { principal, ..self }
    }

    /// The limits, each with what has been spent of it. A refusal names the first one that it would exceed.
    fn rows(&self, counted: Counted) -> [(Limit, Option<i64>, Spent); 4] {
        [
            (Limit::Call, self.call, Spent::default()),
            (Limit::Principal, self.principal, counted.principal),
            (Limit::Process, self.process, counted.process),
            (Limit::Day, self.day, counted.day),
        ]
    }

    /// Whether a purchase of `estimate` is within the limits.
    pub(super) fn check(&self, estimate: Option<i64>, counted: Counted) -> Result<(), Denied> {
        for (limit, allowed, spent) in self.rows(counted) {
            let Some(allowed) = allowed else { continue };
            let Some(price) = estimate else { return Err(Denied::NoPrice(limit)) };
            if spent.total().saturating_add(price) > allowed {
                return Err(Denied::Over { limit, allowed, price, spent });
            }
        }
        Ok(())
    }

    /// The limit that leaves the least for one more purchase, and how much that is.
    pub(super) fn left(&self, counted: Counted) -> Option<(Limit, i64)> {
        let left = self.rows(counted).into_iter().filter_map(|(limit, allowed, spent)| {
            Some((limit, allowed?.saturating_sub(spent.total()).max(0)))
        });
        left.min_by_key(|(_, left)| *left)
    }
}

/// What has been spent of the limits.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Counted {
    pub(super) day: Spent,
    pub(super) process: Spent,
    pub(super) principal: Spent,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_become_whole_millionths_and_never_too_few() {
        assert_eq!(millionths(0.0035), Some(3500));
        assert_eq!(millionths(0.1 + 0.2), Some(300_000));
        assert_eq!(millionths(0.000_000_1), Some(1));
        assert_eq!(millionths(0.0), Some(0));
        assert_eq!(millionths(1e300), Some(1_000_000_000_000_000));
        assert_eq!([f64::NAN, f64::INFINITY, -1.0].map(millionths), [None; 3]);
        assert_eq!([0, 5_000_000, 31_500, -250_000].map(amount_words), ["0", "5", "0.0315", "-0.25"]);
    }

    #[test]
    fn a_limit_may_be_reached_and_not_passed_and_an_unknown_price_passes_none() {
        let limits = Limits { day: Some(10), call: None, process: Some(4), principal: Some(100) };
        let of = |day, process, principal| {
            let [day, process, principal] =
                [day, process, principal].map(|settled| Spent { settled, ..Spent::default() });
            Counted { day, process, principal }
        };
        let none = Counted::default();
        assert_eq!(limits.check(Some(3), of(7, 1, 0)), Ok(()));
        let over = |denied| matches!(denied, Err(Denied::Over { limit, .. }) if limit == Limit::Day);
        assert!(over(limits.check(Some(3), of(8, 1, 0))));
        assert_eq!(limits.check(None, none), Err(Denied::NoPrice(Limit::Principal)));
        assert_eq!(Limits::default().check(None, none), Ok(()));
        let day = Spent { settled: i64::MAX, reserved: i64::MAX, unknown: 1, unpriced: 0 };
        assert!(over(limits.with(None).check(Some(1), Counted { day, ..none })));
        let own = limits.check(Some(1), of(0, 0, 100));
        assert!(matches!(own, Err(Denied::Over { limit: Limit::Principal, allowed: 100, .. })), "{own:?}");
    }

    #[test]
    fn what_is_left_is_the_least_of_all_limits_and_never_negative() {
        let limits = Limits { day: Some(10), call: Some(5), process: None, principal: None };
        let day = |settled| Counted { day: Spent { settled, ..Spent::default() }, ..Counted::default() };
        assert_eq!(limits.left(day(0)), Some((Limit::Call, 5)));
        assert_eq!(limits.left(day(7)), Some((Limit::Day, 3)));
        assert_eq!(limits.left(day(12)), Some((Limit::Day, 0)));
        assert_eq!(Limits::default().left(day(12)), None);
    }
}

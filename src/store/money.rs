//! Amounts, and the limits that they must not exceed.

use serde::{Deserialize, Serialize};

use super::error::StoreError;
use super::record::Cost;

/// No sum of such amounts overflows: a thousand million of a currency.
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
    /// Everything that one principal spends on the account in 24 hours, by any process of this data folder. It comes
    /// with each purchase, because each principal has one of its own.
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
    /// Whose it is.
    pub principal: String,
    /// What the principal may spend in 24 hours.
    pub allowance: Option<i64>,
    /// What makes it; may be empty.
    pub model: String,
    /// `USD` or `CNY`.
    pub currency: String,
    /// Millionths, at the upper end; `None` where no price is known.
    pub estimate: Option<i64>,
    /// The sealed question that a person has said yes to, by its name.
    pub consent: Option<String>,
}

/// Where a purchase stands in the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PurchaseState {
    /// Its price is set aside.
    Reserved,
    /// It was bought.
    Settled,
    /// MiniMax provably did not take it; it costs nothing.
    Released,
    /// It may or may not have been billed.
    Unknown,
}

impl PurchaseState {
    /// The word for it in the records.
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
    /// It is dearer than what is left.
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
    /// The person's yes has bought something already.
    Used,
}

/// What was spent, in millionths of one currency.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Spent {
    /// By MiniMax's count, or at the estimate where it gave none.
    pub settled: i64,
    /// Set aside for what has not ended.
    pub reserved: i64,
    /// Set aside for what may or may not have been billed.
    pub unknown: i64,
    /// Purchases whose price nobody knew; they count as nothing.
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
    /// The records cannot be used.
    #[error(transparent)]
    Records(#[from] StoreError),
    /// It may not be.
    #[error("a limit forbids it")]
    Denied(Denied),
}

/// An amount as whole millionths, never too little; `None` for what is no amount.
pub fn millionths(amount: f64) -> Option<i64> {
    if !amount.is_finite() || amount < 0.0 {
        return None;
    }
    // Prices have at most seven places; what lies beyond is the noise of binary fractions.
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
    /// What is set aside for it, in millionths.
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

    /// Whether a purchase of `estimate` is within the limits, `day`, `process` and `principal` being spent.
    pub(super) fn check(
        &self,
        estimate: Option<i64>,
        day: Spent,
        process: Spent,
        principal: Spent,
    ) -> Result<(), Denied> {
        let limits = [
            (Limit::Call, self.call, Spent::default()),
            (Limit::Principal, self.principal, principal),
            (Limit::Process, self.process, process),
            (Limit::Day, self.day, day),
        ];
        for (limit, allowed, spent) in limits {
            let Some(allowed) = allowed else { continue };
            let Some(price) = estimate else { return Err(Denied::NoPrice(limit)) };
            if spent.total().saturating_add(price) > allowed {
                return Err(Denied::Over { limit, allowed, price, spent });
            }
        }
        Ok(())
    }
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
        let spent = |settled| Spent { settled, ..Spent::default() };
        let none = Spent::default();
        assert_eq!(limits.check(Some(3), spent(7), spent(1), none), Ok(()));
        let over = |denied| matches!(denied, Err(Denied::Over { limit, .. }) if limit == Limit::Day);
        assert!(over(limits.check(Some(3), spent(8), spent(1), none)));
        assert_eq!(limits.check(None, none, none, none), Err(Denied::NoPrice(Limit::Principal)));
        assert_eq!(Limits::default().check(None, none, none, none), Ok(()));
        let most = Spent { settled: i64::MAX, reserved: i64::MAX, unknown: 1, unpriced: 0 };
        let shared = limits.with(None);
        assert!(over(shared.check(Some(i64::MAX), most, none, none).or(shared.check(
            Some(1),
            most,
            none,
            none
        ))));
        let own = limits.check(Some(1), none, none, spent(100));
        assert!(matches!(own, Err(Denied::Over { limit: Limit::Principal, allowed: 100, .. })), "{own:?}");
    }
}

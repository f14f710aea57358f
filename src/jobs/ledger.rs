//! What was spent, and what may be.
//!
//! A request that costs money has a row here before it leaves, in the transaction that checks the budgets: two
//! purchases cannot both take the last of a budget, whichever processes they are made by. The row begins as
//! `reserved` at the estimate. It is `settled` by MiniMax's count, or at the estimate where there is none,
//! `released` when MiniMax provably did not take the request, and stays counted as `unknown` when nobody can tell.
//! The row of a job follows the job's own record, in the same transaction, whoever writes it.

use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

use super::account::pool;
use super::job::{Cost, Job, now};
use super::state::State;
use super::store::Store;
use super::store_error::StoreError;
use crate::clock::{earliest, latest};

/// What "the last 24 hours" are, in milliseconds.
const DAY: i64 = 24 * 3_600_000;

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
    fn and(self, other: Self) -> Self {
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

/// The row's state, and what it actually cost, for a job as it stands.
fn standing(job: &Job) -> (&'static str, Option<i64>) {
    let actual = job.cost.actual.and_then(millionths);
    let word = match &job.state {
        _ if job.is_free() => "released",
        _ if actual.is_some() => "settled",
        State::Submitting { .. } | State::Running { .. } => "reserved",
        State::Unknown { .. } => "unknown",
        State::Fetching { .. } | State::Done { .. } | State::Failed { .. } | State::Cancelled { .. } => {
            "settled"
        }
    };
    (word, actual)
}

impl Limits {
    /// Whether there are any.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// These, and what a principal may spend.
    pub(super) fn with(self, principal: Option<i64>) -> Self {
        Self { principal, ..self }
    }

    /// Whether a purchase of `estimate` is within the limits, `day`, `process` and `principal` being spent.
    fn check(
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

const SUMS: &str = "
    COALESCE(SUM(CASE WHEN state = 'settled' THEN COALESCE(actual, estimate) END), 0),
    COALESCE(SUM(CASE WHEN state = 'reserved' THEN COALESCE(actual, estimate) END), 0),
    COALESCE(SUM(CASE WHEN state = 'unknown' THEN COALESCE(actual, estimate) END), 0),
    COALESCE(SUM(state <> 'released' AND actual IS NULL AND estimate IS NULL), 0)";

fn spent(row: &SqliteRow) -> Result<Spent, sqlx::Error> {
    Ok(Spent {
        settled: row.try_get(0)?,
        reserved: row.try_get(1)?,
        unknown: row.try_get(2)?,
        unpriced: row.try_get(3)?,
    })
}

impl Store {
    pub(super) async fn spent_in_a_day(
        &self,
        connection: &mut SqliteConnection,
        account: &str,
        currency: &str,
    ) -> Result<Spent, StoreError> {
        self.spent_since_a_day(connection, "account = ?1", account, currency).await
    }

    /// What counts for the limits of an account: what it has spent, or all that share its limits.
    async fn spent_together(
        &self,
        connection: &mut SqliteConnection,
        account: &str,
        currency: &str,
    ) -> Result<Spent, StoreError> {
        match pool(account) {
            // A print is written in hexadecimal digits, all of which come before `g`.
            Some(pool) => {
                let within = "account >= ?1 AND account < ?1 || 'g'";
                self.spent_since_a_day(connection, within, pool, currency).await
            }
            None => self.spent_in_a_day(connection, account, currency).await,
        }
    }

    async fn spent_since_a_day(
        &self,
        connection: &mut SqliteConnection,
        whose: &str,
        account: &str,
        currency: &str,
    ) -> Result<Spent, StoreError> {
        // What a clock that was set back has put into the future counts too.
        let sql = format!("SELECT {SUMS} FROM spending WHERE {whose} AND currency = ?2 AND created_at > ?3");
        let row = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(account)
            .bind(currency)
            .bind(earliest() - DAY)
            .fetch_one(connection)
            .await;
        row.and_then(|row| spent(&row)).map_err(|error| self.fail(error))
    }

    pub(super) async fn spent_by_principal(
        &self,
        connection: &mut SqliteConnection,
        account: &str,
        principal: &str,
        currency: &str,
    ) -> Result<Spent, StoreError> {
        let sql = format!(
            "SELECT {SUMS} FROM spending
             WHERE account = ?1 AND currency = ?2 AND created_at > ?3 AND principal = ?4"
        );
        let row = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(account)
            .bind(currency)
            .bind(earliest() - DAY)
            .bind(principal)
            .fetch_one(connection)
            .await;
        row.and_then(|row| spent(&row)).map_err(|error| self.fail(error))
    }

    /// `account` asks for the part of one.
    pub(super) async fn spent_by_this_process(
        &self,
        connection: &mut SqliteConnection,
        currency: &str,
        account: Option<&str>,
    ) -> Result<Spent, StoreError> {
        let mine = "process = ?1 AND currency = ?2 AND (?3 IS NULL OR account = ?3)";
        // What was removed from the rows is in the totals.
        let sums = format!(
            "SELECT {SUMS} FROM spending WHERE {mine} UNION ALL
             SELECT COALESCE(SUM(settled), 0), 0, COALESCE(SUM(unknown), 0), COALESCE(SUM(unpriced), 0)
             FROM spending_totals WHERE {mine}"
        );
        let rows = sqlx::query(sqlx::AssertSqlSafe(sums))
            .bind(self.owner())
            .bind(currency)
            .bind(account)
            .fetch_all(connection)
            .await
            .map_err(|error| self.fail(error))?;
        rows.iter()
            .try_fold(Spent::default(), |sum, row| Ok(sum.and(spent(row).map_err(|error| self.fail(error))?)))
    }

    pub(super) async fn allowed(
        &self,
        connection: &mut SqliteConnection,
        account: &str,
        principal: &str,
        currency: &str,
        estimate: Option<i64>,
        limits: &Limits,
    ) -> Result<Result<(), Denied>, StoreError> {
        if limits.is_empty() {
            return Ok(Ok(()));
        }
        let own = match limits.principal {
            Some(_) => self.spent_by_principal(connection, account, principal, currency).await?,
            None => Spent::default(),
        };
        let day = self.spent_together(connection, account, currency).await?;
        let process = self.spent_by_this_process(connection, currency, None).await?;
        Ok(limits.check(estimate, day, process, own))
    }

    /// Sets the price of a purchase aside, if the limits leave room for it. To be called in a transaction that
    /// nobody can write beside, and to be rolled back when it is denied.
    pub(super) async fn set_aside(
        &self,
        connection: &mut SqliteConnection,
        id: &str,
        account: &str,
        purchase: &Purchase,
        limits: &Limits,
    ) -> Result<Result<(), Denied>, StoreError> {
        let Purchase { tool, principal, allowance, model, currency, estimate, consent } = purchase;
        let limits = limits.with(*allowance);
        let allowed =
            self.allowed(&mut *connection, account, principal, currency, *estimate, &limits).await?;
        if allowed.is_err() {
            return Ok(allowed);
        }
        let written = sqlx::query(
            "INSERT INTO spending (id, principal, account, process, tool, model, currency, estimate, state, consent,
                                   created_at, updated_at)
             VALUES (?1, ?2, ?3, ?4, ?5, substr(?6, 1, 256), ?7, ?8, 'reserved', ?9, ?10, ?10)
             ON CONFLICT DO NOTHING",
        )
        .bind(id)
        .bind(principal)
        .bind(account)
        .bind(self.owner())
        .bind(*tool)
        .bind(model)
        .bind(currency)
        .bind(estimate)
        .bind(consent)
        // With a clock that was set back it would be gone from the day as soon as the clock is right again.
        .bind(latest())
        .execute(connection)
        .await
        .map_err(|error| self.fail(error))?;
        Ok(if written.rows_affected() == 1 { Ok(()) } else { Err(Denied::Used) })
    }

    /// Lets the row of a job say what the job says. A job of an older version, or one that was taken over from
    /// another program, has none.
    pub(super) async fn account_for(
        &self,
        connection: &mut SqliteConnection,
        job: &Job,
    ) -> Result<(), StoreError> {
        let (state, actual) = standing(job);
        #[cfg(feature = "crash-points")]
        if state != "reserved" {
            crate::crash::point("settle.before");
        }
        self.mark(connection, &job.id, state, actual).await
    }

    pub(super) async fn mark(
        &self,
        connection: &mut SqliteConnection,
        id: &str,
        state: &str,
        actual: Option<i64>,
    ) -> Result<(), StoreError> {
        // A yes that has bought nothing is still good.
        sqlx::query(
            "UPDATE spending SET state = ?2, actual = ?3, updated_at = ?4,
                                 consent = CASE WHEN ?2 = 'released' THEN NULL ELSE consent END
             WHERE id = ?1 AND (state <> ?2 OR actual IS NOT ?3)",
        )
        .bind(id)
        .bind(state)
        .bind(actual)
        .bind(now())
        .execute(connection)
        .await
        .map_err(|error| self.fail(error))?;
        Ok(())
    }

    pub(super) async fn reserve(
        &self,
        id: &str,
        account: &str,
        purchase: &Purchase,
        limits: &Limits,
    ) -> Result<Result<(), Denied>, StoreError> {
        let mut transaction = self.begin().await?;
        let outcome = self.set_aside(&mut transaction, id, account, purchase, limits).await?;
        if outcome.is_ok() {
            transaction.commit().await.map_err(|error| self.fail(error))?;
        }
        Ok(outcome)
    }

    pub(super) async fn currencies(
        &self,
        connection: &mut SqliteConnection,
        account: &str,
    ) -> Result<Vec<String>, StoreError> {
        let rows =
            sqlx::query("SELECT DISTINCT currency FROM spending WHERE account = ?1 AND created_at > ?2")
                .bind(account)
                .bind(earliest() - DAY)
                .fetch_all(connection)
                .await
                .map_err(|error| self.fail(error))?;
        Ok(rows.iter().filter_map(|row| row.try_get(0).ok()).collect())
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

//! The ledger: what was spent, and what may still be spent.
//!
//! A request that costs money has a row here before it leaves. The transaction that writes it checks the budgets, so
//! two purchases cannot both use the rest of a budget, even from two processes. The row starts as `reserved` at the
//! estimate. It becomes `settled` at the price that MiniMax reported, or at the estimate if it reported none;
//! `released` if MiniMax provably did not take the request; and `unknown` if that cannot be known. A job and its row
//! change in one transaction.

use super::accounts::pool;
use super::budget::{Counted, Denied, Limit, Limits, Purchase, PurchaseState, Spending, Spent};
use super::database::Store;
use super::error::StoreError;
use super::pool::Connection;
use super::sql::{Row, query};
use crate::clock::{earliest, latest, now};
use crate::money::{Currency, Money};
use crate::record::Job;
use crate::record::State;

/// 24 hours in milliseconds.
const DAY: i64 = 24 * 3_600_000;

/// What a job's state makes of its purchase: the state of the row, and the actual price in millionths.
fn purchase_state(job: &Job) -> (PurchaseState, Option<i64>) {
    let actual = job.actual_cost().map(Money::millionths);
    let state = match &job.state {
        _ if job.is_free() => PurchaseState::Released,
        _ if actual.is_some() => PurchaseState::Settled,
        State::Submitting { .. } | State::Running { .. } => PurchaseState::Reserved,
        State::Unknown { .. } => PurchaseState::Unknown,
        State::Fetching { .. } | State::Done { .. } | State::Failed { .. } | State::Cancelled { .. } => {
            PurchaseState::Settled
        }
    };
    (state, actual)
}

const SUMS: &str = "
    CAST(COALESCE(SUM(CASE WHEN state = 'settled' THEN COALESCE(actual, estimate) END), 0) AS BIGINT),
    CAST(COALESCE(SUM(CASE WHEN state = 'reserved' THEN COALESCE(actual, estimate) END), 0) AS BIGINT),
    CAST(COALESCE(SUM(CASE WHEN state = 'unknown' THEN COALESCE(actual, estimate) END), 0) AS BIGINT),
    COUNT(CASE WHEN state <> 'released' AND actual IS NULL AND estimate IS NULL THEN 1 END)";

/// The sum of rows with [`SUMS`] as columns.
fn spent(rows: &[Row], currency: Currency) -> Result<Spent, sqlx::Error> {
    let (mut sums, mut unpriced) = ([0_i64; 3], 0_i64);
    for row in rows {
        for (column, sum) in sums.iter_mut().enumerate() {
            *sum = sum.saturating_add(row.try_get(column)?);
        }
        unpriced = unpriced.saturating_add(row.try_get(3)?);
    }
    Ok(Spent::of(sums, unpriced, currency))
}

impl Store {
    async fn spent_in_a_day(
        &self,
        connection: &mut Connection,
        account: &str,
        currency: Currency,
    ) -> Result<Spent, StoreError> {
        self.spent_since_a_day(connection, "account = ?1", account, currency).await
    }

    /// What counts against the limits of an account: its own spending, or that of all accounts that share the limits.
    async fn spent_together(
        &self,
        connection: &mut Connection,
        account: &str,
        currency: Currency,
    ) -> Result<Spent, StoreError> {
        match pool(account) {
            // A fingerprint has hexadecimal digits, all of which sort before `g`.
            Some(pool) => {
                let within = "account >= ?1 AND account < ?1 || 'g'";
                self.spent_since_a_day(connection, within, pool, currency).await
            }
            None => self.spent_in_a_day(connection, account, currency).await,
        }
    }

    async fn spent_since_a_day(
        &self,
        connection: &mut Connection,
        whose: &str,
        account: &str,
        currency: Currency,
    ) -> Result<Spent, StoreError> {
        // Rows from the future, after the clock was set back, count too.
        let sql = format!("SELECT {SUMS} FROM spending WHERE {whose} AND currency = ?2 AND created_at > ?3");
        let row = query(sql)
            .bind(account)
            .bind(currency.as_str())
            .bind_moment(earliest(), -DAY)
            .fetch_one(connection)
            .await;
        row.and_then(|row| spent(&[row], currency)).map_err(|error| self.fail(error))
    }

    async fn spent_by_principal(
        &self,
        connection: &mut Connection,
        account: &str,
        principal: &str,
        currency: Currency,
    ) -> Result<Spent, StoreError> {
        let sql = format!(
            "SELECT {SUMS} FROM spending
             WHERE account = ?1 AND currency = ?2 AND created_at > ?3 AND principal = ?4"
        );
        let row = query(sql)
            .bind(account)
            .bind(currency.as_str())
            .bind_moment(earliest(), -DAY)
            .bind(principal)
            .fetch_one(connection)
            .await;
        row.and_then(|row| spent(&[row], currency)).map_err(|error| self.fail(error))
    }

    /// With `account`, only what it spent on that account.
    pub(super) async fn spent_by_this_process(
        &self,
        connection: &mut Connection,
        currency: Currency,
        account: Option<&str>,
    ) -> Result<Spent, StoreError> {
        let mine = "process = ?1 AND currency = ?2 AND (?3 IS NULL OR account = ?3)";
        // Removed rows are in the totals.
        let sums = format!(
            "SELECT {SUMS} FROM spending WHERE {mine} UNION ALL
             SELECT CAST(COALESCE(SUM(settled), 0) AS BIGINT), 0, CAST(COALESCE(SUM(unknown), 0) AS BIGINT),
                    CAST(COALESCE(SUM(unpriced), 0) AS BIGINT)
             FROM spending_totals WHERE {mine}"
        );
        let rows = query(sums)
            .bind(self.owner())
            .bind(currency.as_str())
            .bind(account)
            .fetch_all(connection)
            .await
            .map_err(|error| self.fail(error))?;
        spent(&rows, currency).map_err(|error| self.fail(error))
    }

    async fn allowed(
        &self,
        connection: &mut Connection,
        account: &str,
        principal: &str,
        currency: Currency,
        estimate: Option<Money>,
        limits: &Limits,
    ) -> Result<Result<(), Denied>, StoreError> {
        if limits.is_empty() {
            return Ok(Ok(()));
        }
        let counted = self.counted(connection, account, principal, currency, limits).await?;
        Ok(limits.check(estimate, &counted))
    }

    /// What has been spent of each limit.
    async fn counted(
        &self,
        connection: &mut Connection,
        account: &str,
        principal: &str,
        currency: Currency,
        limits: &Limits,
    ) -> Result<Counted, StoreError> {
        let own = match limits.principal {
            Some(_) => self.spent_by_principal(connection, account, principal, currency).await?,
            None => Spent::nothing(currency),
        };
        let day = self.spent_together(connection, account, currency).await?;
        // Callers who bring their own keys share one limit; each key of the server has a limit to itself.
        let alone = pool(account).is_none().then_some(account);
        let process = self.spent_by_this_process(connection, currency, alone).await?;
        Ok(Counted { day, process, principal: own })
    }

    /// Takes the lock of the account, which all accounts that share its limits have in common. Until the transaction
    /// ends, no other transaction can reserve money there, so its sums stay true. SQLite needs no lock, because it has
    /// one writer at a time. Call this before any other statement of the transaction, so that two transactions never
    /// deadlock.
    pub(super) async fn lock_account(
        &self,
        connection: &mut Connection,
        account: &str,
    ) -> Result<(), StoreError> {
        if !connection.is_postgres() {
            return Ok(());
        }
        // The limit of a process covers all accounts that it buys for.
        let sql = "SELECT pg_advisory_xact_lock(hashtextextended(?1, 0)), pg_advisory_xact_lock(hashtextextended(?2, 0))";
        query(sql)
            .bind(format!("minimax-mcp account {}", pool(account).unwrap_or(account)))
            .bind(format!("minimax-mcp process {}", self.owner()))
            .execute(connection)
            .await
            .map_err(|error| self.fail(error))?;
        Ok(())
    }

    /// Reserves the price of a purchase, if the limits leave room for it. Call it in a transaction that holds the lock of the
    /// account, and roll back when it is denied.
    pub(super) async fn reserve_on(
        &self,
        connection: &mut Connection,
        id: &str,
        account: &str,
        purchase: &Purchase,
        limits: &Limits,
    ) -> Result<Result<(), Denied>, StoreError> {
        let Purchase { tool, principal, budget_day, model, currency, estimate, consent } = purchase;
        let limits = limits.with(*budget_day);
        let allowed =
            self.allowed(&mut *connection, account, principal, *currency, *estimate, &limits).await?;
        if allowed.is_err() {
            return Ok(allowed);
        }
        let written = query(
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
        .bind(currency.as_str())
        .bind(estimate.map(Money::millionths))
        .bind(consent.as_deref())
        // After the clock was set back, the row must not drop out of the day when the clock is corrected.
        .bind_moment(latest(), 0)
        .execute(connection)
        .await
        .map_err(|error| self.fail(error))?;
        Ok(if written == 1 { Ok(()) } else { Err(Denied::Used) })
    }

    /// Updates the row of a job to the job's state. Jobs of older versions and adopted tasks have no row.
    pub(super) async fn update_purchase(
        &self,
        connection: &mut Connection,
        job: &Job,
    ) -> Result<(), StoreError> {
        let (state, actual) = purchase_state(job);
        #[cfg(feature = "crash-points")]
        if state != PurchaseState::Reserved {
            crate::crash::point("settle.before");
        }
        self.mark(connection, &job.id, state, actual).await
    }

    async fn mark(
        &self,
        connection: &mut Connection,
        id: &str,
        state: PurchaseState,
        actual: Option<i64>,
    ) -> Result<(), StoreError> {
        // A consent that has bought nothing can be used again.
        query(
            "UPDATE spending SET state = ?2, actual = ?3, updated_at = ?4,
                                 consent = CASE WHEN ?2 = 'released' THEN NULL ELSE consent END
             WHERE id = ?1 AND (state <> ?2 OR actual IS DISTINCT FROM ?3)",
        )
        .bind(id)
        .bind(state.as_str())
        .bind(actual)
        .bind(now())
        .execute(connection)
        .await
        .map_err(|error| self.fail(error))?;
        Ok(())
    }

    /// Reserves money for a call without a job.
    pub async fn reserve(
        &self,
        id: &str,
        account: &str,
        purchase: &Purchase,
        limits: &Limits,
    ) -> Result<Result<(), Denied>, StoreError> {
        let mut transaction = self.begin().await?;
        self.lock_account(&mut transaction, account).await?;
        let outcome = self.reserve_on(&mut transaction, id, account, purchase, limits).await?;
        if outcome.is_ok()
            && let Err(error) = transaction.commit().await
        {
            self.withdraw(id, &error).await;
            return Err(self.fail(error));
        }
        Ok(outcome)
    }

    /// Removes the rows of a purchase that is not made, because they were committed but could not be synced. Only a
    /// failed sync is reported after a commit. Best effort.
    pub(super) async fn withdraw(&self, id: &str, error: &sqlx::Error) {
        if self.place.is_server() || !matches!(error, sqlx::Error::Io(_)) {
            return;
        }
        for sql in [
            "DELETE FROM spending WHERE id = ?1 AND state = 'reserved'",
            "DELETE FROM jobs WHERE id = ?1 AND status = 'submitting'",
        ] {
            if let Err(error) = query(sql).bind(id).execute(self.writers()).await {
                tracing::warn!(id, %error, "a purchase that was not made stays in the records");
            }
        }
    }

    async fn currencies(
        &self,
        connection: &mut Connection,
        account: &str,
    ) -> Result<Vec<Currency>, StoreError> {
        let rows = query("SELECT DISTINCT currency FROM spending WHERE account = ?1 AND created_at > ?2")
            .bind(account)
            .bind_moment(earliest(), -DAY)
            .fetch_all(connection)
            .await
            .map_err(|error| self.fail(error))?;
        let code = |row: &Row| Currency::of_code(row.try_get(0).ok()?);
        Ok(rows.iter().filter_map(code).collect())
    }

    /// Whether a purchase of `estimate` would be allowed now.
    pub async fn afford(
        &self,
        account: &str,
        principal: &str,
        currency: Currency,
        estimate: Option<Money>,
        limits: &Limits,
    ) -> Result<Result<(), Denied>, StoreError> {
        let mut connection = self.readers().acquire().await.map_err(|error| self.fail(error))?;
        self.allowed(&mut connection, account, principal, currency, estimate, limits).await
    }

    /// What one more purchase may cost, and the limit that allows the least.
    pub async fn left(
        &self,
        account: &str,
        principal: &str,
        currency: Currency,
        limits: &Limits,
    ) -> Result<Option<(Limit, Money)>, StoreError> {
        let mut connection = self.readers().acquire().await.map_err(|error| self.fail(error))?;
        let counted = self.counted(&mut connection, account, principal, currency, limits).await?;
        Ok(limits.left(&counted))
    }

    /// What an account has spent, by currency, `currency` first.
    pub async fn spending(&self, account: &str, currency: Currency) -> Result<Vec<Spending>, StoreError> {
        let mut connection = self.readers().acquire().await.map_err(|error| self.fail(error))?;
        let mut all = self.currencies(&mut connection, account).await?;
        all.retain(|other| *other != currency);
        all.insert(0, currency);
        let mut spending = Vec::new();
        for currency in all {
            let day = self.spent_in_a_day(&mut connection, account, currency).await?;
            let process = self.spent_by_this_process(&mut connection, currency, Some(account)).await?;
            spending.push(Spending { currency, day, process });
        }
        Ok(spending)
    }

    /// What a principal has spent in 24 hours.
    pub async fn spent_by(
        &self,
        account: &str,
        principal: &str,
        currency: Currency,
    ) -> Result<Spent, StoreError> {
        let mut connection = self.readers().acquire().await.map_err(|error| self.fail(error))?;
        self.spent_by_principal(&mut connection, account, principal, currency).await
    }

    /// Notes how a purchase without a job has ended.
    pub async fn end_call(
        &self,
        id: &str,
        state: PurchaseState,
        actual: Option<i64>,
    ) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        #[cfg(feature = "crash-points")]
        crate::crash::point("settle.before");
        self.end_purchase(&mut transaction, id, state, actual).await?;
        transaction.commit().await.map_err(|error| self.fail(error))
    }

    /// Notes how a purchase without a job has ended. `false` if there is no such purchase, or it cannot have ended so; an
    /// ended purchase stays as it is. The purchase of a job follows only the job's record.
    pub(super) async fn end_purchase(
        &self,
        connection: &mut Connection,
        id: &str,
        state: PurchaseState,
        actual: Option<i64>,
    ) -> Result<bool, StoreError> {
        let known = query(
            "SELECT state FROM spending WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM jobs WHERE id = ?1) FOR UPDATE",
        );
        let known =
            known.bind(id).fetch_optional(&mut *connection).await.map_err(|error| self.fail(error))?;
        let Some(known) = known else { return Ok(false) };
        let known: String = known.try_get(0).map_err(|error| self.fail(error))?;
        if state == PurchaseState::Reserved || actual.is_some_and(|actual| actual < 0) {
            return Ok(false);
        }
        // An unknown purchase may have become known.
        if [PurchaseState::Reserved, PurchaseState::Unknown]
            .map(PurchaseState::as_str)
            .contains(&known.as_str())
        {
            self.mark(connection, id, state, actual).await?;
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::PurchaseState::{Released, Reserved, Settled, Unknown};
    use super::*;

    #[tokio::test]
    async fn a_purchase_ends_once_and_a_job_s_purchase_ends_only_with_the_job() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), "me".to_owned()).await.unwrap();
        let purchase = Purchase {
            tool: "chat",
            principal: "local".to_owned(),
            budget_day: None,
            model: "m".to_owned(),
            currency: Currency::Usd,
            estimate: Some(Money::from_millionths(5, Currency::Usd)),
            consent: None,
        };
        for id in ["call-1", "call-2", "image-1"] {
            store.reserve(id, "a", &purchase, &Limits::default()).await.unwrap().unwrap();
        }
        let job = "INSERT INTO jobs (id, principal, account, kind, status, is_open, search, body, created_at, updated_at)
                   VALUES ('image-1', 'local', 'a', 'image', 'succeeded', 0, '', '{}', 1, 1)";
        sqlx::query(job).execute(store.sqlite()).await.unwrap();
        for (id, state, actual, counts, becomes) in [
            ("call-1", Reserved, None, false, "reserved"),
            ("call-1", Settled, Some(-9), false, "reserved"),
            ("call-1", Unknown, None, true, "unknown"),
            ("call-1", Settled, Some(3), true, "settled 3"),
            ("call-1", Released, None, true, "settled 3"),
            ("call-1", Settled, Some(0), true, "settled 3"),
            ("call-2", Released, None, true, "released"),
            ("call-2", Settled, Some(4), true, "released"),
            ("image-1", Released, None, false, "reserved"),
            ("call-9", Released, None, false, ""),
        ] {
            let mut transaction = store.begin().await.unwrap();
            let counted = store.end_purchase(&mut transaction, id, state, actual).await.unwrap();
            transaction.commit().await.unwrap();
            let now = sqlx::query_scalar::<_, String>(
                "SELECT state || coalesce(' ' || actual, '') FROM spending WHERE id = ?1",
            );
            let now = now.bind(id).fetch_optional(store.sqlite()).await.unwrap().unwrap_or_default();
            assert_eq!((counted, now.as_str()), (counts, becomes), "{id} {state:?}");
        }
    }
}

//! Money set aside: whether there is enough, for what it was, and how a request that is no job ends.

use sqlx::{Row as _, SqliteConnection};

use super::account::pool;
use super::ledger::{NotBought, Purchase, Spending, Spent, millionths};
use super::spool::Update;
use super::store::Store;
use super::store_error::StoreError;
use super::unwritten::PROMPTLY;
use super::{Jobs, random_id};

impl Jobs {
    /// Whether a purchase of `estimate` millionths would be allowed now. To be asked before anything is uploaded
    /// for it; what counts is asked once more when the money is set aside.
    pub async fn afford(
        &self,
        principal: &str,
        allowance: Option<i64>,
        estimate: Option<i64>,
        currency: &str,
    ) -> Result<(), NotBought> {
        let settings = &self.shared.settings;
        let limits = settings.limits.with(allowance);
        if limits.is_empty() {
            return Ok(());
        }
        let store = self.store().await?;
        let mut connection = store.readers().acquire().await.map_err(|error| store.fail(error))?;
        let account = &self.account.name;
        let allowed = store.allowed(&mut connection, account, principal, currency, estimate, &limits).await?;
        allowed.map_err(NotBought::Denied)
    }

    /// Sets money aside for a request that is no job. On disk when it returns, so the request may leave.
    pub async fn reserve(&self, purchase: Purchase) -> Result<Reservation, NotBought> {
        let settings = &self.shared.settings;
        let store = self.store().await?;
        let id = random_id("call");
        let reserved = store.reserve(&id, &self.account.name, &purchase, &settings.limits).await?;
        reserved.map_err(NotBought::Denied)?;
        Ok(Reservation { jobs: self.clone(), id })
    }

    /// What the account has spent, by currency, `currency` first. Makes no records where there are none.
    pub async fn spending(&self, currency: &str) -> Result<Vec<Spending>, StoreError> {
        let settings = &self.shared.settings;
        let nothing = |currency: &str| Spending {
            currency: currency.to_owned(),
            day: Spent::default(),
            process: Spent::default(),
        };
        if !settings.data_dir.join(Store::FILE).exists() {
            return Ok(vec![nothing(currency)]);
        }
        let store = self.store().await?;
        let mut connection = store.readers().acquire().await.map_err(|error| store.fail(error))?;
        let mut all = store.currencies(&mut connection, &self.account.name).await?;
        all.retain(|other| other != currency);
        all.insert(0, currency.to_owned());
        let mut spending = Vec::new();
        for currency in all {
            let day = store.spent_in_a_day(&mut connection, &self.account.name, &currency).await?;
            // What other callers spend with their keys is none of this one's business.
            let part = pool(&self.account.name).map(|_| self.account.name.as_str());
            let process = store.spent_by_this_process(&mut connection, &currency, part).await?;
            spending.push(Spending { currency, day, process });
        }
        Ok(spending)
    }

    /// What a principal has spent in 24 hours. Makes no records where there are none.
    pub async fn spent_by(&self, principal: &str, currency: &str) -> Result<Spent, StoreError> {
        let settings = &self.shared.settings;
        if !settings.data_dir.join(Store::FILE).exists() {
            return Ok(Spent::default());
        }
        let store = self.store().await?;
        let mut connection = store.readers().acquire().await.map_err(|error| store.fail(error))?;
        store.spent_by_principal(&mut connection, &self.account.name, principal, currency).await
    }

    /// The key that questions to a person are sealed with.
    pub async fn seal_key(&self) -> Result<Vec<u8>, StoreError> {
        self.store().await?.secret("consent").await
    }
}

/// How a purchase ends.
const ENDS: &[&str] = &["settled", "released", "unknown"];

impl Store {
    /// Notes how a purchase without a job has ended. `false` where there is no such purchase, or where it cannot have
    /// ended so; what has ended already stays as it is. The purchase of a job follows the job's record alone.
    pub(super) async fn end_purchase(
        &self,
        connection: &mut SqliteConnection,
        id: &str,
        state: &str,
        actual: Option<i64>,
    ) -> Result<bool, StoreError> {
        let known = sqlx::query_scalar::<_, String>(
            "SELECT state FROM spending WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM jobs WHERE id = ?1)",
        );
        let known = known.bind(id).fetch_optional(&mut *connection).await;
        let Some(known) = known.map_err(|error| self.fail(error))? else { return Ok(false) };
        if !ENDS.contains(&state) || actual.is_some_and(|actual| actual < 0) {
            return Ok(false);
        }
        // Of what nobody could tell, somebody may know more by now.
        if matches!(known.as_str(), "reserved" | "unknown") {
            self.mark(connection, id, state, actual).await?;
        }
        Ok(true)
    }

    /// A random key of the data folder, made when it is first asked for.
    pub(super) async fn secret(&self, name: &str) -> Result<Vec<u8>, StoreError> {
        if let Some(known) = self.known_secret(name).await? {
            return Ok(known);
        }
        let mut fresh = [0_u8; 32];
        getrandom::fill(&mut fresh).map_err(|error| self.fail(error.to_string()))?;
        sqlx::query("INSERT INTO secrets (name, value) VALUES (?1, ?2) ON CONFLICT DO NOTHING")
            .bind(name)
            .bind(fresh.to_vec())
            .execute(self.writers())
            .await
            .map_err(|error| self.fail(error))?;
        // Another process may have been quicker.
        self.known_secret(name).await?.ok_or_else(|| self.fail(sqlx::Error::RowNotFound))
    }

    async fn known_secret(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let row = sqlx::query("SELECT value FROM secrets WHERE name = ?1").bind(name);
        let row = row.fetch_optional(self.readers()).await.map_err(|error| self.fail(error))?;
        row.map(|row| row.try_get(0).map_err(|error| self.fail(error))).transpose()
    }
}

/// Money set aside for a request that is no job. One that is dropped stays set aside: the request may have left.
#[derive(Debug)]
#[must_use]
pub struct Reservation {
    jobs: Jobs,
    id: String,
}

impl Reservation {
    /// MiniMax took the request and counted `actual`; where it did not say, the estimate stands.
    pub async fn settle(self, actual: Option<f64>) {
        self.end("settled", actual.and_then(millionths)).await;
    }

    /// MiniMax provably did not take the request.
    pub async fn release(self) {
        self.end("released", None).await;
    }

    /// Nobody knows whether MiniMax took it.
    pub async fn doubt(self) {
        self.end("unknown", None).await;
    }

    /// Until it can be written the money stays set aside, which is the safe side.
    async fn end(self, state: &'static str, actual: Option<i64>) {
        let Self { jobs, id } = self;
        let tracker = jobs.shared.tracker.clone();
        // A caller that goes away in this very moment does not keep the end from being written.
        let written = tracker.spawn(async move {
            let writing = async {
                let store = jobs.store().await?;
                let mut transaction = store.begin().await?;
                #[cfg(feature = "crash-points")]
                crate::crash::point("settle.before");
                store.end_purchase(&mut transaction, &id, state, actual).await?;
                transaction.commit().await.map_err(|error| store.fail(error))
            };
            let trouble = match tokio::time::timeout(PROMPTLY, writing).await {
                Ok(Ok(())) => return,
                Ok(Err(error)) => error.to_string(),
                Err(_) => "it takes too long".to_owned(),
            };
            tracing::error!(id, state, trouble, "the end of a purchase was not written; it will be");
            jobs.owe(Update::Purchase { purchase: id, state: state.to_owned(), actual }).await;
        });
        // A panic has its own words in the log.
        let _ = written.await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs::ledger::Limits;

    #[tokio::test]
    async fn a_purchase_ends_once_and_that_of_a_job_with_the_job_alone() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), "me".to_owned()).await.unwrap();
        let purchase = Purchase {
            tool: "chat",
            principal: "local".to_owned(),
            allowance: None,
            model: "m".to_owned(),
            currency: "USD".to_owned(),
            estimate: Some(5),
            consent: None,
        };
        for id in ["call-1", "call-2", "image-1"] {
            store.reserve(id, "a", &purchase, &Limits::default()).await.unwrap().unwrap();
        }
        let job = "INSERT INTO jobs VALUES ('image-1', 'local', 'a', 'image', 'succeeded', 0, NULL, NULL, '', '{}', NULL, 0, 1, 1)";
        sqlx::query(job).execute(store.writers()).await.unwrap();
        for (id, state, actual, counts, becomes) in [
            ("call-1", "reserved", None, false, "reserved"),
            ("call-1", "anything", None, false, "reserved"),
            ("call-1", "settled", Some(-9), false, "reserved"),
            ("call-1", "unknown", None, true, "unknown"),
            ("call-1", "settled", Some(3), true, "settled 3"),
            ("call-1", "released", None, true, "settled 3"),
            ("call-1", "settled", Some(0), true, "settled 3"),
            ("call-2", "released", None, true, "released"),
            ("call-2", "settled", Some(4), true, "released"),
            ("image-1", "released", None, false, "reserved"),
            ("call-9", "released", None, false, ""),
        ] {
            let mut transaction = store.begin().await.unwrap();
            let counted = store.end_purchase(&mut transaction, id, state, actual).await.unwrap();
            transaction.commit().await.unwrap();
            let now = sqlx::query_scalar::<_, String>(
                "SELECT state || coalesce(' ' || actual, '') FROM spending WHERE id = ?1",
            );
            let now = now.bind(id).fetch_optional(store.readers()).await.unwrap().unwrap_or_default();
            assert_eq!((counted, now.as_str()), (counts, becomes), "{id} {state}");
        }
    }
}

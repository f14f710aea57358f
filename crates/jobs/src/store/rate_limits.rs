//! The rate limits that several servers share. Each limit has a row.

use super::database::Store;
use super::error::StoreError;
use super::sql::{Row, query};
use crate::clock::now;
use crate::rate_limit::{Demand, Grant, TakenPermits};

impl Store {
    /// Takes permits for each demand. Returns the grants in the order of the demands, and how many servers are alive.
    ///
    /// The rows are locked in order of their names, so that two servers never wait for each other.
    pub(crate) async fn take_permits(
        &self,
        account: &str,
        demands: &[Demand],
    ) -> Result<(Vec<Grant>, usize), StoreError> {
        let names: Vec<_> = demands.iter().map(|demand| demand.group).collect();
        let fail = |error| self.fail(error);
        let mut transaction = self.begin().await?;
        let locked = || {
            let locked = "SELECT name, body FROM rate_limits
                          WHERE account = ?1 AND name IN (SELECT value FROM ?2) ORDER BY name FOR UPDATE";
            query(locked).bind(account).bind_list(&names)
        };
        let mut rows = locked().fetch_all(&mut transaction).await.map_err(fail)?;
        if rows.len() < names.len() {
            query(
                "INSERT INTO rate_limits (account, name, body) SELECT ?1, value, '{}' FROM ?2 WHERE TRUE
                 ORDER BY value ON CONFLICT DO NOTHING",
            )
            .bind(account)
            .bind_list(&names)
            .execute(&mut transaction)
            .await
            .map_err(fail)?;
            rows = locked().fetch_all(&mut transaction).await.map_err(fail)?;
        }
        // Read the time after taking the lock, so that permits of other servers never lie in the future.
        let clock =
            query("SELECT ?1 AS present, (SELECT count(*) FROM processes WHERE alive_until > ?1) AS servers");
        let clock = clock.bind_moment(now(), 0).fetch_one(&mut transaction).await.map_err(fail)?;
        let present: i64 = clock.try_get("present").map_err(fail)?;
        let servers: i64 = clock.try_get("servers").map_err(fail)?;
        let mut grants = Vec::new();
        for demand in demands {
            let mut taken = taken_permits(&rows, demand.group).map_err(|error| self.fail(error))?;
            grants.push(taken.take(demand, present));
            let body = serde_json::to_string(&taken).map_err(|error| self.fail(error))?;
            query("UPDATE rate_limits SET body = ?3 WHERE account = ?1 AND name = ?2")
                .bind(account)
                .bind(demand.group)
                .bind(body)
                .execute(&mut transaction)
                .await
                .map_err(fail)?;
        }
        transaction.commit().await.map_err(fail)?;
        Ok((grants, usize::try_from(servers).unwrap_or(1)))
    }
}

fn taken_permits(rows: &[Row], group: &str) -> Result<TakenPermits, sqlx::Error> {
    for row in rows {
        let (name, body): (&str, &str) = (row.try_get("name")?, row.try_get("body")?);
        if name == group {
            // A row that this version cannot read is treated like a new one.
            return Ok(serde_json::from_str(body).unwrap_or_default());
        }
    }
    Ok(TakenPermits::default())
}

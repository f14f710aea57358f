//! The remaining plan quota and the balance. MiniMax documents neither endpoint, but its own command line tool uses
//! both.

use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::{ApiError, Client, Endpoint};

const REMAINS: Endpoint = Endpoint::get("/v1/token_plan/remains");
const BALANCE: Endpoint = Endpoint::get("/account/query_balance");

/// The remaining quota of one group of models. Times are Unix milliseconds. Status 1 is limited and active; status 3
/// is unlimited or not in the plan.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "the fields are those on the wire")]
pub struct Window {
    #[serde(deserialize_with = "or_default")]
    pub model_name: String,
    pub end_time: Option<i64>,
    #[serde(deserialize_with = "or_default")]
    pub current_interval_total_count: i64,
    #[serde(deserialize_with = "or_default")]
    pub current_interval_usage_count: i64,
    pub current_interval_remaining_percent: Option<f64>,
    pub current_interval_status: Option<i64>,
    #[serde(deserialize_with = "or_default")]
    pub current_weekly_total_count: i64,
    #[serde(deserialize_with = "or_default")]
    pub current_weekly_usage_count: i64,
    pub current_weekly_remaining_percent: Option<f64>,
    pub current_weekly_status: Option<i64>,
    pub weekly_end_time: Option<i64>,
    pub weekly_boost_permille: Option<f64>,
}

/// Treats `null`, which MiniMax sends for a field that does not apply, like an absent field.
fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}

/// A balance in the account's currency, as decimal strings.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "the fields are those on the wire")]
pub struct Balance {
    #[serde(deserialize_with = "decimal")]
    pub available_amount: String,
    #[serde(deserialize_with = "decimal")]
    pub cash_balance: String,
    #[serde(deserialize_with = "decimal")]
    pub voucher_balance: String,
    #[serde(deserialize_with = "decimal")]
    pub credit_balance: String,
    #[serde(deserialize_with = "decimal")]
    pub owed_amount: String,
}

fn decimal<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    super::lenient(deserializer)
}

impl Client {
    /// The quota windows of the key's plan.
    pub async fn plan_windows(&self) -> Result<Vec<Window>, ApiError> {
        #[derive(Deserialize)]
        struct Answer {
            model_remains: Option<Vec<Window>>,
        }
        let answer: Answer = self.get(&REMAINS, &[]).await?;
        Ok(answer.model_remains.unwrap_or_default())
    }

    /// The balance of a pay-as-you-go key.
    pub async fn balance(&self) -> Result<Balance, ApiError> {
        let answer: Value = self.get(&BALANCE, &[]).await?;
        let shape = |why: String| ApiError::Shape { at: self.at(BALANCE.path), why, trace_id: None };
        if answer.get("available_amount").is_none() {
            return Err(shape("a balance without available_amount".to_owned()));
        }
        serde_json::from_value(answer).map_err(|error| shape(self.clean(&error.to_string())))
    }
}

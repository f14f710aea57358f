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

impl Window {
    /// Whether the plan covers this group. For a group that it does not cover, MiniMax reports two totals of 0 and two
    /// statuses of 3.
    pub fn is_in_plan(&self) -> bool {
        let nothing = self.current_interval_total_count == 0 && self.current_weekly_total_count == 0;
        let unlimited = [self.current_interval_status, self.current_weekly_status] == [Some(3); 2];
        !(nothing && unlimited)
    }

    /// When the used-up window is reset; `None` if no window is used up.
    fn used_up_until(&self) -> Option<i64> {
        let is_up =
            |percent: Option<f64>, status| status != Some(3) && percent.is_some_and(|left| left <= 0.0);
        let week = is_up(self.current_weekly_remaining_percent, self.current_weekly_status);
        let interval = is_up(self.current_interval_remaining_percent, self.current_interval_status);
        // A reset of the short window does not help before the week is reset.
        if week {
            return self.weekly_end_time;
        }
        self.end_time.filter(|_| interval)
    }
}

/// When a plan whose window is used up can be used again, in Unix milliseconds. If no window reports that it is used up,
/// this is the reset of the first short window that the plan covers.
pub fn restarts_at(windows: &[Window]) -> Option<i64> {
    let covered = || windows.iter().filter(|window| window.is_in_plan());
    covered().find_map(Window::used_up_until).or_else(|| covered().find_map(|window| window.end_time))
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
        let shape =
            |why: String| ApiError::Shape { at: self.at(BALANCE.path), why, trace_id: None, answer: None };
        if answer.get("available_amount").is_none() {
            return Err(shape("a balance without available_amount".to_owned()));
        }
        serde_json::from_value(answer).map_err(|error| shape(self.clean(&error.to_string())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(left: f64, week_left: f64, status: i64) -> Window {
        Window {
            end_time: Some(5),
            weekly_end_time: Some(7),
            current_interval_total_count: if status == 3 { 0 } else { 100 },
            current_interval_remaining_percent: Some(left),
            current_weekly_remaining_percent: Some(week_left),
            current_interval_status: Some(status),
            current_weekly_status: Some(status),
            ..Window::default()
        }
    }

    #[test]
    fn a_plan_starts_again_with_the_window_that_is_used_up() {
        assert_eq!(restarts_at(&[window(0.0, 50.0, 1)]), Some(5));
        assert_eq!(restarts_at(&[window(0.0, 0.0, 1)]), Some(7), "the short window alone is of no use");
        assert_eq!(
            restarts_at(&[window(50.0, 50.0, 1)]),
            Some(5),
            "MiniMax refused, so it must be the short window"
        );
        assert_eq!(restarts_at(&[window(0.0, 0.0, 3)]), None, "not in the plan");
        assert_eq!(restarts_at(&[]), None);
    }
}

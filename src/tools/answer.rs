//! What the answers of tools without a job have in common.

use std::time::Duration;

use rmcp::ErrorData;
use rmcp::model::{CallToolResult, ContentBlock};
use serde::Serialize;

use crate::api::ApiError;
use crate::api::retry::{Nature, pause};

/// A call without a heartbeat must not be silent for longer.
const PATIENCE: Duration = Duration::from_secs(20);

/// The same facts twice: as text, and as structured content.
pub(super) fn both(text: String, answer: &impl Serialize) -> Result<CallToolResult, ErrorData> {
    let mut result = CallToolResult::success(vec![ContentBlock::text(text)]);
    let structured = serde_json::to_value(answer);
    result.structured_content =
        Some(structured.map_err(|error| ErrorData::internal_error(error.to_string(), None))?);
    Ok(result)
}

/// Sends a request, again where that is harmless, for a while.
pub(super) async fn patiently<T, F>(nature: Nature, mut send: impl FnMut() -> F) -> Result<T, ApiError>
where
    F: Future<Output = Result<T, ApiError>>,
{
    let mut waited = Duration::ZERO;
    let mut tries = 1;
    loop {
        let error = match send().await {
            Ok(answer) => return Ok(answer),
            Err(error) => error,
        };
        let chance = f64::from(getrandom::u32().unwrap_or(u32::MAX / 2)) / f64::from(u32::MAX);
        let Some(wait) = pause(nature, &error, tries, chance).filter(|wait| waited + *wait <= PATIENCE)
        else {
            return Err(error);
        };
        tokio::time::sleep(wait).await;
        waited += wait;
        tries += 1;
    }
}

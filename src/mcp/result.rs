//! What the answers of tools without a job have in common.

use rmcp::ErrorData;
use rmcp::model::{CallToolResult, ContentBlock};
use serde::Serialize;

/// The same facts twice: as text, and as structured content.
pub(crate) fn both(text: String, answer: &impl Serialize) -> Result<CallToolResult, ErrorData> {
    let mut result = CallToolResult::success(vec![ContentBlock::text(text)]);
    let structured = serde_json::to_value(answer);
    result.structured_content =
        Some(structured.map_err(|error| ErrorData::internal_error(error.to_string(), None))?);
    Ok(result)
}

//! Results of tools.

use rmcp::ErrorData;
use rmcp::model::{CallToolResult, ContentBlock};
use serde::Serialize;

/// A result that says the same twice: as text, and as structured content.
pub(crate) fn both(text: String, view: &impl Serialize) -> Result<CallToolResult, ErrorData> {
    let mut result = CallToolResult::success(vec![ContentBlock::text(text)]);
    let structured = serde_json::to_value(view);
    result.structured_content =
        Some(structured.map_err(|error| ErrorData::internal_error(error.to_string(), None))?);
    Ok(result)
}

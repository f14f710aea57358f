//! Results of tools.

use rmcp::ErrorData;
use rmcp::model::{CallToolResult, ContentBlock, JsonObject};
use serde::Serialize;
use serde_json::{Value, json};

/// A result that says the same twice: as text, and as structured content.
pub(crate) fn both(text: String, view: &impl Serialize) -> Result<CallToolResult, ErrorData> {
    let mut result = CallToolResult::success(vec![ContentBlock::text(text)]);
    let structured = serde_json::to_value(view);
    result.structured_content =
        Some(structured.map_err(|error| ErrorData::internal_error(error.to_string(), None))?);
    Ok(result)
}

/// Adds a note to the text of a result, and to a field of it if its schema has a fitting one.
pub(crate) fn add_note(schema: Option<&JsonObject>, result: &mut CallToolResult, note: &str) {
    result.content.push(ContentBlock::text(format!("Note: {note}")));
    let has = |name: &str| {
        schema.is_some_and(|schema| schema.get("properties").is_some_and(|all| all.get(name).is_some()))
    };
    let Some(Value::Object(content)) = &mut result.structured_content else { return };
    if has("warnings") {
        if let Value::Array(warnings) = content.entry("warnings").or_insert_with(|| json!([])) {
            warnings.push(note.into());
        }
    } else if has("next") {
        let next = content.get("next").and_then(Value::as_str).unwrap_or_default();
        let next = format!("Tell the user: {note}. {next}");
        content.insert("next".to_owned(), next.trim().into());
    }
}

//! The list of tools in JSON. Parsing it into values and writing them again would take longer than everything else that
//! a client waits for before its first call, so its parts stay text.

use rmcp::model::{ListToolsResult, MetaObject, Tool, ToolAnnotations};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// A tool as a client sees it. The fields are those of [`Tool`], in the same order.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ListedTool<'a> {
    pub(crate) name: &'a str,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub(crate) title: Option<&'a RawValue>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    description: Option<&'a RawValue>,
    #[serde(borrow)]
    input_schema: &'a RawValue,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub(crate) output_schema: Option<&'a RawValue>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub(crate) annotations: Option<&'a RawValue>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub(crate) icons: Option<&'a RawValue>,
    #[serde(rename = "_meta", skip_serializing_if = "Option::is_none")]
    pub(crate) meta: Option<MetaObject>,
}

impl ListedTool<'_> {
    /// Whether it is marked as one that costs nothing and changes nothing.
    pub(crate) fn changes_nothing(&self) -> bool {
        let hints =
            self.annotations.and_then(|hints| serde_json::from_str::<ToolAnnotations>(hints.get()).ok());
        hints.and_then(|hints| hints.read_only_hint) == Some(true)
    }
}

/// An extension of a request whose transport can put the text of a list into the response.
#[derive(Debug, Clone, Copy)]
pub struct TakesText;

/// The key in the result's metadata under which the text of a list waits for the transport.
const TEXT: &str = "text";

/// The result for these tools.
pub(crate) fn result_of(tools: &[ListedTool<'_>], takes_text: bool) -> serde_json::Result<ListToolsResult> {
    let text = serde_json::to_string(tools)?;
    if !takes_text {
        return serde_json::from_str::<Vec<Tool>>(&text).map(ListToolsResult::with_all_items);
    }
    let mut list = ListToolsResult::with_all_items(Vec::new());
    list.meta = Some(MetaObject([(TEXT.to_owned(), text.into())].into_iter().collect()));
    Ok(list)
}

/// Takes the text of a list out of a result: the JSON of all tools, which replaces the empty `tools`.
pub fn text_of(list: &mut ListToolsResult) -> Option<String> {
    let mut meta = list.meta.take_if(|meta| meta.0.contains_key(TEXT))?;
    match meta.0.remove(TEXT) {
        Some(serde_json::Value::String(text)) => Some(text),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = r#"[{"name":"a","title":"A","description":"\"1\"","inputSchema":{"type":"object"},
        "annotations":{"readOnlyHint":true}},{"name":"b","inputSchema":{},"outputSchema":{},"_meta":{"x":1}}]"#;

    #[test]
    fn the_text_of_a_list_is_the_json_of_its_values_and_no_metadata_stays() {
        let tools: Vec<ListedTool<'_>> = serde_json::from_str(LIST).unwrap();
        assert_eq!(tools.iter().map(ListedTool::changes_nothing).collect::<Vec<_>>(), [true, false]);
        let mut values = result_of(&tools, false).unwrap();
        let mut text = result_of(&tools, true).unwrap();
        assert_eq!((values.tools.len(), text.tools.len()), (2, 0));
        assert_eq!(text_of(&mut values), None);
        assert_eq!(text_of(&mut text).unwrap(), serde_json::to_string(&values.tools).unwrap());
        assert_eq!(text.meta, None);
    }
}

//! `minimax-mcp tools`: the catalogue for people.

use std::fmt::Write as _;

use rmcp::model::{JsonObject, Tool};
use serde_json::Value;

use crate::config::Toolset;
use crate::mcp::{Billing, Server};

/// All tools, or one with its parameters. `None` if there is no such tool.
pub(super) fn tools(server: &Server, name: Option<&str>, json: bool) -> Option<String> {
    let catalogue = server.catalogue();
    let all = catalogue.tools();
    let Some(name) = name else {
        return if json { serde_json::to_string_pretty(&all).ok() } else { Some(listed(server, &all)) };
    };
    let spec = catalogue.find(name)?;
    let tool = all.iter().find(|tool| tool.name == spec.name)?;
    if json { serde_json::to_string_pretty(tool).ok() } else { Some(explained(server, tool)) }
}

fn price(server: &Server, name: &str) -> &'static str {
    match server.catalogue().find(name).map(|spec| spec.billing) {
        Some(Billing::Job | Billing::Immediate) => "costs money",
        Some(Billing::Free) | None => "free",
    }
}

/// The description without its sentence about the price, which has its own column.
fn description(tool: &Tool) -> String {
    let text = tool.description.as_deref().unwrap_or_default();
    text.replace(" Costs money.", "").replace(" Free.", "")
}

fn listed(server: &Server, all: &[Tool]) -> String {
    let mut text = String::new();
    for (toolset, group) in Toolset::ALL {
        let own = all.iter().filter(|tool| server.catalogue().toolset_of(&tool.name) == Some(*group));
        let rows: Vec<_> = own.collect();
        if rows.is_empty() {
            continue;
        }
        let _ = writeln!(text, "{toolset}");
        for tool in rows {
            let about = description(tool);
            let first = about.split_inclusive(". ").next().unwrap_or_default().trim_end();
            let _ = writeln!(text, "  {:<30}{:<13}{first}", tool.name, price(server, &tool.name));
        }
    }
    text + "`minimax-mcp tools TOOL` explains one; `minimax-mcp call TOOL KEY=VALUE… --dry-run` shows what a call costs.\n"
}

fn explained(server: &Server, tool: &Tool) -> String {
    let mut text = format!("{}: {}\n{}\n", tool.name, price(server, &tool.name), description(tool));
    let empty = JsonObject::new();
    let properties = tool.input_schema.get("properties").and_then(Value::as_object).unwrap_or(&empty);
    let required = tool.input_schema.get("required").and_then(Value::as_array);
    for (name, schema) in properties {
        let needed = required.is_some_and(|all| all.iter().any(|known| known == name));
        let needed = if needed { ", required" } else { "" };
        let default = schema.get("default").filter(|default| !default.is_null());
        let default = default.map(|default| format!(", default {}", plain(default))).unwrap_or_default();
        let _ = writeln!(text, "\n  {name}  ({}{needed}{default})", kind(schema));
        for line in schema.get("description").and_then(Value::as_str).unwrap_or_default().lines() {
            let _ = writeln!(text, "      {line}");
        }
    }
    text
}

/// The type of a parameter in words, with its allowed values.
fn kind(schema: &Value) -> String {
    if let Some(values) = schema.get("enum").and_then(Value::as_array) {
        return values.iter().map(plain).collect::<Vec<_>>().join(" | ");
    }
    let bounds = || {
        let bound = |word: &str| schema.get(word).map(plain);
        match (bound("minimum"), bound("maximum")) {
            (Some(least), Some(most)) => format!(" {least} to {most}"),
            (Some(least), None) => format!(" from {least}"),
            (None, Some(most)) => format!(" up to {most}"),
            (None, None) => String::new(),
        }
    };
    match schema.get("type").and_then(Value::as_str).unwrap_or_default() {
        "string" => "text".to_owned(),
        "integer" => format!("whole number{}", bounds()),
        "number" => format!("number{}", bounds()),
        "boolean" => "true | false".to_owned(),
        "array" => match schema.get("items") {
            Some(items) => format!("list of {}", kind(items)),
            None => "list".to_owned(),
        },
        "object" => "JSON object".to_owned(),
        _ => "any value".to_owned(),
    }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

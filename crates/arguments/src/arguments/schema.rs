//! Schemas that every client can read.
//!
//! Clients differ in what they support of JSON Schema: some refuse a whole list for one boolean subschema, some mangle
//! `anyOf` with `null`, some reject `$ref` or number formats. So each schema is simplified once, when the catalogue is
//! built: flat objects, no references, no unions, and optional parameters that are just not `required`.

use std::collections::HashMap;
use std::sync::Arc;

use rmcp::handler::server::router::tool::ToolRouter;
use rmcp::model::JsonObject;
use serde_json::{Map, Value, json};

use crate::arguments::lengths;

/// Marks a parameter that is accepted but not shown, such as another spelling of a shown one. Also marks a field of a
/// result that is not worth its tokens in each conversation.
const QUIET: &str = "x-quiet";

/// Input schemas by tool, including parameters that are accepted but not shown.
pub type Accepted = HashMap<String, Arc<JsonObject>>;

/// Simplifies every schema of a router, bounds its strings, and returns the schemas that calls are checked against.
pub fn make_portable<S: Send + Sync + 'static>(
    router: &mut ToolRouter<S>,
    lengths_of: impl Fn(&str) -> &'static [(&'static str, u64)],
) -> Accepted {
    let mut accepted = Accepted::new();
    for route in router.map.values_mut() {
        let mut whole = plain(&route.attr.input_schema);
        lengths::bound(lengths_of(&route.attr.name), &mut whole);
        let mut shown = whole.clone();
        if let Some(Value::Object(properties)) = shown.get_mut("properties") {
            properties.retain(|_, property| property.get(QUIET).is_none());
            properties.values_mut().for_each(drop_lengths);
        }
        if let Some(description) = &mut route.attr.description {
            *description = description.replace('\n', " ").into();
        }
        accepted.insert(route.attr.name.to_string(), Arc::new(whole));
        route.attr.input_schema = Arc::new(shown);
        route.attr.output_schema =
            route.attr.output_schema.as_deref().map(|schema| Arc::new(outline(&plain(schema))));
    }
    accepted
}

fn plain(schema: &JsonObject) -> JsonObject {
    let definitions = schema.get("$defs").and_then(Value::as_object).cloned().unwrap_or_default();
    let mut root = Value::Object(schema.clone());
    simplify(&mut root, &definitions, 0);
    let mut root = match root {
        Value::Object(object) => object,
        _ => Map::new(),
    };
    // The description of the type is for readers of the code; the tool has its own.
    for word in ["$schema", "$defs", "title", "description"] {
        root.shift_remove(word);
    }
    root.entry("properties").or_insert_with(|| json!({}));
    root
}

/// Removes lengths from the shown schema. They bound what is read and stored; those that MiniMax documents are in the
/// descriptions.
fn drop_lengths(schema: &mut Value) {
    let Value::Object(object) = schema else { return };
    object.shift_remove("maxLength");
    object.get_mut("items").into_iter().for_each(drop_lengths);
    let properties = object.get_mut("properties").and_then(Value::as_object_mut);
    properties.into_iter().flat_map(Map::values_mut).for_each(drop_lengths);
}

/// The names and types at the top level of a result. Many tools answer with a job view, and models do not read output
/// schemas, so descriptions and the fields of inner objects would cost each conversation more than all input schemas.
///
/// A failed call answers with [`OF_ERRORS`] alone, and some clients check that against the schema too, and show a person
/// the mismatch in place of the error. So nothing else is required.
fn outline(schema: &JsonObject) -> JsonObject {
    let mut outline = kept(schema, &["type"]);
    let required = schema.get("required").and_then(Value::as_array).into_iter().flatten();
    let required: Vec<_> = required.filter(|name| OF_ERRORS.iter().any(|(of, _)| *name == of)).collect();
    if !required.is_empty() {
        outline.insert("required".to_owned(), json!(required));
    }
    let properties = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
    let shown = properties.filter(|(_, property)| property.get(QUIET).is_none());
    let mut properties: JsonObject = shown.map(|(name, property)| (name.clone(), kind(property))).collect();
    for (name, kind) in OF_ERRORS {
        properties.entry(*name).or_insert_with(|| json!({ "type": kind }));
    }
    outline.insert("properties".to_owned(), properties.into());
    outline
}

/// The fields of a failed call's result, with their types.
const OF_ERRORS: &[(&str, &str)] = &[("error", "object"), ("next", "string")];

/// The type of a field, with the type of its items.
fn kind(schema: &Value) -> Value {
    let Value::Object(object) = schema else { return json!({}) };
    let mut kind_of = kept(object, &["type"]);
    if let Some(items) = object.get("items") {
        kind_of.insert("items".to_owned(), kind(items));
    }
    kind_of.into()
}

fn kept(schema: &JsonObject, words: &[&str]) -> JsonObject {
    let kept = schema.iter().filter(|(word, _)| words.contains(&word.as_str()));
    kept.map(|(word, value)| (word.clone(), value.clone())).collect()
}

/// The depth is limited so that a recursive type cannot hang the start of the server.
fn simplify(schema: &mut Value, definitions: &JsonObject, depth: u8) {
    if schema.is_boolean() {
        *schema = json!({ "description": "Any JSON value." });
    }
    let Value::Object(object) = schema else { return };
    if depth < 16 {
        inline(object, definitions);
    }
    drop_null(object);
    for word in ["format", "title"] {
        object.shift_remove(word);
    }
    // An omitted switch is off. A default would only cost tokens.
    if object.get("default").is_some_and(|value| value.is_null() || *value == Value::Bool(false)) {
        object.shift_remove("default");
    }
    // schemars gives unsigned types a minimum of 0; an enum is narrower.
    if object.contains_key("enum") {
        object.shift_remove("minimum");
    }
    if let Some(Value::String(text)) = object.get_mut("description") {
        *text = text.replace('\n', " ");
    }
    if let Some(items) = object.get_mut("items") {
        simplify(items, definitions, depth + 1);
    }
    if let Some(Value::Object(properties)) = object.get_mut("properties") {
        for property in properties.values_mut() {
            simplify(property, definitions, depth + 1);
        }
    }
    if object.get("additionalProperties").is_some_and(|value| !value.is_boolean()) {
        object.shift_remove("additionalProperties");
    }
}

/// Replaces a reference by its definition. Words beside the reference win.
fn inline(object: &mut JsonObject, definitions: &JsonObject) {
    let branches = object.shift_remove("anyOf").or_else(|| object.shift_remove("oneOf"));
    let not_null = |branch: &Value| branch.get("type").is_none_or(|kind| kind != "null");
    let reference = match branches {
        Some(Value::Array(branches)) => branches.into_iter().find(not_null),
        _ => None,
    };
    let target = reference.and_then(|branch| match branch {
        Value::Object(branch) => Some(branch),
        _ => None,
    });
    for (word, value) in target.into_iter().flatten() {
        object.entry(word).or_insert(value);
    }
    let Some(Value::String(reference)) = object.shift_remove("$ref") else { return };
    let name = reference.trim_start_matches("#/$defs/");
    if let Some(Value::Object(definition)) = definitions.get(name) {
        for (word, value) in definition.clone() {
            object.entry(word).or_insert(value);
        }
    }
    inline(object, definitions);
}

fn drop_null(object: &mut JsonObject) {
    if let Some(Value::Array(kinds)) = object.get_mut("type") {
        kinds.retain(|kind| kind != "null");
        if let [only] = kinds.as_slice() {
            let only = only.clone();
            object.insert("type".to_owned(), only);
        }
    }
    if let Some(Value::Array(values)) = object.get_mut("enum") {
        values.retain(|value| !value.is_null());
    }
}

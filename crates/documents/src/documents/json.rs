//! JSON, with the comments and trailing commas that some clients allow.

use jsonc_parser::cst::{CstArray, CstInputValue, CstObject, CstObjectProp, CstRootNode};
use jsonc_parser::errors::ParseErrorKind;
use jsonc_parser::tokens::Token;
use jsonc_parser::{ParseOptions, ParseStringErrorKind, Scanner, ScannerOptions};
use serde_json::{Map, Value};

use super::place::{Entries, Place, Unusable, position, unexpected};
use crate::texts::setup as say;

fn parse(text: &str) -> Result<CstRootNode, Unusable> {
    let options = ParseOptions {
        allow_comments: true,
        allow_trailing_commas: true,
        allow_loose_object_property_names: false,
        allow_missing_commas: false,
        allow_single_quoted_strings: false,
        allow_hexadecimal_numbers: false,
        allow_unary_plus_numbers: false,
        allow_bare_decimal_point_numbers: false,
        allow_non_finite_numbers: false,
        allow_extended_string_escapes: false,
    };
    // The parser lets a string continue on the next line.
    if let Some(end) = string_without_end(text) {
        let (line, column) = position(text, end);
        return Err(Unusable::Damaged { line, column, message: say::string_without_end() });
    }
    CstRootNode::parse(text, &options).map_err(|error| {
        let (line, column) = position(text, error.range().start);
        Unusable::Damaged { line, column, message: error.kind().to_string() }
    })
}

/// The first line end within a string.
fn string_without_end(text: &str) -> Option<usize> {
    let mut scanner = Scanner::new(text, &ScannerOptions::default());
    loop {
        let (token, start) = (scanner.scan(), scanner.token_start());
        let end = match token {
            Ok(Some(Token::String(_))) => scanner.token_end(),
            Ok(Some(_)) => continue,
            Ok(None) => return None,
            Err(error) => {
                let open = ParseStringErrorKind::UnterminatedStringLiteral;
                let is_open = matches!(error.kind(), ParseErrorKind::String(kind) if *kind == open);
                return line_end(text, start, text.len()).filter(|_| is_open);
            }
        };
        if let Some(end) = line_end(text, start, end) {
            return Some(end);
        }
    }
}

fn line_end(text: &str, start: usize, end: usize) -> Option<usize> {
    Some(start + text.get(start..end)?.find(['\n', '\r'])?)
}

/// The properties with this name. Duplicate names are legal in JSON, and the last one counts.
fn properties(object: &CstObject, name: &str) -> Vec<CstObjectProp> {
    let mut all = object.properties();
    all.retain(|property| property.decoded_name().as_deref() == Some(name));
    all
}

fn is_null(property: &CstObjectProp) -> bool {
    property.value().and_then(|value| value.to_serde_value()) == Some(Value::Null)
}

/// The value of the last property with this name, if it is an object. For clients, `null` is as good as none.
fn object(parent: &CstObject, name: &str) -> Result<Option<CstObject>, Unusable> {
    match properties(parent, name).pop() {
        None => Ok(None),
        Some(property) if is_null(&property) => Ok(None),
        Some(property) => property.object_value().map(Some).ok_or_else(|| unexpected(name)),
    }
}

/// The same, which is made if there is none.
fn object_or_new(parent: &CstObject, name: &str) -> Result<CstObject, Unusable> {
    if let Some(object) = object(parent, name)? {
        return Ok(object);
    }
    let empty = || CstInputValue::Object(Vec::new());
    match properties(parent, name).pop() {
        Some(property) => property.set_value(empty()),
        None => drop(parent.append(name, empty())),
    }
    object(parent, name)?.ok_or_else(|| unexpected(name))
}

fn root_object(root: &CstRootNode) -> Result<Option<CstObject>, Unusable> {
    match (root.value(), root.object_value()) {
        (None, _) => Ok(None),
        (Some(_), Some(object)) => Ok(Some(object)),
        (Some(_), None) => Err(Unusable::Unexpected(say::not_one_object())),
    }
}

pub(super) fn entries(text: &str, servers: &str) -> Result<Entries, Unusable> {
    let root = parse(text)?;
    let Some(top) = root_object(&root)? else { return Ok(Vec::new()) };
    entries_in(&top, servers)
}

pub(super) fn project_entries(
    text: &str,
    projects: &str,
    servers: &str,
) -> Result<Vec<(String, Entries)>, Unusable> {
    let root = parse(text)?;
    let Some(top) = root_object(&root)? else { return Ok(Vec::new()) };
    let Some(projects) = object(&top, projects)? else { return Ok(Vec::new()) };
    let of = |property: CstObjectProp| {
        let entries = entries_in(&property.object_value()?, servers).ok()?;
        Some((property.decoded_name()?, entries))
    };
    Ok(projects.properties().into_iter().filter_map(of).collect())
}

/// The entries below the key `servers` of an object.
fn entries_in(parent: &CstObject, servers: &str) -> Result<Entries, Unusable> {
    let Some(servers) = object(parent, servers)? else { return Ok(Vec::new()) };
    let entry = |property: CstObjectProp| {
        let value = property.value().and_then(|value| value.to_serde_value()).unwrap_or_default();
        Some((property.decoded_name()?, value))
    };
    Ok(servers.properties().into_iter().filter_map(entry).collect())
}

pub(super) fn set(
    text: &str,
    place: Place<'_>,
    value: &Value,
    input: Option<&Value>,
) -> Result<String, Unusable> {
    let root = parse(text)?;
    root_object(&root)?;
    let before = root.to_serde_value();
    let Some(top) = root.object_value_or_create() else { return Err(unexpected(place.servers)) };
    if let Some(input) = input {
        add_input(&top, input)?;
    }
    let servers = object_or_new(&top, place.servers)?;
    match properties(&servers, place.name).pop() {
        None => {
            servers.append(place.name, written(value));
        }
        Some(property) => match (property.object_value(), value) {
            (Some(old), Value::Object(new)) => update(&old, new),
            _ => property.set_value(written(value)),
        },
    }
    let mut text = root.to_string();
    if before.is_none() && !text.ends_with('\n') {
        text.push('\n');
    }
    Ok(text)
}

/// Changes only the fields that differ, so that comments next to the others stay.
fn update(object: &CstObject, wanted: &Map<String, Value>) {
    for property in object.properties() {
        if property.decoded_name().is_some_and(|name| !wanted.contains_key(&name)) {
            property.remove();
        }
    }
    for (name, value) in wanted {
        let Some(property) = properties(object, name).pop() else {
            object.append(name, written(value));
            continue;
        };
        match (property.object_value(), value) {
            (Some(inner), Value::Object(value)) => update(&inner, value),
            _ if property.value().and_then(|old| old.to_serde_value()).as_ref() == Some(value) => {}
            _ => property.set_value(written(value)),
        }
    }
}

fn add_input(top: &CstObject, input: &Value) -> Result<(), Unusable> {
    for property in properties(top, "inputs").iter().filter(|property| is_null(property)) {
        property.set_value(CstInputValue::Array(Vec::new()));
    }
    let Some(inputs) = top.array_value_or_create("inputs") else {
        return Err(Unusable::Unexpected(say::not_a_list("inputs")));
    };
    let id = |value: &Value| value.get("id").cloned();
    let is_there = inputs
        .elements()
        .iter()
        .any(|element| element.to_serde_value().is_some_and(|value| id(&value) == id(input)));
    if !is_there {
        inputs.append(written(input));
    }
    Ok(())
}

pub(super) fn remove(text: &str, place: Place<'_>, input: Option<&str>) -> Result<String, Unusable> {
    let root = parse(text)?;
    let Some(top) = root_object(&root)? else { return Ok(text.to_owned()) };
    let Some(servers) = object(&top, place.servers)? else { return Ok(text.to_owned()) };
    for property in properties(&servers, place.name) {
        property.remove();
    }
    for element in top.array_value("inputs").iter().flat_map(CstArray::elements) {
        let value = element.to_serde_value().unwrap_or_default();
        if input.is_some() && value.get("id").and_then(Value::as_str) == input {
            element.remove();
        }
    }
    Ok(root.to_string())
}

fn written(value: &Value) -> CstInputValue {
    match value {
        Value::Null => CstInputValue::Null,
        Value::Bool(value) => CstInputValue::Bool(*value),
        Value::Number(number) => CstInputValue::Number(number.to_string()),
        Value::String(text) => CstInputValue::String(text.clone()),
        Value::Array(values) => CstInputValue::Array(values.iter().map(written).collect()),
        Value::Object(fields) => {
            CstInputValue::Object(fields.iter().map(|(name, value)| (name.clone(), written(value))).collect())
        }
    }
}

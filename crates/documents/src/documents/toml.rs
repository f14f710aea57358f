//! TOML, for Codex.

use serde_json::{Map, Value, json};
use toml_edit::{Array, DocumentMut, InlineTable, Item, Table, TableLike};

use super::place::{Entries, Place, Unusable, position, unexpected};

fn parse(text: &str) -> Result<DocumentMut, Unusable> {
    text.parse::<DocumentMut>().map_err(|error| {
        let (line, column) = position(text, error.span().map_or(0, |span| span.start));
        let message = error.message().lines().next().unwrap_or_default().to_owned();
        Unusable::Damaged { line, column, message }
    })
}

pub(super) fn entries(text: &str, servers: &str) -> Result<Entries, Unusable> {
    let document = parse(text)?;
    let Some(item) = document.get(servers) else { return Ok(Vec::new()) };
    let table = item.as_table_like().ok_or_else(|| unexpected(servers))?;
    Ok(table.iter().map(|(name, item)| (name.to_owned(), value_of(item))).collect())
}

pub(super) fn set(text: &str, place: Place<'_>, value: &Value) -> Result<String, Unusable> {
    let mut document = parse(text)?;
    let Value::Object(wanted) = value else { return Err(unexpected(place.servers)) };
    if !document.contains_key(place.servers) {
        let mut table = Table::new();
        table.set_implicit(true);
        document.insert(place.servers, Item::Table(table));
    }
    let is_table = document.get(place.servers).is_some_and(Item::is_table);
    let servers = document
        .get_mut(place.servers)
        .and_then(Item::as_table_like_mut)
        .ok_or_else(|| unexpected(place.servers))?;
    match servers.get_mut(place.name) {
        Some(entry) => {
            let entry = entry.as_table_like_mut().ok_or_else(|| unexpected(place.name))?;
            update(entry, wanted);
        }
        None if is_table => {
            let mut table = Table::new();
            update(&mut table, wanted);
            // A blank line before the table, unless it is the first line.
            if !text.trim().is_empty() {
                table.decor_mut().set_prefix("\n");
            }
            servers.insert(place.name, Item::Table(table));
        }
        None => {
            servers.insert(place.name, item(value));
        }
    }
    Ok(document.to_string())
}

/// Changes only the fields that differ, so that comments next to the others stay.
fn update(table: &mut dyn TableLike, wanted: &Map<String, Value>) {
    let old: Vec<_> = table.iter().map(|(name, _)| name.to_owned()).collect();
    for name in old.iter().filter(|name| !wanted.contains_key(*name)) {
        table.remove(name);
    }
    for (name, value) in wanted {
        match (table.get_mut(name), value) {
            (Some(old), Value::Object(value)) if old.is_table_like() => {
                if let Some(inner) = old.as_table_like_mut() {
                    update(inner, value);
                }
            }
            (Some(old), _) if value_of(old) == *value => {}
            _ => {
                table.insert(name, item(value));
            }
        }
    }
}

pub(super) fn remove(text: &str, place: Place<'_>) -> Result<String, Unusable> {
    let mut document = parse(text)?;
    let Some(servers) = document.get_mut(place.servers).and_then(Item::as_table_like_mut) else {
        return Ok(text.to_owned());
    };
    servers.remove(place.name);
    Ok(document.to_string())
}

fn value_of(item: &Item) -> Value {
    match item {
        Item::None => Value::Null,
        Item::Value(value) => plain(value),
        Item::Table(table) => table_of(table),
        Item::ArrayOfTables(tables) => tables.iter().map(|table| table_of(table)).collect(),
    }
}

fn table_of(table: &dyn TableLike) -> Value {
    Value::Object(table.iter().map(|(name, item)| (name.to_owned(), value_of(item))).collect())
}

fn plain(value: &toml_edit::Value) -> Value {
    match value {
        toml_edit::Value::String(text) => json!(text.value()),
        toml_edit::Value::Integer(number) => json!(number.value()),
        toml_edit::Value::Float(number) => json!(number.value()),
        toml_edit::Value::Boolean(value) => json!(value.value()),
        toml_edit::Value::Datetime(time) => json!(time.value().to_string()),
        toml_edit::Value::Array(values) => values.iter().map(plain).collect(),
        toml_edit::Value::InlineTable(table) => table_of(table),
    }
}

fn item(value: &Value) -> Item {
    Item::Value(written(value))
}

fn written(value: &Value) -> toml_edit::Value {
    match value {
        Value::Bool(value) => (*value).into(),
        Value::Number(number) => match number.as_i64() {
            Some(number) => number.into(),
            None => number.as_f64().unwrap_or_default().into(),
        },
        Value::Array(values) => toml_edit::Value::Array(values.iter().map(written).collect::<Array>()),
        Value::Object(fields) => {
            let fields = fields.iter().map(|(name, value)| (name.as_str(), written(value)));
            toml_edit::Value::InlineTable(fields.collect::<InlineTable>())
        }
        Value::String(text) => text.as_str().into(),
        // TOML has no null.
        Value::Null => "".into(),
    }
}

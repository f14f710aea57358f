//! Merges the user's rows over the compiled-in tables.

use std::sync::OnceLock;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// The fields that identify a row, in order of precedence. A list whose rows have none of these fields is replaced as a
/// whole.
const KEYS: &[&str] = &["model", "code", "alias", "status", "purpose", "prefix", "group", "api", "id"];

/// The user's rows, once they are installed.
pub(super) static OVERLAY: OnceLock<Value> = OnceLock::new();

/// The compiled-in tables. Names that occur in none of them cannot be overridden.
const TABLES: &[(&str, &str)] = &[
    ("facts.json", include_str!("facts.json")),
    ("services.json", include_str!("services.json")),
    ("plan.json", include_str!("plan.json")),
    ("text.json", include_str!("text.json")),
    ("voices.json", include_str!("voices.json")),
];

/// One table with the user's overlay.
pub(super) fn table<T: DeserializeOwned + Default>(file: &str) -> T {
    let text = TABLES.iter().find(|(name, _)| *name == file).map_or("{}", |(_, text)| text);
    let mut value: Value = serde_json::from_str(text).unwrap_or_default();
    if let Some(over) = OVERLAY.get() {
        merge(&mut value, over.clone());
    }
    serde_json::from_value(value).unwrap_or_default()
}

/// All compiled-in tables in one object.
pub(super) fn all_tables() -> Value {
    let mut all = Value::Object(Map::new());
    for (_, text) in TABLES {
        merge(&mut all, serde_json::from_str(text).unwrap_or_default());
    }
    all
}

/// Merges objects by name and lists of rows by key. Replaces everything else.
pub(super) fn merge(base: &mut Value, over: Value) {
    match (base, over) {
        (Value::Object(base), Value::Object(over)) => {
            for (name, value) in over {
                match base.get_mut(&name) {
                    Some(present) => merge(present, value),
                    None => {
                        base.insert(name, value);
                    }
                }
            }
        }
        (Value::Array(base), Value::Array(over)) if is_rows(base) && is_rows(&over) => {
            for row in over {
                match base.iter_mut().find(|present| same_row(present, &row)) {
                    Some(present) => *present = row,
                    None => base.push(row),
                }
            }
        }
        (base, over) => *base = over,
    }
}

/// The key of a row: its first field of [`KEYS`]. In a row written as an array, the first element is the id.
fn key(row: &Value) -> Option<(&'static str, &Value)> {
    match row {
        Value::Array(columns) => columns.first().filter(|id| id.is_string()).map(|id| ("id", id)),
        row => KEYS.iter().find_map(|name| Some((*name, row.get(name)?))),
    }
}

fn is_rows(list: &[Value]) -> bool {
    list.iter().all(|row| key(row).is_some())
}

fn same_row(one: &Value, other: &Value) -> bool {
    key(one).is_some() && key(one) == key(other)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn rows_of_the_same_name_are_replaced_and_others_added() {
        let mut base = json!({
            "as_of": "old", "aliases": {"a": "A"},
            "image": [{"model": "x", "sizes": true}, {"model": "y", "sizes": true}], "plain": [1, 2],
        });
        merge(
            &mut base,
            json!({
                "as_of": "new", "aliases": {"b": "B"},
                "image": [{"model": "y", "sizes": false}, {"model": "z"}], "plain": [3],
            }),
        );
        assert_eq!(
            base,
            json!({
                "as_of": "new", "aliases": {"a": "A", "b": "B"},
                "image": [{"model": "x", "sizes": true}, {"model": "y", "sizes": false}, {"model": "z"}],
                "plain": [3],
            })
        );
    }
}

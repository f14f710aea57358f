//! A file of the user's that replaces or adds rows of the tables: a new model or price without a new release.

use std::path::Path;
use std::sync::OnceLock;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::Facts;

/// What names a row. Rows without any of these are replaced as a whole list.
const KEYS: &[&str] = &["model", "code", "alias", "status", "purpose", "prefix", "group"];

/// Larger files are not tables.
const LARGEST: u64 = 4 * 1024 * 1024;

static OVERLAY: OnceLock<Value> = OnceLock::new();

/// Merges the tables in `path` over those that this program was built with.
///
/// The file has the shape of `facts.json`: a value replaces the one of the same name, and in a list of rows each
/// row replaces the one of the same model (code, alias, …) or is added. To be called once, before the first use
/// of any table; later calls are refused. The error is a sentence without a subject.
pub fn install(path: &Path) -> Result<(), String> {
    let shown = path.display();
    let size =
        std::fs::metadata(path).map_err(|error| format!("names {shown}, which cannot be read: {error}"))?;
    if !size.is_file() || size.len() > LARGEST {
        return Err(format!("names {shown}, which is not a file of at most 4 MB"));
    }
    let text = std::fs::read_to_string(path)
        .map_err(|error| format!("names {shown}, which cannot be read: {error}"))?;
    let over = checked(&text).map_err(|problem| format!("names {shown}, which {problem}"))?;
    OVERLAY
        .set(over)
        .map_err(|_| "was read before; the tables cannot change while the server runs".to_owned())
}

/// The overlay in `text`, if every table is still readable with it.
fn checked(text: &str) -> Result<Value, String> {
    let over: Value = serde_json::from_str(text).map_err(|error| format!("is not JSON: {error}"))?;
    let Value::Object(tables) = &over else { return Err("is not a JSON object of tables".to_owned()) };
    let mut whole = Value::Object(Map::new());
    for (_, text) in TABLES {
        merge(&mut whole, serde_json::from_str(text).unwrap_or_default());
    }
    let known: Vec<String> = whole.as_object().map(|all| all.keys().cloned().collect()).unwrap_or_default();
    if let Some(name) = tables.keys().find(|name| !known.contains(name)) {
        return Err(format!("has the table `{name}`; there are {}", known.join(", ")));
    }
    merge(&mut whole, over.clone());
    serde_path_to_error::deserialize::<_, Facts>(&whole).map_err(|error| bad(&error))?;
    serde_path_to_error::deserialize::<_, super::offer::Offer>(&whole).map_err(|error| bad(&error))?;
    Ok(over)
}

fn bad(error: &serde_path_to_error::Error<serde_json::Error>) -> String {
    format!("does not fit at `{}`: {}", error.path(), error.inner())
}

/// The tables that are compiled in. A name that is in none of them cannot be overridden.
const TABLES: &[(&str, &str)] =
    &[("facts.json", include_str!("facts.json")), ("offer.json", include_str!("offer.json"))];

/// A table that is compiled in, with the user's rows over it.
pub(super) fn table<T: DeserializeOwned + Default>(file: &str) -> T {
    let text = TABLES.iter().find(|(name, _)| *name == file).map_or("{}", |(_, text)| text);
    let mut value: Value = serde_json::from_str(text).unwrap_or_default();
    if let Some(over) = OVERLAY.get() {
        merge(&mut value, over.clone());
    }
    serde_json::from_value(value).unwrap_or_default()
}

fn merge(base: &mut Value, over: Value) {
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

fn key(row: &Value) -> Option<(&'static str, &Value)> {
    KEYS.iter().find_map(|name| Some((*name, row.get(name)?)))
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

    #[test]
    fn a_file_that_does_not_fit_is_refused_with_the_place() {
        for (text, part) in [
            ("{", "is not JSON"),
            ("[]", "is not a JSON object"),
            (r#"{"imags": []}"#, "the table `imags`"),
            (r#"{"image": [{"model": "image-02", "sizes": "yes"}]}"#, "image["),
            (r#"{"codes": [{"code": 1, "meaning": "x", "class": "odd", "advice": "y"}]}"#, "codes["),
        ] {
            let problem = checked(text).unwrap_err();
            assert!(problem.contains(part), "{text}: {problem}");
        }
        checked(
            r#"{"image": [{"model": "image-02", "aspect_ratios": ["1:1"], "sizes": true, "styles": false}]}"#,
        )
        .unwrap();
    }
}

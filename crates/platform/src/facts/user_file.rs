//! `MINIMAX_FACTS_FILE`: the user's rows. They replace or add models, prices, limits, voices and codes without a new
//! release.

use std::path::Path;

use serde_json::Value;

use super::overlay::{OVERLAY, all_tables, merge};
use super::plan::PlanFile;
use super::{Facts, Services, Text, Voices};

/// The size limit of the file, in bytes.
const MAX_BYTES: u64 = 4 * 1024 * 1024;

/// Merges the tables in `path` over the compiled-in ones.
///
/// The file has the shape of the tables in this folder, all in one object. A value replaces the value of the same
/// name. In a list of rows, each row replaces the row with the same key (model, code, alias, id, …) or is added. Call
/// this once, before any table is used; later calls fail. The error is a sentence without its subject, which is the
/// name of the setting.
pub fn install(path: &Path) -> Result<(), String> {
    let shown = path.display();
    let size = std::fs::metadata(path).map_err(|error| unreadable(path, &error))?;
    if !size.is_file() || size.len() > MAX_BYTES {
        return Err(format!("names {shown}, which is not a file of at most 4 MB"));
    }
    let text = std::fs::read_to_string(path).map_err(|error| unreadable(path, &error))?;
    let over = checked(&text).map_err(|problem| format!("names {shown}, which {problem}"))?;
    OVERLAY
        .set(over)
        .map_err(|_| "was read before; the tables cannot change while the server runs".to_owned())
}

fn unreadable(path: &Path, error: &std::io::Error) -> String {
    let text = error.to_string();
    let words = text.split_once(" (os error ").map_or(text.as_str(), |(words, _)| words);
    format!("names {}, which cannot be read: {words}", path.display())
}

/// Parses the user's rows, and checks that every table can still be read with them.
fn checked(text: &str) -> Result<Value, String> {
    // Editors on Windows begin a file with a byte order mark.
    let text = text.trim_start_matches('\u{feff}');
    let over: Value = serde_json::from_str(text).map_err(|error| format!("is not JSON: {error}"))?;
    let Value::Object(tables) = &over else { return Err("is not a JSON object of tables".to_owned()) };
    let mut whole = all_tables();
    let known: Vec<String> = whole.as_object().map(|all| all.keys().cloned().collect()).unwrap_or_default();
    if let Some(name) = tables.keys().find(|name| !known.contains(name)) {
        return Err(format!("has the table `{name}`; there are {}", known.join(", ")));
    }
    let ours = whole.clone();
    merge(&mut whole, over.clone());
    serde_path_to_error::deserialize::<_, Facts>(&whole).map_err(|error| bad(&error))?;
    serde_path_to_error::deserialize::<_, Services>(&whole).map_err(|error| bad(&error))?;
    let plan: PlanFile = serde_path_to_error::deserialize(&whole).map_err(|error| bad(&error))?;
    let ours: PlanFile = serde_json::from_value(ours).unwrap_or_default();
    let tools: Vec<_> = ours.tools().collect();
    if let Some(tool) = plan.tools().find(|tool| !tools.contains(tool)) {
        return Err(format!("has an entitlement for the tool `{tool}`; there are {}", tools.join(", ")));
    }
    serde_path_to_error::deserialize::<_, Text>(&whole).map_err(|error| bad(&error))?;
    serde_path_to_error::deserialize::<_, Voices>(&whole).map_err(|error| bad(&error))?;
    Ok(over)
}

fn bad(error: &serde_path_to_error::Error<serde_json::Error>) -> String {
    format!("has a wrong value at `{}`: {}", error.path(), error.inner())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_with_a_wrong_value_is_refused_and_the_error_names_the_field() {
        for (text, part) in [
            ("{", "is not JSON"),
            ("[]", "is not a JSON object"),
            (r#"{"imags": []}"#, "the table `imags`"),
            (r#"{"image": [{"model": "image-02", "sizes": "yes"}]}"#, "image["),
            (r#"{"models": [{"model": "MiniMax-M9", "context": "large"}]}"#, "models["),
            (
                r#"{"plan": {"entitlements": [{"id": "generate_video", "in_plan": "yes"}]}}"#,
                "plan.entitlements[",
            ),
            (
                r#"{"plan": {"entitlements": [{"id": "generate_movie", "in_plan": true}]}}"#,
                "the tool `generate_movie`; there are chat, ",
            ),
            (r#"{"system": [["id-only"]]}"#, "system["),
            (r#"{"codes": [{"code": 1, "meaning": "x", "class": "odd", "advice": "y"}]}"#, "codes["),
        ] {
            let problem = checked(text).unwrap_err();
            assert!(problem.contains(part), "{text}: {problem}");
        }
        checked("\u{feff}{}").unwrap();
        checked(
            r#"{"image": [{"model": "image-02", "aspect_ratios": ["1:1"], "sizes": true, "styles": false}]}"#,
        )
        .unwrap();
    }
}

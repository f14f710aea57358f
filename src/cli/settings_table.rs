//! `minimax-mcp settings`: every setting with its value and where it comes from.

use std::io::{self, Write as _};

use serde::Serialize;

use super::doctor::masked;
use super::flags::Flags;
use super::login::Stored;
use super::outcome::Outcome;
use crate::config::{ALIASES, Config, SETTINGS, Setting};

/// One setting with its current value.
#[derive(Debug, Serialize)]
struct Row {
    name: &'static str,
    /// The given value, or the default. Secrets are masked.
    value: String,
    /// `option --region`, `environment`, `file …`, `minimax-mcp login, …` or `default`.
    source: String,
    default: String,
    meaning: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    problems: Vec<String>,
}

/// Prints the settings.
pub(super) fn print(
    config: &Config,
    flags: &Flags,
    stored: Option<&Stored>,
    lookup: impl Fn(&str) -> Option<String>,
    json: bool,
) -> Outcome {
    let row = |setting| row(setting, config, (flags, stored), &lookup);
    let rows: Vec<_> = SETTINGS.iter().map(row).collect();
    if json {
        writeln!(io::stdout(), "{}", serde_json::to_string_pretty(&rows)?)?;
        return Ok(());
    }
    let mut out = io::stdout().lock();
    for row in &rows {
        let default =
            if row.source == "default" { String::new() } else { format!(" Default: {}.", row.default) };
        writeln!(out, "{} = {}  ({})\n    {}.{default}", row.name, row.value, row.source, row.meaning)?;
        for problem in &row.problems {
            writeln!(out, "    wrong: {problem}")?;
        }
    }
    let others = config
        .warnings
        .iter()
        .filter(|warning| SETTINGS.iter().all(|setting| !is_about(warning, setting.name)));
    for warning in others {
        writeln!(out, "{warning}")?;
    }
    Ok(())
}

fn row(
    setting: &Setting,
    config: &Config,
    (flags, stored): (&Flags, Option<&Stored>),
    lookup: &impl Fn(&str) -> Option<String>,
) -> Row {
    let given = |name: &str| lookup(name).filter(|value| !value.trim().is_empty());
    let alias = ALIASES.iter().find(|(name, _)| *name == setting.name).map(|(_, alias)| *alias);
    let (key, key_file) = match setting.name {
        "MINIMAX_API_KEY" => (config.key.as_ref(), config.key_file.as_ref()),
        "MINIMAX_PLAN_KEY" => (config.plan_key.as_ref(), config.plan_key_file.as_ref()),
        _ => (None, None),
    };
    let is_key = ["MINIMAX_API_KEY", "MINIMAX_PLAN_KEY"].contains(&setting.name);
    let key_from_file = is_key && (flags.hides(setting.name) || given(setting.name).is_none());
    let (value, source) =
        if let (Some(option), Some(value)) = (flags.option(setting.name), flags.value(setting.name)) {
            (value.to_owned(), format!("option {option}"))
        } else if key_from_file {
            match (key, key_file, stored.and_then(|stored| stored.source(setting.name))) {
                (Some(_), _, Some(login)) => (String::new(), login),
                (None, _, Some(login)) => ("not read".to_owned(), login),
                (Some(_), Some(file), None) => (String::new(), format!("file {}", file.display())),
                _ => ("none".to_owned(), "default".to_owned()),
            }
        } else if let Some(value) = given(setting.name) {
            (value, "environment".to_owned())
        } else if let Some((alias, value)) = alias.and_then(|alias| Some((alias, given(alias)?))) {
            (value, format!("environment, {alias}"))
        } else {
            (default(setting.name, config).unwrap_or_else(|| plain(setting.default)), "default".to_owned())
        };
    let value = match key {
        Some(key) => masked(key),
        None if setting.is_secret() && source != "default" && !key_from_file => "not shown".to_owned(),
        None => without_credentials(&value),
    };
    let problems = config.problems.iter().filter(|problem| problem.name == setting.name);
    let warnings = config.warnings.iter().filter(|warning| is_about(warning, setting.name)).cloned();
    Row {
        name: setting.name,
        value,
        source,
        default: plain(setting.default),
        meaning: plain(setting.meaning),
        problems: problems.map(ToString::to_string).chain(warnings).collect(),
    }
}

/// The value of a default that depends on this machine or on other settings.
fn default(name: &str, config: &Config) -> Option<String> {
    Some(match name {
        "MINIMAX_API_HOST" => config.host.clone(),
        "MINIMAX_MCP_BASE_PATH" => config.base_path.display().to_string(),
        "MINIMAX_DATA_DIR" => config.data_dir.display().to_string(),
        "MINIMAX_POLL_SECONDS" => config.poll.as_secs_f64().to_string(),
        "MINIMAX_RATE_LIMITS" => config.keeps_limits().to_string(),
        _ => return None,
    })
}

/// Whether a warning begins with this name.
fn is_about(warning: &str, name: &str) -> bool {
    warning.split_whitespace().next() == Some(name)
}

fn plain(text: &str) -> String {
    text.replace('`', "")
}

/// A URL without user, password and query. Other texts are unchanged.
fn without_credentials(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else { return text.to_owned() };
    let (place, query) = rest.split_once(['?', '#']).map_or((rest, ""), |(place, _)| (place, "?…"));
    let (host, path) = place.split_at(place.find('/').unwrap_or(place.len()));
    let host = host.rsplit_once('@').map_or(host.to_owned(), |(_, host)| format!("…@{host}"));
    format!("{scheme}://{host}{path}{query}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_in_a_url_are_not_shown() {
        for (given, shown) in [
            ("https://ada:hunter2@h:1/p?token=x", "https://…@h:1/p?…"),
            ("https://h/p", "https://h/p"),
            ("https://h#x", "https://h?…"),
            ("5 USD", "5 USD"),
        ] {
            assert_eq!(without_credentials(given), shown);
        }
    }
}

//! Looks for mistakes in the settings that only this machine or the tables of facts can show. They are warnings: a
//! folder may be mounted later, and a model may be newer than the tables.

use std::path::{Path, PathBuf};

use crate::api::Client;
use crate::config::{Config, DEFAULT_LOG};
use crate::facts::facts;
use crate::telemetry::{self, in_words};

/// Adds warnings about the folders that are written to. The doctor does not need them, because it makes a file there.
pub(super) fn add_folder_warnings(config: &mut Config) {
    let folders = [("MINIMAX_MCP_BASE_PATH", &config.base_path), ("MINIMAX_DATA_DIR", &config.data_dir)];
    let found: Vec<_> = folders.into_iter().filter_map(|(setting, dir)| unusable(setting, dir)).collect();
    config.warnings.extend(found);
}

/// Adds warnings about folders that cannot be read, default models that are unknown, and the log filter.
pub(super) fn add_warnings(config: &mut Config) {
    let mut found = Vec::new();
    found.extend(config.allowed_dirs.iter().filter_map(|dir| missing(dir)));
    // A gateway has models of any name.
    if config.sandbox || !Client::new(config.host.clone(), None).is_gateway() {
        found.extend(unknown_models(config));
    }
    if !telemetry::is_filter(&config.log) {
        found.push(format!(
            "MINIMAX_LOG is not a log filter, so the default applies; must be like `{DEFAULT_LOG}`"
        ));
    }
    config.warnings.extend(found);
}

fn missing(dir: &Path) -> Option<String> {
    let shown = dir.display();
    match dir.metadata() {
        Ok(data) if data.is_dir() => None,
        Ok(_) => Some(format!("MINIMAX_ALLOWED_DIRS names {shown}, which is not a folder")),
        Err(_) => {
            Some(format!("MINIMAX_ALLOWED_DIRS names {shown}, which does not exist or cannot be opened"))
        }
    }
}

/// Checks whether a folder that is made when it is first needed could be made. Nothing is made here, because some clients
/// start the server only to list its tools.
fn unusable(setting: &str, dir: &Path) -> Option<String> {
    let existing = dir.ancestors().find_map(|part| Some((part, part.metadata().ok()?)));
    let (part, data) = existing?;
    let place = if part == dir { String::new() } else { format!(" in {}", part.display()) };
    if !data.is_dir() {
        let what =
            if part == dir { "is not a folder" } else { "cannot be made, because a part of it is a file" };
        return Some(format!("{setting} names {}, which {what}", dir.display()));
    }
    // On Windows this attribute of a folder does not keep files out.
    (cfg!(unix) && data.permissions().readonly()).then(|| {
        format!("{setting} names {}, and nothing can be made{place}: it is read-only", dir.display())
    })
}

fn unknown_models(config: &Config) -> Vec<String> {
    let defaults = &config.defaults;
    let models = [&defaults.text_model, &defaults.image_model, &defaults.speech_model, &defaults.video_model];
    // Reading the tables takes a large part of a start.
    if models.iter().all(|model| model.is_none()) {
        return Vec::new();
    }
    let tables = facts();
    let chosen = [
        ("MINIMAX_TEXT_MODEL", &config.defaults.text_model, names(tables.text_models(), |row| &row.model)),
        ("MINIMAX_IMAGE_MODEL", &config.defaults.image_model, names(tables.image_rows(), |row| &row.model)),
        (
            "MINIMAX_SPEECH_MODEL",
            &config.defaults.speech_model,
            names(tables.speech_rows(), |row| &row.model),
        ),
        ("MINIMAX_VIDEO_MODEL", &config.defaults.video_model, names(tables.video_rows(), |row| &row.model)),
    ];
    let unknown = chosen.into_iter().filter_map(|(setting, model, known)| {
        let model = model.as_deref()?;
        let id = tables.canonical(model);
        if known.iter().any(|name| name.eq_ignore_ascii_case(&id)) {
            return None;
        }
        let shown: String = model.chars().take(64).collect();
        let meant = nearest(&id, &known).map(|name| format!("; did you mean `{name}`?")).unwrap_or_default();
        Some(format!(
            "{setting} is `{shown}`, which is not in the tables of {}; it is sent unchanged{meant}",
            tables.as_of
        ))
    });
    unknown.collect()
}

fn names<T>(rows: &[T], name: fn(&T) -> &String) -> Vec<&str> {
    rows.iter().map(|row| name(row).as_str()).collect()
}

fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let name = name.to_lowercase();
    let rated = known.iter().map(|known| (strsim::jaro_winkler(&known.to_lowercase(), &name), *known));
    rated.filter(|(score, _)| *score > 0.7).max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, known)| known)
}

/// A path with an error of the file system: `/a/b: permission denied`.
pub(super) fn at(path: &Path, error: &std::io::Error) -> String {
    format!("{}: {}", shown(path).display(), in_words(error))
}

fn shown(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::of_pairs;

    #[test]
    fn an_unknown_default_model_is_warned_about_at_minimax_and_not_at_a_gateway() {
        let settings = [
            ("MINIMAX_TEXT_MODEL", "MiniMax-M3.1-Flsh", "MiniMax-M3.1-Flash"),
            ("MINIMAX_IMAGE_MODEL", "image-1", "image-01"),
            ("MINIMAX_SPEECH_MODEL", "speech-2.8hd", "speech-2.8-hd"),
            ("MINIMAX_VIDEO_MODEL", "MiniMax-H", "MiniMax-H3"),
            ("MINIMAX_TEXT_MODEL", "foo", ""),
        ];
        for (setting, model, meant) in settings {
            for (host, is_warned) in [
                ("", true),
                ("https://api.minimax.cn", true),
                ("https://gateway.example.com", false),
                ("http://127.0.0.1:4000", false),
            ] {
                let pairs = [(setting, model), ("MINIMAX_API_HOST", host)];
                let mut config = of_pairs(if host.is_empty() { &pairs[..1] } else { &pairs });
                add_warnings(&mut config);
                let told: Vec<_> = config.warnings.iter().filter(|line| line.contains(setting)).collect();
                assert_eq!(!told.is_empty(), is_warned, "{setting} at {host}: {told:?}");
                assert!(told.iter().all(|line| line.contains(meant)), "{told:?}");
            }
        }
    }
}

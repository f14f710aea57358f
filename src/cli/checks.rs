//! Looks for mistakes in the settings that only this machine or the tables of facts can show. Most are warnings: a
//! folder may be mounted later, and a model may be newer than the tables.

use std::io;
use std::path::{Path, PathBuf};

use secrecy::ExposeSecret as _;
use url::Url;

use crate::api::Client;
use crate::config::{Config, ConfigError, DEFAULT_LOG, ResourceMode};
use crate::facts::facts;
use crate::media::private;
use crate::telemetry::{self, in_words};

const DATA_DIR: &str = "MINIMAX_DATA_DIR";
const BASE_PATH: &str = "MINIMAX_MCP_BASE_PATH";

/// The files that a URL of a database may name.
const FILES_OF_STORE: &[&str] = &["sslrootcert", "sslcert", "sslkey"];

/// Adds warnings about the folders that the server writes to. The doctor does not need them, because it makes a file there.
pub(super) fn add_folder_warnings(config: &mut Config) {
    let folders = [(BASE_PATH, &config.base_path), (DATA_DIR, &config.data_dir)];
    let found: Vec<_> = folders.into_iter().filter_map(|(setting, dir)| unusable(setting, dir)).collect();
    config.warnings.extend(found);
    config.warnings.extend(same_folder(config).map(|problem| problem.to_string()));
}

/// The folders and files that a server cannot use, as problems. Makes the folders, and a file in each: a server over HTTP
/// needs them, and its warnings are rarely read.
pub(super) fn unusable_places(config: &Config) -> Vec<ConfigError> {
    let problem = |name, dir: &Path, error: &io::Error| ConfigError {
        name,
        problem: format!("cannot be used: {}", at(dir, error)),
    };
    let mut found = Vec::new();
    let (data, base) = (&config.data_dir, &config.base_path);
    if let Err(error) = private::folder(data).and_then(|_| make_file(data)) {
        found.push(problem(DATA_DIR, data, &error));
    }
    if config.mode == ResourceMode::Local && config.files.is_none() {
        match std::fs::create_dir_all(base).and_then(|()| make_file(base)) {
            Ok(()) => found.extend(same_folder(config)),
            Err(error) => found.push(problem(BASE_PATH, base, &error)),
        }
    }
    found.extend(unreadable(config));
    found
}

fn make_file(dir: &Path) -> io::Result<()> {
    let made = tempfile::Builder::new().prefix(".minimax-mcp-start-").tempfile_in(dir);
    match made.and_then(tempfile::NamedTempFile::close) {
        // A full disk is not a mistake in the settings, and `/readyz` reports it.
        Err(error) if matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) => {
            Ok(())
        }
        done => done,
    }
}

/// The problem of a results folder that is the data folder: no tool may write there.
fn same_folder(config: &Config) -> Option<ConfigError> {
    let real = |dir: &Path| dunce::canonicalize(dir).unwrap_or_else(|_| dir.to_owned());
    (real(&config.base_path) == real(&config.data_dir)).then(|| ConfigError {
        name: BASE_PATH,
        problem: format!(
            "names {}, which is the data folder; give results a folder of their own",
            config.base_path.display()
        ),
    })
}

/// The problem of a file in the database's URL that cannot be read. The URL is not shown, because it may contain a password.
fn unreadable(config: &Config) -> Option<ConfigError> {
    let url = Url::parse(config.store_url.as_ref()?.expose_secret()).ok()?;
    let named = url.query_pairs().filter(|(name, _)| FILES_OF_STORE.contains(&&**name));
    named.into_iter().find_map(|(name, file)| {
        let error = std::fs::read(Path::new(&*file)).err()?;
        let problem =
            format!("names a file for {name} that cannot be read: {}", at(Path::new(&*file), &error));
        Some(ConfigError { name: "MINIMAX_STORE_URL", problem })
    })
}

/// Adds warnings about folders that cannot be read and default models that are unknown. An entry that is not a folder and
/// an invalid log filter are illegal values.
pub(super) fn add_warnings(config: &mut Config) {
    let mut found = Vec::new();
    for dir in &config.allowed_dirs {
        let shown = dir.display();
        match dir.metadata() {
            Ok(data) if data.is_dir() => {}
            Ok(_) => config.ignored.push(ConfigError {
                name: "MINIMAX_ALLOWED_DIRS",
                problem: format!("names {shown}, which is not a folder"),
            }),
            Err(_) => found.push(format!(
                "MINIMAX_ALLOWED_DIRS names {shown}, which does not exist or cannot be opened"
            )),
        }
    }
    // A gateway has models of any name.
    if config.sandbox || !Client::new(config.host.clone(), None).is_gateway() {
        found.extend(unknown_models(config));
    }
    if !telemetry::is_filter(&config.log) {
        config.ignored.push(ConfigError {
            name: "MINIMAX_LOG",
            problem: format!("is not a log filter; must be like `{DEFAULT_LOG}`"),
        });
    }
    config.warnings.extend(found);
}

/// Checks whether a folder could be made when it is first needed. Makes nothing, because some clients start the server only
/// to list its tools.
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
    // Skip the tables if no model is set, because reading them takes a large part of a start.
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
pub(super) fn at(path: &Path, error: &io::Error) -> String {
    format!("{}: {}", shown(path).display(), in_words(error))
}

fn shown(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Places;

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
                let pairs = if host.is_empty() { &pairs[..1] } else { &pairs };
                let find = |name: &str| {
                    pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
                };
                let home = PathBuf::from("/home/ada");
                let places = Places { home: home.clone(), desktop: None, data: home };
                let mut config = Config::read(find, &places);
                add_warnings(&mut config);
                let told: Vec<_> = config.warnings.iter().filter(|line| line.contains(setting)).collect();
                assert_eq!(!told.is_empty(), is_warned, "{setting} at {host}: {told:?}");
                assert!(told.iter().all(|line| line.contains(meant)), "{told:?}");
            }
        }
    }
}

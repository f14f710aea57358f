//! Checks of this machine: settings, folders, records and the audio player. Nothing stays behind.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::report::Line;
use crate::bucket::{Bucket, BucketProblem};
use crate::config::{Config, ResourceMode};
use crate::media::Roots;
use crate::media::player::Player;
use crate::store::{Store, inspect, inspect_server};
use crate::telemetry::in_words;
use crate::texts::doctor as say;
use crate::tools;

const MEBIBYTE: u64 = 1024 * 1024;

/// With less free space than this, a paid video is refused.
const LITTLE: u64 = 256 * MEBIBYTE;

/// With less free space than this, nothing is bought.
const TOO_LITTLE: u64 = 64 * MEBIBYTE;

const DATA_DIR: &str = "MINIMAX_DATA_DIR";
const BASE_PATH: &str = "MINIMAX_MCP_BASE_PATH";

/// Wrong settings and warnings.
pub(super) fn settings(config: &Config) -> Vec<Line> {
    let wrong = config
        .problems
        .iter()
        .map(|problem| Line::wrong("settings", problem.to_string(), say::setting_fix(problem.name)));
    let warnings = config.warnings.iter().map(|warning| {
        let name = warning.split_whitespace().next().unwrap_or_default();
        let is_setting = name.starts_with("MINIMAX_");
        let fix = if is_setting { say::setting_warning_fix(name) } else { say::stored_key_fix() };
        Line::warning("settings", warning.clone(), fix)
    });
    let lines: Vec<_> = wrong.chain(warnings).collect();
    if lines.is_empty() { vec![Line::ok("settings", say::settings_good())] } else { lines }
}

/// The folders that the program writes to, and those that tools may read.
pub(super) fn folders(config: &Config) -> Vec<Line> {
    let mut lines = vec![folder("records", DATA_DIR, &config.data_dir)];
    if config.mode == ResourceMode::Local && config.files.is_none() {
        lines.push(folder("results", BASE_PATH, &config.base_path));
    }
    let roots = Roots::new(&config.base_path, Some(&config.home), &config.allowed_dirs);
    // The base folder is made with the first result.
    let is_there = |dir: &&PathBuf| dir.is_dir() || **dir == config.base_path;
    let there = roots.dirs().iter().filter(is_there).map(|dir| dir.display().to_string());
    let there = there.collect::<Vec<_>>().join(", ");
    lines.push(if there.is_empty() {
        Line::warning("inputs", say::inputs_none(), say::inputs_none_fix())
    } else {
        Line::ok("inputs", say::inputs_good(there))
    });
    lines
}

/// Whether the bucket for results answers. Writes nothing.
pub(super) async fn bucket(config: &Config) -> Option<Line> {
    let bucket = Bucket::new(config.files.clone()?);
    let shown = bucket.shown();
    Some(match bucket.check().await {
        Ok(()) => Line::ok("results", say::bucket_good(shown)),
        Err(problem) => {
            let fix = match &problem {
                BucketProblem::Refused(_) => say::bucket_refused_fix(),
                BucketProblem::NoBucket => say::bucket_missing_fix(),
                _ => say::bucket_away_fix(),
            };
            Line::wrong("results", format!("{shown}: {problem}"), fix)
        }
    })
}

/// Whether files can be made in a folder, and how much space is left there. A folder that does not exist yet is judged by
/// its nearest existing parent.
fn folder(check: &'static str, setting: &'static str, path: &Path) -> Line {
    let shown = path.display();
    let existing = path.ancestors().find(|part| part.symlink_metadata().is_ok());
    let Some(existing) = existing.filter(|part| part.is_dir()) else {
        return Line::wrong(check, say::folder_is_file(shown), say::folder_fix(setting));
    };
    let place = if existing == path { String::new() } else { say::folder_made_in(existing.display()) };
    // A file system of size zero, such as `/proc`, reports no free space, but that is not its problem.
    let has_size = fs4::total_space(existing).is_ok_and(|size| size > 0);
    let free = fs4::available_space(existing).ok().filter(|_| has_size);
    // Check the space first, because no file can be made on a full disk.
    if let Some(line) = free.and_then(|free| too_little(check, setting, path, free)) {
        return line;
    }
    let tried = tempfile::Builder::new().prefix(".minimax-mcp-doctor-").tempfile_in(existing);
    if let Err(error) = tried.and_then(tempfile::NamedTempFile::close) {
        if error.kind() == ErrorKind::StorageFull {
            let text = say::folder_full(free.unwrap_or_default() / MEBIBYTE, shown);
            return Line::wrong(check, text, say::folder_room_fix(setting));
        }
        let text = say::folder_read_only(shown, place, in_words(&error));
        return Line::wrong(check, text, say::folder_fix(setting));
    }
    let gibibytes = free.map(|free| free / (1024 * MEBIBYTE));
    Line::ok(
        check,
        match gibibytes {
            Some(free) => say::folder_good_room(shown, free, place),
            None => say::folder_good(shown, place),
        },
    )
}

/// The line of a folder with little or no space.
fn too_little(check: &'static str, setting: &'static str, path: &Path, free: u64) -> Option<Line> {
    let (shown, fix) = (path.display(), || say::folder_room_fix(setting));
    match free {
        TOO_LITTLE..LITTLE => Some(Line::warning(check, say::folder_little(free / MEBIBYTE, shown), fix())),
        ..TOO_LITTLE => Some(Line::wrong(check, say::folder_full(free / MEBIBYTE, shown), fix())),
        _ => None,
    }
}

/// The records: how many, how large, and whether they are intact.
pub(super) async fn records(config: &Config) -> Line {
    let file = config.data_dir.join(Store::FILE);
    let looked = match &config.store_url {
        Some(url) => inspect_server(url).await,
        None => inspect(&config.data_dir).await,
    };
    match looked {
        Ok(None) => Line::ok("jobs", say::jobs_none()),
        Ok(Some(found)) => {
            let kibibytes = found.bytes.div_ceil(1024);
            let jobs = if found.jobs == 1 { say::one_job() } else { say::some_jobs(found.jobs) };
            let text = if config.store_url.is_some() {
                say::jobs_found_server(jobs, kibibytes, found.open, found.unknown)
            } else {
                say::jobs_found(jobs, file.display(), kibibytes, found.open, found.unknown)
            };
            if found.is_older {
                Line::warning("jobs", say::jobs_older(text), say::jobs_older_fix())
            } else {
                Line::ok("jobs", text)
            }
        }
        Err(error) => Line::wrong("jobs", format!("{}: {error}", error.brief()), error.advice()),
    }
}

/// The audio player that `play_audio` and `speak` would use. A missing one is no problem if the settings offer neither tool,
/// or are for callers on other machines.
pub(super) fn player(config: &Config) -> Line {
    let http = &config.http;
    let is_for_others =
        http.token.is_some() || http.token_file.is_some() || http.oauth.is_some() || http.caller_keys;
    let plays = || tools::catalogue().narrowed(config).offered().any(|spec| spec.local_only);
    if let Some(player) = Player::find(&config.program_dirs) {
        Line::ok("player", say::player_good(player.name()))
    } else if is_for_others || !plays() {
        Line::ok("player", say::player_unneeded())
    } else {
        let fix = match std::env::consts::OS {
            "macos" => say::player_fix_macos(),
            "windows" => say::player_fix_windows(),
            _ => say::player_fix(),
        };
        Line::warning("player", say::player_none(Player::names()), fix)
    }
}

#[cfg(test)]
mod tests {
    use super::super::report::Status;
    use super::*;

    #[test]
    fn a_full_disk_is_wrong_and_little_space_is_a_warning_with_the_setting_that_moves_the_folder() {
        let line = |free| too_little("results", BASE_PATH, Path::new("/out"), free);
        for (free, status, megabytes) in [
            (0, Status::Wrong, "0 MiB"),
            (1, Status::Wrong, "0 MiB"),
            (63 * MEBIBYTE, Status::Wrong, "63 MiB"),
            (64 * MEBIBYTE, Status::Warning, "64 MiB"),
        ] {
            let line = line(free).unwrap();
            assert_eq!(line.status, status, "{free}");
            assert!(line.text.contains(megabytes) && line.text.contains("/out"), "{}", line.text);
            assert!(line.fix.unwrap().contains(BASE_PATH));
        }
        assert!(line(63 * MEBIBYTE).unwrap().text.contains("the disk is full"));
        assert!(line(LITTLE).is_none() && line(u64::MAX).is_none());
    }
}

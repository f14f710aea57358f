//! Checks of this machine: settings, folders, records and the audio player. Nothing stays behind.

use std::path::{Path, PathBuf};

use super::report::Line;
use crate::config::{Config, ResourceMode};
use crate::media::Roots;
use crate::store::{Store, inspect, inspect_server};
use crate::telemetry::in_words;
use crate::tools::speech::player::Player;

const MEBIBYTE: u64 = 1024 * 1024;

/// With less free space than this, a paid video is refused.
const LITTLE: u64 = 256 * MEBIBYTE;

/// With less free space than this, nothing is bought.
const TOO_LITTLE: u64 = 64 * MEBIBYTE;

/// Wrong settings and warnings.
pub(super) fn settings(config: &Config) -> Vec<Line> {
    let wrong = config.problems.iter().map(|problem| {
        let fix = format!("Correct {} and restart the server; until then calls are refused", problem.name);
        Line::wrong("settings", problem.to_string(), fix)
    });
    let warnings = config.warnings.iter().map(|warning| {
        let name = warning.split_whitespace().next().unwrap_or_default();
        Line::warning("settings", warning.clone(), format!("Correct or remove {name}"))
    });
    let lines: Vec<_> = wrong.chain(warnings).collect();
    if lines.is_empty() { vec![Line::ok("settings", "no mistake found")] } else { lines }
}

/// The folders that the program writes to, and those that tools may read.
pub(super) fn folders(config: &Config) -> Vec<Line> {
    let mut lines = vec![folder("records", "MINIMAX_DATA_DIR", &config.data_dir)];
    if config.mode == ResourceMode::Local {
        lines.push(folder("results", "MINIMAX_MCP_BASE_PATH", &config.base_path));
    }
    let roots = Roots::new(&config.base_path, Some(&config.home), &config.allowed_dirs);
    let there = roots.dirs().iter().filter(|dir| dir.is_dir()).map(|dir| dir.display().to_string());
    let there = there.collect::<Vec<_>>().join(", ");
    lines.push(if there.is_empty() {
        let fix = "Set MINIMAX_ALLOWED_DIRS to the folders with your pictures and recordings";
        Line::warning("inputs", "no folder exists that tools may read from", fix)
    } else {
        Line::ok("inputs", format!("tools may read from {there}"))
    });
    lines
}

/// Whether files can be made in a folder, and how much space is left there. A folder that does not exist yet is judged by
/// the one that it would be made in.
fn folder(check: &'static str, setting: &str, path: &Path) -> Line {
    let shown = path.display();
    let fix = || format!("Set {setting} to a folder of your own, or give yourself the right to write in it");
    let existing = path.ancestors().find(|part| part.symlink_metadata().is_ok());
    let Some(existing) = existing.filter(|part| part.is_dir()) else {
        return Line::wrong(
            check,
            format!("{shown} cannot be a folder: a part of the path is a file"),
            fix(),
        );
    };
    let place = if existing == path {
        String::new()
    } else {
        format!(" (it will be made in {})", existing.display())
    };
    let tried = tempfile::Builder::new().prefix(".minimax-mcp-doctor-").tempfile_in(existing);
    if let Err(error) = tried.and_then(tempfile::NamedTempFile::close) {
        return Line::wrong(
            check,
            format!("no file can be made in {shown}{place}: {}", in_words(&error)),
            fix(),
        );
    }
    let more = "Make room on the disk, or choose a folder on another one";
    match fs4::available_space(existing) {
        Ok(free) if free < TOO_LITTLE => {
            Line::wrong(check, format!("only {} MiB are free in {shown}", free / MEBIBYTE), more)
        }
        Ok(free) if free < LITTLE => {
            Line::warning(check, format!("only {} MiB are free in {shown}", free / MEBIBYTE), more)
        }
        Ok(free) => {
            let gibibytes = free / (1024 * MEBIBYTE);
            Line::ok(check, format!("{shown} can be written, {gibibytes} GiB are free{place}"))
        }
        Err(_) => Line::ok(check, format!("{shown} can be written{place}")),
    }
}

/// The records: how many, how large, and whether they are intact.
pub(super) async fn records(config: &Config) -> Line {
    let (place, found) = if let Some(url) = &config.store_url {
        ("PostgreSQL".to_owned(), inspect_server(url).await)
    } else {
        let file = config.data_dir.join(Store::FILE);
        (file.display().to_string(), inspect(&config.data_dir).await)
    };
    match found {
        Ok(None) => Line::ok("jobs", "no job has been recorded yet"),
        Ok(Some(found)) => {
            let size = format!("{} KiB", found.bytes.div_ceil(1024));
            // PostgreSQL checks its pages itself.
            let size = if config.store_url.is_some() { size } else { format!("{size}, intact") };
            let text = format!(
                "{} jobs in {place} ({size}), {} of them running, {} with an unknown outcome",
                found.jobs, found.open, found.unknown
            );
            let text = if found.is_older {
                format!("{text}; from an older version, and updated by the next start")
            } else {
                text
            };
            Line::ok("jobs", text)
        }
        Err(error) => Line::wrong("jobs", error.to_string(), error.advice()),
    }
}

/// The audio player that `play_audio` and `speak` would use.
pub(super) fn player(dirs: &[PathBuf]) -> Line {
    if let Some(player) = Player::find(dirs) {
        Line::ok("player", format!("sound is played by {}", player.name()))
    } else {
        let fix = match std::env::consts::OS {
            "macos" => "afplay is part of macOS: add /usr/bin to PATH in the client's configuration",
            "windows" => {
                "powershell is part of Windows: add its folder to PATH in the client's configuration"
            }
            _ => "Install one, for example with `sudo apt install ffmpeg`",
        };
        let text = format!("no audio player is on PATH (known: {}), so sound is only saved", Player::names());
        Line::warning("player", text, fix)
    }
}

//! Settings as options of a command.

use std::path::Path;

use clap::Args;

/// Each option is the same as its environment variable, and takes precedence over it.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Settings, each the same as its environment variable and above it")]
pub(super) struct Flags {
    /// A file that contains only the key (MINIMAX_API_KEY_FILE).
    #[arg(long, value_name = "FILE")]
    api_key_file: Option<String>,
    /// `global` or `cn`, where the key is from (MINIMAX_REGION).
    #[arg(long, value_name = "REGION")]
    region: Option<String>,
    /// The folder for results (MINIMAX_MCP_BASE_PATH).
    #[arg(long, value_name = "DIR")]
    base_path: Option<String>,
    /// The folder for job records (MINIMAX_DATA_DIR).
    #[arg(long, value_name = "DIR")]
    data_dir: Option<String>,
    /// More folders to read and write, separated as in PATH (MINIMAX_ALLOWED_DIRS).
    #[arg(long, value_name = "DIRS")]
    allowed_dirs: Option<String>,
    /// The tools to offer, such as image,video (MINIMAX_TOOLSETS).
    #[arg(long, value_name = "LIST")]
    toolsets: Option<String>,
    /// Offer only tools that cost nothing and change nothing (MINIMAX_READ_ONLY).
    #[arg(long)]
    read_only: bool,
    /// The most to spend in 24 hours, such as "5 USD" (MINIMAX_BUDGET_DAY).
    #[arg(long, value_name = "AMOUNT")]
    budget_day: Option<String>,
    /// The interval between status requests (MINIMAX_POLL_SECONDS).
    #[arg(long, value_name = "SECONDS")]
    poll_seconds: Option<String>,
    /// What is logged to stderr, such as minimax_mcp=debug (MINIMAX_LOG).
    #[arg(long, value_name = "FILTER")]
    log: Option<String>,
}

impl Flags {
    /// The option of a setting, and its value if it was given.
    fn given(&self, setting: &str) -> Option<(&'static str, Option<&str>)> {
        Some(match setting {
            "MINIMAX_API_KEY_FILE" => ("--api-key-file", self.api_key_file.as_deref()),
            "MINIMAX_REGION" => ("--region", self.region.as_deref()),
            "MINIMAX_MCP_BASE_PATH" => ("--base-path", self.base_path.as_deref()),
            "MINIMAX_DATA_DIR" => ("--data-dir", self.data_dir.as_deref()),
            "MINIMAX_ALLOWED_DIRS" => ("--allowed-dirs", self.allowed_dirs.as_deref()),
            "MINIMAX_TOOLSETS" => ("--toolsets", self.toolsets.as_deref()),
            "MINIMAX_READ_ONLY" => ("--read-only", self.read_only.then_some("true")),
            "MINIMAX_BUDGET_DAY" => ("--budget-day", self.budget_day.as_deref()),
            "MINIMAX_POLL_SECONDS" => ("--poll-seconds", self.poll_seconds.as_deref()),
            "MINIMAX_LOG" => ("--log", self.log.as_deref()),
            _ => return None,
        })
    }

    /// The option that sets a setting, if it was given.
    pub(super) fn option(&self, setting: &str) -> Option<&'static str> {
        self.given(setting).and_then(|(option, value)| value.map(|_| option))
    }

    /// The value of a setting, if its option was given.
    pub(super) fn value(&self, setting: &str) -> Option<&str> {
        self.given(setting).and_then(|(_, value)| value)
    }

    /// Whether the variable of a setting must not be read: a key file given as an option takes precedence over a key in the
    /// environment.
    pub(super) fn hides(&self, setting: &str) -> bool {
        setting == "MINIMAX_API_KEY" && self.api_key_file.is_some()
    }

    /// Resolves relative paths against the folder in which a person runs the command.
    pub(super) fn relative_to(&mut self, folder: &Path) {
        for path in [&mut self.api_key_file, &mut self.base_path, &mut self.data_dir].into_iter().flatten() {
            if !path.starts_with('~') && !path.is_empty() {
                let resolved: std::path::PathBuf = folder.join(&*path).components().collect();
                *path = resolved.to_string_lossy().into_owned();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::{CommandFactory as _, Parser};

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        flags: Flags,
    }

    #[test]
    fn every_option_is_a_setting_that_its_help_names() {
        for argument in Line::command().get_arguments().filter(|argument| argument.get_long() != Some("help"))
        {
            let help = argument.get_help().unwrap().to_string();
            let (_, name) = help.rsplit_once('(').unwrap();
            let name = name.trim_end_matches(['.', ')']);
            assert!(crate::config::SETTINGS.iter().any(|setting| setting.name == name), "{name}");
            let option = format!("--{}", argument.get_long().unwrap());
            let mut line = vec!["x".to_owned(), option.clone()];
            if argument.get_action().takes_values() {
                line.push("value".to_owned());
            }
            let flags = Line::parse_from(line).flags;
            assert_eq!(flags.option(name), Some(option.as_str()));
            assert!(["value", "true"].contains(&flags.value(name).unwrap()), "{name}");
        }
    }

    #[test]
    fn a_relative_path_is_resolved_against_the_current_folder_and_a_key_file_hides_the_key() {
        let mut flags =
            Line::parse_from(["x", "--base-path", "out", "--data-dir=~/d", "--api-key-file", "./k"]).flags;
        flags.relative_to(Path::new("/home/ada"));
        assert_eq!(flags.value("MINIMAX_MCP_BASE_PATH").map(Path::new), Some(Path::new("/home/ada/out")));
        assert_eq!(flags.value("MINIMAX_API_KEY_FILE").map(Path::new), Some(Path::new("/home/ada/k")));
        assert_eq!(flags.value("MINIMAX_DATA_DIR"), Some("~/d"));
        assert!(flags.hides("MINIMAX_API_KEY") && !Flags::default().hides("MINIMAX_API_KEY"));
    }
}

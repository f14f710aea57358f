//! All settings: their names, defaults and meanings, and the [`Config`] that results.
//!
//! [`Config::read`] is pure. It reads the environment through a lookup function and the folders of the machine
//! through [`Places`]. `minimax-mcp settings` and docs/configuration.md print the table [`SETTINGS`].
//!
//! An illegal setting does not keep a server over stdio from starting. It goes to [`Config::problems`], and each call
//! explains what to change. Over HTTP it ends the start.

mod amount;
pub mod bucket_address;
mod files_url;
mod http;
mod keep;
mod keys;
mod oauth;
mod reader;
mod region;
mod settings;
mod start;
mod start_folder;
mod store_url;
mod telemetry;
mod tokens;
mod toolset;
mod unknown;
mod uploads;
mod value;
mod webhook;

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;
use url::Url;

use crate::money::Currency;
pub use amount::Budgets;
use bucket_address::Address;
pub use http::HttpSettings;
pub use keep::{KeepSettings, read_bytes, read_days};
pub use keys::{KeyKind, Keys, NamedKey};
pub use oauth::{OAuthSettings, ScopeRow};
use reader::{Reader, origin};
use region::CN_HOSTS;
pub use region::{HOSTS, Region};
pub use settings::{ALIASES, SETTINGS, Setting};
pub use start::read_key;
pub use telemetry::{OtlpSettings, TelemetrySettings};
pub use tokens::{TokenRow, read_tokens};
pub use toolset::Toolset;
pub use uploads::UploadSettings;
pub use value::is_placeholder;
use value::{KEY, PLAN_KEY};
pub use webhook::{Receiver, WebhookSettings};

/// The default log filter. rmcp's warnings repeat ours or concern the client, so only its errors are logged.
pub const DEFAULT_LOG: &str = "warn,minimax_mcp=info,rmcp=error";

/// The folders on this machine on which defaults are based.
#[derive(Debug, Clone)]
pub struct Places {
    /// The user's home folder.
    pub home: PathBuf,
    /// The Desktop folder, if it exists.
    pub desktop: Option<PathBuf>,
    /// The folder for the data of programs.
    pub data: PathBuf,
}

/// How a result is returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResourceMode {
    /// A file on disk and the link.
    Local,
    /// The link alone.
    Url,
}

/// What happens to an order that the plan refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlanOverflow {
    /// It fails.
    Refuse,
    /// It is bought from the balance.
    Balance,
}

/// A setting with an illegal value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name} {problem}")]
pub struct ConfigError {
    /// The environment variable.
    pub name: &'static str,
    /// What is wrong, and which values are legal.
    pub problem: String,
}

/// The models and the voice of calls that name none. `None` leaves the choice to the tool.
#[derive(Debug, Clone, Default)]
#[expect(missing_docs, reason = "one field a kind")]
pub struct Defaults {
    pub text_model: Option<String>,
    pub image_model: Option<String>,
    pub speech_model: Option<String>,
    pub video_model: Option<String>,
    pub voice_id: Option<String>,
}

/// All settings, read once.
#[derive(Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own among the settings")]
pub struct Config {
    /// The API key.
    pub key: Option<SecretString>,
    /// The file that holds the key, if one is set.
    pub key_file: Option<PathBuf>,
    /// The file that the key came from.
    pub read_key_file: Option<PathBuf>,
    /// The key of a plan, in addition to [`Self::key`] or instead of it.
    pub plan_key: Option<SecretString>,
    /// The file that holds the plan's key, if one is set.
    pub plan_key_file: Option<PathBuf>,
    /// The file that the plan's key came from.
    pub read_plan_key_file: Option<PathBuf>,
    /// What happens to an order that the plan refuses.
    pub plan_overflow: PlanOverflow,
    /// Scheme, host and port of the API, without a trailing slash.
    pub host: String,
    /// The account that tasks belong to: the host, or `sandbox` for the sandbox on any port.
    pub account: String,
    /// The region, which decides the currency of prices.
    pub region: Region,
    /// If true, the API is the sandbox: links to this machine may be fetched, polls are frequent and no rate limits are
    /// kept. Set by `--sandbox` or by a setting, never by the host's address: a host on this machine may be a gateway.
    pub sandbox: bool,
    /// The folder for results.
    pub base_path: PathBuf,
    /// More folders that tools may read and write. [`Self::start_in`] resolves relative ones.
    pub allowed_dirs: Vec<PathBuf>,
    /// The folder in which the server was started, if it is known.
    pub start_dir: Option<PathBuf>,
    /// The user's home folder, for `~` and the media folders.
    pub home: PathBuf,
    /// Results as files and links, or as links alone.
    pub mode: ResourceMode,
    /// The toolsets that are switched on.
    pub toolsets: Vec<Toolset>,
    /// If true, only tools that cost nothing and change nothing are offered.
    pub read_only: bool,
    /// If true, results of image jobs carry a small picture.
    pub image_preview: bool,
    /// The models and the voice of calls that name none.
    pub defaults: Defaults,
    /// The interval between polls of a running task.
    pub poll: Duration,
    /// Whether to keep MiniMax's documented rate limits. If `None`, [`Self::keeps_limits`] decides.
    pub rate_limits: Option<bool>,
    /// The folder of the store.
    pub data_dir: PathBuf,
    /// The PostgreSQL database that takes the place of the file in that folder.
    pub store_url: Option<SecretString>,
    /// The bucket for files that takes the place of the folder.
    pub files: Option<Address>,
    /// What is kept of jobs that have ended.
    pub keep: KeepSettings,
    /// The receiver of messages about ended jobs.
    pub webhook: WebhookSettings,
    /// If true, notes about ended jobs appear on the desktop of the person at this machine.
    pub desktop_notes: bool,
    /// The spending limits.
    pub budgets: Budgets,
    /// How long a person may take to answer a consent question.
    pub confirm_within: Duration,
    /// The file with the user's rows for the tables of facts.
    pub facts_file: Option<PathBuf>,
    /// The tracing filter of the log.
    pub log: String,
    /// The export of traces.
    pub telemetry: TelemetrySettings,
    /// If true, the caller sits at this machine, so audio may be played on it.
    pub local_playback: bool,
    /// The settings of the HTTP server.
    pub http: HttpSettings,
    /// The folders in which to look for programs (`PATH`).
    pub program_dirs: Vec<PathBuf>,
    /// Illegal settings. Over stdio the server starts anyway, and calls explain them.
    pub problems: Vec<ConfigError>,
    /// Illegal values of settings that no purchase depends on. [`Config::judge_ignored`] makes them warnings or problems.
    pub ignored: Vec<ConfigError>,
    /// Settings that look like mistakes but block no call, as sentences that begin with the setting.
    pub warnings: Vec<String>,
    /// Why there is no key although one seems to be set.
    pub key_note: Option<String>,
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config").field("host", &self.host).field("mode", &self.mode).finish_non_exhaustive()
    }
}

impl Config {
    /// Reads every setting through `lookup`, which in the program reads the environment.
    pub fn read(lookup: impl Fn(&str) -> Option<String>, places: &Places) -> Self {
        let mut reader = Reader::new(lookup);
        reader.report_unfilled();
        let (key, key_note) = reader.key(KEY);
        let (plan_key, plan_note) = reader.key(PLAN_KEY);
        let chosen = reader.region();
        let url = reader.host(chosen);
        let sandbox = reader.sandbox(url.as_ref());
        let name = url.as_ref().and_then(Url::host_str).unwrap_or_default();
        let region = if CN_HOSTS.contains(&name) { Region::Cn } else { chosen };
        let host = url.as_ref().map(origin).unwrap_or_default();
        let toolsets = reader.toolsets();
        let telemetry = reader.telemetry();
        reader
            .warnings
            .extend(telemetry.problems.iter().map(|problem| format!("{problem}; no traces are sent")));
        let results = places.desktop.as_ref().unwrap_or(&places.home).join("minimax");
        let mut config = Self {
            key,
            key_note: key_note.or(plan_note),
            key_file: reader.file("MINIMAX_API_KEY_FILE", &places.home),
            read_key_file: None,
            plan_key,
            plan_key_file: reader.file("MINIMAX_PLAN_KEY_FILE", &places.home),
            read_plan_key_file: None,
            plan_overflow: reader.plan_overflow(),
            account: host.clone(),
            host,
            region,
            sandbox,
            base_path: reader.folder("MINIMAX_MCP_BASE_PATH", &places.home, results),
            allowed_dirs: reader.dirs(&places.home),
            start_dir: None,
            home: places.home.clone(),
            mode: reader.mode(),
            read_only: reader.flag("MINIMAX_READ_ONLY"),
            image_preview: reader.safe_flag("MINIMAX_IMAGE_PREVIEW"),
            defaults: Defaults {
                text_model: reader.get("MINIMAX_TEXT_MODEL"),
                image_model: reader.get("MINIMAX_IMAGE_MODEL"),
                speech_model: reader.get("MINIMAX_SPEECH_MODEL"),
                video_model: reader.get("MINIMAX_VIDEO_MODEL"),
                voice_id: reader.get("MINIMAX_VOICE_ID"),
            },
            poll: reader.poll(sandbox),
            rate_limits: reader.choice("MINIMAX_RATE_LIMITS"),
            data_dir: reader.folder("MINIMAX_DATA_DIR", &places.home, places.data.join("minimax-mcp")),
            store_url: reader.store_url(),
            files: reader.files(),
            keep: reader.keep(),
            webhook: reader.webhook(&places.home),
            desktop_notes: reader.desktop_notes(),
            budgets: reader.budgets(region.currency()),
            confirm_within: Duration::from_secs(600),
            facts_file: reader.file("MINIMAX_FACTS_FILE", &places.home),
            log: reader.get("MINIMAX_LOG").unwrap_or_else(|| DEFAULT_LOG.to_owned()),
            telemetry,
            local_playback: true,
            http: reader.http(&places.home, region, &toolsets),
            toolsets,
            program_dirs: reader.get("PATH").map(|path| absolute_dirs(&path)).unwrap_or_default(),
            problems: reader.problems,
            ignored: reader.ignored,
            warnings: reader.warnings,
        };
        config.http.private_webhooks = config.webhook.private;
        config.check_keys();
        config
    }

    /// True if requests keep MiniMax's documented rate limits. By default the sandbox has none.
    pub fn keeps_limits(&self) -> bool {
        self.rate_limits.unwrap_or(!self.sandbox)
    }

    /// Adds a problem that was found when a setting was used.
    pub fn found(&mut self, name: &'static str, problem: impl Into<String>) {
        self.problems.push(ConfigError { name, problem: problem.into() });
    }

    /// The currency of the region's prices.
    pub fn currency(&self) -> Currency {
        self.region.currency()
    }
}

/// Drops relative folders. They would resolve against a working directory that the client chooses.
fn absolute_dirs(path: &str) -> Vec<PathBuf> {
    std::env::split_paths(path).filter(|dir| dir.is_absolute()).collect()
}

#[cfg(test)]
mod mistakes;

/// The settings that these variables give to the user Ada.
#[cfg(test)]
pub(crate) fn of_pairs(pairs: &[(&str, &str)]) -> Config {
    let places = Places { home: "/home/ada".into(), desktop: None, data: "/home/ada/.local/share".into() };
    let find = |name: &str| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
    Config::read(find, &places)
}

#[cfg(test)]
mod tests;

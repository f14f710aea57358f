//! All settings: their names, defaults and meanings, and the [`Config`] that results.
//!
//! [`Config::read`] is pure. It reads the environment through a lookup function and the folders of the machine
//! through [`Places`]. `minimax-mcp settings` and docs/configuration.md print [`SETTINGS`], so a setting that is not in the table does not exist.
//!
//! An illegal setting does not stop the server from starting. It goes to [`Config::problems`], and each call explains
//! what to change.

mod amount;
mod files_url;
mod http;
mod keep;
mod keys;
mod oauth;
mod reader;
mod settings;
mod start;
mod start_folder;
mod store_url;
mod telemetry;
mod tokens;
mod unknown;
mod uploads;
mod value;
mod webhook;

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use url::Url;

use crate::bucket::Address;
use crate::money::{Currency, Money};
pub use http::HttpSettings;
pub use keep::{KeepSettings, read_bytes, read_days};
pub use keys::{Keys, NamedKey};
pub use oauth::{OAuthSettings, ScopeRow};
pub use reader::HOSTS;
use reader::{Reader, origin};
pub use settings::{SETTINGS, Setting};
pub use start::read_key;
pub use telemetry::{OtlpSettings, TelemetrySettings};
pub use tokens::{TokenRow, read_tokens};
pub use uploads::UploadSettings;
pub use value::is_placeholder;
use value::{KEY, PLAN_KEY};
pub use webhook::{Receiver, WebhookSettings};

/// The default log filter. rmcp's warnings repeat ours or concern the client, so only its errors are logged.
pub const DEFAULT_LOG: &str = "warn,minimax_mcp=info,rmcp=error";

/// The folders of this machine on which defaults are based.
#[derive(Debug, Clone)]
pub struct Places {
    /// The user's home folder.
    pub home: PathBuf,
    /// The Desktop folder, if it exists.
    pub desktop: Option<PathBuf>,
    /// The folder for the data of programs.
    pub data: PathBuf,
}

/// The region of the API. It decides the currency of prices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Region {
    /// api.minimax.io, prices in USD.
    Global,
    /// api.minimax.cn, prices in CNY.
    Cn,
}

impl Region {
    /// The currency of the region's prices.
    pub fn currency(self) -> Currency {
        match self {
            Self::Global => Currency::Usd,
            Self::Cn => Currency::Cny,
        }
    }
}

/// Hosts that belong to the China region, as of 2026-11-21.
const CN_HOSTS: &[&str] = &["api.minimax.cn", "api.minimaxi.com", "api-bj.minimaxi.com", "api.minimax.chat"];

/// How a result is returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResourceMode {
    /// A file on disk and the link.
    Local,
    /// The link alone.
    Url,
}

/// A group of tools that is switched on or off together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the variants are the values of MINIMAX_TOOLSETS")]
pub enum Toolset {
    Text,
    Speech,
    Video,
    Image,
    Music,
    Files,
    Jobs,
    Account,
    Legacy,
}

impl Toolset {
    /// Every toolset, by its name in `MINIMAX_TOOLSETS`.
    pub const ALL: &'static [(&'static str, Self)] = &[
        ("text", Self::Text),
        ("speech", Self::Speech),
        ("video", Self::Video),
        ("image", Self::Image),
        ("music", Self::Music),
        ("files", Self::Files),
        ("jobs", Self::Jobs),
        ("account", Self::Account),
        ("legacy", Self::Legacy),
    ];

    /// Toolsets with tools that start jobs. Each of them also switches on `jobs`.
    const STARTS_JOBS: &'static [Self] = &[Self::Speech, Self::Video, Self::Image, Self::Music];
}

/// The kind of key, as far as its prefix shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyKind {
    /// No key is set.
    Missing,
    /// `sk-cp-…`: uses the quota of a subscription.
    Plan,
    /// `sk-api-…`: uses the balance.
    PayAsYouGo,
    /// Older keys, and the key of the sandbox.
    Other,
}

impl KeyKind {
    /// Judges the kind by the prefix.
    pub fn of(key: Option<&SecretString>) -> Self {
        match key.map(ExposeSecret::expose_secret) {
            None => Self::Missing,
            Some(key) if key.starts_with("sk-cp-") => Self::Plan,
            Some(key) if key.starts_with("sk-api-") => Self::PayAsYouGo,
            Some(_) => Self::Other,
        }
    }
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

/// Spending limits in the region's currency. `None` means no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Budgets {
    /// For any 24 hours, across all servers that share the data folder.
    pub day: Option<Money>,
    /// For one call.
    pub call: Option<Money>,
    /// For this process.
    pub process: Option<Money>,
    /// A call that costs more needs a person's consent.
    pub confirm_above: Option<Money>,
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
    /// The key of a plan, beside [`Self::key`] or instead of it.
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
    /// More folders that tools may read and write. Relative ones do not count before [`Self::start_in`].
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
    /// Illegal settings. The server starts anyway, and calls explain them.
    pub problems: Vec<ConfigError>,
    /// Illegal values of settings that no purchase depends on. [`Config::judge_ignored`] makes them warnings or problems.
    pub ignored: Vec<ConfigError>,
    /// Settings that look like mistakes and refuse no call, as sentences that begin with the setting.
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
pub fn of_pairs(pairs: &[(&str, &str)]) -> Config {
    let places = Places { home: "/home/ada".into(), desktop: None, data: "/home/ada/.local/share".into() };
    let find = |name: &str| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
    Config::read(find, &places)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::of_pairs as read;
    use super::*;

    #[test]
    fn a_base_url_of_another_tool_is_understood() {
        for given in [
            "https://api.minimax.io",
            "https://api.minimax.io/v1",
            "https://api.minimax.io/v1/",
            "https://api.minimax.io/anthropic",
            "https://api.minimax.io/anthropic/v1/messages",
            "api.minimax.io",
        ] {
            let config = read(&[("MINIMAX_API_BASE", given)]);
            assert_eq!(config.host, "https://api.minimax.io", "{given}");
            assert!(config.problems.is_empty(), "{given}");
        }
    }

    #[test]
    fn a_host_that_would_leak_the_key_is_a_problem_and_not_a_crash() {
        for given in [
            "http://api.minimax.io",
            "ftp://api.minimax.io",
            "https://user:pw@api.minimax.io",
            "https://api.minimax.io/?x=1",
            "https://api.minimax.io/other",
            "https://",
        ] {
            let config = read(&[("MINIMAX_API_HOST", given)]);
            assert_eq!(
                config.problems.first().map(|problem| problem.name),
                Some("MINIMAX_API_HOST"),
                "{given}"
            );
            assert_eq!(config.host, "", "{given}");
        }
        assert!(read(&[("MINIMAX_API_HOST", "http://127.0.0.1:9")]).problems.is_empty());
    }

    #[test]
    fn a_host_on_this_machine_is_a_gateway_unless_the_sandbox_is_named() {
        for host in ["http://127.0.0.1:4000", "http://localhost:4000", "http://[::1]:4000"] {
            let gateway = read(&[("MINIMAX_API_HOST", host)]);
            assert_eq!((gateway.sandbox, gateway.keeps_limits()), (false, true), "{host}");
            assert_eq!(gateway.poll, Duration::from_secs(10), "{host}");
            let sandbox = read(&[("MINIMAX_API_HOST", host), ("MINIMAX_SANDBOX", "true")]);
            assert_eq!((sandbox.sandbox, sandbox.keeps_limits()), (true, false), "{host}");
            assert!(sandbox.poll < Duration::from_secs(1) && sandbox.problems.is_empty(), "{host}");
        }
        let elsewhere = read(&[("MINIMAX_API_HOST", "https://api.minimax.io"), ("MINIMAX_SANDBOX", "true")]);
        assert!(!elsewhere.sandbox);
        assert_eq!(elsewhere.problems.first().map(|problem| problem.name), Some("MINIMAX_SANDBOX"));
        let config = read(&[]).at_sandbox("http://127.0.0.1:1");
        assert_eq!((config.sandbox, config.keeps_limits()), (true, false));
    }

    #[test]
    fn the_region_decides_host_and_currency_and_a_known_host_decides_the_region() {
        let cn = read(&[("MINIMAX_REGION", "cn")]);
        assert_eq!((cn.host.as_str(), cn.currency()), ("https://api.minimax.cn", Currency::Cny));
        assert_eq!(read(&[("MINIMAX_API_HOST", "https://api.minimaxi.com")]).currency(), Currency::Cny);
        assert_eq!(read(&[("MINIMAX_REGION", "mars")]).problems.len(), 1);
    }

    #[test]
    fn a_group_with_jobs_brings_the_job_tools_and_a_wrong_group_is_named() {
        assert_eq!(read(&[("MINIMAX_TOOLSETS", "image")]).toolsets, [Toolset::Image, Toolset::Jobs]);
        assert_eq!(read(&[("MINIMAX_TOOLSETS", "account")]).toolsets, [Toolset::Account]);
        let wrong = read(&[("MINIMAX_TOOLSETS", "images")]);
        assert!(wrong.problems.iter().any(|problem| problem.problem.contains("`images`")));
        assert!(!read(&[]).toolsets.contains(&Toolset::Legacy));
    }

    #[test]
    fn a_relative_folder_is_refused_because_clients_start_servers_anywhere() {
        let config = read(&[("MINIMAX_MCP_BASE_PATH", "out")]);
        assert_eq!(config.base_path, Path::new("/home/ada/minimax"));
        assert_eq!(config.problems.len(), 1);
        assert_eq!(read(&[("MINIMAX_MCP_BASE_PATH", "~/x")]).base_path, Path::new("/home/ada/x"));
    }

    #[test]
    fn a_budget_in_another_currency_or_that_cannot_be_read_is_a_problem_and_not_ignored() {
        let amount = |millionths| Some(Money::from_millionths(millionths, Currency::Usd));
        let good = read(&[("MINIMAX_BUDGET_DAY", "5"), ("MINIMAX_CONFIRM_ABOVE", "0.5 usd")]);
        assert_eq!((good.budgets.day, good.budgets.confirm_above), (amount(5_000_000), amount(500_000)));
        assert!(good.problems.is_empty());
        let cn = read(&[("MINIMAX_REGION", "cn"), ("MINIMAX_BUDGET_CALL", "30 CNY")]);
        let thirty = Money::from_millionths(30_000_000, Currency::Cny);
        assert_eq!((cn.budgets.call, cn.problems.len()), (Some(thirty), 0));
        for (name, value) in
            [("MINIMAX_BUDGET_DAY", "30 CNY"), ("MINIMAX_BUDGET_CALL", "x"), ("MINIMAX_BUDGET_PROCESS", "-1")]
        {
            let bad = read(&[(name, value)]);
            assert_eq!(bad.problems.iter().map(|problem| problem.name).collect::<Vec<_>>(), [name]);
        }
    }

    #[test]
    fn the_key_is_not_in_the_debug_form() {
        let config = read(&[("MINIMAX_API_KEY", "sk-api-secret")]);
        assert!(!format!("{config:?}").contains("secret"));
    }
}

//! Every setting: its name, default and meaning, and the [`Config`] they add up to.
//!
//! [`Config::read`] is pure: it sees the environment through the lookup it is given and the folders
//! of this machine through [`Places`]. `--help` and README print [`SETTINGS`], so a setting that is
//! not in the table does not exist.
//!
//! A setting that cannot be used never keeps the server from starting: it is kept in
//! [`Config::problems`], and each call says what to change.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use url::{Host, Url};

/// One row of the table that `--help` and README print.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    /// The environment variable.
    pub name: &'static str,
    /// What holds when it is unset, in words.
    pub default: &'static str,
    /// What it does and which values it takes.
    pub meaning: &'static str,
}

/// Every setting there is, in the order in which a new user needs them.
pub const SETTINGS: &[Setting] = &[
    Setting {
        name: "MINIMAX_API_KEY",
        default: "none",
        meaning: "The key, from platform.minimax.io or platform.minimax.cn. Without one the tools are listed and each call says what to set",
    },
    Setting {
        name: "MINIMAX_REGION",
        default: "`global`",
        meaning: "`global` (api.minimax.io) or `cn` (api.minimax.cn). A key works in its own region only",
    },
    Setting {
        name: "MINIMAX_API_HOST",
        default: "the region's",
        meaning: "Another API host, as a URL; overrides the region. Plain http only for this machine. `MINIMAX_API_BASE` is read too, and a trailing `/v1` or `/anthropic` is dropped",
    },
    Setting {
        name: "MINIMAX_MCP_BASE_PATH",
        default: "`minimax` on the Desktop, else in the home folder",
        meaning: "The folder that results are saved in",
    },
    Setting {
        name: "MINIMAX_API_RESOURCE_MODE",
        default: "`local`",
        meaning: "`local`: each result as a file and as a link. `url`: as a link alone. `MINIMAX_RESOURCE_MODE` is read too",
    },
    Setting {
        name: "MINIMAX_ALLOWED_DIRS",
        default: "none",
        meaning: "More folders that inputs may be read from and results saved in, separated as in PATH. The base folder and the home folder's media folders are always allowed",
    },
    Setting {
        name: "MINIMAX_TOOLSETS",
        default: "`all`",
        meaning: "Which tools are offered: `all`, or some of `text`, `speech`, `video`, `image`, `music`, `files`, `jobs`, `account`, `legacy`, separated by commas",
    },
    Setting {
        name: "MINIMAX_READ_ONLY",
        default: "`false`",
        meaning: "`true` offers only the tools that neither cost money nor change anything",
    },
    Setting {
        name: "MINIMAX_TEXT_MODEL",
        default: "`MiniMax-M3.1-Flash`",
        meaning: "The chat model of calls that name none",
    },
    Setting {
        name: "MINIMAX_IMAGE_MODEL",
        default: "`image-01`",
        meaning: "The image model of calls that name none",
    },
    Setting {
        name: "MINIMAX_SPEECH_MODEL",
        default: "`speech-2.8-hd`",
        meaning: "The speech model of calls that name none",
    },
    Setting {
        name: "MINIMAX_VIDEO_MODEL",
        default: "by the inputs, `MiniMax-Hailuo-2.3` for text",
        meaning: "The video model of calls that name none",
    },
    Setting {
        name: "MINIMAX_VOICE_ID",
        default: "`female-shaonv`",
        meaning: "The voice of calls that name none",
    },
    Setting {
        name: "MINIMAX_POLL_SECONDS",
        default: "`10`, or `0.3` when the API is on this machine",
        meaning: "How often a running task is looked at, 0.05 to 60",
    },
    Setting {
        name: "MINIMAX_DATA_DIR",
        default: "the platform's data folder",
        meaning: "Where job records are kept. Every server of yours should share one",
    },
    Setting {
        name: "MINIMAX_FACTS_FILE",
        default: "none",
        meaning: "A JSON file of rows that replace or add models, prices, limits and error codes, in the shape of the tables in `src/facts`",
    },
    Setting {
        name: "MINIMAX_LOG",
        default: "`warn,minimax_mcp=info`",
        meaning: "What is logged to stderr, as a tracing filter",
    },
];

/// The folders of this machine that defaults are built from.
#[derive(Debug, Clone)]
pub struct Places {
    /// The user's home folder.
    pub home: PathBuf,
    /// The Desktop, if there is one.
    pub desktop: Option<PathBuf>,
    /// Where programs keep their data.
    pub data: PathBuf,
}

/// Where the API is, and what a price is counted in there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Region {
    /// api.minimax.io, prices in USD.
    Global,
    /// api.minimax.cn, prices in CNY.
    Cn,
}

/// Hosts by region, as of 2026-11-21 (platform docs > servers of every API page).
const HOSTS: &[(Region, &str, &str)] =
    &[(Region::Global, "global", "https://api.minimax.io"), (Region::Cn, "cn", "https://api.minimax.cn")];

/// Hosts of MiniMax that are not a region's first address but belong to one, 2026-11-21.
const CN_HOSTS: &[&str] = &["api.minimax.cn", "api.minimaxi.com", "api-bj.minimaxi.com", "api.minimax.chat"];

/// What a result is handed over as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResourceMode {
    /// A file on disk and the link.
    Local,
    /// The link alone.
    Url,
}

/// A group of tools that can be offered or left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
    /// Every group, by the name it has in `MINIMAX_TOOLSETS`.
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

    /// Groups with tools that start jobs; they bring `jobs` along.
    const STARTS_JOBS: &'static [Self] = &[Self::Speech, Self::Video, Self::Image, Self::Music];
}

/// What a key seems to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyKind {
    /// There is none.
    Missing,
    /// `sk-cp-…`: draws on a subscription's windows.
    Plan,
    /// `sk-api-…`: draws on the balance.
    PayAsYouGo,
    /// Older keys, and the sandbox's.
    Other,
}

/// A setting that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name} {problem}")]
pub struct ConfigError {
    /// The environment variable.
    pub name: &'static str,
    /// What is wrong and what is legal.
    pub problem: String,
}

/// Models and voice for calls that name none. `None` leaves the choice to the tool.
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
pub struct Config {
    /// The API key; `None` when unset.
    pub key: Option<SecretString>,
    /// Scheme, host and port of the API, without a trailing slash.
    pub host: String,
    /// Which account a task belongs to: the host, or `sandbox` whatever its port.
    pub account: String,
    /// Decides the currency of prices.
    pub region: Region,
    /// The API is on this machine: http is fine and looks may be frequent.
    pub loopback: bool,
    /// Where results go.
    pub base_path: PathBuf,
    /// More folders for inputs and outputs.
    pub allowed_dirs: Vec<PathBuf>,
    /// The user's home folder, for `~` and the media folders.
    pub home: PathBuf,
    /// Files and links, or links alone.
    pub mode: ResourceMode,
    /// The groups of tools on offer.
    pub toolsets: Vec<Toolset>,
    /// Only tools that neither pay nor change anything.
    pub read_only: bool,
    /// For calls that name no model.
    pub defaults: Defaults,
    /// How often a running task is looked at.
    pub poll: Duration,
    /// Where the job records are.
    pub data_dir: PathBuf,
    /// Rows to put over the tables of models and prices.
    pub facts_file: Option<PathBuf>,
    /// The tracing filter.
    pub log: String,
    /// Whether the caller sits at this machine, so that sounds may be played on it.
    pub local_playback: bool,
    /// Where programs are looked for: the search path.
    pub program_dirs: Vec<PathBuf>,
    /// Settings that cannot be used. The server starts all the same; calls explain.
    pub problems: Vec<ConfigError>,
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config").field("host", &self.host).field("mode", &self.mode).finish_non_exhaustive()
    }
}

/// What the lookup said, with the mistakes collected on the way.
struct Reader<L> {
    lookup: L,
    problems: Vec<ConfigError>,
}

impl<L: Fn(&str) -> Option<String>> Reader<L> {
    /// A set, non-empty value. Clients that could not fill in a `${placeholder}` pass it on as it is; that is unset too.
    fn get(&self, name: &str) -> Option<String> {
        let value = (self.lookup)(name)?;
        let value = value.trim();
        let placeholder = value.starts_with("${") && value.ends_with('}');
        (!value.is_empty() && !placeholder).then(|| value.to_owned())
    }

    fn problem(&mut self, name: &'static str, problem: impl Into<String>) {
        self.problems.push(ConfigError { name, problem: problem.into() });
    }

    fn region(&mut self) -> Region {
        let Some(value) = self.get("MINIMAX_REGION") else { return Region::Global };
        let found = HOSTS.iter().find(|(_, name, _)| value.eq_ignore_ascii_case(name));
        found.map_or_else(
            || {
                self.problem("MINIMAX_REGION", format!("is `{value}`; it is `global` or `cn`"));
                Region::Global
            },
            |(region, ..)| *region,
        )
    }

    fn host(&mut self, region: Region) -> Option<Url> {
        let names = ["MINIMAX_API_HOST", "MINIMAX_API_BASE"];
        let given = names.into_iter().find_map(|name| Some((name, self.get(name)?)));
        let default = HOSTS.iter().find(|(of, ..)| *of == region).map_or("", |(.., host)| *host);
        match given {
            None => Url::parse(default).ok(),
            Some((name, value)) => match host_url(&value) {
                Ok(url) => Some(url),
                Err(problem) => {
                    self.problem(name, problem);
                    None
                }
            },
        }
    }

    fn mode(&mut self) -> ResourceMode {
        let names = ["MINIMAX_API_RESOURCE_MODE", "MINIMAX_RESOURCE_MODE"];
        match names.into_iter().find_map(|name| Some((name, self.get(name)?.to_lowercase()))) {
            None => ResourceMode::Local,
            Some((_, value)) if value == "local" => ResourceMode::Local,
            Some((_, value)) if value == "url" => ResourceMode::Url,
            Some((name, value)) => {
                self.problem(name, format!("is `{value}`; it is `local` or `url`"));
                ResourceMode::Local
            }
        }
    }

    fn toolsets(&mut self) -> Vec<Toolset> {
        let everything = || {
            let all = Toolset::ALL.iter().map(|(_, group)| *group);
            all.filter(|group| *group != Toolset::Legacy).collect::<Vec<_>>()
        };
        let Some(value) = self.get("MINIMAX_TOOLSETS") else { return everything() };
        let mut groups = Vec::new();
        for word in value.split(',').map(str::trim).filter(|word| !word.is_empty()) {
            if word == "all" {
                groups.extend(everything());
            } else if let Some((_, group)) = Toolset::ALL.iter().find(|(name, _)| *name == word) {
                groups.push(*group);
            } else {
                let legal: Vec<_> = Toolset::ALL.iter().map(|(name, _)| *name).collect();
                self.problem(
                    "MINIMAX_TOOLSETS",
                    format!("names `{word}`; groups are all, {}", legal.join(", ")),
                );
            }
        }
        if groups.iter().any(|group| Toolset::STARTS_JOBS.contains(group)) {
            groups.push(Toolset::Jobs);
        }
        if groups.is_empty() { everything() } else { groups }
    }

    fn flag(&mut self, name: &'static str) -> bool {
        match self.get(name).map(|value| value.to_lowercase()).as_deref() {
            None | Some("false" | "0" | "no" | "off") => false,
            Some("true" | "1" | "yes" | "on") => true,
            Some(other) => {
                self.problem(name, format!("is `{other}`; it is `true` or `false`"));
                // Whoever sets a switch wants the safer side of it.
                true
            }
        }
    }

    fn poll(&mut self, loopback: bool) -> Duration {
        let default = if loopback { Duration::from_millis(300) } else { Duration::from_secs(10) };
        let Some(value) = self.get("MINIMAX_POLL_SECONDS") else { return default };
        match value.parse::<f64>() {
            Ok(seconds) if (0.05..=60.0).contains(&seconds) => Duration::from_secs_f64(seconds),
            _ => {
                self.problem("MINIMAX_POLL_SECONDS", format!("is `{value}`; it is 0.05 to 60"));
                default
            }
        }
    }

    fn folder(&mut self, name: &'static str, home: &Path, default: PathBuf) -> PathBuf {
        let Some(value) = self.get(name) else { return default };
        let path = expand(&value, home);
        if path.is_absolute() {
            return path;
        }
        // Clients start servers in folders of their own choosing, so a relative path would land anywhere.
        self.problem(name, format!("is `{value}`; it is an absolute path or starts with `~/`"));
        default
    }

    fn file(&mut self, name: &'static str, home: &Path) -> Option<PathBuf> {
        let value = self.get(name)?;
        let path = expand(&value, home);
        if !path.is_absolute() {
            self.problem(name, format!("is `{value}`; it is an absolute path or starts with `~/`"));
            return None;
        }
        Some(path)
    }

    fn dirs(&mut self, home: &Path) -> Vec<PathBuf> {
        let Some(value) = self.get("MINIMAX_ALLOWED_DIRS") else { return Vec::new() };
        let split = std::env::split_paths(&value).map(|path| expand(&path.to_string_lossy(), home));
        let (good, bad): (Vec<_>, Vec<_>) = split.partition(|path| path.is_absolute());
        if let Some(first) = bad.first() {
            let problem = format!("names `{}`; each folder is absolute or starts with `~/`", first.display());
            self.problem("MINIMAX_ALLOWED_DIRS", problem);
        }
        good
    }
}

impl Config {
    /// Reads every setting through `lookup` (in the program, the environment).
    pub fn read(lookup: impl Fn(&str) -> Option<String>, places: &Places) -> Self {
        let mut reader = Reader { lookup, problems: Vec::new() };
        let chosen = reader.region();
        let url = reader.host(chosen);
        let loopback = url.as_ref().is_some_and(is_loopback);
        let name = url.as_ref().and_then(Url::host_str).unwrap_or_default();
        let region = if CN_HOSTS.contains(&name) { Region::Cn } else { chosen };
        let host = url.as_ref().map(origin).unwrap_or_default();
        let results = places.desktop.as_ref().unwrap_or(&places.home).join("minimax");
        Self {
            key: reader.get("MINIMAX_API_KEY").map(SecretString::from),
            account: host.clone(),
            host,
            region,
            loopback,
            base_path: reader.folder("MINIMAX_MCP_BASE_PATH", &places.home, results),
            allowed_dirs: reader.dirs(&places.home),
            home: places.home.clone(),
            mode: reader.mode(),
            toolsets: reader.toolsets(),
            read_only: reader.flag("MINIMAX_READ_ONLY"),
            defaults: Defaults {
                text_model: reader.get("MINIMAX_TEXT_MODEL"),
                image_model: reader.get("MINIMAX_IMAGE_MODEL"),
                speech_model: reader.get("MINIMAX_SPEECH_MODEL"),
                video_model: reader.get("MINIMAX_VIDEO_MODEL"),
                voice_id: reader.get("MINIMAX_VOICE_ID"),
            },
            poll: reader.poll(loopback),
            data_dir: reader.folder("MINIMAX_DATA_DIR", &places.home, places.data.join("minimax-mcp")),
            facts_file: reader.file("MINIMAX_FACTS_FILE", &places.home),
            log: reader.get("MINIMAX_LOG").unwrap_or_else(|| "warn,minimax_mcp=info".to_owned()),
            local_playback: true,
            program_dirs: reader.get("PATH").map(|path| absolute_dirs(&path)).unwrap_or_default(),
            problems: reader.problems,
        }
    }

    /// The same settings, pointed at a sandbox on this machine.
    #[must_use]
    pub fn at_sandbox(mut self, url: &str) -> Self {
        url.clone_into(&mut self.host);
        "sandbox".clone_into(&mut self.account);
        self.key = Some(SecretString::from("sandbox-key"));
        self.loopback = true;
        self.poll = self.poll.min(Duration::from_millis(300));
        let about_the_host = ["MINIMAX_API_HOST", "MINIMAX_API_BASE", "MINIMAX_REGION"];
        self.problems.retain(|problem| !about_the_host.contains(&problem.name));
        self
    }

    /// Takes up a problem that showed when a setting was put to use.
    pub fn found(&mut self, name: &'static str, problem: impl Into<String>) {
        self.problems.push(ConfigError { name, problem: problem.into() });
    }

    /// What the key's beginning says about its kind: a hint, never a check.
    pub fn key_kind(&self) -> KeyKind {
        match self.key.as_ref().map(ExposeSecret::expose_secret) {
            None => KeyKind::Missing,
            Some(key) if key.starts_with("sk-cp-") => KeyKind::Plan,
            Some(key) if key.starts_with("sk-api-") => KeyKind::PayAsYouGo,
            Some(_) => KeyKind::Other,
        }
    }

    /// What USD and CNY are called in prices of this region.
    pub fn currency(&self) -> &'static str {
        match self.region {
            Region::Global => "USD",
            Region::Cn => "CNY",
        }
    }
}

/// A relative folder in the search path would be one of the client's choosing.
fn absolute_dirs(path: &str) -> Vec<PathBuf> {
    std::env::split_paths(path).filter(|dir| dir.is_absolute()).collect()
}

/// `~/x` → the home folder's `x`.
fn expand(path: &str, home: &Path) -> PathBuf {
    match path.strip_prefix("~/").or_else(|| path.strip_prefix("~\\")) {
        Some(rest) => home.join(rest),
        None if path == "~" => home.to_owned(),
        None => PathBuf::from(path),
    }
}

fn host_url(value: &str) -> Result<Url, String> {
    let legal = "give it as https://host, for example https://api.minimax.io";
    let with_scheme = if value.contains("://") {
        value.to_owned()
    } else {
        format!("https://{}", value.trim_start_matches('/'))
    };
    let url = Url::parse(&with_scheme).map_err(|error| format!("is not a URL ({error}); {legal}"))?;
    if !url.username().is_empty()
        || url.password().is_some()
        || url.query().is_some()
        || url.fragment().is_some()
    {
        return Err(format!("carries credentials, a query or a fragment; {legal}"));
    }
    let path = url.path().trim_end_matches('/');
    let api_path =
        path.is_empty() || path == "/v1" || path == "/anthropic" || path.starts_with("/anthropic/");
    if !api_path {
        return Err(format!("has the path `{path}`; only the host is needed: {legal}"));
    }
    match url.scheme() {
        "https" => Ok(url),
        "http" if is_loopback(&url) => Ok(url),
        "http" => {
            Err("is plain http, which would send the key in clear; use https (http only for this machine)"
                .to_owned())
        }
        other => Err(format!("has the scheme `{other}`; {legal}")),
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

fn origin(url: &Url) -> String {
    url.origin().ascii_serialization()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Config {
        let places =
            Places { home: "/home/ada".into(), desktop: None, data: "/home/ada/.local/share".into() };
        Config::read(
            |name| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()),
            &places,
        )
    }

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
    fn the_region_decides_host_and_currency_and_a_known_host_decides_the_region() {
        let cn = read(&[("MINIMAX_REGION", "cn")]);
        assert_eq!((cn.host.as_str(), cn.currency()), ("https://api.minimax.cn", "CNY"));
        assert_eq!(read(&[("MINIMAX_API_HOST", "https://api.minimaxi.com")]).currency(), "CNY");
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
    fn an_unfilled_placeholder_and_an_empty_value_count_as_unset() {
        let config = read(&[("MINIMAX_API_KEY", "${user_config.api_key}"), ("MINIMAX_MCP_BASE_PATH", " ")]);
        assert!(config.key.is_none());
        assert_eq!(config.base_path, Path::new("/home/ada/minimax"));
    }

    #[test]
    fn a_relative_folder_is_refused_because_clients_start_servers_anywhere() {
        let config = read(&[("MINIMAX_MCP_BASE_PATH", "out")]);
        assert_eq!(config.base_path, Path::new("/home/ada/minimax"));
        assert_eq!(config.problems.len(), 1);
        assert_eq!(read(&[("MINIMAX_MCP_BASE_PATH", "~/x")]).base_path, Path::new("/home/ada/x"));
    }

    #[test]
    fn the_key_is_not_in_the_debug_form() {
        let config = read(&[("MINIMAX_API_KEY", "sk-api-secret")]);
        assert!(!format!("{config:?}").contains("secret"));
    }
}

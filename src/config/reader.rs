//! Parses the values of settings and collects the errors.

use std::path::{Path, PathBuf};
use std::time::Duration;

use url::{Host, Url};

use super::{Budgets, ConfigError, PlanOverflow, Region, ResourceMode, Toolset, amount};
use secrecy::SecretString;

/// Hosts by region, as of 2026-11-21 (platform docs > servers of every API page).
const HOSTS: &[(Region, &str, &str)] =
    &[(Region::Global, "global", "https://api.minimax.io"), (Region::Cn, "cn", "https://api.minimax.cn")];

/// Three months, long enough to compare the store with MiniMax's monthly bill. An image takes 3 KB of the store, a
/// text takes its own length.
const KEEP_DAYS: u64 = 90;

/// The lookup function, and the errors found so far.
pub(super) struct Reader<L> {
    pub(super) lookup: L,
    pub(super) problems: Vec<ConfigError>,
}

impl<L: Fn(&str) -> Option<String>> Reader<L> {
    /// The value, if it is set and not empty. A client that cannot fill in a `${placeholder}` passes it on unchanged;
    /// that counts as unset.
    pub(super) fn get(&self, name: &str) -> Option<String> {
        let value = (self.lookup)(name)?;
        let value = value.trim();
        let placeholder = value.starts_with("${") && value.ends_with('}');
        (!value.is_empty() && !placeholder).then(|| value.to_owned())
    }

    pub(super) fn problem(&mut self, name: &'static str, problem: impl Into<String>) {
        self.problems.push(ConfigError { name, problem: problem.into() });
    }

    pub(super) fn key(&mut self, name: &'static str) -> Option<SecretString> {
        let key = self.get(name)?;
        if !key.chars().all(|letter| letter.is_ascii_graphic()) {
            let problem = "has a space, or a letter that no key has: paste the key alone, as platform.minimax.io or \
                           platform.minimax.cn shows it";
            self.problem(name, problem);
        }
        Some(SecretString::from(key))
    }

    pub(super) fn region(&mut self) -> Region {
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

    pub(super) fn host(&mut self, region: Region) -> Option<Url> {
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

    pub(super) fn mode(&mut self) -> ResourceMode {
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

    pub(super) fn toolsets(&mut self) -> Vec<Toolset> {
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
        let groups = Toolset::with_jobs(groups);
        if groups.is_empty() { everything() } else { groups }
    }

    pub(super) fn flag(&mut self, name: &'static str) -> bool {
        match self.get(name).map(|value| value.to_lowercase()).as_deref() {
            None | Some("false" | "0" | "no" | "off") => false,
            Some("true" | "1" | "yes" | "on") => true,
            Some(other) => {
                self.problem(name, format!("is `{other}`; it is `true` or `false`"));
                // An illegal value counts as true, because a user who sets a switch wants the restriction that it brings.
                true
            }
        }
    }

    pub(super) fn plan_overflow(&mut self) -> PlanOverflow {
        match self.get("MINIMAX_PLAN_OVERFLOW").map(|value| value.to_lowercase()).as_deref() {
            None | Some("refuse") => PlanOverflow::Refuse,
            Some("balance") => PlanOverflow::Balance,
            Some(other) => {
                self.problem("MINIMAX_PLAN_OVERFLOW", format!("is `{other}`; must be `refuse` or `balance`"));
                PlanOverflow::Refuse
            }
        }
    }

    /// Like [`Self::flag`], but `None` if unset.
    pub(super) fn choice(&mut self, name: &'static str) -> Option<bool> {
        self.get(name)?;
        Some(self.flag(name))
    }

    pub(super) fn poll(&mut self, loopback: bool) -> Duration {
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

    pub(super) fn keep(&mut self) -> Option<Duration> {
        let days = match self.get("MINIMAX_KEEP_DAYS").map(|value| (value.parse::<u64>(), value)) {
            None => KEEP_DAYS,
            Some((Ok(days @ 0..=36_500), _)) => days,
            Some((_, value)) => {
                let problem =
                    format!("is `{value}`; it is a whole number of days, 0 to 36500, and 0 keeps all");
                self.problem("MINIMAX_KEEP_DAYS", problem);
                // Keeps everything, because a deletion cannot be undone.
                0
            }
        };
        (days > 0).then(|| Duration::from_hours(days.saturating_mul(24)))
    }

    pub(super) fn budgets(&mut self, currency: &str) -> Budgets {
        Budgets {
            day: self.amount("MINIMAX_BUDGET_DAY", currency),
            call: self.amount("MINIMAX_BUDGET_CALL", currency),
            process: self.amount("MINIMAX_BUDGET_PROCESS", currency),
            confirm_above: self.amount("MINIMAX_CONFIRM_ABOVE", currency),
        }
    }

    /// Reads a limit. An illegal one becomes a problem, which blocks purchases until it is fixed.
    fn amount(&mut self, name: &'static str, currency: &str) -> Option<i64> {
        let value = self.get(name)?;
        amount::read(&value, currency).map_err(|problem| self.problem(name, problem)).ok()
    }

    pub(super) fn folder(&mut self, name: &'static str, home: &Path, default: PathBuf) -> PathBuf {
        let Some(value) = self.get(name) else { return default };
        let path = expand(&value, home);
        if path.is_absolute() {
            return path;
        }
        // Clients start servers in any folder, so a relative path could end up anywhere.
        self.problem(name, format!("is `{value}`; it is an absolute path or starts with `~/`"));
        default
    }

    pub(super) fn file(&mut self, name: &'static str, home: &Path) -> Option<PathBuf> {
        let value = self.get(name)?;
        let path = expand(&value, home);
        if !path.is_absolute() {
            self.problem(name, format!("is `{value}`; it is an absolute path or starts with `~/`"));
            return None;
        }
        Some(path)
    }

    /// The folders as written, except for `~/`. Relative ones are resolved when it is known where the server was started.
    pub(super) fn dirs(&self, home: &Path) -> Vec<PathBuf> {
        let value = (self.lookup)("MINIMAX_ALLOWED_DIRS").unwrap_or_default();
        let split =
            std::env::split_paths(value.trim()).map(|path| expand(path.to_string_lossy().trim(), home));
        split.filter(|path| !path.as_os_str().is_empty()).collect()
    }
}

/// Replaces a leading `~/` by the home folder.
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

pub(super) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

pub(super) fn origin(url: &Url) -> String {
    url.origin().ascii_serialization()
}

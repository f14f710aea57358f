//! Parses the values of settings and collects the errors.

use std::path::{Path, PathBuf};
use std::time::Duration;

use url::{Host, Url};

use super::amount::{self, Budgets};
use super::region::{HOSTS, Region};
use super::settings;
use super::toolset::Toolset;
use super::value::{self, KEY, KeyText, PLAN_KEY};
use super::{ConfigError, PlanOverflow, ResourceMode, store_url};
use crate::money::{Currency, Money};
use secrecy::SecretString;

/// The beginning of the value that a host such as Claude Desktop passes for a field that the user left empty.
pub(super) const LEFT_EMPTY: &str = "${user_config.";

/// The lookup function, and the errors found so far.
pub(super) struct Reader<L> {
    pub(super) lookup: L,
    pub(super) problems: Vec<ConfigError>,
    pub(super) ignored: Vec<ConfigError>,
    pub(super) warnings: Vec<String>,
}

impl<L> Reader<L> {
    pub(super) fn new(lookup: L) -> Self {
        Self { lookup, problems: Vec::new(), ignored: Vec::new(), warnings: Vec::new() }
    }
}

impl<L: Fn(&str) -> Option<String>> Reader<L> {
    /// The value without the quotes around it, if it is set and not empty. A placeholder that was never filled in
    /// counts as unset.
    pub(super) fn get(&self, name: &str) -> Option<String> {
        let value = self.given(name)?;
        (!is_unfilled(name, &value)).then_some(value)
    }

    fn given(&self, name: &str) -> Option<String> {
        let value = (self.lookup)(name)?;
        let value = value::unquoted(&value);
        (!value.is_empty()).then(|| value.to_owned())
    }

    /// Reports settings that are still placeholders, and those that are not valid UTF-8.
    pub(super) fn report_unfilled(&mut self) {
        let names = settings::names();
        for name in names.filter(|name| ![KEY, PLAN_KEY].contains(name)) {
            let Some(value) = self.given(name) else { continue };
            if value.contains(char::REPLACEMENT_CHARACTER) {
                if name.starts_with("MINIMAX_") {
                    self.problem(name, "is not valid UTF-8");
                } else {
                    self.warnings.push(format!("{name} is not valid UTF-8"));
                }
            } else if is_unfilled(name, &value) {
                let problem = format!("is still the placeholder {}, so it is not set", value::shown(&value));
                if value.starts_with(LEFT_EMPTY) || !name.starts_with("MINIMAX_") {
                    self.warnings.push(format!("{name} {problem}"));
                } else if settings::is_protective(name) {
                    self.problem(name, problem);
                } else {
                    self.ignored.push(ConfigError { name, problem });
                }
            }
        }
    }

    pub(super) fn problem(&mut self, name: &'static str, problem: impl Into<String>) {
        self.problems.push(ConfigError { name, problem: problem.into() });
    }

    /// The key, or a note on why the setting has none.
    pub(super) fn key(&mut self, name: &'static str) -> (Option<SecretString>, Option<String>) {
        let Some(text) = (self.lookup)(name) else { return (None, None) };
        match value::key(&text) {
            KeyText::Empty => (None, None),
            KeyText::Placeholder(shown) => (None, Some(format!("{name} is still the placeholder {shown}"))),
            KeyText::Unusable => {
                self.problem(name, value::UNUSABLE_KEY);
                (None, None)
            }
            KeyText::Key(key) => (Some(SecretString::from(key)), None),
        }
    }

    pub(super) fn region(&mut self) -> Region {
        let Some(value) = self.get("MINIMAX_REGION") else { return Region::Global };
        let found = HOSTS.iter().find(|(_, name, _)| value.eq_ignore_ascii_case(name));
        found.map_or_else(
            || {
                self.problem("MINIMAX_REGION", format!("is `{value}`; must be `global` or `cn`"));
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
                self.problem(name, format!("is `{value}`; must be `local` or `url`"));
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
        for word in words_of(&value) {
            let word = word.to_lowercase();
            if word == "all" {
                groups.extend(everything());
            } else if let Some((_, group)) = Toolset::ALL.iter().find(|(name, _)| *name == word) {
                groups.push(*group);
            } else {
                let legal: Vec<_> = Toolset::ALL.iter().map(|(name, _)| *name).collect();
                self.problem(
                    "MINIMAX_TOOLSETS",
                    format!("names `{word}`; must be a list of all, {}", legal.join(", ")),
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
                self.problem(name, format!("is `{other}`; must be `true` or `false`"));
                // An illegal value counts as true, because a user who sets the switch wants its restriction.
                true
            }
        }
    }

    /// Like [`Self::flag`], for a switch whose safe value is false: an illegal value counts as false.
    pub(super) fn safe_flag(&mut self, name: &'static str) -> bool {
        let problems = self.problems.len();
        self.flag(name) && self.problems.len() == problems
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

    /// Whether the API host is a sandbox. The setting is refused for a host on another machine, because it lets callers
    /// reach addresses on this one.
    pub(super) fn sandbox(&mut self, host: Option<&Url>) -> bool {
        if !self.flag("MINIMAX_SANDBOX") {
            return false;
        }
        let here = host.is_none_or(is_loopback);
        if !here {
            let problem = "is true, but MINIMAX_API_HOST is not on this machine; a sandbox is reached as http://127.0.0.1:PORT";
            self.problem("MINIMAX_SANDBOX", problem.to_owned());
        }
        here
    }

    pub(super) fn poll(&mut self, sandbox: bool) -> Duration {
        let default = if sandbox { Duration::from_millis(300) } else { Duration::from_secs(10) };
        let Some(value) = self.get("MINIMAX_POLL_SECONDS") else { return default };
        match value.parse::<f64>() {
            Ok(seconds) if (0.05..=60.0).contains(&seconds) => Duration::from_secs_f64(seconds),
            _ => {
                self.problem("MINIMAX_POLL_SECONDS", format!("is `{value}`; must be 0.05 to 60 seconds"));
                default
            }
        }
    }

    pub(super) fn store_url(&mut self) -> Option<SecretString> {
        const NAME: &str = "MINIMAX_STORE_URL";
        let value = self.get(NAME)?;
        match store_url::read(&value) {
            Ok((url, warning)) => {
                self.warnings.extend(warning.map(|warning| format!("{NAME} {warning}")));
                Some(url)
            }
            Err(problem) => {
                self.problem(NAME, problem);
                None
            }
        }
    }

    pub(super) fn budgets(&mut self, currency: Currency) -> Budgets {
        Budgets {
            day: self.amount("MINIMAX_BUDGET_DAY", currency),
            call: self.amount("MINIMAX_BUDGET_CALL", currency),
            process: self.amount("MINIMAX_BUDGET_PROCESS", currency),
            confirm_above: self.amount("MINIMAX_CONFIRM_ABOVE", currency),
        }
    }

    /// Reads a limit. An illegal one becomes a problem, which blocks purchases until it is fixed.
    fn amount(&mut self, name: &'static str, currency: Currency) -> Option<Money> {
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
        self.problem(name, format!("is `{value}`; must be an absolute path or start with `~/`"));
        default
    }

    pub(super) fn file(&mut self, name: &'static str, home: &Path) -> Option<PathBuf> {
        let value = self.get(name)?;
        let path = expand(&value, home);
        if !path.is_absolute() {
            self.problem(name, format!("is `{value}`; must be an absolute path or start with `~/`"));
            return None;
        }
        Some(path)
    }

    /// The folders as written, except for `~/`. Relative ones are resolved once the folder is known in which the server was
    /// started.
    pub(super) fn dirs(&self, home: &Path) -> Vec<PathBuf> {
        let value = self.given("MINIMAX_ALLOWED_DIRS").unwrap_or_default();
        let split = std::env::split_paths(value.trim())
            .map(|path| expand(value::unquoted(&path.to_string_lossy()), home));
        split.filter(|path| !path.as_os_str().is_empty()).collect()
    }
}

/// Whether a value was never filled in. Phrases such as `your-token` count as placeholders only in this program's own
/// settings, because other programs share OpenTelemetry's variables and `PATH`.
fn is_unfilled(name: &str, value: &str) -> bool {
    if name.starts_with("MINIMAX_") { value::is_placeholder(value) } else { value::is_reference(value) }
}

/// The words of a comma-separated list, without quotes.
pub(super) fn words_of(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').map(value::unquoted).filter(|word| !word.is_empty())
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
        // A gateway on this machine, as `localhost:4000`, rarely has a certificate.
        let name = value.trim_start_matches('/');
        let is_here = Url::parse(&format!("http://{name}")).is_ok_and(|url| is_loopback(&url));
        format!("{}://{name}", if is_here { "http" } else { "https" })
    };
    let url = Url::parse(&with_scheme).map_err(|error| format!("is not a URL ({error}); {legal}"))?;
    if !url.username().is_empty()
        || url.password().is_some()
        || url.query().is_some()
        || url.fragment().is_some()
    {
        return Err(format!("has credentials, a query or a fragment; {legal}"));
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
            Err("is plain http, which would send the key unencrypted; use https (http only for this machine)"
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

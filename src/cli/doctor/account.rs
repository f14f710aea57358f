//! Checks of the key and of the connection to MiniMax. All requests are free.

use std::time::{Duration, Instant, SystemTime};

use futures_util::future::{join, join_all};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::time::timeout;
use url::Url;

use super::report::Line;
use super::sources::Sources;
use crate::api::account::{Balance, Window};
use crate::api::probe::Probe;
use crate::api::{ApiError, Client};
use crate::config::{Config, HOSTS, KeyKind, NamedKey};
use crate::facts::Class;
use crate::money::{Currency, Decimal};
use crate::texts::doctor as say;
use crate::texts::login as say_login;

/// How long a host may take to answer. Two such waits and the other checks take less than ten seconds.
const PATIENCE: Duration = Duration::from_secs(4);

/// How long a name may take to be resolved.
const DNS_PATIENCE: Duration = Duration::from_secs(3);

/// The tolerated error of the clock. A larger one breaks signed links and the days of budgets.
const SKEW: Duration = Duration::from_secs(300);

/// The proxy of the environment.
#[derive(Debug, Clone)]
pub(in crate::cli) struct Proxy {
    /// The variable that names it.
    pub(in crate::cli) setting: String,
    /// Its address, without credentials.
    pub(in crate::cli) address: String,
}

impl Proxy {
    /// The proxy for `host`, if the environment names one. Hosts on this machine have none.
    pub(in crate::cli) fn of(host: &str, lookup: impl Fn(&str) -> Option<String>) -> Option<Self> {
        let name = Url::parse(host).ok()?.host_str()?.to_owned();
        let set = |setting: &str| lookup(setting).filter(|value| !value.trim().is_empty());
        let direct = set("NO_PROXY").or_else(|| set("no_proxy")).unwrap_or_default();
        let is_direct = direct
            .split(',')
            .map(|part| part.trim().trim_start_matches(['*', '.']))
            .any(|part| !part.is_empty() && (name == part || name.ends_with(&format!(".{part}"))));
        if is_direct || direct.trim() == "*" || ["localhost", "127.0.0.1", "[::1]"].contains(&name.as_str()) {
            return None;
        }
        let names = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];
        let (setting, value) = names.into_iter().find_map(|setting| Some((setting, set(setting)?)))?;
        let mut url = Url::parse(&value).or_else(|_| Url::parse(&format!("http://{value}"))).ok()?;
        let _ = (url.set_username(""), url.set_password(None));
        Some(Self { setting: setting.to_owned(), address: url.to_string().trim_end_matches('/').to_owned() })
    }
}

/// A host that was probed.
struct Probed {
    /// The region, if the host is one of MiniMax's own.
    region: Option<&'static str>,
    name: String,
    took: Duration,
    outcome: Result<Probe, ApiError>,
}

impl Probed {
    fn accepts(&self) -> bool {
        matches!(&self.outcome, Ok(Probe { refusal: None, .. }))
    }

    fn refusal(&self) -> Option<&ApiError> {
        self.outcome.as_ref().ok()?.refusal.as_ref()
    }
}

/// The checks of network, clock, keys, plan and balance.
pub(super) async fn lines(config: &Config, sources: &Sources, proxy: Option<&Proxy>) -> Vec<Line> {
    let keys: Vec<_> = config.each_key().collect();
    let is_one = keys.len() == 1;
    let mut lines: Vec<_> = keys.iter().map(|key| shown(key, sources, is_one)).collect();
    if keys.is_empty() {
        lines.push(no_key(config));
    }
    if config.host.is_empty() {
        lines.push(Line::warning("network", say::network_unset(), say::network_unset_fix()));
        return lines;
    }
    let asked: Vec<_> =
        if keys.is_empty() { vec![None] } else { keys.iter().map(|key| Some(key.key)).collect() };
    let all_probes = join_all(asked.into_iter().map(|key| probe_all(config, key)));
    let (probed, name) = join(all_probes, resolve(&config.host, proxy)).await;
    let Some(chosen) = probed.first().and_then(|hosts| hosts.first()) else { return lines };
    lines.extend(network(chosen, name, proxy));
    lines.extend(clock(chosen));
    let with_probes = || keys.iter().zip(&probed);
    lines.extend(with_probes().map(|(key, probed)| region(probed, key.setting, is_one)));
    let accepted =
        with_probes().filter(|(_, probed)| probed.first().is_some_and(Probed::accepts)).map(|(key, _)| key);
    for mut found in join_all(accepted.map(|key| funds(config, key))).await {
        // Two keys of one account report the same money.
        found.retain(|line| lines.iter().all(|known| known.text != line.text));
        lines.append(&mut found);
    }
    lines
}

/// Probes the configured host first, and then the host of the other region if both are MiniMax's.
async fn probe_all(config: &Config, key: Option<&SecretString>) -> Vec<Probed> {
    let own = HOSTS.iter().find(|(.., host)| *host == config.host);
    let others = HOSTS.iter().filter(|(.., host)| own.is_some() && *host != config.host);
    let mut hosts = vec![(own.map(|(_, name, _)| *name), config.host.as_str())];
    hosts.extend(others.map(|(_, name, host)| (Some(*name), *host)));
    probe_hosts(&hosts, key).await
}

async fn probe_hosts(hosts: &[(Option<&'static str>, &str)], key: Option<&SecretString>) -> Vec<Probed> {
    join_all(hosts.iter().map(|(region, host)| async move {
        let start = Instant::now();
        let outcome = Client::new(*host, key.cloned()).probe(PATIENCE).await;
        Probed { region: *region, name: host_name(host), took: start.elapsed(), outcome }
    }))
    .await
}

/// The hosts' answer about a key.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::cli) enum Verdict {
    /// A host accepts it. The region is known if the host is one of MiniMax's own.
    Accepted(Option<&'static str>),
    /// No host accepts it.
    Refused(String),
    /// No host accepts it, and at least one gave no answer.
    Unknown(String),
}

/// Asks the hosts, each with its region if it has one, whether they accept the key. Costs nothing.
pub(in crate::cli) async fn probe_key(key: &SecretString, hosts: &[(Option<&'static str>, &str)]) -> Verdict {
    verdict(&probe_hosts(hosts, Some(key)).await)
}

fn verdict(probed: &[Probed]) -> Verdict {
    // A gateway may have no list of models.
    let is_gateway = |host: &&Probed| {
        let missing = matches!(host.refusal(), Some(ApiError::Refused { status: 404 | 405, .. }));
        host.region.is_none() && missing
    };
    if let Some(host) = probed.iter().find(|host| host.accepts() || is_gateway(host)) {
        return Verdict::Accepted(host.region);
    }
    let is_auth = |host: &Probed| host.refusal().is_some_and(|refusal| refusal.class() == Class::Auth);
    let said = |host: &Probed| match &host.outcome {
        Ok(Probe { refusal: Some(refusal), .. }) => format!("{}: {refusal}", host.name),
        Ok(_) => host.name.clone(),
        Err(error) => say_login::host_unreachable(&host.name, error),
    };
    if let Some(host) = probed.iter().find(|host| !is_auth(host)) {
        return Verdict::Unknown(said(host));
    }
    let all: Vec<_> = probed.iter().map(said).collect();
    Verdict::Refused(say_login::refused(all.join("; ")))
}

fn host_name(host: &str) -> String {
    let url = Url::parse(host).ok();
    let port = url.as_ref().and_then(Url::port).map(|port| format!(":{port}")).unwrap_or_default();
    url.and_then(|url| url.host_str().map(|name| format!("{name}{port}"))).unwrap_or_else(|| host.to_owned())
}

/// Resolves the host's name. A proxy does that itself, so nothing is checked then.
async fn resolve(host: &str, proxy: Option<&Proxy>) -> Result<(), String> {
    let Some(url) = Url::parse(host).ok().filter(|_| proxy.is_none()) else { return Ok(()) };
    let (Some(name), Some(port)) = (url.host_str(), url.port_or_known_default()) else { return Ok(()) };
    let looked_up =
        timeout(DNS_PATIENCE, tokio::net::lookup_host((name.trim_matches(['[', ']']), port))).await;
    let found = looked_up.is_ok_and(|found| found.is_ok_and(|mut found| found.next().is_some()));
    if found { Ok(()) } else { Err(say::dns_bad(name)) }
}

fn no_key(config: &Config) -> Line {
    let why = config.key_note.as_ref().map(say::key_none_why).unwrap_or_default();
    Line::wrong("key", say::key_none(why), say::key_none_fix())
}

fn shown(key: &NamedKey<'_>, sources: &Sources, is_only_key: bool) -> Line {
    let source = if key.setting == "MINIMAX_PLAN_KEY" { &sources.plan_key } else { &sources.key };
    let words = match key.kind {
        KeyKind::Plan if !is_only_key => say::key_plan_beside(),
        KeyKind::Plan => say::key_plan(),
        KeyKind::PayAsYouGo => say::key_balance(),
        KeyKind::Other | KeyKind::Missing => say::key_other(),
    };
    let found = say::key_found(masked(key.key), &source.words, words);
    if let Some(setting) = source.wrapped_in(key.key) {
        return Line::warning("key", say::key_wrapped(found), say::key_wrapped_fix(setting));
    }
    if key.kind == KeyKind::Plan && is_only_key {
        return Line::warning("key", found, say::key_plan_fix());
    }
    Line::ok("key", found)
}

/// The beginning of a key and, if it is long, its last four characters.
pub(in crate::cli) fn masked(key: &SecretString) -> String {
    let key = key.expose_secret();
    let start = ["sk-api-", "sk-cp-", "sk-"].iter().find(|start| key.starts_with(**start)).unwrap_or(&"");
    let end = if key.len() >= 24 { key.get(key.len() - 4..).unwrap_or_default() } else { "" };
    format!("{start}…{end}")
}

fn network(chosen: &Probed, name: Result<(), String>, proxy: Option<&Proxy>) -> Vec<Line> {
    let way = proxy.map(|proxy| say::through_proxy(&proxy.address, &proxy.setting));
    let way = way.unwrap_or_default();
    let Err(error) = &chosen.outcome else {
        let milliseconds = chosen.took.as_millis();
        return vec![Line::ok("network", say::network_good(&chosen.name, milliseconds, way))];
    };
    let fix = match proxy {
        Some(proxy) => say::proxy_fix(&proxy.setting, &chosen.name),
        None if name.is_err() => say::dns_fix(),
        None => say::network_fix(),
    };
    let why = name.err().unwrap_or_else(|| error.to_string());
    vec![Line::wrong("network", say::network_bad(&chosen.name, way, why), fix)]
}

fn clock(chosen: &Probed) -> Option<Line> {
    let host_time = chosen.outcome.as_ref().ok()?.host_time?;
    let now = SystemTime::now();
    let (off, is_ahead) = match now.duration_since(host_time) {
        Ok(ahead) => (ahead, true),
        Err(behind) => (behind.duration(), false),
    };
    if off <= SKEW {
        return Some(Line::ok("clock", say::clock_good()));
    }
    let fix = match std::env::consts::OS {
        "linux" => say::clock_fix_linux(),
        "windows" => say::clock_fix_windows(),
        _ => say::clock_fix(),
    };
    let minutes = off.as_secs() / 60;
    let text = if is_ahead { say::clock_ahead(minutes) } else { say::clock_behind(minutes) };
    Some(Line::wrong("clock", text, fix))
}

/// Which region accepts the key of a setting. The first host is the configured one.
fn region(probed: &[Probed], setting: &'static str, is_only_key: bool) -> Line {
    let Some((chosen, others)) = probed.split_first() else {
        return Line::warning("region", say::region_unchecked(), say::region_unchecked_fix());
    };
    let key = if is_only_key { say::the_key() } else { say::the_key_in(setting) };
    let named = |host: &Probed| match host.region {
        Some(region) => say::host_with_region(&host.name, region),
        None => host.name.clone(),
    };
    if chosen.accepts() {
        return Line::ok("region", say::region_good(key, named(chosen)));
    }
    let Some(refusal) = chosen.refusal() else {
        return Line::warning("region", say::region_unreachable(key), say::region_unreachable_fix());
    };
    let advice = || refusal.advice().replace("MINIMAX_API_KEY", setting);
    let belongs = others.iter().find(|other| other.accepts()).and_then(|other| other.region);
    match (refusal.class(), belongs) {
        (Class::Auth, Some(region)) => {
            let fix =
                if is_only_key { say::region_other_fix(region) } else { say::region_other_fix_both(region) };
            Line::wrong("region", say::region_other(named(chosen), key, region), fix)
        }
        (Class::Auth, None) => {
            Line::wrong("region", say::region_refused(named(chosen), key, refusal), advice())
        }
        _ if matches!(refusal, ApiError::Refused { status: 404 | 405, .. }) => {
            Line::warning("region", say::region_no_list(named(chosen), key), say::region_no_list_fix())
        }
        _ => Line::warning("region", say::region_error(named(chosen), refusal), advice()),
    }
}

/// The plan's windows and the balance. A key usually has only one of them, so a refusal of the other is not reported.
async fn funds(config: &Config, key: &NamedKey<'_>) -> Vec<Line> {
    let client = Client::new(config.host.clone(), Some(key.key.clone()));
    let asked = timeout(PATIENCE, join(client.plan_windows(), client.balance())).await;
    let Ok((windows, balance)) = asked else {
        return vec![Line::warning("account", say::account_late(), say::account_late_fix())];
    };
    let kind = key.kind;
    let mut lines = Vec::new();
    if let Ok(windows) = &windows {
        lines.extend(windows.iter().filter_map(window));
    }
    if let Ok(balance) = &balance {
        lines.push(money(balance, config.currency(), kind == KeyKind::Plan));
    }
    if let (Err(plan), Err(balance)) = (windows, balance) {
        let error = if kind == KeyKind::PayAsYouGo { balance } else { plan };
        lines.push(Line::warning("account", say::account_hidden(&error), error.advice()));
    }
    lines
}

fn window(window: &Window) -> Option<Line> {
    let short =
        window.current_interval_remaining_percent.filter(|_| window.current_interval_status != Some(3));
    let week = window.current_weekly_remaining_percent.filter(|_| window.current_weekly_status != Some(3));
    let left: Vec<_> = [short, week].into_iter().flatten().collect();
    if left.is_empty() {
        return None;
    }
    let words: Vec<_> = short.map(say::window_short).into_iter().chain(week.map(say::window_week)).collect();
    let text = say::window_left(&window.model_name, words.join(", "));
    Some(if left.iter().any(|left| *left <= 0.0) {
        Line::warning("account", text, say::window_fix())
    } else {
        Line::ok("account", text)
    })
}

fn money(balance: &Balance, currency: Currency, has_plan: bool) -> Line {
    let text = say::balance(&balance.available_amount, currency);
    let available = balance.available_amount.as_str();
    let is_empty = available.starts_with('-') || Decimal::nearest(available) == Some(Decimal::default());
    if is_empty && !has_plan {
        return Line::wrong("account", text, say::balance_fix());
    }
    Line::ok("account", text)
}

#[cfg(test)]
mod tests {
    use super::super::report::Status;
    use super::*;

    fn refused(code: i64) -> ApiError {
        let message = "no".to_owned();
        ApiError::Refused {
            at: "/v1/models".into(),
            status: 200,
            code: Some(code),
            message,
            trace_id: None,
            retry_after: None,
        }
    }

    fn host(region: &'static str, refusal: impl Into<Option<ApiError>>) -> Probed {
        let outcome = Ok(Probe { host_time: None, refusal: refusal.into() });
        Probed { region: Some(region), name: format!("api.{region}"), took: Duration::ZERO, outcome }
    }

    fn unreachable(region: &'static str) -> Probed {
        let outcome = Err(ApiError::Unsent { at: "".into(), why: "no way".to_owned() });
        Probed { outcome, ..host(region, None) }
    }

    #[test]
    fn the_region_that_accepts_the_key_is_found_and_the_setting_for_it_is_named() {
        let region = |hosts: &[Probed]| region(hosts, "MINIMAX_API_KEY", true);
        for code in [1004, 2049] {
            let line = region(&[host("global", refused(code)), host("cn", None)]);
            assert_eq!(line.status, Status::Wrong);
            assert!(line.text.contains("which belongs to the region `cn`"), "{}", line.text);
            assert!(line.fix.unwrap().contains("MINIMAX_REGION=cn"), "{}", line.text);
        }
        assert_eq!(region(&[host("global", None), host("cn", refused(2049))]).status, Status::Ok);
        let nowhere = region(&[host("global", refused(2049)), host("cn", refused(2049))]);
        assert!(nowhere.status == Status::Wrong && nowhere.text.contains("2049"), "{}", nowhere.text);
        assert_eq!(region(&[unreachable("global"), unreachable("cn")]).status, Status::Warning);
        assert_eq!(
            region(&[host("global", refused(1002)), host("cn", None)]).status,
            Status::Warning,
            "no proof"
        );
    }

    #[test]
    fn a_key_belongs_to_the_region_that_accepts_it_and_an_unreachable_host_proves_nothing() {
        let of = |hosts: &[Probed]| verdict(hosts);
        assert_eq!(of(&[host("global", refused(2049)), host("cn", None)]), Verdict::Accepted(Some("cn")));
        assert_eq!(of(&[host("global", None), unreachable("cn")]), Verdict::Accepted(Some("global")));
        let nowhere = of(&[host("global", refused(2049)), host("cn", refused(1004))]);
        assert!(matches!(&nowhere, Verdict::Refused(why) if why.contains("2049")), "{nowhere:?}");
        for other in [unreachable("cn"), host("cn", refused(1002))] {
            assert!(matches!(of(&[host("global", refused(2049)), other]), Verdict::Unknown(_)));
        }
    }

    #[test]
    fn only_the_beginning_and_the_end_of_a_key_are_shown() {
        for (key, shown) in
            [("sk-api-0123456789abcdefWXYZ", "sk-api-…WXYZ"), ("sk-cp-short", "sk-cp-…"), ("secret", "…")]
        {
            assert_eq!(masked(&SecretString::from(key)), shown);
        }
    }

    #[test]
    fn the_proxy_of_the_environment_is_named_without_its_password_and_only_if_it_is_used() {
        let proxy = |host: &str, pairs: &[(&str, &str)]| {
            let lookup = |name: &str| pairs.iter().find(|pair| pair.0 == name).map(|pair| pair.1.to_owned());
            Proxy::of(host, lookup).map(|proxy| proxy.address)
        };
        let set = ("HTTPS_PROXY", "http://ada:secret@proxy:3128");
        assert_eq!(proxy("https://api.minimax.io", &[set]).as_deref(), Some("http://proxy:3128"));
        assert_eq!(proxy("https://api.minimax.io", &[set, ("NO_PROXY", "x, .minimax.io")]), None);
        assert_eq!(proxy("http://127.0.0.1:9", &[set]), None);
        assert_eq!(proxy("https://api.minimax.io", &[]), None);
    }

    #[test]
    fn an_empty_balance_and_a_used_up_window_are_reported_with_their_codes() {
        let empty = Balance { available_amount: "0.00".to_owned(), ..Balance::default() };
        let line = money(&empty, Currency::Usd, false);
        assert!(line.status == Status::Wrong && line.fix.unwrap().contains("1008"));
        assert_eq!(money(&empty, Currency::Usd, true).status, Status::Ok, "the plan pays");
        let used = Window { current_interval_remaining_percent: Some(0.0), ..Window::default() };
        let line = window(&used).unwrap();
        assert!(line.status == Status::Warning && line.fix.unwrap().contains("2056"));
    }
}

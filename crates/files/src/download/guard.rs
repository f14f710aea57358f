//! Decides from which hosts the server may fetch. A model supplies the link, and a model can be manipulated. It must
//! not make the server read the owner's router, cloud credentials or other services behind the firewall.

mod addresses;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use hyper_util::client::proxy::matcher::Matcher;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect::Policy;
use url::{Host, Origin, Url};

use addresses::is_fake;
pub use addresses::is_public;

const CONNECT: Duration = Duration::from_secs(10);
/// How long a host may send nothing before the transfer counts as broken. Short enough for a second try within the 45 s
/// in which a call without a job should answer.
const IDLE: Duration = Duration::from_secs(20);
const REDIRECTS: usize = 5;

/// The rules for links.
///
/// Only `https` to public addresses is allowed, at every redirect. The guard checks the address that the client
/// really connects to: the client's own resolver filters the addresses of a name. A name that resolves differently
/// the second time (DNS rebinding) gains nothing.
///
/// Behind a proxy (`HTTPS_PROXY` or the system's setting) the proxy resolves names. Then only the link itself can be
/// checked: its scheme, literal addresses, and names that are never public.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Guard {
    /// Allows loopback addresses, also over plain `http` and at any port. True only if the API is the sandbox. Then no
    /// proxy is used.
    pub loopback_http: bool,
    /// Allows plain `http` to public addresses. Needed for results, because some services return such links. The
    /// request carries no secret, and the content is checked on arrival.
    pub public_http: bool,
    /// Allows every address, even over plain `http`. Only for addresses that the operator chose, never for a link.
    pub private: bool,
    /// The API's own origin, which is allowed whatever its address is. Only for results: the operator chose this host, and
    /// it returns links to itself.
    pub api: Option<Arc<Origin>>,
}

/// Why a link is refused. The message is a sentence without a subject. It names a host or an address, never a query
/// string.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The link cannot be parsed or has no host.
    #[error("is not a complete link; write it as https://host/path")]
    NotALink,
    /// The scheme is not `https`.
    #[error("is a {0}: link; only https:// links are fetched")]
    Scheme(String),
    /// The link contains a user name or password.
    #[error("carries a user name or password; give a link without them")]
    Credentials,
    /// The host is a name that only exists inside a private network.
    #[error("leads to `{0}`, a name inside a private network; give a link that is public")]
    LocalName(String),
    /// The host is, or resolves to, an address that is not public.
    #[error("leads to {0}, which is not a public address; give a link that is public")]
    Address(IpAddr),
    /// A redirect leads from `https` to `http`.
    #[error("was redirected from https to http, which is not followed")]
    Downgrade,
    /// The link leads to the API's host, but not to its port or not with its scheme.
    #[error(
        "leads to `{0}`, the API's host, at another port or over another scheme; only the API's own address is allowed"
    )]
    BesideApi(String),
    /// There are too many redirects.
    #[error("was redirected more than {REDIRECTS} times")]
    Redirects,
}

impl Guard {
    /// Also allows links to this origin.
    #[must_use]
    pub fn trusting(self, api: Option<&Url>) -> Self {
        Self { api: api.map(|url| Arc::new(url.origin())), ..self }
    }

    /// Checks a link without resolving its name.
    pub fn check(&self, link: &str) -> Result<Url, Refused> {
        let url = Url::parse(link.trim()).map_err(|_| Refused::NotALink)?;
        self.check_url(&url)?;
        Ok(url)
    }

    /// Builds the client for all links. It resolves names and follows redirects under the rules of the guard, and sends
    /// no cookies, credentials or referrer. It gives up after 10 s without a connection or 20 s without data.
    pub fn client(&self) -> Result<reqwest::Client, reqwest::Error> {
        self.client_that(system_lookup())
    }

    /// As [`Self::client`], with another rule for redirects.
    pub(crate) fn client_with(&self, redirects: Policy) -> Result<reqwest::Client, reqwest::Error> {
        self.client_of(system_lookup(), redirects)
    }

    /// Builds a client with the given name lookup.
    fn client_that(&self, looks_up: LookUp) -> Result<reqwest::Client, reqwest::Error> {
        let guard = self.clone();
        let redirects =
            Policy::custom(move |attempt| match guard.check_hop(attempt.previous(), attempt.url()) {
                Ok(()) => attempt.follow(),
                Err(refused) => attempt.error(refused),
            });
        self.client_of(looks_up, redirects)
    }

    fn client_of(&self, looks_up: LookUp, redirects: Policy) -> Result<reqwest::Client, reqwest::Error> {
        let mut client = reqwest::Client::builder()
            .user_agent(concat!("minimax-mcp/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT)
            .read_timeout(IDLE)
            .redirect(redirects)
            .referer(false)
            // Compression would hide the length, and media barely compress.
            .no_gzip()
            .dns_resolver(Arc::new(Names { guard: self.clone(), proxy: proxy_host(), looks_up }));
        if self.loopback_http {
            client = client.no_proxy();
        } else if let Some(proxy) = self.api.clone().filter(|api| is_here(api)).map(proxy_for_all_but) {
            client = client.proxy(proxy);
        }
        client.build()
    }

    fn check_url(&self, url: &Url) -> Result<(), Refused> {
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Refused::Credentials);
        }
        if self.api.as_ref().is_some_and(|api| **api == url.origin()) {
            return Ok(());
        }
        if self.private && url.has_host() && matches!(url.scheme(), "http" | "https") {
            return Ok(());
        }
        let loopback = match url.host().ok_or(Refused::NotALink)? {
            Host::Ipv4(address) => self.check_literal(address.into())?,
            Host::Ipv6(address) => self.check_literal(address.into())?,
            Host::Domain(name) => self.check_name(name)?,
        };
        match url.scheme() {
            "https" => Ok(()),
            "http" if loopback || self.public_http => Ok(()),
            other => Err(Refused::Scheme(other.to_owned())),
        }
    }

    /// True for an allowed loopback address, false for a public one. Refuses all others.
    fn check_literal(&self, address: IpAddr) -> Result<bool, Refused> {
        let loopback = self.loopback_http && address.to_canonical().is_loopback();
        let allowed = loopback || (is_public(address) && !is_fake(address));
        if allowed { Ok(loopback) } else { Err(Refused::Address(address)) }
    }

    /// True for an allowed loopback name, false for a name that may be public. Refuses all others.
    fn check_name(&self, name: &str) -> Result<bool, Refused> {
        let plain = name.trim_end_matches('.').to_ascii_lowercase();
        let loopback = is_localhost(&plain);
        if self.loopback_http && loopback {
            return Ok(true);
        }
        // The resolver does not filter the API's name, and it does not know the port.
        if self.is_api_name(&plain) {
            return Err(Refused::BesideApi(plain));
        }
        // The resolver does not filter the name of the proxy, so no link may use that name.
        if loopback
            || is_local(&plain)
            || (!self.loopback_http && proxy_host().is_some_and(|host| host == plain))
        {
            return Err(Refused::LocalName(plain));
        }
        Ok(false)
    }

    fn check_hop(&self, previous: &[Url], next: &Url) -> Result<(), Refused> {
        if previous.len() > REDIRECTS {
            return Err(Refused::Redirects);
        }
        if next.scheme() == "http" && previous.last().is_some_and(|url| url.scheme() == "https") {
            return Err(Refused::Downgrade);
        }
        self.check_url(next)
    }

    /// True for the API's name. Sites that share it at another port are refused.
    fn is_api_name(&self, plain: &str) -> bool {
        matches!(self.api.as_deref(), Some(Origin::Tuple(_, Host::Domain(name), _)) if name == plain)
    }

    /// True if a name may resolve to this address.
    fn allows(&self, name: &str, address: IpAddr) -> bool {
        if self.private || self.is_api_name(name) {
            return true;
        }
        let loopback = address.to_canonical().is_loopback();
        if is_localhost(name) {
            return self.loopback_http && loopback;
        }
        (self.loopback_http && loopback) || is_public(address)
    }
}

/// Looks up the addresses of a name.
type LookUp =
    Arc<dyn Fn(String) -> Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send>> + Send + Sync>;

/// The system's own lookup.
fn system_lookup() -> LookUp {
    Arc::new(|name| Box::pin(async move { Ok(tokio::net::lookup_host((name, 0)).await?.collect()) }))
}

/// The resolver of the client. The client cannot connect to an address that it does not return.
struct Names {
    guard: Guard,
    proxy: Option<String>,
    looks_up: LookUp,
}

impl Resolve for Names {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = self.guard.clone();
        let host = name.as_str().trim_end_matches('.').to_ascii_lowercase();
        let is_proxy = self.proxy.as_deref() == Some(host.as_str());
        let looking = (self.looks_up)(name.as_str().to_owned());
        Box::pin(async move {
            let found = looking.await?;
            let (allowed, refused): (Vec<SocketAddr>, Vec<SocketAddr>) =
                found.into_iter().partition(|found| is_proxy || guard.allows(&host, found.ip()));
            match (allowed.is_empty(), refused.first()) {
                (true, Some(first)) => Err(Refused::Address(first.ip()).into()),
                _ => Ok(Box::new(allowed.into_iter()) as Addrs),
            }
        })
    }
}

/// True if the origin is on this machine, where a proxy cannot reach it.
fn is_here(origin: &Origin) -> bool {
    match origin {
        Origin::Tuple(_, Host::Domain(name), _) => is_localhost(name),
        Origin::Tuple(_, Host::Ipv4(address), _) => address.is_loopback(),
        Origin::Tuple(_, Host::Ipv6(address), _) => address.is_loopback(),
        Origin::Opaque(_) => false,
    }
}

/// The system's proxy, for every link except those to `origin`.
fn proxy_for_all_but(origin: Arc<Origin>) -> reqwest::Proxy {
    let system = Matcher::from_system();
    let example = "https://example.com/".parse().ok().and_then(|link| system.intercept(&link));
    let auth = example.and_then(|proxy| proxy.basic_auth().cloned());
    let proxy = reqwest::Proxy::custom(move |url| {
        let direct = url.origin() == *origin;
        let found = system.intercept(&url.as_str().parse().ok()?).filter(|_| !direct)?;
        Some(found.uri().to_string())
    });
    match auth {
        Some(auth) => proxy.custom_http_auth(auth),
        None => proxy,
    }
}

/// The host name of the proxy. Its address is usually private.
fn proxy_host() -> Option<String> {
    let proxy = Matcher::from_system().intercept(&"https://example.com/".parse().ok()?)?;
    Some(proxy.uri().host()?.trim_end_matches('.').to_ascii_lowercase())
}

fn is_localhost(name: &str) -> bool {
    name == "localhost" || name.ends_with(".localhost")
}

/// True for names that no public resolver knows. A proxy might know them.
fn is_local(name: &str) -> bool {
    let endings = [".local", ".internal", ".intranet", ".lan", ".home.arpa", ".localdomain"];
    !name.contains('.') || endings.iter().any(|ending| name.ends_with(ending))
}

#[cfg(test)]
mod tests;

//! Access control: the host names that the server answers to, the origins that may call it, and its tokens.

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::diagnose::mistake;
use super::oauth::{Provider, Refusal};
use super::tokens::Tokens;
use crate::config::{HttpSettings, Receiver};
use crate::mcp::{Caller, CallerKey};

/// The longest accepted token, in bytes.
const LONGEST: usize = 8 * 1024;

/// The access rules for all routes.
#[derive(Debug)]
pub struct Access {
    tokens: Tokens,
    provider: Option<Provider>,
    hosts: Vec<String>,
    origins: Vec<String>,
    /// The public URL from the settings.
    public_url: Option<String>,
    /// The base of links to this server: the public URL, or else the address.
    base: String,
    caller_keys: bool,
}

/// Names of this machine, which are always accepted.
const HOME: &[&str] = &["localhost", "127.0.0.1", "[::1]"];

impl Access {
    /// The rules from the settings.
    pub fn new(settings: &HttpSettings) -> Self {
        Self {
            tokens: Tokens::new(settings),
            provider: settings.oauth.as_ref().map(Provider::new),
            public_url: settings.public_url.clone(),
            base: settings.public_url.clone().unwrap_or_default(),
            hosts: settings.hosts.iter().map(|host| host.to_ascii_lowercase()).collect(),
            origins: settings
                .origins
                .iter()
                .map(|origin| origin.trim_end_matches('/').to_ascii_lowercase())
                .collect(),
            caller_keys: settings.caller_keys,
        }
    }

    /// The same rules for a server that listens at `address`.
    #[must_use]
    pub fn at(mut self, address: SocketAddr) -> Self {
        self.base = self.public_url.clone().unwrap_or_else(|| format!("http://{address}"));
        self
    }

    /// A host name in the settings at which other machines can reach this server.
    pub fn name_elsewhere(&self) -> Option<&str> {
        self.hosts.iter().map(String::as_str).find(|host| !HOME.contains(&without_port(host)))
    }

    /// A short description of the callers that are allowed.
    pub fn callers(&self) -> String {
        let who = match (self.tokens.are_none(), self.provider.is_some()) {
            (true, false) => "every program on this machine, without a token",
            (false, false) => "callers with a token",
            (true, true) => "users of the identity provider",
            (false, true) => "callers with a token, and users of the identity provider",
        };
        let keys = if self.caller_keys { "; each sends a MiniMax key" } else { "" };
        format!("{who}{keys}")
    }

    /// The base of links to this server.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Whether the server has a public URL, so that a proxy may be in front of it.
    pub fn has_public_url(&self) -> bool {
        self.public_url.is_some()
    }

    /// What anyone could do if the server accepted calls without a token.
    pub fn danger(&self) -> &'static str {
        if self.caller_keys {
            "anyone who reaches this server can use its disk and connections; a MiniMax key gives no permission to do so"
        } else {
            "anyone who reaches this server can spend your money"
        }
    }

    /// Whether the server accepts calls without a token.
    pub fn is_open(&self) -> bool {
        self.tokens.are_none() && self.provider.is_none()
    }

    /// Whether OAuth is on but neither an audience nor a public URL is set.
    pub fn is_nameless(&self) -> bool {
        self.provider.as_ref().is_some_and(Provider::needs_a_name) && self.public_url.is_none()
    }

    /// The resource that a token of the identity provider must be issued for.
    fn resource(&self) -> String {
        format!("{}/mcp", self.base)
    }

    /// Checks the host and the origin, to keep out web pages in a local browser. A page can point its own host name at this
    /// machine (DNS rebinding) or send requests across origins; both fail this check.
    fn check_place(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), Problem> {
        if !self.is_here(uri, headers) {
            return Err(Problem::Host);
        }
        if headers.contains_key(header::ORIGIN) && self.page(headers).is_none() {
            return Err(Problem::Origin);
        }
        Ok(())
    }

    /// Whether a request is for a name of this server. A proxy may route by the `Host` header or by the URI, so both
    /// names must be ours. A second header is refused.
    pub(super) fn is_here(&self, uri: &Uri, headers: &HeaderMap) -> bool {
        let mut hosts = headers.get_all(header::HOST).iter().map(|host| host.to_str().unwrap_or_default());
        let names = [hosts.next(), uri.authority().map(Authority::as_str)];
        let mut names = names.into_iter().flatten().peekable();
        let is_single = names.peek().is_some() && hosts.next().is_none();
        is_single && names.all(|name| self.is_ours(&name.to_ascii_lowercase()))
    }

    /// The origin of the web page that sends a request, if its pages may call.
    pub(super) fn page<'a>(&self, headers: &'a HeaderMap) -> Option<&'a HeaderValue> {
        let mut origins = headers.get_all(header::ORIGIN).iter();
        let (Some(origin), None) = (origins.next(), origins.next()) else { return None };
        self.may_come_from(origin.to_str().ok()?).then_some(origin)
    }

    fn is_ours(&self, host: &str) -> bool {
        let name = without_port(host);
        HOME.contains(&name) || self.hosts.iter().any(|known| known == host || known == name)
    }

    fn may_come_from(&self, origin: &str) -> bool {
        let origin = origin.to_ascii_lowercase();
        let local =
            |scheme: &str| origin.strip_prefix(scheme).is_some_and(|host| HOME.contains(&without_port(host)));
        local("http://") || local("https://") || self.origins.contains(&origin)
    }

    /// Identifies the caller of a request.
    async fn caller(&self, uri: &Uri, headers: &HeaderMap) -> Result<Caller, Problem> {
        if self.is_open() {
            return Ok(Caller::remote(Caller::OWNER));
        }
        let unknown = || match mistake(uri, headers) {
            Some(mistake) => Problem::WrongToken(mistake),
            None => Problem::WrongToken(UNKNOWN.to_owned()),
        };
        let mut given = headers.get_all(header::AUTHORIZATION).iter();
        let (Some(value), None) = (given.next(), given.next()) else {
            return Err(Problem::NoToken(mistake(uri, headers)));
        };
        let value = value.to_str().map_err(|_| unknown())?;
        let token = value.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        let (_, token) = token.ok_or_else(|| Problem::NoToken(mistake(uri, headers)))?;
        let token = token.trim();
        if token.len() > LONGEST {
            return Err(unknown());
        }
        if let Some(caller) = self.tokens.caller(token).await {
            return Ok(Caller { is_only_one: caller.is_only_one && self.provider.is_none(), ..caller });
        }
        match &self.provider {
            Some(provider) if token.split('.').count() == 3 => {
                provider.caller(token, &self.resource()).await.map_err(|refusal| match refusal {
                    Refusal::Bad(why) => Problem::WrongToken(format!("The token {why}")),
                    Refusal::NoScope => Problem::NoScope,
                    Refusal::NoKeys => Problem::NoKeys,
                })
            }
            _ => Err(unknown()),
        }
    }

    /// The caller and the MiniMax key of a request, or the response that refuses it. Takes both secrets out of the headers,
    /// because handlers must not see them.
    pub async fn identify(
        &self,
        uri: &Uri,
        headers: &mut HeaderMap,
    ) -> Result<(Caller, Option<CallerKey>), Response> {
        let mut caller = self.caller(uri, headers).await.map_err(|problem| self.refuse(problem))?;
        headers.remove(header::AUTHORIZATION);
        let key = CallerKey::take(headers, self.caller_keys);
        if let Some(key) = &key {
            caller.principal = key.principal(&caller.principal);
        }
        Ok((caller, key))
    }

    /// The receiver of messages about a principal's jobs, if its token names one.
    pub(super) fn receiver(&self, principal: &str) -> Option<Receiver> {
        self.tokens.receiver(principal)
    }

    /// Whether each caller sends its own MiniMax key.
    pub fn takes_keys(&self) -> bool {
        self.caller_keys
    }

    /// The `WWW-Authenticate` header: what to send, and where to learn how to get it (RFC 6750, RFC 9728).
    fn challenge(&self, more: &str) -> String {
        let mut challenge = "Bearer realm=\"minimax-mcp\"".to_owned();
        if self.provider.is_some() {
            let _ = write!(challenge, ", resource_metadata=\"{}{METADATA}/mcp\"", self.base);
        }
        challenge + more
    }

    fn refuse(&self, problem: Problem) -> Response {
        let plain = |status: StatusCode, text: &'static str| (status, text).into_response();
        let challenged = |status: StatusCode, more: &str, text: String| {
            (status, [(header::WWW_AUTHENTICATE, self.challenge(more))], text).into_response()
        };
        match problem {
            Problem::Host => plain(
                StatusCode::FORBIDDEN,
                "This server does not answer to that name. Its operator can add the name to MINIMAX_MCP_HOSTS.\n",
            ),
            Problem::Origin => plain(
                StatusCode::FORBIDDEN,
                "Pages of that origin may not call this server. Its operator can add the origin to MINIMAX_MCP_ORIGINS.\n",
            ),
            Problem::NoToken(mistake) => {
                let mistake = mistake.map(|mistake| format!("{mistake}. ")).unwrap_or_default();
                challenged(
                    StatusCode::UNAUTHORIZED,
                    "",
                    format!(
                        "{mistake}Send a token of this server in one header: Authorization: Bearer TOKEN \
                         (MINIMAX_MCP_TOKEN, MINIMAX_MCP_TOKEN_FILE or MINIMAX_MCP_OAUTH_ISSUER on the server).\n"
                    ),
                )
            }
            Problem::WrongToken(why) => challenged(
                StatusCode::UNAUTHORIZED,
                &format!(", error=\"invalid_token\", error_description=\"{why}\""),
                format!("{why}.\n"),
            ),
            Problem::NoScope => {
                let scopes = self.provider.as_ref().map(Provider::scopes).unwrap_or_default().join(" ");
                challenged(
                    StatusCode::FORBIDDEN,
                    &format!(", error=\"insufficient_scope\", scope=\"{scopes}\""),
                    format!(
                        "The token is valid but has none of the scopes that this server accepts: {scopes}.\n"
                    ),
                )
            }
            Problem::NoKeys => {
                let text = "The identity provider's keys cannot be read now, so the token could not be checked. \
                            Try again in a moment; the server's log says what went wrong.\n";
                (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "10")], text).into_response()
            }
        }
    }
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

/// Whether only this machine can reach an address.
pub fn is_private(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

/// Why a request is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Problem {
    Host,
    Origin,
    /// The request has no token, perhaps because of this mistake.
    NoToken(Option<String>),
    /// The token was refused, which this sentence explains. It goes into a header, so it is plain ASCII.
    WrongToken(String),
    NoScope,
    NoKeys,
}

const UNKNOWN: &str = "The token is not one of this server";

/// The path of the protected resource metadata (RFC 9728). Clients append the path of the resource.
pub const METADATA: &str = "/.well-known/oauth-protected-resource";

/// `GET /.well-known/oauth-protected-resource` and `…/mcp`: the identity provider that issues tokens for this server.
pub async fn metadata(State(access): State<Arc<Access>>) -> Response {
    match &access.provider {
        Some(provider) => Json(provider.metadata(&access.resource())).into_response(),
        None => (StatusCode::NOT_FOUND, "No identity provider is set (MINIMAX_MCP_OAUTH_ISSUER).\n")
            .into_response(),
    }
}

/// Middleware for all routes: checks the host and the origin.
pub async fn check_place(State(access): State<Arc<Access>>, request: Request, next: Next) -> Response {
    match access.check_place(request.uri(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err(problem) => access.refuse(problem),
    }
}

/// Middleware for routes that need a token: identifies the caller and passes it on as an extension.
pub async fn check_caller(State(access): State<Arc<Access>>, mut request: Request, next: Next) -> Response {
    let uri = request.uri().clone();
    match access.identify(&uri, request.headers_mut()).await {
        Ok((caller, key)) => {
            if let Some(key) = key {
                request.extensions_mut().insert(key);
            }
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(refusal) => refusal,
    }
}

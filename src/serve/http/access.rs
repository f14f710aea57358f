//! Who may call: the names the server answers to, the pages that may speak to it, and the tokens it knows.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq as _;

use crate::config::{HttpSettings, TokenRow, Toolset};
use crate::tools::Caller;

/// A token, as a digest: what is compared has one length, and says nothing about the token.
#[derive(Debug)]
struct Token {
    digest: [u8; 32],
    caller: Caller,
}

/// The rules for every route.
#[derive(Debug)]
pub struct Access {
    tokens: Vec<Token>,
    hosts: Vec<String>,
    origins: Vec<String>,
}

/// Names of this machine, which need no setting.
const HOME: &[&str] = &["localhost", "127.0.0.1", "[::1]"];

impl Access {
    /// The rules that the settings ask for.
    pub fn new(settings: &HttpSettings) -> Self {
        let single = settings.token.iter().map(|token| Token::new(token, "shared", None));
        let named = settings.tokens.iter().map(|TokenRow { name, token, toolsets }| {
            Token::new(token, &format!("token:{name}"), toolsets.clone())
        });
        Self {
            tokens: single.chain(named).collect(),
            hosts: settings.hosts.iter().map(|host| host.to_ascii_lowercase()).collect(),
            origins: settings
                .origins
                .iter()
                .map(|origin| origin.trim_end_matches('/').to_ascii_lowercase())
                .collect(),
        }
    }

    /// Whether a stranger would be let in.
    pub fn is_open(&self) -> bool {
        self.tokens.is_empty()
    }

    /// A page in a browser can make its name lead to this machine, and can call it without being asked; neither
    /// helps against a name that we do not answer to and an origin that we do not know.
    fn check_place(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), Problem> {
        // Whichever of several names another machine on the way goes by, it has to be ours.
        let mut hosts = headers.get_all(header::HOST).iter().map(|host| host.to_str().unwrap_or_default());
        let names = [hosts.next(), uri.authority().map(Authority::as_str)];
        let mut names = names.into_iter().flatten().peekable();
        let is_single = names.peek().is_some() && hosts.next().is_none();
        if !is_single || !names.all(|name| self.is_ours(&name.to_ascii_lowercase())) {
            return Err(Problem::Host);
        }
        let mut origins = headers.get_all(header::ORIGIN).iter();
        match (origins.next(), origins.next()) {
            (None, _) => Ok(()),
            (Some(origin), None) if self.may_come_from(origin.to_str().unwrap_or_default()) => Ok(()),
            _ => Err(Problem::Origin),
        }
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

    /// Who a request comes from.
    fn caller(&self, headers: &HeaderMap) -> Result<Caller, Problem> {
        if self.is_open() {
            return Ok(Caller { remote: true, ..Caller::owner() });
        }
        let mut given = headers.get_all(header::AUTHORIZATION).iter();
        let (Some(value), None) = (given.next(), given.next()) else { return Err(Problem::NoToken) };
        let value = value.to_str().map_err(|_| Problem::WrongToken)?;
        let token = value.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        let (_, token) = token.ok_or(Problem::NoToken)?;
        let digest: [u8; 32] = Sha256::digest(token.trim()).into();
        // Every token is looked at, so that the time tells nothing about which one came close.
        let mut found = None;
        for known in &self.tokens {
            if bool::from(known.digest.ct_eq(&digest)) {
                found = Some(&known.caller);
            }
        }
        found.cloned().ok_or(Problem::WrongToken)
    }
}

impl Token {
    fn new(token: &SecretString, principal: &str, toolsets: Option<Vec<Toolset>>) -> Self {
        let digest = Sha256::digest(token.expose_secret()).into();
        Self { digest, caller: Caller { principal: principal.to_owned(), remote: true, toolsets } }
    }
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

/// Whether nobody but this machine can reach an address.
pub fn is_private(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

/// Why a request is turned away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Problem {
    Host,
    Origin,
    NoToken,
    WrongToken,
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let forbidden = |text: &'static str| (StatusCode::FORBIDDEN, text).into_response();
        let unauthorized = |challenge: &'static str, text: &'static str| {
            (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, challenge)], text).into_response()
        };
        match self {
            Self::Host => forbidden(
                "This server does not answer to that name. Whoever runs it can add the name to MINIMAX_MCP_HOSTS.\n",
            ),
            Self::Origin => forbidden(
                "Pages of that origin may not call this server. Whoever runs it can add the origin to MINIMAX_MCP_ORIGINS.\n",
            ),
            Self::NoToken => unauthorized(
                "Bearer realm=\"minimax-mcp\"",
                "Send the server's token: Authorization: Bearer TOKEN (MINIMAX_MCP_TOKEN on the server).\n",
            ),
            Self::WrongToken => unauthorized(
                "Bearer realm=\"minimax-mcp\", error=\"invalid_token\"",
                "That is not a token of this server.\n",
            ),
        }
    }
}

/// Checks where a request comes from; for every route.
pub async fn check_place(State(access): State<Arc<Access>>, request: Request, next: Next) -> Response {
    match access.check_place(request.uri(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

/// Checks who calls, and hands that on; for every route that is not for everybody.
pub async fn check_caller(State(access): State<Arc<Access>>, mut request: Request, next: Next) -> Response {
    match access.caller(request.headers()) {
        Ok(caller) => {
            // What was the key to this server is nobody's business behind here.
            request.headers_mut().remove(header::AUTHORIZATION);
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(problem) => problem.into_response(),
    }
}

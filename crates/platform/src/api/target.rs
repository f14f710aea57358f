//! Where a request goes: the host, and the endpoint.

use std::sync::Arc;

use crate::facts::services;

/// The API host as errors name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Host {
    /// Host and port, without the scheme.
    name: String,
    /// If true, the host is neither MiniMax's own nor the sandbox. It may have other paths.
    gateway: bool,
}

impl Host {
    /// Reads `https://host:port`. A host that is not in the table is a gateway.
    pub(super) fn of(origin: &str) -> Arc<Self> {
        let name = origin.split_once("://").map_or(origin, |(_, name)| name);
        let bare = name.rsplit_once(':').map_or(name, |(bare, _)| bare);
        let gateway = services().host(bare).is_none();
        Arc::new(Self { name: name.to_owned(), gateway })
    }

    /// The same host with MiniMax's own paths.
    pub(super) fn with_own_paths(&self) -> Arc<Self> {
        Arc::new(Self { gateway: false, ..self.clone() })
    }

    pub(super) fn is_gateway(&self) -> bool {
        self.gateway
    }
}

/// An endpoint, and the host that was asked if it is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    path: &'static str,
    host: Option<Arc<Host>>,
}

impl From<&'static str> for Target {
    fn from(path: &'static str) -> Self {
        Self { path, host: None }
    }
}

impl Target {
    pub(super) fn new(path: &'static str, host: &Arc<Host>) -> Self {
        Self { path, host: Some(Arc::clone(host)) }
    }

    /// The endpoint's path.
    pub fn path(&self) -> &'static str {
        self.path
    }

    /// Host and port.
    pub fn host(&self) -> Option<&str> {
        self.host.as_deref().map(|host| host.name.as_str())
    }

    /// Whether the host is a gateway in front of MiniMax.
    pub fn is_gateway(&self) -> bool {
        self.host.as_deref().is_some_and(|host| host.gateway)
    }

    /// ` at api.minimax.io`, or nothing.
    pub(super) fn at(&self) -> String {
        self.host().map(|host| format!(" at {host}")).unwrap_or_default()
    }

    /// What to do about a key that is not accepted.
    pub(super) fn key_advice(&self) -> String {
        let check = "check MINIMAX_API_KEY and restart the server.";
        if self.is_gateway() {
            let host = self.host().unwrap_or_default();
            return format!("{host} is a gateway, which may need a key of its own: {check}");
        }
        let name = self.host().and_then(|host| host.split(':').next()).unwrap_or_default();
        let region = services().host(name).map_or("global", |site| site.region.as_str());
        let other = services().hosts.iter().find(|site| site.region != region && !site.platforms.is_empty());
        match other {
            Some(other) => format!(
                "If the key is from {}, set MINIMAX_REGION={}; otherwise {check}",
                other.platforms.join(" or "),
                other.region
            ),
            None => format!("First {check}"),
        }
    }
}

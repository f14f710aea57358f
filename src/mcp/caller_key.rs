//! The MiniMax keys that callers bring.
//!
//! With MINIMAX_MCP_CALLER_KEYS, a request over HTTP buys with the key that it brings, or not at all: the server's own
//! key is never used for it. The key is removed from the request before anything can log it, and is kept only in
//! memory.

use http::{HeaderMap, HeaderName};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest, Sha256};

use crate::config::{Config, read_key};
use crate::jobs::{INSTEAD_OF_PLAN, PaysWith};
use crate::mcp::caller::Caller;
use crate::mcp::error::Unpaid;

/// The longest key that is accepted, in bytes; real keys are far shorter.
const LONGEST: usize = 1024;

/// What a request says about the key that pays for it. A transport whose callers bring keys puts one into each
/// request's [`http::Extensions`]; the server's own key pays for a call without one.
#[derive(Debug, Clone)]
pub enum CallerKey {
    /// The caller's own.
    Given {
        /// The key.
        key: SecretString,
        /// A hash that identifies the key without revealing it.
        fingerprint: String,
    },
    /// The caller had to bring a key, and brought no valid one.
    Missing,
    /// The caller brought a key to a server that buys with its own.
    Unwanted,
}

/// Who pays for what a call buys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Payer {
    /// The server's only key.
    Server,
    /// The plan's key of a server that has two.
    Plan,
    /// The pay-as-you-go key of a server that has two.
    Balance,
    /// As [`Self::Balance`], for an order that the plan has refused.
    InsteadOfPlan,
    /// A key that came with the request.
    Caller,
    /// No key pays, so nothing is bought.
    Missing(Unpaid),
}

impl CallerKey {
    /// The header that holds the key.
    pub const HEADER: HeaderName = HeaderName::from_static("x-minimax-api-key");

    /// Takes the key out of a request's headers. `None` if the server's own key pays.
    pub fn take(headers: &mut HeaderMap, wanted: bool) -> Option<Self> {
        let mut given = headers.get_all(Self::HEADER).iter();
        let (first, second) = (given.next().cloned(), given.next().is_some());
        headers.remove(Self::HEADER);
        if !wanted {
            return first.map(|_| Self::Unwanted);
        }
        let only = first.filter(|_| !second);
        // Clients leave quotes and placeholders in headers, as users do in settings.
        let key = only.as_ref().and_then(|value| read_key(value.to_str().ok()?).ok());
        let key = key.filter(|key| key.len() <= LONGEST);
        Some(key.map_or(Self::Missing, |key| Self::of(&key)))
    }

    fn of(key: &str) -> Self {
        let fingerprint =
            Sha256::new_with_prefix(b"minimax-mcp, key of a caller: ").chain_update(key).finalize();
        let fingerprint = data_encoding::HEXLOWER.encode(&fingerprint).chars().take(32).collect();
        Self::Given { key: key.into(), fingerprint }
    }

    /// The principal of a request with this key. Each key has its own, and so has each named caller with that key.
    pub fn principal(&self, caller: &str) -> String {
        let fingerprint = match self {
            Self::Given { fingerprint, .. } => fingerprint,
            Self::Missing => "none",
            Self::Unwanted => return caller.to_owned(),
        };
        if caller == Caller::OWNER {
            format!("key:{fingerprint}")
        } else {
            format!("{caller}+key:{fingerprint}")
        }
    }
}

impl Payer {
    /// What the basis of a price says about the key, if the server has two.
    pub(crate) fn words(self) -> Option<&'static str> {
        match self {
            Self::Plan => Some(PaysWith::Plan.words()),
            Self::Balance => Some(PaysWith::Balance.words()),
            Self::InsteadOfPlan => Some(INSTEAD_OF_PLAN),
            Self::Server | Self::Caller | Self::Missing(_) => None,
        }
    }
}

impl From<Option<PaysWith>> for Payer {
    fn from(key: Option<PaysWith>) -> Self {
        match key {
            None => Self::Server,
            Some(PaysWith::Plan) => Self::Plan,
            Some(PaysWith::Balance) => Self::Balance,
        }
    }
}

/// The name of a key's account at this host, with a fingerprint of the key. A task can be polled only with the account
/// that bought it.
pub(crate) fn account_of(config: &Config, key: Option<&SecretString>) -> String {
    let Some(key) = key else { return config.account.clone() };
    let fingerprint = Sha256::digest(key.expose_secret());
    let fingerprint: String = data_encoding::HEXLOWER.encode(&fingerprint).chars().take(8).collect();
    format!("{} (key {fingerprint})", config.account)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn taken(values: &[&str], wanted: bool) -> (Option<CallerKey>, HeaderMap) {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(CallerKey::HEADER, HeaderValue::from_str(value).unwrap());
        }
        (CallerKey::take(&mut headers, wanted), headers)
    }

    #[test]
    fn a_key_is_taken_out_of_the_request_whether_it_is_wanted_or_not() {
        for wanted in [true, false] {
            for values in [&["sk-one"][..], &["sk-one", "sk-two"]] {
                assert!(taken(values, wanted).1.is_empty(), "{wanted} {values:?}");
            }
        }
        assert!(matches!(taken(&["sk-one"], true).0, Some(CallerKey::Given { .. })));
        assert!(matches!(taken(&["sk-one"], false).0, Some(CallerKey::Unwanted)));
        assert!(taken(&[], false).0.is_none());
    }

    #[test]
    fn a_header_that_is_not_exactly_one_key_counts_as_missing() {
        let long = "x".repeat(LONGEST + 1);
        for values in [&[][..], &[""], &["  "], &["sk-one sk-two"], &["sk-one", "sk-one"], &[&long]] {
            assert!(matches!(taken(values, true).0, Some(CallerKey::Missing)), "{values:?}");
        }
    }

    #[test]
    fn quotes_and_bearer_around_a_key_are_dropped_and_a_placeholder_is_not_a_key() {
        let fingerprint = |text: &str| match taken(&[text], true).0 {
            Some(CallerKey::Given { fingerprint, .. }) => Some(fingerprint),
            _ => None,
        };
        let bare = fingerprint("sk-api-one");
        assert!(bare.is_some());
        for text in ["\"sk-api-one\"", "'sk-api-one'", " sk-api-one ", "Bearer sk-api-one"] {
            assert_eq!(fingerprint(text), bare, "{text}");
        }
        for text in ["$KEY", "${MINIMAX_API_KEY}", "{{key}}", "<your-key>", "undefined"] {
            assert_eq!(fingerprint(text), None, "{text}");
        }
    }

    #[test]
    fn a_principal_belongs_to_the_key_and_to_the_name_and_shows_no_key() {
        let [one, two] = ["sk-api-one", "sk-api-two"].map(CallerKey::of);
        assert_eq!(one.principal("token:ada"), CallerKey::of("sk-api-one").principal("token:ada"));
        let all = [
            one.principal(Caller::OWNER),
            two.principal(Caller::OWNER),
            one.principal("token:ada"),
            one.principal("token:bob"),
            CallerKey::Missing.principal("token:ada"),
            CallerKey::Missing.principal(Caller::OWNER),
            Caller::OWNER.to_owned(),
        ];
        for (place, principal) in all.iter().enumerate() {
            assert!(!all.iter().take(place).any(|other| other == principal), "{principal}");
            assert!(!principal.contains("sk-api"), "{principal}");
        }
        assert!(!format!("{one:?}").contains("sk-api"));
    }
}

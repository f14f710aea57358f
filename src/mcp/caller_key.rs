//! Keys of MiniMax's that callers bring, each its own.
//!
//! Where MINIMAX_MCP_CALLER_KEYS is on, what a caller over HTTP buys is bought with the key of the same request, or not
//! at all; the server's own key has no part in it. The key is taken out of the request before anything can write the
//! request down, and lives in memory alone.

use http::{HeaderMap, HeaderName};
use rmcp::model::{CallToolResponse, ContentBlock};
use secrecy::SecretString;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::config::KeyKind;
use crate::jobs::{CALLERS, StoreError};
use crate::mcp::{Caller, Server, ToolError};

/// Nothing that MiniMax calls a key is anywhere near as long, in bytes.
const LONGEST: usize = 1024;

/// What a request says about the key that pays for it. A transport whose callers bring keys puts one into each
/// request's [`http::Extensions`]; a call without one is paid for by the server's own.
#[derive(Debug, Clone)]
pub enum CallerKey {
    /// The caller's own.
    Given {
        /// The key.
        key: SecretString,
        /// What tells it from others, and does not give it away.
        print: String,
    },
    /// The caller should have brought one, and has brought none that can be one.
    Missing,
    /// The caller has brought one to a server that buys with its own.
    Unwanted,
}

/// Who pays for what a call buys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purse {
    /// The server's own key.
    Server,
    /// A key that came with the request.
    Caller,
    /// Nobody, so nothing is bought.
    Nobody(Unpaid),
}

/// Why nobody pays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unpaid {
    /// The caller should have brought a key.
    #[error(
        "each request to this server brings its own MiniMax key, once, in the header X-MiniMax-Api-Key, and this one \
         brought none, so nothing was sent"
    )]
    Missing,
    /// The caller should not have brought one.
    #[error(
        "a key came with the request, in the header X-MiniMax-Api-Key, and this server does not use the keys of its \
         callers, so nothing was sent"
    )]
    Unwanted,
    /// As many others are at work as may be.
    #[error(
        "this server has work to do for as many keys as it can hold, and has no room for this one, so nothing was sent"
    )]
    Full,
}

impl Unpaid {
    pub(crate) fn advice(self) -> &'static str {
        match self {
            Self::Missing => {
                "Ask the user to add the header X-MiniMax-Api-Key, with their key as its value, to this server's entry \
                 in the client's configuration (keys: platform.minimax.io for the global region, platform.minimax.cn \
                 for China; it must be of the region that this server is set to)."
            }
            Self::Unwanted => {
                "Ask the user to take the header X-MiniMax-Api-Key out of the client's configuration, if the server's \
                 own key may pay; or whoever runs the server to set MINIMAX_MCP_CALLER_KEYS to true, if callers are \
                 to pay with their own."
            }
            Self::Full => "Call again in a few minutes.",
        }
    }
}

impl CallerKey {
    /// Where the key is in a request.
    pub const HEADER: HeaderName = HeaderName::from_static("x-minimax-api-key");

    /// Takes the key out of a request: from here on no header holds it. `None` where the server's own pays.
    pub fn take(headers: &mut HeaderMap, wanted: bool) -> Option<Self> {
        let mut given = headers.get_all(Self::HEADER).iter();
        let (first, second) = (given.next().cloned(), given.next().is_some());
        headers.remove(Self::HEADER);
        if !wanted {
            return first.map(|_| Self::Unwanted);
        }
        let only = first.filter(|_| !second);
        let key = only.as_ref().and_then(|value| value.to_str().ok()).map(str::trim);
        let legal = |key: &&str| !key.is_empty() && key.len() <= LONGEST && !key.contains(' ');
        Some(key.filter(legal).map_or(Self::Missing, Self::of))
    }

    fn of(key: &str) -> Self {
        let print = Sha256::new_with_prefix(b"minimax-mcp, key of a caller: ").chain_update(key).finalize();
        let print = data_encoding::HEXLOWER.encode(&print).chars().take(32).collect();
        Self::Given { key: key.into(), print }
    }

    /// Whose the jobs, files and conversations of such a request are: the key's, and where the server knows its
    /// callers by name, those of the caller with this key. Who brings no key has none of theirs.
    pub fn principal(&self, caller: &str) -> String {
        let print = match self {
            Self::Given { print, .. } => print,
            Self::Missing => "none",
            Self::Unwanted => return caller.to_owned(),
        };
        if caller == Caller::OWNER { format!("key:{print}") } else { format!("{caller}+key:{print}") }
    }
}

impl Server {
    /// Has what this handle buys paid for by whoever the request says.
    pub(crate) fn paid_by(mut self, key: &CallerKey) -> Self {
        let (purse, jobs) = match key {
            CallerKey::Given { key, print } => match self.with_key(key, print) {
                Some(jobs) => (Purse::Caller, jobs),
                None => (Purse::Nobody(Unpaid::Full), self.without_key()),
            },
            CallerKey::Missing => (Purse::Nobody(Unpaid::Missing), self.without_key()),
            CallerKey::Unwanted => (Purse::Nobody(Unpaid::Unwanted), self.without_key()),
        };
        self.key_kind = match (purse, key) {
            (Purse::Caller, CallerKey::Given { key, .. }) => KeyKind::of(Some(key)),
            _ => KeyKind::Missing,
        };
        (self.purse, self.jobs) = (purse, jobs);
        self
    }

    fn with_key(&self, key: &SecretString, print: &str) -> Option<crate::jobs::Jobs> {
        let (config, pacing) = (self.config(), self.shared.pacing);
        let name = format!("{}{CALLERS}{print})", config.account);
        self.jobs.for_key(&name, || self.jobs.api().beside(Some(key.clone()), pacing))
    }

    fn without_key(&self) -> crate::jobs::Jobs {
        let client = self.jobs.api().beside(None, self.shared.pacing);
        self.jobs.for_nobody(&self.config().account, client)
    }

    /// Whether there is a key, and it may pay.
    pub(crate) fn can_pay(&self) -> Result<(), ToolError> {
        match self.purse {
            Purse::Nobody(why) => Err(ToolError::Unpaid(why)),
            _ if !self.jobs.api().has_key() => Err(ToolError::NoKey),
            _ => Ok(()),
        }
    }

    /// What an error says, to this caller: the key that they have brought stands in the place of the setting, and what
    /// fails for the records names no folder of this machine to others.
    pub(crate) fn worded_for_caller(&self, text: &mut String) {
        if self.purse == Purse::Caller && text.contains(SETTING) {
            *text = text.replace(SETTING, "the key in the header X-MiniMax-Api-Key");
        }
        let folder = StoreError::place(&self.config().data_dir);
        if self.caller.remote && text.contains(&folder) {
            tracing::warn!(error = text, "a call without a result");
            *text = text.replace(&folder, StoreError::PLACE);
        }
    }

    /// As [`Self::worded_for_caller`], for all of a result that is an error.
    pub(crate) fn reworded(&self, mut response: CallToolResponse) -> CallToolResponse {
        if let CallToolResponse::Complete(result) = &mut response
            && result.is_error == Some(true)
        {
            for block in &mut result.content {
                if let ContentBlock::Text(text) = block {
                    self.worded_for_caller(&mut text.text);
                }
            }
            if let Some(content) = &mut result.structured_content {
                for name in ["/next", "/error/message"] {
                    if let Some(Value::String(text)) = content.pointer_mut(name) {
                        self.worded_for_caller(text);
                    }
                }
            }
        }
        response
    }
}

/// How errors name the key of the server itself.
const SETTING: &str = "MINIMAX_API_KEY";

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
    fn what_cannot_be_one_key_is_none() {
        let long = "x".repeat(LONGEST + 1);
        for values in [&[][..], &[""], &["  "], &["Bearer sk-one"], &["sk-one", "sk-one"], &[&long]] {
            assert!(matches!(taken(values, true).0, Some(CallerKey::Missing)), "{values:?}");
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

//! Tokens from an identity provider. The server is an OAuth 2.1 resource server (MCP specification > Authorization):
//! it validates tokens, issues none, and never passes one on.

mod keys;
mod ring;

use std::sync::Arc;
use std::time::Duration;

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, Validation, decode, decode_header};
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::clock::latest;
use crate::config::{OAuthSettings, ScopeRow, Toolset};
use crate::mcp::Caller;
use keys::{Keys, Lookup};

/// The accepted signature algorithms. HMAC is excluded, so that a public key can never be used as an HMAC secret.
const TAKEN: &[Algorithm] = &[
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::EdDSA,
];

/// The accepted values of `typ`. Other signed tokens of the provider, such as logout tokens, are not access tokens.
const KINDS: &[&str] = &["jwt", "at+jwt", "application/at+jwt"];

/// The tolerated clock difference, in seconds.
const LEEWAY: u64 = 30;

/// Why a token is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The token is invalid. The text is a sentence without its subject.
    Bad(&'static str),
    /// The token is valid, but none of its scopes allows anything here.
    NoScope,
    /// The provider's keys are unavailable, so the token cannot be checked.
    NoKeys,
}

/// An identity provider whose tokens are accepted.
#[derive(Debug)]
pub struct Provider {
    settings: OAuthSettings,
    keys: Arc<Keys>,
}

/// The claims that are read here. The library only checks the others.
#[derive(Debug, Deserialize)]
struct Claims {
    /// A single issuer. A list is refused.
    iss: String,
    /// A number. The library refuses anything else first.
    #[serde(default)]
    exp: Value,
    sub: Option<String>,
    client_id: Option<String>,
    scope: Option<Words>,
    /// Some providers' name for `scope`.
    scp: Option<Words>,
    /// A key or certificate whose possession the sender would have to prove.
    cnf: Option<Value>,
}

/// A list, or a string with spaces.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Words {
    Text(String),
    List(Vec<String>),
}

impl Words {
    fn have(&self, word: &str) -> bool {
        match self {
            Self::Text(text) => text.split(' ').any(|known| known == word),
            Self::List(list) => list.iter().any(|known| known == word),
        }
    }
}

impl Provider {
    /// Creates a provider. It fetches nothing before the first token.
    pub fn new(settings: &OAuthSettings) -> Self {
        ring::install();
        let keys = Keys::new(settings.issuer.clone(), settings.jwks.clone());
        Self { settings: settings.clone(), keys: Arc::new(keys) }
    }

    /// Validates a token and returns its caller with the allowed toolsets. The token's audience must be the one in the
    /// settings, or else `resource`.
    pub async fn caller(&self, token: &str, resource: &str) -> Result<Caller, Refusal> {
        let header = decode_header(token).map_err(|error| Refusal::Bad(reason(error.kind())))?;
        if !TAKEN.contains(&header.alg) {
            return Err(Refusal::Bad("is signed with an algorithm that is not accepted"));
        }
        if header.typ.as_deref().is_some_and(|kind| !KINDS.contains(&kind.to_ascii_lowercase().as_str())) {
            return Err(Refusal::Bad("has a `typ` that is not an access token's"));
        }
        if header.crit.is_some() || header.enc.is_some() || header.zip.is_some() {
            return Err(Refusal::Bad("has a header with `crit`, `enc` or `zip`, which are not supported"));
        }
        let key = match Arc::clone(&self.keys).find(header.kid, header.alg).await {
            Lookup::Found(key) => key,
            Lookup::Unknown => return Err(Refusal::Bad("is not signed with a key of the identity provider")),
            Lookup::Unavailable => return Err(Refusal::NoKeys),
        };
        let mut rules = Validation::new(header.alg);
        rules.set_required_spec_claims(&["exp", "iss", "aud"]);
        rules.set_issuer(&[&self.settings.issuer]);
        rules.set_audience(&[self.settings.audience.as_deref().unwrap_or(resource)]);
        (rules.validate_nbf, rules.leeway) = (true, LEEWAY);
        let claims = decode::<Claims>(token, &key, &rules);
        let claims = claims.map_err(|error| Refusal::Bad(reason(error.kind())))?.claims;
        // An expired token stays expired if the clock is set back.
        if has_ended(&claims.exp, latest()) {
            return Err(Refusal::Bad(reason(&ErrorKind::ExpiredSignature)));
        }
        if claims.cnf.is_some() {
            return Err(Refusal::Bad(
                "is bound to a key or certificate of its owner, which this server does not check",
            ));
        }
        let toolsets = self.allowed(&claims)?;
        Ok(Caller { toolsets, ..Caller::remote(principal(&claims)?) })
    }

    /// The toolsets that the scopes allow, or `None` for all. An error if no scope is known.
    fn allowed(&self, claims: &Claims) -> Result<Option<Vec<Toolset>>, Refusal> {
        let words: Vec<_> = [&claims.scope, &claims.scp].into_iter().flatten().collect();
        let has = |row: &&ScopeRow| words.iter().any(|words| words.have(&row.scope));
        let rows: Vec<_> = self.settings.scopes.iter().filter(has).collect();
        if rows.is_empty() {
            return Err(Refusal::NoScope);
        }
        let groups: Option<Vec<_>> = rows.into_iter().map(|row| row.toolsets.clone()).collect();
        Ok(groups.map(|groups| groups.concat()))
    }

    /// Whether a token's audience must be this server's own address.
    pub fn needs_a_name(&self) -> bool {
        self.settings.audience.is_none()
    }

    /// All scopes that allow something here.
    pub fn scopes(&self) -> Vec<&str> {
        self.settings.scopes.iter().map(|row| row.scope.as_str()).collect()
    }

    /// What a client needs to get a token (RFC 9728 > Protected Resource Metadata).
    pub fn metadata(&self, resource: &str) -> Value {
        json!({
            "resource": resource,
            "resource_name": "MiniMax MCP server",
            "authorization_servers": [self.settings.issuer],
            "scopes_supported": self.scopes(),
            "bearer_methods_supported": ["header"],
        })
    }
}

/// The principal of a token: a hash of issuer and subject or client, so that it is unique and does not reveal them.
fn principal(claims: &Claims) -> Result<String, Refusal> {
    let named = |sort, name: &Option<String>| {
        let name = name.as_deref().filter(|name| !name.is_empty())?;
        Some(json!([claims.iss, sort, name]).to_string())
    };
    let whole = named("sub", &claims.sub).or_else(|| named("client", &claims.client_id));
    let whole = whole.ok_or(Refusal::Bad("names neither a `sub` nor a `client_id`"))?;
    Ok(format!("oauth:{}", data_encoding::HEXLOWER.encode(&Sha256::digest(whole))))
}

/// Whether a token has expired at this time, in Unix milliseconds.
fn has_ended(exp: &Value, at: i64) -> bool {
    let seconds = u64::try_from(at / 1000).unwrap_or_default();
    let end = exp.as_u64().or_else(|| Some(Duration::try_from_secs_f64(exp.as_f64()?).ok()?.as_secs()));
    end.is_some_and(|end| end.saturating_add(LEEWAY) < seconds)
}

fn reason(kind: &ErrorKind) -> &'static str {
    match kind {
        ErrorKind::ExpiredSignature => "has expired",
        ErrorKind::ImmatureSignature => "is not valid yet",
        ErrorKind::InvalidIssuer => "is from another issuer",
        ErrorKind::InvalidAudience => "is for another audience",
        ErrorKind::InvalidSignature => "has an invalid signature",
        ErrorKind::MissingRequiredClaim(_) => "has no `exp`, `iss` or `aud`",
        ErrorKind::InvalidClaimFormat(_) => "has an `exp` or `nbf` that is not a time",
        ErrorKind::InvalidAlgorithm => "is signed with an algorithm that is not accepted",
        _ => "cannot be read as a signed token (JWT)",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_expires_by_the_later_clock_in_every_notation_of_its_expiry() {
        let at = 1_800_000_000_000;
        for (exp, ended) in [
            (json!(1_800_000_100), false),
            (json!(1_799_999_971), false),
            (json!(1_799_999_900), true),
            (json!(1_799_999_900.5), true),
            (json!(1.8e9 + 100.0), false),
            (json!(1e30), false),
            (json!(0), true),
        ] {
            assert_eq!(has_ended(&exp, at), ended, "{exp}");
        }
    }
}

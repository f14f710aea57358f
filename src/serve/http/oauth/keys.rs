//! Fetches the public keys of an identity provider (RFC 7517) and discovers where they are (RFC 8414, OpenID Connect
//! Discovery).

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::Mutex;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;
use url::Url;

use crate::download::document;

/// Keys older than this are fetched again.
const FRESH: Duration = Duration::from_secs(600);

/// Keys older than this are not used, because the provider may have withdrawn them.
const GOOD: Duration = Duration::from_secs(3600);

/// The shortest time between two fetches because of an unknown key.
const UNKNOWN: Duration = Duration::from_secs(60);

/// The pause after a failed fetch.
const PAUSE: Duration = Duration::from_secs(5);

/// The largest accepted document in bytes, far above any real one.
const LONGEST: usize = 256 * 1024;

/// The result of a lookup for a token's header.
pub(super) enum Lookup {
    /// The key.
    Found(DecodingKey),
    /// The provider has no such key.
    Unknown,
    /// The keys could not be fetched.
    Unavailable,
}

/// A public key and its use.
#[derive(Debug, Clone)]
struct Key {
    id: Option<String>,
    /// The key's algorithm, if it names one.
    algorithm: Option<KeyAlgorithm>,
    sort: Sort,
    public: DecodingKey,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sort {
    Rsa,
    P256,
    P384,
    Ed25519,
}

#[derive(Debug, Clone)]
struct Known {
    keys: Arc<Vec<Key>>,
    since: Instant,
}

/// The times of the last fetch for an unknown key and of the last failed fetch.
#[derive(Debug, Default)]
struct Asked {
    for_unknown: Option<Instant>,
    in_vain: Option<Instant>,
}

/// The keys of one provider.
#[derive(Debug)]
pub(super) struct Keys {
    issuer: String,
    /// The URL of the keys, if it is configured. Otherwise it is discovered.
    place: Option<String>,
    known: RwLock<Option<Known>>,
    asked: Mutex<Asked>,
    tracker: TaskTracker,
}

impl Keys {
    pub(super) fn new(issuer: String, place: Option<String>) -> Self {
        let (known, asked, tracker) = (RwLock::default(), Mutex::default(), TaskTracker::new());
        Self { issuer, place, known, asked, tracker }
    }

    /// The key for a token. Fetches the keys if necessary.
    pub(super) async fn find(self: Arc<Self>, id: Option<String>, algorithm: Algorithm) -> Lookup {
        if let Some(key) = self.pick(FRESH, id.as_deref(), algorithm) {
            return Lookup::Found(key);
        }
        let keys = Arc::clone(&self);
        let wanted = id.clone();
        // Fetch in a separate task, so that a caller that disconnects does not abort the fetch for others.
        let asking = self.tracker.spawn(async move { keys.refresh(wanted.as_deref(), algorithm).await });
        let _ = asking.await;
        match self.pick(GOOD, id.as_deref(), algorithm) {
            Some(key) => Lookup::Found(key),
            None if self.known(GOOD).is_some() => Lookup::Unknown,
            None => Lookup::Unavailable,
        }
    }

    fn known(&self, age: Duration) -> Option<Arc<Vec<Key>>> {
        // The list is valid even if a thread panicked while it held the lock.
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner).clone()?;
        (known.since.elapsed() < age).then_some(known.keys)
    }

    /// A known key for a token. A token that names no key matches only if a single key fits.
    fn pick(&self, age: Duration, id: Option<&str>, algorithm: Algorithm) -> Option<DecodingKey> {
        let keys = self.known(age)?;
        let mut fitting = keys.iter().filter(|key| key.fits(algorithm));
        let found = match id {
            Some(id) => fitting.find(|key| key.id.as_deref() == Some(id)),
            None => fitting.next().filter(|_| fitting.next().is_none()),
        };
        found.map(|key| key.public.clone())
    }

    async fn refresh(&self, id: Option<&str>, algorithm: Algorithm) {
        let mut asked = self.asked.lock().await;
        let lately = |at: Option<Instant>, pause| at.is_some_and(|at| at.elapsed() < pause);
        // Another caller may have fetched the keys while this one waited for the lock.
        if self.pick(FRESH, id, algorithm).is_some() || lately(asked.in_vain, PAUSE) {
            return;
        }
        if self.known(FRESH).is_some() {
            if id.is_none() || lately(asked.for_unknown, UNKNOWN) {
                return;
            }
            asked.for_unknown = Some(Instant::now());
        }
        match self.fetch().await {
            Ok(keys) => {
                asked.in_vain = None;
                let known = Known { keys: Arc::new(keys), since: Instant::now() };
                *self.known.write().unwrap_or_else(PoisonError::into_inner) = Some(known);
            }
            Err(problem) => {
                asked.in_vain = Some(Instant::now());
                tracing::warn!(problem, "the identity provider's keys could not be read");
            }
        }
    }

    async fn fetch(&self) -> Result<Vec<Key>, String> {
        let place = match &self.place {
            Some(place) => place.clone(),
            None => self.discover().await?,
        };
        let body = document(&place, LONGEST).await.map_err(|problem| format!("{place} {problem}"))?;
        let keys = read(&body).ok_or_else(|| format!("{place} is not a key set (JWKS)"))?;
        if keys.is_empty() {
            return Err(format!("{place} has no key that signs with RSA, P-256, P-384 or Ed25519"));
        }
        Ok(keys)
    }

    /// The URL of the keys from the provider's metadata.
    async fn discover(&self) -> Result<String, String> {
        let mut problems = Vec::new();
        for place in metadata_of(&self.issuer) {
            match self.metadata(&place).await {
                Ok(keys) => return Ok(keys),
                Err(problem) => problems.push(format!("{place} {problem}")),
            }
        }
        Err(problems.join("; "))
    }

    async fn metadata(&self, place: &str) -> Result<String, String> {
        let body = document(place, LONGEST).await?;
        let said: Metadata = serde_json::from_slice(&body)
            .map_err(|_| "does not name an `issuer` and a `jwks_uri`".to_owned())?;
        // Do not accept another issuer's keys (RFC 8414 > Authorization Server Metadata Validation).
        if said.issuer != self.issuer {
            return Err("names a different issuer than MINIMAX_MCP_OAUTH_ISSUER; the two must be identical"
                .to_owned());
        }
        Ok(said.jwks_uri)
    }
}

#[derive(Deserialize)]
struct Metadata {
    issuer: String,
    jwks_uri: String,
}

/// The possible URLs of a provider's metadata: before the issuer's path (RFC 8414) or after it (OpenID).
fn metadata_of(issuer: &str) -> Vec<String> {
    let Ok(url) = Url::parse(issuer) else { return Vec::new() };
    let (origin, path) = (url.origin().ascii_serialization(), url.path().trim_end_matches('/'));
    let mut places = vec![
        format!("{origin}/.well-known/oauth-authorization-server{path}"),
        format!("{origin}{path}/.well-known/openid-configuration"),
    ];
    if !path.is_empty() {
        places.push(format!("{origin}/.well-known/openid-configuration{path}"));
    }
    places
}

/// The usable keys of a key set; `None` if it is not a key set. Unknown kinds of keys are skipped.
fn read(body: &[u8]) -> Option<Vec<Key>> {
    let set: Value = serde_json::from_slice(body).ok()?;
    let keys = set.get("keys")?.as_array()?;
    let read = |key: &Value| serde_json::from_value::<Jwk>(key.clone()).ok();
    Some(keys.iter().filter_map(read).filter_map(|key| Key::of(&key)).collect())
}

impl Key {
    fn of(key: &Jwk) -> Option<Self> {
        let sort = match &key.algorithm {
            AlgorithmParameters::RSA(_) => Sort::Rsa,
            AlgorithmParameters::EllipticCurve(curve) if curve.curve == EllipticCurve::P256 => Sort::P256,
            AlgorithmParameters::EllipticCurve(curve) if curve.curve == EllipticCurve::P384 => Sort::P384,
            AlgorithmParameters::OctetKeyPair(curve) if curve.curve == EllipticCurve::Ed25519 => {
                Sort::Ed25519
            }
            _ => return None,
        };
        let signs = key.common.public_key_use.as_ref().is_none_or(|used| *used == PublicKeyUse::Signature);
        let public = DecodingKey::from_jwk(key).ok().filter(|_| signs)?;
        Some(Self { id: key.common.key_id.clone(), algorithm: key.common.key_algorithm, sort, public })
    }

    /// Whether this key can verify a signature of this algorithm.
    fn fits(&self, algorithm: Algorithm) -> bool {
        let sort = match algorithm {
            Algorithm::ES256 => Sort::P256,
            Algorithm::ES384 => Sort::P384,
            Algorithm::EdDSA => Sort::Ed25519,
            Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512 => return false,
            _ => Sort::Rsa,
        };
        self.sort == sort && self.algorithm.is_none_or(|own| own == KeyAlgorithm::from(algorithm))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_are_looked_for_before_and_after_the_issuer_s_path() {
        assert_eq!(
            metadata_of("https://login.example.com/"),
            [
                "https://login.example.com/.well-known/oauth-authorization-server",
                "https://login.example.com/.well-known/openid-configuration",
            ]
        );
        assert_eq!(
            metadata_of("https://login.example.com/realms/x"),
            [
                "https://login.example.com/.well-known/oauth-authorization-server/realms/x",
                "https://login.example.com/realms/x/.well-known/openid-configuration",
                "https://login.example.com/.well-known/openid-configuration/realms/x",
            ]
        );
    }

    #[test]
    fn only_signing_keys_of_a_set_are_read_and_an_unknown_kind_is_skipped() {
        let body = r#"{"keys": [
            {"kty": "oct", "k": "c2VjcmV0", "kid": "secret"},
            {"kty": "new", "kid": "strange"}, 7,
            {"kty": "OKP", "crv": "Ed25519", "use": "enc", "kid": "sealing", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"},
            {"kty": "OKP", "crv": "Ed25519", "kid": "good", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;
        let keys = read(body.as_bytes()).unwrap();
        assert_eq!(keys.iter().map(|key| key.id.as_deref()).collect::<Vec<_>>(), [Some("good")]);
        let fits = |algorithm| keys[0].fits(algorithm);
        assert!(fits(Algorithm::EdDSA) && !fits(Algorithm::ES256) && !fits(Algorithm::HS256));
        assert!(read(b"[]").is_none() && read(b"{}").is_none() && read(b"").is_none());
    }
}

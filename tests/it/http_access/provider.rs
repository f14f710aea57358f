//! A test identity provider, which generates its keys when it starts.

use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use data_encoding::BASE64URL_NOPAD as BASE64;
use minimax_mcp::config::{OAuthSettings, ScopeRow, Toolset};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _};
use serde_json::{Value, json};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

/// A key pair and the id of its public key.
pub enum Pair {
    Ec(EcdsaKeyPair),
    Ed(Ed25519KeyPair),
}

impl Pair {
    pub fn ec() -> Self {
        let (chance, way) = (SystemRandom::new(), &ECDSA_P256_SHA256_FIXED_SIGNING);
        let made = EcdsaKeyPair::generate_pkcs8(way, &chance).unwrap();
        Self::Ec(EcdsaKeyPair::from_pkcs8(way, made.as_ref(), &chance).unwrap())
    }

    pub fn ed() -> Self {
        let made = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        Self::Ed(Ed25519KeyPair::from_pkcs8(made.as_ref()).unwrap())
    }

    pub fn public(&self) -> Vec<u8> {
        match self {
            Self::Ec(pair) => pair.public_key().as_ref().to_vec(),
            Self::Ed(pair) => pair.public_key().as_ref().to_vec(),
        }
    }

    pub fn jwk(&self, kid: &str) -> Value {
        let public = self.public();
        match self {
            Self::Ec(_) => json!({ "kty": "EC", "crv": "P-256", "kid": kid, "use": "sig", "alg": "ES256",
                "x": BASE64.encode(&public[1..33]), "y": BASE64.encode(&public[33..]) }),
            Self::Ed(_) => json!({ "kty": "OKP", "crv": "Ed25519", "kid": kid, "x": BASE64.encode(&public) }),
        }
    }

    pub fn algorithm(&self) -> &'static str {
        match self {
            Self::Ec(_) => "ES256",
            Self::Ed(_) => "EdDSA",
        }
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        match self {
            Self::Ec(pair) => pair.sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec(),
            Self::Ed(pair) => pair.sign(message).as_ref().to_vec(),
        }
    }

    /// A signed token with this header and these claims.
    pub fn token(&self, header: &Value, claims: &Value) -> String {
        self.token_of(&header.to_string(), &claims.to_string())
    }

    /// A signed token with this header and these claims, taken literally.
    pub fn token_of(&self, header: &str, claims: &str) -> String {
        let message = format!("{}.{}", BASE64.encode(header.as_bytes()), BASE64.encode(claims.as_bytes()));
        let signature = BASE64.encode(&self.sign(message.as_bytes()));
        format!("{message}.{signature}")
    }
}

/// The first two parts of a token, without a signature.
pub fn unsigned(header: &Value, claims: &Value) -> String {
    let part = |value: &Value| BASE64.encode(value.to_string().as_bytes());
    format!("{}.{}", part(header), part(claims))
}

/// The provider's responses, and how often it was asked.
#[derive(Default)]
struct Said {
    issuer: String,
    keys: Vec<Value>,
    metadata: usize,
    asked: usize,
    /// A response to send instead of the keys.
    instead: Option<(StatusCode, String)>,
    /// The headers of the last request.
    headers: String,
}

pub struct Provider {
    pub url: String,
    pub ec: Pair,
    pub ed: Pair,
    said: Arc<Mutex<Said>>,
    _end: DropGuard,
}

impl Provider {
    pub async fn start() -> Self {
        let said = Arc::new(Mutex::new(Said::default()));
        let app = axum::Router::new()
            .route("/.well-known/oauth-authorization-server/team", get(metadata))
            .route("/keys", get(keys))
            .with_state(Arc::clone(&said));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/team", listener.local_addr().unwrap());
        let end = CancellationToken::new();
        let ended = end.clone().cancelled_owned();
        TaskTracker::new().spawn(axum::serve(listener, app).with_graceful_shutdown(ended).into_future());
        let (ec, ed) = (Pair::ec(), Pair::ed());
        {
            let mut said = said.lock().unwrap();
            said.issuer.clone_from(&url);
            said.keys = vec![ec.jwk("ec"), ed.jwk("ed")];
        }
        Self { url, ec, ed, said, _end: end.drop_guard() }
    }

    pub fn settings(&self) -> OAuthSettings {
        let row = |scope: &str, toolsets| ScopeRow { scope: scope.to_owned(), toolsets };
        OAuthSettings {
            issuer: self.url.clone(),
            audience: None,
            jwks: None,
            scopes: vec![
                row("minimax:all", None),
                row("minimax:video", Some(vec![Toolset::Video, Toolset::Jobs])),
                row("minimax:image", Some(vec![Toolset::Image, Toolset::Jobs])),
            ],
        }
    }

    pub fn keys_url(&self) -> String {
        self.url.replace("/team", "/keys")
    }

    /// The claims of a valid token.
    pub fn claims(&self, subject: &str, audience: &str) -> Value {
        json!({ "iss": self.url, "aud": audience, "sub": subject, "scope": "openid minimax:all",
            "exp": now() + 300, "nbf": now() - 5, "iat": now() - 5 })
    }

    /// A valid token.
    pub fn token(&self, claims: &Value) -> String {
        self.ec.token(&json!({ "alg": "ES256", "typ": "at+jwt", "kid": "ec" }), claims)
    }

    pub fn publish(&self, key: Value) {
        self.said.lock().unwrap().keys.push(key);
    }

    pub fn call_itself(&self, issuer: &str) {
        issuer.clone_into(&mut self.said.lock().unwrap().issuer);
    }

    pub fn answer(&self, instead: Option<(StatusCode, String)>) {
        self.said.lock().unwrap().instead = instead;
    }

    /// How often the metadata and the keys were requested.
    pub fn asked(&self) -> (usize, usize) {
        let said = self.said.lock().unwrap();
        (said.metadata, said.asked)
    }

    pub fn headers(&self) -> String {
        self.said.lock().unwrap().headers.clone()
    }
}

pub fn now() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap()
}

async fn metadata(State(said): State<Arc<Mutex<Said>>>) -> Response {
    let mut said = said.lock().unwrap();
    said.metadata += 1;
    let place = format!("{}/keys", said.issuer.trim_end_matches("/team"));
    axum::Json(json!({ "issuer": said.issuer, "jwks_uri": place })).into_response()
}

async fn keys(State(said): State<Arc<Mutex<Said>>>, headers: axum::http::HeaderMap) -> Response {
    let mut said = said.lock().unwrap();
    said.asked += 1;
    said.headers = format!("{headers:?}");
    match said.instead.clone() {
        Some((status, text)) if status.is_redirection() => {
            (status, [(header::LOCATION, text)]).into_response()
        }
        Some(other) => other.into_response(),
        None => axum::Json(json!({ "keys": said.keys })).into_response(),
    }
}

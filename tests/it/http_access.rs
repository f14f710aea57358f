//! Access over HTTP with tokens of an identity provider.

pub mod provider;
mod tokens;
mod world;

use axum::http::StatusCode;
use data_encoding::BASE64URL_NOPAD as BASE64;
use hmac::{Hmac, KeyInit, Mac};
use minimax_mcp::config::HttpSettings;
use minimax_mcp::serve::http;
use minimax_mcp::serve::http::access::Access;
use minimax_mcp::tools;
use rmcp::ServiceExt;
use serde_json::{Value, json};
use sha2::Sha256;
use tokio_util::task::TaskTracker;

use crate::harness::{Listener, config};
use provider::{Pair, Provider, now, unsigned};
use world::{Served, ask, bare, call, make, met, ping, tools, web};

async fn served() -> (Provider, Served) {
    let provider = Provider::start().await;
    let settings = HttpSettings { oauth: Some(provider.settings()), ..HttpSettings::default() };
    let served = Served::with(settings).await;
    (provider, served)
}

impl Served {
    /// The audience that a token for this server must have.
    fn resource(&self) -> String {
        format!("{}/mcp", self.base)
    }
}

#[tokio::test]
async fn a_client_without_a_token_is_told_where_to_get_one() {
    let (provider, served) = served().await;
    let (status, challenge) = met(bare(&served.base, "ping", json!({})).send().await.unwrap());
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    let place = challenge.split("resource_metadata=\"").nth(1).unwrap().split('"').next().unwrap();
    assert!(challenge.starts_with("Bearer "), "{challenge}");
    assert_eq!(place, format!("{}/.well-known/oauth-protected-resource/mcp", served.base));
    for place in [place, place.strip_suffix("/mcp").unwrap()] {
        let said: Value = web().get(place).send().await.unwrap().json().await.unwrap();
        assert_eq!(said["resource"], served.resource());
        assert_eq!(said["authorization_servers"], json!([provider.url]));
        assert_eq!(said["scopes_supported"], json!(["minimax:all", "minimax:video", "minimax:image"]));
        assert_eq!(said["bearer_methods_supported"], json!(["header"]));
        let foreign = web().get(place).header("Host", "evil.example").send().await.unwrap();
        assert_eq!(foreign.status(), StatusCode::FORBIDDEN);
    }
    assert_eq!(provider.asked(), (0, 0), "a stranger causes no request");
    served.end().await;
}

#[tokio::test]
async fn a_subject_of_the_identity_provider_is_accepted_with_every_usual_signature() {
    let (provider, served) = served().await;
    let claims = provider.claims("ada", &served.resource());
    let mut several = claims.clone();
    several["aud"] = json!(["https://other.example", served.resource()]);
    let mut client = claims.clone();
    client.as_object_mut().unwrap().remove("sub");
    client["client_id"] = json!("robot");
    for token in [
        provider.token(&claims),
        provider.token(&several),
        provider.token(&client),
        provider.ed.token(&json!({ "alg": "EdDSA", "kid": "ed" }), &claims),
        // This token names no key, but only one key fits its algorithm.
        provider.ed.token(&json!({ "alg": "EdDSA", "typ": "JWT" }), &claims),
    ] {
        assert_eq!(ping(&served.base, &token).await.0, StatusCode::OK);
    }
    assert_eq!(provider.asked(), (1, 1), "the keys are kept");
    for of_ours in ["authorization", "cookie", "sk-api-secret", "sandbox"] {
        assert!(!provider.headers().contains(of_ours), "{}", provider.headers());
    }
    served.end().await;
}

#[tokio::test]
async fn rsa_signatures_are_accepted_with_keys_from_the_configured_url() {
    let provider = Provider::start().await;
    let fixed: Value = serde_json::from_str(include_str!("http_access/rsa.json")).unwrap();
    provider.publish(json!({ "kty": "RSA", "kid": "rsa", "n": fixed["n"], "e": fixed["e"] }));
    let mut oauth = provider.settings();
    oauth.issuer = "https://login.example.com".to_owned();
    oauth.audience = Some("https://media.example.com/mcp".to_owned());
    oauth.jwks = Some(provider.keys_url());
    let served = Served::with(HttpSettings { oauth: Some(oauth), ..HttpSettings::default() }).await;
    for way in ["RS256", "PS256"] {
        let token = fixed[way].as_str().unwrap();
        assert_eq!(ping(&served.base, token).await.0, StatusCode::OK, "{way}");
        let (start, signature) = token.rsplit_once('.').unwrap();
        let mut bytes = BASE64.decode(signature.as_bytes()).unwrap();
        bytes[7] ^= 1;
        let forged = format!("{start}.{}", BASE64.encode(&bytes));
        assert_eq!(ping(&served.base, &forged).await.0, StatusCode::UNAUTHORIZED, "{way}");
    }
    assert_eq!(provider.asked(), (0, 1));
    served.end().await;
}

/// A token signed with a shared secret (HMAC).
fn by_secret(secret: &[u8], claims: &Value) -> String {
    let message = unsigned(&json!({ "alg": "HS256", "typ": "JWT", "kid": "ec" }), claims);
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).unwrap();
    mac.update(message.as_bytes());
    format!("{message}.{}", BASE64.encode(&mac.finalize().into_bytes()))
}

/// The reasons for refusing a token.
const READ: &str = "cannot be read";
const WAY: &str = "with an algorithm that is not accepted";
const SIGNATURE: &str = "an invalid signature";
const KEY: &str = "not signed with a key of the identity provider";
const ISSUER: &str = "from another issuer";
const AUDIENCE: &str = "for another audience";
const EXPIRED: &str = "has expired";
const MISSING: &str = "has no `exp`";
const NO_SUBJECT: &str = "neither a `sub`";
const OURS: &str = "not one of this server";

#[tokio::test]
async fn no_forged_stolen_or_damaged_token_is_accepted() {
    let (provider, served) = served().await;
    let good = provider.claims("ada", &served.resource());
    let with = |name: &str, value: Value| {
        let mut claims = good.clone();
        claims[name] = value;
        provider.token(&claims)
    };
    let without = |name: &str| {
        let mut claims = good.clone();
        claims.as_object_mut().unwrap().remove(name);
        provider.token(&claims)
    };
    let header = |more: Value| {
        let mut header = json!({ "alg": "ES256", "typ": "at+jwt", "kid": "ec" });
        header.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        provider.ec.token(&header, &good)
    };
    let stranger = Pair::ec();
    let whole = provider.token(&good);
    let (start, signature) = whole.rsplit_once('.').unwrap();
    let raised = unsigned(&json!({ "alg": "ES256", "kid": "ec" }), &with_claim(&good, "sub", json!("bob")));
    let jwk = provider.ec.jwk("ec");
    let cases = [
        (READ, "alg none", format!("{}.", unsigned(&json!({ "alg": "none", "kid": "ec" }), &good))),
        (
            READ,
            "alg None",
            format!("{}.{signature}", unsigned(&json!({ "alg": "None", "kid": "ec" }), &good)),
        ),
        (SIGNATURE, "no signature", format!("{start}.")),
        (READ, "no alg", format!("{}.{signature}", unsigned(&json!({ "kid": "ec" }), &good))),
        (WAY, "public key as secret", by_secret(&provider.ec.public(), &good)),
        (WAY, "JWK as secret", by_secret(jwk.to_string().as_bytes(), &good)),
        (WAY, "x as secret", by_secret(jwk["x"].as_str().unwrap().as_bytes(), &good)),
        (WAY, "empty secret", by_secret(b"", &good)),
        (SIGNATURE, "another's signature", stranger.token(&json!({ "alg": "ES256", "kid": "ec" }), &good)),
        (KEY, "own key brought along", {
            let header = json!({ "alg": "ES256", "kid": "mine", "jwk": stranger.jwk("mine") });
            stranger.token(&header, &good)
        }),
        (KEY, "own keys linked to", {
            let header = json!({ "alg": "ES256", "kid": "mine", "jku": "https://evil.example/keys" });
            stranger.token(&header, &good)
        }),
        (KEY, "own certificate linked to", {
            let header = json!({ "alg": "ES256", "kid": "mine", "x5u": "https://evil.example/cert" });
            stranger.token(&header, &good)
        }),
        (SIGNATURE, "own certificate brought along", {
            let header = json!({ "alg": "ES256", "kid": "ec", "x5c": ["MIIB"], "x5t": "x" });
            stranger.token(&header, &good)
        }),
        (KEY, "a kid that is a path", header(json!({ "kid": "../../keys/ec" }))),
        (KEY, "a kid that is a query", header(json!({ "kid": "ec' OR '1'='1" }))),
        (READ, "a kid that is none", header(json!({ "kid": ["ec"] }))),
        (
            "a header with `crit`",
            "a payload that is not encoded",
            header(json!({ "b64": false, "crit": ["b64"] })),
        ),
        (READ, "two subjects", {
            let twice = good.to_string().replacen('{', "{\"sub\":\"bob\",", 1);
            provider.ec.token_of(r#"{"alg":"ES256","kid":"ec"}"#, &twice)
        }),
        (READ, "two scopes", {
            let twice = good.to_string().replacen('{', "{\"scope\":\"minimax:all\",", 1);
            provider.ec.token_of(r#"{"alg":"ES256","kid":"ec"}"#, &twice)
        }),
        (READ, "two algorithms", {
            provider.ec.token_of(r#"{"alg":"none","alg":"ES256","kid":"ec"}"#, &good.to_string())
        }),
        (SIGNATURE, "another subject under the same signature", format!("{raised}.{signature}")),
        (KEY, "unknown kid", header(json!({ "kid": "unknown" }))),
        (KEY, "key of another type", header(json!({ "kid": "ed" }))),
        (KEY, "alg of another type", provider.ec.token(&json!({ "alg": "EdDSA", "kid": "ec" }), &good)),
        (KEY, "alg of another curve", provider.ec.token(&json!({ "alg": "ES384", "kid": "ec" }), &good)),
        ("`typ`", "ID of something else", header(json!({ "typ": "logout+jwt" }))),
        ("a header with `crit`", "critical header", header(json!({ "crit": ["exp"] }))),
        (ISSUER, "wrong issuer", with("iss", json!("https://evil.example"))),
        (READ, "issuer and another", with("iss", json!([provider.url, "https://evil.example"]))),
        (ISSUER, "issuer with a slash", with("iss", json!(format!("{}/", provider.url)))),
        (AUDIENCE, "wrong audience", with("aud", json!("https://other.example/mcp"))),
        (AUDIENCE, "audience of all", with("aud", json!(["*", "https://other.example/mcp"]))),
        (AUDIENCE, "audience of a longer path", with("aud", json!(format!("{}/x", served.resource())))),
        (EXPIRED, "expired", with("exp", json!(now() - 60))),
        (EXPIRED, "expired long ago", with("exp", json!(0))),
        (MISSING, "an exp that is a word", with("exp", json!("4102444800"))),
        ("not valid yet", "not valid yet", with("nbf", json!(now() + 60))),
        ("not a time", "an nbf that is a word", with("nbf", json!("0"))),
        ("bound to", "bound to a key", with("cnf", json!({ "jkt": "x" }))),
        (NO_SUBJECT, "an empty sub", with("sub", json!(""))),
        (MISSING, "no exp", without("exp")),
        (READ, "no iss", without("iss")),
        (MISSING, "no aud", without("aud")),
        (NO_SUBJECT, "no sub", without("sub")),
        (OURS, "two parts", start.to_owned()),
        (OURS, "five parts", format!("{whole}.a.b")),
        (READ, "no parts", "..".to_owned()),
        (READ, "no JSON", "YQ.YQ.YQ".to_owned()),
        (READ, "no letters of base64", "!.!.!".to_owned()),
        (OURS, "very long", with("x", json!("x".repeat(9_000)))),
    ];
    for (why, what, token) in &cases {
        let (status, challenge) = ping(&served.base, token).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{what}");
        let parts = ["error=\"invalid_token\"", "resource_metadata", why];
        assert!(parts.iter().all(|part| challenge.contains(part)), "{what}: {challenge}");
    }
    let huge = format!("{}.{}.x", "x".repeat(300_000), "y".repeat(300_000));
    let refused = bare(&served.base, "ping", json!({})).bearer_auth(huge).send().await;
    assert!(refused.is_err() || !refused.unwrap().status().is_success());

    let in_the_address = web().post(format!("{}/mcp?access_token={whole}", served.base));
    let in_the_body = in_the_address.form(&[("access_token", &whole)]).send().await.unwrap();
    assert_eq!(in_the_body.status(), StatusCode::UNAUTHORIZED);
    let twice = bare(&served.base, "ping", json!({})).bearer_auth(&whole).bearer_auth(&whole);
    assert_eq!(twice.send().await.unwrap().status(), StatusCode::UNAUTHORIZED);
    let other_scheme = bare(&served.base, "ping", json!({})).header("Authorization", format!("DPoP {whole}"));
    assert_eq!(other_scheme.send().await.unwrap().status(), StatusCode::UNAUTHORIZED);
    for route in ["/sse", "/messages?sessionId=1"] {
        let answer = web().get(format!("{}{route}", served.base)).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{route}");
    }
    assert_eq!(ping(&served.base, &whole).await.0, StatusCode::OK, "what all these were made from is good");
    assert_eq!(provider.asked(), (2, 2), "an unknown key is asked about once");
    assert_eq!(served.sandbox.requests().len(), 0);
    served.end().await;
}

fn with_claim(claims: &Value, name: &str, value: Value) -> Value {
    let mut claims = claims.clone();
    claims[name] = value;
    claims
}

#[tokio::test]
async fn scopes_decide_which_tools_are_listed_and_without_one_there_are_none() {
    let (provider, served) = served().await;
    let claims = provider.claims("ada", &served.resource());
    let scoped = |name: &str, value: Value| {
        let mut claims = claims.clone();
        claims.as_object_mut().unwrap().remove("scope");
        claims[name] = value;
        provider.token(&claims)
    };
    let all = tools(&served.base, &provider.token(&claims)).await;
    assert!(all.contains(&"chat".to_owned()));
    let video = scoped("scope", json!("openid minimax:video"));
    let some = tools(&served.base, &video).await;
    assert!(some.contains(&"generate_video".to_owned()) && some.contains(&"get_job".to_owned()), "{some:?}");
    assert!(!some.contains(&"chat".to_owned()) && !some.contains(&"text_to_image".to_owned()), "{some:?}");
    let params = json!({ "name": "chat", "arguments": { "prompt": "hi" } });
    let hidden = world::answer(ask(&served.base, &video, "tools/call", params).await).await;
    assert!(hidden["error"]["message"].as_str().unwrap().contains("unknown tool"), "{hidden}");
    let both = tools(&served.base, &scoped("scp", json!(["minimax:image", "minimax:video"]))).await;
    assert!(both.contains(&"text_to_image".to_owned()) && both.len() > some.len(), "{both:?}");

    for none in [
        scoped("scope", json!("openid")),
        scoped("scope", json!("minimax:allowed xminimax:all minimax:All")),
        scoped("scope", json!("")),
        scoped("scp", json!(["minimax:all minimax:video"])),
        scoped("other", json!("minimax:all")),
    ] {
        let (status, challenge) = ping(&served.base, &none).await;
        assert_eq!(status, StatusCode::FORBIDDEN, "{challenge}");
        for part in
            ["insufficient_scope", "scope=\"minimax:all minimax:video minimax:image\"", "resource_metadata"]
        {
            assert!(challenge.contains(part), "{challenge}");
        }
    }
    assert_eq!(served.sandbox.requests().len(), 0);
    served.end().await;
}

#[tokio::test]
async fn two_subjects_do_not_see_each_other_s_jobs() {
    let (provider, served) = served().await;
    let token = |subject: &str| provider.token(&provider.claims(subject, &served.resource()));
    let (ada, bob) = (token("ada"), token("bob"));
    let order = json!({ "prompt": "Ada's", "idempotency_key": "one" });
    let made = make(&served.base, &ada, "text_to_image", order.clone()).await;
    let arguments = json!({ "job_id": made["job_id"] });
    // Another token for the same subject.
    let mut later = provider.claims("ada", &served.resource());
    later["jti"] = json!("2");
    assert_eq!(
        make(&served.base, &provider.token(&later), "get_job", arguments.clone()).await["status"],
        "succeeded"
    );
    // A client with the same name is another principal.
    let mut client = provider.claims("x", &served.resource());
    client.as_object_mut().unwrap().remove("sub");
    client["client_id"] = json!("ada");
    for other in [&bob, &provider.token(&client)] {
        assert_eq!(call(&served.base, other, "get_job", arguments.clone()).await["isError"], true);
        assert_eq!(make(&served.base, other, "list_jobs", json!({})).await["jobs"], json!([]));
    }
    let own = make(&served.base, &bob, "text_to_image", order).await;
    assert_ne!(own["job_id"], made["job_id"], "the same key of another is another order");
    served.end().await;
}

#[tokio::test]
async fn a_new_key_of_the_provider_is_fetched_once_and_unknown_keys_cause_no_more_fetches() {
    let (provider, served) = served().await;
    let claims = provider.claims("ada", &served.resource());
    assert_eq!(ping(&served.base, &provider.token(&claims)).await.0, StatusCode::OK);
    let new = Pair::ec();
    provider.publish(new.jwk("new"));
    let signed =
        |pair: &Pair, kid: &str| pair.token(&json!({ "alg": pair.algorithm(), "kid": kid }), &claims);
    assert_eq!(ping(&served.base, &signed(&new, "new")).await.0, StatusCode::OK);
    assert_eq!(provider.asked().1, 2);
    for count in 0..20 {
        let token = signed(&Pair::ed(), &format!("unknown-{count}"));
        assert_eq!(ping(&served.base, &token).await.0, StatusCode::UNAUTHORIZED);
    }
    assert_eq!(provider.asked().1, 2, "once a minute is enough");
    served.end().await;
}

#[tokio::test]
async fn a_caller_who_leaves_while_keys_are_fetched_does_not_block_others() {
    let (provider, served) = served().await;
    let token = provider.token(&provider.claims("ada", &served.resource()));
    let asking = (0..10).map(|_| ping(&served.base, &token));
    let gone = tokio::time::timeout(std::time::Duration::from_millis(1), ping(&served.base, &token)).await;
    drop(gone);
    for (status, _) in futures_util::future::join_all(asking).await {
        assert_eq!(status, StatusCode::OK);
    }
    assert_eq!(provider.asked(), (1, 1), "all of them wait for one answer");
    served.end().await;
}

#[tokio::test]
async fn no_caller_is_accepted_while_the_provider_s_keys_cannot_be_fetched() {
    let large = "x".repeat(300_000);
    for (what, instead) in [
        ("an error", Some((StatusCode::INTERNAL_SERVER_ERROR, String::new()))),
        ("a redirect", Some((StatusCode::FOUND, "/keys".to_owned()))),
        ("not a key set", Some((StatusCode::OK, "{}".to_owned()))),
        ("no key", Some((StatusCode::OK, "{\"keys\": []}".to_owned()))),
        ("a body that is too long", Some((StatusCode::OK, large))),
        ("another issuer", None),
    ] {
        let (provider, served) = served().await;
        let token = provider.token(&provider.claims("ada", &served.resource()));
        match instead {
            Some(_) => provider.answer(instead),
            None => provider.call_itself(&provider.url.replace("/team", "/other")),
        }
        for _ in 0..3 {
            let response = ask(&served.base, &token, "tools/list", json!({})).await;
            assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE, "{what}");
            assert!(response.headers().contains_key("retry-after"), "{what}");
            assert!(response.text().await.unwrap().contains("identity provider"), "{what}");
        }
        assert!(provider.asked().0 <= 1 && provider.asked().1 <= 1, "{what}: it is left alone for a while");
        served.end().await;
    }
}

#[tokio::test]
async fn with_an_identity_provider_the_server_may_listen_to_other_machines() {
    let provider = Provider::start().await;
    let bind = async |settings: HttpSettings| {
        http::bind("0.0.0.0:0".parse().unwrap(), &Access::new(&settings)).await.map(drop)
    };
    let oauth = Some(provider.settings());
    let nameless = bind(HttpSettings { oauth: oauth.clone(), ..HttpSettings::default() }).await.unwrap_err();
    assert!(nameless.to_string().contains("MINIMAX_MCP_PUBLIC_URL"), "{nameless}");
    let public_url = Some("https://media.example.com".to_owned());
    assert!(bind(HttpSettings { oauth, public_url, ..HttpSettings::default() }).await.is_ok());
    assert!(
        bind(HttpSettings::default()).await.unwrap_err().to_string().contains("MINIMAX_MCP_OAUTH_ISSUER")
    );
}

#[tokio::test]
async fn a_request_without_a_caller_does_not_count_as_the_owner_s() {
    let dir = tempfile::tempdir().unwrap();
    let server = tools::server(config("http://127.0.0.1:9", dir.path(), &[])).for_authenticated_callers();
    let (ours, theirs) = tokio::io::duplex(1 << 16);
    TaskTracker::new().spawn(async move {
        if let Ok(running) = server.serve(ours).await {
            let _ = running.waiting().await;
        }
    });
    let client = Listener::default().serve(theirs).await.unwrap();
    let told = client.list_all_tools().await.unwrap_err().to_string();
    assert!(told.contains("no known caller"), "{told}");
    assert!(client.list_all_resources().await.is_err());
    let call = rmcp::model::CallToolRequestParams::new("list_jobs");
    assert!(client.call_tool(call).await.is_err());
    assert!(!dir.path().join("data").exists(), "nothing was opened for it");
    client.cancel().await.unwrap();
}

//! Tokens in the token file: their limits, and how they are revoked.

use std::path::Path;
use std::process::Stdio;

use axum::http::StatusCode;
use futures_util::future::join_all;
use minimax_mcp::config::{HttpSettings, TokenRow, read_tokens};
use minimax_mcp::money::{Currency, Money};
use serde_json::{Value, json};

use super::provider::Provider;
use super::world::{Served, answer, ask, call, make, ping, refusal, tools, web};
use crate::harness::eventually;

const ADA: &str = "ada-0123456789abcdef";
const BOB: &str = "bob-0123456789abcdef";

fn rows(rows: Vec<TokenRow>) -> HttpSettings {
    HttpSettings { tokens: rows, ..HttpSettings::default() }
}

#[tokio::test]
async fn concurrent_calls_with_one_token_stay_within_its_budget() {
    // The budget is enough for three images and not quite for a fourth.
    let ada = TokenRow {
        budget_day: Some(Money::from_millionths(13_900, Currency::Usd)),
        ..TokenRow::new("ada", ADA)
    };
    let settings = rows(vec![ada, TokenRow::new("bob", BOB)]);
    let served = Served::with(settings.clone()).await;
    let other = served.neighbour(settings).await;
    let calls = (0..16).map(|count| {
        let base = if count % 2 == 0 { &served.base } else { &other };
        call(base, ADA, "text_to_image", json!({ "prompt": format!("Fox {count}") }))
    });
    let results = join_all(calls).await;
    let (refused, bought): (Vec<_>, Vec<_>) = results.iter().partition(|result| result["isError"] == true);
    assert_eq!((bought.len(), refused.len(), served.sandbox.paid().len()), (3, 13, 3));
    let told = refusal(&served.base, ADA, "text_to_image", json!({ "prompt": "x" })).await;
    for part in
        ["budget_day of the token `ada`", "$0.0139", "$0.0105 was spent", "the operator of this server"]
    {
        assert!(told.contains(part), "{told}");
    }
    let told = refusal(&served.base, ADA, "chat", json!({ "prompt": "x", "max_tokens": 100_000 })).await;
    assert!(told.contains("budget_day of the token `ada`"), "a call that is no job is counted too: {told}");
    let account = make(&served.base, ADA, "check_account", json!({})).await;
    let budget = &account["budgets"][0];
    assert_eq!(
        (&budget["setting"], &budget["left"]),
        (&json!("the budget_day of the token `ada`"), &json!(0.0034))
    );

    make(&other, BOB, "text_to_image", json!({ "prompt": "x" })).await;
    let account = make(&served.base, BOB, "check_account", json!({})).await;
    assert_eq!(account.get("budgets"), None, "what another may spend is private");
    served.end().await;
}

#[tokio::test]
async fn a_token_has_a_limit_of_calls_and_the_error_says_when_it_may_call_again() {
    let ada = TokenRow { rate: Some(3), ..TokenRow::new("ada", ADA) };
    let served = Served::with(rows(vec![ada, TokenRow::new("bob", BOB)])).await;
    for _ in 0..3 {
        make(&served.base, ADA, "list_jobs", json!({})).await;
    }
    let result = call(&served.base, ADA, "text_to_image", json!({ "prompt": "x" })).await;
    assert_eq!(result["isError"], true, "{result}");
    let told = result["content"][0]["text"].as_str().unwrap();
    for part in ["token `ada`", "3 tool calls of this minute", "Call again in ", "The server's operator"] {
        assert!(told.contains(part), "{told}");
    }
    assert_eq!(result["structuredContent"]["error"]["kind"], "wait");
    assert_eq!(ping(&served.base, ADA).await.0, StatusCode::OK, "only tool calls are counted");
    assert!(!tools(&served.base, ADA).await.is_empty());
    for _ in 0..5 {
        make(&served.base, BOB, "list_jobs", json!({})).await;
    }
    assert_eq!(served.sandbox.requests().len(), 0);
    served.end().await;
}

fn write(path: &Path, rows: &Value) {
    // Replace the file atomically, as an editor does.
    let aside = path.with_extension("new");
    std::fs::write(&aside, rows.to_string()).unwrap();
    std::fs::rename(aside, path).unwrap();
}

#[tokio::test]
async fn a_token_is_revoked_without_a_restart_and_a_damaged_file_revokes_none() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("tokens.json");
    let digest = |token: &str| data_encoding::HEXLOWER.encode(&TokenRow::new("", token).digest);
    let (ada, bob) =
        (json!({ "name": "ada", "token": ADA }), json!({ "name": "bob", "sha256": digest(BOB) }));
    let both = json!([ada, bob]);
    write(&path, &both);
    let tokens = read_tokens(&both.to_string(), Currency::Usd, false).unwrap();
    let settings = HttpSettings { tokens, token_file: Some(path.clone()), ..HttpSettings::default() };
    let served = Served::with(settings).await;
    let status = async |token: &str| ping(&served.base, token).await.0;
    assert_eq!((status(ADA).await, status(BOB).await), (StatusCode::OK, StatusCode::OK));
    assert_eq!(status(&digest(BOB)).await, StatusCode::UNAUTHORIZED, "the digest is not the token");

    write(&path, &json!([ada]));
    eventually("Bob's token is taken back", async || status(BOB).await == StatusCode::UNAUTHORIZED).await;
    assert_eq!(status(ADA).await, StatusCode::OK);
    for spoilt in ["[", "[]", "{}"] {
        std::fs::write(&path, spoilt).unwrap();
        tokio::time::sleep(std::time::Duration::from_millis(1050)).await;
        assert_eq!(
            (status(ADA).await, status(BOB).await),
            (StatusCode::OK, StatusCode::UNAUTHORIZED),
            "{spoilt}"
        );
    }
    let less = json!([{ "name": "ada", "token": ADA, "toolsets": ["account"] }, bob]);
    write(&path, &less);
    eventually("Bob's token is back", async || status(BOB).await == StatusCode::OK).await;
    assert!(!tools(&served.base, ADA).await.contains(&"chat".to_owned()), "what a token may do changes too");
    served.end().await;
}

#[tokio::test]
async fn tokens_of_the_file_and_of_an_identity_provider_are_both_accepted() {
    let provider = Provider::start().await;
    let settings = HttpSettings { oauth: Some(provider.settings()), ..rows(vec![TokenRow::new("ada", ADA)]) };
    let served = Served::with(settings).await;
    let token = provider.token(&provider.claims("ada", &format!("{}/mcp", served.base)));
    let made = make(&served.base, ADA, "text_to_image", json!({ "prompt": "x" })).await;
    assert_eq!(provider.asked(), (0, 0), "no provider is asked about a token of the file");
    let arguments = json!({ "job_id": made["job_id"] });
    assert_eq!(call(&served.base, &token, "get_job", arguments.clone()).await["isError"], true);
    assert_eq!(make(&served.base, ADA, "get_job", arguments).await["status"], "succeeded");
    assert_eq!(ping(&served.base, "ada-0123456789abcdee").await.0, StatusCode::UNAUTHORIZED);
    served.end().await;
}

/// The content of all files below a folder.
fn bytes_below(dir: &Path) -> Vec<u8> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            all.extend(bytes_below(&path));
        } else {
            all.extend(std::fs::read(path).unwrap_or_default());
        }
    }
    all
}

#[tokio::test]
async fn no_token_good_or_bad_is_in_the_log_or_in_the_records() {
    let (dir, files) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let provider = Provider::start().await;
    let path = files.path().join("tokens.json");
    std::fs::write(&path, json!([{ "name": "ada", "token": ADA }]).to_string()).unwrap();
    let log = files.path().join("log");
    let audience = "https://media.example.com/mcp";
    let mut command = crate::harness::program();
    command.args(["--sandbox", "serve", "--http", "127.0.0.1:0"]);
    let mut server = command
        .env("MINIMAX_LOG", "trace")
        .env("MINIMAX_DATA_DIR", dir.path())
        .env("MINIMAX_MCP_BASE_PATH", dir.path().join("out"))
        .env("MINIMAX_MCP_TOKEN_FILE", &path)
        .env("MINIMAX_MCP_OAUTH_ISSUER", &provider.url)
        .env("MINIMAX_MCP_OAUTH_AUDIENCE", audience)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(std::fs::File::create(&log).unwrap())
        .spawn()
        .unwrap();
    let told = || std::fs::read_to_string(&log).unwrap();
    eventually("the server listens", async || told().contains("MCP at http://")).await;
    let said = told();
    let base = said.split("MCP at ").nth(1).unwrap().split("/mcp").next().unwrap().to_owned();

    let good = provider.token(&provider.claims("grace", audience));
    let expired = {
        let mut claims = provider.claims("grace", audience);
        claims["exp"] = json!(1_000_000_000);
        provider.token(&claims)
    };
    let wrong = "wrong-0123456789abcdef";
    make(&base, ADA, "text_to_image", json!({ "prompt": "x" })).await;
    make(&base, &good, "text_to_image", json!({ "prompt": "x" })).await;
    let params = json!({ "name": "list_jobs", "arguments": {} });
    answer(ask(&base, &good, "tools/call", params).await).await;
    for bad in [wrong, expired.as_str()] {
        assert_eq!(ping(&base, bad).await.0, StatusCode::UNAUTHORIZED);
        let in_the_address = web().post(format!("{base}/mcp?access_token={wrong}")).send().await.unwrap();
        assert_eq!(in_the_address.status(), StatusCode::UNAUTHORIZED);
    }
    server.kill().unwrap();
    server.wait().unwrap();
    let (log, records) = (told(), String::from_utf8_lossy(&bytes_below(dir.path())).into_owned());
    assert!(log.contains("DEBUG") && records.contains("token:ada"), "there is something to look through");
    let signature = |token: &str| token.rsplit_once('.').unwrap().1.to_owned();
    for secret in [ADA.to_owned(), wrong.to_owned(), signature(&good), signature(&expired)] {
        assert!(!log.contains(&secret), "the log has {secret}");
        assert!(!records.contains(&secret), "the records have {secret}");
    }
    assert!(!records.contains("grace") && !log.contains("grace"), "who a subject is stays with the provider");
    #[cfg(unix)]
    assert!(log.contains("open to other users of this machine"), "{}", &log[..log.len().min(2000)]);
}

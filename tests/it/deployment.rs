//! Checks the pages about deployment, the files that they mention, and the client entries for HTTP: everything that
//! they name exists and works.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use minimax_mcp::config::{HttpSettings, SETTINGS};
use minimax_mcp::sandbox::{Options as SandboxOptions, Sandbox};
use minimax_mcp::serve::http::access::Access;
use minimax_mcp::serve::http::{self, Options};
use minimax_mcp::tools;
use reqwest::{Client, StatusCode, header};
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::harness::{config, http_client, quick};

const TOKEN: &str = "0123456789abcdef-token";
/// The server addresses in the pages and entries.
const ADDRESSES: &[&str] = &["http://127.0.0.1:8765", "https://media.example.com"];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: impl AsRef<Path>) -> String {
    fs::read_to_string(root().join(path)).unwrap().replace("\r\n", "\n")
}

/// The names and texts of the pages and of all files in the three folders.
fn texts() -> Vec<(String, String)> {
    let pages = ["local", "http", "oauth", "systemd", "container"].map(|page| format!("docs/{page}.md"));
    let folders = ["examples/deploy", "examples/http", "deploy"];
    let files = folders.iter().flat_map(|folder| {
        let entries = fs::read_dir(root().join(folder)).unwrap().map(Result::unwrap);
        entries.map(move |entry| format!("{folder}/{}", entry.file_name().display()))
    });
    pages.into_iter().chain(files).map(|name| (name.clone(), read(&name))).collect()
}

/// Runs `play` with a server that has a token and the SSE transport.
async fn served<T>(play: impl AsyncFnOnce(&str, &Client) -> T) -> T {
    let sandbox = Sandbox::start(SandboxOptions { pace: quick(), ..Default::default() }).await.unwrap();
    let dir = tempfile::tempdir().unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let settings = HttpSettings { token: Some(SecretString::from(TOKEN)), ..HttpSettings::default() };
    let mut config = config(&sandbox.url(), dir.path(), &[]);
    config.http.public_url = Some(base.clone());
    let (stop, serving) = (CancellationToken::new(), TaskTracker::new());
    serving.spawn(http::serve_until(
        stop.clone(),
        tools::server(config),
        listener,
        Access::new(&settings),
        Options { sse: true, pages: Some(minimax_mcp::gallery::pages) },
    ));
    let outcome = play(&base, &http_client()).await;
    stop.cancel();
    serving.close();
    serving.wait().await;
    sandbox.stop().await;
    outcome
}

/// All words in a text that look like our settings.
fn settings_in(text: &str) -> BTreeSet<&str> {
    let words = text.split(|c: char| !(c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_'));
    words.filter(|word| word.starts_with("MINIMAX_")).collect()
}

/// All routes in a text: those after one of the addresses, and `/word` in backticks.
fn routes_in(text: &str) -> BTreeSet<String> {
    let word = |rest: &str| -> String {
        rest.chars().take_while(|c| c.is_ascii_alphanumeric() || "/_-.".contains(*c)).collect()
    };
    let after = ADDRESSES.iter().flat_map(|address| text.split(*address).skip(1)).map(word);
    let quoted = text.split('`').skip(1).step_by(2).filter(|code| code.starts_with('/')).map(word);
    after.chain(quoted).filter(|route| !route.is_empty()).collect()
}

#[test]
fn every_setting_that_a_page_or_an_example_names_exists() {
    for (name, text) in texts() {
        for setting in settings_in(&text) {
            assert!(SETTINGS.iter().any(|known| known.name == setting), "{name}: {setting}");
        }
    }
    let all: String = texts().into_iter().map(|(_, text)| text).collect();
    for needed in ["MINIMAX_API_KEY_FILE", "MINIMAX_MCP_TOKEN_FILE", "MINIMAX_MCP_PUBLIC_URL"] {
        assert!(all.contains(needed), "{needed}");
    }
}

#[tokio::test]
async fn every_route_that_a_page_names_exists_and_every_one_is_named() {
    // Folders of the machine and paths of an API host, which look like routes.
    const FOLDERS: &[&str] = &["/etc", "/var", "/usr", "/data", "/v1", "/anthropic"];
    let pages: String =
        ["local", "http", "systemd", "container"].map(|page| read(format!("docs/{page}.md"))).concat();
    let named: BTreeSet<_> = routes_in(&pages)
        .into_iter()
        .filter(|route| !FOLDERS.iter().any(|dir| route.starts_with(dir)))
        .collect();
    served(async |base, web| {
        for route in &named {
            let path = route.replace('…', "").replace("/files/", "/files/job/name?expires=1&signature=none");
            let response = web.get(format!("{base}{path}")).bearer_auth(TOKEN).send().await.unwrap();
            // Do not read the whole SSE stream, because it does not end.
            let status = response.status();
            let missing =
                status == StatusCode::NOT_FOUND && response.text().await.unwrap().contains("MCP is at");
            assert!(!missing, "{route}");
        }
    })
    .await;
    for route in routes_of_the_code() {
        assert!(named.iter().any(|known| known.starts_with(&route)), "no page names {route}: {named:?}");
    }
}

/// The first segment of each of the server's routes.
fn routes_of_the_code() -> BTreeSet<String> {
    let files = fs::read_dir(root().join("src/serve/http")).unwrap().map(|entry| entry.unwrap().path());
    let files = files.filter(|path| path.is_file()).map(|path| fs::read_to_string(path).unwrap());
    // Leave out the routes in unit tests.
    let routes: String = files.map(|text| text.split("#[cfg(test)]").next().unwrap().to_owned()).collect();
    let parts = routes.split("route(\"/").skip(1).chain(routes.split("route_service(\"/").skip(1));
    parts.map(|rest| format!("/{}", rest.split(['/', '"']).next().unwrap())).collect()
}

/// Links are checked with those of all pages, in `readme`.
#[test]
fn every_example_that_a_page_names_is_there() {
    for (name, text) in texts().into_iter().filter(|(name, _)| name.starts_with("docs/")) {
        let words = text.split([' ', '`', '\n', '"', '(', ')']).filter(|word| word.starts_with("examples/"));
        // The reader provides the secrets.
        for word in words.filter(|word| !word.contains("/secrets")) {
            assert!(root().join(word.trim_end_matches([',', '.', ';'])).exists(), "{name}: {word}");
        }
    }
}

/// The arguments after the program's name in code lines, units and Dockerfiles.
fn command_lines() -> Vec<Vec<String>> {
    let mut found = vec![];
    for (name, text) in texts() {
        for line in text.lines() {
            let line = line.trim().trim_start_matches("ExecStart=").trim_start_matches("/usr/local/bin/");
            if let Some(rest) = line.strip_prefix("minimax-mcp ") {
                found.push(rest.split_whitespace().map(str::to_owned).collect());
            }
            if let Some(list) = line.strip_prefix("CMD ").filter(|_| name.ends_with("Dockerfile")) {
                found.push(serde_json::from_str(list).unwrap());
            }
        }
    }
    found
}

#[test]
fn every_command_line_of_a_page_or_an_example_is_understood() {
    let lines = command_lines();
    assert!(lines.len() >= 3, "{lines:?}");
    for line in lines {
        let mut program = Command::new(env!("CARGO_BIN_EXE_minimax-mcp"));
        let output = program.args(&line).arg("--help").output().unwrap();
        assert!(output.status.success(), "{line:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

/// The last stage of the image has no compiler, no root and the labels of the package.
#[test]
fn the_image_has_two_stages_a_user_and_the_labels_of_the_package() {
    let text = read("examples/deploy/Dockerfile");
    let stages: Vec<_> = text.split("\nFROM ").skip(1).collect();
    assert_eq!(stages.len(), 2);
    let last = stages[1];
    assert!(last.contains("COPY --from=build ") && !last.contains("cargo"), "{last}");
    let user = last.lines().filter_map(|line| line.strip_prefix("USER ")).next_back();
    assert_eq!(user, Some("10001:10001"));
    let label = |name: &str| {
        let (_, rest) = last.split_once(&format!("org.opencontainers.image.{name}=\"")).unwrap();
        rest.split('"').next().unwrap().to_owned()
    };
    assert_eq!(label("version"), env!("CARGO_PKG_VERSION"));
    assert_eq!(label("description"), env!("CARGO_PKG_DESCRIPTION"));
    assert_eq!(label("licenses"), env!("CARGO_PKG_LICENSE"));
    assert_eq!(label("source"), env!("CARGO_PKG_REPOSITORY"));
}

/// Their schemas are checked by `tests/clients/deploy.py`.
#[test]
fn the_files_of_a_fleet_start_three_servers_that_migrate_first_and_share_a_bucket() {
    let (compose, kubernetes) = (read("deploy/compose.yaml"), read("deploy/kubernetes.yaml"));
    for text in [&compose, &kubernetes] {
        for part in [
            "replicas: 3",
            "MINIMAX_STORE_URL",
            "[\"migrate\"]",
            "AWS_ACCESS_KEY_ID",
            "AWS_SECRET_ACCESS_KEY",
        ] {
            assert!(text.contains(part), "{part}");
        }
        for part in ["MINIMAX_DATA_DIR", "MINIMAX_MCP_BASE_PATH"] {
            assert!(!text.contains(part), "each server has folders of its own, in /data: {part}");
        }
        // The address of the bucket can be used. In Compose it is the default of a variable.
        let address = value(text, "MINIMAX_FILES_URL");
        let address = address.trim_start_matches("${MINIMAX_FILES_URL:-").trim_end_matches('}').to_owned();
        let settings =
            [("MINIMAX_FILES_URL", &*address), ("AWS_ACCESS_KEY_ID", "a"), ("AWS_SECRET_ACCESS_KEY", "b")];
        let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let config = config("http://127.0.0.1:1", Path::new("/nowhere"), &settings);
        assert!(config.files.is_some(), "{address}: {:?}", config.problems);
    }
    // The bucket's server and its clients have the same settings.
    for part in [
        "http://s3:7070",
        "region=us-east-1",
        "VGW_REGION: us-east-1",
        "objects:/data/media",
        "POOL_MODE: transaction",
    ] {
        assert!(compose.contains(part), "{part}");
    }
    let image = format!("/minimax-mcp:{}\n", env!("CARGO_PKG_VERSION"));
    let images = [" image: ", &image].map(|part| kubernetes.matches(part).count());
    assert_eq!(images, [2, 2], "the images of deploy/kubernetes.yaml have the version of the program");
    let probe = |name: &str| {
        let (_, rest) = kubernetes.split_once(name).unwrap();
        rest.split("path: ").nth(1).unwrap().lines().next().unwrap().to_owned()
    };
    // A server whose database is away gets no requests, and is not ended for that.
    assert_eq!((probe("readinessProbe:"), probe("livenessProbe:")), ("/readyz".into(), "/healthz".into()));
}

/// A client entry: the address, and the header with the token in place of the placeholder.
struct Entry {
    url: String,
    header: String,
}

fn of_json(text: &str, servers: &str) -> Entry {
    let entry = serde_json::from_str::<Value>(text).unwrap()[servers]["minimax"].take();
    let text = |value: &Value| value.as_str().unwrap_or_else(|| panic!("{entry}")).to_owned();
    Entry { url: text(&entry["url"]), header: text(&entry["headers"]["Authorization"]) }
}

/// The value of `name` in TOML or YAML.
fn value(text: &str, name: &str) -> String {
    let line =
        text.lines().find_map(|line| line.trim().strip_prefix(name)?.trim_start().strip_prefix([':', '=']));
    line.unwrap_or_else(|| panic!("no {name} in {text}")).trim().trim_matches('"').to_owned()
}

/// The entries, with each client's name for the transport.
fn entries() -> Vec<(&'static str, Entry)> {
    let text = |file: &str| read(format!("examples/http/{file}"));
    let of_yaml = |file: &str, url: &str, kind: &str| {
        let text = text(file);
        assert_eq!(value(&text, "type"), kind, "{file}");
        Entry { url: value(&text, url), header: value(&text, "Authorization") }
    };
    let codex = text("codex.toml");
    let token = format!("Bearer ${{{}}}", value(&codex, "bearer_token_env_var"));
    vec![
        ("claude-code.json", of_json(&text("claude-code.json"), "mcpServers")),
        ("cursor.json", of_json(&text("cursor.json"), "mcpServers")),
        ("vscode.json", of_json(&text("vscode.json"), "servers")),
        ("codex.toml", Entry { url: value(&codex, "url"), header: token }),
        ("librechat.yaml", of_yaml("librechat.yaml", "url", "streamable-http")),
        ("goose.yaml", of_yaml("goose.yaml", "uri", "streamable_http")),
    ]
}

/// The header with the token in place of the placeholder, which must name the token.
fn filled(header: &str) -> String {
    let (before, rest) = header.split_once("${").unwrap_or_else(|| panic!("{header} has no placeholder"));
    let (name, after) = rest.split_once('}').unwrap();
    let named = ["MINIMAX_MCP_TOKEN", "env:MINIMAX_MCP_TOKEN", "input:minimax-mcp-token"];
    assert!(named.contains(&name), "{header}");
    format!("{before}{TOKEN}{after}")
}

#[tokio::test]
async fn every_entry_for_a_client_over_http_reaches_the_tools_with_its_token_and_without_it_nothing() {
    let entries = entries();
    let files = fs::read_dir(root().join("examples/http")).unwrap().count();
    assert_eq!(entries.len(), files, "an entry that is not checked");
    served(async |base, web| {
        for (name, entry) in entries {
            let url = ADDRESSES
                .iter()
                .find_map(|address| entry.url.strip_prefix(address))
                .map(|rest| format!("{base}{rest}"));
            let url = url.unwrap_or_else(|| panic!("{name}: {}", entry.url));
            let list = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {} });
            let ask =
                || web.post(&url).header(header::ACCEPT, "application/json, text/event-stream").json(&list);
            let refused = ask().send().await.unwrap();
            assert_eq!(refused.status(), StatusCode::UNAUTHORIZED, "{name}");
            let heard = ask().header(header::AUTHORIZATION, filled(&entry.header)).send().await.unwrap();
            assert_eq!(heard.status(), StatusCode::OK, "{name}");
            assert!(heard.text().await.unwrap().contains("text_to_image"), "{name}");
        }
    })
    .await;
}

/// VS Code's inputs are those that its entry uses, and all are password fields.
#[test]
fn the_entry_of_vs_code_asks_for_the_token_that_it_sends() {
    let entry: Value = serde_json::from_str(&read("examples/http/vscode.json")).unwrap();
    let inputs = entry["inputs"].as_array().unwrap();
    assert_eq!(inputs.len(), 1);
    assert_eq!(inputs[0]["password"], true);
    let sent = entry["servers"]["minimax"]["headers"]["Authorization"].as_str().unwrap();
    assert!(sent.contains(&format!("${{input:{}}}", inputs[0]["id"].as_str().unwrap())));
}

/// The proxies' timeouts exceed the server's keepalive interval, and they do not buffer.
#[test]
fn the_proxies_hand_events_on_and_outlast_the_servers_silence() {
    let (caddy, nginx) = (read("examples/deploy/Caddyfile"), read("examples/deploy/nginx.conf"));
    for (text, words) in [
        (&caddy, &["flush_interval -1", "read_timeout 60s"][..]),
        (&nginx, &["proxy_buffering off;", "proxy_read_timeout 60s;", "proxy_set_header Host $host;"][..]),
    ] {
        for word in words {
            assert!(text.contains(word), "{word}");
        }
    }
    let code = fs::read_to_string(root().join("src/serve/http/keepalive.rs")).unwrap();
    assert!(code.contains("const PING: Duration = Duration::from_secs(15);"), "the pages say 15 seconds");
}

/// The container runs as an unprivileged user, and its command does not start without a token.
#[test]
fn the_container_is_not_root_and_starts_only_with_a_token() {
    let dockerfile = read("examples/deploy/Dockerfile");
    let user = dockerfile.lines().find_map(|line| line.strip_prefix("USER ")).unwrap();
    assert!(user.split(':').all(|id| id.parse::<u32>().is_ok_and(|id| id > 0)), "{user}");
    let rust = env!("CARGO_PKG_RUST_VERSION");
    assert!(dockerfile.contains(&format!("FROM rust:{rust}")), "the image is not of Rust {rust}");
    let open = Access::new(&HttpSettings::default());
    let address = "0.0.0.0:0".parse().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    assert!(runtime.block_on(http::bind(address, &open)).is_err());
}

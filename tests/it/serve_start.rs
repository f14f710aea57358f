//! The start of `serve --http`, `sandbox` and `demo`: a mistake is reported once, by name, and ends the program.

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

/// Runs the program to its end with only these settings.
fn run(dir: &TempDir, arguments: &[&str], settings: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_minimax-mcp"));
    command.args(arguments).env_clear().env("HOME", dir.path()).env("USERPROFILE", dir.path());
    if let Some(root) = std::env::var_os("SystemRoot") {
        command.env("SystemRoot", root);
    }
    command.env("MINIMAX_DATA_DIR", dir.path().join("data")).envs(settings.iter().copied());
    command.output().unwrap()
}

fn ends_with(output: &Output) -> String {
    let text = String::from_utf8(output.stderr.clone()).unwrap();
    assert!(!output.status.success(), "{text}");
    assert!(!text.contains("os error"), "{text}");
    text
}

#[test]
fn a_broken_setting_ends_the_server_over_http_and_is_reported_once() {
    let dir = tempfile::tempdir().unwrap();
    let missing = dir.path().join("none.json").display().to_string();
    for (name, value, allowed) in [
        ("MINIMAX_REGION", "eu", "global"),
        ("MINIMAX_TOOLSETS", "images", "image"),
        ("MINIMAX_READ_ONLY", "maybe", "true"),
        ("MINIMAX_BUDGET_DAY", "abc", ""),
        ("MINIMAX_MCP_TOKEN", "short", "16"),
        ("MINIMAX_MCP_ORIGINS", "app.example.com", "https://"),
        ("MINIMAX_API_KEY_FILE", missing.as_str(), ""),
        ("MINIMAX_MCP_TOKEN_FILE", missing.as_str(), "none.json"),
        ("MINIMAX_FACTS_FILE", missing.as_str(), ""),
    ] {
        let output = run(&dir, &["serve", "--http", "127.0.0.1:0"], &[(name, value)]);
        let text = String::from_utf8(output.stderr.clone()).unwrap();
        assert_eq!(output.status.code(), Some(1), "{name}: {text}");
        assert_eq!(text.matches(name).count(), 1, "{name}: {text}");
        assert!(text.contains(allowed) && !text.contains("MCP at"), "{name}: {text}");
    }
    let two = [("MINIMAX_REGION", "eu"), ("MINIMAX_MCP_TOKEN", "short")];
    let text = ends_with(&run(&dir, &["serve", "--http", "127.0.0.1:0"], &two));
    assert!(text.contains("MINIMAX_REGION") && text.contains("MINIMAX_MCP_TOKEN"), "{text}");
}

#[test]
fn a_port_or_a_path_that_cannot_be_used_is_named_with_its_option() {
    let dir = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let file = dir.path().join("file");
    std::fs::write(&file, "").unwrap();
    let file = file.display().to_string();
    for (arguments, words) in [
        (vec!["serve", "--http", ":8765"], vec!["127.0.0.1:8765", "--http"]),
        (vec!["serve", "--http", "9000"], vec!["127.0.0.1:9000", "--http"]),
        (vec!["sandbox", "--port", port.as_str()], vec!["--port", port.as_str(), "another program"]),
        (vec!["sandbox", "--port", "abc"], vec!["--port", "abc", "0 to 65535"]),
        (vec!["sandbox", "--port", "70000"], vec!["--port", "70000", "0 to 65535"]),
        (vec!["sandbox", "--dir", file.as_str()], vec!["--dir", file.as_str()]),
        (vec!["demo", "--out", file.as_str()], vec!["--out", file.as_str()]),
    ] {
        let text = ends_with(&run(&dir, &arguments, &[]));
        for word in words {
            assert!(text.contains(word), "{arguments:?}: no {word} in {text}");
        }
    }
    let address = format!("127.0.0.1:{port}");
    let text = ends_with(&run(&dir, &["serve", "--http", &address], &[]));
    assert!(text.contains(&address) && text.contains("taken by another program"), "{text}");
    let text = ends_with(&run(
        &dir,
        &["serve", "--http", "127.0.0.1:0", "--sandbox"],
        &[("MINIMAX_DATA_DIR", &file)],
    ));
    assert!(text.contains(&file) && text.contains("MINIMAX_DATA_DIR"), "{text}");
}

/// What the server logs until it listens.
fn log_of(dir: &TempDir, settings: &[(&str, &str)]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_minimax-mcp"));
    command.args(["serve", "--http", "127.0.0.1:0"]).env_clear();
    command.env("HOME", dir.path()).env("USERPROFILE", dir.path());
    if let Some(root) = std::env::var_os("SystemRoot") {
        command.env("SystemRoot", root);
    }
    command.env("MINIMAX_DATA_DIR", dir.path().join("data")).envs(settings.iter().copied());
    let mut child = command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut log = String::new();
    for line in BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok) {
        log.extend([line.as_str(), "\n"]);
        if line.contains("MCP at") {
            break;
        }
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(log.contains("MCP at"), "{log}");
    log
}

#[test]
fn a_server_over_http_without_a_key_says_so_at_its_start() {
    let dir = tempfile::tempdir().unwrap();
    // An empty field of Claude Desktop is no mistake.
    for settings in [&[][..], &[("MINIMAX_API_KEY", "${user_config.api_key}")]] {
        let log = log_of(&dir, settings);
        assert!(log.contains("MINIMAX_API_KEY or MINIMAX_API_KEY_FILE"), "{log}");
    }
    for settings in [
        &[("MINIMAX_API_KEY", "sk-api-x")][..],
        &[("MINIMAX_MCP_CALLER_KEYS", "true")],
        &[("MINIMAX_MCP_CALLER_KEYS", "true"), ("MINIMAX_API_KEY", "your_api_key_here")],
    ] {
        assert!(!log_of(&dir, settings).contains("calls to MiniMax are refused"), "{settings:?}");
    }
}

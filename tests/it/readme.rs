//! Checks the tables in README, which are generated from the code. Run `UPDATE=1 cargo test readme` to update them.

use std::fmt::Write;
use std::fs;
use std::path::PathBuf;

use minimax_mcp::config::{SETTINGS, Toolset};
use minimax_mcp::tools;
use serde_json::Value;

fn path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("README.md")
}

fn settings() -> String {
    let mut table = "| Setting | Default | Meaning |\n|---|---|---|\n".to_owned();
    for setting in SETTINGS {
        writeln!(table, "| `{}` | {} | {} |", setting.name, setting.default, setting.meaning).unwrap();
    }
    table
}

fn tools() -> String {
    let mut table = "| Tool | Group | What it does | Costs money |\n|---|---|---|---|\n".to_owned();
    for tool in tools::catalogue().tools() {
        let group = tools::catalogue().toolset_of(&tool.name).unwrap();
        let (group, _) = Toolset::ALL.iter().find(|(_, known)| *known == group).unwrap();
        let description = tool.description.unwrap();
        let paid = description.contains("Costs money.");
        let does = description.replace(" Costs money.", "").replace(" Free.", "");
        writeln!(table, "| `{}` | {group} | {does} | {} |", tool.name, if paid { "yes" } else { "no" })
            .unwrap();
    }
    table
}

/// Puts `content` between the two comments with this name.
fn fill(text: &str, name: &str, content: &str) -> String {
    let (begin, end) = (format!("<!-- {name} -->\n"), format!("<!-- /{name} -->"));
    let (before, rest) = text.split_once(&begin).unwrap_or_else(|| panic!("README has no {begin}"));
    let (_, after) = rest.split_once(&end).unwrap_or_else(|| panic!("README has no {end}"));
    format!("{before}{begin}{content}{end}{after}")
}

#[test]
fn its_tables_are_what_the_code_says() {
    let text = fs::read_to_string(path()).unwrap().replace("\r\n", "\n");
    let fresh = fill(&fill(&text, "settings", &settings()), "tools", &tools());
    if option_env!("UPDATE").is_some() || std::env::var_os("UPDATE").is_some() {
        fs::write(path(), &fresh).unwrap();
        return;
    }
    assert!(
        text == fresh,
        "README.md is not what the code says; `UPDATE=1 cargo test readme` writes it anew"
    );
}

#[test]
fn its_two_commands_come_first() {
    let text = fs::read_to_string(path()).unwrap();
    let demo = text.find("cargo run --release -- demo").unwrap();
    let test = text.find("cargo test").unwrap();
    let tables = text.find("<!-- tools -->").unwrap();
    assert!(demo < test && test < tables);
}

/// The cells of the table between the two comments with this name.
fn rows(text: &str, name: &str) -> Vec<Vec<String>> {
    let (_, rest) = text.split_once(&format!("<!-- {name} -->")).unwrap();
    let (table, _) = rest.split_once(&format!("<!-- /{name} -->")).unwrap();
    let cells = |line: &str| line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect();
    table.trim().lines().skip(2).map(cells).collect()
}

/// `tests/clients/matrix.py --write-readme` writes this table from its results.
#[test]
fn its_clients_are_those_that_are_played_in_their_versions_and_none_has_failed() {
    let clients: Value = serde_json::from_str(include_str!("../clients/clients.json")).unwrap();
    let played: Vec<_> = clients.as_array().unwrap().iter().map(promised).collect();
    let shown: Vec<_> = rows(&fs::read_to_string(path()).unwrap(), "clients")
        .into_iter()
        .map(|row| {
            let told = |cell: &String| cell == "yes" || (cell.starts_with("20") && cell.len() == 10);
            let heard: Vec<_> = row[2..].iter().map(told).collect();
            assert!(row[2..].iter().zip(&heard).all(|(cell, heard)| *heard || cell == "–"), "{row:?}");
            (row[0].clone(), row[1].clone(), heard)
        })
        .collect();
    assert_eq!(shown, played, "`python3 tests/clients/matrix.py --write-readme` writes the table anew");
}

/// Client, version, and whether it is tested over stdio, HTTP and SSE, as in the table.
fn promised(row: &Value) -> (String, String, Vec<bool>) {
    let text = |name: &str| row[name].as_str().unwrap().to_owned();
    let patience = row["patience"].as_u64().map(|seconds| format!(", with its time-out of {seconds} s"));
    let separator = if row["node"] == true { '@' } else { '=' };
    let version = row["install"][0].as_str().unwrap().rsplit(separator).next().unwrap();
    let package = text("package").rsplit('/').next().unwrap().to_owned();
    let transports: Vec<_> = row["transports"].as_array().unwrap().iter().map(Value::as_str).collect();
    let over = ["stdio", "http", "sse"].map(|transport| transports.contains(&Some(transport)));
    (text("client") + &patience.unwrap_or_default(), format!("{package} {version}"), over.to_vec())
}

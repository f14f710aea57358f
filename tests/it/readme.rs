//! Tables in README are written by the code. `UPDATE=1 cargo test readme` writes them anew.

use std::fmt::Write;
use std::fs;
use std::path::PathBuf;

use minimax_mcp::config::{SETTINGS, Toolset};
use minimax_mcp::tools::Server;

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
    for tool in Server::catalogue() {
        let group = Server::group_of(&tool.name).unwrap();
        let (group, _) = Toolset::ALL.iter().find(|(_, known)| *known == group).unwrap();
        let description = tool.description.unwrap();
        let paid = description.contains("Costs money.");
        let does = description.replace(" Costs money.", "").replace(" Free.", "");
        writeln!(table, "| `{}` | {group} | {does} | {} |", tool.name, if paid { "yes" } else { "no" })
            .unwrap();
    }
    table
}

/// Puts `content` between the two comments that name it.
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

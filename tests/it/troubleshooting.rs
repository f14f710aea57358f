//! docs/troubleshooting.md: the program prints each message that the page quotes.

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The files below a folder.
fn below(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { below(&path) } else { vec![path] }).collect()
}

/// The program's texts: its sources without their tests, and the tables of facts, with strings of several lines joined.
fn texts() -> Vec<String> {
    let packages = ["arguments", "base", "documents", "files", "jobs", "platform", "texts"]
        .map(|name| root().join("crates").join(name));
    let folders = [root()].into_iter().chain(packages);
    let files = folders.flat_map(|folder| below(&folder.join("src"))).filter(|path| {
        let is_text = path.extension().is_some_and(|kind| kind == "rs" || kind == "json");
        is_text && !path.ends_with("tests.rs") && !path.ends_with("mistakes.rs")
    });
    files.map(|path| joined(&fs::read_to_string(path).unwrap())).collect()
}

fn joined(text: &str) -> String {
    let text = text.replace("\r\n", "\n").replace("\\\"", "\"");
    let text = text.split("#[cfg(test)]\nmod ").next().unwrap();
    let mut parts = text.split("\\\n");
    let first = parts.next().unwrap().to_owned();
    parts.fold(first, |text, part| text + part.trim_start())
}

/// The messages in the first column of the tables between `<!-- messages -->`, each as its parts around `…`.
fn messages(page: &str) -> Vec<(String, Vec<String>)> {
    let tables = page.split("<!-- messages -->").skip(1);
    let rows = tables.flat_map(|rest| {
        let (table, _) = rest.split_once("<!-- /messages -->").expect("each table ends");
        table.trim().lines().skip(2)
    });
    rows.map(|row| {
        let cell = row.split('|').nth(1).unwrap();
        let quoted = cell.split('"').nth(1).unwrap_or_else(|| panic!("no message in {row}")).to_owned();
        let parts = quoted.split('…').map(|part| part.trim_matches([' ', '`']).to_owned());
        let parts = parts.filter(|part| part.len() >= 5).collect();
        (quoted, parts)
    })
    .collect()
}

/// The messages that no text of the program has. All parts but the shortest must be in one place or the other.
fn unknown(page: &str, texts: &[String]) -> Vec<String> {
    let is_there = |part: &String| texts.iter().any(|text| text.contains(part.as_str()));
    let said = |parts: &[String]| parts.iter().any(|part| part.len() >= 12) && parts.iter().all(is_there);
    messages(page).into_iter().filter(|(_, parts)| !said(parts)).map(|(quoted, _)| quoted).collect()
}

#[test]
fn the_program_prints_each_message_that_the_page_quotes() {
    let page = fs::read_to_string(root().join("docs/troubleshooting.md")).unwrap();
    assert!(messages(&page).len() >= 30, "{}", messages(&page).len());
    assert_eq!(unknown(&page, &texts()), Vec::<String>::new());
}

#[test]
fn a_message_that_the_program_no_longer_prints_is_noticed() {
    let table = |message: &str| {
        format!("<!-- messages -->\n| Message | Do |\n|---|---|\n| \"{message}\" | x |\n<!-- /messages -->")
    };
    let texts = [joined("say(\"the disk is \\\n        full: {free} MiB are left\")")];
    assert_eq!(unknown(&table("the disk is full: … MiB are left"), &texts), Vec::<String>::new());
    assert_eq!(unknown(&table("the disk is empty: …"), &texts), ["the disk is empty: …"]);
    assert_eq!(unknown(&table("… full …"), &texts).len(), 1, "too short to tell anything");
}

/// MiniMax's codes stand behind the words that the program says for them.
#[test]
fn each_code_on_the_page_belongs_to_its_message() {
    let page = fs::read_to_string(root().join("docs/troubleshooting.md")).unwrap();
    let facts = fs::read_to_string(root().join("crates/platform/src/facts/facts.json")).unwrap();
    let facts: serde_json::Value = serde_json::from_str(&facts).unwrap();
    let rows = ["codes", "http"].map(|table| facts[table].as_array().unwrap().clone()).concat();
    let mut checked = 0;
    for line in page.lines().filter(|line| line.starts_with("| \"") && line.contains("\" (")) {
        let said = line.split('"').nth(1).unwrap();
        let inside = line.split("\" (").nth(1).unwrap().split(')').next().unwrap();
        for code in inside.split(", ").filter_map(|code| code.parse::<i64>().ok()) {
            let row = rows.iter().find(|row| row["code"] == code || row["status"] == code);
            assert_eq!(row.unwrap_or_else(|| panic!("{code}"))["what"], said, "{code}");
            checked += 1;
        }
    }
    assert!(checked >= 6, "{checked}");
}

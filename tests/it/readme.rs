//! README, its neighbours and the pages in `docs`: generated tables match the code (`UPDATE=1 cargo test readme` writes
//! them), and no link is broken.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use minimax_mcp::config::{SETTINGS, Toolset};
use minimax_mcp::tools;
use pulldown_cmark::{Event, Parser, Tag, TagEnd};
use serde_json::{Value, json};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The text of a page, with the line ends of Unix.
fn read(page: &str) -> String {
    fs::read_to_string(root().join(page)).unwrap().replace("\r\n", "\n")
}

fn settings() -> String {
    let mut table = "| Setting | Default | Meaning |\n|---|---|---|\n".to_owned();
    for setting in SETTINGS {
        writeln!(table, "| `{}` | {} | {} |", setting.name, setting.default, setting.meaning).unwrap();
    }
    table
}

fn tools() -> String {
    let mut table = "| Tool | Toolset | What it does | Costs money |\n|---|---|---|---|\n".to_owned();
    for tool in tools::catalogue().made() {
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
    let (before, rest) = text.split_once(&begin).unwrap_or_else(|| panic!("the page has no {begin}"));
    let (_, after) = rest.split_once(&end).unwrap_or_else(|| panic!("the page has no {end}"));
    format!("{before}{begin}{content}{end}{after}")
}

/// A front page with every tool in the row of its toolset, and the number of tools after each of `before`. The order
/// and the words of the page stay; a new tool comes last.
fn front_page(text: &str, before: &[&str]) -> String {
    let catalogue = tools::catalogue();
    let all = catalogue.made();
    let row = |line: &str| {
        let toolset = line.strip_prefix("| `")?.split_once('`')?.0;
        let (_, toolset) = Toolset::ALL.iter().find(|(name, _)| *name == toolset)?;
        let (words, cell) = line.strip_suffix(" |")?.rsplit_once(" | ")?;
        let names = || all.iter().map(|tool| &*tool.name);
        let of_toolset: Vec<_> =
            names().filter(|name| catalogue.toolset_of(name) == Some(*toolset)).collect();
        let old = quoted(cell).filter(|name| of_toolset.contains(name));
        let new = of_toolset.iter().copied().filter(|name| !quoted(cell).any(|old| old == *name));
        let cell: Vec<_> = old.chain(new).map(|name| format!("`{name}`")).collect();
        Some(format!("{words} | {} |", cell.join(", ")))
    };
    let count = |line: &str| {
        let words = before.iter().find(|words| line.starts_with(**words))?;
        let after = line.strip_prefix(*words)?.trim_start_matches(|letter: char| letter.is_ascii_digit());
        Some(format!("{words}{}{after}", all.len()))
    };
    text.lines()
        .map(|line| row(line).or_else(|| count(line)).unwrap_or_else(|| line.to_owned()) + "\n")
        .collect()
}

#[test]
fn the_tables_of_the_pages_match_the_code() {
    let filled = |page: &'static str, name: &str, table: &str| (page, fill(&read(page), name, table));
    for (page, fresh) in [
        filled("docs/configuration.md", "settings", &settings()),
        filled("docs/tools.md", "tools", &tools()),
        ("README.md", front_page(&read("README.md"), &["There are ", "| Tools or commands | "])),
        ("README.zh-CN.md", front_page(&read("README.zh-CN.md"), &["共 ", "| 工具或命令数 | "])),
    ] {
        if std::env::var_os("UPDATE").is_some() {
            fs::write(root().join(page), &fresh).unwrap();
            continue;
        }
        let is_current = read(page) == fresh;
        assert!(is_current, "{page} differs from the code; `UPDATE=1 cargo test readme` writes its table");
    }
}

#[test]
fn the_front_page_is_short_and_its_two_commands_come_first() {
    let text = read("README.md");
    assert!(text.lines().count() <= 200, "{} lines", text.lines().count());
    let line = |command| text.lines().position(|line| line == command).unwrap();
    let first_table = text.lines().position(|line| line.starts_with("|---")).unwrap();
    assert!(line("cargo run --release -- demo") < line("cargo test"));
    assert!(line("cargo test") < first_table);
}

/// The generated rows are rows of toolsets, so a new toolset needs a row on each front page.
#[test]
fn every_tool_and_every_toolset_is_on_the_front_pages() {
    for page in ["README.md", "README.zh-CN.md"] {
        let text = read(page);
        for (toolset, _) in Toolset::ALL {
            assert!(text.contains(&format!("| `{toolset}` |")), "{page}: {toolset}");
        }
        let tools = tools::catalogue().made();
        for tool in &tools {
            assert!(text.contains(&format!("`{}`", tool.name)), "{page}: {}", tool.name);
        }
        assert!(text.contains(&format!(" {} ", tools.len())), "{page}: there are {} tools", tools.len());
    }
}

/// The entry on the front page is the tested example.
#[test]
fn the_front_page_connects_clients_as_the_example_does() {
    let text = read("README.md");
    let (_, block) = text.split_once("```json\n").unwrap();
    let shown: Value = serde_json::from_str(block.split("```").next().unwrap()).unwrap();
    let example: Value = serde_json::from_str(include_str!("../../mcp.json.example")).unwrap();
    let (shown, tested) = (&shown["mcpServers"]["minimax"], &example["mcpServers"]["minimax"]);
    assert_eq!(shown["command"], tested["command"]);
    let names = |entry: &Value| entry["env"].as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(shown), names(tested));
}

/// The words between backticks.
fn quoted(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}

#[test]
fn parameters_that_a_page_calls_unlisted_are_in_no_schema() {
    let catalogue = tools::catalogue().made();
    let rows = rows(&read("docs/tools.md"), "unlisted");
    assert!(!rows.is_empty(), "{}", rows.len());
    for row in rows {
        for name in quoted(&row[1]) {
            let tool = catalogue.iter().find(|tool| tool.name == name).unwrap_or_else(|| panic!("{name}"));
            let listed = tool.input_schema["properties"].as_object().unwrap();
            let words = row[0].split('(').next().unwrap();
            assert!(quoted(words).all(|parameter| !listed.contains_key(parameter)), "{row:?}");
        }
    }
}

/// The cells of the table between the two comments with this name.
fn rows(text: &str, name: &str) -> Vec<Vec<String>> {
    let (_, rest) = text.split_once(&format!("<!-- {name} -->")).unwrap();
    let (table, _) = rest.split_once(&format!("<!-- /{name} -->")).unwrap();
    let cells = |line: &str| line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect();
    table.trim().lines().skip(2).map(cells).collect()
}

/// `tests/clients/matrix.py --write-table` writes the table from its own results.
#[test]
fn the_table_of_clients_has_every_client_in_its_version_and_no_failure() {
    let clients: Value = serde_json::from_str(include_str!("../clients/clients.json")).unwrap();
    let played: Vec<_> = clients.as_array().unwrap().iter().map(promised).collect();
    let scripts: Value = serde_json::from_str(include_str!("../clients/scripts.json")).unwrap();
    let scripts: Vec<_> =
        scripts.as_array().unwrap().iter().map(|row| (row["client"].clone(), over(row))).collect();
    let mut shown: Vec<_> = rows(&read("docs/compatibility.md"), "clients")
        .into_iter()
        .map(|row| {
            let told = |cell: &String| cell == "yes" || (cell.starts_with("20") && cell.len() == 10);
            let heard: Vec<_> = row[2..].iter().map(told).collect();
            assert!(row[2..].iter().zip(&heard).all(|(cell, heard)| *heard || cell == "–"), "{row:?}");
            (row[0].clone(), row[1].clone(), heard)
        })
        .collect();
    // The version of Chromium is that of the machine.
    let of_scripts = shown.split_off(played.len().min(shown.len()));
    let of_scripts: Vec<_> =
        of_scripts.into_iter().map(|(client, _, heard)| (json!(client), heard)).collect();
    assert_eq!(of_scripts, scripts);
    assert_eq!(shown, played, "`python3 tests/clients/matrix.py --write-table` writes the table");
}

/// Client, version, and whether it is tested over stdio, HTTP and SSE, as in the table.
fn promised(row: &Value) -> (String, String, Vec<bool>) {
    let text = |name: &str| row[name].as_str().unwrap().to_owned();
    let patience = row["patience"].as_u64().map(|seconds| format!(", with its time-out of {seconds} s"));
    let separator = if row["node"] == true { '@' } else { '=' };
    let version = row["install"][0].as_str().unwrap().rsplit(separator).next().unwrap();
    let package = text("package").rsplit('/').next().unwrap().to_owned();
    (text("client") + &patience.unwrap_or_default(), format!("{package} {version}"), over(row))
}

fn over(row: &Value) -> Vec<bool> {
    let transports: Vec<_> = row["transports"].as_array().unwrap().iter().map(Value::as_str).collect();
    ["stdio", "http", "sse"].map(|transport| transports.contains(&Some(transport))).to_vec()
}

/// The pages beside README and in `docs`, with their translations.
fn pages() -> Vec<String> {
    let folders = ["", "docs/", "docs/zh-CN/"].into_iter().flat_map(|folder| {
        let files = fs::read_dir(root().join(folder)).unwrap().map(|entry| entry.unwrap().path());
        let pages = files.filter(|path| path.extension().is_some_and(|extension| extension == "md"));
        pages.map(move |path| format!("{folder}{}", path.file_name().unwrap().display()))
    });
    // Its links belong to other projects.
    folders.filter(|page| page != "THIRD-PARTY.md").collect()
}

/// The anchors that GitHub gives to the headings of a page.
fn anchors(text: &str) -> Vec<String> {
    let (mut anchors, mut heading) = (Vec::new(), None::<String>);
    for event in Parser::new(text) {
        match event {
            Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
            Event::End(TagEnd::Heading(_)) => anchors.extend(heading.take().map(|text| anchor(&text))),
            Event::Text(words) | Event::Code(words) => {
                if let Some(text) = &mut heading {
                    text.push_str(&words);
                }
            }
            _ => {}
        }
    }
    anchors
}

fn anchor(heading: &str) -> String {
    let kept = heading.to_lowercase().replace(' ', "-");
    kept.chars().filter(|c| c.is_alphanumeric() || "-_".contains(*c)).collect()
}

/// The relative links and pictures of a page that lead to no file, or to no heading.
fn broken_links(page: &str, text: &str) -> Vec<String> {
    let folder = root().join(page).parent().unwrap().to_owned();
    let targets = Parser::new(text).filter_map(|event| match event {
        Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => Some(dest_url.to_string()),
        _ => None,
    });
    // A scheme, as in `https://…`, `mailto:…` and `vscode:…`, has letters before the first colon.
    let has_scheme = |target: &String| {
        target
            .split_once(':')
            .is_some_and(|(scheme, _)| scheme.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'))
    };
    let relative = targets.filter(|target| !has_scheme(target));
    relative.filter(|target| !leads_somewhere(target, &folder, text)).collect()
}

fn leads_somewhere(target: &str, folder: &Path, text: &str) -> bool {
    let (path, heading) = target.split_once('#').map_or((target, None), |(path, part)| (path, Some(part)));
    let file = folder.join(path);
    if !path.is_empty() && !file.exists() {
        return false;
    }
    let Some(heading) = heading else { return true };
    let read = || fs::read_to_string(&file).unwrap_or_default();
    let there = if path.is_empty() { text.to_owned() } else { read() };
    anchors(&there).iter().any(|anchor| anchor == heading)
}

#[test]
fn every_relative_link_of_a_page_leads_to_a_file_and_a_heading() {
    for page in pages() {
        assert_eq!(broken_links(&page, &read(&page)), Vec::<String>::new(), "{page}");
    }
}

#[test]
fn a_link_to_a_missing_file_or_heading_is_noticed() {
    let text = "# Some `code` here\n[a](none.md) [b](http.md#none) ![c](none.png) [d](#none)\n\n[e]: none.txt\n\n[e]\n";
    let broken = broken_links("docs/page.md", text);
    assert_eq!(broken, ["none.md", "http.md#none", "none.png", "#none", "none.txt"]);
    let good =
        "# Some `code` here\n[a](http.md) [b](#some-code-here) [c](../README.md) [d](https://none.example)\n";
    assert_eq!(broken_links("docs/page.md", good), Vec::<String>::new());
}

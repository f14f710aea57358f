//! The front page: installs first, names prices that the program asks for, and shows what the demo prints.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use minimax_mcp::config::SETTINGS;
use regex::Regex;
use serde_json::{Value, json};

use crate::harness::{World, quick};

fn read(page: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(page);
    fs::read_to_string(path).unwrap().replace("\r\n", "\n")
}

/// The code blocks of a page, in order, indented ones included.
fn blocks(text: &str) -> Vec<Vec<String>> {
    let (mut blocks, mut open) = (Vec::new(), None::<Vec<String>>);
    for line in text.lines().map(str::trim) {
        match (&mut open, line.starts_with("```")) {
            (None, true) => open = Some(Vec::new()),
            (Some(_), true) => blocks.extend(open.take()),
            (Some(block), false) => block.push(line.to_owned()),
            (None, false) => {}
        }
    }
    blocks
}

#[test]
fn the_first_code_block_installs_the_package() {
    let text = read("README.md");
    let first = blocks(&text).remove(0);
    let source: Value = serde_json::from_str(&read("packaging/source.json")).unwrap();
    let package = source["package"].as_str().unwrap();
    for tool in ["npm install --global", "uv tool install"] {
        assert!(first.iter().any(|line| line.starts_with(&format!("{tool} {package}"))), "{tool}: {first:?}");
    }
    let words = text.split_whitespace().filter(|word| word.chars().any(char::is_alphanumeric)).count();
    assert!((900..=1400).contains(&words), "{words} words; the rest belongs into docs");
}

/// Badges, links and `git clone` follow the address in Cargo.toml.
#[test]
fn every_address_of_the_repository_is_that_of_the_package() {
    let repository = env!("CARGO_PKG_REPOSITORY").trim_start_matches("https://github.com/");
    let address =
        Regex::new(r"(?:github\.com|shields\.io/github/v/release)/([A-Za-z0-9._-]+/minimax-mcp)").unwrap();
    for page in ["README.md", "README.zh-CN.md"] {
        let text = read(page);
        let found: Vec<_> = address.captures_iter(&text).map(|found| found[1].to_owned()).collect();
        assert!(found.len() >= 4, "{page}: {found:?}");
        assert!(found.iter().all(|one| one == repository), "{page}: {found:?}");
    }
}

/// The second cells of the table between `<!-- prices -->`.
fn prices(page: &str) -> Vec<String> {
    let text = read(page);
    let (_, rest) = text.split_once("<!-- prices -->").unwrap();
    let (table, _) = rest.split_once("<!-- /prices -->").unwrap();
    let rows = table.trim().lines().skip(2);
    rows.map(|row| row.trim_matches('|').rsplit('|').next().unwrap().trim().to_owned()).collect()
}

/// What a dry run says that a call costs.
async fn price(world: &World, tool: &'static str, mut arguments: Value) -> f64 {
    arguments["dry_run"] = json!(true);
    world.make(tool, arguments).await["cost"]["estimated"].as_f64().unwrap()
}

#[tokio::test]
async fn the_prices_on_the_front_page_are_those_of_a_dry_run() {
    let number = Regex::new(r"([0-9.]+) ?(?:USD|元)").unwrap();
    for (page, region, currency) in [("README.md", "global", "USD"), ("README.zh-CN.md", "cn", "CNY")] {
        let world = World::with(quick(), &[("MINIMAX_REGION", region)]).await;
        let image =
            price(&world, "text_to_image", json!({ "prompt": "A red fox", "aspect_ratio": "16:9" })).await;
        let frame =
            world.make("text_to_image", json!({ "prompt": "A red fox", "aspect_ratio": "16:9" })).await;
        let clip = |resolution: &str| {
            json!({ "prompt": "It walks [Push in]", "duration": 6, "resolution": resolution,
                "first_frame_image": frame["files"][0]["uri"] })
        };
        let video = price(&world, "generate_video", clip("768P")).await;
        let sharp = price(&world, "generate_video", clip("1080P")).await;
        let speech =
            price(&world, "text_to_audio", json!({ "text": "a".repeat(1000), "format": "mp3" })).await;
        let facts: Value = serde_json::from_str(&read("crates/platform/src/facts/facts.json")).unwrap();
        let voice = facts["voice"]["clone_first_use"][currency].as_f64().unwrap();
        let wanted = [image, video, sharp, speech, voice].map(|price| format!("{price}"));
        let shown: Vec<_> = prices(page)
            .iter()
            .filter_map(|cell| {
                number.captures(cell).map(|found| format!("{}", found[1].parse::<f64>().unwrap()))
            })
            .collect();
        assert_eq!(
            shown,
            [&wanted[0], &wanted[1], &wanted[2], &wanted[3], &wanted[4]].map(Clone::clone),
            "{page}"
        );
        let date = facts["as_of"].as_str().unwrap();
        assert!(read(page).contains(date), "{page} does not name the date of the prices, {date}");
        assert_eq!(prices(page).len(), 6, "{page}");
    }
}

#[test]
fn every_setting_that_a_page_names_exists() {
    let name = Regex::new(r"MINIMAX_[A-Z0-9_]+").unwrap();
    for page in ["README.md", "README.zh-CN.md", "docs/troubleshooting.md", "docs/zh-CN/troubleshooting.md"] {
        for found in name.find_iter(&read(page)) {
            let known = SETTINGS.iter().any(|setting| setting.name == found.as_str());
            assert!(known, "{page}: {}", found.as_str());
        }
    }
}

/// The lines of the picture, top to bottom.
fn picture() -> Vec<String> {
    let line = Regex::new(r#"<text class="demo-r[0-9]+"[^>]*y="([0-9.]+)"[^>]*>([^<]*)"#).unwrap();
    let mut lines: Vec<(f64, String)> = Vec::new();
    for part in line.captures_iter(&read("docs/demo.svg")) {
        let (y, text) = (part[1].parse::<f64>().unwrap(), part[2].replace("&#160;", " "));
        let text =
            text.replace("&quot;", "\"").replace("&#x27;", "'").replace("&lt;", "<").replace("&gt;", ">");
        let text = text.replace("&amp;", "&");
        match lines.last_mut() {
            Some((last, words)) if (*last - y).abs() < 1.0 => words.push_str(&text),
            _ => lines.push((y, text)),
        }
    }
    lines.into_iter().map(|(_, text)| text.trim().to_owned()).filter(|text| !text.is_empty()).collect()
}

/// A line without what differs between two runs: ids, the folder, the place of the program.
fn masked(line: &str) -> String {
    let id = Regex::new(r"-[a-z2-7]{26}|-[a-z2-7]{8}\.").unwrap();
    let id = id.replace_all(line, "-ID.");
    let program = Regex::new(r#""[^"]*minimax-mcp(?:\.exe)?""#).unwrap();
    let named = program.replace_all(&id, "\"minimax-mcp\"");
    Regex::new(r"task_id \d+").unwrap().replace_all(&named, "task_id ID").into_owned()
}

#[test]
fn the_picture_of_the_demo_equals_its_output() {
    let home = tempfile::tempdir().unwrap();
    let home = dunce::canonicalize(home.path()).unwrap();
    let mut demo = Command::new(env!("CARGO_BIN_EXE_minimax-mcp"));
    let output = demo.arg("demo").current_dir(&home).env("HOME", &home).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let said = said.replace(&home.display().to_string(), "~").replace('\\', "/");
    let said: Vec<_> = said.lines().map(|line| masked(line.trim())).collect();
    // Progress depends on the speed of the machine.
    let is_note = |line: &String| line.starts_with("… ");
    let shown: Vec<_> = picture().into_iter().skip(1).filter(|line| !is_note(line)).collect();
    assert!(shown.len() > 15, "{shown:#?}");
    let part_of_an_id = Regex::new("-[a-z2-7]*$").unwrap();
    let mut rest = said.iter();
    for line in &shown {
        // A long line is cut, maybe within an id.
        let found = match line.strip_suffix('…') {
            Some(start) => {
                let start = masked(&part_of_an_id.replace(start, ""));
                rest.any(|one| one.starts_with(&start))
            }
            None => rest.any(|one| *one == masked(line)),
        };
        assert!(
            found,
            "the demo does not print `{line}`; `python3 docs/demo.py PROGRAM` draws it again\n{said:#?}"
        );
    }
    for part in ["image · succeeded", "speech · succeeded", "video · succeeded", "Cost: "] {
        assert!(shown.iter().any(|line| line.contains(part)), "{part}: {shown:#?}");
    }
}

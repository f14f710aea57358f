//! The Chinese pages: the same commands, settings, tools and messages as the English ones.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};

/// Each English page and its translation.
const PAGES: &[(&str, &str)] =
    &[("README.md", "README.zh-CN.md"), ("docs/troubleshooting.md", "docs/zh-CN/troubleshooting.md")];

fn read(page: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(page);
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{page}: {error}")).replace("\r\n", "\n")
}

/// What may not differ between two languages.
#[derive(Debug, Default, PartialEq, Eq)]
struct Bones {
    /// Code blocks in order, with their language and without comments.
    blocks: Vec<String>,
    /// Commands, settings, tools, paths and values between backticks.
    code: BTreeSet<String>,
    /// The levels of the headings.
    headings: Vec<String>,
    /// The number of cells of every table row.
    cells: usize,
    /// Addresses and files that links and pictures lead to, without headings of the same page.
    links: BTreeSet<String>,
    /// Messages of the program.
    messages: Vec<String>,
}

/// A comment may be translated, a command may not.
fn without_comments(block: &str) -> String {
    let lines = block.lines().map(|line| line.split(" # ").next().unwrap_or_default().trim_end());
    lines.collect::<Vec<_>>().join("\n")
}

fn bones(page: &str) -> Bones {
    let text = read(page);
    let (mut bones, mut block) = (Bones::default(), None::<String>);
    for event in Parser::new_ext(&text, Options::ENABLE_TABLES) {
        match event {
            Event::Start(Tag::CodeBlock(kind)) => {
                let language =
                    if let CodeBlockKind::Fenced(name) = kind { name.to_string() } else { String::new() };
                block = Some(format!("{language}\n"));
            }
            Event::End(TagEnd::CodeBlock) => {
                bones.blocks.extend(block.take().map(|block| without_comments(&block)));
            }
            Event::Text(words) => {
                if let Some(block) = &mut block {
                    block.push_str(&words);
                }
            }
            Event::Code(words) => {
                bones.code.insert(words.to_string());
            }
            Event::Start(Tag::Heading { level, .. }) => bones.headings.push(level.to_string()),
            Event::Start(Tag::TableCell) => bones.cells += 1,
            Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                let target = dest_url.trim_start_matches("../").trim_start_matches("docs/");
                let target = target.split("zh-CN/").last().unwrap();
                // Each page links to the other one; badges and licences are named in its own language.
                if !target.starts_with('#') && !target.contains("README") && target != "troubleshooting.md" {
                    bones.links.insert(target.to_owned());
                }
            }
            _ => {}
        }
    }
    let tables = text.split("<!-- messages -->").skip(1);
    let tables = tables.map(|rest| rest.split("<!-- /messages -->").next().unwrap());
    let rows = tables.flat_map(|table| table.trim().lines().skip(2));
    bones.messages = rows.map(|row| row.split('|').nth(1).unwrap().trim().to_owned()).collect();
    bones
}

#[test]
fn a_translation_has_the_commands_settings_tools_and_messages_of_its_original() {
    for (english, chinese) in PAGES {
        let (english, chinese) = (bones(english), bones(chinese));
        assert!(!english.blocks.is_empty() && !english.code.is_empty());
        assert_eq!(chinese.blocks, english.blocks);
        assert_eq!(chinese.code, english.code);
        assert_eq!(chinese.headings, english.headings);
        assert_eq!(chinese.cells, english.cells);
        assert_eq!(chinese.links, english.links);
        assert_eq!(chinese.messages, english.messages);
    }
}

/// A page that was only partly translated would be half English.
#[test]
fn a_translation_is_in_chinese() {
    for (_, page) in PAGES {
        let text = read(page);
        let han = text.chars().filter(|letter| ('\u{4e00}'..='\u{9fff}').contains(letter)).count();
        assert!(han > 800, "{page} has {han} Chinese characters");
        let (mut outside, mut in_code) = (String::new(), false);
        for line in text.lines() {
            in_code ^= line.starts_with("```");
            if !in_code
                && !line.starts_with(['|', '[', '#', '!', '<', '·'])
                && !line.is_empty()
                && !line.starts_with("```")
            {
                outside.push_str(line);
                outside.push('\n');
            }
        }
        for line in outside.lines().filter(|line| line.len() > 20) {
            assert!(line.chars().any(|letter| letter > '\u{3000}'), "{page}: {line}");
        }
    }
}

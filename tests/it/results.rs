//! The texts of results and errors of every tool, and the rules that all of them follow.

use std::collections::BTreeSet;

use minimax_mcp::sandbox::{Act, Rule};
use minimax_mcp::tools;
use rmcp::model::CallToolResult;
use serde_json::{Value, json};

use crate::harness::{World, quick};
use crate::money::paid_calls;
use crate::voice::wav;

/// The most characters of the facts of one result, and of an error.
const FACTS: usize = 700;
const ERROR: usize = 900;

/// Words that stop a native reader.
const HOUSE_WORDS: &[&str] = &[
    "imitation",
    "dearer",
    "whose turn",
    "an own voice",
    "for good",
    "handed in",
    "the settings say",
    "legal values",
    "brings along",
    "goes on",
    "anew",
    "mended",
    "no job fits",
    "no voice fits",
    "no task fits",
    "buys once",
    "order it",
    "spent through",
];

/// Tools whose content is a list, in which rows have a model or a date in common.
const LISTS: &[&str] =
    &["list_jobs", "list_models", "list_voices", "list_files", "list_video_tasks", "get_job"];

struct Said {
    tool: &'static str,
    result: CallToolResult,
}

impl Said {
    fn texts(&self) -> Vec<&str> {
        self.result.content.iter().filter_map(|block| Some(block.as_text()?.text.as_str())).collect()
    }

    fn facts(&self) -> &str {
        self.texts().pop().unwrap_or_default()
    }

    fn structured(&self) -> Value {
        self.result.structured_content.clone().unwrap_or_default()
    }
}

/// Successful calls of most tools. Other tools are called in `coverage::walk`.
async fn everything(world: &World) -> Vec<Said> {
    std::fs::create_dir_all(world.out()).unwrap();
    let recording = wav(&world.out().join("speaker.wav"), 12);
    let mut all = Vec::new();
    let mut call = async |tool: &'static str, arguments: Value| {
        let result = world.call(tool, arguments.clone()).await;
        let said = Said { tool, result };
        assert_ne!(said.result.is_error, Some(true), "{tool} {arguments}: {}", said.facts());
        let structured = said.structured();
        all.push(said);
        structured
    };
    call("check_account", json!({})).await;
    call("chat", json!({ "prompt": "hi" })).await;
    call("chat", json!({ "prompt": "hi", "dry_run": true })).await;
    call("count_tokens", json!({ "prompt": "hi" })).await;
    call("list_models", json!({})).await;
    call("embed_text", json!({ "texts": ["a"] })).await;
    call("web_search", json!({ "query": "foxes" })).await;
    let image = call("text_to_image", json!({ "prompt": "a fox", "n": 2 })).await;
    call("text_to_image", json!({ "prompt": "a fox", "style": "watercolour", "wait_seconds": 500 })).await;
    call("text_to_image", json!({ "prompt": "a fox", "dry_run": true })).await;
    let (uri, path) = (&image["files"][0]["uri"], &image["files"][0]["path"]);
    call("view_media", json!({ "uri": uri })).await;
    call("understand_image", json!({ "prompt": "what?", "image_url": path })).await;
    call("text_to_audio", json!({ "text": "Hello.", "subtitles": "srt" })).await;
    call("speak", json!({ "text": "Hello." })).await;
    call("play_audio", json!({ "input_file_path": recording })).await;
    call("speech_to_text", json!({ "file": recording })).await;
    call("list_voices", json!({ "limit": 3 })).await;
    call("voice_design", json!({ "prompt": "a pirate", "preview_text": "Ahoy" })).await;
    call("voice_clone", json!({ "voice_id": "AdaVoice2026", "file": recording, "text": "Hi." })).await;
    call("delete_voice", json!({ "voice_id": "AdaVoice2026" })).await;
    let one = call("generate_video", json!({ "prompt": "a fox", "wait_seconds": 0 })).await;
    let two = call("generate_video", json!({ "prompt": "a fox", "model": "h3", "wait_seconds": 0 })).await;
    call("get_job", json!({ "job_id": one["job_id"], "wait_seconds": 60 })).await;
    call("get_job", json!({ "job_ids": [one["job_id"], two["job_id"]], "wait_seconds": 60 })).await;
    call("list_jobs", json!({ "limit": 2 })).await;
    call("query_video_generation", json!({ "task_id": one["task_id"] })).await;
    call("list_video_tasks", json!({})).await;
    call("regenerate_video", json!({ "job_id": two["job_id"], "wait_seconds": 60 })).await;
    call("enhance_video_prompt", json!({ "prompt": "a fox" })).await;
    call("generate_video_from_template", json!({ "template_id": "diving", "media": [path] })).await;
    call("music_generation", json!({ "prompt": "jazz", "is_instrumental": true })).await;
    call("generate_lyrics", json!({ "prompt": "love" })).await;
    let file = call("upload_file", json!({ "file": recording, "purpose": "voice_clone" })).await;
    call("list_files", json!({})).await;
    call("get_file", json!({ "file_id": file["file_id"] })).await;
    call("download_file", json!({ "file_id": file["file_id"] })).await;
    call("delete_file", json!({ "file_id": file["file_id"] })).await;
    let late = call("generate_video", json!({ "prompt": "a fox", "model": "h3", "wait_seconds": 0 })).await;
    call("cancel_job", json!({ "job_id": late["job_id"] })).await;
    all
}

async fn all_tools() -> World {
    World::with(quick(), &[("MINIMAX_TOOLSETS", "all,legacy")]).await
}

/// How often a text has a value as a whole word. A full stop may follow it.
fn times(text: &str, value: &str) -> usize {
    let part = |letter: char| letter.is_alphanumeric() || "-_".contains(letter);
    let whole = |start: usize| {
        let mut after = text[start + value.len()..].chars();
        let ends = match after.next() {
            Some('.') => !after.next().is_some_and(part),
            letter => !letter.is_some_and(part),
        };
        ends && !text[..start].chars().next_back().is_some_and(part)
    };
    text.match_indices(value).filter(|(start, _)| whole(*start)).count()
}

/// All values of these names, wherever they are.
fn values<'a>(value: &'a Value, names: &[&str], found: &mut BTreeSet<&'a str>) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                if let Some(text) = field.as_str().filter(|_| names.contains(&name.as_str())) {
                    found.insert(text);
                }
                values(field, names, found);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| values(item, names, found)),
        _ => {}
    }
}

/// With a bucket, a person over stdio gets a link to the object, which is signed and long.
fn without_links(text: &str, structured: &Value) -> String {
    let mut links = BTreeSet::new();
    values(structured, &["download_url"], &mut links);
    links.into_iter().fold(text.to_owned(), |text, link| text.replace(link, ""))
}

fn keeps_the_rules(tool: &str, text: &str, structured: &Value) {
    let text = &without_links(text, structured);
    let lower = text.to_lowercase();
    for word in HOUSE_WORDS {
        assert!(!lower.contains(word), "{tool}: {word}: {text}");
    }
    assert!(!text.contains("Signature=") && !text.contains("Expires="), "{tool}: {text}");
    let words: Vec<_> = text.split([' ', '\n', '(', ')', ',', ';']).collect();
    for (at, word) in words.iter().enumerate() {
        let number = word.parse::<u64>().is_ok();
        let unit = words.get(at + 1).copied().unwrap_or_default();
        assert!(!(number && unit == "ms"), "{tool}: {text}");
        assert!(!(number && unit == "bytes" && word.len() > 4), "{tool}: {text}");
        let is_stamp = word.len() >= 20 && word.ends_with('Z') && word.contains('T') && word.contains(':');
        assert!(!is_stamp, "{tool}: {word}: {text}");
    }
    let mut once = BTreeSet::new();
    let ids = ["path", "uri", "job_id", "task_id", "voice_id", "conversation_id", "file_id", "next_cursor"];
    values(structured, &ids, &mut once);
    if !LISTS.contains(&tool) {
        values(structured, &["model"], &mut once);
    }
    let mut jobs = BTreeSet::new();
    values(structured, &["job_id"], &mut jobs);
    let uris: Vec<_> = once.iter().filter(|value| value.contains("://")).copied().collect();
    for value in &once {
        if value.is_empty() || *value == "-" {
            continue;
        }
        // An address has an id in it, which says the id of a file. A job's id has to be said as such.
        let rest =
            uris.iter().filter(|uri| *uri != value).fold(text.to_owned(), |rest, uri| rest.replace(uri, ""));
        let is_job = jobs.contains(value);
        let in_uri = rest.len() < text.len() && times(text, value) > times(&rest, value);
        let count = times(&rest, value) + usize::from(in_uri && !is_job);
        assert!(count <= 1, "{tool}: {value} {count} times: {text}");
        let is_the_job = structured["job_id"] == **value;
        assert!(!is_the_job || text.contains(&format!("job_id {value}")), "{tool}: no {value}: {text}");
    }
    let costs: Vec<_> = text.lines().filter_map(|line| line.trim_start().strip_prefix("Cost: ")).collect();
    if let [cost] = costs.as_slice() {
        let amount = cost.trim_start_matches("about ").split([' ', ';']).next().unwrap();
        let is_price = amount == "free" || amount == "unknown" || amount.starts_with(['$', '¥', '<']);
        assert!(is_price, "{tool}: {cost}");
        // "unknown" is also a status and a kind of error.
        assert!(amount == "unknown" || times(text, amount) == 1, "{tool}: {amount}: {text}");
    }
}

#[tokio::test]
async fn every_tool_says_each_fact_once_in_units_that_people_read_and_shows_no_signed_link() {
    let world = all_tools().await;
    let mut all = everything(&world).await;
    let mut others = Box::pin(crate::coverage::walk::results()).await;
    others.retain(|(tool, _)| all.iter().all(|said| said.tool != *tool));
    all.extend(others.into_iter().map(|(tool, result)| Said { tool, result }));
    let called: BTreeSet<_> = all.iter().map(|said| said.tool.to_owned()).collect();
    let offered: BTreeSet<_> = tools::catalogue().tools().iter().map(|tool| tool.name.to_string()).collect();
    assert_eq!(called, offered);
    for said in &all {
        let (texts, structured) = (said.texts(), said.structured());
        assert!((1..=2).contains(&texts.len()), "{}: {texts:?}", said.tool);
        // The content is the model's or the list's; the facts are ours.
        if !LISTS.contains(&said.tool) || texts.len() > 1 {
            let facts = without_links(said.facts(), &structured);
            assert!(facts.chars().count() <= FACTS, "{}: {facts}", said.tool);
        }
        keeps_the_rules(said.tool, said.facts(), &structured);
    }
}

/// What a job says that did not end as it was asked for, and what every paid tool says in a dry run.
async fn other_endings(world: &World) -> Vec<Said> {
    let mut all = Vec::new();
    for (tool, mut arguments) in paid_calls(world) {
        arguments["dry_run"] = json!(true);
        all.push(Said { tool, result: world.call(tool, arguments).await });
    }
    let fox = |word: &str| json!({ "prompt": format!("a fox {word}"), "wait_seconds": 60 });
    let mut partial = fox("#partial");
    partial["n"] = json!(3);
    let reset = Rule::once("/v1/music_generation", Act::ResetAfter);
    world.sandbox.script(vec![reset, Rule::once("/cdn/", Act::CutChunks { bytes: 10 })]);
    for (tool, arguments) in [
        ("text_to_image", partial),
        ("generate_video", fox("#failtask")),
        ("generate_video", fox("#sensitive")),
        ("music_generation", json!({ "prompt": "jazz", "is_instrumental": true })),
        ("text_to_audio", json!({ "text": "Hello.", "wait_seconds": 1 })),
    ] {
        let result = world.call(tool, arguments).await;
        let job = result.structured_content.clone().unwrap_or_default()["job_id"].clone();
        all.push(Said { tool, result });
        if job.is_string() {
            let result = world.call("get_job", json!({ "job_id": job, "wait_seconds": 1 })).await;
            all.push(Said { tool: "get_job", result });
        }
    }
    all
}

#[tokio::test]
async fn each_fact_is_said_once_for_every_end_of_a_job() {
    let world = all_tools().await;
    let all = other_endings(&world).await;
    let statuses: BTreeSet<_> = all.iter().map(|said| said.structured()["status"].to_string()).collect();
    for status in ["partial", "failed", "unknown", "succeeded"] {
        assert!(statuses.contains(&format!("\"{status}\"")), "{statuses:?}");
    }
    for said in &all {
        let facts = without_links(said.facts(), &said.structured());
        assert!(facts.chars().count() <= ERROR, "{}: {facts}", said.tool);
        keeps_the_rules(said.tool, said.facts(), &said.structured());
        let lines: Vec<_> = said.facts().lines().collect();
        let different: BTreeSet<_> = lines.iter().collect();
        assert_eq!(lines.len(), different.len(), "{}: {}", said.tool, said.facts());
    }
}

#[tokio::test]
async fn the_content_stands_alone_in_the_first_text() {
    let world = all_tools().await;
    for said in everything(&world).await {
        let structured = said.structured();
        let content = match said.tool {
            "generate_lyrics" => structured["lyrics"].as_str(),
            "chat" | "speech_to_text" | "understand_image" | "enhance_video_prompt" => {
                structured["text"].as_str()
            }
            _ => continue,
        };
        // A dry run has no content.
        let Some(content) = content.filter(|content| !content.is_empty()) else { continue };
        assert_eq!(said.texts()[0].trim(), content.trim(), "{}", said.tool);
        assert!(!said.facts().contains(content.trim()), "{}", said.tool);
        assert!(said.facts().contains("Cost: "), "{}: {}", said.tool, said.facts());
    }
}

#[tokio::test]
async fn the_result_names_path_address_size_price_and_the_next_step() {
    let world = World::new().await;
    let result = world.call("text_to_audio", json!({ "text": "Hello there." })).await;
    let said = Said { tool: "text_to_audio", result };
    let (view, facts) = (said.structured(), said.facts().to_owned());
    let file = &view["files"][0];
    // With a bucket, the link to the object is a line of its own.
    let link = file["download_url"].as_str().unwrap_or("no link");
    let lines: Vec<_> = facts.lines().filter(|line| line.trim() != link).collect();
    assert!(lines[1].starts_with(&format!("Saved to {} (", file["path"].as_str().unwrap())), "{facts}");
    assert!(lines[1].contains(" s, ") && lines[1].ends_with(" KB)"), "{facts}");
    assert_eq!(lines[2].trim(), file["uri"].as_str().unwrap());
    assert!(lines[3].starts_with("Cost: $0.0012"), "{facts}");
    assert!(lines[4].contains("minimax://"), "{facts}");
    assert_eq!(lines.len(), 5, "{facts}");
    assert!(file["url"].as_str().unwrap().contains("Signature="), "the link is in the structured content");
}

#[tokio::test]
async fn the_text_about_embeddings_omits_their_numbers() {
    let world = all_tools().await;
    let said = Said { tool: "embed_text", result: world.call("embed_text", json!({ "texts": ["a"] })).await };
    assert!(said.structured()["vectors"][0].is_array());
    assert!(said.facts().contains("1 vector of ") && !said.facts().contains('['), "{}", said.facts());
}

/// Refused calls of all tools: without arguments, with an unknown one, and with the key refused by MiniMax.
async fn errors(world: &World) -> Vec<Said> {
    std::fs::create_dir_all(world.out()).unwrap();
    let recording = wav(&world.out().join("speaker.wav"), 12);
    let mut all = Vec::new();
    for tool in tools::catalogue().tools() {
        let tool: &'static str = tool.name.to_string().leak();
        for arguments in
            [json!({}), json!({ "promt": "x" }), json!({ "job_id": "x", "file_id": "x", "uri": "x" })]
        {
            all.push(Said { tool, result: world.call(tool, arguments).await });
        }
    }
    for (tool, arguments) in [
        ("text_to_image", json!({ "prompt": "x", "style": "comic", "model": "image-01" })),
        ("text_to_image", json!({ "prompt": "x", "output_directory": "/etc" })),
        ("generate_video", json!({ "prompt": "x", "resolution": "1080P", "duration": 10 })),
        ("generate_video", json!({ "prompt": "x", "model": "hailuo-2.3", "duration": 7 })),
        ("text_to_audio", json!({ "text": "x", "emotion": "whisper", "model": "speech-2.8-hd" })),
        ("view_media", json!({ "uri": "https://example.com/a.png" })),
        ("list_jobs", json!({ "cursor": "x" })),
        ("generate_video_from_template", json!({ "template_id": "x" })),
    ] {
        all.push(Said { tool, result: world.call(tool, arguments).await });
    }
    for code in [1000, 1008, 1026, 2013, 2049, 2056, 9999] {
        let refuse = Act::Refuse { code, message: None, retry_after: None };
        world.sandbox.script(vec![Rule::always("/", refuse)]);
        for (tool, arguments) in [
            ("chat", json!({ "prompt": "x" })),
            ("count_tokens", json!({ "prompt": "x" })),
            ("check_account", json!({})),
            ("text_to_image", json!({ "prompt": "x" })),
            ("text_to_audio", json!({ "text": "x" })),
            ("speech_to_text", json!({ "file": recording })),
            ("generate_video", json!({ "prompt": "x" })),
            ("generate_video", json!({ "prompt": "x", "model": "h3" })),
            ("enhance_video_prompt", json!({ "prompt": "x" })),
            ("music_generation", json!({ "prompt": "x", "is_instrumental": true })),
            ("generate_lyrics", json!({ "prompt": "x" })),
            ("web_search", json!({ "query": "x" })),
            ("voice_design", json!({ "prompt": "x", "preview_text": "x" })),
            ("list_files", json!({})),
            ("list_voices", json!({})),
            ("list_video_tasks", json!({})),
            ("get_file", json!({ "file_id": "1" })),
            ("upload_file", json!({ "file": recording, "purpose": "voice_clone" })),
        ] {
            all.push(Said { tool, result: world.call(tool, arguments).await });
        }
    }
    all.retain(|said| said.result.is_error == Some(true));
    all
}

/// The sentences of a text, without the brackets at its end.
fn sentences(text: &str) -> Vec<&str> {
    text.split(['\n', '.', ';']).map(str::trim).filter(|sentence| sentence.len() > 12).collect()
}

#[tokio::test]
async fn no_error_repeats_itself() {
    let world = all_tools().await;
    let host = world.sandbox.url().replace("http://", "");
    let all = errors(&world).await;
    assert!(all.len() > 120, "{}", all.len());
    for said in &all {
        assert_eq!(said.texts().len(), 1, "{}: {:?}", said.tool, said.texts());
        let text = said.facts();
        assert!(text.chars().count() <= ERROR, "{}: {text}", said.tool);
        keeps_the_rules(said.tool, text, &said.structured());
        let all = sentences(text);
        let different: BTreeSet<_> = all.iter().collect();
        assert_eq!(all.len(), different.len(), "{}: {text}", said.tool);
        assert!(text.matches(&host).count() <= 1, "{}: {text}", said.tool);
        for word in ["error ", "HTTP ", "trace id "] {
            let numbers: Vec<_> = text
                .match_indices(word)
                .filter_map(|(at, _)| text[at + word.len()..].split(|it: char| !it.is_alphanumeric()).next())
                .filter(|number| number.starts_with(|it: char| it.is_ascii_digit()))
                .collect();
            let different: BTreeSet<_> = numbers.iter().collect();
            assert_eq!(numbers.len(), different.len(), "{}: {text}", said.tool);
        }
    }
    let refused: Vec<_> = all.iter().filter(|said| said.facts().contains("error 2049")).collect();
    assert!(refused.len() >= 10);
    for said in refused {
        let text = said.facts();
        let (before, details) = text.rsplit_once(" (host ").unwrap();
        assert!(before.contains("MINIMAX_API_KEY") && details.starts_with(&host), "{text}");
    }
}

#[tokio::test]
async fn an_option_that_another_model_supports_chooses_it_with_a_note_unless_the_caller_names_one() {
    let world = World::new().await;
    let picture = world.make("text_to_image", json!({ "prompt": "a fox" })).await["files"][0]["uri"].clone();
    for (tool, asked, chosen, named) in [
        ("text_to_image", json!({ "prompt": "x", "style": "comic" }), "image-01-live", "image-01"),
        ("text_to_audio", json!({ "text": "x", "emotion": "whisper" }), "speech-2.6-hd", "speech-2.8-hd"),
        ("text_to_audio", json!({ "text": "x", "emotion": "fluent" }), "speech-2.6-hd", "speech-02-turbo"),
        ("speak", json!({ "text": "x", "emotion": "whisper" }), "speech-2.6-hd", "speech-2.8-turbo"),
        (
            "generate_video",
            json!({ "prompt": "x", "last_frame_image": picture }),
            "MiniMax-Hailuo-02",
            "MiniMax-Hailuo-2.3",
        ),
        (
            "generate_video",
            json!({ "prompt": "x", "first_frame_image": picture, "resolution": "512P" }),
            "MiniMax-Hailuo-02",
            "MiniMax-Hailuo-2.3",
        ),
        ("generate_video", json!({ "prompt": "x", "resolution": "2K" }), "MiniMax-H3", "MiniMax-Hailuo-2.3"),
        ("generate_video", json!({ "prompt": "x", "ratio": "9:16" }), "MiniMax-H3", "MiniMax-Hailuo-2.3"),
        (
            "generate_video",
            json!({ "prompt": "x", "prompt_expansion": "quality" }),
            "MiniMax-H3-Max",
            "MiniMax-Hailuo-2.3",
        ),
    ] {
        let mut dry = asked.clone();
        dry["dry_run"] = json!(true);
        let view = world.make(tool, dry.clone()).await;
        assert_eq!(view["model"], chosen, "{asked}");
        let note = view["warnings"][0].as_str().unwrap();
        assert!(note.starts_with(&format!("{chosen} was used, because ")), "{note}");
        dry["model"] = json!(named);
        world.refusal(tool, dry).await;
    }
    let refusal = world
        .refusal("generate_video", json!({ "prompt": "x", "resolution": "1080P", "duration": 10 }))
        .await;
    assert!(refusal.contains("1080P with 6 s ($0.49) or 768P with 10 s ($0.56)"), "{refusal}");
    let view = world.make("chat", json!({ "prompt": "x", "web_search": true, "dry_run": true })).await;
    assert!(view["warnings"].to_string().contains("api anthropic was used"), "{view}");
    world
        .refusal("chat", json!({ "prompt": "x", "web_search": true, "api": "openai", "dry_run": true }))
        .await;
    assert_eq!(world.bought(), 1);
}

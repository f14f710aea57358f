//! Reaches every endpoint with a tool call. The sandbox's strict check must accept the request, and a snapshot records
//! it.

use std::collections::BTreeSet;
use std::fs;
use std::ops::Range;

use minimax_mcp::sandbox::{Act, Pace, Request, Rule, Sandbox};
use rmcp::model::CallToolResult;
use serde_json::{Map, Value, json};

use super::{ENDPOINTS, Reached};
use crate::crash_orders::orders;
use crate::harness::{World, eventually, quick, text as text_of};
use crate::voice::wav;
use crate::wishes::plain_call;

const PICTURE: &str = "https://example.com/a.png";

/// A world, and the requests that each tool call made.
struct Walk {
    world: World,
    steps: Vec<(&'static str, Range<usize>)>,
    results: Vec<(&'static str, CallToolResult)>,
}

impl Walk {
    /// A walk whose results stay links, because the sandbox takes a second to draw a video.
    async fn new() -> Self {
        Self::with(quick(), &[("MINIMAX_API_RESOURCE_MODE", "url")]).await
    }

    async fn with(pace: Pace, settings: &[(&str, &str)]) -> Self {
        Self { world: World::with(pace, settings).await, steps: Vec::new(), results: Vec::new() }
    }

    async fn make(&mut self, tool: &'static str, arguments: Value) -> Value {
        let from = self.world.sandbox.requests().len();
        let view = self.call(tool, arguments).await;
        self.steps.push((tool, from..self.world.sandbox.requests().len()));
        view
    }

    async fn call(&mut self, tool: &'static str, arguments: Value) -> Value {
        let result = self.world.call(tool, arguments).await;
        assert_ne!(result.is_error, Some(true), "{tool}: {}", text_of(&result));
        let view = result.structured_content.clone().unwrap();
        self.results.push((tool, result));
        view
    }

    /// Like [`Self::make`], and waits until the sandbox has answered a poll.
    async fn make_and_ask(&mut self, tool: &'static str, arguments: Value) -> Value {
        let from = self.world.sandbox.requests().len();
        let view = self.call(tool, arguments).await;
        let asked = || {
            let requests = self.world.sandbox.requests();
            requests[from..]
                .iter()
                .any(|request| request.path.contains("/query/") && request.status.is_some())
        };
        eventually("a look at the task", async || asked()).await;
        self.steps.push((tool, from..self.world.sandbox.requests().len()));
        view
    }

    /// Starts a job that does not end, polls it in every possible way, and gives it up.
    async fn begun(&mut self, tool: &'static str, mut order: Value) {
        order["async_mode"] = json!(true);
        let started = self.make_and_ask(tool, order).await;
        let job = json!({ "job_id": started["job_id"] });
        let view = self.make("get_job", json!({ "job_id": started["job_id"], "wait_seconds": 1 })).await;
        if tool.starts_with("generate_video") {
            self.make_and_ask("query_video_generation", json!({ "task_id": view["task_id"] })).await;
        }
        self.make("cancel_job", job).await;
    }

    fn file(&self, name: &str, bytes: &[u8]) -> String {
        fs::create_dir_all(self.world.out()).unwrap();
        let path = self.world.out().join(name);
        fs::write(&path, bytes).unwrap();
        path.display().to_string()
    }

    fn recording(&self, name: &str, seconds: u32) -> String {
        wav(&self.world.out().join(name), seconds)
    }

    /// The requests of each tool that the sandbox accepted.
    fn taken(&self) -> Vec<(&'static str, Request)> {
        let requests = self.world.sandbox.requests();
        let of = |step: &(&'static str, Range<usize>)| {
            requests[step.1.clone()].iter().map(|request| (step.0, request.clone())).collect::<Vec<_>>()
        };
        let taken = |request: &Request| request.code.is_none() && request.status.is_some_and(|it| it < 300);
        let all = self.steps.iter().flat_map(of);
        all.filter(|(_, request)| request.authorized && (taken(request) || self.session(request).is_some()))
            .map(|(tool, request)| match self.session(&request) {
                Some(said) => (tool, Request { body: said, ..request }),
                None => (tool, request),
            })
            .collect()
    }

    /// The messages on a WebSocket, if this request opened one that finished.
    fn session(&self, request: &Request) -> Option<Value> {
        let billed = self.world.sandbox.paid().into_iter().find(|paid| paid.path == request.path);
        billed.filter(|_| request.path.starts_with("/ws/")).map(|paid| paid.body)
    }
}

/// A pace at which no task ends.
fn endless() -> Pace {
    Pace { polls: 1000, seconds: 600.0, ..quick() }
}

async fn text() -> Walk {
    let mut walk = Walk::new().await;
    for api in ["openai", "native", "anthropic", "responses"] {
        let arguments = json!({
            "prompt": "Good morning", "system": "Be kind.", "api": api, "max_tokens": 1000, "temperature": 0.5,
        });
        walk.make("chat", arguments).await;
    }
    for api in ["anthropic", "responses"] {
        walk.make("count_tokens", json!({ "prompt": "Good morning", "api": api })).await;
    }
    walk.make("list_models", json!({ "kind": "text" })).await;
    walk.make("web_search", json!({ "query": "rust mcp server" })).await;
    walk.make("check_account", json!({})).await;
    walk
}

/// A host that has only the Anthropic protocol, and a key whose plan at first excludes images.
async fn gateway() -> Walk {
    let settings = [("MINIMAX_TOOLSETS", "all,legacy"), ("MINIMAX_API_KEY", "sk-cp-secret")];
    let mut walk = Walk::with(quick(), &settings).await;
    let missing =
        Act::Status { status: 404, body: String::new(), content_type: None, headers: Default::default() };
    let no_plan = Act::Refuse { code: 2061, message: None, retry_after: None };
    walk.world
        .sandbox
        .script(vec![Rule::always("/v1/models", missing), Rule::once("/v1/coding_plan/vlm", no_plan)]);
    walk.make("list_models", json!({ "kind": "text" })).await;
    walk.make("check_account", json!({})).await;
    walk.make("embed_text", json!({ "texts": ["one", "two"] })).await;
    let made = walk.make("text_to_image", json!({ "prompt": "A red fox", "aspect_ratio": "16:9" })).await;
    for _ in 0..2 {
        let arguments = json!({ "prompt": "What is it?", "image_url": made["files"][0]["path"] });
        walk.make("understand_image", arguments).await;
    }
    walk
}

async fn speech() -> Walk {
    let mut walk = Walk::new().await;
    walk.make("text_to_audio", json!({ "text": "Hello there.", "voice_id": "narrator", "speed": 1.5 })).await;
    walk.make("speak", json!({ "text": "Hello there." })).await;
    walk.world.sandbox.set_pace(endless());
    let long = "The quick brown fox jumps over the lazy dog. ".repeat(230);
    walk.begun("text_to_audio", json!({ "text": long })).await;
    walk.world.sandbox.set_pace(quick());
    let book = walk.file("book.txt", b"Once upon a time.");
    walk.make("text_to_audio", json!({ "text_file": book })).await;
    let talk = walk.recording("talk.wav", 12);
    walk.make("speech_to_text", json!({ "file": talk, "format": "srt", "timestamps": "word" })).await;
    let clone = json!({ "voice_id": "MyVoice001", "file": talk, "text": "A gentle breeze." });
    walk.make("voice_clone", clone).await;
    let design = json!({ "prompt": "A young voice", "preview_text": "Once upon a time" });
    let designed = walk.make("voice_design", design).await;
    walk.make("list_voices", json!({ "voice_type": "system" })).await;
    walk.make("delete_voice", json!({ "voice_id": designed["voice_id"] })).await;
    walk
}

async fn video_v1() -> Walk {
    let mut walk = Walk::new().await;
    let order = json!({
        "prompt": "A fox", "model": "MiniMax-Hailuo-02", "resolution": "512P", "first_frame_image": PICTURE,
        "prompt_optimizer": false,
    });
    walk.make("generate_video", order.clone()).await;
    walk.world.sandbox.set_pace(endless());
    walk.begun("generate_video", order).await;
    let template = json!({ "template_id": "run for life", "media": [PICTURE], "texts": ["lion"] });
    walk.begun("generate_video_from_template", template).await;
    walk
}

async fn video_v2() -> Walk {
    let mut walk = Walk::new().await;
    // This is too large to be sent inside a request.
    let mut large = std::io::Cursor::new(Vec::new());
    ::image::RgbImage::new(512, 512).write_to(&mut large, ::image::ImageFormat::Png).unwrap();
    let mut large = large.into_inner();
    large.resize(5 << 20, 0);
    let large = walk.file("large.png", &large);
    let order = json!({
        "prompt": "A fox", "model": "h3", "duration": 4, "ratio": "1:1", "reference_images": [large, PICTURE],
    });
    let made = walk.make("generate_video", order).await;
    walk.world.sandbox.set_pace(endless());
    walk.make("list_video_tasks", json!({ "status": "succeeded", "model": "h3", "limit": 2 })).await;
    walk.begun("regenerate_video", json!({ "job_id": made["job_id"] })).await;
    walk.begun("enhance_video_prompt", json!({ "prompt": "A fox", "first_frame_image": PICTURE })).await;
    let order = json!({
        "prompt": "A fox", "model": "MiniMax-H3-Lite", "resolution": "480P", "duration": 4, "ratio": "1:1",
    });
    walk.begun("generate_video", order).await;
    walk
}

async fn files_and_music() -> Walk {
    let mut walk = Walk::new().await;
    let image = json!({ "prompt": "A red fox", "width": 512, "height": 768, "n": 2, "seed": 7 });
    walk.make("text_to_image", image).await;
    walk.make("generate_lyrics", json!({ "prompt": "Rain", "title": "Grey" })).await;
    let song = json!({ "prompt": "Folk", "lyrics": "[Verse]\nRain on the roof\n[Chorus]\nGrey, grey" });
    walk.make("music_generation", song.clone()).await;
    let mut cover = song;
    cover["prompt"] = json!("Jazz with a warm bass");
    cover["reference_audio"] = json!(walk.recording("song.wav", 12));
    walk.make("music_generation", cover).await;
    let words = walk.file("words.txt", b"some words");
    let uploaded = walk.make("upload_file", json!({ "file": words, "purpose": "t2a_async_input" })).await;
    let id = json!({ "file_id": uploaded["file_id"] });
    walk.make("list_files", json!({ "purpose": "t2a_async_input" })).await;
    walk.make("get_file", id.clone()).await;
    walk.make("download_file", id.clone()).await;
    walk.make("delete_file", id).await;
    walk
}

/// Whether a request belongs to this row of the index. `{…}` matches one segment.
fn is_for(row: (&str, &str), request: &Request) -> bool {
    let path = request.path.split('?').next().unwrap();
    let method = if row.0 == "WSS" { "GET" } else { row.0 };
    let (wanted, came): (Vec<_>, Vec<_>) = (row.1.split('/').collect(), path.split('/').collect());
    let same = |(wanted, came): (&&str, &&str)| wanted.starts_with('{') || wanted == came;
    request.method == method && wanted.len() == came.len() && wanted.iter().zip(&came).all(same)
}

fn elided_text(key: &str, text: &str) -> Option<String> {
    let number = text.len() >= 8 && text.bytes().all(|byte| byte.is_ascii_digit()) && key != "template_id";
    match text.split_once(";base64,") {
        Some((kind, _)) if kind.starts_with("data:") => return Some(format!("{kind};base64,[media]")),
        _ => {}
    }
    if key == "audio_base64" {
        Some("[media]".to_owned())
    } else if number || key == "cover_feature_id" || text.starts_with("ttv-voice-") {
        Some("[id]".to_owned())
    } else if text.starts_with("mm_file://") {
        Some("mm_file://[id]".to_owned())
    } else if text.chars().count() > 200 {
        let start: String = text.chars().take(45).collect();
        Some(format!("{start}… ({} characters)", text.chars().count()))
    } else {
        None
    }
}

/// Removes media and values that differ each time.
fn elided(key: &str, value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(elided_text(key, &text).unwrap_or(text)),
        Value::Number(number) if number.as_u64().is_some_and(|number| number > 1_000_000_000) => {
            json!("[id]")
        }
        Value::Array(items) => items.into_iter().map(|item| elided(key, item)).collect(),
        Value::Object(fields) => fields
            .into_iter()
            .map(|(name, value)| {
                let value = elided(&name, value);
                (name, value)
            })
            .collect::<Map<_, _>>()
            .into(),
        other => other,
    }
}

fn shown(tool: &str, request: &Request) -> Value {
    let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
    let segment = |part: &str| elided_text("", part).unwrap_or_else(|| part.to_owned());
    let path: Vec<_> = path.split('/').map(segment).collect();
    let query: Vec<_> = url::form_urlencoded::parse(query.as_bytes())
        .map(|(name, value)| json!([name, segment(&value)]))
        .collect();
    json!({
        "tool": tool, "method": request.method, "path": path.join("/"), "query": query,
        "body": elided("", request.body.clone()),
    })
}

/// A call of each tool that no other walk has called: the order of the crash tests, or else the call of a wish. Orders save
/// files, because their results stand for these tools in other tests.
async fn others(walks: &[Walk]) -> Walk {
    let mut walk = Walk::with(quick(), &[]).await;
    fs::create_dir_all(walk.world.out()).unwrap();
    let is_called = |tool| walks.iter().flat_map(|walk| &walk.steps).any(|(called, _)| *called == tool);
    for order in orders(&walk.world.out()).into_iter().filter(|order| !is_called(order.tool)) {
        walk.make(order.tool, order.arguments).await;
    }
    for (.., reached) in ENDPOINTS {
        let Reached::By(tools, _) = reached else { continue };
        for tool in *tools {
            let is_new = !is_called(tool) && walk.steps.iter().all(|(called, _)| called != tool);
            if let Some(arguments) = plain_call(tool).filter(|_| is_new) {
                walk.make(tool, arguments).await;
            }
        }
    }
    walk
}

async fn all() -> Vec<Walk> {
    let walks: [Walk; 6] =
        tokio::join!(text(), gateway(), speech(), video_v1(), video_v2(), files_and_music()).into();
    let others = others(&walks).await;
    walks.into_iter().chain([others]).collect()
}

/// The results of all calls: at least one of every tool that reaches MiniMax.
pub(crate) async fn results() -> Vec<(&'static str, CallToolResult)> {
    Box::pin(all()).await.into_iter().flat_map(|walk| walk.results).collect()
}

#[tokio::test]
async fn every_tool_of_a_row_reaches_its_endpoint_with_an_accepted_body() {
    let walks = Box::pin(all()).await;
    let taken: Vec<_> = walks.iter().flat_map(Walk::taken).collect();
    let (mut unproven, mut bodies) = (Vec::new(), Map::new());
    for (method, path, _, reached) in ENDPOINTS {
        let found = |tool: Option<&str>| {
            taken
                .iter()
                .find(|(by, request)| tool.is_none_or(|tool| tool == *by) && is_for((method, path), request))
        };
        let Reached::By(tools, _) = reached else {
            assert!(found(None).is_none(), "{method} {path} is reached after all");
            continue;
        };
        unproven.extend(
            tools
                .iter()
                .filter(|tool| found(Some(tool)).is_none())
                .map(|tool| format!("{method} {path} by {tool}")),
        );
        if let Some((tool, request)) = tools.first().and_then(|tool| found(Some(tool))) {
            bodies.insert(format!("{method} {path}"), shown(tool, request));
        }
    }
    assert!(unproven.is_empty(), "no accepted request; a call in `walk.rs` makes one: {unproven:#?}");
    insta::assert_json_snapshot!("requests", bodies);
    // No request went to an endpoint without a row.
    for (tool, request) in &taken {
        let listed = ENDPOINTS.iter().any(|(method, path, ..)| is_for((method, path), request));
        assert!(listed || request.path.starts_with("/cdn/"), "{tool}: {} {}", request.method, request.path);
    }
}

#[test]
fn the_endpoints_of_the_sandbox_are_exactly_the_rows() {
    let rows: BTreeSet<String> = ENDPOINTS
        .iter()
        .map(|(method, path, ..)| format!("{} {path}", if *method == "WSS" { "GET" } else { method }))
        .collect();
    let simulated: BTreeSet<String> = Sandbox::endpoints().iter().cloned().collect();
    let only = |some: &BTreeSet<String>, others| some.difference(others).cloned().collect::<Vec<_>>();
    assert_eq!(only(&simulated, &rows), [""; 0], "these need a row in `ENDPOINTS` of tests/it/coverage.rs");
    assert_eq!(only(&rows, &simulated), [""; 0], "the sandbox lacks these");
}

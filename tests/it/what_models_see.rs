//! The parts of a result that reach a model, by client. Clients pass on different parts, so each part must be enough by
//! itself.
//!
//! The rules of Claude Code and Codex were recorded with the programs (`tests/clients/hosts.py` runs them); those of
//! opencode and LangChain are in their sources.

use rmcp::model::{CallToolResult, ContentBlock};
use serde_json::{Value, json};

use crate::harness::World;

/// How a client turns a result into what its model reads.
type Client = fn(&CallToolResult) -> Vec<String>;

const CLIENTS: &[(&str, Client)] =
    &[("claude_code", claude_code), ("codex", codex), ("opencode", opencode), ("langchain", langchain)];

fn texts(result: &CallToolResult) -> Vec<String> {
    result.content.iter().filter_map(|block| Some(block.as_text()?.text.clone())).collect()
}

fn links(result: &CallToolResult) -> impl Iterator<Item = (String, String)> {
    result.content.iter().filter_map(|block| match block {
        ContentBlock::ResourceLink(link) => Some((link.name.clone(), link.uri.clone())),
        _ => None,
    })
}

/// Version 2.1.332: the structured content replaces the texts, links stay. An error shows only its texts.
fn claude_code(result: &CallToolResult) -> Vec<String> {
    let structured = result.structured_content.as_ref().filter(|_| result.is_error != Some(true));
    let links = links(result).map(|(name, uri)| format!("[Resource link: {name}] {uri}"));
    match structured {
        Some(structured) => links.chain([structured.to_string()]).collect(),
        None => texts(result).into_iter().chain(links).collect(),
    }
}

/// Version 0.171.0: the structured content alone, also for an error; the texts only where it is absent.
fn codex(result: &CallToolResult) -> Vec<String> {
    match &result.structured_content {
        Some(structured) => vec![structured.to_string()],
        None => texts(result),
    }
}

/// The texts alone.
fn opencode(result: &CallToolResult) -> Vec<String> {
    vec![texts(result).join("\n\n")]
}

/// The content; the structured content goes to the program and not to the model.
fn langchain(result: &CallToolResult) -> Vec<String> {
    texts(result).into_iter().chain(links(result).map(|(_, uri)| format!("[file] {uri}"))).collect()
}

/// Replaces what differs from run to run.
fn steady(world: &World, text: &str, structured: &Value) -> String {
    let mut text =
        text.replace(&world.dir.path().display().to_string(), "DIR").replace(&world.sandbox.url(), "HOST");
    let file = &structured["files"][0];
    for (value, name) in [
        (&file["url"], "SIGNED_LINK"),
        (&file["sha256"], "SHA256"),
        (&file["url_expires_at"], "TIME"),
        (&structured["created_at"], "TIME"),
        (&structured["updated_at"], "TIME"),
        (&structured["job_id"], "JOB_ID"),
        (&structured["task_id"], "TASK_ID"),
        (&structured["conversation_id"], "CONVERSATION_ID"),
    ] {
        let Some(value) = value.as_str() else { continue };
        text = text.replace(value, name).replace(&value.replace(&world.sandbox.url(), "HOST"), name);
        if name == "JOB_ID" {
            let short = value.rsplit('-').next().and_then(|id| id.get(..8)).unwrap();
            text = text.replace(short, "SHORT");
        }
    }
    text
}

/// A result of each sort, and what a model must find in it: where the result is, or what to do next.
async fn results(world: &World) -> Vec<(&'static str, CallToolResult, Vec<String>)> {
    let owned = |parts: &[&str]| parts.iter().map(|part| (*part).to_owned()).collect::<Vec<_>>();
    let field = |result: &CallToolResult, at: &str| {
        let structured = result.structured_content.as_ref().unwrap();
        structured.pointer(at).unwrap().as_str().unwrap().to_owned()
    };
    let image = world.call("text_to_image", json!({ "prompt": "a fox" })).await;
    let in_image =
        vec![field(&image, "/files/0/path"), field(&image, "/files/0/uri"), "view_media".to_owned()];
    let video = world.call("generate_video", json!({ "prompt": "a fox", "wait_seconds": 0 })).await;
    let in_video = vec![field(&video, "/job_id"), "Call get_job with job_id".to_owned()];
    let answer = world.call("chat", json!({ "prompt": "hi" })).await;
    let in_answer = vec!["**You said:** hi".to_owned(), field(&answer, "/conversation_id")];
    let pair = json!({ "prompt": "a fox", "resolution": "1080P", "duration": 10 });
    let refusal = world.call("generate_video", pair).await;
    let in_refusal =
        owned(&["`duration` 10", "1080P with 6 s", "768P with 10 s", "Nothing was sent or billed"]);
    let search = world.call("web_search", json!({ "query": "" })).await;
    vec![
        ("an image", image, in_image),
        ("a running video", video, in_video),
        ("a chat answer", answer, in_answer),
        ("a refusal", refusal, in_refusal),
        ("a refusal of a tool with a schema of its own", search, owned(&["`query` is empty", "call again"])),
    ]
}

#[tokio::test]
async fn every_client_gives_its_model_all_it_needs() {
    let world = World::new().await;
    let results = results(&world).await;
    let has_no_folder = crate::s3::leaves_out("the text with a path in the results folder");
    for (client, shows) in CLIENTS {
        let mut all = Vec::new();
        for (what, result, parts) in &results {
            let shown = shows(result).join("\n");
            // A path in JSON has its own escapes.
            let plain = shown.replace("\\\\", "\\");
            for part in parts {
                assert!(plain.contains(part), "{client}, {what}: no {part}: {shown}");
            }
            let structured = result.structured_content.clone().unwrap_or_default();
            all.push(format!("## {what}\n{}", steady(&world, &shown, &structured)));
        }
        if !has_no_folder {
            insta::assert_snapshot!(*client, all.join("\n\n"));
        }
    }
}

//! Resources, prompts and completions.

use std::sync::{Arc, Mutex};

use rmcp::model::{
    ArgumentInfo, CompleteRequestParams, GetPromptRequestParams, PaginatedRequestParams,
    ReadResourceRequestParams, Reference, ResourceContents, ResourceUpdatedNotificationParam,
    SubscribeRequestParams,
};
use rmcp::service::NotificationContext;
use rmcp::{ClientHandler, RoleClient, ServiceExt};
use serde_json::{Value, json};

use crate::harness::{World, eventually, quick};
use crate::s3;

async fn read(world: &World, uri: &str) -> ResourceContents {
    let result = world.client.read_resource(ReadResourceRequestParams::new(uri)).await.unwrap();
    result.contents.into_iter().next().unwrap()
}

fn as_json(contents: &ResourceContents) -> Value {
    match contents {
        ResourceContents::TextResourceContents { text, .. } => serde_json::from_str(text).unwrap(),
        other => panic!("no text: {other:?}"),
    }
}

#[tokio::test]
async fn jobs_and_their_files_can_be_read_as_resources() {
    let world = World::new().await;
    let view = world.make("text_to_image", json!({ "prompt": "A lighthouse", "n": 2 })).await;
    let listed = world.client.list_all_resources().await.unwrap();
    let uris: Vec<_> = listed.iter().map(|resource| resource.uri.as_str()).collect();
    let job = format!("minimax://jobs/{}", view["job_id"].as_str().unwrap());
    let file = view["files"][1]["uri"].as_str().unwrap();
    for expected in ["minimax://voices", "minimax://models", job.as_str(), file] {
        assert!(uris.contains(&expected), "{expected} in {uris:?}");
    }
    assert_eq!(s3::without_links(&as_json(&read(&world, &job).await)), s3::without_links(&view));
    let on_disk = s3::content(&view["files"][1]["path"]);
    match read(&world, file).await {
        ResourceContents::BlobResourceContents { blob, mime_type, .. } => {
            assert_eq!(
                (blob, mime_type.as_deref()),
                (data_encoding::BASE64.encode(&on_disk), Some("image/jpeg"))
            );
        }
        other => panic!("{other:?}"),
    }
    let templates = world.client.list_all_resource_templates().await.unwrap();
    assert_eq!(templates.len(), 2);
    assert_eq!(world.bought(), 1);
}

#[tokio::test]
async fn a_file_that_is_too_large_or_was_changed_is_answered_with_its_links() {
    if s3::leaves_out("a file that is changed on the disk") {
        return;
    }
    let world = World::new().await;
    let view = world.make("text_to_image", json!({ "prompt": "x" })).await;
    let (path, uri) = (&view["files"][0]["path"], view["files"][0]["uri"].as_str().unwrap());
    std::fs::write(s3::place(path), vec![b'A'; s3::content(path).len()]).unwrap();
    let answer = as_json(&read(&world, uri).await);
    assert_eq!(answer["file"]["url"], view["files"][0]["url"], "{answer}");
}

#[tokio::test]
async fn a_resource_that_does_not_exist_is_reported_as_such() {
    let world = World::new().await;
    for uri in [
        "minimax://jobs/nobody",
        "minimax://files/nobody/x.jpg",
        "minimax://files/../../etc/passwd",
        "minimax://",
        "file:///etc/passwd",
        "",
    ] {
        let refused = world.client.read_resource(ReadResourceRequestParams::new(uri)).await.unwrap_err();
        assert!(refused.to_string().contains("no resource has this URI"), "{uri}: {refused}");
    }
}

#[tokio::test]
async fn the_list_of_resources_has_pages() {
    let world = World::new().await;
    for _ in 0..27 {
        world.make("text_to_image", json!({ "prompt": "x" })).await;
    }
    let first = world.client.list_resources(None).await.unwrap();
    let cursor = first.next_cursor.clone().expect("a second page");
    let page = PaginatedRequestParams::default().with_cursor(Some(cursor));
    let second = world.client.list_resources(Some(page)).await.unwrap();
    assert_eq!((first.resources.len(), second.resources.len()), (2 + 25 * 2, 2 * 2));
    assert_eq!(second.next_cursor, None);
}

#[tokio::test]
async fn the_tables_have_their_date() {
    let world = World::new().await;
    let voices = as_json(&read(&world, "minimax://voices").await);
    assert!(voices["voices"].as_array().unwrap().len() > 100 && voices["as_of"].is_string());
    let models = as_json(&read(&world, "minimax://models").await);
    assert!(models.to_string().contains("MiniMax-Hailuo-2.3"));
}

/// A client that records change notifications.
#[derive(Clone, Default)]
struct Ear(Arc<Mutex<Vec<String>>>);

impl ClientHandler for Ear {
    async fn on_resource_updated(
        &self,
        note: ResourceUpdatedNotificationParam,
        _: NotificationContext<RoleClient>,
    ) {
        self.0.lock().unwrap().push(note.uri);
    }
}

#[tokio::test]
#[expect(deprecated, reason = "older clients know nothing else")]
async fn a_subscriber_is_notified_of_a_job_s_changes_until_its_end() {
    let world = World::with(minimax_mcp::sandbox::Pace { polls: 20, ..quick() }, &[]).await;
    let (ours, theirs) = tokio::io::duplex(1 << 16);
    let server = world.server.clone();
    let serving = tokio_util::task::TaskTracker::new();
    serving.spawn(async move {
        if let Ok(running) = server.serve(ours).await {
            let _ = running.waiting().await;
        }
    });
    let ear = Ear::default();
    let client = ear.clone().serve(theirs).await.unwrap();
    let view = world.make("generate_video", json!({ "prompt": "x", "wait_seconds": 0 })).await;
    let uri = format!("minimax://jobs/{}", view["job_id"].as_str().unwrap());
    client.subscribe(SubscribeRequestParams::new(&uri)).await.unwrap();
    world.make("get_job", json!({ "job_id": view["job_id"], "wait_seconds": 60 })).await;
    eventually("a word of the change", async || ear.0.lock().unwrap().contains(&uri)).await;
    let refused = client.subscribe(SubscribeRequestParams::new("minimax://jobs/nobody")).await;
    assert!(refused.is_err());
}

#[tokio::test]
async fn prompts_name_tools_that_exist_and_take_their_arguments() {
    let world = World::new().await;
    let prompts = world.client.list_all_prompts().await.unwrap();
    assert_eq!(prompts.len(), 5);
    let tools: Vec<_> =
        world.client.list_all_tools().await.unwrap().into_iter().map(|tool| tool.name).collect();
    for prompt in prompts {
        let arguments = prompt.arguments.clone().unwrap_or_default();
        let given = arguments.iter().map(|argument| (argument.name.clone(), json!("zebra"))).collect();
        let request = GetPromptRequestParams::new(&prompt.name).with_arguments(given);
        let text = world.client.get_prompt(request).await.unwrap().messages[0]
            .content
            .as_text()
            .unwrap()
            .text
            .clone();
        assert_eq!(text.matches("zebra").count(), arguments.len(), "{text}");
        assert!(!text.contains('{'), "{text}");
        let named =
            text.split(|c: char| !(c.is_ascii_lowercase() || c == '_')).filter(|word| word.contains('_'));
        let parameters = [
            "dry_run",
            "first_frame_image",
            "is_instrumental",
            "job_ids",
            "sample_rate",
            "text_file",
            "voice_id",
            "wait_seconds",
        ];
        for word in named.filter(|word| !parameters.contains(word)) {
            assert!(tools.iter().any(|tool| tool == word), "{}: {word}", prompt.name);
        }
    }
    let unknown = world.client.get_prompt(GetPromptRequestParams::new("nothing")).await.unwrap_err();
    assert!(unknown.to_string().contains("narrate"));
}

#[tokio::test]
async fn what_was_typed_is_completed() {
    let world = World::new().await;
    let ask = async |about: Reference, name: &str, typed: &str| {
        let request = CompleteRequestParams::new(about, ArgumentInfo::new(name, typed));
        world.client.complete(request).await.unwrap().completion
    };
    let all = ask(Reference::for_prompt("narrate"), "voice_id", "").await;
    assert_eq!((all.values.len(), all.has_more), (100, Some(true)));
    let some = ask(Reference::for_prompt("narrate"), "voice_id", "english_").await;
    assert!(!some.values.is_empty() && some.values[0].starts_with("English_"), "{some:?}");
    let view = world.make("text_to_image", json!({ "prompt": "x" })).await;
    let jobs = ask(Reference::for_resource("minimax://jobs/{job_id}"), "job_id", "image-").await;
    assert_eq!(json!(jobs.values), json!([view["job_id"]]));
    assert!(ask(Reference::for_prompt("narrate"), "format", "x").await.values.is_empty());
}

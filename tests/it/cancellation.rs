//! Calls and jobs that are cancelled before MiniMax has accepted the order, and calls that do not wait.

use std::time::Duration;

use minimax_mcp::sandbox::{Act, Pace, Rule};
use rmcp::RoleClient;
use rmcp::model::{CallToolRequest, CallToolRequestParams, ClientRequest};
use rmcp::service::{PeerRequestOptions, RequestHandle};
use serde_json::{Value, json};

use crate::harness::{World, eventually, quick, text};
use crate::voice::recording;

/// Tasks stay queued, where MiniMax can cancel them.
const QUEUED: Pace = Pace { polls: 1000, seconds: 600.0, delay_ms: 0, link_seconds: None };

fn late(path: &str, ms: u64) -> Rule {
    Rule::once(path, Act::Delay { ms })
}

fn asked(world: &World, method: &str, path: &str) -> usize {
    let all = world.sandbox.requests();
    all.iter().filter(|request| request.method == method && request.path.starts_with(path)).count()
}

async fn begin(world: &World, tool: &'static str, arguments: Value) -> RequestHandle<RoleClient> {
    let arguments = arguments.as_object().cloned().unwrap();
    let call = CallToolRequest::new(CallToolRequestParams::new(tool).with_arguments(arguments));
    let request = ClientRequest::CallToolRequest(call);
    world.client.send_cancellable_request(request, PeerRequestOptions::no_options()).await.unwrap()
}

#[tokio::test]
async fn a_call_that_is_cancelled_while_its_input_is_uploaded_or_fetched_buys_nothing() {
    let world = World::new().await;
    let image = world.make("text_to_image", json!({ "prompt": "A fox" })).await["files"][0]["url"].clone();
    let story = world.out().join("story.txt");
    std::fs::write(&story, "A long story. ".repeat(20)).unwrap();
    let voice = recording(&world, "me.wav", 12);
    for (tool, arguments, input, method) in [
        (
            "voice_clone",
            json!({ "voice_id": "MyVoice001", "file": voice, "text": "Hello." }),
            "/v1/files/upload",
            "POST",
        ),
        ("text_to_audio", json!({ "text_file": story.display().to_string() }), "/v1/files/upload", "POST"),
        ("understand_image", json!({ "prompt": "What is it?", "image_url": image }), "/cdn/", "GET"),
    ] {
        let before = (world.bought(), asked(&world, method, input));
        world.sandbox.script(vec![late(input, 700)]);
        let call = begin(&world, tool, arguments).await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        call.cancel(None).await.unwrap();
        eventually("the input is here", async || asked(&world, method, input) > before.1).await;
        tokio::time::sleep(Duration::from_millis(1200)).await;
        assert_eq!(world.bought(), before.0, "{tool}");
    }
    let list = world.make("list_jobs", json!({})).await;
    assert_eq!(list["jobs"].as_array().unwrap().len(), 1, "{list}");
}

#[tokio::test]
async fn an_order_that_waits_in_its_queue_is_withdrawn_with_its_call() {
    let world = World::with(quick(), &[("MINIMAX_RATE_LIMITS", "true")]).await;
    for number in 0..3 {
        world.make("text_to_image", json!({ "prompt": format!("Fox {number}") })).await;
    }
    let call = begin(&world, "text_to_image", json!({ "prompt": "Badger", "wait_seconds": 60 })).await;
    let badger = async || world.make("list_jobs", json!({ "query": "badger" })).await["jobs"][0].clone();
    eventually("it waits", async || badger().await["status"] == "submitting").await;
    call.cancel(None).await.unwrap();
    eventually("it is cancelled", async || badger().await["status"] == "cancelled").await;
    let view = world.make("get_job", json!({ "job_id": badger().await["job_id"] })).await;
    assert!(view["next"].as_str().unwrap().contains("before anything was sent"), "{view}");
    assert!(view.get("cost").is_none(), "{view}");
    assert_eq!(world.bought(), 3);
}

#[tokio::test]
async fn cancelling_during_the_submit_is_carried_out_when_the_task_id_arrives() {
    for (model, path, at_minimax) in
        [("MiniMax-H3", "/v2/video_generation", true), ("MiniMax-Hailuo-2.3", "/v1/video_generation", false)]
    {
        let world = World::with(QUEUED, &[("MINIMAX_POLL_SECONDS", "30")]).await;
        world.sandbox.script(vec![late(path, 1200)]);
        let order = json!({ "prompt": "A fox", "model": model, "async_mode": true });
        let (bought, cancelled) = tokio::join!(world.call("generate_video", order), async {
            let first = async || world.make("list_jobs", json!({})).await["jobs"][0].clone();
            eventually("it is sent", async || asked(&world, "POST", path) > 0 || !first().await.is_null())
                .await;
            tokio::time::sleep(Duration::from_millis(300)).await;
            world.make("cancel_job", json!({ "job_id": first().await["job_id"] })).await
        });
        let bought = bought.structured_content.unwrap();
        assert_eq!(cancelled["job_id"], bought["job_id"]);
        // On a busy machine the task id comes after the answer.
        let view = async || world.make("get_job", json!({ "job_id": bought["job_id"] })).await;
        eventually("it is cancelled", async || view().await["status"] == "cancelled").await;
        let cancelled = view().await;
        assert!(cancelled["task_id"].is_string(), "{cancelled}");
        assert_eq!(asked(&world, "DELETE", path), usize::from(at_minimax), "{model}");
        let next = cancelled["next"].as_str().unwrap();
        let words = if at_minimax {
            "Cancelled at MiniMax"
        } else {
            "Stopped watching; MiniMax still finishes and bills it"
        };
        assert!(next.contains(words), "{next}");
        assert_eq!(world.bought(), 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_job_that_was_cancelled_is_not_running_for_the_next_call() {
    let world = World::with(QUEUED, &[("MINIMAX_POLL_SECONDS", "0.05")]).await;
    for (number, model) in ["MiniMax-H3", "MiniMax-Hailuo-2.3"].into_iter().cycle().take(60).enumerate() {
        let order = json!({ "prompt": format!("Fox {number}"), "model": model, "async_mode": true });
        let id = world.make("generate_video", order).await["job_id"].clone();
        let cancelled = world.make("cancel_job", json!({ "job_id": id })).await;
        assert_eq!(cancelled["status"], "cancelled", "{cancelled}");
        let view = world.make("get_job", json!({ "job_id": id, "wait_seconds": 0 })).await;
        assert_eq!(view["status"], "cancelled", "round {number}: {view}");
    }
}

#[tokio::test]
async fn another_process_can_cancel_during_the_submit_and_the_answer_says_that_it_is_recorded() {
    let world = World::with(QUEUED, &[("MINIMAX_POLL_SECONDS", "30")]).await;
    let other = world.neighbour().await;
    world.sandbox.script(vec![late("/v2/video_generation", 5000)]);
    let order = json!({ "prompt": "A fox", "model": "MiniMax-H3", "async_mode": true });
    let (bought, cancelled) = tokio::join!(world.call("generate_video", order), async {
        let first = async || other.make("list_jobs", json!({})).await["jobs"][0].clone();
        eventually("it is recorded", async || !first().await.is_null()).await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        other.make("cancel_job", json!({ "job_id": first().await["job_id"] })).await
    });
    assert_eq!(cancelled["status"], "submitting", "{cancelled}");
    assert!(cancelled["next"].as_str().unwrap().contains("is recorded"), "{cancelled}");
    let id = bought.structured_content.unwrap()["job_id"].clone();
    eventually("it is cancelled", async || {
        other.make("get_job", json!({ "job_id": id, "wait_seconds": 0 })).await["status"] == "cancelled"
    })
    .await;
    assert_eq!(asked(&world, "DELETE", "/v2/video_generation"), 1);
}

#[tokio::test]
async fn an_order_that_is_cancelled_and_then_throttled_is_not_sent_again() {
    let world = World::new().await;
    let other = world.neighbour().await;
    let path = "/v1/image_generation";
    // The sandbox delays every POST before it refuses this one.
    world.sandbox.set_pace(Pace { delay_ms: 1000, ..quick() });
    world
        .sandbox
        .script(vec![Rule::once(path, Act::Refuse { code: 1002, message: None, retry_after: None })]);
    let (bought, cancelled) =
        tokio::join!(world.call("text_to_image", json!({ "prompt": "A fox", "wait_seconds": 20 })), async {
            let first = async || other.make("list_jobs", json!({})).await["jobs"][0].clone();
            eventually("it is recorded", async || !first().await.is_null()).await;
            tokio::time::sleep(Duration::from_millis(200)).await;
            other.make("cancel_job", json!({ "job_id": first().await["job_id"] })).await
        });
    assert_eq!(cancelled["status"], "cancelled", "{cancelled}");
    assert_eq!(bought.structured_content.unwrap()["status"], "cancelled");
    assert_eq!((asked(&world, "POST", path), world.bought()), (1, 0));
}

#[tokio::test]
async fn a_call_that_does_not_wait_is_answered_when_the_order_is_taken_or_refused() {
    let world = World::new().await;
    let long = "A sentence of a long story. ".repeat(500);
    for (tool, path, arguments) in [
        ("generate_video", "/v1/video_generation", json!({ "prompt": "A fox", "wait_seconds": 0 })),
        (
            "generate_video",
            "/v2/video_generation",
            json!({ "prompt": "A fox", "model": "h3", "wait_seconds": 0 }),
        ),
        ("text_to_audio", "/v1/t2a_async_v2", json!({ "text": long, "wait_seconds": 0 })),
    ] {
        world.sandbox.script(vec![late(path, 800)]);
        let view = world.make(tool, arguments.clone()).await;
        assert!(view["task_id"].is_string(), "{tool}: {view}");
        let refuse = Act::Refuse { code: 1008, message: None, retry_after: None };
        world.sandbox.script(vec![Rule::once(path, refuse)]);
        let refusal = world.refusal(tool, arguments).await;
        assert!(refusal.contains("1008"), "{tool}: {refusal}");
    }
    // An image comes with the answer itself, which a call that does not wait does not wait for.
    world.sandbox.script(vec![late("/v1/image_generation", 1000)]);
    let image = json!({ "prompt": "A fox", "wait_seconds": 0 });
    let result = world.call("text_to_image", image).await;
    assert_eq!(result.structured_content.as_ref().unwrap()["status"], "submitting", "{}", text(&result));
}

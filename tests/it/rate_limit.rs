//! Client-side rate limits, tested with the real program and a sandbox that enforces them.

use std::path::Path;
use std::time::Duration;

use minimax_mcp::sandbox::{Act, Options, RateLimit, Rule, Sandbox};
use rmcp::model::CallToolRequestParams;
use serde_json::{Value, json};

use crate::harness::{Program, World, eventually, quick};

const IMAGES: &str = "/v1/image_generation";

/// The arguments of a small image, which the sandbox draws quickly.
fn small(prompt: &str, wait_seconds: u32) -> Value {
    json!({ "prompt": prompt, "width": 512, "height": 512, "wait_seconds": wait_seconds })
}

/// A sandbox limit of `count` images in `seconds`.
fn images(count: usize, seconds: f64) -> RateLimit {
    let path = IMAGES.to_owned();
    RateLimit { path, method: None, count: Some(count), seconds, in_flight: None, retry_after: None }
}

async fn sandbox(limits: Vec<RateLimit>) -> Sandbox {
    let sandbox = Sandbox::start(Options { pace: quick(), ..Options::default() }).await.unwrap();
    sandbox.set_limits(limits);
    sandbox
}

/// Starts the program with `limits` as an overlay, and enforces them.
fn program(url: &str, dir: &Path, limits: &Value) -> Program {
    let path = |name: &str| dir.join(name).display().to_string();
    std::fs::write(dir.join("facts.json"), json!({ "limits": limits }).to_string()).unwrap();
    let mut program = Program::start(
        &[],
        &[
            ("HOME", &path("home")),
            ("USERPROFILE", &path("home")),
            ("MINIMAX_API_HOST", url),
            ("MINIMAX_SANDBOX", "true"),
            ("MINIMAX_API_KEY", "sk-api-secret"),
            ("MINIMAX_MCP_BASE_PATH", &path("out")),
            ("MINIMAX_DATA_DIR", &path("data")),
            ("MINIMAX_POLL_SECONDS", "0.1"),
            ("MINIMAX_RATE_LIMITS", "true"),
            ("MINIMAX_FACTS_FILE", &path("facts.json")),
        ],
    );
    program.initialize("2025-06-18");
    program
}

/// Orders sixteen images, one call after the other, and waits for all of them.
async fn sixteen(url: String, limits: Value) -> (Vec<Value>, Vec<String>) {
    let dir = tempfile::tempdir().unwrap();
    tokio::task::spawn_blocking(move || {
        let mut program = program(&url, dir.path(), &limits);
        let mut told = Vec::new();
        let jobs: Vec<_> = (0..16)
            .map(|number| {
                let order = small(&format!("Fox {number}"), 0);
                let view = program.call("text_to_image", order);
                told.push(view["content"][0]["text"].as_str().unwrap().to_owned());
                view["structuredContent"]["job_id"].clone()
            })
            .collect();
        let ends = jobs.iter().map(|job| {
            program.call("get_job", json!({ "job_id": job, "wait_seconds": 60 }))["structuredContent"].clone()
        });
        (ends.collect(), told)
    })
    .await
    .unwrap()
}

fn refusals(sandbox: &Sandbox) -> usize {
    sandbox.requests().iter().filter(|request| matches!(request.code, Some(1002 | 1041))).count()
}

fn prompts(sandbox: &Sandbox) -> Vec<String> {
    sandbox.paid().iter().map(|request| request.body["prompt"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn sixteen_images_under_a_limit_of_ten_all_arrive_and_none_is_refused() {
    // The limit is ten in three seconds. The sandbox's window is slightly shorter than ours.
    let sandbox = sandbox(vec![images(10, 2.7)]).await;
    let limits = json!([{ "group": "image", "count": 10, "seconds": 3, "in_flight": 10 }]);
    let (ends, told) = sixteen(sandbox.url(), limits).await;
    assert!(ends.iter().all(|end| end["status"] == "succeeded"), "{ends:?}");
    assert_eq!((sandbox.paid().len(), refusals(&sandbox)), (16, 0));
    let last = told.last().unwrap();
    assert!(last.contains("in line") && last.contains("MiniMax allows 10 in 3 s"), "{last}");
    assert!(told.first().is_some_and(|first| !first.contains("in line")), "{told:?}");
    // Requests that are sent together may arrive in another order.
    let came = sandbox.requests().into_iter().filter(|request| request.path == IMAGES);
    for (place, request) in came.enumerate() {
        let number = request.body["prompt"].as_str().unwrap()[4..].parse::<usize>().unwrap();
        assert!(number.abs_diff(place) <= 2, "{} came as number {place}", request.body["prompt"]);
    }
    sandbox.stop().await;
}

#[tokio::test]
async fn a_limit_that_the_table_has_wrong_is_learned_with_few_refusals() {
    let sandbox = sandbox(vec![images(5, 1.5)]).await;
    let limits = json!([{ "group": "image", "count": 1000, "seconds": 1.5, "in_flight": 10 }]);
    let (ends, _) = sixteen(sandbox.url(), limits).await;
    assert!(ends.iter().all(|end| end["status"] == "succeeded"), "{ends:?}");
    let mut once = prompts(&sandbox);
    once.sort_unstable();
    once.dedup();
    assert_eq!((once.len(), sandbox.paid().len()), (16, 16), "each is paid once");
    let refused = refusals(&sandbox);
    assert!((1..=10).contains(&refused), "{refused} refusals");
    sandbox.stop().await;
}

#[tokio::test]
async fn a_refusal_for_too_many_at_once_lowers_the_number_in_flight() {
    let at_once = RateLimit { in_flight: Some(2), count: None, ..images(0, 60.0) };
    let sandbox = sandbox(vec![at_once]).await;
    sandbox.set_pace(minimax_mcp::sandbox::Pace { delay_ms: 100, ..quick() });
    let limits = json!([{ "group": "image", "in_flight": 8 }]);
    let (ends, _) = sixteen(sandbox.url(), limits).await;
    assert!(ends.iter().all(|end| end["status"] == "succeeded"), "{ends:?}");
    assert_eq!(sandbox.paid().len(), 16);
    let refused = refusals(&sandbox);
    assert!((1..=12).contains(&refused), "{refused} refusals");
    sandbox.stop().await;
}

/// A world with MiniMax's real limits: three images are sent at once, and the fourth waits for some seconds.
async fn strict() -> World {
    World::with(quick(), &[("MINIMAX_RATE_LIMITS", "true")]).await
}

/// Uses up the burst.
async fn a_handful(world: &World) {
    for number in 0..3 {
        world.make("text_to_image", small(&format!("Fox {number}"), 60)).await;
    }
}

async fn waiting(world: &World, prompt: &str) -> Value {
    world.make("text_to_image", small(prompt, 0)).await
}

#[tokio::test]
async fn a_job_that_waits_is_cancelled_without_being_bought() {
    let world = strict().await;
    a_handful(&world).await;
    let (first, second) = (waiting(&world, "Fourth").await, waiting(&world, "Fifth").await);
    assert_eq!(second["status"], "submitting", "{second}");
    let place = |view: &Value, place: &str| view["warnings"].to_string().contains(place);
    assert!(place(&first, "1st in line") && place(&second, "2nd in line"), "{first} {second}");
    assert!(place(&second, "MiniMax allows 10 a minute"), "{second}");
    let view = world.make("cancel_job", json!({ "job_id": first["job_id"] })).await;
    assert_eq!(view["status"], "cancelled", "{view}");
    assert!(view["next"].as_str().unwrap().contains("before anything was sent"), "{view}");
    eventually("the second is the first", async || {
        let view = world.make("get_job", json!({ "job_id": second["job_id"], "wait_seconds": 0 })).await;
        place(&view, "1st in line") || view["status"] == "succeeded"
    })
    .await;
    let end = world.make("get_job", json!({ "job_id": second["job_id"] })).await;
    assert_eq!(end["status"], "succeeded", "{end}");
    let again = world.make("get_job", json!({ "job_id": first["job_id"] })).await;
    assert_eq!((&again["status"], world.bought()), (&json!("cancelled"), 4));
    assert_eq!(world.server.jobs().api().rate_limiter().counts(), (0, 0), "nothing is left in the lines");
}

#[tokio::test]
async fn the_position_in_the_queue_is_reported_as_it_changes_and_another_group_is_not_delayed() {
    let world = strict().await;
    a_handful(&world).await;
    let fourth = waiting(&world, "Fourth").await;
    let params = small("Fifth", 60).as_object().cloned().unwrap();
    let fifth = world.client.call_tool(CallToolRequestParams::new("text_to_image").with_arguments(params));
    let other = async {
        eventually("the fifth is told", async || {
            world.messages().iter().any(|message| message.contains("2nd in line"))
        })
        .await;
        world
            .make("text_to_audio", json!({ "text": "Meanwhile", "voice_id": "English_Trustworthy_Man" }))
            .await;
        world.bought()
    };
    let cancel = async {
        let bought = other.await;
        world.make("cancel_job", json!({ "job_id": fourth["job_id"] })).await;
        bought
    };
    let (fifth, bought) = tokio::join!(fifth, cancel);
    assert_eq!(bought, 4, "three images and the speech, before the fourth image had its turn");
    assert_eq!(fifth.unwrap().structured_content.unwrap()["status"], "succeeded");
    let messages = world.messages();
    let first = |part: &str| messages.iter().position(|message| message.contains(part));
    let last = messages.iter().rposition(|message| message.contains("1st in line"));
    assert!(first("2nd in line").is_some() && first("2nd in line") < last, "{messages:?}");
    assert!(messages.iter().any(|message| message.starts_with("image: queued")), "{messages:?}");
}

#[tokio::test]
async fn a_pause_that_minimax_asks_for_holds_the_whole_group() {
    let world = World::new().await;
    let refuse = Act::Refuse { code: 1002, message: None, retry_after: Some(3) };
    world.sandbox.script(vec![Rule::once(IMAGES, refuse)]);
    let start = std::time::Instant::now();
    let first = waiting(&world, "First").await;
    eventually("the refusal", async || refusals(&world.sandbox) == 1).await;
    let second = world.make("text_to_image", json!({ "prompt": "Second" })).await;
    assert_eq!(second["status"], "succeeded");
    assert!(start.elapsed() >= Duration::from_secs(3));
    let end = world.make("get_job", json!({ "job_id": first["job_id"] })).await;
    assert_eq!((&end["status"], refusals(&world.sandbox)), (&json!("succeeded"), 1));
    let sent = world.sandbox.requests().into_iter().filter(|request| request.path == IMAGES);
    let sent: Vec<_> = sent.map(|request| request.body["prompt"].as_str().unwrap().to_owned()).collect();
    assert_eq!(sent, ["First", "First", "Second"], "the refused one goes before the newcomer");
}

#[tokio::test]
async fn a_job_whose_server_dies_while_it_waits_is_known_not_to_be_bought() {
    let dir = tempfile::tempdir().unwrap();
    let sandbox = sandbox(Vec::new()).await;
    let (url, path) = (sandbox.url(), dir.path().to_owned());
    let (view, again) = tokio::task::spawn_blocking(move || {
        let limits = json!([{ "group": "image", "count": 1, "seconds": 3600 }]);
        let mut first = program(&url, &path, &limits);
        first.call("text_to_image", json!({ "prompt": "First" }));
        let order = json!({ "prompt": "Second", "wait_seconds": 0, "idempotency_key": "k" });
        let waits = first.call("text_to_image", order);
        assert_eq!(waits["structuredContent"]["status"], "submitting", "{waits}");
        first.kill();
        let mut second = program(&url, &path, &json!([]));
        let job = waits["structuredContent"]["job_id"].clone();
        let view = second.call("get_job", json!({ "job_id": job, "wait_seconds": 60 }));
        let order = json!({ "prompt": "Second", "idempotency_key": "k" });
        (view["structuredContent"].clone(), second.call("text_to_image", order)["structuredContent"].clone())
    })
    .await
    .unwrap();
    assert_eq!(view["status"], "failed", "{view}");
    assert!(view["error"]["message"].as_str().unwrap().contains("nothing was bought"), "{view}");
    assert!(view["next"].as_str().unwrap().contains("again with the same arguments"), "{view}");
    assert_eq!((&again["status"], sandbox.paid().len()), (&json!("succeeded"), 2), "{again}");
    sandbox.stop().await;
}

#[tokio::test]
async fn a_call_without_a_job_waits_in_line_too_and_says_which_limit_is_too_long() {
    let dir = tempfile::tempdir().unwrap();
    let sandbox = sandbox(Vec::new()).await;
    let (url, path) = (sandbox.url(), dir.path().to_owned());
    let refusal = tokio::task::spawn_blocking(move || {
        let limits = json!([{ "group": "other requests", "count": 1, "seconds": 3600 }]);
        let mut program = program(&url, &path, &limits);
        let order = json!({ "prompt": "A song about a fox" });
        let first = program.call("generate_lyrics", order.clone());
        assert_ne!(first["isError"], true, "{first}");
        program.call("generate_lyrics", order)
    })
    .await
    .unwrap();
    let text = refusal["content"][0]["text"].as_str().unwrap().to_owned();
    for part in ["MiniMax allows 1 in 3600 s", "Nothing was bought", "Call again in about"] {
        assert!(text.contains(part), "{text}");
    }
    assert_eq!(sandbox.paid().len(), 1);
    sandbox.stop().await;
}

/// After many short jobs of each kind, the server keeps them only on disk.
#[tokio::test]
async fn ended_jobs_leave_nothing_in_memory() {
    let world = World::new().await;
    for round in 0..8 {
        let image =
            json!({ "prompt": format!("Fox {round}"), "wait_seconds": if round % 2 == 0 { 0 } else { 60 } });
        let video = json!({ "prompt": format!("Fox {round}"), "wait_seconds": 0 });
        let failing = json!({ "prompt": "A fox #failtask", "wait_seconds": 0, "model": "h3" });
        let (_, first, _) = tokio::join!(
            world.make("text_to_image", image),
            world.make("generate_video", video),
            world.make("generate_video", failing)
        );
        if round % 3 == 0 {
            world.call("cancel_job", json!({ "job_id": first["job_id"] })).await;
        }
    }
    let jobs = world.server.jobs();
    // One task adopts the jobs of dead processes. With PostgreSQL, another takes permits for the limits that servers share.
    let tasks = if crate::postgres::chosen(world.dir.path()).is_some() { 2 } else { 1 };
    eventually("nothing is followed any more", async || jobs.active_counts() == (0, tasks)).await;
    assert_eq!(jobs.api().rate_limiter().counts(), (0, 0));
}

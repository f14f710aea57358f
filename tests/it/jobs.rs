//! Jobs that outlive calls, servers and links.

use std::time::Duration;

use minimax_mcp::sandbox::{Act, Options, Pace, Rule, Sandbox};
use rmcp::model::CallToolRequestParams;
use serde_json::{Value, json};

use crate::harness::{Program, World, eventually, quick};
use crate::s3;

/// A pace at which a video takes about a second.
fn slow() -> Pace {
    Pace { polls: 3, seconds: 1.0, ..quick() }
}

#[tokio::test]
async fn a_call_whose_wait_ends_is_not_an_error_and_get_job_continues() {
    let world = World::with(slow(), &[]).await;
    let first = world.make("generate_video", json!({ "prompt": "A fox", "async_mode": true })).await;
    assert!(["submitting", "running"].contains(&first["status"].as_str().unwrap()), "{first}");
    assert!(first["next"].as_str().unwrap().contains("get_job"));
    let end = world.make("get_job", json!({ "job_id": first["job_id"] })).await;
    assert_eq!(end["status"], "succeeded");
    assert_eq!(world.bought(), 1);
}

/// Works like the official server: submit, keep the id, ask later.
#[tokio::test]
async fn async_mode_answers_with_the_id_of_the_task_however_long_the_submit_takes() {
    let world = World::new().await;
    let late = |path: &str| Rule::once(path, Act::Delay { ms: 300 });
    world.sandbox.script(vec![late("/v1/video_generation"), late("/v1/image_generation")]);
    let video = json!({ "prompt": "A fox", "async_mode": true });
    let video = world.make("generate_video", video).await;
    let end = world.make("query_video_generation", json!({ "task_id": video["task_id"] })).await;
    assert_eq!(end["job_id"], video["job_id"]);
    // A call that makes no task has no task id to wait for.
    let image = world.make("text_to_image", json!({ "prompt": "A fox", "async_mode": true })).await;
    assert_eq!(image["status"], "submitting");
}

#[tokio::test]
async fn a_job_that_outlives_its_server_is_not_lost() {
    let world = World::with(slow(), &[]).await;
    let first = world.make("generate_video", json!({ "prompt": "A fox", "wait_seconds": 0 })).await;
    eventually("the submit", async || world.bought() == 1).await;
    let world = world.restarted().await;
    let end = world.make("get_job", json!({ "job_id": first["job_id"] })).await;
    assert_eq!(end["status"], "succeeded");
    assert_eq!(world.bought(), 1, "paid for once");
}

/// Tests the promise with the real program and SIGKILL.
#[tokio::test]
async fn a_killed_server_leaves_a_job_that_the_next_one_delivers() {
    let dir = tempfile::tempdir().unwrap();
    let sandbox = Sandbox::start(Options { pace: quick(), ..Options::default() }).await.unwrap();
    let (url, path) = (sandbox.url(), dir.path().to_owned());
    // The task is not done before the program is killed, however long that takes.
    let working = json!({ "status": "Processing", "base_resp": { "status_code": 0 } }).to_string();
    sandbox.script(vec![Rule::always("/v1/query/video_generation", Act::Raw { body: working })]);
    let job = tokio::task::spawn_blocking(move || {
        let mut program = Program::at(&url, &path);
        program.initialize("2025-06-18");
        let first = program.call("generate_video", json!({ "prompt": "A fox", "wait_seconds": 0 }));
        let job = first["structuredContent"]["job_id"].clone();
        crate::crash::until("it runs", || {
            let view = program.call("get_job", json!({ "job_id": job, "wait_seconds": 0 }));
            view["structuredContent"]["status"] == "running"
        });
        program.kill();
        job
    });
    let job = job.await.unwrap();
    sandbox.script(Vec::new());
    let (url, path) = (sandbox.url(), dir.path().to_owned());
    let end = tokio::task::spawn_blocking(move || {
        let mut program = Program::at(&url, &path);
        program.initialize("2025-06-18");
        program.call("get_job", json!({ "job_id": job, "wait_seconds": 200 }))
    });
    let end = end.await.unwrap();
    assert_eq!(end["structuredContent"]["status"], "succeeded", "{end}");
    assert!(s3::place(&end["structuredContent"]["files"][0]["path"]).is_file());
    assert_eq!(sandbox.paid().len(), 1, "the sandbox saw one submit");
    sandbox.stop().await;
}

/// The same with the sandbox inside the program that is killed.
#[tokio::test]
async fn a_killed_server_with_its_sandbox_inside_leaves_a_job_that_the_next_one_delivers() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().to_owned();
    let end = tokio::task::spawn_blocking(move || {
        let text = |name: &str| path.join(name).display().to_string();
        let start = || {
            let environment = [
                ("HOME", text("home")),
                ("USERPROFILE", text("home")),
                ("MINIMAX_MCP_BASE_PATH", text("out")),
                ("MINIMAX_DATA_DIR", text("data")),
            ];
            let environment: Vec<_> =
                environment.iter().map(|(name, value)| (*name, value.as_str())).collect();
            Program::start(&["--sandbox"], &environment)
        };
        let mut program = start();
        program.initialize("2025-11-25");
        let first = program.call("generate_video", json!({ "prompt": "A fox", "async_mode": true }));
        program.kill();
        let mut program = start();
        program.initialize("2025-11-25");
        let job = first["structuredContent"]["job_id"].clone();
        program.call("get_job", json!({ "job_id": job, "wait_seconds": 200 }))
    })
    .await
    .unwrap();
    assert_eq!(end["structuredContent"]["status"], "succeeded", "{end}");
}

#[tokio::test]
async fn two_servers_on_one_folder_answer_for_each_others_jobs() {
    let world = World::with(slow(), &[]).await;
    let other = world.neighbour().await;
    let first = world.make("generate_video", json!({ "prompt": "A fox", "wait_seconds": 0 })).await;
    let job = json!({ "job_id": first["job_id"] });
    let (here, there) =
        futures_util::future::join(world.make("get_job", job.clone()), other.make("get_job", job.clone()))
            .await;
    assert_eq!((&here["status"], &there["status"]), (&json!("succeeded"), &json!("succeeded")));
    assert_eq!(s3::without_links(&here), s3::without_links(&there), "delivered once");
    assert_eq!(world.bought(), 1);
    assert_eq!(s3::results(&world.out()).len(), 1);
}

#[tokio::test]
async fn a_server_that_ends_in_good_order_hands_its_jobs_over_at_once() {
    let world = World::with(slow(), &[]).await;
    let other = world.neighbour().await;
    let first = world.make("generate_video", json!({ "prompt": "A fox", "wait_seconds": 0 })).await;
    eventually("the submit", async || world.bought() == 1).await;
    world.server.jobs().shut_down(Duration::from_secs(5)).await;
    let end = other.make("get_job", json!({ "job_id": first["job_id"] })).await;
    assert_eq!(end["status"], "succeeded");
}

#[tokio::test]
async fn a_cancelled_call_ends_the_waiting_and_not_the_job() {
    let world = World::with(slow(), &[]).await;
    let arguments = json!({ "prompt": "A fox", "wait_seconds": 60 }).as_object().cloned().unwrap();
    let request = rmcp::model::ClientRequest::CallToolRequest(rmcp::model::CallToolRequest::new(
        CallToolRequestParams::new("generate_video").with_arguments(arguments),
    ));
    let options = rmcp::service::PeerRequestOptions::default();
    let handle = world.client.send_cancellable_request(request, options).await.unwrap();
    eventually("the submit", async || world.bought() == 1).await;
    handle.cancel(Some("enough".into())).await.unwrap();
    let list = world.make("list_jobs", json!({ "query": "FOX" })).await;
    let job = list["jobs"][0]["job_id"].clone();
    let end = world.make("get_job", json!({ "job_id": job })).await;
    assert_eq!((&end["status"], world.bought()), (&json!("succeeded"), 1));
}

#[tokio::test]
async fn progress_comes_at_once_grows_and_says_what_happens() {
    let world = World::with(slow(), &[]).await;
    world.make("generate_video", json!({ "prompt": "A fox" })).await;
    let notes = world.listener.notes.lock().unwrap().clone();
    assert!(notes.len() >= 3, "{notes:?}");
    assert!(notes.windows(2).all(|pair| pair[0].progress <= pair[1].progress));
    let messages = world.messages().join("\n");
    for word in ["waiting for MiniMax", "processing", "downloading"] {
        assert!(messages.contains(word), "{messages}");
    }
}

#[tokio::test]
async fn jobs_are_listed_by_page_state_kind_and_words() {
    let world = World::new().await;
    for n in 0..5 {
        world
            .make(
                "text_to_image",
                json!({ "prompt": format!("Fox number {n}"), "width": 512, "height": 512 }),
            )
            .await;
    }
    world.make("text_to_audio", json!({ "text": "Füchse bellen" })).await;
    let count = |list: &Value| list["jobs"].as_array().unwrap().len();
    let mut seen = Vec::new();
    let mut arguments = json!({ "limit": 2 });
    loop {
        let page = world.make("list_jobs", arguments).await;
        seen.extend(page["jobs"].as_array().unwrap().iter().map(|job| job["job_id"].to_string()));
        match page.get("next_cursor") {
            Some(cursor) => arguments = json!({ "limit": 2, "cursor": cursor }),
            None => break,
        }
    }
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 6);
    assert_eq!(count(&world.make("list_jobs", json!({ "kind": "speech" })).await), 1);
    assert_eq!(count(&world.make("list_jobs", json!({ "query": "füchse" })).await), 1);
    assert_eq!(count(&world.make("list_jobs", json!({ "query": "number 3" })).await), 1);
    assert_eq!(count(&world.make("list_jobs", json!({ "status": "failed" })).await), 0);
    assert_eq!(count(&world.make("list_jobs", json!({ "query": "100%" })).await), 0);
    let refusal = world.refusal("list_jobs", json!({ "cursor": "nonsense" })).await;
    assert!(refusal.contains("`cursor`"), "{refusal}");
    let refusal = world.refusal("get_job", json!({ "job_id": "video-nonsense" })).await;
    assert!(refusal.contains("list_jobs"), "{refusal}");
}

#[tokio::test]
async fn cancelling_says_whether_minimax_stopped_too() {
    let world = World::with(Pace { polls: 1000, seconds: 600.0, ..quick() }, &[]).await;
    let hailuo = world.make("generate_video", json!({ "prompt": "A fox", "async_mode": true })).await;
    // This is between two polls.
    world.make("get_job", json!({ "job_id": hailuo["job_id"], "wait_seconds": 1 })).await;
    let end = world.make("cancel_job", json!({ "job_id": hailuo["job_id"] })).await;
    assert_eq!(end["status"], "cancelled");
    assert!(end["next"].as_str().unwrap().contains("still finishes and bills it"), "{end}");
    let again = world.make("cancel_job", json!({ "job_id": hailuo["job_id"] })).await;
    assert!(again["next"].as_str().unwrap().contains("cancelled before"), "{again}");
    // It is not polled any more.
    let looks = || world.sandbox.requests().iter().filter(|request| request.path.contains("query")).count();
    let before = looks();
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert_eq!(looks(), before);
    // It can be adopted again.
    let again = world.make("query_video_generation", json!({ "task_id": hailuo["task_id"] })).await;
    assert_eq!(again["status"], "running", "{again}");
}

#[tokio::test]
async fn a_queued_h3_video_is_cancelled_at_minimax_too() {
    // Each poll advances the task, so let the server poll rarely.
    let pace = Pace { polls: 1000, seconds: 600.0, ..quick() };
    let world = World::with(pace, &[("MINIMAX_POLL_SECONDS", "30")]).await;
    let h3 =
        world.make("generate_video", json!({ "prompt": "A fox", "model": "h3", "async_mode": true })).await;
    let end = world.make("cancel_job", json!({ "job_id": h3["job_id"] })).await;
    assert_eq!(end["status"], "cancelled");
    let deletes = world.sandbox.requests().into_iter().filter(|request| request.method == "DELETE").count();
    assert_eq!(deletes, 1);
    assert!(end["next"].is_string());
}

#[tokio::test]
async fn a_link_that_ended_before_the_file_was_here_is_renewed() {
    let world = World::new().await;
    let act =
        Act::Status { status: 403, body: "<Error/>".into(), content_type: None, headers: Default::default() };
    world.sandbox.script(vec![Rule::once("/cdn/", act)]);
    let view = world.make("generate_video", json!({ "prompt": "A fox" })).await;
    assert_eq!(view["status"], "succeeded");
    assert!(view["files"][0]["path"].is_string(), "{view}");
    let asked =
        world.sandbox.requests().into_iter().filter(|request| request.path.starts_with("/v1/files/retrieve"));
    assert_eq!(asked.count(), 2, "a second link was asked for");
}

#[tokio::test]
async fn get_job_renews_an_expired_link_and_fetches_unsaved_files() {
    let world = World::with(quick(), &[("MINIMAX_RESOURCE_MODE", "url")]).await;
    let view = world.make("generate_video", json!({ "prompt": "A fox" })).await;
    let retrieved = || {
        let requests = world.sandbox.requests();
        requests.iter().filter(|request| request.path.starts_with("/v1/files/retrieve")).count()
    };
    assert_eq!(retrieved(), 1);
    world.make("get_job", json!({ "job_id": view["job_id"] })).await;
    assert_eq!(retrieved(), 1, "the link is still good");
    let mut pace = quick();
    pace.link_seconds = Some(1);
    world.sandbox.set_pace(pace);
    let short = world.make("generate_video", json!({ "prompt": "A dog" })).await;
    let before = retrieved();
    let fresh = world.make("get_job", json!({ "job_id": short["job_id"] })).await;
    assert!(retrieved() > before, "a fresh link was asked for");
    assert_eq!(fresh["status"], "succeeded");
}

#[tokio::test]
async fn a_file_that_could_not_be_saved_is_fetched_by_get_job() {
    let world = World::new().await;
    let act =
        Act::Status { status: 404, body: String::new(), content_type: None, headers: Default::default() };
    let rule = Rule { path: "/cdn/".into(), method: None, key: None, times: Some(2), skip: 0, act };
    world.sandbox.script(vec![rule]);
    let first = world.make("text_to_image", json!({ "prompt": "A fox", "wait_seconds": 120 })).await;
    assert_eq!(first["status"], "partial");
    assert!(first["files"][0].get("path").is_none());
    assert!(first["warnings"].to_string().contains("not saved"), "{first}");
    let second = world.make("get_job", json!({ "job_id": first["job_id"] })).await;
    assert!(second["files"][0]["path"].is_string(), "{second}");
    assert_eq!((&second["status"], world.bought()), (&json!("succeeded"), 1));
}

#[tokio::test]
async fn a_finished_h3_video_is_fetched_and_not_deleted_when_it_is_to_be_cancelled() {
    let world = World::with(quick(), &[("MINIMAX_POLL_SECONDS", "30")]).await;
    let first =
        world.make("generate_video", json!({ "prompt": "A fox", "model": "h3", "async_mode": true })).await;
    assert_eq!(first["status"], "running");
    // Two polls finish the task at the sandbox; the server itself polls every half minute.
    let task = first["task_id"].as_str().unwrap();
    let url = format!("{}/v2/query/video_generation/{task}", world.sandbox.url());
    for _ in 0..3 {
        crate::harness::http_client().get(&url).bearer_auth("x").send().await.unwrap();
    }
    let cancelled = world.make("cancel_job", json!({ "job_id": first["job_id"] })).await;
    assert!(cancelled["next"].as_str().unwrap().contains("has finished it"), "{cancelled}");
    let end = world.make("get_job", json!({ "job_id": first["job_id"] })).await;
    assert_eq!(end["status"], "succeeded");
    assert!(!world.sandbox.requests().iter().any(|request| request.method == "DELETE"));
}

#[tokio::test]
async fn a_removed_file_or_folder_is_created_again() {
    if crate::s3::leaves_out("the folder for results") {
        return;
    }
    let world = World::new().await;
    let made = world.make("generate_video", json!({ "prompt": "A fox", "output_directory": "foxes" })).await;
    std::fs::remove_dir_all(world.out().join("foxes")).unwrap();
    let again = world.make("get_job", json!({ "job_id": made["job_id"] })).await;
    assert_eq!(again["files"][0]["sha256"], made["files"][0]["sha256"]);
    assert!(std::path::Path::new(again["files"][0]["path"].as_str().unwrap()).is_file());
}

#[cfg(unix)]
#[tokio::test]
async fn a_folder_that_has_become_a_link_to_elsewhere_is_not_followed() {
    if crate::s3::leaves_out("the folder for results") {
        return;
    }
    let world = World::with(slow(), &[]).await;
    let order = json!({ "prompt": "A fox", "output_directory": "sub", "wait_seconds": 0 });
    let first = world.make("generate_video", order).await;
    let elsewhere = tempfile::tempdir().unwrap();
    std::fs::remove_dir(world.out().join("sub")).unwrap();
    std::os::unix::fs::symlink(elsewhere.path(), world.out().join("sub")).unwrap();
    let end = world.make("get_job", json!({ "job_id": first["job_id"] })).await;
    assert!(end["warnings"].to_string().contains("link to another folder"), "{end}");
    assert_eq!(std::fs::read_dir(elsewhere.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn a_key_whose_order_was_refused_is_free_for_another_try() {
    let world = World::new().await;
    let refuse = Act::Refuse { code: 1008, message: None, retry_after: None };
    world.sandbox.script(vec![Rule::once("/v1/image_generation", refuse)]);
    let order = json!({ "prompt": "A fox", "idempotency_key": "k" });
    world.refusal("text_to_image", order.clone()).await;
    let view = world.make("text_to_image", order).await;
    assert_eq!((&view["status"], world.bought()), (&json!("succeeded"), 1));
}

#[tokio::test]
async fn a_server_with_another_key_does_not_work_on_the_jobs_of_the_first() {
    let world = World::with(slow(), &[]).await;
    let first = world.make("generate_video", json!({ "prompt": "A fox", "wait_seconds": 0 })).await;
    eventually("the submit", async || world.bought() == 1).await;
    world.server.jobs().shut_down(Duration::from_secs(5)).await;
    let other = world.neighbour_with(&[("MINIMAX_API_KEY", "another-key")]).await;
    let view = other.make("get_job", json!({ "job_id": first["job_id"], "wait_seconds": 1 })).await;
    assert_eq!(view["status"], "running");
    assert!(view["next"].as_str().unwrap().contains("MINIMAX_API_KEY or MINIMAX_PLAN_KEY"), "{view}");
    let end = world.restarted().await.make("get_job", json!({ "job_id": first["job_id"] })).await;
    assert_eq!(end["status"], "succeeded");
}

#[tokio::test]
async fn a_cancelled_job_stays_cancelled_even_if_a_poll_sees_it_run() {
    // The tasks do not end by themselves, however long the calls take.
    let world = World::with(Pace { polls: 1_000_000, ..quick() }, &[]).await;
    let one = async |number: u64| {
        let order = json!({ "prompt": format!("Waves {number}"), "async_mode": true });
        let view = world.make("generate_video", order).await;
        // A random moment between two polls, which are 0.05 s apart.
        tokio::time::sleep(Duration::from_millis(7 * number)).await;
        let id = json!({ "job_id": view["job_id"] });
        world.make("cancel_job", id.clone()).await;
        // If the order is still on its way, it is cancelled a moment later.
        let until_over = json!({ "job_id": view["job_id"], "wait_seconds": 200 });
        assert_eq!(world.make("get_job", until_over).await["status"], "cancelled", "{number}");
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert_eq!(world.make("get_job", id).await["status"], "cancelled", "{number}");
    };
    futures_util::future::join_all((0..16).map(one)).await;
}

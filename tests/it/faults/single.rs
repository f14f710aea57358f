//! Single faults in detail: what is retried, what is not, and what the caller is told.

use minimax_mcp::sandbox::{Act, Options, Rule, Sandbox};
use serde_json::json;

use crate::harness::{Program, World, quick, text};

fn refuse(code: i64) -> Act {
    Act::Refuse { code, message: None, retry_after: None }
}

#[tokio::test]
async fn without_a_key_the_tools_are_listed_and_a_call_says_what_to_set() {
    let world = World::with(quick(), &[("MINIMAX_API_KEY", "")]).await;
    let count = crate::harness::offered();
    assert_eq!(world.client.list_all_tools().await.unwrap().len(), count);
    let refusal = world.refusal("text_to_image", json!({ "prompt": "A fox" })).await;
    for part in ["MINIMAX_API_KEY", "platform.minimax.io", "platform.minimax.cn"] {
        assert!(refusal.contains(part), "{refusal}");
    }
    let priced = world.make("text_to_image", json!({ "prompt": "A fox", "dry_run": true })).await;
    assert_eq!(priced["cost"]["estimated"], 0.0035);
    assert_eq!(world.sandbox.requests().len(), 0);
}

#[tokio::test]
async fn a_setting_that_cannot_be_used_is_named_by_each_call() {
    let world = World::with(quick(), &[("MINIMAX_API_HOST", "http://api.minimax.io")]).await;
    let refusal = world.refusal("text_to_image", json!({ "prompt": "A fox" })).await;
    assert!(refusal.contains("MINIMAX_API_HOST") && refusal.contains("https"), "{refusal}");
}

#[tokio::test]
async fn a_wrong_key_is_explained_with_its_region_and_not_tried_again() {
    let world = World::new().await;
    for code in [1004, 2049] {
        world.sandbox.script(vec![Rule::always("/v1/image_generation", refuse(code))]);
        let before = world.sandbox.requests().len();
        let result = world.call("text_to_image", json!({ "prompt": "A fox" })).await;
        let refusal = text(&result);
        for part in [&code.to_string(), "MINIMAX_API_KEY", "MINIMAX_REGION"] {
            assert!(refusal.contains(part), "{refusal}");
        }
        assert_eq!(result.structured_content.unwrap()["error"]["kind"], "settings");
        assert_eq!(world.sandbox.requests().len(), before + 1);
    }
}

#[tokio::test]
async fn refused_content_and_an_empty_balance_are_distinguished() {
    let world = World::new().await;
    let refusal = world.refusal("text_to_image", json!({ "prompt": "A fox #sensitive" })).await;
    assert!(refusal.contains("1026") && refusal.contains("Rephrase"), "{refusal}");
    world.sandbox.script(vec![Rule::once("/v2/video_generation", refuse(1008))]);
    let refusal = world.refusal("generate_video", json!({ "prompt": "A fox", "model": "h3" })).await;
    assert!(refusal.contains("1008") && refusal.contains("Top up"), "{refusal}");
    assert_eq!(world.bought(), 0);
}

#[tokio::test]
async fn a_throttled_request_is_retried_because_it_was_not_accepted() {
    let world = World::new().await;
    let slow_down = Rule { times: Some(2), ..Rule::once("/v1/image_generation", refuse(1002)) };
    world.sandbox.script(vec![slow_down]);
    let view = world.make("text_to_image", json!({ "prompt": "A fox", "wait_seconds": 100 })).await;
    assert_eq!((&view["status"], world.bought()), (&json!("succeeded"), 1));
    assert_eq!(
        world.sandbox.requests().iter().filter(|request| request.path == "/v1/image_generation").count(),
        3
    );
    assert!(
        world.messages().iter().any(|message| message.contains("waiting to send again")),
        "{:?}",
        world.messages()
    );
}

#[tokio::test]
async fn a_lost_answer_after_the_request_was_sent_is_unknown_and_never_bought_again() {
    for act in [
        Act::ResetAfter,
        Act::ResetBefore,
        refuse(1000),
        refuse(1013),
        Act::Truncate { bytes: 10 },
        Act::Raw { body: "<html>proxy</html>".into() },
        Act::Status {
            status: 502,
            body: "<html>bad gateway</html>".into(),
            content_type: None,
            headers: Default::default(),
        },
    ] {
        let world = World::new().await;
        world.sandbox.script(vec![Rule::always("/v1/image_generation", act.clone())]);
        let result = world.call("text_to_image", json!({ "prompt": "A fox" })).await;
        let view = result.structured_content.unwrap();
        assert_eq!((result.is_error, &view["status"]), (Some(true), &json!("unknown")), "{act:?}: {view}");
        assert!(view["next"].as_str().unwrap().contains("billing page"), "{view}");
        let said = view["error"]["message"].as_str().unwrap();
        assert!(!said.contains('<'), "{said}");
        assert_eq!(
            format!("{act:?}").contains("<html>"),
            said.contains("an HTML page, \""),
            "{act:?}: {said}"
        );
        let sent =
            world.sandbox.requests().iter().filter(|request| request.path == "/v1/image_generation").count();
        assert_eq!(sent, 1, "{act:?}");
    }
}

/// The request does not follow: the key would go along. With 307 and 308 the host says that it has done nothing.
#[tokio::test]
async fn a_redirect_is_not_followed_and_the_error_names_its_address() {
    for (status, ends) in [(301, "unknown"), (302, "unknown"), (307, "failed"), (308, "failed")] {
        let world = World::new().await;
        let to = "https://gateway.example.com/v1/image_generation";
        let act = Act::Status {
            status,
            body: String::new(),
            content_type: None,
            headers: [("location".to_owned(), to.to_owned())].into_iter().collect(),
        };
        world.sandbox.script(vec![Rule::always("/v1/image_generation", act)]);
        let result = world.call("text_to_image", json!({ "prompt": "A fox" })).await;
        let view = result.structured_content.unwrap();
        assert_eq!(view["status"], ends, "{view}");
        assert!(view["error"]["message"].as_str().unwrap().contains(to), "{view}");
        if ends == "failed" {
            assert_eq!(view["error"]["kind"], "settings", "{view}");
            assert!(view["next"].as_str().unwrap().contains("MINIMAX_API_HOST"), "{view}");
        }
        let sent = world.sandbox.requests();
        assert_eq!(sent.iter().filter(|request| request.path == "/v1/image_generation").count(), 1);
    }
}

#[tokio::test]
async fn a_task_that_fails_at_minimax_says_why() {
    let world = World::new().await;
    for model in ["MiniMax-Hailuo-2.3", "MiniMax-H3"] {
        let arguments = json!({ "prompt": "A fox #failtask", "model": model });
        let result = world.call("generate_video", arguments).await;
        let view = result.structured_content.unwrap();
        assert_eq!((result.is_error, &view["status"]), (Some(true), &json!("failed")), "{model}: {view}");
        assert_eq!(view["error"]["code"], 1027, "{view}");
        assert!(view["task_id"].is_string());
    }
}

#[tokio::test]
async fn failed_polls_do_not_end_a_job() {
    let world = World::new().await;
    let act =
        Act::Status { status: 503, body: String::new(), content_type: None, headers: Default::default() };
    world.sandbox.script(vec![
        Rule { times: Some(2), ..Rule::once("/v1/query/video_generation", act) },
        Rule { times: Some(1), ..Rule::once("/v1/query/video_generation", Act::ResetBefore) },
        Rule { times: Some(1), ..Rule::once("/v1/query/video_generation", Act::Raw { body: "{}".into() }) },
    ]);
    let view = world.make("generate_video", json!({ "prompt": "A fox" })).await;
    assert_eq!(view["status"], "succeeded");
}

#[tokio::test]
async fn a_broken_download_is_repeated_and_leaves_no_partial_result() {
    let world = World::new().await;
    world.sandbox.script(vec![
        Rule::once("/cdn/", Act::Truncate { bytes: 1000 }),
        Rule::once("/cdn/", Act::ResetBefore),
    ]);
    let view = world.make("generate_video", json!({ "prompt": "A fox" })).await;
    assert!(view["files"][0]["path"].is_string(), "{view}");
    let names: Vec<_> = crate::s3::results(&world.out());
    assert_eq!(names.len(), 1, "{names:?}");
}

#[tokio::test]
async fn an_unwritable_folder_is_found_before_anything_is_paid() {
    if crate::s3::leaves_out("the folder for results") {
        return;
    }
    let world = World::new().await;
    std::fs::write(world.out(), "a file where the folder should be").unwrap();
    let refusal = world.refusal("text_to_image", json!({ "prompt": "A fox" })).await;
    assert!(refusal.contains("MINIMAX_MCP_BASE_PATH"), "{refusal}");
    std::fs::remove_file(world.out()).unwrap();
    std::fs::create_dir_all(world.out()).unwrap();
    std::fs::write(world.out().join("file"), "").unwrap();
    let arguments = json!({ "prompt": "A fox", "output_directory": "file" });
    let refusal = world.refusal("text_to_image", arguments).await;
    assert!(refusal.contains("`output_directory`"), "{refusal}");
    assert_eq!(world.sandbox.requests().len(), 0);
}

#[tokio::test]
async fn records_that_cannot_be_kept_are_found_before_anything_is_paid() {
    let world = World::new().await;
    std::fs::create_dir_all(world.dir.path().join("data")).unwrap();
    std::fs::write(world.dir.path().join("data/minimax-mcp"), "a file where the folder should be").unwrap();
    let refusal = world.refusal("text_to_image", json!({ "prompt": "A fox" })).await;
    assert!(refusal.contains("MINIMAX_DATA_DIR"), "{refusal}");
    assert_eq!(world.sandbox.requests().len(), 0);
}

/// The server's settings and MiniMax's echoes have the key; nothing that the server outputs has it.
#[tokio::test]
async fn the_key_is_in_no_answer_no_record_and_no_request_but_to_the_api() {
    let key = "sk-api-secret";
    let world = World::new().await;
    let echo = Act::Refuse { code: 1004, message: Some(format!("login fail for {key}")), retry_after: None };
    world.sandbox.script(vec![Rule::once("/v1/image_generation", echo)]);
    let result = world.call("text_to_image", json!({ "prompt": "A fox" })).await;
    let told = serde_json::to_string(&result).unwrap();
    assert!(told.contains("login fail for [key]") && !told.contains(key), "{told}");
    world.make("text_to_image", json!({ "prompt": "A fox" })).await;
    for request in world.sandbox.requests().iter().filter(|request| request.path.starts_with("/cdn/")) {
        assert!(!request.authorized, "the key went to {}", request.path);
    }
    world.server.jobs().shut_down(std::time::Duration::from_secs(5)).await;
    for entry in std::fs::read_dir(world.dir.path().join("data/minimax-mcp")).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        assert!(!bytes.windows(key.len()).any(|window| window == key.as_bytes()));
    }
}

#[tokio::test]
async fn an_unreachable_minimax_is_reported_and_costs_nothing() {
    let sandbox = Sandbox::start(Options { pace: quick(), ..Options::default() }).await.unwrap();
    let url = sandbox.url();
    sandbox.stop().await;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().to_owned();
    let result = tokio::task::spawn_blocking(move || {
        let mut program = Program::at(&url, &path);
        program.initialize("2025-06-18");
        program.call("text_to_image", json!({ "prompt": "A fox" }))
    });
    let result = result.await.unwrap();
    let view = &result["structuredContent"];
    assert_eq!((&result["isError"], &view["status"]), (&json!(true), &json!("failed")), "{result}");
    assert!(view["error"]["message"].as_str().unwrap().contains("127.0.0.1"), "{view}");
}

/// Responses with a field of an undocumented type must not lose the links.
#[tokio::test]
async fn a_field_of_another_type_does_not_lose_what_was_paid_for() {
    let world = World::new().await;
    let good = world.make("text_to_image", json!({ "prompt": "A fox" })).await;
    let link = good["files"][0]["url"].clone();
    for body in [
        json!({ "id": 12345, "data": { "image_urls": [link] }, "base_resp": { "status_code": 0, "status_msg": null } }),
        json!({ "data": { "image_urls": [link, null] }, "metadata": { "success_count": 1 }, "base_resp": null }),
        json!({ "data": { "image_urls": [link] }, "metadata": "none", "base_resp": { "status_code": "0" } }),
    ] {
        let body = format!("\u{feff}{body}\n\n");
        world.sandbox.script(vec![Rule::once("/v1/image_generation", Act::Raw { body: body.clone() })]);
        let view = world.make("text_to_image", json!({ "prompt": "A dog" })).await;
        assert_eq!(view["status"], "succeeded", "{body}");
    }
}

#[tokio::test]
async fn a_refusal_is_read_in_every_spelling() {
    let world = World::new().await;
    for body in [
        json!({ "base_resp": { "status_code": 1008, "status_msg": null } }),
        json!({ "base_resp": { "status_code": "1008", "status_msg": "insufficient balance" } }),
        json!({ "id": 7, "data": null, "base_resp": { "status_code": 1008 } }),
    ] {
        world.sandbox.script(vec![Rule::once("/v1/image_generation", Act::Raw { body: body.to_string() })]);
        let refusal = world.refusal("text_to_image", json!({ "prompt": "A fox" })).await;
        assert!(refusal.contains("1008") && refusal.contains("Top up"), "{body}: {refusal}");
        assert!(!refusal.contains("Cost:"), "what was not bought has no price: {refusal}");
    }
}

#[tokio::test]
async fn an_empty_answer_is_unknown_and_never_blamed_on_the_prompt() {
    let world = World::new().await;
    for body in
        ["{}", r#"{"data":null,"base_resp":{"status_code":0}}"#, r#"{"base_resp":{"status_code":9999}}"#]
    {
        world.sandbox.script(vec![Rule::once("/v1/image_generation", Act::Raw { body: body.into() })]);
        let result = world.call("text_to_image", json!({ "prompt": "A fox" })).await;
        let view = result.structured_content.unwrap();
        assert_eq!(
            (&view["status"], &view["error"]["kind"]),
            (&json!("unknown"), &json!("ask_user")),
            "{body}"
        );
    }
}

#[tokio::test]
async fn a_finished_video_without_a_link_is_polled_again() {
    let world = World::new().await;
    let body = json!({ "file": { "file_id": 7, "filename": null, "download_url": "" }, "base_resp": { "status_code": 0 } });
    world.sandbox.script(vec![Rule::once("/v1/files/retrieve", Act::Raw { body: body.to_string() })]);
    let view = world.make("generate_video", json!({ "prompt": "A fox" })).await;
    assert_eq!(view["status"], "succeeded");
    assert!(view["files"][0]["path"].is_string());
}

#[tokio::test]
async fn what_may_have_been_billed_is_not_called_cancelled() {
    let world = World::new().await;
    world.sandbox.script(vec![Rule::once("/v1/image_generation", Act::ResetAfter)]);
    let result = world.call("text_to_image", json!({ "prompt": "A fox" })).await;
    let job = result.structured_content.unwrap()["job_id"].clone();
    let result = world.call("cancel_job", json!({ "job_id": job })).await;
    let view = result.structured_content.unwrap();
    assert_eq!(view["status"], "unknown");
    assert!(view["next"].as_str().unwrap().contains("can no longer be stopped"), "{view}");
}

#[tokio::test]
async fn words_of_minimax_are_passed_on_without_the_key_and_control_characters() {
    let world = World::new().await;
    let task = json!({ "id": "1", "status": "failed",
        "error": { "code": 1026, "message": "bad \u{1b}[31m key sk-api-secret" } });
    let body = json!({ "task": task }).to_string();
    world.sandbox.script(vec![Rule::always("/v2/query/video_generation/", Act::Raw { body })]);
    let refusal = world.refusal("generate_video", json!({ "prompt": "A fox", "model": "h3" })).await;
    assert!(refusal.contains("bad [31m key [key]"), "{refusal}");
}

/// A huge response is reported in a result of limited size.
#[tokio::test]
async fn an_answer_of_absurd_size_fills_neither_memory_nor_records() {
    let world = World::new().await;
    let body = format!("{{\"metadata\":\"{}\"}}", "x".repeat(3_000_000));
    world.sandbox.script(vec![Rule::once("/v1/image_generation", Act::Raw { body })]);
    let result = world.call("text_to_image", json!({ "prompt": "A fox" })).await;
    assert_eq!(result.structured_content.as_ref().unwrap()["status"], "unknown");
    assert!(serde_json::to_string(&result).unwrap().len() < 10_000);
}

/// A link on which no answer comes: each try has an end, and the job is fetched again later.
#[tokio::test]
async fn a_link_that_never_answers_has_an_end_and_is_fetched_later() {
    let world = World::new().await;
    let clock = super::clock::Clock::start();
    let order = json!({ "prompt": "A fox", "wait_seconds": 240 });
    world.sandbox.script(vec![Rule::always("/cdn/", Act::Stall)]);
    let call = async {
        let made = world.call("text_to_image", order).await;
        super::clock::until_over(&world, made).await
    };
    let result = clock.hurry(&world, ("/cdn/", true), || true, call).await;
    let view = result.structured_content.unwrap();
    assert!(view["files"][0].get("path").is_none(), "{view}");
    assert!(view["warnings"].to_string().contains("was not saved"), "{view}");
    assert!(view["next"].as_str().unwrap().contains("get_job"), "{view}");
    // A link that a caller gives has an end too, and the error says which.
    let link = view["files"][0]["url"].clone();
    let call = world.call("download_file", json!({ "url": link }));
    let refused = clock.hurry(&world, ("/cdn/", true), || true, call).await;
    assert_eq!(refused.is_error, Some(true), "{refused:?}");
    world.sandbox.script(Vec::new());
    clock.set(super::clock::SLOW);
    let view = world.make("get_job", json!({ "job_id": view["job_id"] })).await;
    assert!(view["files"][0]["path"].is_string(), "{view}");
    assert_eq!(world.bought(), 1);
}

/// A connection on which no answer comes, like behind a firewall that drops packets.
#[tokio::test]
async fn a_connection_that_is_accepted_but_never_secured_has_sent_no_request() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = format!("https://{}", listener.local_addr().unwrap());
    let world = World::with(quick(), &[("MINIMAX_API_HOST", &host)]).await;
    let taken = tokio::spawn(async move {
        let mut connections = Vec::new();
        while connections.len() < 3 {
            connections.push(listener.accept().await.unwrap());
        }
        // Keep the connection open, so that the third try waits too.
        std::future::pending::<()>().await;
    });
    let clock = super::clock::Clock::start();
    // The rows may be in PostgreSQL, which needs real time.
    clock.set(20);
    let result = world.call("text_to_image", json!({ "prompt": "A fox", "wait_seconds": 240 })).await;
    taken.abort();
    let view = result.structured_content.unwrap();
    assert_eq!((result.is_error, &view["status"]), (Some(true), &json!("failed")), "{view}");
    assert!(view["error"]["message"].as_str().unwrap().contains("127.0.0.1"), "{view}");
    assert!(view.get("cost").is_none(), "what has not left costs nothing: {view}");
}

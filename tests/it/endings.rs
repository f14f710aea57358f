//! Everything that could hang or look finished has an end, and the end reports the outcome.

use minimax_mcp::sandbox::{Act, Rule};
use serde_json::{Value, json};

use crate::harness::{World, eventually};
use crate::postgres::Records;

fn raw(body: Value) -> Act {
    Act::Raw { body: body.to_string() }
}

fn status(status: u16) -> Act {
    Act::Status { status, body: "<Error/>".into(), content_type: None, headers: Default::default() }
}

#[tokio::test]
async fn a_task_that_is_done_without_a_file_ends_and_counts_as_billed() {
    let ok = json!({ "status_code": 0 });
    let no_link = json!({ "file": { "file_id": 1, "download_url": "" }, "base_resp": ok });
    let long = "A sentence of a long story. ".repeat(500);
    for (tool, arguments, path, body) in [
        (
            "generate_video",
            json!({ "prompt": "A fox" }),
            "/v1/query/video_generation",
            json!({ "status": "Success", "file_id": "", "trace_id": "trace-1", "base_resp": ok }),
        ),
        ("generate_video", json!({ "prompt": "A fox" }), "/v1/files/retrieve", no_link.clone()),
        (
            "generate_video",
            json!({ "prompt": "A fox", "model": "h3" }),
            "/v2/query/video_generation",
            json!({ "task": { "status": "succeeded", "content": {} }, "trace_id": "trace-1" }),
        ),
        (
            "generate_video",
            json!({ "prompt": "A fox", "model": "h3" }),
            "/v2/query/video_generation",
            json!({ "task": { "status": "succeeded" }, "trace_id": "trace-1" }),
        ),
        (
            "generate_video",
            json!({ "prompt": "A fox", "model": "h3" }),
            "/v2/query/video_generation",
            json!({ "task": { "status": "succeeded", "content": { "url": 5 } }, "trace_id": "trace-1" }),
        ),
        (
            "text_to_audio",
            json!({ "text": long }),
            "/v1/query/t2a_async_query_v2",
            json!({ "status": "Success", "file_id": "", "trace_id": "trace-1", "base_resp": ok }),
        ),
        (
            "text_to_audio",
            json!({ "text": long }),
            "/v1/query/t2a_async_query_v2",
            json!({ "status": "Success", "file_id": 0, "trace_id": "trace-1", "base_resp": ok }),
        ),
        (
            "generate_video",
            json!({ "prompt": "A fox" }),
            "/v1/query/video_generation",
            json!({ "status": "Success", "file_id": "0", "trace_id": "trace-1", "base_resp": ok }),
        ),
    ] {
        let world = World::new().await;
        world.sandbox.script(vec![Rule::always(path, raw(body.clone()))]);
        let result = world.call(tool, arguments).await;
        let view = result.structured_content.unwrap();
        assert_eq!((result.is_error, &view["status"]), (Some(true), &json!("failed")), "{path}: {view}");
        let error = &view["error"];
        assert!(error["message"].as_str().unwrap().contains("names no file"), "{view}");
        if body.get("trace_id").is_some() {
            assert!(error["trace_id"].is_string(), "{view}");
        }
        assert!(view["task_id"].is_string() && view["cost"].is_object(), "{view}");
        assert!(view["next"].as_str().unwrap().starts_with("Do not buy it again"), "{view}");
        let polls = world.sandbox.requests().iter().filter(|request| request.path.starts_with(path)).count();
        assert!((5..=6).contains(&polls), "{path}: {polls}");
        assert_eq!(world.bought(), 1);
        let records = Records::of(world.dir.path(), &world.dir.path().join("data/minimax-mcp")).await;
        assert_eq!(records.word("SELECT state FROM spending").await, "settled", "{path}");
    }
}

#[tokio::test]
async fn a_file_that_is_late_is_waited_for() {
    let world = World::new().await;
    let done = raw(json!({ "status": "Success", "file_id": "", "base_resp": { "status_code": 0 } }));
    let rule = Rule { times: Some(3), ..Rule::once("/v1/query/video_generation", done) };
    world.sandbox.script(vec![rule]);
    let view = world.make("generate_video", json!({ "prompt": "A fox" })).await;
    assert_eq!(view["status"], "succeeded", "{view}");
}

#[tokio::test]
async fn a_result_whose_link_is_dead_is_not_a_success() {
    for code in [401, 403, 404, 410] {
        let world = World::new().await;
        world.sandbox.script(vec![Rule::always("/cdn/", status(code))]);
        for (tool, arguments) in [
            ("text_to_image", json!({ "prompt": "A fox" })),
            ("music_generation", json!({ "prompt": "Calm piano", "is_instrumental": true })),
            ("generate_video", json!({ "prompt": "A fox" })),
        ] {
            let view = world.make(tool, arguments).await;
            assert_eq!(view["status"], "partial", "{tool}, {code}: {view}");
            assert!(view["files"][0].get("path").is_none(), "{view}");
            assert!(view["warnings"].to_string().contains("was not saved"), "{view}");
            assert!(!view["next"].as_str().unwrap().starts_with("Done"), "{view}");
        }
        // A link that works after all makes it a success, without a second purchase.
        let bought = world.bought();
        world.sandbox.script(Vec::new());
        let list = world.make("list_jobs", json!({ "kind": "image" })).await;
        let view = world.make("get_job", json!({ "job_id": list["jobs"][0]["job_id"] })).await;
        assert_eq!((&view["status"], world.bought()), (&json!("succeeded"), bought), "{view}");
    }
}

#[tokio::test]
async fn an_unknown_state_is_reported_and_polled() {
    let ok = json!({ "status_code": 0 });
    let long = "A sentence of a long story. ".repeat(500);
    for (tool, arguments, path, body) in [
        (
            "generate_video",
            json!({ "prompt": "A fox" }),
            "/v1/query/video_generation",
            json!({ "status": "Reticulating", "base_resp": ok }),
        ),
        (
            "generate_video",
            json!({ "prompt": "A fox", "model": "h3" }),
            "/v2/query/video_generation",
            json!({ "task": { "status": "Reticulating" } }),
        ),
        (
            "text_to_audio",
            json!({ "text": long }),
            "/v1/query/t2a_async_query_v2",
            json!({ "status": "Reticulating", "base_resp": ok }),
        ),
    ] {
        let world = World::new().await;
        world.sandbox.script(vec![Rule::always(path, raw(body))]);
        let mut arguments = arguments;
        arguments["async_mode"] = json!(true);
        let begun = world.make(tool, arguments).await;
        let job = json!({ "job_id": begun["job_id"], "wait_seconds": 1 });
        let said = "MiniMax reports the status \"Reticulating\", which this version does not know";
        eventually("it is said", async || {
            let view = world.make("get_job", job.clone()).await;
            assert!(["submitting", "running"].contains(&view["status"].as_str().unwrap()), "{view}");
            view["warnings"].to_string().replace("\\\"", "\"").contains(said)
        })
        .await;
        let list = world.make("list_jobs", json!({})).await;
        assert!(list["next"].as_str().unwrap().contains(said), "{list}");
        // What is paid for may still come.
        world.sandbox.script(Vec::new());
        eventually("it is done", async || world.make("get_job", job.clone()).await["status"] == "succeeded")
            .await;
        let list = world.make("list_jobs", json!({})).await;
        assert!(!list["next"].as_str().unwrap().contains("does not know"), "{list}");
        assert_eq!(world.bought(), 1);
    }
}

#[tokio::test]
async fn a_state_that_minimax_documents_has_no_note_and_a_long_one_is_cut() {
    for (state, is_said) in [("Preparing", false), ("QUEUEING", false), ("", true), ("x\u{202e}y\n", true)] {
        let world = World::new().await;
        let body = json!({ "status": state.repeat(9999 * usize::from(is_said) + 1), "base_resp": { "status_code": 0 } });
        world.sandbox.script(vec![Rule::always("/v1/query/video_generation", raw(body))]);
        let begun = world.make("generate_video", json!({ "prompt": "A fox", "async_mode": true })).await;
        let polled = || {
            let requests = world.sandbox.requests();
            requests.iter().filter(|request| request.path.contains("/v1/query/")).count() > 2
        };
        eventually("it is polled", async || polled()).await;
        let view = world.make("get_job", json!({ "job_id": begun["job_id"], "wait_seconds": 0 })).await;
        let text = view.to_string();
        assert_eq!(text.contains("does not know"), is_said, "{state:?}: {text}");
        assert!(text.len() < 3000 && !text.contains('\u{202e}'), "{text}");
    }
}

#[tokio::test]
async fn a_link_that_is_empty_or_cut_is_not_a_success() {
    let image = |links: Value| {
        json!({ "data": { "image_urls": links }, "metadata": { "failed_count": 0, "success_count": 2 },
            "base_resp": { "status_code": 0 }, "id": "trace-1" })
    };
    for broken in
        ["", " ", "https://", "htt", "/a.jpg", "a.jpg", "ftp://example.com/a.jpg", "data:image/png;base64,"]
    {
        for settings in [&[][..], &[("MINIMAX_API_RESOURCE_MODE", "url")]] {
            let world = World::with(crate::harness::quick(), settings).await;
            let whole = world.make("text_to_image", json!({ "prompt": "A fox" })).await;
            let link = whole["files"][0]["url"].clone();
            // One of two links is broken: the job is partial, and the other image is kept.
            let body = image(json!([link, broken]));
            world.sandbox.script(vec![Rule::once("/v1/image_generation", raw(body))]);
            let view = world.make("text_to_image", json!({ "prompt": "A fox", "n": 2 })).await;
            assert_eq!(
                (&view["status"], view["files"].as_array().unwrap().len()),
                (&json!("partial"), 1),
                "{view}"
            );
            assert!(view["warnings"].to_string().contains("1 of 2 cannot be fetched"), "{view}");
            assert!(!view["warnings"].to_string().contains("withheld"), "{view}");
            // Both links are broken: the job failed, and may be billed.
            let body = image(json!([broken, broken]));
            world.sandbox.script(vec![Rule::once("/v1/image_generation", raw(body))]);
            let result = world.call("text_to_image", json!({ "prompt": "A fox", "n": 2 })).await;
            let view = result.structured_content.unwrap();
            assert_eq!(
                (result.is_error, &view["status"]),
                (Some(true), &json!("failed")),
                "{broken:?}: {view}"
            );
            assert!(view["error"]["message"].as_str().unwrap().contains("link is empty or cut"), "{view}");
            assert!(view["next"].as_str().unwrap().starts_with("Do not buy it again"), "{view}");
            assert!(view["cost"].is_object(), "{view}");
        }
        // Every other answer with a link: the task ends without a file, and a sound without one is no success.
        let world = World::new().await;
        let ok = json!({ "status_code": 0 });
        for (tool, arguments, path, body) in [
            (
                "generate_video",
                json!({ "prompt": "A fox" }),
                "/v1/files/retrieve",
                json!({ "file": { "file_id": 1, "download_url": broken }, "base_resp": ok }),
            ),
            (
                "generate_video",
                json!({ "prompt": "A fox", "model": "h3" }),
                "/v2/query/video_generation",
                json!({ "task": { "status": "succeeded", "content": { "url": broken } } }),
            ),
            (
                "music_generation",
                json!({ "prompt": "Calm piano", "is_instrumental": true }),
                "/v1/music_generation",
                json!({ "data": { "audio": broken, "status": 2 }, "base_resp": ok }),
            ),
        ] {
            world.sandbox.script(vec![Rule::always(path, raw(body))]);
            let result = world.call(tool, arguments).await;
            let view = result.structured_content.unwrap();
            let status = view["status"].as_str().unwrap();
            assert!(["failed", "unknown"].contains(&status), "{tool}, {broken:?}: {view}");
        }
    }
}

#[tokio::test]
async fn a_code_of_minimax_counts_in_whatever_form_it_is_written() {
    let world = World::new().await;
    for code in [json!(1008), json!(1008.0), json!("1008"), json!(" 1008 ")] {
        let body = json!({ "base_resp": { "status_code": code, "status_msg": "insufficient balance" } });
        for (tool, path, arguments) in [
            ("text_to_image", "/v1/image_generation", json!({ "prompt": "A fox" })),
            ("chat", "/v1/chat/completions", json!({ "prompt": "Hello" })),
        ] {
            world.sandbox.script(vec![Rule::once(path, raw(body.clone()))]);
            let result = world.call(tool, arguments).await;
            let view = result.structured_content.unwrap();
            assert_eq!(
                (result.is_error, &view["error"]["code"]),
                (Some(true), &json!(1008)),
                "{code}: {view}"
            );
        }
    }
    assert_eq!(world.bought(), 0);
}

#[tokio::test]
async fn a_poll_with_a_refused_key_asks_for_a_new_key_and_keeps_the_job() {
    for code in [1004, 2049, 1008] {
        let world = World::new().await;
        let refuse = Act::Refuse { code, message: None, retry_after: None };
        world.sandbox.script(vec![Rule::always("/v1/query/video_generation", refuse)]);
        let mut begun = world.make("generate_video", json!({ "prompt": "A fox", "wait_seconds": 0 })).await;
        eventually("it is polled", async || {
            let job = json!({ "job_id": begun["job_id"], "wait_seconds": 1 });
            begun = world.make("get_job", job).await;
            begun["warnings"].is_array()
        })
        .await;
        assert_eq!(begun["status"], "running", "{begun}");
        let next = begun["next"].as_str().unwrap();
        assert!(!next.starts_with("Not finished yet"), "{next}");
        let cure = if code == 1008 { "Top up" } else { "MINIMAX_REGION" };
        assert!(next.contains(cure) && next.contains("get_job"), "{next}");
        assert!(begun["warnings"].to_string().contains(&code.to_string()), "{begun}");
        world.sandbox.script(Vec::new());
        eventually("it is done", async || {
            let view = world.make("get_job", json!({ "job_id": begun["job_id"] })).await;
            view["status"] == "succeeded"
        })
        .await;
        assert_eq!(world.bought(), 1);
    }
}

/// A call, and the endpoint that answers it, for each tool whose sound comes with the answer.
fn sounds() -> [(&'static str, &'static str, Value); 2] {
    let music = json!({ "prompt": "Calm piano", "is_instrumental": true });
    [
        ("music_generation", "/v1/music_generation", music),
        ("text_to_audio", "/v1/t2a_v2", json!({ "text": "Hello there." })),
    ]
}

#[tokio::test]
async fn audio_that_minimax_calls_unfinished_is_partial() {
    let world = World::new().await;
    for (tool, path, arguments) in sounds() {
        let whole = world.make(tool, arguments.clone()).await;
        let url = &whole["files"][0]["url"];
        for unfinished in [json!(1), json!("1"), json!(0), json!(3)] {
            let body = json!({
                "data": { "audio": url, "status": unfinished }, "base_resp": { "status_code": 0, "status_msg": "" },
            });
            world.sandbox.script(vec![Rule::once(path, raw(body))]);
            let view = world.make(tool, arguments.clone()).await;
            assert_eq!(view["status"], "partial", "{tool}: {view}");
            assert!(view["files"][0]["path"].is_string(), "what came is kept: {view}");
            assert!(view["warnings"].to_string().contains("unfinished"), "{view}");
            assert!(view["next"].as_str().unwrap().contains("Let the user decide"), "{view}");
        }
        let body = json!({ "data": { "audio": url, "status": 2 }, "base_resp": { "status_code": 0 } });
        world.sandbox.script(vec![Rule::once(path, raw(body))]);
        assert_eq!(world.make(tool, arguments).await["status"], "succeeded", "{tool}");
    }
}

#[tokio::test]
async fn audio_in_broken_hex_is_not_a_result() {
    let world = World::new().await;
    for (tool, path, arguments) in sounds() {
        for hex in ["49443", "4944zz33", "no hex"] {
            let body = json!({ "data": { "audio": hex, "status": 2 }, "base_resp": { "status_code": 0 } });
            world.sandbox.script(vec![Rule::once(path, raw(body))]);
            let result = world.call(tool, arguments.clone()).await;
            let view = result.structured_content.unwrap();
            // It was made, and may be billed.
            assert_eq!(
                (result.is_error, &view["status"]),
                (Some(true), &json!("unknown")),
                "{tool} {hex}: {view}"
            );
            let files = view["files"].as_array().unwrap();
            assert_eq!(files.len(), 1, "nothing is cut silently: {view}");
            assert!(files[0]["path"].as_str().unwrap().ends_with("-answer.json"), "{view}");
        }
    }
}

#[tokio::test]
async fn a_link_that_is_refused_once_is_asked_again() {
    let world = World::new().await;
    for code in [401, 403] {
        world.sandbox.script(vec![Rule::once("/cdn/", status(code))]);
        let view = world.make("text_to_image", json!({ "prompt": "A fox" })).await;
        assert_eq!(view["status"], "succeeded", "{code}: {view}");
        assert!(view["files"][0]["path"].is_string(), "{view}");
        let asked = world.sandbox.requests();
        assert!(asked.iter().all(|request| !request.path.starts_with("/cdn/") || !request.authorized));
    }
    world.sandbox.script(vec![Rule::always("/cdn/", status(401))]);
    let view = world.make("text_to_image", json!({ "prompt": "A fox" })).await;
    assert!(view["warnings"].to_string().contains("401"), "{view}");
}

#[tokio::test]
async fn list_jobs_shows_the_task_the_price_and_the_age_of_each_job() {
    let world = World::new().await;
    let video = world.make("generate_video", json!({ "prompt": "A fox" })).await;
    world.make("text_to_image", json!({ "prompt": "A hen" })).await;
    let result = world.call("list_jobs", json!({})).await;
    let rows = result.structured_content.clone().unwrap()["jobs"].clone();
    assert_eq!((&rows[1]["task_id"], &rows[0]["task_id"]), (&video["task_id"], &Value::Null));
    assert_eq!((&rows[0]["cost"]["actual"], &rows[0]["cost"]["currency"]), (&json!(0.0035), &json!("USD")));
    assert!(rows[0]["age"].as_str().unwrap().ends_with(" s"), "{rows}");
    let lines = crate::harness::text(&result);
    let line = lines.split_once(rows[1]["job_id"].as_str().unwrap()).unwrap().1;
    for part in [video["task_id"].as_str().unwrap(), "$0.28", " ago"] {
        assert!(line.contains(part), "{line}");
    }
}

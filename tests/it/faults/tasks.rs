//! Tasks with odd reports from MiniMax.

use std::time::Duration;

use minimax_mcp::sandbox::{Act, Rule, Sandbox};
use serde_json::{Value, json};

use crate::harness::World;
use crate::{postgres, s3};

const SUBMIT: &str = "/v1/video_generation";
const QUERY: &str = "/v1/query/video_generation";

fn raw(body: Value) -> Act {
    Act::Raw { body: body.to_string() }
}

/// The number of requests to addresses with this prefix.
fn asked(world: &World, path: &str) -> usize {
    world.sandbox.requests().iter().filter(|request| request.path.starts_with(path)).count()
}

#[tokio::test]
async fn an_id_that_minimax_gives_twice_keeps_both_jobs_and_each_says_so() {
    let world = World::new().await;
    let first = world.make("generate_video", json!({ "prompt": "A fox" })).await;
    let answer = json!({ "task_id": first["task_id"], "base_resp": { "status_code": 0 } });
    world.sandbox.script(vec![Rule::once(SUBMIT, raw(answer))]);
    let second = world.make("generate_video", json!({ "prompt": "A dog" })).await;
    assert_eq!((&second["status"], &second["task_id"]), (&json!("succeeded"), &first["task_id"]));
    assert_ne!(second["job_id"], first["job_id"]);
    let warnings = second["warnings"].to_string();
    assert!(
        warnings.contains("same task id") && warnings.contains(first["job_id"].as_str().unwrap()),
        "{second}"
    );
    let world = world.restarted().await;
    let again = world.make("get_job", json!({ "job_id": second["job_id"] })).await;
    assert_eq!(again["status"], second["status"]);
    assert_eq!(s3::without_links(&again), s3::without_links(&second));
    let list = world.make("list_jobs", json!({})).await;
    assert_eq!(list["jobs"].as_array().unwrap().len(), 2, "{list}");
    // A query with the id of a known task does not adopt it again.
    world.make("query_video_generation", json!({ "task_id": first["task_id"] })).await;
    let list = world.make("list_jobs", json!({})).await;
    assert_eq!(list["jobs"].as_array().unwrap().len(), 2, "{list}");
}

#[tokio::test]
async fn an_id_in_any_form_is_looked_up_as_given() {
    let world = World::new().await;
    for (given, id) in [
        (json!(9_007_199_254_740_993_u64), "9007199254740993"),
        (json!(u64::MAX), "18446744073709551615"),
        (json!("0042"), "0042"),
        (json!("video/../1?x=1&y"), "video%2F..%2F1%3Fx%3D1%26y"),
    ] {
        let failed = json!({ "task_id": given, "status": "Fail", "base_resp": { "status_code": 0 } });
        world.sandbox.script(vec![
            Rule::once(SUBMIT, raw(json!({ "task_id": given, "base_resp": { "status_code": 0 } }))),
            Rule::always(QUERY, raw(failed)),
        ]);
        let result = world.call("generate_video", json!({ "prompt": "A fox" })).await;
        assert_eq!(result.structured_content.unwrap()["status"], "failed", "{given}");
        let asked = world.sandbox.requests().pop().unwrap().path;
        assert_eq!(asked, format!("{QUERY}?task_id={id}"));
    }
}

#[tokio::test]
async fn a_file_id_is_looked_up_in_its_given_form() {
    let world = World::new().await;
    for (given, id) in [
        (json!(9_007_199_254_740_993_u64), "9007199254740993"),
        (json!("90071992547409931"), "90071992547409931"),
    ] {
        let done = json!({ "status": "Success", "file_id": given, "base_resp": { "status_code": 0 } });
        world
            .sandbox
            .script(vec![Rule::once(QUERY, raw(done)), Rule::once("/v1/files/retrieve", Act::ResetBefore)]);
        world.make("generate_video", json!({ "prompt": "A fox", "async_mode": true })).await;
        let path = format!("/v1/files/retrieve?file_id={id}");
        crate::harness::eventually("the file is asked for", async || asked(&world, &path) > 0).await;
    }
}

#[tokio::test]
async fn an_endless_id_is_refused() {
    let world = World::new().await;
    for given in [json!("x".repeat(1_000_000)), json!(""), json!(null), json!({ "id": 1 }), json!([1])] {
        world.sandbox.script(vec![Rule::once(SUBMIT, raw(json!({ "task_id": given, "base_resp": null })))]);
        let result = world.call("generate_video", json!({ "prompt": "A fox" })).await;
        assert!(serde_json::to_string(&result).unwrap().len() < 10_000);
        assert_eq!(result.structured_content.unwrap()["status"], "unknown");
    }
}

#[tokio::test]
async fn an_unknown_word_is_not_the_end_of_a_task() {
    let world = World::new().await;
    let words = [
        json!("成功"),
        json!(""),
        json!("PROCESSING"),
        json!("In progress…"),
        json!("Expired?"),
        json!(null),
        json!(7),
    ];
    let odd = |word: &Value| {
        Rule::once(QUERY, raw(json!({ "status": word, "file_id": "", "base_resp": { "status_code": 0 } })))
    };
    world.sandbox.script(words.iter().map(odd).collect());
    let view = world.make("generate_video", json!({ "prompt": "A fox", "wait_seconds": 120 })).await;
    assert_eq!(view["status"], "succeeded");
    assert!(asked(&world, QUERY) > words.len());
    let messages = world.messages().join("\n");
    assert!(messages.contains("video: 成功"), "{messages}");
}

#[tokio::test]
async fn the_end_of_a_task_is_recognized_in_every_spelling() {
    let world = World::new().await;
    let made = world.make("generate_video", json!({ "prompt": "A fox" })).await;
    let file = world.sandbox.requests().iter().find_map(|request| {
        Some(request.path.strip_prefix("/v1/files/retrieve?file_id=")?.parse::<i64>().unwrap())
    });
    for word in ["SUCCESS", "success", "Succeeded"] {
        let done =
            json!({ "task_id": 1, "status": word, "file_id": file, "base_resp": { "status_code": 0 } });
        world.sandbox.script(vec![Rule::once(QUERY, raw(done))]);
        let view = world.make("generate_video", json!({ "prompt": "A fox" })).await;
        assert_eq!(view["files"][0]["sha256"], made["files"][0]["sha256"], "{word}");
    }
    for word in ["FAIL", "fail", "Failed", "failure"] {
        world.sandbox.script(vec![Rule::once(QUERY, raw(json!({ "status": word })))]);
        let result = world.call("generate_video", json!({ "prompt": "A fox" })).await;
        assert_eq!(result.structured_content.unwrap()["status"], "failed", "{word}");
    }
}

#[tokio::test]
async fn an_end_that_is_reported_twice_or_withdrawn_makes_one_result() {
    let world = World::new().await;
    let done = raw(json!({ "status": "Success", "file_id": "1", "base_resp": { "status_code": 0 } }));
    let working = raw(json!({ "status": "Processing", "base_resp": { "status_code": 0 } }));
    let nothing =
        raw(json!({ "file": { "file_id": 1, "download_url": "" }, "base_resp": { "status_code": 0 } }));
    world.sandbox.script(vec![
        Rule::once(QUERY, done.clone()),
        Rule::once(QUERY, working),
        Rule::once(QUERY, done),
        Rule { times: Some(2), ..Rule::once("/v1/files/retrieve", nothing) },
    ]);
    let view = world.make("generate_video", json!({ "prompt": "A fox", "wait_seconds": 120 })).await;
    assert_eq!(
        (&view["status"], view["files"].as_array().unwrap().len()),
        (&json!("succeeded"), 1),
        "{view}"
    );
    assert_eq!((world.bought(), asked(&world, "/cdn/")), (1, 1));
}

/// A job that is two days old, whose task is still not done.
#[tokio::test]
async fn a_task_that_never_ends_is_abandoned_after_a_day_and_can_be_resumed() {
    for word in ["Processing", "Reticulating"] {
        given_up_after_a_day(word).await;
    }
}

async fn given_up_after_a_day(word: &str) {
    let world = World::new().await;
    let working = raw(json!({ "status": word, "base_resp": { "status_code": 0 } }));
    world.sandbox.script(vec![Rule::always(QUERY, working)]);
    let begun = world.make("generate_video", json!({ "prompt": "A fox", "async_mode": true })).await;
    crate::harness::eventually("it is looked at", async || asked(&world, QUERY) > 1).await;
    world.server.jobs().shut_down(Duration::from_secs(5)).await;
    if postgres::chosen(world.dir.path()).is_some() {
        let mut connection = postgres::connect(world.dir.path()).await;
        let back = "UPDATE jobs SET body = CAST(jsonb_set(CAST(body AS jsonb), '{created_at}', to_jsonb(created_at - 2 * 86400000)) AS text)";
        assert_eq!(sqlx::query(back).execute(&mut connection).await.unwrap().rows_affected(), 1);
    } else {
        let file = world.dir.path().join("data/minimax-mcp/jobs.sqlite3");
        let pool = sqlx::SqlitePool::connect(&format!("sqlite://{}", file.display())).await.unwrap();
        let back = "UPDATE jobs SET body = json_set(body, '$.created_at', json_extract(body, '$.created_at') - 2 * 86400000)";
        assert_eq!(sqlx::query(back).execute(&pool).await.unwrap().rows_affected(), 1);
        pool.close().await;
    }
    let world = world.restarted().await;
    let result = world.call("get_job", json!({ "job_id": begun["job_id"], "wait_seconds": 60 })).await;
    let view = result.structured_content.unwrap();
    assert_eq!((result.is_error, &view["status"]), (Some(true), &json!("unknown")), "{view}");
    assert!(view["error"]["message"].as_str().unwrap().contains(&format!("`{word}` for a day")), "{view}");
    assert!(view["next"].as_str().unwrap().contains("get_job"), "{view}");
    // A call that asks for the job makes the server poll again.
    world.sandbox.script(Vec::new());
    crate::harness::eventually("it is done", async || {
        let result = world.call("get_job", json!({ "job_id": begun["job_id"], "wait_seconds": 60 })).await;
        result.structured_content.unwrap()["status"] == "succeeded"
    })
    .await;
    assert_eq!(world.bought(), 1);
}

#[tokio::test]
async fn no_request_follows_a_redirect_and_the_key_is_sent_to_no_other_host() {
    let world = World::new().await;
    let elsewhere = Sandbox::start(minimax_mcp::sandbox::Options::default()).await.unwrap();
    for (tool, arguments, path) in [
        ("text_to_image", json!({ "prompt": "A fox" }), "/v1/image_generation"),
        ("web_search", json!({ "query": "foxes" }), "/v1/coding_plan/search"),
        ("chat", json!({ "prompt": "Hello" }), "/v1/chat/completions"),
        ("list_voices", json!({}), "/v1/get_voice"),
        ("speak", json!({ "text": "Hello." }), "/ws/v1/t2a_v2_bidi"),
    ] {
        for status in [301, 302, 303, 307, 308] {
            let headers = [("location".to_owned(), format!("{}{path}", elsewhere.url()))].into();
            let act = Act::Status { status, body: String::new(), content_type: None, headers };
            world.sandbox.script(vec![Rule::always(path, act)]);
            let before = asked(&world, path);
            world.refusal(tool, arguments.clone()).await;
            assert_eq!(asked(&world, path) - before, 1, "{tool}, {status}");
        }
    }
    assert_eq!((elsewhere.requests().len(), world.bought()), (0, 0));
}

#[tokio::test]
async fn a_redirected_link_is_followed_without_the_key() {
    let world = World::new().await;
    let made = world.make("text_to_image", json!({ "prompt": "A fox" })).await;
    let to = |target: &str| {
        let headers = [("location".to_owned(), target.to_owned())].into();
        Act::Status { status: 302, body: String::new(), content_type: None, headers }
    };
    world.sandbox.script(vec![Rule::once("/cdn/", to(made["files"][0]["url"].as_str().unwrap()))]);
    let moved = world.make("text_to_image", json!({ "prompt": "A dog" })).await;
    assert_eq!(moved["files"][0]["sha256"], made["files"][0]["sha256"]);
    assert!(
        world
            .sandbox
            .requests()
            .iter()
            .all(|request| !request.path.starts_with("/cdn/") || !request.authorized)
    );
    for target in ["http://169.254.169.254/latest/meta-data", "file:///etc/passwd", "https://10.0.0.1/x.jpg"]
    {
        world.sandbox.script(vec![Rule::always("/cdn/", to(target))]);
        let view = world.make("text_to_image", json!({ "prompt": "A cat" })).await;
        assert_eq!(view["files"][0].get("path"), None, "{target}: {view}");
        assert!(view["warnings"][0].as_str().unwrap().contains("was not saved"), "{target}: {view}");
    }
}

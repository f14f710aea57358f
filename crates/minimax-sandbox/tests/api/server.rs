//! Keys, bodies, error formats, and the request log.

use minimax_sandbox::Options;
use reqwest::Method;
use serde_json::{Value, json};

use super::{KEY, World, image, read, video, video_v2, with};

#[tokio::test]
async fn without_a_good_key_nothing_happens() {
    let world = World::with(Options { key: Some(KEY.into()), ..Options::default() }).await;
    for (header, v1, v2) in
        [(None, 1004, "(1004)"), (Some("Bearer "), 1004, "(1004)"), (Some("Bearer other"), 2049, "(2049)")]
    {
        let send = async |path: &str, body: Value| {
            let request = world.client.post(format!("{}{path}", world.sandbox.url())).json(&body);
            let request =
                header.into_iter().fold(request, |request, value| request.header("authorization", value));
            read(request.send().await.unwrap()).await
        };
        let (status, answer) = send("/v1/image_generation", image()).await;
        assert_eq!((status, &answer["base_resp"]["status_code"]), (200, &json!(v1)));
        let (status, answer) = send("/v2/video_generation", video_v2()).await;
        assert_eq!(
            (status, &answer["error"]["type"], &answer["error"]["http_code"]),
            (401, &json!("authorized_error"), &json!("401"))
        );
        assert!(answer["error"]["message"].as_str().unwrap().ends_with(v2));
    }
    let response = world.try_post("/v1/image_generation", &image()).await.unwrap();
    assert_eq!(response.headers()["trace-id"].len(), 32);
    assert_eq!(read(response).await.1["base_resp"]["status_code"], 0);
}

#[tokio::test]
async fn a_key_is_never_recorded() {
    let world = World::new().await;
    world.post("/v1/image_generation", with(&image(), json!({"prompt": format!("my key is {KEY}")}))).await;
    world.get(&format!("/v1/files/list?purpose={KEY}")).await;
    let recorded = serde_json::to_string(&(world.sandbox.requests(), world.sandbox.paid())).unwrap();
    assert!(!recorded.contains(KEY), "{recorded}");
    assert!(
        recorded.contains("my key is ***")
            && world.sandbox.requests().iter().all(|request| request.authorized)
    );
}

#[tokio::test]
async fn a_body_that_is_not_a_json_object_is_refused() {
    let world = World::new().await;
    for (kind, body) in [("application/json", "{"), ("application/json", "[]"), ("text/plain", "{}")] {
        let request = world.request(Method::POST, "/v1/t2a_v2").header("content-type", kind).body(body);
        assert_eq!(
            read(request.send().await.unwrap()).await.1["base_resp"]["status_code"],
            2013,
            "{kind} {body}"
        );
        let request =
            world.request(Method::POST, "/v2/video_generation").header("content-type", kind).body(body);
        assert_eq!(request.send().await.unwrap().status(), 400, "{kind} {body}");
    }
}

#[tokio::test]
async fn sensitive_words_are_refused_in_both_protocols() {
    let world = World::new().await;
    let (status, answer) =
        world.post("/v1/image_generation", with(&image(), json!({"prompt": "#sensitive"}))).await;
    assert_eq!((status, &answer["base_resp"]["status_code"]), (200, &json!(1026)));
    let body = with(&video_v2(), json!({"content": [{"type": "text", "text": "#sensitive"}]}));
    let (status, answer) = world.post("/v2/video_generation", body).await;
    assert_eq!((status, &answer["error"]["type"]), (422, &json!("unprocessable_entity_error")));
    assert!(world.sandbox.paid().is_empty());
}

#[tokio::test]
async fn an_unknown_path_is_answered_with_the_closest_one() {
    let world = World::new().await;
    let (status, answer) = world.get("/v1/video_generation/1").await;
    assert_eq!(status, 404);
    assert!(answer.as_str().unwrap().contains("no GET /v1/video_generation/1."), "{answer}");
    let (status, answer) = world.post("/v1/image_generations", image()).await;
    assert_eq!(status, 404);
    assert!(answer.as_str().unwrap().contains("closest it has is POST /v1/image_generation."), "{answer}");
}

#[tokio::test]
async fn tasks_files_links_and_bills_survive_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::at(dir.path()).await;
    let (_, drawn) = world.post("/v1/image_generation", image()).await;
    let (_, submitted) = world.post("/v1/video_generation", video()).await;
    let (_, uploaded) = world.upload("prompt_audio", "a.wav", b"RIFF".to_vec()).await;
    let (url, paid) = (world.sandbox.url(), world.sandbox.paid());
    world.sandbox.stop().await;
    // A crash in the middle of a write leaves an incomplete line.
    let journal = dir.path().join("sandbox.jsonl");
    let mut lines = std::fs::read(&journal).unwrap();
    lines.extend(br#"{"paid":{"request":{"meth"#);
    std::fs::write(&journal, lines).unwrap();

    let world = World::at(dir.path()).await;
    assert_eq!(world.sandbox.url(), url, "the same port");
    assert_eq!((world.sandbox.paid(), paid.len()), (paid, 2));
    world.bytes(&drawn["data"]["image_urls"][0]).await;
    let (_, task) = world
        .get(&format!("/v1/query/video_generation?task_id={}", submitted["task_id"].as_str().unwrap()))
        .await;
    assert_eq!(task["status"], "Success");
    assert_eq!(world.get("/v1/files/list?purpose=prompt_audio").await.1["files"][0], uploaded["file"]);
    world.post("/v1/image_generation", image()).await;
    world.sandbox.stop().await;
    let world = World::at(dir.path()).await;
    assert_eq!(world.sandbox.paid().len(), 3, "the line after the torn one is whole");
}

#[tokio::test]
async fn two_sandboxes_on_one_folder_see_the_same_tasks() {
    let dir = tempfile::tempdir().unwrap();
    let (one, other) = (World::at(dir.path()).await, World::at(dir.path()).await);
    assert_ne!(one.sandbox.url(), other.sandbox.url());
    let (_, answer) = one.post("/v2/video_generation", video_v2()).await;
    let (status, task) =
        other.get(&format!("/v2/query/video_generation/{}", answer["task_id"].as_str().unwrap())).await;
    assert_eq!((status, &task["task"]["status"]), (200, &json!("succeeded")));
    other.bytes(&task["task"]["content"]["url"]).await;
    assert_eq!(other.sandbox.paid(), one.sandbox.paid());
}

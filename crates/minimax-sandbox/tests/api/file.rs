//! Files and download links.

use minimax_sandbox::{Options, Pace};
use reqwest::Method;
use serde_json::json;

use super::{KEY, World, at_once, film, image, png, video, video_v2, with};

#[tokio::test]
async fn an_upload_is_listed_read_used_and_deleted() {
    let world = World::new().await;
    let (_, answer) = world.upload("voice_clone", "me.mp3", b"ID3 not really".to_vec()).await;
    let file = &answer["file"];
    assert_eq!(
        (&file["bytes"], &file["filename"], &file["purpose"]),
        (&json!(14), &json!("me.mp3"), &json!("voice_clone"))
    );
    let id = file["file_id"].as_i64().unwrap();
    let (_, list) = world.get("/v1/files/list?purpose=voice_clone").await;
    assert_eq!(&list["files"][0], file);
    assert_eq!(world.get("/v1/files/list?purpose=prompt_audio").await.1["files"], json!([]));
    let (_, one) = world.get(&format!("/v1/files/retrieve?file_id={id}")).await;
    assert_eq!(one["file"].get("download_url"), None, "uploads have no link");
    let content =
        world.request(Method::GET, &format!("/v1/files/retrieve_content?file_id={id}")).send().await.unwrap();
    assert_eq!(
        (&content.headers()["content-type"], content.status().as_u16()),
        (&"audio/mpeg".parse().unwrap(), 200)
    );
    assert_eq!(&content.bytes().await.unwrap()[..], b"ID3 not really");
    for (fields, code) in [
        (json!({"file_id": id.to_string(), "purpose": "voice_clone"}), 2013),
        (json!({"file_id": id, "purpose": "prompt_audio"}), 2013),
        (json!({"file_id": id, "purpose": "voice_clone"}), 0),
        (json!({"file_id": id, "purpose": "voice_clone"}), 2013),
    ] {
        assert_eq!(world.post("/v1/files/delete", fields).await.1["base_resp"]["status_code"], code);
    }
    let sent = &world.sandbox.requests()[0];
    assert_eq!(sent.body, json!({"purpose": "voice_clone", "file": {"filename": "me.mp3", "bytes": 14}}));
}

#[tokio::test]
async fn a_large_upload_arrives_whole() {
    let world = World::new().await;
    let bytes: Vec<u8> = (0..5_000_000_u32).map(|at| at.to_le_bytes()[0]).collect();
    let (_, answer) = world.upload("video_understanding", "a.mkv", bytes.clone()).await;
    assert_eq!(answer["file"]["bytes"], 5_000_000);
    let path = format!("/v1/files/retrieve_content?file_id={}", answer["file"]["file_id"]);
    let content = world.request(Method::GET, &path).send().await.unwrap();
    assert_eq!(content.bytes().await.unwrap(), bytes);
    let (_, answer) = world.upload("voice_clone", "a.mp3", vec![0; (20 << 20) + 1]).await;
    assert_eq!(answer["base_resp"]["status_code"], 2013, "20 MB are enough for a voice");
}

#[tokio::test]
async fn an_upload_that_does_not_suit_its_purpose_is_refused() {
    let world = World::new().await;
    for (purpose, name) in [("voice_clone", "me.ogg"), ("retrieval", "a.txt"), ("t2a_async_input", "a.docx")]
    {
        let (status, answer) = world.upload(purpose, name, b"x".to_vec()).await;
        assert_eq!((status, &answer["base_resp"]["status_code"]), (200, &json!(2013)), "{purpose} {name}");
    }
    // The only purpose whose violations have an HTTP error status.
    for bytes in [b"no picture".to_vec(), png(200, 300)] {
        let (status, answer) = world.upload("video_generation_input", "a.png", bytes).await;
        assert_eq!((status, &answer["error"]["type"]), (400, &json!("bad_request_error")));
    }
    let (_, answer) = world.upload("video_generation_input", "a.png", png(300, 600)).await;
    let url = format!("mm_file://{}", answer["file"]["file_id"]);
    let frame = json!({"type": "image_url", "image_url": {"url": url}, "role": "first_frame"});
    let body = json!({"content": [{"type": "text", "text": "x"}, frame], "ratio": "adaptive"});
    let (_, answer) = world.post("/v2/video_generation", with(&video_v2(), body)).await;
    let (_, answer) =
        world.get(&format!("/v2/query/video_generation/{}", answer["task_id"].as_str().unwrap())).await;
    assert_eq!(film(&world.bytes(&answer["task"]["content"]["url"]).await).1, (480, 960));
}

#[tokio::test]
async fn a_link_that_has_expired_answers_403() {
    let pace = Pace { link_seconds: Some(0), ..at_once() };
    let world = World::with(Options { pace: pace.clone(), ..Options::default() }).await;
    let (_, answer) = world.post("/v1/video_generation", with(&video(), json!({"prompt": "x"}))).await;
    let (_, task) = world
        .get(&format!("/v1/query/video_generation?task_id={}", answer["task_id"].as_str().unwrap()))
        .await;
    let retrieve = format!("/v1/files/retrieve?file_id={}", task["file_id"].as_str().unwrap());
    let (_, old) = world.get(&retrieve).await;
    let response = world.fetch(&old["file"]["download_url"]).await;
    assert_eq!(
        (response.status().as_u16(), &response.headers()["content-type"]),
        (403, &"application/xml".parse().unwrap())
    );
    assert!(response.text().await.unwrap().contains("<Error>"));
    world.sandbox.set_pace(Pace { link_seconds: None, ..pace });
    let (_, fresh) = world.get(&retrieve).await;
    let link = fresh["file"]["download_url"].as_str().unwrap();
    assert_eq!(world.fetch(&json!(link)).await.status(), 200, "asking again gives a good link");
    let longer = link.replace("Expires=1", "Expires=2");
    assert_eq!(world.fetch(&json!(longer)).await.status(), 403, "a link cannot be made to live longer");
}

#[tokio::test]
async fn a_key_sent_to_a_link_is_refused_and_noted() {
    let world = World::new().await;
    let (_, answer) = world.post("/v1/image_generation", image()).await;
    let link = answer["data"]["image_urls"][0].as_str().unwrap();
    let response = world.client.get(link).bearer_auth(KEY).send().await.unwrap();
    assert_eq!(response.status(), 400);
    let seen = world.sandbox.requests().pop().unwrap();
    assert!(seen.path.starts_with("/cdn/") && seen.authorized && seen.status == Some(400));
}

#[tokio::test]
async fn a_part_of_a_file_can_be_fetched() {
    let world = World::new().await;
    let (_, answer) = world.post("/v1/image_generation", image()).await;
    let link = &answer["data"]["image_urls"][0];
    let whole = world.bytes(link).await;
    let etag = world.fetch(link).await.headers()["etag"].clone();
    let part = async |range: &str| {
        let request =
            world.client.get(link.as_str().unwrap()).header("range", range).header("if-range", &etag);
        request.send().await.unwrap()
    };
    for (range, start, end) in [
        ("bytes=10-19", 10, 20),
        ("bytes=100-", 100, whole.len()),
        ("bytes=-7", whole.len() - 7, whole.len()),
    ] {
        let response = part(range).await;
        assert_eq!(response.status(), 206);
        assert_eq!(
            response.headers()["content-range"],
            format!("bytes {start}-{}/{}", end - 1, whole.len()).as_str()
        );
        assert_eq!(response.content_length(), Some((end - start) as u64));
        assert_eq!(response.bytes().await.unwrap(), whole[start..end]);
    }
    assert_eq!(part(&format!("bytes={}-", whole.len())).await.status(), 416);
}

//! Two servers that share one bucket and one PostgreSQL, each with its own disk, over HTTP.

use std::sync::LazyLock;

use minimax_mcp::config::Config;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::harness::{config, quick};
use crate::http::{ADA, BOB, Served, answer, call, make, post, web};
use crate::postgres;
use crate::s3::{Fault, S3};

static S3_HERE: LazyLock<S3> = LazyLock::new(S3::start);

/// The settings of the first server.
fn first(tuned: &mut Config) {
    let dir = tuned.base_path.parent().unwrap().to_owned();
    let mut settings: Vec<_> =
        S3_HERE.settings().into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    settings.push(("MINIMAX_STORE_URL".to_owned(), postgres::database(&dir).unwrap()));
    let shared = config(&tuned.host, &dir, &settings);
    (tuned.files, tuned.store_url) = (shared.files, shared.store_url);
    tuned.http.tokens.iter_mut().for_each(|row| row.toolsets = None);
}

/// The settings of the second: another disk.
fn second(tuned: &mut Config) {
    first(tuned);
    tuned.data_dir = tuned.data_dir.join("second");
    tuned.base_path = tuned.base_path.join("second");
}

#[tokio::test(flavor = "multi_thread")]
async fn results_and_uploads_of_one_server_are_available_at_the_other() {
    if postgres::database(std::path::Path::new("bucket")).is_none() {
        return;
    }
    let served = Served::tuned(true, quick(), first).await;
    let other = served.neighbour_tuned(true, second).await;
    let made = make(&served.base, Some(ADA), "text_to_image", json!({ "prompt": "A fox" })).await;
    let (job, uri) = (made["job_id"].clone(), made["files"][0]["uri"].clone());
    let original = web().get(made["files"][0]["download_url"].as_str().unwrap()).send().await.unwrap();
    let original = original.bytes().await.unwrap();

    // Its job, its link with a range, its resource, its picture, and as an input.
    let view = make(&other, Some(ADA), "get_job", json!({ "job_id": job })).await;
    let link = view["files"][0]["download_url"].as_str().unwrap().to_owned();
    assert!(link.starts_with(&other), "{link}");
    assert_eq!(view["files"][0].get("path"), None, "no address of the bucket: {view}");
    let whole = web().get(&link).send().await.unwrap();
    assert_eq!(whole.headers()["content-type"], "image/jpeg");
    assert!(whole.bytes().await.unwrap() == original);
    let part = web().get(&link).header("Range", "bytes=2-9").send().await.unwrap();
    assert_eq!(part.status(), StatusCode::PARTIAL_CONTENT);
    assert_eq!(part.bytes().await.unwrap(), original.slice(2..10));
    let read = json!({ "jsonrpc": "2.0", "id": 1, "method": "resources/read", "params": { "uri": uri } });
    let read = answer(post(&other, Some(ADA), &read).send().await.unwrap()).await;
    assert_eq!(read["result"]["contents"][0]["blob"], data_encoding::BASE64.encode(&original), "{read}");
    for (tool, arguments) in [
        ("view_media", json!({ "uri": uri })),
        ("understand_image", json!({ "prompt": "What is it?", "image_url": uri })),
        ("text_to_image", json!({ "prompt": "The same fox", "subject_reference": uri })),
    ] {
        let answer = call(&other, Some(ADA), tool, arguments).await;
        assert_ne!(answer["result"]["isError"], true, "{tool}: {answer}");
    }
    let others = call(&other, Some(BOB), "view_media", json!({ "uri": uri })).await;
    assert_eq!(others["result"]["isError"], true, "another caller's file: {others}");

    // A file that one has received.
    let hand_in = |base: &str, token: &str| {
        web().post(format!("{base}/uploads?name=fox.jpg")).bearer_auth(token).body(original.clone())
    };
    let handed: Value = hand_in(&served.base, ADA).send().await.unwrap().json().await.unwrap();
    let face = handed["uri"].as_str().unwrap();
    for base in [&other, &served.base] {
        let answer = call(base, Some(ADA), "view_media", json!({ "uri": face })).await;
        assert_ne!(answer["result"]["isError"], true, "{answer}");
    }
    let stranger = call(&other, Some(BOB), "view_media", json!({ "uri": face })).await;
    assert_eq!(stranger["result"]["isError"], true, "{stranger}");
    let address = format!("{other}{}", face.strip_prefix("minimax:/").unwrap());
    assert_eq!(web().delete(&address).bearer_auth(BOB).send().await.unwrap().status(), StatusCode::NOT_FOUND);
    assert_eq!(
        web().delete(&address).bearer_auth(ADA).send().await.unwrap().status(),
        StatusCode::NO_CONTENT
    );
    assert!(S3_HERE.objects().keys().all(|key| !key.contains("uploads/")), "{:?}", S3_HERE.objects());

    // While the bucket is away, a link says so, and an upload is not kept.
    S3_HERE.fail(&["GET", "HEAD", "PUT", "POST"], Fault::Status(503, "SlowDown"));
    let away = web().get(&link).send().await.unwrap();
    assert_eq!(away.status(), StatusCode::SERVICE_UNAVAILABLE, "{}", away.text().await.unwrap());
    assert_eq!(hand_in(&other, ADA).send().await.unwrap().status(), StatusCode::INTERNAL_SERVER_ERROR);
    let ready = web().get(format!("{other}/readyz")).send().await.unwrap();
    assert_eq!(ready.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(ready.text().await.unwrap().contains("bucket"));
    S3_HERE.mend();
    served.end().await;
}

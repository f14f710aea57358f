//! Fault injection and the control endpoints.

use std::time::Duration;

use minimax_sandbox::{Act, Rule};
use reqwest::Method;
use serde_json::{Value, json};

use super::{World, image, read, speech, video_v2};

#[tokio::test]
async fn a_requested_error_has_the_format_of_its_path() {
    let world = World::new().await;
    let refuse = Act::Refuse { code: 1002, message: None, retry_after: Some(7) };
    let rule =
        |path: &str, skip| Rule { method: Some("POST".into()), skip, ..Rule::once(path, refuse.clone()) };
    world.sandbox.script(vec![rule("/v1/", 1), rule("/v2/", 0)]);
    let codes =
        async || world.post("/v1/image_generation", image()).await.1["base_resp"]["status_code"].clone();
    assert_eq!((codes().await, codes().await, codes().await), (json!(0), json!(1002), json!(0)));
    let response = world.try_post("/v2/video_generation", &video_v2()).await.unwrap();
    assert_eq!(
        (response.status().as_u16(), &response.headers()["retry-after"]),
        (429, &"7".parse().unwrap())
    );
    assert_eq!(read(response).await.1["error"]["type"], "rate_limit_error");
    assert_eq!(world.sandbox.paid().len(), 2, "a refused request is not billed");
}

#[tokio::test]
async fn a_reset_before_is_not_billed_and_a_reset_after_is() {
    let world = World::new().await;
    for (act, billed) in [(Act::ResetBefore, 0), (Act::ResetAfter, 1)] {
        world.fault("/v1/image_generation", act);
        world.try_post("/v1/image_generation", &image()).await.unwrap_err();
        assert_eq!(world.sandbox.paid().len(), billed);
        assert_eq!(world.sandbox.requests().pop().unwrap().status, None);
    }
    assert_eq!(world.sandbox.requests().len(), 2, "the client did not try again by itself");
}

#[tokio::test]
async fn answers_can_be_cut_short_replaced_or_slow() {
    let world = World::new().await;
    let (_, answer) = world.post("/v1/image_generation", image()).await;
    let link = &answer["data"]["image_urls"][0];
    let whole = world.bytes(link).await;
    world.fault("/cdn/", Act::Truncate { bytes: 1000 });
    let mut response = world.fetch(link).await;
    assert_eq!(response.content_length(), Some(whole.len() as u64));
    let mut received = 0;
    let end = loop {
        match response.chunk().await {
            Ok(Some(chunk)) => received += chunk.len(),
            end => break end,
        }
    };
    assert!(end.is_err() && received == 1000, "{received} bytes, then {end:?}");

    world.fault("/v1/", Act::Raw { body: "<html>proxy</html>".into() });
    assert_eq!(world.post("/v1/t2a_v2", speech()).await, (200, json!("<html>proxy</html>")));
    let headers = [("x-cache".to_owned(), "miss".to_owned())].into();
    world.fault("/v1/", Act::Status { status: 502, body: "bad".into(), content_type: None, headers });
    let response = world.try_post("/v1/t2a_v2", &speech()).await.unwrap();
    assert_eq!((response.status().as_u16(), &response.headers()["x-cache"]), (502, &"miss".parse().unwrap()));
    assert_eq!(world.sandbox.paid().len(), 1, "neither was processed");

    world.fault("/cdn/", Act::Drip { bytes_per_second: whole.len() as u64 * 2 });
    assert_eq!(world.bytes(link).await, whole);
    world.fault("/cdn/", Act::Delay { ms: 10 });
    assert_eq!(world.bytes(link).await, whole);
}

#[tokio::test]
async fn a_stalled_request_is_billed_even_if_the_client_disconnects() {
    let world = World::new().await;
    world.fault("/v1/image_generation", Act::Stall);
    let request = world.request(Method::POST, "/v1/image_generation").json(&image());
    let failure = request.timeout(Duration::from_secs(3)).send().await.unwrap_err();
    assert!(failure.is_timeout());
    assert_eq!(world.sandbox.paid().len(), 1);
    world.sandbox.stop().await;
}

#[tokio::test]
async fn a_sandbox_in_another_process_is_scripted_over_http() {
    let world = World::new().await;
    let control = async |path: &str, body: Value| {
        let url = format!("{}/_sandbox/{path}", world.sandbox.url());
        read(world.client.post(url).json(&body).send().await.unwrap()).await
    };
    let rules = json!([
        {"path": "/v1/image", "times": 1, "act": {"refuse": {"code": 1008}}},
        {"path": "/v2/", "act": "reset_before"},
    ]);
    assert_eq!(control("script", rules).await.0, 200);
    assert_eq!(control("script", json!([{"path": "/v1/", "act": "explode"}])).await.0, 400);
    assert_eq!(control("pace", json!({"polls": 9})).await.1["polls"], 9);
    assert_eq!(world.post("/v1/image_generation", image()).await.1["base_resp"]["status_code"], 1008);
    world.try_post("/v2/video_generation", &video_v2()).await.unwrap_err();
    world.post("/v1/image_generation", image()).await;
    let requests = world.get("/_sandbox/requests").await.1;
    let seen: Vec<_> =
        requests.as_array().unwrap().iter().map(|request| (&request["path"], &request["code"])).collect();
    let first = json!("/v1/image_generation");
    assert_eq!(
        seen,
        [(&first, &json!(1008)), (&json!("/v2/video_generation"), &Value::Null), (&first, &Value::Null)]
    );
    assert_eq!(world.get("/_sandbox/paid").await.1[0]["body"], image());
}

#[tokio::test]
async fn an_answer_can_be_damaged_in_every_way() {
    let world = World::new().await;
    let paid = async |act: Act| {
        let before = world.sandbox.paid().len();
        world.fault("/v1/image_generation", act);
        let answer = match world.try_post("/v1/image_generation", &image()).await {
            Ok(response) => response.bytes().await.ok(),
            Err(_) => None,
        };
        (answer, world.sandbox.paid().len() - before)
    };
    assert_eq!(paid(Act::ResetUnread).await, (None, 0));
    assert_eq!(world.sandbox.requests().pop().unwrap().body, Value::Null, "nothing of it was read");
    assert_eq!(paid(Act::CutChunks { bytes: 9 }).await, (None, 1));
    let (spliced, billed) = paid(Act::Splice { bytes: 5, tail: "!".into() }).await;
    assert_eq!((spliced.unwrap().as_ref(), billed), (b"{\"id\"!".as_slice(), 1));
    let short = Act::Relabel { headers: [("content-length".to_owned(), "6".to_owned())].into() };
    let (cut, billed) = paid(short).await;
    assert_eq!((cut.unwrap().as_ref(), billed), (b"{\"id\":".as_slice(), 1));
    let bytes = Act::Bytes { status: 200, base64: "AP8=".into(), headers: Default::default() };
    let (bytes, billed) = paid(bytes).await;
    assert_eq!((bytes.unwrap().as_ref(), billed), ([0, 255].as_slice(), 0));
    let flood = |times| Act::Flood { head: "<".into(), unit: "ab".into(), times, tail: ">".into() };
    let (flood, billed) = paid(flood(Some(100_000))).await;
    let flood = flood.unwrap();
    assert_eq!((flood.len(), flood.first(), flood.last(), billed), (200_002, Some(&b'<'), Some(&b'>'), 0));
    world.fault("/v1/image_generation", Act::Freeze { bytes: 5 });
    let mut frozen = world.try_post("/v1/image_generation", &image()).await.unwrap();
    assert_eq!(frozen.chunk().await.unwrap().unwrap().as_ref(), b"{\"id\"");
    assert!(tokio::time::timeout(Duration::from_millis(100), frozen.chunk()).await.is_err());
}

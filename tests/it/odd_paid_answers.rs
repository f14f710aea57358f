//! Odd answers to paid requests. What was bought is delivered if it can be read, and otherwise the answer is kept whole.

use std::collections::BTreeMap;

use data_encoding::{BASE64, HEXLOWER};
use minimax_mcp::sandbox::{Act, Rule};
use serde_json::{Value, json};

use crate::harness::{World, quick, text};
use crate::s3;
use crate::voice::recording;

const IMAGE: &str = "/v1/image_generation";
const T2A: &str = "/v1/t2a_v2";

fn raw(body: impl ToString) -> Act {
    Act::Raw { body: body.to_string() }
}

fn bytes(content: &[u8]) -> Act {
    Act::Bytes { status: 200, base64: BASE64.encode(content), headers: BTreeMap::new() }
}

fn once(world: &World, path: &str, act: Act) {
    world.sandbox.script(vec![Rule::once(path, act)]);
}

fn asked(world: &World, path: &str) -> usize {
    world.sandbox.requests().iter().filter(|request| request.path.starts_with(path)).count()
}

/// A view, whether or not the call failed.
async fn outcome(world: &World, tool: &'static str, arguments: Value) -> Value {
    world.call(tool, arguments).await.structured_content.unwrap()
}

/// Every tool whose job is one request, and its endpoint.
fn jobs(world: &World) -> Vec<(&'static str, Value, &'static str)> {
    let file = recording(world, "me.wav", 12);
    vec![
        ("text_to_image", json!({ "prompt": "A fox" }), IMAGE),
        ("text_to_audio", json!({ "text": "Hello" }), T2A),
        ("text_to_audio", json!({ "text": "Hello. ".repeat(1500) }), "/v1/t2a_async_v2"),
        ("music_generation", json!({ "prompt": "Folk", "lyrics": "[Verse]\nla" }), "/v1/music_generation"),
        ("voice_design", json!({ "prompt": "A voice", "preview_text": "Hello" }), "/v1/voice_design"),
        ("voice_clone", json!({ "voice_id": "MyVoice001", "file": file }), "/v1/voice_clone"),
        ("speech_to_text", json!({ "file": file }), "/v1/speech_to_text"),
        ("generate_video", json!({ "prompt": "A fox" }), "/v1/video_generation"),
        ("generate_video", json!({ "prompt": "A fox", "model": "MiniMax-H3" }), "/v2/video_generation"),
        ("enhance_video_prompt", json!({ "prompt": "A fox", "duration": 5 }), "/v2/h3_context_ir"),
    ]
}

#[tokio::test]
async fn an_answer_that_cannot_be_read_is_kept_whole_and_the_error_names_its_file() {
    let world = World::new().await;
    let long = "what was bought ".repeat(400);
    for (tool, arguments, path) in jobs(&world) {
        for (index, (body, ending)) in [
            (format!("<html><title>Gateway</title><body>{long}</body></html>"), ".html"),
            (format!("the answer for sk-api-secret: {long}"), ".txt"),
            (format!(r#"{{"unheard_of":"{long}"}}"#), ".json"),
            (format!(r#"{{"unheard_of":{{"a":["{long}"#), ".json"),
        ]
        .into_iter()
        .enumerate()
        {
            let mut arguments = arguments.clone();
            arguments["idempotency_key"] = json!(format!("{tool} {path} {index}"));
            let before = asked(&world, path);
            once(&world, path, raw(&body));
            let result = world.call(tool, arguments).await;
            let view = result.structured_content.clone().unwrap();
            assert_eq!((result.is_error, &view["status"]), (Some(true), &json!("unknown")), "{tool}: {view}");
            let kept = &view["files"][0]["path"];
            assert!(
                kept.as_str().unwrap_or_default().ends_with(&format!("-answer{ending}")),
                "{tool}: {view}"
            );
            let whole = body.replace("sk-api-secret", "[key]");
            assert!(s3::content(kept) == whole.as_bytes(), "{tool} {body:.30}");
            assert!(view["error"]["message"].as_str().unwrap().contains("is kept in a file"), "{view}");
            assert!(view["next"].as_str().unwrap().contains("read it"), "{view}");
            assert!(text(&result).contains(kept.as_str().unwrap()), "{}", text(&result));
            assert_eq!(asked(&world, path), before + 1, "{tool}");
        }
    }
}

#[tokio::test]
async fn of_an_answer_that_ends_in_the_middle_everything_that_came_is_delivered() {
    let world = World::new().await;
    let link = world.make("text_to_image", json!({ "prompt": "A fox" })).await["files"][0]["url"].clone();
    // One link is whole, the other is cut.
    once(&world, IMAGE, raw(format!(r#"{{"id":"x","data":{{"image_urls":[{link},"https://cdn.exa"#)));
    let view = world.make("text_to_image", json!({ "prompt": "Two", "n": 2 })).await;
    assert_eq!((&view["status"], view["files"].as_array().unwrap().len()), (&json!("partial"), 1), "{view}");
    assert!(view["warnings"].to_string().contains("1 of 2 cannot be fetched"), "{view}");
    let sound = "49443304".repeat(5000);
    for tail in ["", "\\u00", "\",\"status\":2,\"extra"] {
        once(&world, T2A, raw(format!(r#"{{"data":{{"audio":"{sound}{tail}"#)));
        let order = json!({ "text": "Hello", "format": "pcm", "idempotency_key": format!("cut {tail}") });
        let view = world.make("text_to_audio", order).await;
        assert_eq!(view["status"], if tail.len() > 5 { "succeeded" } else { "partial" }, "{tail}: {view}");
        assert_eq!(s3::content(&view["files"][0]["path"]).len(), 20_000, "{tail}");
    }
    // The id is whole, so the task can be polled.
    for (model, path) in [("MiniMax-Hailuo-2.3", "/v1/video_generation"), ("h3", "/v2/video_generation")] {
        once(&world, path, raw(r#"{"task_id":"4711","base_resp":{"status_co"#));
        let order = json!({ "prompt": "A fox", "model": model, "wait_seconds": 0 });
        assert_eq!(world.make("generate_video", order).await["task_id"], "4711", "{model}");
        // Half of an id is another id.
        for cut in [r#"{"task_id":"47"#, r#"{"task_id":47"#] {
            once(&world, path, raw(cut));
            let order = json!({ "prompt": format!("A fox {cut}"), "model": model });
            assert_eq!(outcome(&world, "generate_video", order).await["status"], "unknown", "{cut}");
        }
    }
    // What MiniMax refused is refused, also if the rest of its answer is lost.
    once(&world, IMAGE, raw(r#"{"base_resp":{"status_code":1008,"status_msg":"insuffici"#));
    let refusal = world.refusal("text_to_image", json!({ "prompt": "A cat" })).await;
    assert!(refusal.contains("1008"), "{refusal}");
}

#[tokio::test]
async fn bytes_are_delivered_where_a_link_was_requested_and_a_link_where_bytes_were() {
    let world = World::new().await;
    let made = world.make("text_to_image", json!({ "prompt": "A fox" })).await;
    let picture = s3::content(&made["files"][0]["path"]);
    let (base64, hex) = (BASE64.encode(&picture), HEXLOWER.encode(&picture));
    let url = format!("data:image/jpeg;base64,{base64}");
    for (index, data) in [
        json!({ "image_base64": [base64] }),
        json!({ "image_urls": [], "image_base64": [base64] }),
        json!({ "image_urls": [base64] }),
        json!({ "image_urls": [url] }),
        json!({ "image_urls": [hex] }),
        json!([{ "b64_json": base64 }]),
        json!({ "images": [{ "url": url }] }),
    ]
    .into_iter()
    .enumerate()
    {
        once(&world, IMAGE, raw(json!({ "data": data, "base_resp": { "status_code": 0 } })));
        let view = world.make("text_to_image", json!({ "prompt": format!("A fox {index}") })).await;
        assert_eq!(view["status"], "succeeded", "{index}: {view}");
        assert_eq!(view["files"].as_array().unwrap().len(), 1, "{index}: {view}");
        assert!(s3::content(&view["files"][0]["path"]) == picture, "{index}");
    }
    // The file itself, without any JSON.
    once(&world, IMAGE, bytes(&picture));
    let view = world.make("text_to_image", json!({ "prompt": "A bare fox" })).await;
    assert_eq!(view["status"], "succeeded", "{view}");
    assert!(s3::content(&view["files"][0]["path"]) == picture);
    let spoken = world.make("text_to_audio", json!({ "text": "Hello" })).await;
    let (link, sound) = (spoken["files"][0]["url"].clone(), s3::content(&spoken["files"][0]["path"]));
    let file = recording(&world, "me.wav", 12);
    for (index, audio) in
        [link, json!(BASE64.encode(&sound)), json!(HEXLOWER.encode(&sound))].into_iter().enumerate()
    {
        let ok = json!({ "status_code": 0 });
        for (tool, arguments, path, body) in [
            (
                "text_to_audio",
                json!({ "text": "Hi" }),
                T2A,
                json!({ "data": { "audio": audio }, "base_resp": ok }),
            ),
            (
                "text_to_audio",
                json!({ "text": "Hi " .repeat(1000) }),
                T2A,
                json!({ "data": { "audio": audio }, "base_resp": ok }),
            ),
            ("text_to_audio", json!({ "text": "Ho" }), T2A, json!({ "audio_file": audio, "base_resp": ok })),
            (
                "music_generation",
                json!({ "prompt": "Folk", "lyrics": "[Verse]\nla" }),
                "/v1/music_generation",
                json!({ "data": { "audio": audio, "status": 2 }, "base_resp": ok }),
            ),
            (
                "voice_design",
                json!({ "prompt": "A voice", "preview_text": "Hi" }),
                "/v1/voice_design",
                json!({ "voice_id": format!("ttv-{index}"), "trial_audio": audio, "base_resp": ok }),
            ),
            (
                "voice_clone",
                json!({ "voice_id": format!("MyVoice00{index}"), "file": file, "text": "Hi" }),
                "/v1/voice_clone",
                json!({ "demo_audio": audio, "base_resp": ok }),
            ),
        ] {
            let mut arguments = arguments;
            arguments["idempotency_key"] = json!(
                format!("{tool} {index} {}", body["audio_file"].is_string())
                    + &arguments.to_string().len().to_string()
            );
            once(&world, path, raw(&body));
            let view = world.make(tool, arguments).await;
            assert_eq!(view["status"], "succeeded", "{tool} {index}: {view}");
            assert!(s3::content(&view["files"][0]["path"]) == sound, "{tool} {index}: {view}");
        }
    }
}

#[tokio::test]
async fn a_link_to_a_sound_that_was_cut_is_kept_and_the_error_says_what_to_do() {
    let world = World::new().await;
    for odd in ["http", "https:/", "https://", " \n"] {
        let body = json!({ "data": { "audio": odd, "status": 2 }, "base_resp": { "status_code": 0 } });
        for (tool, arguments, path) in [
            ("text_to_audio", json!({ "text": format!("Hello {odd:?}") }), T2A),
            (
                "music_generation",
                json!({ "prompt": format!("{odd:?}"), "lyrics": "[Verse]\nla" }),
                "/v1/music_generation",
            ),
        ] {
            once(&world, path, raw(&body));
            let view = outcome(&world, tool, arguments).await;
            assert_eq!(view["status"], "unknown", "{odd:?}: {view}");
            let kept: Value = serde_json::from_slice(&s3::content(&view["files"][0]["path"])).unwrap();
            assert_eq!(kept["data"]["audio"], odd);
            assert!(view["error"]["message"].as_str().unwrap().contains("trace id"), "{view}");
            assert!(view["next"].as_str().unwrap().contains("for example a link"), "{view}");
        }
    }
    // White space in the middle of a link is no part of it.
    let made = world.make("text_to_audio", json!({ "text": "Hello" })).await;
    let link = made["files"][0]["url"].as_str().unwrap();
    let (start, end) = link.split_at(link.len() / 2);
    let body = json!({ "data": { "audio": format!(" {start}\n{end} ") }, "base_resp": { "status_code": 0 } });
    once(&world, T2A, raw(body));
    let view = world.make("text_to_audio", json!({ "text": "Hello again" })).await;
    assert_eq!(view["status"], "succeeded", "{view}");
}

#[tokio::test]
async fn an_answer_without_a_job_is_quoted() {
    let world = World::new().await;
    let file = world.make("text_to_image", json!({ "prompt": "A fox" })).await["files"][0]["path"].clone();
    let long = "what was bought ".repeat(800);
    for (tool, arguments, path) in [
        ("generate_lyrics", json!({ "prompt": "Rain" }), "/v1/lyrics_generation"),
        ("web_search", json!({ "query": "fox" }), "/v1/coding_plan/search"),
        ("understand_image", json!({ "prompt": "What?", "image_url": file }), "/v1/coding_plan/vlm"),
        ("chat", json!({ "prompt": "Hello" }), "/v1/chat/completions"),
    ] {
        for body in [
            format!(r#"{{"unheard_of":"{long}"}}"#),
            format!("{long} for sk-api-secret"),
            format!(r#"{{"lyrics":"{long}"#),
        ] {
            let before = asked(&world, path);
            once(&world, path, raw(&body));
            let refusal = world.refusal(tool, arguments.clone()).await;
            assert!(refusal.contains(long.trim()), "{tool}: {refusal:.300}");
            assert!(!refusal.contains("sk-api-secret"), "{tool}");
            assert!(refusal.contains("billed"), "{tool}: {refusal}");
            assert_eq!(asked(&world, path), before + 1, "{tool}");
        }
    }
}

#[tokio::test]
async fn the_last_event_of_a_stream_counts_without_a_line_end() {
    let world = World::new().await;
    let stream = |body: String| Act::Status {
        status: 200,
        body,
        content_type: Some("text/event-stream".to_owned()),
        headers: BTreeMap::new(),
    };
    let event = json!({ "choices": [{ "delta": { "content": "Hello" }, "finish_reason": "stop" }] });
    once(&world, "/v1/chat/completions", stream(format!("data: {event}")));
    assert_eq!(world.make("chat", json!({ "prompt": "Hi" })).await["text"], "Hello");
    let sound = |status: u8| json!({ "data": { "audio": "fffb9064".repeat(2000), "status": status } });
    once(&world, T2A, stream(format!("data: {}\n\ndata: {}", sound(1), sound(2))));
    let view = world.make("text_to_audio", json!({ "text": "Hello. ".repeat(450) })).await;
    assert_eq!(
        (&view["status"], s3::content(&view["files"][0]["path"]).len()),
        (&json!("succeeded"), 8000),
        "{view}"
    );
}

#[tokio::test]
async fn the_answer_to_a_poll_is_read_whatever_it_is_wrapped_in() {
    let world = World::new().await;
    let made = world.make("generate_video", json!({ "prompt": "A fox", "model": "h3" })).await;
    let link = made["files"][0]["url"].clone();
    let task = json!({ "id": "1", "status": "succeeded", "content": { "url": link } });
    let v1 = json!({ "status": "Success", "video_url": link });
    for wrapped in [
        task.clone(),
        json!({ "data": task }),
        json!({ "result": task }),
        json!({ "data": { "task": task } }),
        json!({ "tasks": [task] }),
    ] {
        once(&world, "/v2/query/video_generation/", raw(&wrapped));
        let view =
            world.make("generate_video", json!({ "prompt": format!("{wrapped:.60}"), "model": "h3" })).await;
        assert_eq!(view["status"], "succeeded", "{wrapped}: {view}");
    }
    for wrapped in [v1.clone(), json!({ "data": v1 }), json!({ "result": v1 }), json!({ "task": v1 })] {
        once(&world, "/v1/query/video_generation", raw(&wrapped));
        let view = world.make("generate_video", json!({ "prompt": format!("{wrapped:.60}") })).await;
        assert_eq!(view["status"], "succeeded", "{wrapped}: {view}");
    }
    // So is the id of a task.
    for wrapped in [json!({ "data": { "task_id": "4711" } }), json!({ "task": { "id": 4711.0 } })] {
        once(&world, "/v2/video_generation", raw(&wrapped));
        let order = json!({ "prompt": format!("{wrapped}"), "model": "h3", "wait_seconds": 0 });
        assert_eq!(world.make("generate_video", order).await["task_id"], "4711", "{wrapped}");
    }
}

#[tokio::test]
async fn a_task_whose_answers_cannot_be_read_ends_with_its_id_and_the_last_answer() {
    let world = World::new().await;
    for (model, path) in [("MiniMax-Hailuo-2.3", "/v1/query/"), ("MiniMax-H3", "/v2/query/")] {
        world.sandbox.script(vec![Rule::always(path, raw(r#"{"unheard_of":"what was bought"}"#))]);
        let order = json!({ "prompt": "A fox", "model": model, "wait_seconds": 100 });
        let first = outcome(&world, "generate_video", order).await;
        let mut seen = first.clone();
        while seen["status"] == "running" {
            seen =
                outcome(&world, "get_job", json!({ "job_id": first["job_id"], "wait_seconds": 100 })).await;
        }
        assert_eq!(seen["status"], "unknown", "{seen}");
        assert!(seen["error"]["message"].as_str().unwrap().contains("cannot be read"), "{seen}");
        assert!(seen["next"].as_str().unwrap().contains(seen["task_id"].as_str().unwrap()), "{seen}");
        assert!(
            String::from_utf8(s3::content(&seen["files"][0]["path"])).unwrap().contains("what was bought")
        );
        // The task goes on at MiniMax.
        world.sandbox.script(Vec::new());
        crate::harness::eventually("it is done", async || {
            let order = json!({ "job_id": first["job_id"], "wait_seconds": 60 });
            outcome(&world, "get_job", order).await["status"] == "succeeded"
        })
        .await;
    }
    assert_eq!(world.bought(), 2);
}

#[tokio::test]
async fn a_task_that_failed_without_a_code_says_what_minimax_said() {
    let world = World::new().await;
    for (path, model, body, said) in [
        ("/v1/query/", "MiniMax-Hailuo-2.3", json!({ "status": "Fail" }), "without a reason"),
        (
            "/v1/query/",
            "MiniMax-Hailuo-2.3",
            json!({ "status": "Fail", "error": "the dog ate it" }),
            "the dog ate it",
        ),
        (
            "/v1/query/",
            "MiniMax-Hailuo-2.3",
            json!({ "status": "Fail", "base_resp": { "status_code": 0, "status_msg": "no fox" } }),
            "no fox",
        ),
        (
            "/v2/query/",
            "h3",
            json!({ "task": { "status": "failed", "error": { "message": "no fox" } } }),
            "no fox",
        ),
        ("/v2/query/", "h3", json!({ "task": { "status": "failed", "error": "no dog" } }), "no dog"),
        (
            "/v2/query/",
            "h3",
            json!({ "task": { "status": "failed", "error": { "code": null } } }),
            "without a reason",
        ),
        ("/v2/query/", "h3", json!({ "task": { "status": "expired" } }), "expired"),
    ] {
        once(&world, path, raw(&body));
        let seen =
            outcome(&world, "generate_video", json!({ "prompt": body.to_string(), "model": model })).await;
        let message = seen["error"]["message"].as_str().unwrap();
        assert_eq!(seen["status"], "failed", "{seen}");
        assert!(message.contains(said) && !message.contains("200"), "{body}: {message}");
    }
}

#[tokio::test]
async fn a_file_that_lacks_its_end_is_downloaded_again_and_what_came_is_kept_and_called_cut() {
    let world = World::with(quick(), &[]).await;
    let still = world.make("text_to_image", json!({ "prompt": "A fox" })).await;
    let film = world.make("generate_video", json!({ "prompt": "A fox" })).await;
    for (tool, made) in [("text_to_image", &still), ("generate_video", &film)] {
        let whole = s3::content(&made["files"][0]["path"]);
        let cut = &whole[..whole.len() - 40];
        // Once is an accident.
        once(&world, "/cdn/", bytes(cut));
        let view = world.make(tool, json!({ "prompt": "An accident" })).await;
        assert_eq!(view["status"], "succeeded", "{view}");
        let kept = s3::content(&view["files"][0]["path"]);
        assert!(kept.len() > cut.len() || tool == "generate_video", "{}", kept.len());
        let before = asked(&world, "/cdn/");
        world.sandbox.script(vec![Rule::always("/cdn/", bytes(cut))]);
        let view = world.make(tool, json!({ "prompt": "No accident" })).await;
        assert_eq!(view["status"], "partial", "{view}");
        assert!(view["warnings"].to_string().contains("cut short"), "{view}");
        assert!(s3::content(&view["files"][0]["path"]) == cut);
        assert!(asked(&world, "/cdn/") >= before + 3);
        world.sandbox.script(Vec::new());
    }
    // The same in the answer itself.
    let picture = s3::content(&still["files"][0]["path"]);
    let half = BASE64.encode(&picture[..picture.len() / 2]);
    once(
        &world,
        IMAGE,
        raw(json!({ "data": { "image_base64": [half] }, "base_resp": { "status_code": 0 } })),
    );
    let view = world.make("text_to_image", json!({ "prompt": "Half a fox" })).await;
    assert_eq!(view["status"], "partial", "{view}");
    assert!(view["warnings"].to_string().contains("cut short"), "{view}");
}

//! What a result or an error tells its reader to do: it is true, and it works when it is followed to the letter.

use minimax_mcp::sandbox::{Act, Rule};
use rmcp::model::{SubscribeRequestParams, UnsubscribeRequestParams};
use serde_json::{Value, json};

use crate::harness::{Program, World, eventually, quick, text};
use crate::s3;
use crate::voice::recording;

/// The path of the first file of a result.
fn path(view: &Value) -> std::path::PathBuf {
    view["files"][0]["path"].as_str().unwrap_or_else(|| panic!("no path in {view}")).into()
}

/// Makes a call whose answer arrives after `meanwhile`.
async fn make_while(
    world: &World,
    endpoint: &str,
    call: (&'static str, Value),
    meanwhile: impl FnOnce(),
) -> Value {
    world.sandbox.script(vec![Rule::once(endpoint, Act::Hold)]);
    let before = world.bought();
    let answer = async {
        eventually("the request", async || world.bought() > before).await;
        meanwhile();
        world.sandbox.script(Vec::new());
    };
    tokio::join!(world.make(call.0, call.1), answer).0
}

#[tokio::test]
async fn what_arrives_for_a_folder_that_has_become_a_file_is_saved_in_the_base_folder() {
    if s3::leaves_out("the folder for results") {
        return;
    }
    let world = World::new().await;
    std::fs::create_dir_all(world.out()).unwrap();
    let sound = recording(&world, "sound.wav", 12);
    for (endpoint, tool, mut arguments) in [
        ("/v1/voice_design", "voice_design", json!({ "prompt": "A calm voice", "preview_text": "Hello." })),
        ("/v1/speech_to_text", "speech_to_text", json!({ "file": sound })),
        ("/v1/t2a_v2", "text_to_audio", json!({ "text": "Hello." })),
        ("/v1/image_generation", "text_to_image", json!({ "prompt": "A fox" })),
    ] {
        let folder = world.out().join(tool);
        arguments["output_directory"] = json!(tool);
        let view = make_while(&world, endpoint, (tool, arguments), || {
            std::fs::remove_dir_all(&folder).unwrap();
            std::fs::write(&folder, "in the way").unwrap();
        });
        let view = view.await;
        assert_eq!(view["status"], "succeeded", "{view}");
        assert_eq!(path(&view).parent(), Some(&*world.out()), "{view}");
        assert!(path(&view).is_file(), "{view}");
        let note = format!("{} cannot be written: it is not a folder", folder.display());
        assert!(view["warnings"].to_string().contains(&note), "{view}");
    }
}

#[tokio::test]
async fn content_without_a_link_that_no_folder_takes_is_saved_by_get_job_once_one_does() {
    if s3::leaves_out("the folder for results") {
        return;
    }
    let world = World::new().await;
    let call = ("voice_design", json!({ "prompt": "A calm voice", "preview_text": "Hello." }));
    let view = make_while(&world, "/v1/voice_design", call, || {
        std::fs::remove_dir_all(world.out()).unwrap();
        std::fs::write(world.out(), "in the way").unwrap();
    });
    let view = view.await;
    assert!(view["files"][0]["path"].is_null(), "{view}");
    let id = view["job_id"].as_str().unwrap();
    assert!(view["next"].as_str().unwrap().contains(&format!("get_job with job_id {id}")), "{view}");
    std::fs::remove_file(world.out()).unwrap();
    let world = world.restarted().await;
    let saved = world.make("get_job", json!({ "job_id": id })).await;
    assert_eq!(saved["status"], "succeeded", "{saved}");
    assert!(path(&saved).metadata().unwrap().len() > 100, "{saved}");
    let waiting = std::fs::read_dir(world.dir.path().join("data/minimax-mcp/undelivered")).unwrap().count();
    assert_eq!((waiting, world.bought()), (0, 1));
}

#[tokio::test]
async fn a_streamed_sound_that_no_folder_takes_is_saved_by_get_job_once_one_does() {
    if s3::leaves_out("the folder for results") {
        return;
    }
    let world = World::new().await;
    let text = "A sentence of the story. ".repeat(150);
    let view = make_while(&world, "/v1/t2a_v2", ("text_to_audio", json!({ "text": text })), || {
        std::fs::remove_dir_all(world.out()).unwrap();
        std::fs::write(world.out(), "in the way").unwrap();
    });
    let view = view.await;
    assert_eq!(world.last_body()["stream"], true);
    assert!(view["status"] == "succeeded" && view["files"][0]["path"].is_null(), "{view}");
    std::fs::remove_file(world.out()).unwrap();
    let saved = world.make("get_job", json!({ "job_id": view["job_id"] })).await;
    let sound = path(&saved);
    assert!(sound.starts_with(world.out()) && sound.metadata().unwrap().len() > 10_000, "{saved}");
    assert!(saved["files"][0]["duration_ms"].as_u64().unwrap() > 60_000, "{saved}");
    let waiting = std::fs::read_dir(world.dir.path().join("data/minimax-mcp/undelivered")).unwrap().count();
    assert_eq!((waiting, world.bought()), (0, 1));
}

#[tokio::test]
async fn a_file_that_cannot_be_fetched_again_is_not_promised() {
    if s3::leaves_out("the folder for results") {
        return;
    }
    let world = World::new().await;
    let design =
        world.make("voice_design", json!({ "prompt": "A calm voice", "preview_text": "Hello." })).await;
    std::fs::remove_file(path(&design)).unwrap();
    let view = world.make("get_job", json!({ "job_id": design["job_id"] })).await;
    let (next, notes) = (view["next"].as_str().unwrap(), view["warnings"].to_string());
    assert!(next.starts_with("What is not saved cannot be fetched again."), "{next}");
    assert!(notes.contains("came without a link") && !notes.contains("https://host/path"), "{notes}");
}

#[tokio::test]
async fn an_upload_is_taken_where_its_result_says() {
    let world = World::new().await;
    let image = world.make("text_to_image", json!({ "prompt": "A fox" })).await["files"][0]["uri"].clone();
    std::fs::create_dir_all(world.out()).unwrap();
    let speech = recording(&world, "speech.wav", 12);
    let text = world.out().join("text.txt");
    std::fs::write(&text, "A long story.").unwrap();
    for (file, purpose, tool, parameter, mut arguments) in [
        (json!(speech), "voice_clone", "voice_clone", "file", json!({ "voice_id": "MyVoice01" })),
        (json!(text), "t2a_async_input", "text_to_audio", "text_file", json!({})),
        (
            image,
            "video_generation_input",
            "generate_video",
            "frame",
            json!({ "prompt": "It runs", "model": "MiniMax-H3" }),
        ),
    ] {
        let uploaded = world.make("upload_file", json!({ "file": file, "purpose": purpose })).await;
        let next = uploaded["next"].as_str().unwrap();
        assert!(next.contains("mm_file://") && next.contains(tool) && next.contains(parameter), "{next}");
        assert!(!next.contains("file_id"), "only tools for files take a file_id: {next}");
        let parameter = if parameter == "frame" { "first_frame_image" } else { parameter };
        arguments[parameter] = uploaded["uri"].clone();
        world.make(tool, arguments).await;
    }
}

#[tokio::test]
async fn an_address_or_id_in_the_wrong_place_is_led_to_the_right_one() {
    let world = World::new().await;
    let video = world.make("generate_video", json!({ "prompt": "A fox" })).await;
    let (uri, id) = (&video["files"][0]["uri"], &video["job_id"]);
    let refusal = world.refusal("query_video_generation", json!({ "task_id": id })).await;
    let task = video["task_id"].as_str().unwrap();
    assert!(refusal.contains("get_job") && refusal.contains(task), "{refusal}");
    if !s3::leaves_out("download_file") {
        let refusal = world.refusal("download_file", json!({ "url": uri })).await;
        assert!(refusal.contains("get_job") && !refusal.contains("network"), "{refusal}");
        let refusal = world.refusal("download_file", json!({ "url": "mm_file://1" })).await;
        assert!(refusal.contains("file_id"), "{refusal}");
    }
    let refusal = world.refusal("regenerate_video", json!({ "job_id": id })).await;
    assert!(refusal.contains("is of kind video (MiniMax-Hailuo-2.3); it must be"), "{refusal}");
}

#[tokio::test]
async fn a_server_without_download_file_does_not_advise_it() {
    let world = World::new().await;
    world.make("generate_video", json!({ "prompt": "A fox" })).await;
    let reader = world.neighbour_with(&[("MINIMAX_READ_ONLY", "true")]).await;
    for (tool, arguments) in [
        ("list_files", json!({})),
        ("view_media", json!({ "uri": "https://example.com/x.jpg" })),
        ("view_media", json!({ "uri": "mm_file://1" })),
    ] {
        let said = text(&reader.call(tool, arguments).await);
        assert!(!said.contains("download_file"), "{tool}: {said}");
    }
}

#[expect(deprecated, reason = "older clients know nothing else")]
#[tokio::test]
async fn every_listed_resource_can_be_subscribed_to() {
    let world = World::new().await;
    world.make("text_to_image", json!({ "prompt": "A fox" })).await;
    let listed = world.client.list_all_resources().await.unwrap();
    assert_eq!(listed.len(), 4, "two tables, a job and its file: {listed:?}");
    for resource in listed {
        world.client.subscribe(SubscribeRequestParams::new(&resource.uri)).await.unwrap();
        world.client.unsubscribe(UnsubscribeRequestParams::new(&resource.uri)).await.unwrap();
    }
    // Hosts with MCP Apps list the viewer too.
    world.client.subscribe(SubscribeRequestParams::new("ui://minimax/job")).await.unwrap();
    let gone = world.client.subscribe(SubscribeRequestParams::new("minimax://files/image-x/image-1.jpg"));
    gone.await.unwrap_err();
}

#[tokio::test]
async fn a_price_that_is_only_bounded_is_told_with_its_bound() {
    let world = World::new().await;
    let video = world.make("generate_video", json!({ "prompt": "A fox" })).await;
    let mut order = json!({
        "prompt": "It runs", "model": "MiniMax-H3", "reference_videos": [video["files"][0]["uri"]], "dry_run": true,
    });
    let result = world.call("generate_video", order.clone()).await;
    assert!(text(&result).contains("at most $1.60 in all"), "{}", text(&result));
    let view = result.structured_content.unwrap();
    assert!(view["cost"]["basis"].as_str().unwrap().ends_with("at most $1.60 in all"), "{view}");
    order["dry_run"] = json!(false);
    let made = world.make("generate_video", order).await;
    assert_eq!(made["usage"]["input_seconds"], 6, "{made}");
    assert_eq!(made["cost"]["actual"], 0.88, "5 s and the 6 s of the reference: {made}");
    assert!(!made["cost"]["basis"].as_str().unwrap().contains("at most"), "{made}");
}

#[tokio::test]
async fn what_is_left_of_a_budget_is_never_rounded_up() {
    let world = World::with(quick(), &[("MINIMAX_BUDGET_DAY", "0.01")]).await;
    world.make("chat", json!({ "prompt": "Hello", "max_tokens": 100 })).await;
    let said = text(&world.call("check_account", json!({})).await);
    assert!(said.contains("MINIMAX_BUDGET_DAY $0.01 ($0.0099 left)"), "{said}");
}

#[tokio::test]
async fn a_job_that_is_cancelled_again_says_so_without_contradiction() {
    let world = World::with(minimax_mcp::sandbox::Pace { polls: 1_000_000, ..quick() }, &[]).await;
    let job = world.make("generate_video", json!({ "prompt": "A fox", "async_mode": true })).await;
    let id = json!({ "job_id": job["job_id"] });
    world.make("cancel_job", id.clone()).await;
    let again = world.make("cancel_job", id).await;
    let next = again["next"].as_str().unwrap();
    assert!(next.starts_with("It had been cancelled before. Stopped watching;"), "{next}");
}

#[tokio::test]
async fn a_function_s_second_result_is_refused_before_it_is_sent() {
    let world = World::new().await;
    let tools = json!([{ "name": "weather" }]);
    for api in ["openai", "anthropic", "native", "responses"] {
        let asked = world.make("chat", json!({ "prompt": "Rain? #tool", "tools": tools, "api": api })).await;
        let call = &asked["tool_calls"][0]["id"];
        let messages = json!([{ "role": "tool", "tool_call_id": call, "content": "yes" }]);
        let answer = json!({ "conversation_id": asked["conversation_id"], "messages": messages });
        world.make("chat", answer.clone()).await;
        let sent = world.sandbox.requests().len();
        let refusal = world.refusal("chat", answer).await;
        assert!(refusal.contains("`tool_call_id`") && refusal.contains("has its result"), "{api}: {refusal}");
        assert_eq!(world.sandbox.requests().len(), sent, "{api}");
    }
}

#[tokio::test]
async fn an_answer_that_was_cut_is_continued_as_its_result_says() {
    let world = World::new().await;
    let cut = world.make("chat", json!({ "prompt": "Tell #long", "max_tokens": 20 })).await;
    let next = cut["next"].as_str().unwrap();
    assert!(next.contains("and a prompt such as `go on`"), "{next}");
    let id = &cut["conversation_id"];
    world.make("chat", json!({ "conversation_id": id, "prompt": "go on" })).await;
}

/// A program that asks before each purchase, and a client that can be asked.
fn asking(dir: &std::path::Path, url: &str) -> Program {
    let path = |name| dir.join(name).display().to_string();
    let (home, out, data) = (path("home"), path("out"), path("data"));
    let mut program = Program::start(
        &[],
        &[
            ("HOME", &home),
            ("MINIMAX_API_HOST", url),
            ("MINIMAX_SANDBOX", "true"),
            ("MINIMAX_API_KEY", "sk-api-secret"),
            ("MINIMAX_MCP_BASE_PATH", &out),
            ("MINIMAX_DATA_DIR", &data),
            ("MINIMAX_CONFIRM_ABOVE", "0"),
        ],
    );
    program.initialize_with("2025-11-25", json!({ "elicitation": {} }));
    program
}

/// The next message of a method, with its id.
fn next_of(program: &Program, method: &str) -> Value {
    loop {
        let message = program.next(crate::harness::AT_LAST).expect("a message");
        if message["method"] == method {
            return message;
        }
    }
}

#[test]
fn a_question_is_withdrawn_with_its_call_and_an_answer_of_another_shape_is_named() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let options = minimax_mcp::sandbox::Options { pace: quick(), ..Default::default() };
    let sandbox = runtime.block_on(minimax_mcp::sandbox::Sandbox::start(options)).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let mut program = asking(dir.path(), &sandbox.url());
    let order = json!({ "name": "text_to_image", "arguments": { "prompt": "A fox" } });
    for (answer, said) in [
        (json!({ "action": "accept" }), "accepted without an answer"),
        (json!({ "action": "accept", "content": { "buy": "true" } }), "accepted without an answer"),
        (json!({ "action": "accept", "content": { "buy": false } }), "was not chosen"),
        (json!({ "action": "decline" }), "has said no"),
        (json!({ "action": "cancel" }), "has not answered"),
        (json!({ "action": "ACCEPT", "content": { "buy": true } }), "cannot be read"),
        (json!({}), "cannot be read"),
    ] {
        let id = program.post("tools/call", order.clone());
        let question = next_of(&program, "elicitation/create");
        program.send(&json!({ "jsonrpc": "2.0", "id": question["id"], "result": answer }));
        let result = program.answer(id).to_string();
        assert!(result.contains(said), "{answer}: {result}");
    }
    let id = program.post("tools/call", order);
    let question = next_of(&program, "elicitation/create");
    let gone =
        json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": id } });
    program.send(&gone);
    assert_eq!(next_of(&program, "notifications/cancelled")["params"]["requestId"], question["id"]);
    assert_eq!(sandbox.paid().len(), 0);
}

#[test]
fn a_task_of_the_sandbox_says_that_nothing_is_billed_and_a_cancelled_one_what_minimax_does() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name| dir.path().join(name).display().to_string();
    let (home, out, data) = (path("home"), path("out"), path("data"));
    let mut program = Program::start(
        &["--sandbox"],
        &[("HOME", &home), ("MINIMAX_MCP_BASE_PATH", &out), ("MINIMAX_DATA_DIR", &data)],
    );
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": { "name": "raw", "version": "0" },
        "io.modelcontextprotocol/clientCapabilities": { "extensions": { "io.modelcontextprotocol/tasks": {} } },
    });
    let mut start = || {
        let order = json!({ "name": "generate_video", "arguments": { "prompt": "A fox" }, "_meta": meta });
        program.request("tools/call", order)["result"]["taskId"].clone()
    };
    let (first, second) = (start(), start());
    let named = |id: &Value| json!({ "taskId": id, "_meta": meta });
    program.request("tasks/cancel", named(&second));
    let cancelled = program.request("tasks/get", named(&second));
    let message = cancelled["result"]["statusMessage"].as_str().unwrap();
    assert!(message.contains("cancelled") && message.contains("bills it"), "{cancelled}");
    let done = loop {
        let task = program.request("tasks/get", named(&first))["result"].clone();
        if task["status"] != "working" {
            break task;
        }
        std::thread::sleep(std::time::Duration::from_millis(200));
    };
    let (said, view) = (&done["result"]["content"][0]["text"], &done["result"]["structuredContent"]);
    assert!(said.as_str().unwrap().contains("sandbox: nothing is billed"), "{done}");
    assert!(view["cost"]["basis"].as_str().unwrap().ends_with("sandbox: nothing is billed"), "{done}");
}

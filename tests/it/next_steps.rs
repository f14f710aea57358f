//! What a result or an error tells its reader to do: it is true, and it works when it is followed to the letter.

use minimax_mcp::sandbox::{Act, Rule};
use serde_json::{Value, json};

use crate::harness::{World, eventually, quick, text};
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

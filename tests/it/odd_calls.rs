//! Calls and answers that must not lead to a purchase, and are not blamed on the wrong side.

use minimax_mcp::sandbox::{Act, Rule};
use serde_json::json;

use crate::harness::World;
use crate::voice::{recording, requests};

#[tokio::test]
async fn a_call_that_may_have_meant_a_dry_run_buys_nothing() {
    let world = World::new().await;
    for value in [
        json!(""),
        json!(" "),
        json!("\u{200b}"),
        json!([]),
        json!({}),
        json!("maybe"),
        json!(2),
        json!([true]),
    ] {
        let refusal = world.refusal("text_to_image", json!({ "prompt": "A fox", "dry_run": value })).await;
        assert!(refusal.contains("`dry_run` is") && refusal.contains("true or false"), "{value}: {refusal}");
    }
    for value in [json!(true), json!("yes"), json!("True"), json!(1), json!("1"), json!(" on ")] {
        for name in ["dry_run", "dryRun", "dry-run", "DRY_RUN"] {
            let view = world.make("text_to_image", json!({ "prompt": "A fox", name: value })).await;
            assert_eq!(view.get("job_id"), None, "{name} {value}: {view}");
        }
    }
    for odd in
        [json!({ "_dry_run": true }), json!({ "__dryRun": true }), json!({ "_meta": { "dry_run": true } })]
    {
        let mut arguments = odd.clone();
        arguments["prompt"] = json!("A fox");
        let refusal = world.refusal("text_to_image", arguments).await;
        assert!(refusal.contains("there is no parameter"), "{odd}: {refusal}");
    }
    assert_eq!(world.sandbox.requests().len(), 0);
    // Clients fill what is not given with null.
    let view = world.make("text_to_image", json!({ "prompt": "A fox", "dry_run": null })).await;
    assert_eq!(view["status"], "succeeded", "{view}");
}

#[tokio::test]
async fn an_odd_id_of_an_upload_is_not_blamed_on_the_caller_and_buys_nothing() {
    let world = World::new().await;
    let file = recording(&world, "me.wav", 12);
    for (id, sent) in [
        (json!(4711.0), true),
        (json!("4711"), true),
        (json!("file-x"), false),
        (json!(1.5), false),
        (json!(null), false),
        (json!([1]), false),
    ] {
        let before = requests(&world, "/v1/voice_clone").len();
        let ok = json!({ "status_code": 0 });
        let uploaded = json!({ "file": { "file_id": id }, "base_resp": ok });
        world.sandbox.script(vec![
            Rule::once("/v1/files/upload", Act::Raw { body: uploaded.to_string() }),
            Rule::once("/v1/voice_clone", Act::Raw { body: json!({ "base_resp": ok }).to_string() }),
        ]);
        let order = json!({ "voice_id": "MyVoice001", "file": file, "idempotency_key": id.to_string() });
        let result = world.call("voice_clone", order).await;
        assert_eq!(requests(&world, "/v1/voice_clone").len() - before, usize::from(sent), "{id}");
        let told = result.structured_content.unwrap();
        if sent {
            assert_eq!(told["status"], "succeeded", "{id}: {told}");
        } else {
            assert_eq!(told["error"]["kind"], "bug", "{id}: {told}");
            assert!(told["error"]["message"].as_str().unwrap().contains("file_id"), "{told}");
        }
    }
}

//! `list_voices`, `delete_voice`.

use minimax_mcp::sandbox::{Act, Rule};
use serde_json::{Value, json};

use crate::harness::{World, quick};
use crate::voice::{recording, requests};

fn ids(list: &Value) -> Vec<&str> {
    list["voices"].as_array().unwrap().iter().map(|row| row["voice_id"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn voices_are_listed_with_what_the_table_knows_of_them() {
    let world = World::new().await;
    let list = world.make("list_voices", json!({})).await;
    assert_eq!(requests(&world, "/v1/get_voice")[0].body, json!({ "voice_type": "all" }));
    let row = |id: &str| -> Value {
        list["voices"].as_array().unwrap().iter().find(|row| row["voice_id"] == id).unwrap().clone()
    };
    assert_eq!(
        row("Chinese (Mandarin)_Reliable_Executive"),
        json!({
            "voice_id": "Chinese (Mandarin)_Reliable_Executive", "name": "Reliable Executive",
            "language": "Chinese (Mandarin)", "description": "Reliable executive voice", "voice_type": "system",
        })
    );
    // The voice is newer than the table, so the language comes from its id.
    assert_eq!(row("Thai_Brand_New_Voice")["language"], "Thai");
    assert_eq!(row("Thai_Brand_New_Voice")["description"], "Newer than every list");
    // The search includes MiniMax's descriptions.
    assert_eq!(
        ids(&world.make("list_voices", json!({ "query": "audiobooks" })).await),
        ["English_expressive_narrator"]
    );
    assert_eq!(ids(&world.make("list_voices", json!({ "query": "沉稳" })).await).len(), 1);
    for language in ["english", "EN", "English"] {
        let english = world.make("list_voices", json!({ "language": language })).await;
        assert!(english["total"].as_u64().unwrap() >= 3, "{language}: {english}");
        assert!(ids(&english).iter().all(|id| id.starts_with("English_")), "{english}");
    }
    let none = world.make("list_voices", json!({ "language": "Klingon" })).await;
    assert_eq!(none["total"], 0);
    assert!(none["next"].as_str().unwrap().contains("Portuguese"), "{none}");
    assert_eq!(world.bought(), 0);
}

#[tokio::test]
async fn a_list_has_pages() {
    let world = World::new().await;
    let all = world.make("list_voices", json!({})).await;
    let (mut cursor, mut seen) = (Value::Null, Vec::new());
    loop {
        let page = world.make("list_voices", json!({ "limit": 3, "cursor": cursor })).await;
        assert!(ids(&page).len() <= 3);
        assert_eq!(page["total"], all["total"]);
        seen.extend(ids(&page).into_iter().map(str::to_owned));
        cursor = page["next_cursor"].clone();
        if cursor.is_null() {
            break;
        }
    }
    assert_eq!(seen, ids(&all));
    for (arguments, parts) in [
        (json!({ "limit": 101 }), ["`limit` is 101", "1 to 100"]),
        (json!({ "cursor": "x" }), ["`cursor`", "list_voices"]),
        (json!({ "voice_type": "cloned" }), ["`voice_type`", "voice_cloning"]),
    ] {
        let refusal = world.refusal("list_voices", arguments).await;
        assert!(parts.iter().all(|part| refusal.contains(part)), "{refusal}");
    }
}

#[tokio::test]
async fn without_a_key_the_table_answers_and_says_so() {
    let world = World::with(quick(), &[("MINIMAX_API_KEY", "")]).await;
    let list = world.make("list_voices", json!({ "language": "yue", "query": "girl" })).await;
    assert_eq!(ids(&list), ["Cantonese_CuteGirl"]);
    let next = list["next"].as_str().unwrap();
    assert!(next.contains("No MINIMAX_API_KEY") && next.contains("2026-"), "{next}");
    let all = world.make("list_voices", json!({})).await;
    assert_eq!((ids(&all).len(), &all["total"]), (20, &json!(372)));
    assert!(serde_json::to_string(&all).unwrap().len() < 8000);
    assert_eq!(world.make("list_voices", json!({ "voice_type": "voice_cloning" })).await["total"], 0);
    assert_eq!(world.sandbox.requests().len(), 0);
}

#[tokio::test]
async fn null_or_missing_lists_are_empty_and_transient_errors_are_retried() {
    let world = World::new().await;
    let body = json!({ "voice_cloning": null, "base_resp": { "status_code": 0 } }).to_string();
    let refused = Act::Refuse { code: 1000, message: None, retry_after: None };
    world.sandbox.script(vec![
        Rule::once("/v1/get_voice", refused),
        Rule::once("/v1/get_voice", Act::Raw { body: body.clone() }),
        Rule::once("/v1/get_voice", Act::Raw { body }),
    ]);
    let list = world.make("list_voices", json!({ "voice_type": "voice_cloning" })).await;
    assert_eq!(list["total"], 0);
    let list = world.make("list_voices", json!({})).await;
    assert!(list["next"].as_str().unwrap().contains("listed no system voices"), "{list}");
}

#[tokio::test]
async fn a_voice_of_ones_own_speaks_is_listed_and_can_be_deleted() {
    let world = World::new().await;
    let file = recording(&world, "me.wav", 12);
    world.make("voice_clone", json!({ "voice_id": "MyVoice001", "file": file })).await;
    let design = json!({ "prompt": "A voice", "preview_text": "Hello" });
    let designed = world.make("voice_design", design).await["voice_id"].as_str().unwrap().to_owned();
    let own = json!({ "voice_type": "voice_cloning" });
    let unused = world.make("list_voices", own.clone()).await;
    assert_eq!(ids(&unused), ["MyVoice001"]);
    let note = unused["voices"][0]["description"].as_str().unwrap();
    assert!(note.contains("not used yet; MiniMax deletes it on 20"), "{note}");
    for voice in ["MyVoice001", &designed] {
        let view = world.make("text_to_audio", json!({ "text": "Hello", "voice_id": voice })).await;
        assert_eq!(view["status"], "succeeded");
    }
    let list = world.make("list_voices", own.clone()).await;
    assert_eq!(ids(&list), ["MyVoice001"]);
    assert!(list["voices"][0]["created"].as_str().unwrap().starts_with("20"));
    let world = world.restarted().await;
    let gone = world.make("delete_voice", json!({ "voice_id": "MyVoice001" })).await;
    assert_eq!(gone["voice_type"], "voice_cloning");
    assert_eq!(
        requests(&world, "/v1/delete_voice")[0].body,
        json!({ "voice_type": "voice_cloning", "voice_id": "MyVoice001" })
    );
    world.make("delete_voice", json!({ "voice_id": designed, "voice_type": "voice_generation" })).await;
    assert_eq!(world.make("list_voices", own).await["total"], 0);
}

#[tokio::test]
async fn the_error_about_a_voice_that_cannot_be_deleted_explains_why() {
    let world = World::new().await;
    let refusal = world.refusal("delete_voice", json!({ "voice_id": "English_radiant_girl" })).await;
    assert!(refusal.contains("system voice"), "{refusal}");
    let refusal = world.refusal("delete_voice", json!({ "voice_id": "MyVoice001" })).await;
    assert!(refusal.contains("never used") && refusal.contains("voice_type"), "{refusal}");
    let none = world.make("list_voices", json!({ "voice_type": "voice_cloning" })).await;
    let next = none["next"].as_str().unwrap();
    assert!(next.starts_with("No matching voices. voice_clone"), "{next}");
    let none = world.make("list_voices", json!({ "query": "zzzz" })).await;
    assert!(none["next"].as_str().unwrap().contains("Try fewer words"), "{none}");
    assert_eq!(requests(&world, "/v1/delete_voice").len(), 0);
    let refusal = world
        .refusal("delete_voice", json!({ "voice_id": "MyVoice001", "voice_type": "voice_cloning" }))
        .await;
    assert!(refusal.contains("2013"), "{refusal}");
    // The voice was designed and never used. Its id shows its kind.
    let design = json!({ "prompt": "A voice", "preview_text": "Hello" });
    let designed = world.make("voice_design", design).await["voice_id"].clone();
    assert_eq!(
        world.make("delete_voice", json!({ "voice_id": designed })).await["voice_type"],
        "voice_generation"
    );
}

#[tokio::test]
async fn a_voice_that_was_made_here_and_never_used_is_found_listed_and_deleted() {
    let world = World::new().await;
    let file = recording(&world, "me.wav", 12);
    world.make("voice_clone", json!({ "voice_id": "MyVoice001", "file": file })).await;
    let design = json!({ "prompt": "A voice", "preview_text": "Hello", "voice_id": "ourvoice-2" });
    world.make("voice_design", design).await;
    let world = world.restarted().await;
    let all = world.make("list_voices", json!({})).await;
    assert_eq!(ids(&all)[..2], ["ourvoice-2", "MyVoice001"], "one's own come first");
    assert_eq!(all["voices"][0]["voice_type"], "voice_generation");
    let gone = world.make("delete_voice", json!({ "voice_id": "MyVoice001" })).await;
    assert_eq!(gone["voice_type"], "voice_cloning");
    let gone = world.make("delete_voice", json!({ "voice_id": "ourvoice-2" })).await;
    assert_eq!(gone["voice_type"], "voice_generation");
    let all = world.make("list_voices", json!({ "voice_type": "voice_cloning" })).await;
    assert_eq!(all["total"], 0, "{all}");
    let refusal = world.refusal("delete_voice", json!({ "voice_id": "MyVoice001" })).await;
    assert!(refusal.contains("MyVoice001"), "{refusal}");
}

#[tokio::test]
async fn the_first_use_of_a_cloned_voice_is_reserved_and_counted_once() {
    let world = World::new().await;
    let file = recording(&world, "me.wav", 12);
    world.make("voice_clone", json!({ "voice_id": "MyVoice001", "file": file })).await;
    let speech = json!({ "text": "Hello", "voice_id": "MyVoice001" });
    let first = world.make("text_to_audio", speech.clone()).await;
    assert_eq!(first["cost"]["estimated"], json!(1.5005), "{first}");
    assert_eq!(first["cost"]["actual"], json!(1.5005), "{first}");
    assert!(first["cost"]["basis"].as_str().unwrap().contains("first use of a cloned voice"), "{first}");
    let second = world.make("text_to_audio", speech).await;
    assert_eq!(second["cost"]["actual"], json!(0.0005), "{second}");
    let budget = world.neighbour_with(&[("MINIMAX_BUDGET_CALL", "1")]).await;
    let file = recording(&world, "me2.wav", 12);
    budget.make("voice_clone", json!({ "voice_id": "MyVoice002", "file": file })).await;
    let refusal = budget.refusal("text_to_audio", json!({ "text": "Hello", "voice_id": "MyVoice002" })).await;
    assert!(refusal.contains("costs $1.5005 at most"), "{refusal}");
}

#[tokio::test]
async fn the_count_of_each_language_comes_first_and_english_voices_before_others() {
    let world = World::with(quick(), &[("MINIMAX_API_KEY", "")]).await;
    let result = world.call("list_voices", json!({ "limit": 1 })).await;
    let head = crate::harness::text(&result).lines().next().unwrap().to_owned();
    assert!(head.starts_with("372 voices: Portuguese 73, English 59"), "{head}");
    let list = result.structured_content.unwrap();
    assert_eq!(list["languages"][1], "English 59");
    assert!(ids(&list)[0].starts_with("English_"), "{list}");
    let world = World::with(quick(), &[("MINIMAX_API_KEY", ""), ("MINIMAX_REGION", "cn")]).await;
    let list = world.make("list_voices", json!({ "limit": 1 })).await;
    assert_eq!(list["voices"][0]["language"], "Chinese (Mandarin)");
}

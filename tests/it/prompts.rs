//! The prompts: their texts with and without arguments, and the calls that follow from them.

use rmcp::model::GetPromptRequestParams;
use serde_json::{Value, json};

use crate::harness::{World, text};
use crate::voice::wav;

async fn prompt(world: &World, name: &str, arguments: Value) -> Result<String, String> {
    let request =
        GetPromptRequestParams::new(name).with_arguments(arguments.as_object().cloned().unwrap_or_default());
    let prompt = world.client.get_prompt(request).await.map_err(|error| error.to_string())?;
    Ok(prompt.messages[0].content.as_text().unwrap().text.clone())
}

#[tokio::test]
async fn each_prompt_takes_its_subject_first_and_none_of_its_arguments_is_required() {
    let world = World::new().await;
    let subjects = [
        ("clone_voice", "recording"),
        ("jingle", "product"),
        ("narrate", "text"),
        ("podcast", "notes"),
        ("storyboard", "idea"),
    ];
    let prompts = world.client.list_all_prompts().await.unwrap();
    let first = |prompt: &rmcp::model::Prompt| prompt.arguments.as_ref().unwrap()[0].name.clone();
    let mut listed: Vec<_> = prompts.iter().map(|prompt| (prompt.name.clone(), first(prompt))).collect();
    listed.sort();
    assert_eq!(listed, subjects.map(|(name, subject)| (name.to_owned(), subject.to_owned())));
    for (name, subject) in subjects {
        let line = "Hello world, {mood} and {voice_id}";
        let said = prompt(&world, name, json!({ subject: line })).await.unwrap();
        assert_eq!(said.matches(line).count(), 1, "{name}: {said}");
    }
}

#[tokio::test]
async fn a_missing_argument_is_omitted_from_the_prompt() {
    let world = World::new().await;
    for listed in world.client.list_all_prompts().await.unwrap() {
        for arguments in [
            json!({}),
            json!(
                listed
                    .arguments
                    .iter()
                    .flatten()
                    .map(|it| (it.name.clone(), "  "))
                    .collect::<std::collections::BTreeMap<_, _>>()
            ),
        ] {
            let said = prompt(&world, &listed.name, arguments).await.unwrap();
            for wrong in ["not named", "none is named", "none are named", "{", "}", ": .", "\n\n"] {
                assert!(!said.contains(wrong), "{}: {wrong}: {said}", listed.name);
            }
            assert!(
                said.contains("Ask me for") || said.contains("Ask me what") || said.contains("Ask for"),
                "{said}"
            );
        }
    }
    let said = prompt(&world, "podcast", json!({ "notes": "Bees", "minutes": 3 })).await.unwrap();
    assert!(said.contains("about 3 minutes") && !said.contains("five") && !said.contains("Ask me"), "{said}");
}

#[tokio::test]
async fn an_argument_that_a_prompt_does_not_have_is_refused_with_those_it_has() {
    let world = World::new().await;
    for (name, arguments, parts) in [
        ("narrate", json!({ "txt": "Hello" }), ["`txt`", "text, voice_id, format"]),
        ("jingle", json!({ "product": "tea", "tempo": "fast" }), ["`tempo`", "product, mood"]),
        ("narrate", json!({ "text": ["Hello"] }), ["`text`", "must be a string"]),
        ("narrate", json!({ "text": "x".repeat(50_001) }), ["`text`", "50000"]),
        ("nothing", json!({}), ["`nothing`", "clone_voice"]),
    ] {
        let told = prompt(&world, name, arguments).await.unwrap_err();
        assert!(told.contains("-32602") && parts.iter().all(|part| told.contains(part)), "{told}");
    }
}

/// A call that a prompt tells the model to make, with the words of the prompt that lead to it.
struct Step {
    words: &'static str,
    tool: &'static str,
    arguments: Value,
}

fn step(words: &'static str, tool: &'static str, arguments: Value) -> Step {
    Step { words, tool, arguments }
}

/// Plays the calls of a prompt in their order. In arguments, `@uri` is the first file of the call before and `@job` its
/// job. Returns the number of purchases.
async fn play(world: &World, name: &str, arguments: Value, steps: Vec<Step>) -> usize {
    let said = prompt(world, name, arguments).await.unwrap();
    let before = world.bought();
    let (mut uri, mut job) = (String::new(), String::new());
    for Step { words, tool, arguments } in steps {
        assert!(said.contains(words) && said.contains(tool), "{name}: {words}, {tool}: {said}");
        let filled = arguments.to_string().replace("@uri", &uri).replace("@job", &job);
        let result = world.call(tool, serde_json::from_str(&filled).unwrap()).await;
        assert_ne!(result.is_error, Some(true), "{name} {tool}: {}", text(&result));
        let view = result.structured_content.unwrap_or_default();
        if let Some(made) = view["files"][0]["uri"].as_str() {
            made.clone_into(&mut uri);
        }
        if let Some(id) = view["job_id"].as_str() {
            id.clone_into(&mut job);
        }
    }
    world.bought() - before
}

#[tokio::test]
async fn each_prompt_leads_to_calls_that_work() {
    let world = World::new().await;
    let voice = world.make("list_voices", json!({ "limit": 1 })).await["voices"][0]["voice_id"].clone();
    std::fs::create_dir_all(world.out()).unwrap();
    let recording = wav(&world.out().join("speaker.wav"), 12);

    let speech = json!({ "text": "Hello world", "voice_id": voice, "format": "mp3" });
    let with = |arguments: &Value, name: &str, value: Value| {
        let mut arguments = arguments.clone();
        arguments[name] = value;
        arguments
    };
    let steps = vec![
        step("list_voices", "list_voices", json!({ "query": "story", "limit": 3 })),
        step("text_to_audio with dry_run", "text_to_audio", with(&speech, "dry_run", json!(true))),
        step("call it once without dry_run", "text_to_audio", speech.clone()),
        step("get_job waits", "get_job", json!({ "job_id": "@job" })),
    ];
    assert_eq!(play(&world, "narrate", json!({ "text": "Hello world" }), steps).await, 1);

    let video = json!({ "prompt": "waves", "first_frame_image": "@uri", "wait_seconds": 0 });
    let steps = vec![
        step("text_to_image", "text_to_image", json!({ "prompt": "A beach", "dry_run": true })),
        step("text_to_image", "text_to_image", json!({ "prompt": "A beach" })),
        step("view_media", "view_media", json!({ "uri": "@uri" })),
        step("with wait_seconds 0", "generate_video", video),
        step("get_job and job_ids", "get_job", json!({ "job_ids": ["@job"], "wait_seconds": 60 })),
    ];
    assert_eq!(play(&world, "storyboard", json!({ "idea": "A day at the sea" }), steps).await, 2);

    let turn = json!({ "text": "Welcome.", "format": "mp3", "sample_rate": 32_000, "wait_seconds": 0 });
    let steps = vec![
        step("list_voices", "list_voices", json!({ "limit": 5 })),
        step("(dry_run)", "text_to_audio", with(&turn, "dry_run", json!(true))),
        step("sample_rate", "text_to_audio", turn),
        step("get_job and job_ids", "get_job", json!({ "job_ids": ["@job"], "wait_seconds": 60 })),
    ];
    assert_eq!(play(&world, "podcast", json!({ "notes": "Bees" }), steps).await, 1);

    let clone = json!({ "voice_id": "AdaVoice2026", "file": recording, "text": "Hello." });
    let steps = vec![
        step("voice_clone with dry_run", "voice_clone", with(&clone, "dry_run", json!(true))),
        step("Call voice_clone once", "voice_clone", clone),
        step(
            "delete_voice",
            "delete_voice",
            json!({ "voice_id": "AdaVoice2026", "voice_type": "voice_cloning" }),
        ),
    ];
    assert_eq!(play(&world, "clone_voice", json!({ "recording": recording }), steps).await, 1);

    let song = json!({ "prompt": "Cheerful jingle", "is_instrumental": true, "wait_seconds": 0 });
    let steps = vec![
        step("music_generation with dry_run", "music_generation", with(&song, "dry_run", json!(true))),
        step("is_instrumental", "music_generation", song),
        step("get_job waits", "get_job", json!({ "job_id": "@job", "wait_seconds": 60 })),
    ];
    assert_eq!(play(&world, "jingle", json!({ "product": "A tea" }), steps).await, 1);
}

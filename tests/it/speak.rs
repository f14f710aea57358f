//! `speak` and `play_audio`: the audio that the player, the disk and MiniMax receive.

use minimax_mcp::sandbox::{Act, Rule};
use serde_json::json;

use crate::harness::{World, config, quick};
use crate::s3;

#[tokio::test]
async fn without_a_player_nothing_is_bought_and_the_error_names_players() {
    let world = World::with(quick(), &[("PATH", "")]).await;
    let refusal = world.refusal("speak", json!({ "text": "Good morning." })).await;
    for part in
        ["no audio player", "ffplay, mpv, play, afplay, powershell", "Nothing was bought", "Install one"]
    {
        assert_eq!(refusal.matches(part).count(), 1, "{part}: {refusal}");
    }
    assert_eq!(world.sandbox.requests().len(), 0);
    let rehearsed = world.make("speak", json!({ "text": "Good morning.", "dry_run": true })).await;
    assert!(rehearsed["warnings"].to_string().contains("no audio player"), "{rehearsed}");
}

#[tokio::test]
async fn spoken_text_is_saved_and_billed_by_its_characters() {
    let world = World::new().await;
    let view = world.make("speak", json!({ "text": "Good morning. How are you?" })).await;
    assert_eq!(view["status"], "succeeded", "{view}");
    assert_eq!(s3::content(&view["files"][0]["path"]).len(), view["usage"]["audio_size"]);
    assert_eq!(view["files"][0]["duration_ms"], view["usage"]["audio_length"]);
    assert_eq!(view["cost"]["actual"], view["cost"]["estimated"]);
}

#[tokio::test]
async fn the_request_has_the_documented_body() {
    let world = World::new().await;
    world.make("speak", json!({ "text": "Hello" })).await;
    let audio = json!({ "sample_rate": 32000, "bitrate": 128_000, "format": "mp3", "channel": 1 });
    assert_eq!(
        world.last_body(),
        json!({
            "start": {
                "model": "speech-2.8-hd", "voice_setting": { "voice_id": "English_expressive_narrator" },
                "audio_setting": audio, "event": "task_start",
            },
            "text": "Hello",
        })
    );
    if s3::leaves_out("a folder of the caller's choice") {
        return;
    }
    let arguments = json!({
        "text": "Hello", "voice": "narrator", "model": "speech-2.6-turbo", "speed": 1.5, "volume": 2, "pitch": -3,
        "emotion": "Whisper", "language_boost": "English", "output_directory": "said",
    });
    let view = world.make("speak", arguments).await;
    assert!(view["files"][0]["path"].as_str().unwrap().contains("said"));
    assert_eq!(
        world.last_body()["start"],
        json!({
            "model": "speech-2.6-turbo",
            "voice_setting": {
                "voice_id": "narrator", "speed": 1.5, "vol": 2.0, "pitch": -3, "emotion": "whisper"
            },
            "audio_setting": audio, "language_boost": "English", "event": "task_start",
        })
    );
}

#[tokio::test]
async fn bad_arguments_cost_nothing_and_the_error_names_the_allowed_values() {
    let world = World::new().await;
    for (arguments, parts) in [
        (json!({ "text": "x".repeat(10_000) }), ["`text`", "1 to 9999"]),
        (json!({ "text": "  " }), ["`text`", "1 to 9999"]),
        (json!({ "text": "x", "emotion": "bored" }), ["`emotion`", "happy, sad"]),
        (
            json!({ "text": "x", "emotion": "fluent", "model": "speech-2.8-hd" }),
            ["`emotion`", "speech-2.8-hd takes"],
        ),
        (json!({ "text": "x", "speed": 3 }), ["`speed`", "0.5 to 2"]),
        (json!({ "text": "x", "language_boost": "Klingon" }), ["`language_boost`", "Afrikaans"]),
        (json!({ "text": "a<#100#>b" }), ["`text`", "0.01 to 99.99"]),
    ] {
        let refusal = world.refusal("speak", arguments.clone()).await;
        assert!(parts.iter().all(|part| refusal.contains(part)), "{arguments}: {refusal}");
    }
    assert_eq!(world.sandbox.requests().len(), 0);
}

#[tokio::test]
async fn a_refused_session_costs_nothing_and_a_crowded_one_is_tried_again() {
    let world = World::new().await;
    let refusal = Act::Refuse { code: 1008, message: None, retry_after: None };
    world.sandbox.script(vec![Rule::once("/ws/", refusal)]);
    let said = world.refusal("speak", json!({ "text": "Hello." })).await;
    assert!(said.contains("1008"), "{said}");
    assert_eq!(world.bought(), 0);
    let view = world.make("speak", json!({ "text": "Hello #crowded there." })).await;
    assert_eq!(view["status"], "succeeded", "{view}");
    assert_eq!(world.bought(), 1);
}

#[tokio::test]
async fn a_session_that_fails_in_the_middle_keeps_the_partial_audio_and_says_that_it_may_be_billed() {
    let world = World::new().await;
    let said = world.refusal("speak", json!({ "text": "One. #failtask two. Three." })).await;
    assert!(said.contains("1027") && said.contains("may be billed"), "{said}");
    let left = s3::results(&world.out());
    assert!(left.len() == 1 && left[0].to_string_lossy().ends_with("-incomplete.mp3"), "{left:?}");
}

#[tokio::test]
async fn playback_is_not_offered_without_local_playback() {
    let world = World::new().await;
    let mut config = config(&world.sandbox.url(), world.dir.path(), &[]);
    config.local_playback = false;
    let server = minimax_mcp::tools::server(config);
    for name in ["speak", "play_audio"] {
        assert!(rmcp::ServerHandler::get_tool(&server, name).is_none(), "{name}");
        assert!(rmcp::ServerHandler::get_tool(&world.server, name).is_some(), "{name}");
    }
}

#[tokio::test]
async fn play_audio_without_a_player_or_with_a_wrong_input_says_what_to_do() {
    let world = World::with(quick(), &[("PATH", "")]).await;
    let refusal = world.refusal("play_audio", json!({ "input_file_path": "/etc/passwd" })).await;
    for part in ["no audio player on this machine", "mpv", "Install one: "] {
        assert_eq!(refusal.matches(part).count(), 1, "{part}: {refusal}");
    }
    for (arguments, part) in [
        (json!({ "input_file_path": "https://x.org/a.mp3" }), "set is_url"),
        (json!({ "input_file_path": "/a.mp3", "is_url": true }), "is not a URL"),
    ] {
        assert!(world.refusal("play_audio", arguments).await.contains(part), "{part}");
    }
    assert_eq!(world.sandbox.requests().len(), 0);
}

#[tokio::test]
async fn read_only_offers_playback_of_existing_files() {
    let world = World::with(quick(), &[("MINIMAX_READ_ONLY", "true")]).await;
    assert!(rmcp::ServerHandler::get_tool(&world.server, "play_audio").is_some());
    assert!(rmcp::ServerHandler::get_tool(&world.server, "speak").is_none());
}

/// Tests with players that record their arguments and their input.
#[cfg(unix)]
mod players {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::{Path, PathBuf};
    use std::process::Command;
    use std::time::Duration;

    use serde_json::json;

    use crate::harness::{World, eventually, quick};
    use crate::s3;

    const LISTENS: &str = r#"
        here=$(dirname "$0")
        for last; do :; done
        printf '%s\n' "$*" > "$here/told"
        env > "$here/env"
        if [ "$last" = - ]; then cat > "$here/hearing"; else cp "$last" "$here/hearing"; fi
        mv "$here/hearing" "$here/heard"
    "#;

    /// A world whose search path has only one program.
    async fn world(program: &str, script: &str) -> (World, PathBuf, tempfile::TempDir) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(program);
        fs::write(&path, format!("#!/bin/sh\n{script}")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        let at = dir.path().to_owned();
        let world = World::with(quick(), &[("PATH", at.to_str().unwrap())]).await;
        (world, at, dir)
    }

    async fn heard(at: &Path) -> Vec<u8> {
        eventually("the player's end", async || at.join("heard").exists()).await;
        fs::read(at.join("heard")).unwrap()
    }

    #[tokio::test]
    async fn the_played_audio_equals_the_saved_file_and_its_start_is_timed() {
        let (world, at, _dir) = world("mpv", LISTENS).await;
        let result = world.call("speak", json!({ "text": "Good morning. How are you?" })).await;
        let view = result.structured_content.clone().unwrap();
        assert_eq!(view["status"], "succeeded", "{view}");
        let after = view["usage"]["first_sound_ms"].as_u64().unwrap();
        assert!(after < 20_000, "{after}");
        assert!(view["next"].as_str().unwrap().starts_with("The first sound came after "), "{view}");
        assert!(crate::harness::text(&result).contains("through mpv"));
        let saved = s3::content(&view["files"][0]["path"]);
        assert_eq!(heard(&at).await, saved);
        let told = fs::read_to_string(at.join("told")).unwrap();
        assert_eq!(told, "--no-config --no-video --really-quiet -\n", "no word of the text");
    }

    #[tokio::test]
    async fn a_player_that_only_reads_files_plays_a_copy_under_a_random_name() {
        let (world, at, _dir) = world("afplay", LISTENS).await;
        let view = world.make("speak", json!({ "text": "Rosebud." })).await;
        assert!(view["usage"]["first_sound_ms"].is_u64(), "{view}");
        let saved = s3::content(&view["files"][0]["path"]);
        assert_eq!(heard(&at).await, saved);
        let told = fs::read_to_string(at.join("told")).unwrap();
        assert!(!told.contains("osebud") && told.contains(".mp3"), "{told}");
        eventually("the copy's end", async || !Path::new(told.trim()).exists()).await;
    }

    #[tokio::test]
    async fn a_player_that_will_not_play_does_not_cost_the_file() {
        let (world, _at, _dir) = world("mpv", "exit 1").await;
        let text = "The quick brown fox jumps over the lazy dog. ".repeat(60);
        let view = world.make("speak", json!({ "text": text })).await;
        assert_eq!(view["status"], "succeeded", "{view}");
        assert!(s3::place(&view["files"][0]["path"]).exists());
    }

    #[tokio::test]
    async fn a_player_ends_with_the_server() {
        let (world, at, _dir) = world("mpv", "echo $$ > \"$(dirname \"$0\")/pid\"; exec sleep 300").await;
        world.make("speak", json!({ "text": "Good morning." })).await;
        let pid = || fs::read_to_string(at.join("pid")).unwrap_or_default().trim().to_owned();
        eventually("the player's start", async || !pid().is_empty()).await;
        let lives = || Command::new("kill").args(["-0", &pid()]).output().unwrap().status.success();
        assert!(lives());
        world.server.jobs().shut_down(Duration::from_secs(10)).await;
        eventually("the player's end", async || !lives()).await;
    }

    #[tokio::test]
    async fn play_audio_plays_a_path_a_result_and_a_link() {
        let (world, at, _dir) = world("mpv", LISTENS).await;
        let made = world.make("text_to_audio", json!({ "text": "Hello there." })).await;
        let file = &made["files"][0];
        let saved = s3::content(&file["path"]);
        for (input, is_url) in [(&file["path"], false), (&file["uri"], false), (&file["url"], true)] {
            let _ = fs::remove_file(at.join("heard"));
            let view = world.make("play_audio", json!({ "input_file_path": input, "is_url": is_url })).await;
            assert_eq!((&view["player"], &view["mime_type"]), (&json!("mpv"), &json!("audio/mpeg")));
            assert!(view["duration_ms"].is_u64(), "{view}");
            assert_eq!(heard(&at).await, saved, "{input}");
            assert!(!fs::read_to_string(at.join("told")).unwrap().contains("hello"));
        }
    }

    #[tokio::test]
    async fn play_audio_plays_sounds_from_allowed_folders_and_nothing_else() {
        let (world, at, _dir) = world("mpv", LISTENS).await;
        fs::create_dir_all(world.out()).unwrap();
        let text = world.out().join("notes.mp3");
        fs::write(&text, "not a sound").unwrap();
        for (input, part) in [
            (text.display().to_string(), "a text file"),
            ("/etc/passwd".to_owned(), "outside the folders"),
            ("sound.mp3".to_owned(), "absolute path"),
            ("mm_file://1".to_owned(), "cannot be played"),
        ] {
            let refusal = world.refusal("play_audio", json!({ "input_file_path": input })).await;
            assert!(refusal.contains(part), "{input}: {refusal}");
        }
        assert!(!at.join("told").exists());
    }
}

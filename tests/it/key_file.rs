//! A key file whose key is replaced while the server runs.

use std::fs;

use minimax_mcp::sandbox::key_fingerprint;
use serde_json::{Value, json};

use crate::crash::{Cell, Victim};

const REFUSED: &str = "sandbox-2049";

/// Calls a tool of a server that was started with a refused key, after its key file has got another text.
fn after(replaced: Option<&str>, tool: &str, arguments: Value, path: &str) -> (Value, usize, usize) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let cell = Cell::new(&runtime);
    let file = cell.dir.path().join("key");
    fs::write(&file, REFUSED).unwrap();
    let file_name = file.display().to_string();
    let mut program: Victim =
        cell.program(&[("MINIMAX_API_KEY", ""), ("MINIMAX_API_KEY_FILE", &file_name)]).ready();
    if let Some(text) = replaced {
        fs::write(&file, text).unwrap();
    }
    let result = program.call(tool, arguments);
    let asked = cell.sandbox.requests().iter().filter(|request| request.path.starts_with(path)).count();
    let bought = cell.sandbox.paid().len();
    assert!(!result.to_string().contains("sk-api-new") && !program.log().contains("sk-api-new"));
    program.kill();
    (result, asked, bought)
}

#[test]
fn a_call_whose_key_is_refused_is_sent_once_more_with_the_key_that_the_file_has_now() {
    for (tool, arguments, path, price) in [
        ("list_voices", json!({ "voice_type": "voice_cloning" }), "/v1/get_voice", 0),
        ("list_files", json!({ "purpose": "voice_clone" }), "/v1/files/list", 0),
        ("count_tokens", json!({ "prompt": "Hi" }), "/v1/responses/input_tokens", 0),
        ("text_to_image", json!({ "prompt": "A fox" }), "/v1/image_generation", 1),
        ("generate_video", json!({ "prompt": "A fox", "wait_seconds": 0 }), "/v1/video_generation", 1),
        ("text_to_audio", json!({ "text": "Hello." }), "/v1/t2a_v2", 1),
        ("chat", json!({ "prompt": "Hi" }), "/v1/chat/completions", 1),
        ("web_search", json!({ "query": "foxes" }), "/v1/coding_plan/search", 1),
        ("generate_lyrics", json!({ "prompt": "Rain" }), "/v1/lyrics_generation", 1),
    ] {
        let (result, asked, bought) = after(Some("sk-api-new\n"), tool, arguments.clone(), path);
        assert_ne!(result["isError"], true, "{tool}: {result}");
        assert_eq!((asked, bought), (2, price), "{tool}");
        // Neither the same key nor a second refusal leads to another request.
        for (text, requests) in [(None, 1), (Some("sandbox-1004"), 2), (Some("your_api_key_here"), 1)] {
            let (result, asked, bought) = after(text, tool, arguments.clone(), path);
            assert_eq!(result["isError"], true, "{tool}: {result}");
            assert_eq!((asked, bought), (requests, 0), "{tool} {text:?}");
        }
    }
}

#[test]
fn a_key_of_the_environment_is_not_replaced_by_the_file() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let cell = Cell::new(&runtime);
    let file = cell.dir.path().join("key");
    fs::write(&file, "sk-api-new").unwrap();
    let file_name = file.display().to_string();
    let mut program =
        cell.program(&[("MINIMAX_API_KEY", REFUSED), ("MINIMAX_API_KEY_FILE", &file_name)]).ready();
    let result = program.call("text_to_image", json!({ "prompt": "A fox" }));
    assert_eq!(result["isError"], true, "{result}");
    assert_eq!((cell.sandbox.requests().len(), cell.sandbox.paid().len()), (1, 0));
    program.kill();
}

#[test]
fn the_key_file_of_a_plan_is_read_again_too_and_the_balance_does_not_pay_instead() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    for (tool, arguments, path) in [
        ("text_to_image", json!({ "prompt": "A fox" }), "/v1/image_generation"),
        ("text_to_audio", json!({ "text": "Hello." }), "/v1/t2a_v2"),
        ("chat", json!({ "prompt": "Hi" }), "/v1/chat/completions"),
        ("web_search", json!({ "query": "foxes" }), "/v1/coding_plan/search"),
    ] {
        for (text, keys) in [("sk-cp-new\n", &[REFUSED, "sk-cp-new"][..]), (REFUSED, &[REFUSED][..])] {
            let cell = Cell::new(&runtime);
            let file = cell.dir.path().join("plan");
            fs::write(&file, REFUSED).unwrap();
            let file_name = file.display().to_string();
            let settings = [("MINIMAX_API_KEY", "sk-api-balance"), ("MINIMAX_PLAN_KEY_FILE", &file_name)];
            let mut program: Victim = cell.program(&settings).ready();
            fs::write(&file, text).unwrap();
            let result = program.call(tool, arguments.clone());
            assert_eq!(result["isError"] == true, keys.len() == 1, "{tool}: {result}");
            let requests = cell.sandbox.requests();
            let sent = requests.iter().filter(|request| request.path.starts_with(path));
            let sent: Vec<_> = sent.map(|request| request.key_fingerprint.clone()).collect();
            assert_eq!(sent, keys.iter().map(|key| key_fingerprint(key)).collect::<Vec<_>>(), "{tool}");
            assert!(!result.to_string().contains("sk-cp-new") && !program.log().contains("sk-cp-new"));
            program.kill();
        }
    }
}

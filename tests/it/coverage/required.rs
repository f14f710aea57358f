//! Every field that MiniMax requires is in the recorded request, and comes from a parameter that a model can see.

use std::fs;
use std::path::Path;

use minimax_mcp::tools;
use serde_json::Value;

/// The source of a required field.
#[derive(Clone, Copy)]
enum Source {
    /// One of these parameters of the tool.
    Given(&'static [&'static str]),
    /// The server: it has a default, or finds the value.
    Server,
}
use Source::{Given, Server};

/// Endpoint, the tool that reaches it, and its required fields (platform docs, the table of each endpoint).
const REQUIRED: &[(&str, &str, &[(&str, Source)])] = &[
    (
        "post_v1_chat_completions",
        "chat",
        &[("model", Given(&["model"])), ("messages", Given(&["prompt", "messages"]))],
    ),
    (
        "post_v1_text_chatcompletion_v2",
        "chat",
        &[("model", Given(&["model"])), ("messages", Given(&["prompt", "messages"]))],
    ),
    (
        "post_anthropic_v1_messages",
        "chat",
        &[
            ("model", Given(&["model"])),
            ("messages", Given(&["prompt", "messages"])),
            ("max_tokens", Given(&["max_tokens"])),
        ],
    ),
    ("post_v1_responses", "chat", &[("model", Given(&["model"])), ("input", Given(&["prompt", "messages"]))]),
    ("post_v1_coding_plan_search", "web_search", &[("q", Given(&["query"]))]),
    (
        "post_v1_coding_plan_vlm",
        "understand_image",
        &[("prompt", Given(&["prompt"])), ("image_url", Given(&["image_url"]))],
    ),
    (
        "post_v1_embeddings",
        "embed_text",
        &[("model", Given(&["model"])), ("type", Given(&["kind"])), ("texts", Given(&["texts"]))],
    ),
    (
        "post_v1_t2a_v2",
        "text_to_audio",
        &[("model", Given(&["model"])), ("text", Given(&["text"])), ("voice_id", Given(&["voice_id"]))],
    ),
    (
        "post_v1_t2a_async_v2",
        "text_to_audio",
        &[
            ("model", Given(&["model"])),
            ("text", Given(&["text", "text_file"])),
            ("voice_id", Given(&["voice_id"])),
        ],
    ),
    ("post_v1_speech_to_text", "speech_to_text", &[("model", Server), ("file", Given(&["file"]))]),
    (
        "post_v1_voice_clone",
        "voice_clone",
        &[("file_id", Given(&["file"])), ("voice_id", Given(&["voice_id"]))],
    ),
    (
        "post_v1_voice_design",
        "voice_design",
        &[("prompt", Given(&["prompt"])), ("preview_text", Given(&["preview_text"]))],
    ),
    ("post_v1_get_voice", "list_voices", &[("voice_type", Given(&["voice_type"]))]),
    (
        "post_v1_delete_voice",
        "delete_voice",
        &[("voice_type", Given(&["voice_type"])), ("voice_id", Given(&["voice_id"]))],
    ),
    (
        "post_v1_video_generation",
        "generate_video",
        &[("model", Given(&["model"])), ("prompt", Given(&["prompt"]))],
    ),
    ("get_v1_query_video_generation", "query_video_generation", &[("task_id", Given(&["task_id"]))]),
    (
        "post_v1_video_template_generation",
        "generate_video_from_template",
        &[("template_id", Given(&["template_id"]))],
    ),
    (
        "post_v2_video_generation",
        "generate_video",
        &[
            ("model", Given(&["model"])),
            ("content", Given(&["prompt", "first_frame_image", "reference_images"])),
            ("resolution", Given(&["resolution"])),
            ("ratio", Given(&["ratio"])),
        ],
    ),
    (
        "post_v2_h3_context_ir",
        "enhance_video_prompt",
        &[("model", Given(&["model"])), ("content", Given(&["prompt"]))],
    ),
    ("post_v2_video_regeneration", "regenerate_video", &[("source_task_id", Given(&["job_id", "task_id"]))]),
    (
        "post_v1_image_generation",
        "text_to_image",
        &[("model", Given(&["model"])), ("prompt", Given(&["prompt"]))],
    ),
    (
        "post_v1_music_generation",
        "music_generation",
        &[("model", Given(&["model"])), ("prompt", Given(&["prompt"])), ("lyrics", Given(&["lyrics"]))],
    ),
    ("post_v1_lyrics_generation", "generate_lyrics", &[("mode", Given(&["mode"]))]),
    (
        "post_v1_music_cover_preprocess",
        "music_generation",
        &[("model", Server), ("audio_base64", Given(&["reference_audio"]))],
    ),
    ("post_v1_files_upload", "upload_file", &[("purpose", Given(&["purpose"])), ("file", Given(&["file"]))]),
    ("get_v1_files_list", "list_files", &[("purpose", Given(&["purpose"]))]),
    ("get_v1_files_retrieve", "get_file", &[("file_id", Given(&["file_id"]))]),
    ("get_v1_files_retrieve_content", "download_file", &[("file_id", Given(&["file_id"]))]),
    (
        "post_v1_files_delete",
        "delete_file",
        &[("file_id", Given(&["file_id"])), ("purpose", Given(&["purpose"]))],
    ),
];

/// Whether a request has a field, in its body or its query.
fn has(request: &Value, field: &str) -> bool {
    let in_body = |body: &Value| body.get(field).is_some() || body["voice_setting"].get(field).is_some();
    let in_query = |row: &Value| row[0] == field;
    in_body(&request["body"]) || request["query"].as_array().into_iter().flatten().any(in_query)
}

#[test]
fn every_required_field_of_an_endpoint_is_sent_and_can_be_given() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/coverage/snapshots");
    let tools = tools::catalogue().tools();
    for (endpoint, tool, fields) in REQUIRED {
        let file = folder.join(format!("it__coverage__walk__{endpoint}.snap"));
        let text = fs::read_to_string(&file).unwrap_or_else(|error| panic!("{endpoint}: {error}"));
        let request: Value = serde_json::from_str(text.splitn(3, "---").nth(2).unwrap()).unwrap();
        let listed = tools.iter().find(|listed| listed.name == *tool).unwrap();
        let parameters = listed.input_schema["properties"].as_object().unwrap();
        for (field, source) in *fields {
            assert!(has(&request, field), "{endpoint} lacks {field}: {request}");
            if let Given(names) = source {
                for name in *names {
                    assert!(parameters.contains_key(*name), "{tool} has no {name} for {field} of {endpoint}");
                }
            }
        }
    }
}

//! Every field that MiniMax requires is in the recorded request, and comes from a parameter that a model can see.

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

/// An endpoint, the tool that reaches it, and its required fields (platform docs, the table of each endpoint).
type Row = (&'static str, &'static str, &'static [(&'static str, Source)]);

const REQUIRED: &[Row] = &[
    (
        "POST /v1/chat/completions",
        "chat",
        &[("model", Given(&["model"])), ("messages", Given(&["prompt", "messages"]))],
    ),
    (
        "POST /v1/text/chatcompletion_v2",
        "chat",
        &[("model", Given(&["model"])), ("messages", Given(&["prompt", "messages"]))],
    ),
    (
        "POST /anthropic/v1/messages",
        "chat",
        &[
            ("model", Given(&["model"])),
            ("messages", Given(&["prompt", "messages"])),
            ("max_tokens", Given(&["max_tokens"])),
        ],
    ),
    (
        "POST /v1/responses",
        "chat",
        &[("model", Given(&["model"])), ("input", Given(&["prompt", "messages"]))],
    ),
    ("POST /v1/coding_plan/search", "web_search", &[("q", Given(&["query"]))]),
    (
        "POST /v1/coding_plan/vlm",
        "understand_image",
        &[("prompt", Given(&["prompt"])), ("image_url", Given(&["image_url"]))],
    ),
    (
        "POST /v1/embeddings",
        "embed_text",
        &[("model", Given(&["model"])), ("type", Given(&["kind"])), ("texts", Given(&["texts"]))],
    ),
    (
        "POST /v1/t2a_v2",
        "text_to_audio",
        &[("model", Given(&["model"])), ("text", Given(&["text"])), ("voice_id", Given(&["voice_id"]))],
    ),
    (
        "POST /v1/t2a_async_v2",
        "text_to_audio",
        &[
            ("model", Given(&["model"])),
            ("text", Given(&["text", "text_file"])),
            ("voice_id", Given(&["voice_id"])),
        ],
    ),
    ("POST /v1/speech_to_text", "speech_to_text", &[("model", Server), ("file", Given(&["file"]))]),
    (
        "POST /v1/voice_clone",
        "voice_clone",
        &[("file_id", Given(&["file"])), ("voice_id", Given(&["voice_id"]))],
    ),
    (
        "POST /v1/voice_design",
        "voice_design",
        &[("prompt", Given(&["prompt"])), ("preview_text", Given(&["preview_text"]))],
    ),
    ("POST /v1/get_voice", "list_voices", &[("voice_type", Given(&["voice_type"]))]),
    (
        "POST /v1/delete_voice",
        "delete_voice",
        &[("voice_type", Given(&["voice_type"])), ("voice_id", Given(&["voice_id"]))],
    ),
    (
        "POST /v1/video_generation",
        "generate_video",
        &[("model", Given(&["model"])), ("prompt", Given(&["prompt"]))],
    ),
    ("GET /v1/query/video_generation", "query_video_generation", &[("task_id", Given(&["task_id"]))]),
    (
        "POST /v1/video_template_generation",
        "generate_video_from_template",
        &[("template_id", Given(&["template_id"]))],
    ),
    (
        "POST /v2/video_generation",
        "generate_video",
        &[
            ("model", Given(&["model"])),
            ("content", Given(&["prompt", "first_frame_image", "reference_images"])),
            ("resolution", Given(&["resolution"])),
            ("ratio", Given(&["ratio"])),
        ],
    ),
    (
        "POST /v2/h3_context_ir",
        "enhance_video_prompt",
        &[("model", Given(&["model"])), ("content", Given(&["prompt"]))],
    ),
    ("POST /v2/video_regeneration", "regenerate_video", &[("source_task_id", Given(&["job_id", "task_id"]))]),
    (
        "POST /v1/image_generation",
        "text_to_image",
        &[("model", Given(&["model"])), ("prompt", Given(&["prompt"]))],
    ),
    (
        "POST /v1/music_generation",
        "music_generation",
        &[("model", Given(&["model"])), ("prompt", Given(&["prompt"])), ("lyrics", Given(&["lyrics"]))],
    ),
    ("POST /v1/lyrics_generation", "generate_lyrics", &[("mode", Given(&["mode"]))]),
    (
        "POST /v1/music_cover_preprocess",
        "music_generation",
        &[("model", Server), ("audio_base64", Given(&["reference_audio"]))],
    ),
    ("POST /v1/files/upload", "upload_file", &[("purpose", Given(&["purpose"])), ("file", Given(&["file"]))]),
    ("GET /v1/files/list", "list_files", &[("purpose", Given(&["purpose"]))]),
    ("GET /v1/files/retrieve", "get_file", &[("file_id", Given(&["file_id"]))]),
    ("GET /v1/files/retrieve_content", "download_file", &[("file_id", Given(&["file_id"]))]),
    (
        "POST /v1/files/delete",
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
    let text = include_str!("snapshots/it__coverage__walk__requests.snap");
    let requests: Value = serde_json::from_str(text.splitn(3, "---").nth(2).unwrap()).unwrap();
    let tools = tools::catalogue().made();
    for (endpoint, tool, fields) in REQUIRED {
        let request = &requests[*endpoint];
        let listed = tools.iter().find(|listed| listed.name == *tool).unwrap();
        let parameters = listed.input_schema["properties"].as_object().unwrap();
        for (field, source) in *fields {
            assert!(has(request, field), "{endpoint} lacks {field}: {request}");
            if let Given(names) = source {
                for name in *names {
                    assert!(parameters.contains_key(*name), "{tool} has no {name} for {field} of {endpoint}");
                }
            }
        }
    }
}

//! Generates a page with every MiniMax endpoint and its tool, and with mistakes in other descriptions of the API. Run
//! `UPDATE=1 cargo test coverage` to write it.

mod required;
pub(crate) mod walk;

use std::fmt::Write as _;

use minimax_mcp::tools;

use crate::generated;

/// How a tool call reaches an endpoint.
enum Reached {
    /// The tools, and the parameter or condition that decides. A name may be followed by `(parameter)`.
    By(&'static [&'static str], &'static str),
    /// No tool reaches it, for this reason.
    Not(&'static str),
}
use Reached::{By, Not};

/// Method, path, purpose, and how it is reached.
const ENDPOINTS: &[(&str, &str, &str, Reached)] = &[
    (
        "POST",
        "/v1/chat/completions",
        "chat, OpenAI protocol",
        By(
            &["chat", "understand_image"],
            "`api: openai`, the default of chat; understand_image when the key has no plan",
        ),
    ),
    ("POST", "/v1/text/chatcompletion_v2", "chat, native protocol", By(&["chat"], "`api: native`")),
    ("POST", "/anthropic/v1/messages", "chat, Anthropic protocol", By(&["chat"], "`api: anthropic`")),
    (
        "POST",
        "/anthropic/v1/messages/count_tokens",
        "tokens of a request",
        By(&["count_tokens"], "`api: anthropic`"),
    ),
    ("POST", "/v1/responses", "chat, Responses protocol", By(&["chat"], "`api: responses`")),
    ("POST", "/v1/responses/input_tokens", "tokens of a request", By(&["count_tokens"], "`api: responses`")),
    ("GET", "/v1/models", "text models", By(&["list_models"], "`kind: text` or none")),
    ("GET", "/v1/models/{id}", "one text model", Not("adds nothing to what the list says about a model")),
    (
        "GET",
        "/anthropic/v1/models",
        "text models, Anthropic protocol",
        By(&["list_models"], "on a host that has no `/v1/models`"),
    ),
    (
        "GET",
        "/anthropic/v1/models/{id}",
        "one text model, Anthropic protocol",
        Not("adds nothing to what the list says about a model"),
    ),
    (
        "POST",
        "/v1/embeddings",
        "embeddings, no longer documented",
        By(&["embed_text"], "in the toolset `legacy`, which is off by default"),
    ),
    ("POST", "/v1/t2a_v2", "speech from text", By(&["text_to_audio"], "`text` up to 9,999 characters")),
    (
        "WSS",
        "/ws/v1/t2a_v2",
        "speech, text in whole messages",
        Not("the bidirectional WebSocket below does the same and also accepts text in pieces"),
    ),
    ("WSS", "/ws/v1/t2a_v2_bidi", "speech, text in pieces", By(&["speak"], "every call")),
    (
        "POST",
        "/v1/t2a_async_v2",
        "long speech, submit",
        By(&["text_to_audio"], "`text` above 9,999 characters, or `text_file`"),
    ),
    (
        "GET",
        "/v1/query/t2a_async_query_v2",
        "long speech, state",
        By(&["text_to_audio", "get_job"], "while a long text is spoken"),
    ),
    ("POST", "/v1/speech_to_text", "transcripts", By(&["speech_to_text"], "every call")),
    ("POST", "/v1/voice_clone", "a voice from a recording", By(&["voice_clone"], "every call")),
    ("POST", "/v1/voice_design", "a voice from a description", By(&["voice_design"], "every call")),
    ("POST", "/v1/get_voice", "voices", By(&["list_voices"], "every call")),
    ("POST", "/v1/delete_voice", "delete a voice", By(&["delete_voice"], "every call")),
    (
        "POST",
        "/v1/video_generation",
        "video V1, submit",
        By(&["generate_video"], "`model` of the Hailuo or 01 series"),
    ),
    (
        "GET",
        "/v1/query/video_generation",
        "video V1, state",
        By(&["generate_video", "get_job", "query_video_generation"], "`task_id` of V1"),
    ),
    (
        "POST",
        "/v1/video_template_generation",
        "video from a template, submit",
        By(&["generate_video_from_template"], "every call"),
    ),
    (
        "GET",
        "/v1/query/video_template_generation",
        "video from a template, state",
        By(&["generate_video_from_template", "get_job", "query_video_generation"], "`task_id` of a template"),
    ),
    ("POST", "/v2/video_generation", "video V2, submit", By(&["generate_video"], "`model` of the H3 family")),
    (
        "GET",
        "/v2/query/video_generation/{task_id}",
        "video V2, state",
        By(&["generate_video", "get_job", "query_video_generation"], "`task_id` of V2"),
    ),
    ("GET", "/v2/query/video_generation", "video V2, list of tasks", By(&["list_video_tasks"], "every call")),
    (
        "DELETE",
        "/v2/video_generation/{task_id}",
        "video V2, cancel",
        By(&["cancel_job"], "`job_id` of a queued V2 video"),
    ),
    ("POST", "/v2/h3_context_ir", "richer prompt", By(&["enhance_video_prompt"], "every call")),
    ("POST", "/v2/video_regeneration", "768P again in 2K", By(&["regenerate_video"], "every call")),
    ("POST", "/v1/image_generation", "images", By(&["text_to_image"], "every call")),
    ("POST", "/v1/music_generation", "music", By(&["music_generation"], "every call")),
    (
        "POST",
        "/v1/music_cover_preprocess",
        "features of a song to cover",
        By(&["music_generation"], "`reference_audio`"),
    ),
    ("POST", "/v1/lyrics_generation", "lyrics", By(&["generate_lyrics"], "every call")),
    (
        "POST",
        "/v1/files/upload",
        "upload",
        By(
            &["upload_file", "voice_clone", "text_to_audio", "generate_video"],
            "and every tool whose input is too large for the request or must be a file at MiniMax",
        ),
    ),
    (
        "GET",
        "/v1/files/list",
        "files of one purpose",
        By(&["list_files"], "`purpose`; without it, every purpose in turn"),
    ),
    (
        "GET",
        "/v1/files/retrieve",
        "metadata and link",
        By(
            &["get_file", "download_file", "delete_file", "generate_video"],
            "`file_id`; automatic for a finished V1 video",
        ),
    ),
    (
        "GET",
        "/v1/files/retrieve_content",
        "content",
        By(&["download_file"], "`file_id` of a file that has no link"),
    ),
    ("POST", "/v1/files/delete", "delete", By(&["delete_file"], "every call")),
    ("POST", "/v1/coding_plan/search", "web search of the plans", By(&["web_search"], "every call")),
    (
        "POST",
        "/v1/coding_plan/vlm",
        "image understanding of the plans",
        By(&["understand_image"], "every call"),
    ),
    ("GET", "/v1/token_plan/remains", "remaining quota of a plan", By(&["check_account"], "every call")),
    ("GET", "/account/query_balance", "remaining balance", By(&["check_account"], "every call")),
];

/// A wrong claim, the fact, and what this server does. The first table is about paths, the second about fields and
/// values.
const PATHS: &[(&str, &str, &str)] = &[
    ("`POST /v1/tts`", "`POST /v1/t2a_v2`", "`text_to_audio` uses the real path"),
    ("`POST /v1/text_to_speech/async`", "`POST /v1/t2a_async_v2`", "`text_to_audio` uses it for long texts"),
    (
        "`GET /v1/text_to_speech/async/{task_id}`",
        "`GET /v1/query/t2a_async_query_v2?task_id=`",
        "the job polls with the query parameter",
    ),
    (
        "`POST /v1/voice_clone/upload`",
        "`POST /v1/files/upload` with the purpose `voice_clone`",
        "`voice_clone` uploads first, then clones",
    ),
    ("`POST /v1/voice_clone/create`", "`POST /v1/voice_clone`", "`voice_clone` uses the real path"),
    ("`POST /v1/voice_design/create`", "`POST /v1/voice_design`", "`voice_design` uses the real path"),
    (
        "a WebSocket `/v1/tts/stream`: one message in, raw audio out",
        "`/ws/v1/t2a_v2` and `/ws/v1/t2a_v2_bidi`: events, audio in hex",
        "`speak` uses the events",
    ),
    (
        "`GET /v1/video_generation/{task_id}`",
        "V1: `GET /v1/query/video_generation?task_id=`; V2: `GET /v2/query/video_generation/{task_id}`",
        "jobs and `query_video_generation` choose the right one for a task",
    ),
    (
        "`GET /v1/files?limit=`",
        "`GET /v1/files/list?purpose=`: a purpose is required, and there are no pages",
        "`list_files` queries every purpose and pages the result itself",
    ),
    ("`GET /v1/files/{file_id}`", "`GET /v1/files/retrieve?file_id=`", "`get_file`"),
    (
        "`GET /v1/files/{file_id}/content`",
        "`GET /v1/files/retrieve_content?file_id=`",
        "`download_file`, for files without a link",
    ),
    (
        "`DELETE /v1/files/{file_id}`",
        "`POST /v1/files/delete` with id and purpose",
        "`delete_file` looks the purpose up",
    ),
    ("`/v1/completions` is supported", "only by a proxy that maps it", "never called; `chat` instead"),
    (
        "the API base is `https://…/anthropic/v1/messages`",
        "the base is `https://…/anthropic`, the rest is a path",
        "MINIMAX_API_HOST accepts both and keeps the host",
    ),
    (
        "one host for everything, another for OpenAI clients",
        "each host is a region and has all endpoints; China's is now `api.minimax.cn`",
        "MINIMAX_REGION, or any host in MINIMAX_API_HOST",
    ),
    ("documentation at minimax-ai.chat", "not a MiniMax site", "ignored"),
];

const FIELDS: &[(&str, &str, &str)] = &[
    (
        "speech: `voice`, `volume`, `pitch`, `audio_format`, `sample_rate` side by side",
        "nested in `voice_setting` and `audio_setting`; `voice_id`, `vol`, `format`",
        "flat parameters, also under those names; nested on the wire",
    ),
    ("speech: `pitch` 0.5 to 2", "an integer from -12 to 12", "checked before anything is sent"),
    ("speech: `volume` from 0.1", "`vol` above 0, up to 10", "checked"),
    ("speech: `sample_rate` 48000", "8000 to 44100; 48000 only for opus in long speech", "checked"),
    ("voices `female-gentle`, `male-calm`", "no such voices", "`list_voices` lists the account's voices"),
    (
        "long speech returns `task_id` as text with a status",
        "numbers, a token and the billed characters; no status",
        "ids are always kept as text",
    ),
    (
        "voice design takes `model`, `prompt`, `voice_id`",
        "`prompt` and `preview_text`; `voice_id` is optional; no model",
        "`voice_design` has exactly those",
    ),
    ("voice clone: `file_id` as text", "a number beyond 2^53", "kept as text, sent as a number"),
    (
        "video: `image_url`, `first_frame_image_id`, `subject_image_id`",
        "`first_frame_image`, `last_frame_image`, `subject_reference` with links or data",
        "`generate_video` accepts files, links and earlier results, and `image_url` as an alias",
    ),
    (
        "video: `video_length` 5 or 6",
        "`duration`: 6 or 10 in V1, 4 to 15 in V2",
        "`video_length` is an alias; values are checked against the model's row",
    ),
    (
        "video: `video_ratio`",
        "none in V1, `ratio` in V2",
        "`video_ratio` is an alias; refused if the model has none",
    ),
    (
        "video: no `resolution`",
        "512P to 1080P in V1; 480P, 768P, 2K in V2",
        "a parameter, checked by model and duration",
    ),
    (
        "a finished video has `video_url`, `duration`, `width`, `height`",
        "V1 has a `file_id`, which needs a third call, `video_width` and `video_height`",
        "the job makes the third call; the file on disk is measured",
    ),
    ("a started video has `status` and `created_at`", "only a `task_id`", "the job has its own"),
    (
        "templates: `media_inputs` of ids, `text_inputs` as an object",
        "lists of `{value}` with links, data or text",
        "`media` and `texts` are plain lists",
    ),
    (
        "images: `image_size`, `image_ratio`, `reference_image_id`, `style` as text",
        "`width` and `height` or `aspect_ratio`; `subject_reference`; `style` with a type and a weight",
        "the first two are aliases; the rest are flat parameters",
    ),
    (
        "images: no `n`, `seed`, `response_format`, `prompt_optimizer`",
        "they exist",
        "parameters of `text_to_image`; it always requests links",
    ),
    (
        "music: `duration`, `music-2.0`, lyrics with \"Verse 1:\"",
        "no duration; music-3.0, 2.6 and cover; tags such as `[Verse]`",
        "no such parameter; the models come from a table",
    ),
    (
        "files: purpose `text-to-speech`; pdf, docx, jsonl",
        "five purposes, each with its own types and sizes",
        "`upload_file` checks purpose, real type, size and length first",
    ),
    (
        "an upload returns a flat object with `status: processed`",
        "nested under `file`, without a status",
        "parsed as such; `upload_file` returns a flat object",
    ),
    (
        "`temperature` 0 to 1",
        "depends on the protocol: up to 1 in native and Responses, up to 2 in the others",
        "checked by protocol",
    ),
    ("`max_tokens`", "now `max_completion_tokens`", "`max_tokens` is the parameter; the new name is sent"),
    (
        "`thinking: enabled` with `budget_tokens`",
        "`adaptive` or `disabled`; anything else is refused with 2013",
        "`thinking: on`, `off` or `auto`",
    ),
    (
        "Anthropic tools in OpenAI's form",
        "`name`, `description`, `input_schema`",
        "one form of `tools`, converted for each protocol",
    ),
    ("an Anthropic answer read from `choices`", "a list `content`", "one result shape for all protocols"),
    (
        "models M2, M2.1, M2.1-lightning, Text-01, abab6.5",
        "M3.1-Flash and M3; M2.5 and M2.7 ended on 2026-11-18",
        "`list_models` asks MiniMax; unknown names are sent as they are",
    ),
    (
        "errors are HTTP statuses",
        "V1 refuses with HTTP 200 and `base_resp`; others with statuses and an envelope",
        "both are handled on every endpoint",
    ),
    (
        "links live 9 hours",
        "1, 9 or 24 hours, depending on the kind",
        "`url_expires_at` has the time; `get_job` renews links",
    ),
    ("cloned voices are kept 168 hours", "correct, unless they are used", "`voice_clone` says so"),
    ("300 voices, 40 languages", "roughly correct", "`list_voices`; languages in a table"),
    (
        "long speech accepts a million characters",
        "only as an uploaded file; 50,000 in the request",
        "`text_to_audio` uploads automatically",
    ),
    ("speech accepts 10,000 characters", "correct, minus one", "longer texts use the long-speech endpoint"),
    (
        "states `Processing` and `Success`",
        "more of them, in V1 with `Fail`, in V2 in lower case",
        "one set of states for all jobs",
    ),
    ("npm `@minimax-ai/mcp-js`", "`minimax-mcp-js`", "its tool and parameter names are accepted"),
    ("embeddings with a group id", "no longer documented", "`embed_text`, off by default, without the id"),
    ("a Spring AI client in Python", "Spring AI is Java", "ignored"),
    ("a prefix `minimax/` before model names", "comes from a proxy, not MiniMax", "removed"),
    ("prices from the time of M2", "changed since", "a dated table; MINIMAX_FACTS_FILE overrides it"),
    (
        "nothing on transcripts, H3, Responses, quota, bidirectional WebSockets, lyrics, covers, listing and deleting voices",
        "they exist",
        "`speech_to_text`, `generate_video`, `chat`, `check_account`, `speak`, `generate_lyrics`, `music_generation`, `list_voices`, `delete_voice`",
    ),
];

fn page() -> String {
    let mut page = "# Every endpoint, and the tool that reaches it\n\n\
        This page is generated by a test (`UPDATE=1 cargo test coverage`). Another test calls every tool of the first \
        table and checks that each of its endpoints is called, with a body that the sandbox's strict check accepts; \
        the bodies are in `tests/it/coverage/snapshots`.\n\n\
        | Endpoint | For | Tool | When |\n|---|---|---|---|\n"
        .to_owned();
    for (method, path, purpose, reached) in ENDPOINTS {
        let (tools, when) = match reached {
            By(tools, when) => {
                (tools.iter().map(|tool| format!("`{tool}`")).collect::<Vec<_>>().join(", "), *when)
            }
            Not(why) => ("none".to_owned(), *why),
        };
        writeln!(page, "| {method} `{path}` | {purpose} | {tools} | {when} |").unwrap();
    }
    for (title, rows) in [("Paths", PATHS), ("Fields and values", FIELDS)] {
        write!(
            page,
            "\n## {title} that other sources describe differently\n\n| Elsewhere | MiniMax's API | This server |\n|---|---|---|\n"
        )
        .unwrap();
        for (said, real, here) in rows {
            writeln!(page, "| {said} | {real} | {here} |").unwrap();
        }
    }
    page
}

#[test]
fn the_page_equals_the_tables() {
    let is_current = generated::has("docs/api-coverage.md", &page());
    assert!(is_current, "docs/api-coverage.md is out of date; `UPDATE=1 cargo test coverage` writes it");
}

#[test]
fn every_endpoint_is_there_once_and_reached_or_excused() {
    let mut seen = std::collections::BTreeSet::new();
    for (method, path, purpose, reached) in ENDPOINTS {
        assert!(seen.insert((method, path)), "{method} {path} is there twice");
        assert!(!purpose.is_empty());
        match reached {
            By(tools, when) => assert!(!tools.is_empty() && !when.is_empty(), "{path}"),
            Not(why) => assert!(why.len() > 20, "{path} needs a reason"),
        }
    }
    assert_eq!((PATHS.len(), FIELDS.len()), (16, 39));
}

#[test]
fn a_tool_of_the_page_is_one_of_the_catalogue() {
    let tools = tools::catalogue().made();
    for (_, path, _, reached) in ENDPOINTS {
        for name in if let By(names, _) = reached { *names } else { &[] } {
            assert!(tools.iter().any(|tool| tool.name == *name), "{path}: `{name}` is no tool");
        }
    }
}

#[test]
fn a_parameter_that_decides_is_one_of_its_tool() {
    let catalogue = tools::catalogue().made();
    for (_, path, _, reached) in ENDPOINTS {
        let By(tools, when) = reached else { continue };
        let first = when.split('`').nth(1).unwrap_or_default().split(':').next().unwrap_or_default();
        let plain = when.starts_with('`') && first.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
        let present: Vec<_> = catalogue.iter().filter(|tool| tools.contains(&&*tool.name)).collect();
        if !plain || present.len() < tools.len() {
            continue;
        }
        let has = present.iter().any(|tool| tool.input_schema["properties"].get(first).is_some());
        assert!(has, "{path}: none of {tools:?} has `{first}`");
    }
}

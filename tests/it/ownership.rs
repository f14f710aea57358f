//! Several callers of one MiniMax account: no caller can reach another's files, tasks or voices at MiniMax, whatever
//! the state of the job.

use std::time::Duration;

use data_encoding::BASE64;
use minimax_mcp::config::{Config, TokenRow};
use minimax_mcp::sandbox::{Act, Pace, Rule};
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::harness::{eventually, quick};
use crate::http::{ADA, BOB, Served, call, make, web};
use crate::media::files::wav;

const LONG: &str = "My private diary. ";

fn all_tools(config: &mut Config) {
    config.http.tokens.iter_mut().for_each(|row| row.toolsets = None);
}

async fn two_callers() -> Served {
    Served::tuned(true, quick(), all_tools).await
}

/// The sandbox finishes tasks at once, and the server polls seconds later.
async fn with_late_polls() -> Served {
    let pace = Pace { polls: 0, ..quick() };
    Served::tuned(true, pace, |config| {
        all_tools(config);
        config.poll = Duration::from_secs(3);
    })
    .await
}

fn sound(seconds: u32) -> Value {
    json!(format!("data:audio/wav;base64,{}", BASE64.encode(&wav(seconds))))
}

async fn refusal(base: &str, token: &str, tool: &str, arguments: Value) -> String {
    let answer = call(base, Some(token), tool, arguments.clone()).await;
    assert_eq!(answer["result"]["isError"], true, "{tool} {arguments}: {answer}");
    answer["result"]["content"].to_string()
}

/// The job of a call whose request is lost.
async fn lost(base: &str, tool: &str, arguments: Value) -> Value {
    let job = call(base, Some(ADA), tool, arguments).await["result"]["structuredContent"].clone();
    assert_eq!(job["status"], "unknown", "{job}");
    job
}

/// All files at the sandbox, listed without this server.
async fn files_at_minimax(served: &Served, purpose: &str) -> Vec<String> {
    let request = web().get(format!("{}/v1/files/list?purpose={purpose}", served.sandbox.url()));
    let list: Value = request.bearer_auth("sk-api-secret").send().await.unwrap().json().await.unwrap();
    list["files"].as_array().unwrap().iter().map(|file| file["file_id"].to_string()).collect()
}

/// The bodies that the sandbox received at a path.
fn sent(served: &Served, path: &str) -> Vec<Value> {
    let requests = served.sandbox.requests().into_iter();
    requests.filter(|request| request.path == path).map(|request| request.body).collect()
}

fn asked(served: &Served, path: &str) -> usize {
    sent(served, path).len()
}

/// Checks that Bob can do nothing with a file id.
async fn bob_cannot_have(served: &Served, id: &str) {
    let base = &served.base;
    let (got, deleted) = (asked(served, "/v1/files/retrieve"), asked(served, "/v1/files/delete"));
    let listed = make(base, Some(BOB), "list_files", json!({ "limit": 100 })).await;
    assert_eq!((&listed["files"], &listed["total"]), (&json!([]), &json!(0)), "{id}");
    for purpose in ["video_generation", "t2a_async_input", "voice_clone", "prompt_audio"] {
        refusal(base, BOB, "delete_file", json!({ "file_id": id, "purpose": purpose })).await;
    }
    refusal(base, BOB, "delete_file", json!({ "file_id": id })).await;
    let another = refusal(base, BOB, "get_file", json!({ "file_id": id })).await;
    let of_no_file = refusal(base, BOB, "get_file", json!({ "file_id": "7777" })).await;
    assert_eq!(another, of_no_file, "the same words as for a file that does not exist");
    for (tool, arguments) in [
        ("generate_video", json!({ "model": "MiniMax-H3", "reference_videos": [format!("mm_file://{id}")] })),
        ("understand_image", json!({ "image_url": format!("mm_file://{id}") })),
        ("voice_clone", json!({ "voice_id": "BobsVoice01", "file": format!("mm_file://{id}") })),
        ("text_to_audio", json!({ "text_file": format!("mm_file://{id}") })),
    ] {
        let mut arguments = arguments;
        arguments["prompt"] = json!("x");
        if tool == "voice_clone" || tool == "text_to_audio" {
            arguments.as_object_mut().unwrap().remove("prompt");
        }
        let text = refusal(base, BOB, tool, arguments).await;
        assert!(text.contains("does not exist"), "{tool}: {text}");
    }
    assert_eq!(asked(served, "/v1/files/delete"), deleted, "{id}");
    // One more request may come from Ada's own polls.
    assert!(asked(served, "/v1/files/retrieve") <= got + 1, "{id}");
}

#[tokio::test]
async fn the_archive_of_a_long_speech_is_its_buyer_s_after_it_was_unpacked() {
    let served = two_callers().await;
    let text = json!({ "text": LONG.repeat(600), "wait_seconds": 60 });
    let view = make(&served.base, Some(ADA), "text_to_audio", text).await;
    assert_eq!(view["status"], "succeeded", "{view}");
    let ids = files_at_minimax(&served, "t2a_async_input").await;
    assert_eq!(ids.len(), 1, "{ids:?}");
    bob_cannot_have(&served, &ids[0]).await;
    let listed = make(&served.base, Some(ADA), "list_files", json!({})).await;
    assert_eq!(listed["files"][0]["file_id"], ids[0], "{listed}");
    make(&served.base, Some(ADA), "get_file", json!({ "file_id": ids[0] })).await;
    served.end().await;
}

#[tokio::test]
async fn a_task_that_ends_before_the_next_poll_belongs_to_its_caller() {
    let served = with_late_polls().await;
    let film = json!({ "prompt": "x", "model": "MiniMax-Hailuo-2.3", "async_mode": true });
    let film = make(&served.base, Some(ADA), "generate_video", film).await;
    let speech = json!({ "text": LONG.repeat(600), "async_mode": true });
    let speech = make(&served.base, Some(ADA), "text_to_audio", speech).await;
    for purpose in ["video_generation", "t2a_async_input"] {
        eventually("MiniMax has it", async || files_at_minimax(&served, purpose).await.len() == 1).await;
        let ids = files_at_minimax(&served, purpose).await;
        bob_cannot_have(&served, &ids[0]).await;
    }
    refusal(&served.base, BOB, "query_video_generation", json!({ "task_id": film["task_id"] })).await;
    for job in [film, speech] {
        let wait = json!({ "job_id": job["job_id"], "wait_seconds": 60 });
        let view = make(&served.base, Some(ADA), "get_job", wait).await;
        assert_eq!(view["status"], "succeeded", "{view}");
    }
    served.end().await;
}

#[tokio::test]
async fn results_of_cancelled_jobs_and_of_lost_answers_are_the_owner_s_at_the_machine() {
    let served = with_late_polls().await;
    let film = json!({ "prompt": "x", "model": "MiniMax-Hailuo-2.3", "async_mode": true });
    let view = make(&served.base, Some(ADA), "generate_video", film.clone()).await;
    let view = make(&served.base, Some(ADA), "cancel_job", json!({ "job_id": view["job_id"] })).await;
    assert_eq!(view["status"], "cancelled", "{view}");
    served.sandbox.script(vec![Rule::once("/v1/video_generation", Act::ResetAfter)]);
    lost(&served.base, "generate_video", film).await;
    let ids = files_at_minimax(&served, "video_generation").await;
    assert_eq!(ids.len(), 2, "{ids:?}");
    for id in &ids {
        bob_cannot_have(&served, id).await;
    }
    let open = served.neighbour(false).await;
    let listed = make(&open, None, "list_files", json!({})).await;
    assert_eq!(listed["total"], 2, "{listed}");
    make(&open, None, "get_file", json!({ "file_id": ids[0] })).await;
    served.end().await;
}

#[tokio::test]
async fn an_h3_task_whose_answer_was_lost_is_not_adopted_by_another_caller() {
    let served = two_callers().await;
    served.sandbox.script(vec![Rule::once("/v2/video_generation", Act::ResetAfter)]);
    let film = json!({ "prompt": "x", "model": "MiniMax-H3" });
    lost(&served.base, "generate_video", film).await;
    let open = served.neighbour(false).await;
    let listed = make(&open, None, "list_video_tasks", json!({})).await;
    let task = listed["tasks"][0]["task_id"].clone();
    assert!(task.is_string(), "{listed}");
    let before = served.sandbox.requests().len();
    for tool in ["query_video_generation", "regenerate_video"] {
        let words = refusal(&served.base, BOB, tool, json!({ "task_id": task })).await;
        let of_no_file = refusal(&served.base, BOB, tool, json!({ "task_id": "777" })).await;
        assert_eq!(words.replace(task.as_str().unwrap(), "777"), of_no_file, "{tool}");
    }
    assert_eq!(served.sandbox.requests().len(), before, "MiniMax was not even asked");
    let listed = make(&served.base, Some(BOB), "list_video_tasks", json!({})).await;
    assert_eq!((&listed["tasks"], &listed["total"]), (&json!([]), &json!(0)), "{listed}");
    let jobs = make(&served.base, Some(BOB), "list_jobs", json!({})).await;
    assert_eq!(jobs["jobs"], json!([]), "{jobs}");
    let own = make(&open, None, "query_video_generation", json!({ "task_id": task })).await;
    assert_eq!(own["task_id"], task, "{own}");
    served.end().await;
}

#[tokio::test]
async fn a_queued_h3_task_can_be_cancelled_only_by_its_buyer() {
    let served = Served::tuned(true, Pace { seconds: 60.0, ..quick() }, all_tools).await;
    let film = json!({ "prompt": "x", "model": "MiniMax-H3", "async_mode": true });
    let view = make(&served.base, Some(ADA), "generate_video", film).await;
    let task = view["task_id"].clone();
    refusal(&served.base, BOB, "query_video_generation", json!({ "task_id": task })).await;
    refusal(&served.base, BOB, "cancel_job", json!({ "job_id": view["job_id"] })).await;
    let listed = make(&served.base, Some(ADA), "list_video_tasks", json!({})).await;
    assert_eq!(listed["tasks"][0]["task_id"], task, "{listed}");
    let view = make(&served.base, Some(ADA), "cancel_job", json!({ "job_id": view["job_id"] })).await;
    assert_eq!(view["status"], "cancelled", "{view}");
    served.end().await;
}

async fn bob_cannot_use_voice(served: &Served, voice: &str) {
    let base = &served.base;
    let deleted = asked(served, "/v1/delete_voice");
    let spoken = asked(served, "/v1/t2a_v2");
    for arguments in [
        json!({ "voice_id": voice }),
        json!({ "voice_id": voice, "voice_type": "voice_cloning" }),
        json!({ "voice_id": format!(" {voice} "), "voice_type": "voice_cloning" }),
    ] {
        refusal(base, BOB, "delete_voice", arguments).await;
    }
    let shouted = voice.to_uppercase();
    for named in [voice, &format!(" {voice}\n"), &shouted] {
        for arguments in [
            json!({ "text": "Hello", "voice_id": named }),
            json!({ "text": LONG.repeat(600), "voice_id": named }),
            json!({ "text": "Hello", "voice_mix": [
                { "voice_id": "English_expressive_narrator", "weight": 1 }, { "voice_id": named, "weight": 99 } ] }),
        ] {
            let text = refusal(base, BOB, "text_to_audio", arguments).await;
            assert!(text.contains("does not exist"), "{named}: {text}");
        }
    }
    let listed = make(base, Some(BOB), "list_voices", json!({ "voice_type": "voice_cloning" })).await;
    assert_eq!(listed["voices"], json!([]), "{listed}");
    assert_eq!((asked(served, "/v1/delete_voice"), asked(served, "/v1/t2a_v2")), (deleted, spoken));
}

#[tokio::test]
async fn a_voice_whose_answer_was_lost_is_its_buyer_s() {
    let served = two_callers().await;
    served.sandbox.script(vec![Rule::once("/v1/voice_clone", Act::ResetAfter)]);
    let clone = json!({ "voice_id": "AdasVoice01", "file": sound(10) });
    lost(&served.base, "voice_clone", clone).await;
    bob_cannot_use_voice(&served, "AdasVoice01").await;
    let files = files_at_minimax(&served, "voice_clone").await;
    assert_eq!(files.len(), 1, "what it was cloned from");
    bob_cannot_have(&served, &files[0]).await;

    let speech = json!({ "text": "Hello", "voice_id": "AdasVoice01" });
    assert_eq!(make(&served.base, Some(ADA), "text_to_audio", speech).await["status"], "succeeded");
    // MiniMax lists the voice after its first use.
    bob_cannot_use_voice(&served, "AdasVoice01").await;
    let listed = make(&served.base, Some(ADA), "list_voices", json!({ "voice_type": "voice_cloning" })).await;
    assert_eq!(listed["voices"][0]["voice_id"], "AdasVoice01", "{listed}");
    make(&served.base, Some(ADA), "delete_voice", json!({ "voice_id": "AdasVoice01" })).await;

    // After it is deleted, its name is free, and a new voice belongs to its buyer.
    let again = json!({ "voice_id": "AdasVoice01", "file": sound(10) });
    make(&served.base, Some(BOB), "voice_clone", again).await;
    let speech = json!({ "text": "Hello", "voice_id": "AdasVoice01" });
    refusal(&served.base, ADA, "text_to_audio", speech.clone()).await;
    assert_eq!(make(&served.base, Some(BOB), "text_to_audio", speech).await["status"], "succeeded");
    served.end().await;
}

#[tokio::test]
async fn a_request_for_a_voice_that_exists_gives_no_right_to_it() {
    let served = two_callers().await;
    let open = served.neighbour(false).await;
    make(&open, None, "voice_clone", json!({ "voice_id": "HouseVoice1", "file": sound(10) })).await;
    served.sandbox.script(vec![Rule::once("/v1/voice_clone", Act::Delay { ms: 2000 })]);
    let claim = json!({ "voice_id": "HouseVoice1", "file": sound(10) });
    let claiming = call(&served.base, Some(BOB), "voice_clone", claim);
    let meanwhile = async {
        let claims = || asked(&served, "/v1/voice_clone") == 2;
        eventually("the request has left", async || claims()).await;
        bob_cannot_use_voice(&served, "HouseVoice1").await;
    };
    let (claimed, ()) = tokio::join!(claiming, meanwhile);
    assert_eq!(claimed["result"]["isError"], true, "{claimed}");
    bob_cannot_use_voice(&served, "HouseVoice1").await;
    let speech = json!({ "text": "Hello", "voice_id": "HouseVoice1" });
    assert_eq!(make(&open, None, "text_to_audio", speech).await["status"], "succeeded");
    served.end().await;
}

#[tokio::test]
async fn a_caller_speaks_with_system_voices_the_default_and_own_ones() {
    let served = Served::tuned(true, quick(), |config| {
        all_tools(config);
        config.defaults.voice_id = Some("HouseVoice1".to_owned());
    })
    .await;
    let open = served.neighbour(false).await;
    make(&open, None, "voice_clone", json!({ "voice_id": "HouseVoice1", "file": sound(10) })).await;
    for arguments in [
        json!({ "text": "Hello" }),
        json!({ "text": "Hello", "voice_id": "HouseVoice1" }),
        json!({ "text": "Hello", "voice_id": " English_expressive_narrator " }),
        json!({ "text": "Hello", "voice_mix": [{ "voice_id": "English_expressive_narrator", "weight": 1 }] }),
    ] {
        let view = make(&served.base, Some(BOB), "text_to_audio", arguments.clone()).await;
        assert_eq!(view["status"], "succeeded", "{arguments}");
    }
    served.end().await;
}

/// Other spellings of `mm_file://ID`.
fn spellings(id: &str) -> Vec<String> {
    let digits =
        id.chars().map(|digit| char::from_u32('\u{ff10}' as u32 + digit as u32 - '0' as u32).unwrap());
    let wide: String = digits.collect();
    let mut all: Vec<_> = ["MM_FILE", "mm_File"].iter().map(|scheme| format!("{scheme}://{id}")).collect();
    for written in [
        format!("00{id}"),
        format!("{id}.0"),
        format!("{id}/"),
        format!("{id}?x=1"),
        format!("{id}#x"),
        format!("+{id}"),
        format!(" {id}"),
        format!("{id}\t"),
        format!("{id}\u{200b}"),
        format!("%3{id}"),
        format!("./{id}"),
        format!("{id}e0"),
        format!("0x{id}"),
        format!("x@{id}"),
        wide,
    ] {
        all.push(format!("mm_file://{written}"));
    }
    all.extend([format!("mm_file:{id}"), format!("mm_file:///{id}"), format!("mm%5Ffile://{id}")]);
    all
}

#[tokio::test]
async fn no_spelling_of_another_caller_s_file_is_sent_and_an_own_file_is_sent_in_one_form() {
    let served = two_callers().await;
    let upload = json!({ "file": sound(3), "purpose": "video_generation_input" });
    let file = make(&served.base, Some(ADA), "upload_file", upload).await;
    let id = file["file_id"].as_str().unwrap();
    let with_frame = |field: &str, text: &str| match field {
        "media" => json!({ "messages": [{ "role": "user", "content": "x", "media": [text] }] }),
        "image_url" => json!({ "prompt": "x", "image_url": text }),
        "first_frame_image" => json!({ "prompt": "x", "model": "MiniMax-H3", field: text }),
        _ => json!({ "prompt": "x", "model": "MiniMax-H3", field: [text] }),
    };
    let ways = [
        ("generate_video", "first_frame_image"),
        ("generate_video", "reference_audios"),
        ("enhance_video_prompt", "reference_images"),
        ("chat", "media"),
        ("understand_image", "image_url"),
    ];
    let before = served.sandbox.requests().len();
    for text in spellings(id).into_iter().chain([format!("mm_file://{id}"), format!("video:mm_file://0{id}")])
    {
        for (tool, field) in ways {
            let answer = call(&served.base, Some(BOB), tool, with_frame(field, &text)).await;
            assert_eq!(answer["result"]["isError"], true, "{tool} {field} {text}: {answer}");
        }
        for tool in ["get_file", "delete_file"] {
            refusal(&served.base, BOB, tool, json!({ "file_id": text, "purpose": "voice_clone" })).await;
        }
    }
    assert_eq!(served.sandbox.requests().len(), before, "none of it left");

    let own = json!({ "prompt": "x", "model": "MiniMax-H3", "reference_images": ["https://example.com/a.png"],
        "reference_audios": [format!("MM_File://000{id}")], "async_mode": true });
    let answer = call(&served.base, Some(ADA), "generate_video", own).await;
    let body = sent(&served, "/v2/video_generation").pop().unwrap_or_else(|| panic!("{answer}")).to_string();
    assert!(body.contains(&format!("\"mm_file://{id}\"")), "{body}");
    make(&served.base, Some(ADA), "get_file", json!({ "file_id": format!(" 0{id} ") })).await;
    served.end().await;
}

/// Uploads a file without this server, as another program of the account's owner would.
async fn upload_elsewhere(served: &Served) -> String {
    let bytes = BASE64.decode(sound(1).as_str().unwrap().split(',').next_back().unwrap().as_bytes()).unwrap();
    let part = reqwest::multipart::Part::bytes(bytes).file_name("a.wav");
    let form = reqwest::multipart::Form::new().text("purpose", "voice_clone").part("file", part);
    let request = web().post(format!("{}/v1/files/upload", served.sandbox.url())).multipart(form);
    let answer: Value = request.bearer_auth("sk-api-secret").send().await.unwrap().json().await.unwrap();
    answer["file"]["file_id"].to_string()
}

#[tokio::test]
async fn ids_from_other_programs_belong_to_the_owner_unless_the_account_is_shared() {
    let served = two_callers().await;
    let id = upload_elsewhere(&served).await;
    bob_cannot_have(&served, &id).await;
    let shared = served
        .neighbour_tuned(true, |config| {
            all_tools(config);
            config.http.shared_account = true;
        })
        .await;
    let known =
        make(&shared, Some(ADA), "upload_file", json!({ "file": sound(10), "purpose": "voice_clone" })).await;
    for (token, seen) in [(ADA, 2), (BOB, 1)] {
        let listed = make(&shared, Some(token), "list_files", json!({})).await;
        assert_eq!(listed["total"], seen, "{token}: {listed}");
        make(&shared, Some(token), "get_file", json!({ "file_id": id })).await;
    }
    refusal(&shared, BOB, "get_file", json!({ "file_id": known["file_id"] })).await;
    served.end().await;
}

#[tokio::test]
async fn the_only_caller_of_a_server_has_the_whole_account_until_the_records_know_another() {
    let served = Served::tuned(false, quick(), |config| {
        config.http.token = Some(SecretString::from(ADA));
    })
    .await;
    let id = upload_elsewhere(&served).await;
    let listed = make(&served.base, Some(ADA), "list_files", json!({})).await;
    assert_eq!(listed["files"][0]["file_id"], id, "{listed}");
    let one_row =
        served.neighbour_tuned(false, |config| config.http.tokens = vec![TokenRow::new("bob", BOB)]).await;
    make(&one_row, Some(BOB), "get_file", json!({ "file_id": id })).await;
    // Another caller buys with the same database.
    make(&served.base, Some(ADA), "text_to_image", json!({ "prompt": "x" })).await;
    refusal(&one_row, BOB, "get_file", json!({ "file_id": id })).await;
    let listed = make(&one_row, Some(BOB), "list_files", json!({})).await;
    assert_eq!(listed["total"], 0, "{listed}");
    served.end().await;
}

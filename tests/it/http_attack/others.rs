//! Another caller's property: every tool, resource and method that takes an id, with ids of another caller.

use std::collections::BTreeSet;

use minimax_mcp::tools;
use serde_json::{Map, Value, json};

use super::stage::{ADA, BOB, Process, Stage, get, on_stage, post, request};

/// A word that only Ada's data contains.
const SECRET: &str = "Adas-lighthouse";

/// Ada's data.
struct Hers {
    job: String,
    uri: String,
    film: String,
    film_job: String,
    film_uri: String,
    file: String,
    conversation: String,
    voice: String,
}

fn hers(program: &Process) -> Hers {
    let text = |value: &Value| value.as_str().unwrap_or_else(|| panic!("{value}")).to_owned();
    let picture = program.make(ADA, "text_to_image", json!({ "prompt": SECRET, "idempotency_key": "one" }));
    let film = program.make(ADA, "generate_video", json!({ "prompt": SECRET, "model": "MiniMax-H3" }));
    let mut wav =
        b"RIFF\x24\x71\x02\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x40\x1f\0\0\x80\x3e\0\0\x02\0\x10\0data".to_vec();
    wav.extend(320_000_u32.to_le_bytes());
    let length = u32::try_from(wav.len() - 8).unwrap() + 320_000;
    wav[4..8].copy_from_slice(&length.to_le_bytes());
    wav.resize(wav.len() + 320_000, 0);
    let wav = format!("data:audio/wav;base64,{}", data_encoding::BASE64.encode(&wav));
    let file = program.make(ADA, "upload_file", json!({ "file": wav, "purpose": "voice_clone" }));
    let chat = program.make(ADA, "chat", json!({ "prompt": SECRET }));
    let design = json!({ "prompt": "Calm", "preview_text": "Good evening." });
    let voice = program.make(ADA, "voice_design", design);
    Hers {
        job: text(&picture["job_id"]),
        uri: text(&picture["files"][0]["uri"]),
        film: text(&film["task_id"]),
        film_job: text(&film["job_id"]),
        film_uri: text(&film["files"][0]["uri"]),
        file: text(&file["file_id"]),
        conversation: text(&chat["conversation_id"]),
        voice: text(&voice["voice_id"]),
    }
}

/// Values for a tool's other required arguments.
fn needed(name: &str) -> Value {
    match name {
        "texts" => json!(["x"]),
        "voice_id" => json!("Abcdefgh1"),
        "purpose" => json!("voice_clone"),
        "template_id" => json!("Run for Life"),
        "file" => json!("data:audio/wav;base64,AAAA"),
        "image_url" => json!("https://example.com/a.png"),
        "uri" => json!("minimax://voices"),
        _ => json!("A plain sentence."),
    }
}

/// Values for an argument that can name a caller's data; `None` for other arguments.
fn names_of(argument: &str, hers: &Hers) -> Option<Vec<Value>> {
    let uris = || vec![json!(hers.uri), json!(hers.film_uri), json!(format!("mm_file://{}", hers.file))];
    let lists = || uris().into_iter().map(|uri| json!([uri])).collect();
    Some(match argument {
        "job_id" => vec![json!(hers.job), json!(hers.film_job)],
        "task_id" => vec![json!(hers.film)],
        "file_id" => vec![json!(hers.file)],
        "conversation_id" => vec![json!(hers.conversation)],
        "voice_id" => vec![json!(hers.voice)],
        "voice_mix" => vec![json!([{ "voice_id": hers.voice, "weight": 1 }])],
        "uri" | "first_frame_image" | "last_frame_image" | "subject_reference" | "video" | "file"
        | "text_file" | "prompt_audio" | "reference_audio" | "image_url" => uris(),
        "reference_images" | "reference_videos" | "reference_audios" | "media" => lists(),
        _ => return None,
    })
}

/// Ids that belong to no caller.
const OWNERLESS: &[&str] = &["template_id", "cursor", "idempotency_key"];

fn paid(stage: &Stage) -> usize {
    stage.sandbox.paid().len()
}

#[test]
fn no_tool_accepts_the_id_of_another_caller_in_any_argument() {
    on_stage(|stage| {
        let program = &stage.program;
        let hers = hers(program);
        let before = paid(stage);
        let mut tried = BTreeSet::new();
        for tool in tools::catalogue().tools() {
            let schema = Value::Object(tool.input_schema.as_ref().clone());
            let required: Vec<_> = schema["required"].as_array().into_iter().flatten().collect();
            for name in schema["properties"].as_object().into_iter().flat_map(Map::keys) {
                let Some(ids) = names_of(name, &hers) else {
                    let opens_something = name.ends_with("_id") && !OWNERLESS.contains(&name.as_str());
                    assert!(!opens_something, "{}: is `{name}` somebody's?", tool.name);
                    continue;
                };
                for id in ids {
                    let mut arguments = Map::new();
                    for needed_name in &required {
                        let needed_name = needed_name.as_str().unwrap();
                        arguments.insert(needed_name.to_owned(), needed(needed_name));
                    }
                    if schema["properties"].get("prompt").is_some() {
                        arguments.insert("prompt".to_owned(), json!("A plain sentence."));
                    }
                    if name.starts_with("voice") && schema["properties"].get("text").is_some() {
                        arguments.insert("text".to_owned(), json!("A plain sentence."));
                    }
                    arguments.insert(name.clone(), id.clone());
                    let answer = program.call(BOB, &tool.name, Value::Object(arguments));
                    let refused = answer["result"]["isError"] == true || answer["error"]["code"].is_i64();
                    assert!(refused, "{} with {name} = {id}: {answer}", tool.name);
                    assert!(
                        !answer.to_string().contains(SECRET),
                        "{} with {name} = {id}: {answer}",
                        tool.name
                    );
                    tried.insert(format!("{}.{name}", tool.name));
                }
            }
        }
        assert!(tried.len() > 25, "{tried:?}");
        assert_eq!(paid(stage), before, "nothing was bought with them");
        // Ada can still use them.
        assert_eq!(program.make(ADA, "get_job", json!({ "job_id": hers.job }))["status"], "succeeded");
        assert_eq!(program.make(ADA, "get_file", json!({ "file_id": hers.file }))["file_id"], hers.file);
    });
}

#[test]
fn another_s_id_is_refused_in_the_words_for_one_that_does_not_exist() {
    on_stage(|stage| {
        let program = &stage.program;
        let hers = hers(program);
        let of_no_file =
            |id: &str| id.chars().map(|c| if c.is_ascii_digit() { '7' } else { c }).collect::<String>();
        for (tool, argument, id) in [
            ("get_job", "job_id", &hers.job),
            ("cancel_job", "job_id", &hers.job),
            ("regenerate_video", "job_id", &hers.film_job),
            ("query_video_generation", "task_id", &hers.film),
            ("view_media", "uri", &hers.uri),
        ] {
            let made_up = of_no_file(id);
            assert_ne!(&made_up, id);
            let words = |id: &str| {
                let answer = program.call(BOB, tool, json!({ argument: id }));
                assert_eq!(answer["result"]["isError"], true, "{tool}: {answer}");
                answer["result"]["content"]
                    .to_string()
                    .replace(id, "ID")
                    .replace(id.split('/').nth(3).unwrap_or(id), "ID")
            };
            assert_eq!(words(id), words(&made_up), "{tool}");
        }
    });
}

#[test]
fn no_list_shows_the_property_of_another_caller() {
    on_stage(|stage| {
        let program = &stage.program;
        let hers = hers(program);
        let cursor = program.make(ADA, "list_jobs", json!({ "limit": 1 }))["next_cursor"].clone();
        assert!(cursor.is_string(), "a cursor of hers");
        for (tool, arguments) in [
            ("list_jobs", json!({})),
            ("list_jobs", json!({ "query": SECRET })),
            ("list_jobs", json!({ "cursor": cursor })),
            ("list_video_tasks", json!({})),
            ("list_files", json!({})),
            ("list_files", json!({ "purpose": "voice_clone" })),
        ] {
            let seen = program.make(BOB, tool, arguments).to_string();
            for (what, id) in [("a job", &hers.job), ("a film", &hers.film), ("a file", &hers.file)] {
                assert!(!seen.contains(id.as_str()) && !seen.contains(SECRET), "{tool} shows {what}: {seen}");
            }
        }
        assert!(program.make(ADA, "list_files", json!({})).to_string().contains(&hers.file));
        let listed = program.rpc(BOB, "resources/list", json!({})).to_string();
        assert!(!listed.contains(&hers.job) && !listed.contains(&hers.film_job), "{listed}");
        let complete = json!({ "ref": { "type": "ref/resource", "uri": "minimax://jobs/{job_id}" },
            "argument": { "name": "job_id", "value": "" } });
        assert_eq!(
            program.rpc(BOB, "completion/complete", complete.clone())["result"]["completion"]["values"],
            json!([])
        );
        assert!(program.rpc(ADA, "completion/complete", complete).to_string().contains(&hers.job));
    });
}

#[test]
fn no_resource_task_or_subscription_of_another_caller_can_be_reached() {
    on_stage(|stage| {
        let program = &stage.program;
        let hers = hers(program);
        for uri in [&hers.uri, &hers.film_uri, &format!("minimax://jobs/{}", hers.job)] {
            let refused = program.rpc(BOB, "resources/read", json!({ "uri": uri }));
            let unknown = program.rpc(BOB, "resources/read", json!({ "uri": "minimax://jobs/x" }));
            assert_eq!(refused["error"]["code"], unknown["error"]["code"], "{uri}: {refused}");
            assert_eq!(refused["error"]["message"], unknown["error"]["message"]);
            assert!(program.rpc(ADA, "resources/read", json!({ "uri": uri }))["result"].is_object());
        }
        for method in ["tasks/get", "tasks/cancel", "tasks/update"] {
            for id in [&hers.job, &hers.film_job] {
                let params = json!({ "taskId": id, "inputResponses": {} });
                let refused = program.modern(BOB, method, id, params);
                assert_eq!(refused["error"]["code"], -32602, "{method}: {refused}");
                assert!(!refused.to_string().contains(SECRET));
            }
        }
        let task = program.modern(ADA, "tasks/get", &hers.job, json!({ "taskId": hers.job }));
        assert_eq!(task["result"]["status"], "completed", "{task}");

        let mut stream = program.connect();
        stream.say(get("/sse", &format!("Authorization: Bearer {BOB}\r\n")));
        assert_eq!(stream.head().unwrap().status, 200);
        let address = stream.event().unwrap();
        let hello = json!({ "protocolVersion": "2024-11-05", "capabilities": {}, "clientInfo": { "name": "x", "version": "0" } });
        let note = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
        for body in [&request("initialize", hello), note] {
            assert_eq!(program.ask(post(&address, BOB, body)).unwrap().status, 202);
        }
        assert!(stream.event().is_some());
        let job = format!("minimax://jobs/{}", hers.job);
        let subscribe = request("resources/subscribe", json!({ "uri": job }));
        assert_eq!(program.ask(post(&address, BOB, &subscribe)).unwrap().status, 202);
        let answer: Value = serde_json::from_str(&stream.event().unwrap()).unwrap();
        assert!(answer["error"]["code"].is_i64(), "{answer}");
    });
}

#[test]
fn idempotency_keys_and_conversations_are_kept_apart_by_caller() {
    on_stage(|stage| {
        let program = &stage.program;
        let hers = hers(program);
        let same = json!({ "prompt": SECRET, "idempotency_key": "one" });
        let again = program.make(ADA, "text_to_image", same.clone());
        assert_eq!(again["job_id"], hers.job, "hers is answered with what she has");
        assert_ne!(program.make(BOB, "text_to_image", same)["job_id"], hers.job);
        let talk = json!({ "prompt": "What did I say?", "conversation_id": hers.conversation });
        let answer = program.call(BOB, "chat", talk);
        assert_eq!(answer["result"]["isError"], true, "{answer}");
    });
}

//! The viewer (MCP Apps): the clients that get it, its content, and the data in results that it needs.

use minimax_mcp::jobs::STATUSES;
use minimax_mcp::mcp::Shown;
use minimax_mcp::tools;
use reqwest::header::HeaderMap;
use serde_json::{Value, json};

use crate::harness::{Program, World};
use crate::http::{Served, answer, post, web};
use crate::http_protocol::modern;
use crate::s3;
use crate::stdio::{modern_meta, on_stage};

const URI: &str = "ui://minimax/job";
const MIME_TYPE: &str = "text/html;profile=mcp-app";

/// The tools whose results the viewer shows, in the order of the list.
fn shown() -> Vec<String> {
    let catalogue = tools::catalogue();
    let is_shown =
        |name: &str| catalogue.specs().any(|spec| spec.name == name && spec.shown == Shown::InViewer);
    let names = catalogue.tools().into_iter().map(|tool| tool.name.to_string());
    names.filter(|name| is_shown(name)).collect()
}

fn declared() -> Value {
    json!({ "extensions": { "io.modelcontextprotocol/ui": { "mimeTypes": [MIME_TYPE] } } })
}

/// The lists of a server, as text.
fn lists(program: &mut Program, meta: Option<&Value>) -> [Value; 2] {
    ["tools/list", "resources/list"].map(|method| {
        let mut params = json!({});
        if let Some(meta) = meta {
            params["_meta"] = meta.clone();
        }
        program.request(method, params)["result"].clone()
    })
}

/// Takes the viewer out of lists, and returns the names of the tools that had it.
fn without_viewer([tools, resources]: &mut [Value; 2]) -> Vec<String> {
    let mut names = Vec::new();
    for tool in tools["tools"].as_array_mut().unwrap() {
        let tool = tool.as_object_mut().unwrap();
        if let Some(meta) = tool.shift_remove("_meta") {
            assert_eq!(meta, json!({ "ui": { "resourceUri": URI }, "ui/resourceUri": URI }));
            names.push(tool["name"].as_str().unwrap().to_owned());
        }
    }
    let resources = resources["resources"].as_array_mut().unwrap();
    if resources[0]["uri"] == URI {
        let viewer = resources.remove(0);
        assert_eq!(viewer["mimeType"], MIME_TYPE);
        assert_eq!(
            viewer["_meta"]["ui"]["csp"],
            json!({ "connectDomains": [], "resourceDomains": [] }),
            "{viewer}"
        );
    }
    names
}

#[test]
fn a_client_that_declares_the_extension_gets_the_viewer_and_no_other_gets_a_byte_of_it() {
    on_stage(|stage| {
        for version in ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"] {
            let mut plain = stage.program();
            let hello = plain.initialize(version);
            let expected = lists(&mut plain, None);
            assert!(!format!("{expected:?}").contains("ui://"), "{version}");
            let refused = plain.request("resources/read", json!({ "uri": URI }));
            assert!(refused["error"]["message"].as_str().unwrap().contains("no resource"), "{refused}");

            let mut host = stage.program();
            assert_eq!(host.initialize_with(version, declared()).to_string(), hello.to_string());
            let mut found = lists(&mut host, None);
            let page = host.request("resources/read", json!({ "uri": URI }));
            // Without `_meta` and structured results the viewer has nothing to show.
            if version < "2025-06-18" {
                assert_eq!(page["error"]["message"], refused["error"]["message"], "{version}");
            } else {
                assert!(is_page(&page["result"]), "{version}: {page}");
                assert_eq!(without_viewer(&mut found), shown(), "{version}");
            }
            for (found, expected) in found.iter().zip(&expected) {
                assert_eq!(found.to_string(), expected.to_string(), "{version}");
            }
        }
    });
}

fn is_page(result: &Value) -> bool {
    let [page] = result["contents"].as_array().unwrap().as_slice() else { return false };
    let text = page["text"].as_str().unwrap();
    assert_eq!(page["_meta"]["ui"]["prefersBorder"], true, "{page}");
    page["uri"] == URI && page["mimeType"] == MIME_TYPE && text.starts_with("<!doctype html>")
}

#[test]
fn in_the_newest_revision_each_request_says_whether_the_viewer_is_shown() {
    on_stage(|stage| {
        let mut program = stage.program();
        let plain = modern_meta();
        let mut host = modern_meta();
        host["io.modelcontextprotocol/clientCapabilities"] = declared();
        let expected = lists(&mut program, Some(&plain));
        let mut found = lists(&mut program, Some(&host));
        assert_eq!(found[0]["cacheScope"], "private", "a list with the viewer is not for everybody");
        found[0]["cacheScope"] = expected[0]["cacheScope"].clone();
        assert_eq!(without_viewer(&mut found), shown());
        for (found, expected) in found.iter().zip(&expected) {
            assert_eq!(found.to_string(), expected.to_string());
        }
        assert_eq!(lists(&mut program, Some(&plain))[0].to_string(), expected[0].to_string());
        let mut read = |meta: &Value| program.request("resources/read", json!({ "uri": URI, "_meta": meta }));
        assert!(is_page(&read(&host)["result"]));
        assert!(read(&plain)["error"].is_object());
        let mut extensions = |meta: &Value| {
            let found = program.request("server/discover", json!({ "_meta": meta }));
            let extensions = found["result"]["capabilities"]["extensions"].as_object().unwrap();
            extensions.keys().cloned().collect::<Vec<_>>()
        };
        let before = extensions(&plain);
        let mut with = before.clone();
        with.push("io.modelcontextprotocol/ui".to_owned());
        with.sort_unstable();
        assert_eq!(extensions(&host), with);
    });
}

fn message(method: &str, params: &Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params })
}

fn opening(capabilities: &Value) -> Value {
    let client = json!({ "name": "host", "version": "0" });
    message(
        "initialize",
        &json!({ "protocolVersion": "2025-06-18", "capabilities": capabilities, "clientInfo": client }),
    )
}

fn session(headers: &HeaderMap) -> Option<String> {
    Some(headers.get("mcp-session-id")?.to_str().unwrap().to_owned())
}

#[tokio::test]
async fn over_http_a_session_id_remembers_the_declaration_and_no_server_does() {
    let served = Served::guarded().await;
    let token = Some(crate::http::ADA);
    let without = post(&served.base, token, &opening(&json!({}))).send().await.unwrap();
    assert_eq!(session(without.headers()), None, "other clients have no session");
    let mut ids = Vec::new();
    for accept in ["application/json, text/event-stream", "application/json", "text/event-stream"] {
        let request = post(&served.base, token, &opening(&declared())).header("Accept", accept);
        ids.push(session(request.send().await.unwrap().headers()).expect(accept));
    }
    assert!(ids[0] != ids[1] && ids[1] != ids[2], "{ids:?}");
    // Another server has never seen the session.
    let neighbour = served.neighbour(true).await;
    for base in [&served.base, &neighbour] {
        let ask = |method: &'static str, id: Option<&str>| {
            let request = post(base, token, &message(method, &json!({ "uri": URI })));
            let request = id.iter().fold(request, |request, id| request.header("Mcp-Session-Id", *id));
            async move { answer(request.send().await.unwrap()).await }
        };
        let id = Some(ids[0].as_str());
        let mut tools = ask("tools/list", id).await["result"].clone();
        let resources = ask("resources/list", id).await["result"].clone();
        let shown: Vec<_> = shown().into_iter().filter(|name| name != "speak").collect();
        assert_eq!(without_viewer(&mut [tools.take(), resources]), shown);
        assert!(is_page(&ask("resources/read", id).await["result"]));
        for id in [None, Some("0f0f"), Some("")] {
            assert!(!ask("tools/list", id).await.to_string().contains("ui://"), "{id:?}");
            assert!(ask("resources/read", id).await["error"].is_object(), "{id:?}");
        }
    }
    let end = web().delete(format!("{}/mcp", served.base)).bearer_auth(crate::http::ADA);
    assert_eq!(end.header("Mcp-Session-Id", &ids[0]).send().await.unwrap().status(), 405);
    let list = |capabilities: Value| {
        let params = json!({ "_meta": { "io.modelcontextprotocol/clientCapabilities": capabilities } });
        modern(&served.base, "tools/list", None, params).bearer_auth(crate::http::ADA)
    };
    let text = list(declared()).send().await.unwrap().text().await.unwrap();
    assert!(text.contains(URI), "the newest revision needs no session");
    let text = list(json!({})).send().await.unwrap().text().await.unwrap();
    assert!(text.contains("text_to_image") && !text.contains("ui://"));
    served.end().await;
}

#[tokio::test]
async fn a_caller_without_a_tool_for_the_viewer_has_no_viewer() {
    let served = Served::open().await;
    let opened = post(&served.base, None, &opening(&declared())).send().await.unwrap();
    let id = session(opened.headers()).unwrap();
    for (tools, expected) in [("chat,list_models", false), ("text_to_image", true)] {
        let ask = |method: &'static str| {
            let request = post(&served.base, None, &message(method, &json!({ "uri": URI })));
            let request = request.header("Mcp-Session-Id", &id).header("X-MCP-Tools", tools);
            async move { answer(request.send().await.unwrap()).await }
        };
        assert_eq!(ask("resources/list").await.to_string().contains(URI), expected, "{tools}");
        assert_eq!(ask("resources/read").await["error"].is_null(), expected, "{tools}");
    }
    served.end().await;
}

/// What `resources/read` answers, as JSON.
async fn read(world: &World, uri: &str) -> Result<Value, String> {
    let request = rmcp::model::ReadResourceRequestParams::new(uri);
    let result = world.client.read_resource(request).await.map_err(|error| error.to_string())?;
    Ok(serde_json::to_value(&result).unwrap()["contents"][0].clone())
}

fn bytes(contents: &Value) -> Vec<u8> {
    data_encoding::BASE64.decode(contents["blob"].as_str().unwrap().as_bytes()).unwrap()
}

#[tokio::test]
async fn a_result_and_resources_read_have_everything_that_the_viewer_shows() {
    let world = World::new().await;
    let words: Value = serde_json::from_str(include_str!("../../src/viewer/words.json")).unwrap();
    let has_word = |word: &Value| words["en"].get(word.as_str().unwrap()).is_some();
    for (tool, arguments, kind) in [
        ("text_to_image", json!({ "prompt": "A fox" }), "image/"),
        ("text_to_audio", json!({ "text": "Good evening." }), "audio/"),
        ("generate_video", json!({ "prompt": "A fox runs", "wait_seconds": 60 }), "video/"),
    ] {
        let view = world.make(tool, arguments).await;
        assert_eq!(view["status"], "succeeded", "{view}");
        assert!(view["job_id"].is_string() && has_word(&view["kind"]), "{view}");
        assert!(view["cost"]["currency"].is_string() && view["created_at"].is_string(), "{view}");
        let file = &view["files"][0];
        assert!(file["mime_type"].as_str().unwrap().starts_with(kind), "{file}");
        let contents = read(&world, file["uri"].as_str().unwrap()).await.unwrap();
        assert_eq!(bytes(&contents).len() as u64, file["bytes"].as_u64().unwrap());
        assert_eq!(contents["mimeType"], file["mime_type"]);
    }
    let states = STATUSES.iter().map(|state| json!(state));
    let kinds = ["argument", "settings", "wait", "ask_user", "bug"].map(|kind| json!(kind));
    for word in states.chain(kinds) {
        assert!(has_word(&word), "{word}");
    }
}

#[tokio::test]
async fn the_parts_of_a_file_put_together_are_the_file() {
    let world = World::new().await;
    let view = world.make("text_to_image", json!({ "prompt": "A fox" })).await;
    let uri = view["files"][0]["uri"].as_str().unwrap();
    let whole = s3::content(&view["files"][0]["path"]);
    let (third, size) = (whole.len() / 3, whole.len());
    let mut found = Vec::new();
    // The last part may name more bytes than there are.
    for (first, last) in [(0, third - 1), (third, 2 * third), (2 * third + 1, size + 100)] {
        let part = read(&world, &format!("{uri}?bytes={first}-{last}")).await.unwrap();
        assert_eq!(part["mimeType"], view["files"][0]["mime_type"]);
        found.extend(bytes(&part));
    }
    assert!(found == whole);
    let range = |range: &str| format!("{uri}?bytes={range}");
    for wrong in [
        format!("{size}-{}", size + 1),
        "5-4".to_owned(),
        "18446744073709551614-18446744073709551614".to_owned(),
    ] {
        let refused = read(&world, &range(&wrong)).await.unwrap_err();
        assert!(refused.contains("FIRST-LAST") && refused.contains(&size.to_string()), "{wrong}: {refused}");
    }
    for unknown in ["", "1", "-5", "a-b", "0-18446744073709551615", "1-2-3"] {
        let refused = read(&world, &range(unknown)).await.unwrap_err();
        assert!(refused.contains("no resource"), "{unknown}: {refused}");
    }
    if s3::leaves_out("a result that is changed in its folder") {
        return;
    }
    std::fs::write(s3::place(&view["files"][0]["path"]), vec![b'A'; size]).unwrap();
    let refused = read(&world, &range("0-9")).await.unwrap_err();
    assert!(refused.contains("no resource"), "a file that was changed is not the result: {refused}");
}

#[test]
fn every_tool_that_the_viewer_shows_answers_with_a_job() {
    let catalogue = tools::catalogue();
    let viewed = shown();
    assert!(viewed.len() > 10 && !viewed.iter().any(|name| name == "chat"), "{viewed:?}");
    for tool in catalogue.tools().iter().filter(|tool| viewed.iter().any(|name| *name == tool.name)) {
        let schema = serde_json::to_value(tool.output_schema.as_ref().unwrap()).unwrap();
        let fields = schema["properties"].as_object().unwrap();
        for field in ["job_id", "status", "files", "error", "cost", "warnings", "text", "voice_id"] {
            assert!(fields.contains_key(field), "{}: {field}", tool.name);
        }
    }
}

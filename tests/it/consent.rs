//! Consent to a price, in old and new protocol versions: nothing is bought without a person's consent.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use minimax_mcp::mcp::Server;
use minimax_mcp::sandbox::{Act, Rule, Sandbox};
use minimax_mcp::tools;
use rmcp::model::{
    CallToolRequest, CallToolRequestParams, CallToolResponse, CallToolResult, ClientCapabilities,
    ClientConfig, ClientRequest, ElicitRequestParams, ElicitResult, ElicitationAction, ErrorData,
    Implementation, InputRequiredResult, ProtocolVersion,
};
use rmcp::service::{PeerRequestOptions, RequestContext, RunningService};
use rmcp::{ClientHandler, ClientLifecycleMode, ClientServiceExt, RoleClient, ServiceExt};
use serde_json::{Value, json};

use crate::harness::{Program, World, config, eventually, quick, text};
use crate::voice::recording;

/// How a person reacts to a question.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Mood {
    Yes,
    /// Submits the form with the choice left at no.
    Unticked,
    No,
    Away,
    /// Thinks for longer than the server waits.
    Slow,
}

/// A client with a person in front of it.
#[derive(Debug, Clone)]
struct Person {
    mood: Mood,
    asked: Arc<Mutex<Vec<String>>>,
}

impl ClientHandler for Person {
    fn get_info(&self) -> ClientConfig {
        let can = ClientCapabilities::builder().enable_elicitation().build();
        ClientConfig::new(can, Implementation::new("person", "0"))
    }

    async fn create_elicitation(
        &self,
        request: ElicitRequestParams,
        _: RequestContext<RoleClient>,
    ) -> Result<ElicitResult, ErrorData> {
        let ElicitRequestParams::FormElicitationParams { message, requested_schema, .. } = request else {
            panic!("not a form")
        };
        let schema = serde_json::to_value(requested_schema).unwrap();
        assert_eq!(schema["properties"]["buy"]["type"], "boolean", "{schema}");
        self.asked.lock().unwrap().push(message);
        let content =
            |buy: bool| ElicitResult::new(ElicitationAction::Accept).with_content(json!({ "buy": buy }));
        Ok(match self.mood {
            Mood::Yes => content(true),
            Mood::Unticked => content(false),
            Mood::No => ElicitResult::new(ElicitationAction::Decline),
            Mood::Away => ElicitResult::new(ElicitationAction::Cancel),
            Mood::Slow => {
                tokio::time::sleep(Duration::from_secs(60)).await;
                content(true)
            }
        })
    }
}

struct Talk {
    client: RunningService<RoleClient, Person>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Talk {
    /// Connects a client of this protocol version to `server`, with a person of this mood.
    async fn with(server: &Server, mood: Mood, version: ProtocolVersion) -> Self {
        let (ours, theirs) = tokio::io::duplex(1 << 20);
        let handler = server.clone();
        tokio_util::task::TaskTracker::new().spawn(async move {
            if let Ok(running) = handler.serve(ours).await {
                let _ = running.waiting().await;
            }
        });
        let asked = Arc::<Mutex<Vec<String>>>::default();
        let person = Person { mood, asked: Arc::clone(&asked) };
        let lifecycle = if version >= ProtocolVersion::V_2026_07_28 {
            ClientLifecycleMode::Discover { preferred_versions: vec![version] }
        } else {
            ClientLifecycleMode::Initialize
        };
        Self { client: person.serve_with_lifecycle(theirs, lifecycle).await.unwrap(), asked }
    }

    async fn image(&self, more: Value) -> CallToolResult {
        self.client.call_tool(params(more)).await.unwrap()
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

fn params(more: Value) -> CallToolRequestParams {
    let mut arguments = json!({ "prompt": "A fox" }).as_object().cloned().unwrap();
    arguments.extend(more.as_object().cloned().unwrap());
    CallToolRequestParams::new("text_to_image").with_arguments(arguments)
}

const ERAS: [ProtocolVersion; 2] = [ProtocolVersion::V_2025_11_25, ProtocolVersion::V_2026_07_28];

async fn world() -> World {
    World::with(quick(), &[("MINIMAX_CONFIRM_ABOVE", "0.005")]).await
}

#[tokio::test]
async fn consent_buys_once_and_a_cheap_call_needs_none() {
    for era in ERAS {
        let world = world().await;
        let talk = Talk::with(&world.server, Mood::Yes, era.clone()).await;
        let result = talk.image(json!({})).await;
        assert_eq!((result.is_error, talk.asked().len()), (Some(false), 0), "{era:?}");
        let result = talk.image(json!({ "n": 2 })).await;
        assert_eq!(result.is_error, Some(false), "{era:?}: {}", text(&result));
        assert_eq!(result.structured_content.unwrap()["status"], "succeeded");
        let asked = talk.asked();
        assert_eq!(asked.len(), 1, "{era:?}: {asked:?}");
        assert_eq!(
            asked[0], "Make this image for $0.007? 'A fox' · image-01, 2 images · spent today $0.0035.",
            "{era:?}"
        );
        assert_eq!(world.bought(), 2, "{era:?}");
        // A call without a known price needs consent too, with or without a job.
        let search = CallToolRequestParams::new("web_search")
            .with_arguments(json!({ "query": "foxes" }).as_object().cloned().unwrap());
        assert_eq!(talk.client.call_tool(search).await.unwrap().is_error, Some(false));
        assert_eq!(talk.asked()[1], "Search the web? Its price is unknown. 'foxes' · spent today $0.0105.");
    }
}

/// A name chosen by another party comes after the price, in quotes, and cannot pass for a part of the question.
#[tokio::test]
async fn the_price_comes_first_and_the_texts_of_the_call_are_short_and_plain() {
    for era in ERAS {
        let world = World::with(quick(), &[("MINIMAX_CONFIRM_ABOVE", "0")]).await;
        let talk = Talk::with(&world.server, Mood::No, era.clone()).await;
        let name = format!(
            "x\" costs 0.0001 USD at most. [Press Accept]\n\n\u{202e}\u{200b}\u{2028}{}",
            "é".repeat(200)
        );
        talk.image(
            json!({ "model": name, "prompt": format!("A fox' for $0?\n\u{202e}{}", "é".repeat(200)) }),
        )
        .await;
        let asked = talk.asked();
        let [question] = asked.as_slice() else { panic!("{era:?}: {asked:?}") };
        let start = "Make this image? Its price is unknown. 'A fox’ for $0? éé";
        assert!(question.starts_with(start), "{question}");
        assert!(question.contains("\"x' costs"), "{question}");
        let prompt = question.split('\'').nth(1).unwrap();
        assert!(prompt.chars().count() <= 81, "{prompt}");
        let quoted = question.split('"').nth(1).unwrap();
        assert!(quoted.chars().count() <= 64, "{quoted}");
        let plain = |letter: char| !letter.is_control() && !"\u{202e}\u{200b}\u{2028}".contains(letter);
        assert!(question.chars().all(plain), "{question:?}");
        assert_eq!(world.bought(), 0);
    }
}

/// Each kind of purchase says what is bought: what for, how much, and what was spent of the day's budget.
#[tokio::test]
async fn the_question_shows_what_is_bought() {
    let settings = [("MINIMAX_CONFIRM_ABOVE", "0"), ("MINIMAX_BUDGET_DAY", "5")];
    let world = World::with(quick(), &settings).await;
    let talk = Talk::with(&world.server, Mood::No, ProtocolVersion::V_2025_11_25).await;
    let me = recording(&world, "me.wav", 12);
    let words = "[Verse]\nA quiet evening";
    for (tool, arguments, question) in [
        (
            "generate_video",
            json!({ "prompt": "A fox" }),
            "Make this video for $0.28? 'A fox' · Hailuo-2.3, 6 s, 768P",
        ),
        (
            "generate_video",
            json!({ "prompt": "A fox", "model": "minimax-h3-max", "duration": 10, "resolution": "480P" }),
            "Make this video for $0.50? 'A fox' · H3-Max, 10 s, 480P",
        ),
        (
            "text_to_image",
            json!({ "prompt": "A fox", "n": 3, "aspect_ratio": "16:9" }),
            "Make this image for $0.0105? 'A fox' · image-01, 3 images, 16:9",
        ),
        (
            "text_to_audio",
            json!({ "text": "Good day" }),
            "Speak this text for $0.0008? 'Good day' · speech-2.8-hd, 8 characters",
        ),
        (
            "speak",
            json!({ "text": "Good day" }),
            "Say this aloud for $0.0008? 'Good day' · speech-2.8-hd, 8 characters",
        ),
        (
            "speech_to_text",
            json!({ "file": me }),
            "Transcribe this recording? Its price is unknown. 'Transcript of me.wav' · \"asr-1.0\", 12 s",
        ),
        (
            "voice_design",
            json!({ "prompt": "Warm", "preview_text": "Hello" }),
            "Design this voice for $3? 'Warm'",
        ),
        (
            "music_generation",
            json!({ "prompt": "Calm", "lyrics": words }),
            "Make this music for $0.15? 'Calm' · music-3.0, song",
        ),
        ("generate_lyrics", json!({ "prompt": "A fox" }), "Write these lyrics for $0.01? 'A fox'"),
        ("chat", json!({ "prompt": "Hi", "max_tokens": 100 }), "Send this to a chat model for $0.0003"),
    ] {
        let arguments = arguments.as_object().cloned().unwrap();
        let result =
            talk.client.call_tool(CallToolRequestParams::new(tool).with_arguments(arguments)).await.unwrap();
        let asked = talk.asked();
        let last = asked.last().cloned().unwrap_or_default();
        // Without a known price the budget refuses the call before anybody is asked.
        if question.contains("unknown") {
            assert!(text(&result).contains("no price is known"), "{tool}: {}", text(&result));
            continue;
        }
        assert!(last.starts_with(question), "{tool}: {last}");
        assert!(last.ends_with(" · spent today $0 of $5."), "{tool}: {last}");
    }
    assert_eq!(world.bought(), 0);
}

#[tokio::test]
async fn without_consent_nothing_is_sent() {
    for era in ERAS {
        for mood in [Mood::No, Mood::Unticked, Mood::Away] {
            let world = world().await;
            let talk = Talk::with(&world.server, mood, era.clone()).await;
            let result = talk.image(json!({ "n": 2 })).await;
            assert_eq!((result.is_error, talk.asked().len()), (Some(true), 1), "{era:?} {mood:?}");
            let told = text(&result);
            assert!(told.contains("not bought") && told.contains("Nothing was sent or billed"), "{told}");
            assert_eq!(result.structured_content.unwrap()["error"]["kind"], "ask_user");
            assert_eq!(world.sandbox.requests().len(), 0, "{era:?} {mood:?}");
        }
    }
}

#[tokio::test]
async fn a_client_that_cannot_ask_is_told_the_price_and_the_setting() {
    let world = world().await;
    let refusal = world.refusal("text_to_image", json!({ "prompt": "A fox", "n": 2 })).await;
    for part in ["$0.007", "cannot ask", "MINIMAX_CONFIRM_ABOVE", "raise or unset"] {
        assert!(refusal.contains(part), "{refusal}");
    }
    world.make("text_to_image", json!({ "prompt": "A fox" })).await;
    assert_eq!(world.bought(), 1);
}

#[tokio::test]
async fn an_order_that_is_known_by_its_key_is_not_asked_about_again() {
    for era in ERAS {
        let world = world().await;
        let order = json!({ "n": 2, "idempotency_key": "a" });
        let yes = Talk::with(&world.server, Mood::Yes, era.clone()).await;
        let first = yes.image(order.clone()).await.structured_content.unwrap();
        let no = Talk::with(&world.server, Mood::No, era).await;
        let second = no.image(order).await.structured_content.unwrap();
        assert_eq!((&first["job_id"], no.asked().len()), (&second["job_id"], 0));
        assert_eq!(world.bought(), 1);
    }
}

#[tokio::test]
async fn a_call_that_is_cancelled_while_the_person_thinks_buys_nothing() {
    let world = world().await;
    let talk = Talk::with(&world.server, Mood::Slow, ProtocolVersion::V_2025_11_25).await;
    let request = ClientRequest::CallToolRequest(CallToolRequest::new(params(json!({ "n": 2 }))));
    let handle =
        talk.client.send_cancellable_request(request, PeerRequestOptions::no_options()).await.unwrap();
    eventually("the person is asked", async || talk.asked().len() == 1).await;
    handle.cancel(None).await.unwrap();
    talk.image(json!({})).await;
    assert_eq!(world.bought(), 1, "the cheap one alone");
}

/// The first round of a call in the new protocol version.
async fn question(talk: &Talk, call: CallToolRequestParams) -> InputRequiredResult {
    match talk.client.peer().call_tool_once(call).await.unwrap() {
        CallToolResponse::InputRequired(question) => question,
        other => panic!("not asked: {other:?}"),
    }
}

/// The second round: the person's yes, with the request state.
async fn answered(talk: &Talk, call: CallToolRequestParams, state: &str) -> CallToolResult {
    let yes = json!({ "action": "accept", "content": { "buy": true } });
    let responses = [("confirm".to_owned(), yes)].into();
    let call = call.with_input_responses(responses).with_request_state(state);
    match talk.client.peer().call_tool_once(call).await.unwrap() {
        CallToolResponse::Complete(result) => result,
        other => panic!("asked again: {other:?}"),
    }
}

#[tokio::test]
async fn a_forged_or_foreign_consent_buys_nothing_and_consent_buys_once() {
    let world = world().await;
    let talk = Talk::with(&world.server, Mood::Yes, ProtocolVersion::V_2026_07_28).await;
    let two = || params(json!({ "n": 2 }));
    let state = question(&talk, two()).await.request_state.unwrap();
    assert_eq!(world.sandbox.requests().len(), 0);
    let forged = format!("{}x", &state[..state.len() - 1]);
    let cheaper = question(&talk, params(json!({ "n": 3 }))).await.request_state.unwrap();
    for (call, state) in [
        (two(), forged.as_str()),
        (two(), "rs1.AAAA.AAAA"),
        (two(), cheaper.as_str()),
        (params(json!({ "n": 9 })), state.as_str()),
    ] {
        let result = answered(&talk, call, state).await;
        assert_eq!(result.is_error, Some(true));
        assert!(text(&result).contains("requestState"), "{}", text(&result));
    }
    assert_eq!(world.sandbox.requests().len(), 0);
    // Another process with the same database can read the request state.
    let other = world.neighbour().await;
    let elsewhere = Talk::with(&other.server, Mood::Yes, ProtocolVersion::V_2026_07_28).await;
    let bought = answered(&elsewhere, two(), &state).await;
    assert_eq!(bought.is_error, Some(false), "{}", text(&bought));
    let again = answered(&talk, two(), &state).await;
    assert!(text(&again).contains("has bought something already"), "{}", text(&again));
    assert_eq!(world.bought(), 1);
}

#[tokio::test]
async fn a_call_that_uploads_first_is_asked_about_once_and_for_the_whole_price() {
    for era in ERAS {
        let world = world().await;
        let talk = Talk::with(&world.server, Mood::Yes, era.clone()).await;
        let ask = async |tool: &'static str, arguments: Value| {
            let arguments = arguments.as_object().cloned().unwrap();
            talk.client.call_tool(CallToolRequestParams::new(tool).with_arguments(arguments)).await.unwrap()
        };
        // This makes a voice, speaks a text with it, and uploads two files.
        let clone = json!({ "voice_id": "MyVoice001", "file": recording(&world, "me.wav", 12),
            "prompt_audio": recording(&world, "clip.wav", 5), "prompt_text": "This is me.",
            "text": "A gentle breeze. ".repeat(20), "model": "speech-2.8-hd" });
        let before = ask("voice_clone", with_dry_run(&clone)).await.structured_content.unwrap();
        let result = ask("voice_clone", clone).await;
        assert_eq!(result.is_error, Some(false), "{era:?}: {}", text(&result));
        let asked = talk.asked();
        assert_eq!(asked.len(), 1, "{era:?}: {asked:?}");
        let price = before["cost"]["estimated"].as_f64().unwrap();
        assert!(asked[0].starts_with(&format!("Clone this voice for ${price}? 'MyVoice001")), "{asked:?}");
        let uploads = world.sandbox.requests().iter().filter(|one| one.path == "/v1/files/upload").count();
        assert_eq!((uploads, world.bought()), (2, 1), "{era:?}");
    }
}

fn with_dry_run(arguments: &Value) -> Value {
    let mut all = arguments.clone();
    all["dry_run"] = json!(true);
    all
}

#[tokio::test]
async fn a_more_expensive_second_order_after_a_refusal_needs_its_own_consent_and_is_bought_once() {
    for era in ERAS {
        let world = world().await;
        let closed = || {
            let no_plan = Act::Refuse { code: 2061, message: None, retry_after: None };
            Rule::once("/v1/coding_plan/vlm", no_plan)
        };
        world.sandbox.script(vec![closed(), closed(), closed()]);
        let view = world.make("text_to_image", json!({ "prompt": "x" })).await;
        let talk = Talk::with(&world.server, Mood::Yes, era.clone()).await;
        let look = json!({ "prompt": "What is it?", "image_url": view["files"][0]["path"] });
        let look =
            CallToolRequestParams::new("understand_image").with_arguments(look.as_object().cloned().unwrap());
        let result = talk.client.call_tool(look).await.unwrap();
        assert_eq!(result.is_error, Some(false), "{era:?}: {}", text(&result));
        let asked = talk.asked();
        assert_eq!(asked.len(), 2, "{era:?}: {asked:?}");
        assert!(
            asked[0].starts_with("Look at this image for $0.01? 'What is it?'")
                && asked[1].starts_with("Look at this image for up to $")
                && asked[1].contains("· M3 ·"),
            "{asked:?}"
        );
        let looks = world.sandbox.paid().iter().filter(|one| one.path.contains("chat")).count();
        assert_eq!(looks, 1, "{era:?}");
    }
}

#[tokio::test]
async fn an_answer_that_comes_too_late_buys_nothing() {
    let world = world().await;
    let settings = [("MINIMAX_CONFIRM_ABOVE".to_owned(), "0.005".to_owned())];
    let mut impatient = config(&world.sandbox.url(), world.dir.path(), &settings);
    impatient.confirm_within = Duration::from_millis(50);
    let server = tools::server(impatient);
    let modern = Talk::with(&server, Mood::Yes, ProtocolVersion::V_2026_07_28).await;
    let call = || params(json!({ "n": 2 }));
    let state = question(&modern, call()).await.request_state.unwrap();
    tokio::time::sleep(Duration::from_millis(80)).await;
    let late = answered(&modern, call(), &state).await;
    assert!(text(&late).contains("too late"), "{}", text(&late));
    let legacy = Talk::with(&server, Mood::Slow, ProtocolVersion::V_2025_11_25).await;
    let late = legacy.image(json!({ "n": 2 })).await;
    assert!(text(&late).contains("the question was not answered"), "{}", text(&late));
    assert_eq!(world.sandbox.requests().len(), 0);
}

#[tokio::test]
async fn a_call_above_the_budget_is_refused_without_asking() {
    let settings = [("MINIMAX_CONFIRM_ABOVE", "0"), ("MINIMAX_BUDGET_CALL", "0.005")];
    let world = World::with(quick(), &settings).await;
    for era in ERAS {
        let talk = Talk::with(&world.server, Mood::Yes, era).await;
        let result = talk.image(json!({ "n": 2 })).await;
        assert!(text(&result).contains("MINIMAX_BUDGET_CALL"), "{}", text(&result));
        assert_eq!(talk.asked().len(), 0);
    }
}

/// The same on the wire, with the real program, in both protocol versions.
#[test]
fn the_question_and_the_answer_are_the_protocols_own() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let options = minimax_mcp::sandbox::Options { pace: quick(), ..Default::default() };
    let sandbox = runtime.block_on(Sandbox::start(options)).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let start = || {
        let path = |name: &str| dir.path().join(name).display().to_string();
        Program::start(
            &[],
            &[
                ("HOME", &path("home")),
                ("USERPROFILE", &path("home")),
                ("MINIMAX_API_HOST", &sandbox.url()),
                ("MINIMAX_SANDBOX", "true"),
                ("MINIMAX_API_KEY", "sk-api-secret"),
                ("MINIMAX_MCP_BASE_PATH", &path("out")),
                ("MINIMAX_DATA_DIR", &path("data")),
                ("MINIMAX_CONFIRM_ABOVE", "0"),
            ],
        )
    };
    let call = |more: Value| {
        let mut params = json!({ "name": "text_to_image", "arguments": { "prompt": "A fox" } });
        params.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap());
        params
    };
    let mut legacy = start();
    let client = json!({ "name": "raw", "version": "0" });
    let hello = json!({ "protocolVersion": "2025-06-18", "capabilities": { "elicitation": {} }, "clientInfo": client });
    legacy.request("initialize", hello);
    legacy.send(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }));
    let id = legacy.post("tools/call", call(json!({ "_meta": { "progressToken": "p" } })));
    let mut beats = 0;
    let question = loop {
        let message = legacy.next(Duration::from_secs(20)).unwrap();
        if message["method"] == "elicitation/create" {
            break message;
        }
        assert_eq!(message["method"], "notifications/progress", "{message}");
        beats += 1;
    };
    assert_eq!(question["params"]["requestedSchema"]["required"], json!(["buy"]), "{question}");
    let answer = json!({ "action": "accept", "content": { "buy": true } });
    legacy.send(&json!({ "jsonrpc": "2.0", "id": question["id"], "result": answer }));
    let bought = legacy.answer(id);
    assert_eq!(bought["result"]["structuredContent"]["status"], "succeeded", "{bought} after {beats}");

    let mut modern = start();
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": { "elicitation": { "form": {} } },
        "io.modelcontextprotocol/clientInfo": client,
    });
    let asked = modern.request("tools/call", call(json!({ "_meta": meta })));
    let asked = &asked["result"];
    assert_eq!(asked["resultType"], "input_required", "{asked}");
    assert_eq!(asked["inputRequests"]["confirm"]["method"], "elicitation/create", "{asked}");
    let more = json!({
        "_meta": meta, "inputResponses": { "confirm": answer }, "requestState": asked["requestState"],
    });
    let bought = modern.request("tools/call", call(more));
    assert_eq!(bought["result"]["structuredContent"]["status"], "succeeded", "{bought}");
    assert_eq!(sandbox.paid().len(), 2);
    runtime.block_on(sandbox.stop());
}

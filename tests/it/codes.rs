//! Every error code and envelope of MiniMax: its class, the kind of its error, which requests are retried, and what the
//! caller is told to do.
//!
//! The tables here are separate copies, so that a mistake in the product's tables is noticed.

use std::ops::RangeInclusive;

use minimax_mcp::api::{ApiError, Blame};
use minimax_mcp::facts::{Class, facts};
use minimax_mcp::sandbox::{Act, Rule};
use serde_json::{Value, json};

use crate::faults::clock::{Clock, until_over};
use crate::harness::{World, text};

/// Code, class, whether a read is retried, and whether a paid request is retried ("Error codes").
const CODES: &[(i64, Class, bool, bool)] = &[
    (1000, Class::Server, true, false),
    (1001, Class::Server, true, false),
    (1002, Class::Rate, true, true),
    (1004, Class::Auth, false, false),
    (1008, Class::Quota, false, false),
    (1013, Class::Server, true, false),
    (1024, Class::Server, true, false),
    (1026, Class::Content, false, false),
    (1027, Class::Content, false, false),
    (1028, Class::Quota, false, false),
    (1030, Class::Quota, false, false),
    (1033, Class::Server, true, false),
    (1039, Class::Rate, true, true),
    (1041, Class::Rate, true, true),
    (1042, Class::Input, false, false),
    (1043, Class::Input, false, false),
    (1044, Class::Input, false, false),
    (2013, Class::Input, false, false),
    (20132, Class::Input, false, false),
    (2037, Class::Input, false, false),
    (2038, Class::Auth, false, false),
    (2039, Class::Input, false, false),
    (2042, Class::Auth, false, false),
    (2045, Class::Rate, true, true),
    (2048, Class::Input, false, false),
    (2049, Class::Auth, false, false),
    (2056, Class::Quota, false, false),
    (2061, Class::Quota, false, false),
    (2062, Class::Quota, false, false),
    // Codes of the WebSockets ("T2A WebSocket > Status codes").
    (2201, Class::Server, true, false),
    (2202, Class::Crate, false, false),
    (2203, Class::Input, false, false),
    (2204, Class::Input, false, false),
    (2205, Class::Rate, true, true),
    (2206, Class::Crate, false, false),
];

/// HTTP status, `error.type`, message, the code at the end of the message, and class ("Errors" of video V2 and
/// speech-to-text).
const ENVELOPES: &[(u16, &str, &str, Option<i64>, Class)] = &[
    (400, "bad_request_error", "invalid params, prompt is required (2013)", Some(2013), Class::Input),
    (401, "authorized_error", "login fail: Please carry the API secret key (1004)", Some(1004), Class::Auth),
    (402, "insufficient_balance_error", "insufficient balance (1008)", Some(1008), Class::Quota),
    (
        413,
        "invalid_request_error",
        "request body too large: 88200078 bytes exceeds limit of 52428800 bytes",
        None,
        Class::Input,
    ),
    (
        422,
        "unprocessable_entity_error",
        "video description contains sensitive content (1026)",
        Some(1026),
        Class::Content,
    ),
    (429, "rate_limit_error", "rate limit, please retry later (1002)", Some(1002), Class::Rate),
    (500, "server_error", "internal error (1000)", Some(1000), Class::Server),
    (529, "overloaded_error", "overloaded", None, Class::Server),
];

/// HTTP status, `error.type`, message and class ("Anthropic API > Errors"). These have no code.
const ANTHROPIC: &[(u16, &str, &str, Class)] = &[
    (400, "invalid_request_error", "messages.0.content.1: unsupported content type 'foo'", Class::Input),
    (401, "authentication_error", "invalid x-api-key", Class::Auth),
    (403, "permission_error", "your key may not use this", Class::Auth),
    (404, "not_found_error", "model MiniMax-M9 does not exist", Class::Input),
    (413, "request_too_large", "the body exceeds 64 MB", Class::Input),
    (429, "rate_limit_error", "too many requests", Class::Rate),
    (500, "api_error", "internal error", Class::Server),
    (529, "overloaded_error", "overloaded", Class::Server),
];

/// HTTP status and class of a response without an envelope, for example from a proxy or a broken gateway.
const BARE: &[(u16, Class)] = &[
    (400, Class::Input),
    (401, Class::Auth),
    (402, Class::Quota),
    (403, Class::Auth),
    (404, Class::Crate),
    (408, Class::Server),
    (413, Class::Input),
    (422, Class::Content),
    (429, Class::Rate),
    (500, Class::Server),
    (502, Class::Server),
    (503, Class::Server),
    (504, Class::Server),
    (529, Class::Server),
];

/// A call and the endpoint that refuses it.
struct Road {
    tool: &'static str,
    arguments: Value,
    path: &'static str,
}

/// One call for each of the three natures, to the endpoints of one error format.
struct Roads {
    read: Road,
    paid: Option<Road>,
    text: Road,
}

fn road(tool: &'static str, path: &'static str, arguments: Value) -> Road {
    Road { tool, arguments, path }
}

/// Endpoints that report errors as 200 with a `base_resp`.
fn base_resp() -> Roads {
    let image = json!({ "prompt": "A fox", "width": 512, "height": 512 });
    Roads {
        read: road("get_file", "/v1/files/retrieve", json!({ "file_id": "12345678" })),
        paid: Some(road("text_to_image", "/v1/image_generation", image)),
        text: road("chat", "/v1/text/chatcompletion_v2", json!({ "prompt": "Hello", "api": "native" })),
    }
}

/// Endpoints that report errors as an HTTP status with an envelope.
fn envelope() -> Roads {
    let enrich = json!({ "prompt": "A fox", "ratio": "1:1" });
    Roads {
        read: road("list_video_tasks", "/v2/query/video_generation", json!({})),
        paid: Some(road("enhance_video_prompt", "/v2/h3_context_ir", enrich)),
        text: road("chat", "/v1/chat/completions", json!({ "prompt": "Hello" })),
    }
}

fn anthropic() -> Roads {
    let asked = json!({ "prompt": "Hello", "api": "anthropic" });
    Roads {
        read: road("count_tokens", "/anthropic/v1/messages/count_tokens", asked.clone()),
        paid: None,
        text: road("chat", "/anthropic/v1/messages", asked),
    }
}

/// A refusal with `Retry-After: 0`, so that retries do not wait.
fn refuse(code: i64) -> Act {
    Act::Refuse { code, message: None, retry_after: Some(0) }
}

fn status(status: u16, body: String) -> Act {
    let headers = [("retry-after".to_owned(), "0".to_owned())].into();
    let json = serde_json::from_str::<Value>(&body).is_ok();
    let content_type = Some(if json { "application/json" } else { "text/html" }.to_owned());
    Act::Status { status, body, content_type, headers }
}

/// A world whose time passes quickly while it is idle, because a throttled call waits in its queue.
struct Stage {
    world: World,
    clock: Clock,
}

impl Stage {
    async fn new() -> Self {
        Self { world: World::new().await, clock: Clock::start() }
    }

    /// Makes a call whose first `times` requests fail. Returns the number of requests and the outcome.
    async fn refused(&self, road: &Road, act: Act, times: Option<u32>) -> (usize, Value, String) {
        let Self { world, clock } = self;
        world.sandbox.script(vec![Rule { times, ..Rule::always(road.path, act) }]);
        let sent = || {
            let path = |path: &str| path.split('?').next() == Some(road.path);
            world.sandbox.requests().iter().filter(|request| path(&request.path)).count()
        };
        let before = sent();
        let call = async { until_over(world, world.call(road.tool, road.arguments.clone()).await).await };
        let result = clock.hurry(world, (road.path, false), || true, call).await;
        world.sandbox.script(Vec::new());
        let said = text(&result);
        let count = sent() - before;
        // What the limiter learned from one call must not delay the next.
        if count > 1 {
            clock.forget().await;
        }
        (count, result.structured_content.unwrap_or_default(), said)
    }
}

/// The meaning of a class: the range of tries of a read that always fails, the tries of a paid request or a text that
/// fails once, the status of the paid job, and the kind of its error.
///
/// The number of tries of a throttled read varies, because the pauses of its queue have jitter.
fn meant(class: Class) -> (RangeInclusive<usize>, usize, &'static str, &'static str) {
    match class {
        Class::Rate => (2..=8, 2, "succeeded", "wait"),
        Class::Server => (5..=5, 1, "unknown", "wait"),
        Class::Auth | Class::Quota => (1..=1, 1, "failed", "settings"),
        Class::Input | Class::Content => (1..=1, 1, "failed", "argument"),
        Class::Crate => (1..=1, 1, "failed", "bug"),
    }
}

/// Splits an error text: what happened and what to do, and the trace id of the details at its end.
fn parts(said: &str) -> (&str, Option<&str>) {
    let (body, details) = said.rsplit_once(" (").unwrap_or_else(|| panic!("no details: {said}"));
    let known = details.contains("endpoint /") && said.matches("127.0.0.1").count() == 1;
    assert!(known && details.ends_with(')'), "{said}");
    is_plain(body);
    (body, details.split_once("trace id ").map(|(_, trace)| trace.trim_end_matches(')')))
}

/// No chain of causes, no endpoints in the middle, and nothing is said twice.
fn is_plain(message: &str) {
    for word in ["Whose turn", "error sending request", "client error", "/v1/", "/v2/"] {
        assert!(!message.contains(word), "{message}");
    }
    if let Some((what, own)) = message.split_once(": ") {
        let own = own.split(". ").next().unwrap_or_default().trim_end_matches('.');
        assert!(!what.to_lowercase().contains(&own.to_lowercase()), "{message}");
    }
}

/// Makes the three calls and returns the row for the snapshot. `busy` means that MiniMax is overloaded: a text may
/// then be retried, a paid job may not.
async fn walk(stage: &Stage, roads: &Roads, name: Value, act: &Act, class: Class, busy: bool) -> Value {
    let (reads, sends, status, kind) = meant(class);
    let (count, _, said) = stage.refused(&roads.read, act.clone(), None).await;
    assert!(reads.contains(&count), "{name}: {count} reads; {said}");
    let (message, advice) = parts(&said).0.split_once(". ").unwrap_or_else(|| panic!("no advice: {said}"));
    assert!(advice.len() > 20, "{name}: {said}");
    let message = message.replace(&stage.world.sandbox.url()[7..], "HOST");
    let mut row = json!({
        "name": name, "class": format!("{class:?}"), "message": message, "kind": kind, "advice": advice,
        "read": if reads.end() > reads.start() { json!("several") } else { json!(count) },
    });
    if let Some(paid) = &roads.paid {
        let bought = stage.world.bought();
        let (count, view, said) = stage.refused(paid, act.clone(), Some(1)).await;
        assert_eq!((count, view["status"].as_str()), (sends, Some(status)), "{name}: paid; {said}");
        assert_eq!(stage.world.bought() - bought, usize::from(status == "succeeded"), "{name}");
        row["paid"] = json!({ "sent": count, "status": status });
        if status != "succeeded" {
            row["paid"]["kind"] = view["error"]["kind"].clone();
            let next = view["next"].as_str().unwrap();
            row["paid"]["next"] = json!(if status == "failed" { parts(next).0 } else { next });
        }
        if status == "failed" {
            assert_eq!(view["error"]["kind"], kind, "{view}");
            assert_eq!(row["paid"]["next"], advice, "{view}");
        }
    }
    let (count, ..) = stage.refused(&roads.text, act.clone(), Some(1)).await;
    assert_eq!(count, if busy { 2 } else { sends }, "{name}: text");
    row["text"] = json!(count);
    row
}

#[tokio::test]
async fn every_code_has_its_class_its_advice_and_its_tries() {
    let known: Vec<_> = facts().codes().iter().map(|row| row.code).collect();
    for code in &known {
        assert!(CODES.iter().any(|row| row.0 == *code), "{code} has no row here");
    }
    let (stage, mut rows) = (Stage::new().await, Vec::new());
    for (code, class, read, paid) in CODES {
        assert_eq!(facts().code(*code).map(|row| row.class), Some(*class), "{code}");
        let (reads, sends, ..) = meant(*class);
        assert_eq!((*reads.end() > 1, sends > 1), (*read, *paid), "{code}: what is documented");
        let row = walk(&stage, &base_resp(), json!(code), &refuse(*code), *class, false).await;
        let named = format!("(error {code})");
        assert!(row["message"].as_str().unwrap().contains(&named), "{row}");
        // The same code at the end of an envelope's message.
        let (count, _, said) = stage.refused(&envelope().read, refuse(*code), None).await;
        let (text, trace) = parts(&said);
        assert!(reads.contains(&count) && text.contains(&named) && trace.is_some(), "{said}");
        assert_eq!(text.split_once(". ").unwrap().1, row["advice"], "{said}");
        assert!(
            text.contains(&facts().code(*code).unwrap().advice) || facts().code(*code).unwrap().key,
            "{said}"
        );
        // A paid job has the code and the trace id in fields, or in its text if the outcome is unknown.
        if *class != Class::Rate {
            let (_, view, said) = stage.refused(&base_resp().paid.unwrap(), refuse(*code), Some(1)).await;
            let error = &view["error"];
            if *class == Class::Server {
                assert!(said.contains(&named) && said.contains("trace id "), "{said}");
            } else {
                assert_eq!(error["code"], *code, "{view}");
                assert!(said.contains(error["trace_id"].as_str().unwrap()), "{said}");
            }
        }
        rows.push(row);
    }
    insta::assert_json_snapshot!("codes", rows);
}

#[tokio::test]
async fn a_code_of_the_socket_ends_the_session_and_only_a_full_queue_is_waited_out() {
    let rows: Vec<_> = CODES.iter().filter(|row| (2201..=2206).contains(&row.0)).collect();
    let stage = Stage::new().await;
    for (code, class, ..) in rows {
        let speak = road("speak", "/ws/v1/t2a_v2_bidi", json!({ "text": "Hello." }));
        let (count, view, said) = stage.refused(&speak, refuse(*code), Some(1)).await;
        let (_, sends, status, _) = meant(*class);
        assert_eq!((count, view["status"].as_str()), (sends, Some(status)), "{code}: {said}");
        assert!(status == "succeeded" || said.contains(&format!("error {code}")), "{said}");
    }
}

#[tokio::test]
async fn every_envelope_is_read_from_every_endpoint() {
    let (stage, mut rows) = (Stage::new().await, Vec::new());
    for (http, kind, message, code, class) in ENVELOPES {
        let error = json!({ "type": kind, "message": message, "http_code": http.to_string() });
        let body = json!({ "type": "error", "error": error, "request_id": "req-7" }).to_string();
        let act = status(*http, body);
        let busy = *http == 529;
        let row = walk(&stage, &envelope(), json!(http), &act, *class, busy).await;
        let named = code.map_or_else(|| format!("(HTTP {http})"), |code| format!("(error {code})"));
        assert!(row["message"].as_str().unwrap().contains(&named), "{row}");
        let (_, _, said) = stage.refused(&envelope().read, act.clone(), None).await;
        assert_eq!(parts(&said).1, Some("req-7"), "{said}");
        // Endpoints with the other formats may return these too.
        walk(&stage, &base_resp(), json!(http), &act, *class, busy).await;
        walk(&stage, &anthropic(), json!(http), &act, *class, busy).await;
        rows.push(row);
    }
    insta::assert_json_snapshot!("envelopes", rows);
}

#[tokio::test]
async fn every_envelope_of_the_anthropic_protocol_is_understood() {
    let (stage, mut rows) = (Stage::new().await, Vec::new());
    for (http, kind, message, class) in ANTHROPIC {
        let error = json!({ "type": kind, "message": message });
        let body = json!({ "type": "error", "request_id": "req_7", "error": error }).to_string();
        let row = walk(&stage, &anthropic(), json!(http), &status(*http, body), *class, *http == 529).await;
        assert!(row["message"].as_str().unwrap().contains(message), "{row}");
        rows.push(row);
    }
    insta::assert_json_snapshot!("anthropic", rows);
}

#[tokio::test]
async fn a_status_without_an_envelope_decides_alone() {
    let (stage, mut rows) = (Stage::new().await, Vec::new());
    for (http, class) in BARE {
        let act = status(*http, "<html><h1>A proxy</h1></html>".to_owned());
        rows.push(walk(&stage, &base_resp(), json!(http), &act, *class, *http == 529).await);
    }
    insta::assert_json_snapshot!("statuses", rows);
}

/// The precedence of the error formats, and where the trace id comes from.
#[tokio::test]
async fn an_envelope_goes_before_a_base_resp_and_that_before_the_status() {
    let stage = Stage::new().await;
    let both = json!({
        "type": "error", "error": { "type": "x", "message": "no money (1008)" }, "request_id": "req-1",
        "base_resp": { "status_code": 1002, "status_msg": "rate limit" },
    });
    let base = |more: Value| {
        let mut body = json!({ "base_resp": { "status_code": 1008, "status_msg": "insufficient balance" } });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    let nested = json!({ "error": { "message": "no money (1008)" }, "request_id": "req-2" });
    for (http, body, trace) in [
        (200, both.clone(), "req-1"),
        (500, both, "req-1"),
        (200, base(json!({ "trace_id": "t-1", "id": "i-1" })), "t-1"),
        (500, base(json!({ "id": "i-1" })), "i-1"),
        (429, base(json!({ "trace_id": "t-1" })), "t-1"),
        (402, nested, "req-2"),
    ] {
        // A header takes precedence over all of them. The sandbox sends one on V1.
        for (road, has_header) in [(base_resp().read, true), (envelope().read, false)] {
            let act = Act::Status {
                status: http,
                body: body.to_string(),
                content_type: Some("application/json".to_owned()),
                headers: Default::default(),
            };
            let (count, _, said) = stage.refused(&road, act, None).await;
            assert!(count == 1 && said.contains("(error 1008)"), "{said}");
            assert_eq!(parts(&said).1 != Some(trace), has_header, "{said}");
            assert!(parts(&said).1.is_some(), "{said}");
        }
    }
}

#[tokio::test]
async fn an_error_that_is_a_text_is_shown() {
    let stage = Stage::new().await;
    for (http, body) in
        [(400, r#"{"code":"x","error":"no such fox"}"#), (400, "no such fox"), (502, "<p>no such fox</p>")]
    {
        let (_, _, said) = stage.refused(&base_resp().read, status(http, body.to_owned()), None).await;
        assert!(parts(&said).0.contains("no such fox") && !said.contains("\"code\""), "{said}");
    }
}

#[tokio::test]
async fn a_success_that_cannot_be_read_is_reported_and_a_paid_one_is_unknown() {
    let stage = Stage::new().await;
    for body in ["", "<html>Welcome</html>", "{\"file\":", "[]", "null"] {
        let (roads, act) = (base_resp(), status(200, body.to_owned()));
        let (count, _, said) = stage.refused(&roads.read, act.clone(), None).await;
        assert_eq!(count, 1, "{body}: {said}");
        assert!(said.contains("MINIMAX_API_HOST") && parts(&said).1.is_some(), "{said}");
        let (count, view, said) = stage.refused(&roads.paid.unwrap(), act.clone(), Some(1)).await;
        assert_eq!((count, &view["status"]), (1, &json!("unknown")), "{body}: {said}");
        assert_eq!(view["error"]["kind"], "ask_user", "{view}");
        let (count, _, said) = stage.refused(&roads.text, act, Some(1)).await;
        assert!(count == 1 && !said.is_empty(), "{body}: {said}");
    }
    assert_eq!(stage.world.bought(), 0);
    let unreadable = ApiError::Shape { at: "/v1/x".into(), why: String::new(), trace_id: None, answer: None };
    assert_eq!(unreadable.blame(), Blame::Crate);
}

//! Spans and their export to a collector.

use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::collector::Collector;
use super::{Logged, answer, calling, program};
use crate::harness::{Program, eventually};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const SPAN: &str = "b7ad6b7169203331";

fn traceparent() -> String {
    format!("00-{TRACE}-{SPAN}-01")
}

#[tokio::test]
async fn a_call_its_job_and_its_requests_are_spans_of_the_callers_trace() {
    let collector = Collector::start().await;
    let settings = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url.as_str()),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20collectors-own"),
        ("OTEL_SERVICE_NAME", "films"),
    ];
    let (logged, base) = Logged::new(&settings).await;
    let meta = json!({ "traceparent": traceparent(), "tracestate": "vendor=1" });
    let arguments = json!({ "prompt": "A violet giraffe", "wait_seconds": 0 });
    let video = answer(calling(&base, "generate_video", arguments, meta)).await;
    let job = video["result"]["structuredContent"]["job_id"].as_str().unwrap().to_owned();
    eventually("the job's span", async || collector.find("job video").is_some()).await;

    let call = collector.find("tools/call generate_video").expect("the call's span");
    assert_eq!((call.trace.as_str(), call.parent.as_str(), call.kind), (TRACE, SPAN, 2), "{call:?}");
    assert_eq!(call.attribute("outcome"), Some("ok"));
    assert_eq!(call.attribute("job"), Some(job.as_str()));
    let followed = collector.find("job video").unwrap();
    assert_eq!((&followed.trace, &followed.parent), (&call.trace, &call.id));
    assert_eq!(followed.attribute("status"), Some("succeeded"));
    let submitted = collector.find("/v1/video_generation").expect("the request's span");
    assert_eq!((&submitted.trace, &submitted.parent, submitted.kind), (&call.trace, &followed.id, 3));

    let log = logged.log();
    assert!(log.contains(&format!("trace=\"{TRACE}\"")), "{log}");
    for batch in collector.batches() {
        assert_eq!(batch.headers["authorization"], "Bearer collectors-own");
        let body = String::from_utf8_lossy(&batch.body).into_owned();
        assert!(body.contains("\"films\""), "{body}");
        for word in ["giraffe", "sk-api-secret", "collectors-own", "/root", "src/"] {
            assert!(!body.contains(word), "{word} in {body}");
        }
    }
    assert!(!log.contains("collectors-own"), "{log}");
}

#[tokio::test]
async fn a_trace_parent_in_the_header_counts_if_the_message_has_none_and_a_failed_call_is_an_error() {
    let collector = Collector::start().await;
    let settings = [
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", &*format!("{}/v1/traces", collector.url)),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json"),
    ];
    let (_logged, base) = Logged::new(&settings).await;
    let other = "00-11111111111111111111111111111111-2222222222222222-01";
    let called = async |tool: &str, arguments: Value, meta: Value| {
        answer(calling(&base, tool, arguments, meta).header("traceparent", other)).await
    };
    called("text_to_image", json!({ "prompt": "" }), json!({})).await;
    called("list_models", json!({}), json!({ "traceparent": traceparent() })).await;
    called("list_models_of_all", json!({}), json!({ "traceparent": "00-nonsense" })).await;
    let all = ["tools/call text_to_image", "tools/call list_models", "tools/call other"];
    eventually("three spans", async || all.iter().all(|name| collector.find(name).is_some())).await;
    let [image, models, unknown] = all.map(|name| collector.find(name).unwrap());
    assert_eq!(
        (image.trace.as_str(), image.parent.as_str(), image.error),
        (&other[3..35], &other[36..52], true)
    );
    assert_eq!((models.trace.as_str(), models.parent.as_str(), models.error), (TRACE, SPAN, false));
    assert_eq!((unknown.trace.as_str(), unknown.attribute("outcome")), (&other[3..35], Some("protocol")));
}

#[tokio::test]
async fn spans_come_as_protobuf_by_default_and_the_last_before_the_program_ends() {
    let collector = Collector::start().await;
    let world = crate::harness::World::new().await;
    let dir = tempfile::tempdir().unwrap();
    // With this delay, nothing is exported before the program ends.
    let settings =
        [("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url.as_str()), ("OTEL_BSP_SCHEDULE_DELAY", "3600000")];
    let command = program(&world.sandbox.url(), dir.path(), &settings);
    tokio::task::spawn_blocking(move || {
        let mut program = Program::of(command);
        program.initialize("2025-06-18");
        let meta = json!({ "traceparent": traceparent() });
        program.request("tools/call", json!({ "name": "list_models", "arguments": {}, "_meta": meta }));
        assert!(program.hang_up().success());
    })
    .await
    .unwrap();
    let batches = collector.batches();
    let [batch] = batches.as_slice() else { panic!("{} batches", batches.len()) };
    assert_eq!(batch.headers["content-type"], "application/x-protobuf");
    let ids = [TRACE, SPAN].map(|id| data_encoding::HEXLOWER.decode(id.as_bytes()).unwrap());
    for id in ids {
        assert!(batch.body.windows(id.len()).any(|bytes| bytes == id.as_slice()));
    }
}

/// The program ends without waiting for a collector that does not answer.
#[tokio::test]
async fn a_silent_collector_delays_no_call_and_no_exit() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let world = crate::harness::World::new().await;
    let dir = tempfile::tempdir().unwrap();
    let settings = [("OTEL_EXPORTER_OTLP_ENDPOINT", url.as_str()), ("OTEL_EXPORTER_OTLP_TIMEOUT", "600000")];
    let command = program(&world.sandbox.url(), dir.path(), &settings);
    tokio::task::spawn_blocking(move || {
        let mut program = Program::of(command);
        program.initialize("2025-06-18");
        for _ in 0..20 {
            assert!(program.call("list_models", json!({}))["structuredContent"].is_object());
        }
        assert!(program.hang_up().success());
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn an_unavailable_collector_is_logged_once_and_wrong_settings_turn_off_only_spans() {
    let away = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", away.local_addr().unwrap());
    drop(away);
    let (logged, base) = Logged::new(&[("OTEL_EXPORTER_OTLP_ENDPOINT", &url)]).await;
    let models = async |base: &str| answer(calling(base, "list_models", json!({}), json!({}))).await;
    models(&base).await;
    eventually("it is said", async || logged.log().contains("spans are lost")).await;
    for _ in 0..3 {
        models(&base).await;
        tokio::time::sleep(std::time::Duration::from_millis(150)).await;
    }
    assert_eq!(logged.log().matches("spans are lost").count(), 1, "{}", logged.log());

    let settings = [("OTEL_EXPORTER_OTLP_ENDPOINT", url.as_str()), ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")];
    let (wrong, base) = Logged::new(&settings).await;
    assert!(wrong.log().contains("OTEL_EXPORTER_OTLP_PROTOCOL is `grpc`"), "{}", wrong.log());
    let image = answer(calling(&base, "text_to_image", json!({ "prompt": "A fox" }), json!({}))).await;
    assert_ne!(image["result"]["isError"], true, "{image}");
}

#[tokio::test]
async fn minimax_is_told_nothing_of_the_trace() {
    use axum::http::HeaderMap;

    let collector = Collector::start().await;
    let (heard, mut hearing) = tokio::sync::mpsc::unbounded_channel::<HeaderMap>();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = format!("http://{}", listener.local_addr().unwrap());
    let minimax = axum::Router::new().fallback(async move |headers: HeaderMap| {
        heard.send(headers).unwrap();
        "{}"
    });
    let serving = tokio_util::task::TaskTracker::new();
    serving.spawn(async move { axum::serve(listener, minimax).await });
    let settings =
        [("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url.as_str()), ("MINIMAX_API_HOST", host.as_str())];
    let (_logged, base) = Logged::new(&settings).await;
    let meta = json!({ "traceparent": traceparent(), "tracestate": "vendor=1", "baggage": "a=b" });
    let image = calling(&base, "text_to_image", json!({ "prompt": "A fox" }), meta);
    answer(image.header("traceparent", traceparent()).header("X-Request-Id", "ours")).await;
    let headers = hearing.recv().await.unwrap();
    for name in ["traceparent", "tracestate", "baggage", "x-request-id"] {
        assert!(!headers.contains_key(name), "{headers:?}");
    }
}

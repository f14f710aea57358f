//! An OpenTelemetry collector that stores the spans it receives.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::routing::post;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio_util::task::TaskTracker;

/// One batch, unparsed.
#[derive(Clone)]
pub struct Batch {
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// The collector, with the batches received so far.
#[derive(Clone, Default)]
pub struct Collector {
    batches: Arc<Mutex<Vec<Batch>>>,
    pub url: String,
}

/// The fields of a span that the tests check.
#[derive(Debug, Clone)]
pub struct Span {
    pub name: String,
    pub trace: String,
    pub id: String,
    pub parent: String,
    pub kind: u64,
    pub error: bool,
    pub attributes: Vec<(String, Value)>,
}

impl Span {
    pub fn attribute(&self, name: &str) -> Option<&str> {
        let (_, value) = self.attributes.iter().find(|(known, _)| known == name)?;
        value["stringValue"].as_str()
    }
}

impl Collector {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let collector = Self { url, ..Self::default() };
        let app = Router::new().route("/v1/traces", post(take)).with_state(collector.clone());
        TaskTracker::new().spawn(async move { axum::serve(listener, app).await });
        collector
    }

    pub fn batches(&self) -> Vec<Batch> {
        self.batches.lock().unwrap().clone()
    }

    /// The spans of all JSON batches.
    pub fn spans(&self) -> Vec<Span> {
        let mut spans = Vec::new();
        for batch in self.batches() {
            let all: Value = serde_json::from_slice(&batch.body).unwrap();
            let resources = all["resourceSpans"].as_array().unwrap().iter();
            let scopes = resources.flat_map(|resource| resource["scopeSpans"].as_array().unwrap());
            spans.extend(scopes.flat_map(|scope| scope["spans"].as_array().unwrap()).map(span));
        }
        spans
    }

    pub fn find(&self, name: &str) -> Option<Span> {
        self.spans().into_iter().find(|span| span.name == name)
    }
}

fn span(span: &Value) -> Span {
    let text = |name: &str| span[name].as_str().unwrap_or_default().to_owned();
    let attributes = span["attributes"].as_array().into_iter().flatten();
    Span {
        name: text("name"),
        trace: text("traceId"),
        id: text("spanId"),
        parent: text("parentSpanId"),
        kind: span["kind"].as_u64().unwrap_or_default(),
        error: span["status"]["code"] == 2,
        attributes: attributes
            .map(|pair| (pair["key"].as_str().unwrap().to_owned(), pair["value"].clone()))
            .collect(),
    }
}

async fn take(State(collector): State<Collector>, headers: HeaderMap, body: Bytes) -> &'static str {
    collector.batches.lock().unwrap().push(Batch { headers, body });
    ""
}

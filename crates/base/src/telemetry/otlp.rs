//! Exports spans to a collector (OpenTelemetry Protocol > OTLP/HTTP).
//!
//! A thread of the OpenTelemetry library collects spans in a bounded buffer and drops the rest. It gives each batch
//! to a task of the runtime. No call waits for either.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};
use opentelemetry::KeyValue;
use opentelemetry_http::{HttpClient, HttpError};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{BatchSpanProcessor, SdkTracerProvider};
use secrecy::ExposeSecret as _;
use tokio::runtime::Handle;
use tokio_util::task::TaskTracker;

use crate::config::OtlpSettings;

/// How much of a response is read, enough for its error message.
const LONGEST_ANSWER: usize = 64 * 1024;

/// Builds the provider that collects and exports spans.
pub(super) fn provider(settings: &OtlpSettings, runtime: &Handle) -> Result<SdkTracerProvider, String> {
    let headers = settings.headers.iter();
    let headers = headers.map(|(name, value)| (name.clone(), value.expose_secret().to_owned())).collect();
    let exporter = SpanExporter::builder()
        .with_http()
        .with_http_client(Sender::new(settings, runtime))
        .with_endpoint(settings.endpoint.as_str())
        .with_protocol(if settings.json { Protocol::HttpJson } else { Protocol::HttpBinary })
        .with_timeout(settings.timeout)
        .with_headers(headers)
        .build()
        .map_err(|error| error.to_string())?;
    let own = [
        KeyValue::new("service.name", settings.service.clone()),
        KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
    ];
    let given = settings.resource.iter().map(|(name, value)| KeyValue::new(name.clone(), value.clone()));
    let resource = Resource::builder_empty().with_attributes(given).with_attributes(own).build();
    let processor = BatchSpanProcessor::builder(exporter).build();
    Ok(SdkTracerProvider::builder().with_resource(resource).with_span_processor(processor).build())
}

/// Posts the requests that the exporter builds.
#[derive(Debug)]
struct Sender {
    runtime: Handle,
    tasks: TaskTracker,
    /// Built when the first spans are sent.
    client: OnceLock<reqwest::Client>,
    timeout: Duration,
    local: bool,
    /// True if the last attempt failed. A collector that is down is reported once.
    failing: AtomicBool,
}

impl Sender {
    fn new(settings: &OtlpSettings, runtime: &Handle) -> Self {
        let host = settings.endpoint.host_str().unwrap_or_default();
        Self {
            runtime: runtime.clone(),
            tasks: TaskTracker::new(),
            client: OnceLock::new(),
            timeout: settings.timeout,
            local: host == "localhost" || host == "[::1]" || host.starts_with("127."),
            failing: AtomicBool::new(false),
        }
    }

    fn client(&self) -> Result<reqwest::Client, reqwest::Error> {
        if let Some(client) = self.client.get() {
            return Ok(client.clone());
        }
        // reqwest is built without its own TLS provider. A second installation fails, which does no harm.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let built = reqwest::Client::builder()
            .user_agent(concat!("minimax-mcp/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(self.timeout)
            // A redirect would send the spans and the token to another host.
            .redirect(reqwest::redirect::Policy::none());
        // A proxy cannot reach ports on this machine.
        let built = if self.local { built.no_proxy() } else { built }.build()?;
        Ok(self.client.get_or_init(|| built).clone())
    }

    fn report(&self, answer: Result<Response<Bytes>, String>) -> Result<Response<Bytes>, HttpError> {
        let problem = match &answer {
            Ok(answer) if answer.status().is_success() => None,
            Ok(answer) => Some(format!("it answered with HTTP {}", answer.status().as_u16())),
            Err(problem) => Some(problem.clone()),
        };
        let failed_before = self.failing.swap(problem.is_some(), Ordering::Relaxed);
        match problem {
            Some(problem) if !failed_before => {
                tracing::warn!(
                    problem,
                    "spans are lost: the collector of OTEL_EXPORTER_OTLP_ENDPOINT does not accept them"
                );
            }
            None if failed_before => tracing::info!("the collector accepts spans again"),
            _ => {}
        }
        answer.map_err(Into::into)
    }
}

#[async_trait]
impl HttpClient for Sender {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        // The exporter's thread has no runtime, so the request runs on ours.
        let client = self.client();
        let timeout = self.timeout;
        let sending = async move {
            let (head, body) = request.into_parts();
            let request = client?.request(head.method, head.uri.to_string());
            send(request.headers(head.headers).timeout(timeout).body(body)).await
        };
        let sent = self.tasks.spawn_on(sending, &self.runtime).await;
        // The URL is removed from errors because it may contain a name and a password.
        self.report(match sent {
            Ok(answer) => answer.map_err(|error: reqwest::Error| causes(&error.without_url())),
            Err(error) => Err(error.to_string()),
        })
    }
}

async fn send(request: reqwest::RequestBuilder) -> Result<Response<Bytes>, reqwest::Error> {
    let mut answer = request.send().await?;
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await? {
        let room = LONGEST_ANSWER.saturating_sub(body.len());
        body.extend_from_slice(chunk.get(..room).unwrap_or(&chunk));
        if room <= chunk.len() {
            break;
        }
    }
    let mut response = Response::new(Bytes::from(body));
    *response.status_mut() = answer.status();
    Ok(response)
}

/// The message of an error with all its causes.
pub fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}

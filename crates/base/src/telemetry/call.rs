//! The names that connect the log lines and spans of a call and of the job that it starts.

use std::sync::{Arc, OnceLock};

use opentelemetry::Context;
use opentelemetry::trace::{Status, TraceContextExt as _};
use sha2::{Digest, Sha256};
use tracing::field::Empty;
use tracing::{Instrument as _, Span, error_span};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use super::Parent;

/// The id of a request, shown in the log and to the caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestId(String);

/// The outcome of a call that waits for a person's consent to its price.
pub const ASKED: &str = "asked";

/// The greatest length of a caller's request id. Common systems use shorter ones.
const LONGEST: usize = 128;

impl RequestId {
    /// The caller's own id, if it is safe in a log line and in a header.
    pub fn given(text: &str) -> Option<Self> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:/+=@".contains(&byte);
        let sane = !text.is_empty() && text.len() <= LONGEST && text.bytes().all(plain);
        sane.then(|| Self(text.to_owned()))
    }

    /// Creates a unique id.
    pub fn fresh() -> Self {
        let mut bits = [0_u8; 12];
        // If the system provides no randomness, the id is all zeros.
        let _ = getrandom::fill(&mut bits);
        Self(data_encoding::HEXLOWER.encode(&bits))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// One tool call.
#[derive(Debug, Clone)]
pub struct Call {
    names: Arc<Names>,
    span: Span,
}

#[derive(Debug)]
struct Names {
    tool: String,
    request: RequestId,
    caller: String,
    trace: Option<String>,
    /// The span as a parent for other spans.
    context: Context,
    failure: OnceLock<&'static str>,
}

tokio::task_local! {
    static CALL: Call;
}

/// A short hash that tells principals apart without naming them.
fn digest(principal: &str) -> String {
    let digest = Sha256::digest(principal);
    data_encoding::HEXLOWER.encode(digest.get(..4).unwrap_or_default())
}

/// The trace id of a span. If spans are not exported, the caller's trace id.
fn trace_of(span: &Span, parent: &Parent) -> Option<String> {
    let context = span.context();
    let own = context.span().span_context().clone();
    if own.is_valid() { Some(own.trace_id().to_string()) } else { parent.trace() }
}

impl Call {
    /// Begins a call. Its span has the error level, so a filter that shows any line of the call also shows these
    /// names.
    pub fn begin(tool: &str, request: RequestId, principal: &str, parent: &Parent) -> Self {
        let caller = digest(principal);
        let span = error_span!(
            "call",
            otel.kind = "server",
            otel.name = format!("tools/call {tool}"),
            tool,
            request = request.as_str(),
            caller,
            job = Empty,
            trace = Empty,
        );
        if let Some(context) = parent.context() {
            let _ = span.set_parent(context);
        }
        span.set_attribute("mcp.method.name", "tools/call");
        span.set_attribute("gen_ai.tool.name", tool.to_owned());
        let trace = trace_of(&span, parent);
        if let Some(trace) = &trace {
            span.record("trace", trace.as_str());
        }
        let context = span.context();
        let names =
            Names { tool: tool.to_owned(), request, caller, trace, context, failure: OnceLock::new() };
        Self { names: Arc::new(names), span }
    }

    /// Runs the work of the call. Log lines written in the meantime carry the names of the call.
    pub async fn run<T>(&self, work: impl Future<Output = T>) -> T {
        CALL.scope(self.clone(), work.instrument(self.span.clone())).await
    }

    /// The kind of failure that [`failed`] reported.
    pub fn failure(&self) -> Option<&'static str> {
        self.names.failure.get().copied()
    }

    /// The name of the tool, or the placeholder for an unknown tool.
    pub fn tool(&self) -> &str {
        &self.names.tool
    }

    /// Records the outcome: `ok`, [`ASKED`], or the kind of failure.
    pub fn ended(&self, outcome: &'static str, milliseconds: u64) {
        self.span.set_attribute("outcome", outcome);
        if !matches!(outcome, "ok" | ASKED) {
            self.span.set_status(Status::error(outcome));
        }
        self.span.in_scope(|| tracing::info!(outcome, milliseconds, "answered"));
    }
}

/// Records why the current call fails. Does nothing outside a call.
pub fn failed(kind: &'static str) {
    let _ = CALL.try_with(|call| call.names.failure.set(kind));
}

/// Runs `work` with the names of the current call, even on another task.
pub fn ordered<F: Future>(work: F) -> impl Future<Output = F::Output> {
    let call = CALL.try_with(Clone::clone).ok();
    async move {
        match call {
            Some(call) => call.run(work).await,
            None => work.await,
        }
    }
}

/// Runs the work of a job in its own span. A job may outlive its call, so in the log its span is not part of the
/// call's span. In the trace, the call's span is its parent.
pub fn job<F: Future>(id: &str, kind: &'static str, work: F) -> impl Future<Output = F::Output> + use<F> {
    let call = CALL.try_with(Clone::clone).ok();
    let span = error_span!(
        parent: None,
        "job",
        otel.name = format!("job {kind}"),
        job = id,
        kind,
        tool = Empty,
        request = Empty,
        caller = Empty,
        trace = Empty,
    );
    if let Some(Call { names, span: calling }) = &call {
        let _ = span.set_parent(names.context.clone());
        calling.record("job", id);
        span.record("tool", names.tool.as_str());
        span.record("request", names.request.as_str());
        span.record("caller", names.caller.as_str());
        if let Some(trace) = &names.trace {
            span.record("trace", trace.as_str());
        }
    }
    work.instrument(span)
}

/// Records the end of the current job.
pub fn job_ended(status: &'static str) {
    let span = Span::current();
    span.set_attribute("status", status);
    if matches!(status, "failed" | "unknown") {
        span.set_status(Status::error(status));
    }
    tracing::info!(status, "the job has ended");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_id_that_could_forge_a_log_line_is_ignored() {
        for good in ["1", "a-b_c.d", "Root=1-67891233-abcdef012345678912345678", &"x".repeat(LONGEST)] {
            assert_eq!(RequestId::given(good).map(|id| id.0).as_deref(), Some(good));
        }
        for bad in ["", " ", "a b", "a\nINFO b", "\u{1b}[31m", "é", "\"", "{}", &"x".repeat(LONGEST + 1)] {
            assert_eq!(RequestId::given(bad), None, "{bad:?}");
        }
        assert_ne!(RequestId::fresh(), RequestId::fresh());
    }

    #[test]
    fn a_digest_distinguishes_principals_without_naming_them() {
        assert_ne!(digest("token:ada"), digest("token:bob"));
        assert!(!digest("token:ada").contains("ada"));
    }

    #[tokio::test]
    async fn a_call_keeps_the_first_reason_of_its_failure() {
        let call = |tool| Call::begin(tool, RequestId::fresh(), "local", &Parent::default());
        let (one, other) = (call("a"), call("b"));
        one.run(async {
            failed("argument");
            failed("money");
        })
        .await;
        other.run(async {}).await;
        failed("of no call");
        assert_eq!((one.failure(), other.failure()), (Some("argument"), None));
    }
}

//! Telemetry of requests to MiniMax: metrics and trace spans.

use std::sync::Arc;

use tracing::Instrument as _;

use super::{ApiError, Client};
use crate::telemetry::Metrics;

impl Client {
    /// The metrics of this client's requests.
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    /// Counts a request and records it as a span. The trace context is not sent to MiniMax, which is a third party and
    /// has its own trace ids.
    pub(super) async fn observed<T>(
        &self,
        endpoint: &'static str,
        request: impl Future<Output = Result<T, ApiError>>,
    ) -> Result<T, ApiError> {
        let span = tracing::info_span!(
            "upstream",
            otel.kind = "client",
            otel.name = endpoint,
            otel.status_code = tracing::field::Empty,
            endpoint,
            outcome = tracing::field::Empty,
            code = tracing::field::Empty,
            minimax_trace = tracing::field::Empty,
        );
        let observed = self.metrics.request(endpoint);
        let answer = request.instrument(span.clone()).await;
        let outcome = answer.as_ref().err().map_or("ok", ApiError::word);
        let milliseconds = observed.end(outcome);
        span.record("outcome", outcome);
        let _entered = span.enter();
        let Err(error) = &answer else {
            tracing::debug!(milliseconds, "answered");
            return answer;
        };
        span.record("otel.status_code", "ERROR");
        if let Some(code) = error.code() {
            span.record("code", code);
        }
        // MiniMax's support asks for this id.
        if let Some(trace) = error.trace_id() {
            span.record("minimax_trace", trace);
        }
        tracing::info!(milliseconds, "a request to MiniMax failed");
        answer
    }
}

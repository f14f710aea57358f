//! Telemetry of calls: metrics, log lines, and spans in the caller's trace.

use std::borrow::Cow;
use std::time::Duration;

use rmcp::model::CallToolResponse;
use rmcp::service::RequestContext;
use rmcp::{ErrorData, RoleServer};
use serde_json::Value;

use crate::jobs::{Jobs, Spending, StoreError};
use crate::money::Currency;
use crate::telemetry::{ASKED, Amount, Call, Metrics, Parent, QueueLength, Records, RequestId, Scrape};

/// The label of calls whose name no tool has.
const NO_TOOL: &str = "other";

/// How long a scrape waits for the records; the next scrape comes soon.
const PATIENCE: Duration = Duration::from_secs(5);

/// Begins the telemetry of a call. `tool` is `None` if no tool has the name; the name is then not recorded.
pub(super) fn begin(tool: Option<&str>, principal: &str, context: &RequestContext<RoleServer>) -> Call {
    let parts = context.extensions.get::<http::request::Parts>();
    let request = parts.and_then(|parts| parts.extensions.get::<RequestId>()).cloned();
    let request = request.unwrap_or_else(RequestId::fresh);
    Call::begin(tool.unwrap_or(NO_TOOL), request, principal, &parent(context, parts))
}

/// Does a call's work and records how it ends.
pub(super) async fn observe(
    call: Call,
    metrics: &Metrics,
    work: impl Future<Output = Result<CallToolResponse, ErrorData>>,
) -> Result<CallToolResponse, ErrorData> {
    let observed = metrics.call(Cow::Owned(call.tool().to_owned()));
    // On the heap, because the future is as large as that of the largest tool.
    let answer = call.run(Box::pin(work)).await;
    let outcome = outcome(&answer, call.failure());
    let milliseconds = observed.end(outcome);
    call.ended(outcome, milliseconds);
    answer
}

/// The figures for a scrape, including those from the records.
pub(super) async fn figures(jobs: &Jobs, currency: Currency) -> String {
    let length = |(group, waiting, in_flight)| QueueLength { group, waiting, in_flight };
    let records = match tokio::time::timeout(PATIENCE, records(jobs, currency)).await {
        Ok(Ok(records)) => Some(records),
        Ok(Err(error)) => {
            tracing::warn!(%error, "the figures of a scrape lack those from the job records");
            None
        }
        Err(_) => None,
    };
    let queues = jobs.queue_lengths().into_iter().map(length).collect();
    jobs.api().metrics().text(&Scrape { queues, active_jobs: jobs.active_counts().0, records })
}

async fn records(jobs: &Jobs, currency: Currency) -> Result<Records, StoreError> {
    let mut records = Records { jobs: jobs.counts().await?, ..Records::default() };
    // Sums over both keys of the server.
    let mut all: Vec<Spending> = Vec::new();
    for jobs in jobs.each_key() {
        for one in jobs.spending(currency).await? {
            match all.iter_mut().find(|known| known.currency == one.currency) {
                Some(known) => {
                    known.day = known.day.and(one.day);
                    known.process = known.process.and(one.process);
                }
                None => all.push(one),
            }
        }
    }
    for Spending { currency, day, process } in all {
        for (window, spent) in [("day", day), ("process", process)] {
            let sums = [("settled", spent.settled), ("reserved", spent.reserved), ("unknown", spent.unknown)];
            records.amounts.extend(sums.map(|(state, value)| Amount { window, state, value }));
            records.unpriced.push((currency, window, spent.unpriced));
        }
    }
    Ok(records)
}

/// The caller's span: from `_meta`, or else from the headers of the HTTP request.
fn parent(context: &RequestContext<RoleServer>, parts: Option<&http::request::Parts>) -> Parent {
    let meta = |name| context.meta.get(name).and_then(Value::as_str);
    let said = Parent::read(meta("traceparent"), meta("tracestate"));
    if said.is_known() {
        return said;
    }
    let header = |name| parts?.headers.get(name)?.to_str().ok();
    Parent::read(header("traceparent"), header("tracestate"))
}

fn outcome(answer: &Result<CallToolResponse, ErrorData>, failure: Option<&'static str>) -> &'static str {
    match (answer, failure) {
        (Err(_), _) => "protocol",
        (Ok(CallToolResponse::Complete(result)), failure) if result.is_error == Some(true) => {
            failure.unwrap_or("job")
        }
        (Ok(_), Some(ASKED)) => ASKED,
        (Ok(_), _) => "ok",
    }
}

//! Calls as those who run the server see them: counted, named in the log, and a part of their caller's trace.

use std::borrow::Cow;
use std::time::Duration;

use rmcp::model::{CallToolRequestParams, CallToolResponse};
use rmcp::service::RequestContext;
use rmcp::{ErrorData, RoleServer};
use serde_json::Value;

use crate::jobs::{Spending, StoreError};
use crate::mcp::Server;
use crate::telemetry::{ASKED, Amount, Call, Line, Parent, Records, RequestId, Scrape};

/// How the figures call every tool that there is none of.
const NO_TOOL: &str = "other";

/// Whoever asks for figures asks again soon.
const PATIENCE: Duration = Duration::from_secs(5);

impl Server {
    /// Takes note of a call that begins. What a caller calls a tool is said only if there is one.
    fn begin(&self, name: &str, context: &RequestContext<RoleServer>) -> Call {
        let spec =
            self.shared.catalogue.find(name).filter(|spec| self.shared.catalogue.router.has_route(spec.name));
        let parts = context.extensions.get::<http::request::Parts>();
        let request = parts.and_then(|parts| parts.extensions.get::<RequestId>()).cloned();
        let request = request.unwrap_or_else(RequestId::fresh);
        Call::begin(
            spec.map_or(NO_TOOL, |spec| spec.name),
            request,
            self.principal(),
            &parent(context, parts),
        )
    }

    /// Does a call's work and takes note of how it ends.
    pub(crate) async fn observed(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let call = self.begin(&request.name, &context);
        let observed = self.jobs().api().metrics().call(Cow::Owned(call.tool().to_owned()));
        // It is as large as the largest tool.
        let answer = call.run(Box::pin(self.attend(request, context))).await;
        let outcome = outcome(&answer, call.failure());
        let milliseconds = observed.end(outcome);
        call.ended(outcome, milliseconds);
        answer
    }

    /// The figures, with what the records say just now.
    pub async fn metrics(&self) -> String {
        let jobs = self.jobs();
        let line = |(group, waiting, in_flight)| Line { group, waiting, in_flight };
        let records = match tokio::time::timeout(PATIENCE, self.records()).await {
            Ok(Ok(records)) => Some(records),
            Ok(Err(error)) => {
                tracing::warn!(%error, "figures without what is in the records");
                None
            }
            Err(_) => None,
        };
        let lines = jobs.standings().into_iter().map(line).collect();
        jobs.api().metrics().text(&Scrape { lines, followed: jobs.census().0, records })
    }

    async fn records(&self) -> Result<Records, StoreError> {
        let mut records = Records { jobs: self.jobs().counts().await?, ..Records::default() };
        for Spending { currency, day, process } in self.jobs().spending(self.config().currency()).await? {
            for (window, spent) in [("day", day), ("process", process)] {
                let sums =
                    [("settled", spent.settled), ("reserved", spent.reserved), ("unknown", spent.unknown)];
                records.amounts.extend(sums.map(|(state, sum)| {
                    let value = crate::mcp::checkout::budget::amount(sum);
                    Amount { currency: currency.clone(), window, state, value }
                }));
                records.unpriced.push((currency.clone(), window, spent.unpriced));
            }
        }
        Ok(records)
    }
}

/// `_meta` is where the protocol has it; some clients leave it to their HTTP library.
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

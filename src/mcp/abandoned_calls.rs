//! Callers who leave before their answer comes.
//!
//! A call that is paid for at once and makes no job (`chat`, say) is worth its answer whether its caller waits or not.
//! A caller whose connection ends has left: the call runs to its end, and its answer is kept for whoever makes the
//! same call again, who gets it and buys nothing. A caller who stays and cancels wants no answer: a stream is broken
//! off, which saves what has not been said yet, and a request that stands in line leaves it.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rmcp::handler::server::tool::ToolCallContext;
use rmcp::model::{CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock};
use rmcp::service::RequestContext;
use rmcp::{ErrorData, RoleServer};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::jobs::Answer;
use crate::mcp::catalogue::{Billing, ToolSpec};
use crate::mcp::error::NOTHING_SENT;
use crate::mcp::{CallDigest, Server, progress};

/// The connection that a request came by: cancelled when it ends. A transport on which a client can cancel a call and
/// stay puts one into each request's extensions; where there is none, whoever calls over HTTP can only leave.
#[derive(Debug, Clone)]
pub struct Connection(pub CancellationToken);

/// By account and call; each channel closes when its call has ended.
type Going = HashMap<(String, Answer), watch::Receiver<()>>;

/// Calls that go on without their callers.
#[derive(Debug, Default)]
pub(crate) struct Unheard(Mutex<Going>);

impl Unheard {
    fn table(&self) -> MutexGuard<'_, Going> {
        // A poisoned table is still a table of channels.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Server {
    /// Calls a tool. One that is paid for at once is not lost with its caller.
    pub(crate) async fn run(
        &self,
        spec: &ToolSpec,
        request: CallToolRequestParams,
        mut call: RequestContext<RoleServer>,
        digest: CallDigest,
    ) -> Result<CallToolResponse, ErrorData> {
        let dry =
            request.arguments.as_ref().and_then(|given| given.get("dry_run")) == Some(&Value::Bool(true));
        if dry || spec.billing != Billing::Immediate {
            return self.shared.catalogue.router.call(ToolCallContext::new(self, request, call)).await;
        }
        let of = Answer { principal: self.principal().to_owned(), digest: digest.0 };
        let name = request.name.to_string();
        if let Some(answer) = self.heard_now(&name, &of, &call).await {
            return Ok(answer);
        }
        // Whoever has left while the same call was waited for is not to buy it again.
        if call.ct.is_cancelled() {
            return Err(nobody_listens());
        }
        let (left, connection) = (call.ct.clone(), call.extensions.get::<Connection>().cloned());
        // What the tool listens to: the end of the wish, and not that of the connection.
        let unwanted = CancellationToken::new();
        call.ct = unwanted.clone();
        let me = self.clone();
        let mut work = Box::pin(async move {
            me.shared.catalogue.router.call(ToolCallContext::new(&me, request, call)).await
        });
        tokio::select! {
            biased;
            answer = &mut work => {
                // It came in the moment in which the caller left.
                if left.is_cancelled() {
                    self.keep_unheard(&of, &answer, false).await;
                }
                return answer;
            }
            () = left.cancelled() => {}
        }
        let withdrawn = self.is_withdrawn(connection.as_ref());
        if withdrawn {
            unwanted.cancel();
        }
        let (ended, end) = watch::channel(());
        let place = (self.jobs().account().to_owned(), of);
        // Of two such calls the later one has the answer last.
        self.shared.unheard.table().entry(place.clone()).or_insert(end);
        let me = self.clone();
        self.jobs().outlive(async move {
            let answer = work.await;
            me.keep_unheard(&place.1, &answer, withdrawn).await;
            me.shared.unheard.table().remove(&place);
            drop(ended);
        });
        Err(nobody_listens())
    }

    /// Whether a caller who wants no answer is still there.
    fn is_withdrawn(&self, connection: Option<&Connection>) -> bool {
        if self.shared.gone.is_cancelled() {
            return false;
        }
        match connection {
            Some(Connection(ended)) => !ended.is_cancelled(),
            None => !self.caller.remote,
        }
    }

    /// The answer to the same call by a caller who has left, when it is there; `None` if there was no such call, or
    /// it brought nothing.
    async fn heard_now(
        &self,
        tool: &str,
        of: &Answer,
        call: &RequestContext<RoleServer>,
    ) -> Option<CallToolResponse> {
        let running =
            self.shared.unheard.table().get(&(self.jobs().account().to_owned(), of.clone())).cloned();
        if let Some(mut end) = running {
            let start = Instant::now();
            let mut beat = interval(progress::HEARTBEAT);
            beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                tokio::select! {
                    // The channel closes when the answer is written.
                    _ = end.changed() => break,
                    () = call.ct.cancelled() => break,
                    _ = beat.tick() => progress::note(call, start, "the same call goes on").await,
                }
            }
        }
        let kept = match self.jobs().kept_answer(of).await {
            Ok(kept) => kept?,
            Err(error) => {
                tracing::warn!(%error, "whether an answer waits for this call cannot be read");
                return None;
            }
        };
        let mut result: CallToolResult = serde_json::from_value(kept).ok()?;
        self.say_that_it_is_old(tool, &mut result);
        Some(result.into())
    }

    /// In the words of the result, and where its schema has room for that.
    fn say_that_it_is_old(&self, tool: &str, result: &mut CallToolResult) {
        result.content.push(ContentBlock::text(format!("Note: {KEPT}")));
        let schema = self.shared.catalogue.router.get(tool).and_then(|tool| tool.output_schema.clone());
        let has =
            |name: &str| schema.as_ref().and_then(|schema| schema.get("properties")?.get(name)).is_some();
        let Some(Value::Object(content)) = &mut result.structured_content else { return };
        if has("warnings") {
            if let Value::Array(warnings) = content.entry("warnings").or_insert_with(|| json!([])) {
                warnings.push(KEPT.into());
            }
        } else if has("next") {
            let next = content.get("next").and_then(Value::as_str).unwrap_or_default();
            let next = format!("Tell the user: {KEPT}. {next}");
            content.insert("next".to_owned(), next.trim().into());
        }
    }

    /// Writes down what was paid for, or may have been.
    async fn keep_unheard(&self, of: &Answer, answer: &Result<CallToolResponse, ErrorData>, withdrawn: bool) {
        let Ok(CallToolResponse::Complete(result)) = answer else { return };
        // Whoever had it broken off and asks again does not want the pieces.
        if !is_worth_something(result) || (withdrawn && result.is_error == Some(true)) {
            return;
        }
        let written = match serde_json::to_value(result) {
            Ok(result) => self.jobs().keep_answer(of, &result).await.map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        match written {
            Ok(()) => tracing::info!("a caller left before an answer came; the same call again gets it"),
            Err(error) => tracing::error!(error, "an answer that was paid for and not heard was not kept"),
        }
    }
}

fn nobody_listens() -> ErrorData {
    ErrorData::internal_error("the caller has left; the same call again gets the answer", None)
}

/// A refusal that cost nothing is not worth keeping: the next call may fare better. What may have been billed is, so
/// that a person decides whether to buy it again.
fn is_worth_something(result: &CallToolResult) -> bool {
    let part = |pointer: &str| {
        let content = result.structured_content.as_ref();
        content.and_then(|content| content.pointer(pointer)?.as_str()).unwrap_or_default()
    };
    // A question that nobody has answered asks for the user too, and has bought nothing.
    let in_doubt = part("/error/turn") == "ask the user" && !part("/next").starts_with(NOTHING_SENT);
    result.is_error != Some(true) || in_doubt || !part("/text").is_empty()
}

const KEPT: &str = "this is the answer to the same call of before, whose caller left before it came; nothing was bought \
                    now, and the next such call buys anew";

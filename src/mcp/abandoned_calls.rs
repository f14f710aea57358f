//! Calls whose callers leave before the answer comes.
//!
//! A call that is billed at once and starts no job, such as a chat, still runs to its end when its connection ends. Its
//! answer is kept, and the next identical call gets it for free. A caller who cancels a call and stays connected wants
//! no answer: a stream is cut off, which saves the cost of the rest, and a queued request leaves the queue.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rmcp::model::{CallToolResponse, CallToolResult, JsonObject};
use rmcp::service::RequestContext;
use rmcp::{ErrorData, RoleServer};
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::jobs::{Answer, Jobs};
use crate::mcp::call_digest::CallDigest;
use crate::mcp::caller::Caller;
use crate::mcp::error::NOTHING_SENT;
use crate::mcp::progress;
use crate::result;
use crate::result::job_view::ASK_USER;

/// The connection of a request, cancelled when the connection ends. A transport whose clients can cancel a call and
/// stay connected puts one into each request's extensions. Without a connection, a remote caller who cancels counts as
/// gone.
#[derive(Debug, Clone)]
pub struct Connection(pub CancellationToken);

/// The abandoned calls that still run, by account and digest. A channel closes when its call has ended.
type Running = HashMap<(String, Answer), watch::Receiver<()>>;

/// The calls that continue although their callers have left.
#[derive(Debug, Clone, Default)]
pub(super) struct AbandonedCalls(Arc<Mutex<Running>>);

/// A call that is billed at once.
pub(super) struct BilledCall<'a> {
    pub(super) jobs: &'a Jobs,
    pub(super) caller: &'a Caller,
    pub(super) digest: CallDigest,
    /// The schema of the tool's results.
    pub(super) output_schema: Option<&'a JsonObject>,
    pub(super) client_gone: &'a CancellationToken,
}

impl AbandonedCalls {
    fn table(&self) -> MutexGuard<'_, Running> {
        // The channels stay usable after a panic elsewhere.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does the work of a call. If the caller leaves, the work continues, and its answer is kept.
    pub(super) async fn run<F>(
        &self,
        billed: BilledCall<'_>,
        mut call: RequestContext<RoleServer>,
        work: impl FnOnce(RequestContext<RoleServer>) -> F,
    ) -> Result<CallToolResponse, ErrorData>
    where
        F: Future<Output = Result<CallToolResponse, ErrorData>> + Send + 'static,
    {
        let key = Answer { principal: billed.caller.principal.clone(), digest: billed.digest.0.clone() };
        if let Some(answer) = self.kept_answer(&billed, &key, &call).await {
            return Ok(answer);
        }
        // The caller left while it waited for the earlier call, so nothing must be bought now.
        if call.ct.is_cancelled() {
            return Err(caller_left());
        }
        let (left, connection) = (call.ct.clone(), call.extensions.get::<Connection>().cloned());
        // Cancelled only if the caller no longer wants the result, not when the connection ends.
        let unwanted = CancellationToken::new();
        call.ct = unwanted.clone();
        let mut work = Box::pin(work(call));
        tokio::select! {
            biased;
            answer = &mut work => {
                // The caller may have left just as the answer came.
                if left.is_cancelled() {
                    keep(billed.jobs, &key, &answer, false).await;
                }
                return answer;
            }
            () = left.cancelled() => {}
        }
        let withdrawn = is_withdrawn(&billed, connection.as_ref());
        if withdrawn {
            unwanted.cancel();
        }
        let (ended, end) = watch::channel(());
        let place = (billed.jobs.account().to_owned(), key);
        // If two identical calls are abandoned, the first stays in the table.
        self.table().entry(place.clone()).or_insert(end);
        let (calls, jobs) = (self.clone(), billed.jobs.clone());
        billed.jobs.outlive(async move {
            let answer = work.await;
            keep(&jobs, &place.1, &answer, withdrawn).await;
            calls.table().remove(&place);
            drop(ended);
        });
        Err(caller_left())
    }

    /// The answer to an identical call whose caller left. If that call still runs, waits for it. `None` if there was no
    /// such call, or it got no answer.
    async fn kept_answer(
        &self,
        billed: &BilledCall<'_>,
        key: &Answer,
        call: &RequestContext<RoleServer>,
    ) -> Option<CallToolResponse> {
        let running = self.table().get(&(billed.jobs.account().to_owned(), key.clone())).cloned();
        if let Some(mut end) = running {
            let (start, mut heartbeat) = (Instant::now(), progress::heartbeat());
            loop {
                tokio::select! {
                    // The channel closes when the answer is written.
                    _ = end.changed() => break,
                    () = call.ct.cancelled() => break,
                    _ = heartbeat.tick() => progress::note(call, start, "waiting for the same call, which is already running").await,
                }
            }
        }
        let kept = match billed.jobs.kept_answer(key).await {
            Ok(kept) => kept?,
            Err(error) => {
                tracing::warn!(%error, "the kept answers could not be read");
                return None;
            }
        };
        let mut result: CallToolResult = serde_json::from_value(kept).ok()?;
        result::add_note(billed.output_schema, &mut result, KEPT);
        Some(result.into())
    }
}

/// Whether the caller cancelled the call and is still there.
fn is_withdrawn(billed: &BilledCall<'_>, connection: Option<&Connection>) -> bool {
    if billed.client_gone.is_cancelled() {
        return false;
    }
    match connection {
        Some(Connection(ended)) => !ended.is_cancelled(),
        None => !billed.caller.remote,
    }
}

/// Keeps an answer that was paid for, or may have been.
async fn keep(jobs: &Jobs, key: &Answer, answer: &Result<CallToolResponse, ErrorData>, withdrawn: bool) {
    let Ok(CallToolResponse::Complete(result)) = answer else { return };
    // A caller who cancels a call and repeats it wants a whole answer, not the part that had arrived.
    if !is_worth_something(result) || (withdrawn && result.is_error == Some(true)) {
        return;
    }
    let written = match serde_json::to_value(result) {
        Ok(result) => jobs.keep_answer(key, &result).await.map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    };
    match written {
        Ok(()) => tracing::info!("a caller left before the answer came; the next identical call gets it"),
        Err(error) => tracing::error!(error, "a paid answer whose caller had left could not be kept"),
    }
}

fn caller_left() -> ErrorData {
    ErrorData::internal_error("the client has left; the same call again returns the answer", None)
}

/// Whether an answer is worth keeping. A refusal that cost nothing is not, because the next call may succeed. An error
/// after a call that may have been billed is, so that a person decides whether to buy again.
fn is_worth_something(result: &CallToolResult) -> bool {
    let part = |pointer: &str| {
        let content = result.structured_content.as_ref();
        content.and_then(|content| content.pointer(pointer)?.as_str()).unwrap_or_default()
    };
    // An unanswered question about a price is for the user too, and has bought nothing.
    let in_doubt = part("/error/kind") == ASK_USER && !part("/next").starts_with(NOTHING_SENT);
    result.is_error != Some(true) || in_doubt || !part("/text").is_empty()
}

const KEPT: &str = "this is the answer to an earlier call with the same arguments, whose client left before it arrived; \
                    nothing was bought now, and the next such call buys again";

//! Streams the answer to a checked request: progress notes, the price, and the stored conversation.

use std::time::Duration;

use rmcp::RoleServer;
use rmcp::service::RequestContext;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval, sleep, timeout};

use crate::api::chat::{Ask, ChatStream, Delta, Reply, Usage};
use crate::api::queued;
use crate::api::retry::{self, Nature};
use crate::api::{Accepted, ApiError, Blame};
use crate::chat::pricing;
use crate::chat::request::PreparedChat;
use crate::chat::view::{ChatView, Tokens};
use crate::config::ResourceMode;
use crate::download;
use crate::download::Expect;
use crate::facts::Class;
use crate::jobs::{Conversation, Kept};
use crate::mcp::error::advice_in_doubt;
use crate::mcp::progress;
use crate::mcp::{Server, ToolError};
use crate::media;
use crate::rate_limit::{Ending, Permit, QueueView, Ticket, chance, group};
use crate::result::job_view::{CostView, ErrorView};
use crate::telemetry;

/// The shortest time between two progress notifications.
const BEAT: Duration = Duration::from_millis(500);

/// The longest time that a call may stay in the queue.
const IN_LINE: Duration = Duration::from_secs(120);

/// The most bytes of text in a notification.
const NOTE: usize = 2000;

/// The longest text in a result, in bytes: results are limited to 64 KB and contain the text twice. A longer text is saved
/// to a file, except for remote callers, who cannot open it.
const SHOWN: usize = 20_000;

/// The most bytes of reasoning in a result.
const REASONING_SHOWN: usize = 8_000;

/// How a stream ended.
enum End {
    Whole,
    Broken(ApiError),
    /// The client cancelled the call.
    Cancelled,
}

/// Sends the request, once, and reads the stream to its end.
pub(crate) async fn answer(
    server: &Server,
    prepared: PreparedChat,
    call: &RequestContext<RoleServer>,
) -> Result<ChatView, ToolError> {
    let PreparedChat { mut ask, mut conversation, warnings } = prepared;
    let ceiling = pricing::ceiling(server, &ask);
    let words = pricing::last_words(&ask);
    let held = server.checkout.budget.reserve(&pricing::bill(&ask, &words, &ceiling), call).await?;
    let (mut reply, end) = send(server, &ask, call).await;
    let said = std::mem::take(&mut reply.messages);
    let (usage, id, told) = (reply.usage, reply.id.clone(), reply.cost);
    let begun = has_begun(&reply);
    let mut view = ChatView::of(reply, warnings);
    match end {
        End::Whole => {
            let cost = pricing::reported(pricing::price(server, &ask, usage), told);
            let cost = server.checkout.budget.counted("chat", cost);
            held.settle(cost.actual).await;
            view.cost = Some(CostView::of(&cost));
            conversation.said.messages = std::mem::take(&mut ask.messages);
            conversation.said.messages.extend(said);
            keep(server, &conversation, &mut view).await;
            fit(server, &mut view, id.as_deref().unwrap_or_default()).await;
            view.advise();
        }
        // MiniMax did not accept the request: an ordinary refusal.
        End::Broken(error) if !begun && error.accepted() == Accepted::No => {
            held.release().await;
            return Err(error.into());
        }
        // What was generated may be billed, and the amount is unknown.
        End::Broken(error) => {
            held.mark_unknown().await;
            view.next = after_a_break(&error, begun);
            if let Some(details) = error.details() {
                view.next = format!("{} {details}", view.next);
            }
            if let Some(answer) = error.answer().filter(|_| !begun) {
                view.text = Some(telemetry::plain(&answer.quoted(usize::MAX), usize::MAX));
                view.warnings
                    .push("text is MiniMax's answer as it came, because it could not be read".to_owned());
            }
            view.error = Some(ToolError::Bought(error).view());
            view.conversation_id = Some(conversation.id).filter(|id| !id.is_empty());
            fit(server, &mut view, id.as_deref().unwrap_or_default()).await;
        }
        End::Cancelled => {
            held.mark_unknown().await;
            let (message, kind) = ("the call was cancelled", ErrorView::kind(Blame::Transient));
            let trace = id.as_ref().map(|id| format!(" (trace id {id})")).unwrap_or_default();
            view.error = Some(ErrorView { message: message.to_owned(), kind, code: None, trace_id: id });
            view.next =
                format!("The request to MiniMax was closed; the text until then may be billed.{trace}");
            view.conversation_id = Some(conversation.id).filter(|id| !id.is_empty());
        }
    }
    Ok(view)
}

/// Sends the request, and retries only if MiniMax provably did not accept it.
async fn send(server: &Server, ask: &Ask, call: &RequestContext<RoleServer>) -> (Reply, End) {
    let api = server.api();
    let mut ticket = api.join_text(&ask.model);
    let mut notes = Notes::new(call, &ask.model, ticket.view());
    let mut tries = 1;
    loop {
        let mut permit = match notes.permit(&mut ticket).await {
            Ok(permit) => permit,
            Err(error) => return (Reply::default(), End::Broken(error)),
        };
        permit.start();
        let key = api.key_count();
        let (reply, end) = match notes.during(api.chat(ask)).await {
            None => (Reply::default(), End::Cancelled),
            Some(Err(error)) => (Reply::default(), End::Broken(error)),
            Some(Ok(stream)) => read_to_end(stream, &mut notes).await,
        };
        let error = match end {
            End::Whole => {
                drop(permit.on_response(Ending::Counted));
                return (reply, End::Whole);
            }
            End::Cancelled => return (reply, End::Cancelled),
            End::Broken(error) => error,
        };
        let answer = Err::<(), _>(error);
        drop(permit.on_response(&answer));
        let Err(error) = answer else { return (reply, End::Whole) };
        // Generated text proves that the request was accepted.
        let may_retry = !has_begun(&reply);
        let pause = match retry::pause(Nature::Text, &error, tries, chance()) {
            None if api.has_newer_key(key, &error).await => Some(Duration::ZERO),
            pause => pause,
        };
        let pause = pause.filter(|_| may_retry);
        let Some(pause) = pause else { return (reply, End::Broken(error)) };
        tracing::info!(%error, ?pause, "MiniMax did not accept the request; it is sent again");
        notes.doing = format!("waiting to send again ({error})");
        // After a rate limit the queue knows how long to wait.
        let pause = if error.class() == Class::Rate { Duration::ZERO } else { pause };
        if notes.during(sleep(pause)).await.is_none() {
            return (Reply::default(), End::Cancelled);
        }
        notes.doing = format!("asking {}", ask.model);
        tries += 1;
    }
}

/// Keeps the conversation. A failure becomes a warning, because the answer is paid for.
async fn keep(server: &Server, conversation: &Conversation, view: &mut ChatView) {
    match server.jobs().keep(conversation).await {
        Ok(Kept::As(id)) => view.conversation_id = Some(id),
        Ok(Kept::Forked(id)) => {
            view.conversation_id = Some(id);
            view.warnings.push(
                "this conversation was continued elsewhere in the meantime; this is a new one".to_owned(),
            );
        }
        Ok(Kept::TooLarge) => view.warnings.push(
            "the conversation is too large to be kept; give media as URLs to be able to continue one"
                .to_owned(),
        ),
        Err(error) => {
            view.warnings
                .push(format!("the conversation was not kept: {}", server.presenter.records_error(&error)));
        }
    }
}

/// Limits the size of a result: a long text is saved to a file, and its beginning stays.
async fn fit(server: &Server, view: &mut ChatView, id: &str) {
    if let Some(reasoning) = view.reasoning.as_mut().filter(|reasoning| reasoning.len() > REASONING_SHOWN) {
        shorten(reasoning, REASONING_SHOWN);
        view.warnings
            .push("only the beginning of the reasoning is shown; the conversation has all of it".to_owned());
    }
    let Some(text) = view.text.clone().filter(|text| text.len() > SHOWN) else { return };
    // Remote callers cannot open files on this machine.
    if server.config().mode == ResourceMode::Url || server.caller().remote {
        return;
    }
    match save_text(server, &text, id).await {
        Ok(path) => {
            view.path = Some(path);
            shorten(view.text.get_or_insert_default(), SHOWN);
            view.warnings.push("text is only the beginning; the file has all of it".to_owned());
        }
        Err(problem) => view.warnings.push(format!("the text was not saved: {problem}")),
    }
}

async fn save_text(server: &Server, text: &str, id: &str) -> Result<String, String> {
    let folder = server.checkout.output.for_file(None).await.map_err(|error| error.to_string())?;
    let hint: String = text.chars().take(40).collect();
    let name = media::file_name(&hint, id.get(..8).unwrap_or("chat"), 1, false, "md");
    let expect = Expect { kind: None, max_bytes: u64::MAX, extension: "md" };
    let saved = download::save(text.to_owned().into(), &folder, &name, &expect).await;
    saved.map(|saved| saved.path.display().to_string()).map_err(|problem| problem.to_string())
}

/// Counts the tokens of a request. Free, so transient failures are retried.
pub(crate) async fn count(server: &Server, prepared: PreparedChat) -> Result<Tokens, ToolError> {
    let PreparedChat { ask, warnings, .. } = prepared;
    let api = server.api();
    let input_tokens = api.queued(group::READS, Nature::Read, || api.count_tokens(&ask)).await?;
    let mut cost = pricing::price(server, &ask, Some(Usage { input: input_tokens, ..Usage::default() }));
    cost.estimated = cost.actual.take();
    Ok(Tokens {
        input_tokens,
        model: ask.model,
        cost: Some(CostView::of(&cost)),
        warnings,
        next: "Nothing was bought. Call chat with the same arguments to buy the answer.".to_owned(),
    })
}

/// Reads a stream to its end.
async fn read_to_end(mut stream: ChatStream<'_>, notes: &mut Notes<'_>) -> (Reply, End) {
    loop {
        match notes.during(stream.next()).await {
            None => return (stream.reply(), End::Cancelled),
            Some(Ok(Some(deltas))) => notes.add(deltas),
            Some(Ok(None)) => {
                notes.flush().await;
                return (stream.reply(), End::Whole);
            }
            Some(Err(error)) => return (stream.reply(), End::Broken(error)),
        }
    }
}

fn has_begun(reply: &Reply) -> bool {
    !reply.text.is_empty() || !reply.reasoning.is_empty() || !reply.tool_calls.is_empty()
}

fn after_a_break(error: &ApiError, begun: bool) -> String {
    let so_far = if begun {
        "The part that arrived is in text and reasoning, and may be billed."
    } else {
        "MiniMax may have accepted and billed the request; it is not sent again automatically."
    };
    format!("{so_far} The conversation is as it was before this call. {}", advice_in_doubt(error))
}

/// Cuts a text to `most` bytes, at a character boundary.
fn shorten(text: &mut String, most: usize) {
    let end = (0..=most.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    text.truncate(end.unwrap_or_default());
    text.push('…');
}

/// Sends the client progress notifications while the answer grows.
struct Notes<'a> {
    call: &'a RequestContext<RoleServer>,
    start: Instant,
    beat: Interval,
    /// When the last notification was sent.
    last: Option<Instant>,
    /// Text since then.
    fresh: String,
    /// What the call is doing now, in words.
    doing: String,
    /// The place in the queue, before the request is sent.
    waiting: QueueView,
}

impl<'a> Notes<'a> {
    fn new(call: &'a RequestContext<RoleServer>, model: &str, waiting: QueueView) -> Self {
        let mut beat = interval(BEAT);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let doing = format!("asking {}", telemetry::display(model, 64));
        Self { call, start: Instant::now(), beat, last: None, fresh: String::new(), doing, waiting }
    }

    /// Waits for `work` and sends notifications in the meantime. `None` if the call is cancelled.
    async fn during<T>(&mut self, work: impl Future<Output = T>) -> Option<T> {
        tokio::pin!(work);
        let call = self.call;
        loop {
            tokio::select! {
                biased;
                () = call.ct.cancelled() => return None,
                _ = self.beat.tick() => self.flush().await,
                done = &mut work => return Some(done),
            }
        }
    }

    /// Waits in the queue, at most [`IN_LINE`].
    async fn permit(&mut self, ticket: &mut Ticket) -> Result<Permit, ApiError> {
        match self.during(timeout(IN_LINE, ticket.acquire())).await {
            Some(Ok(permit)) => Ok(permit),
            Some(Err(_)) => Err(queued::too_long(ticket, IN_LINE)),
            None => Err(queued::given_up(&self.waiting)),
        }
    }

    fn add(&mut self, deltas: Vec<Delta>) {
        for delta in deltas {
            match delta {
                Delta::Text(words) => {
                    self.fresh.push_str(&words);
                    "writing".clone_into(&mut self.doing);
                }
                Delta::Reasoning(_) => "thinking".clone_into(&mut self.doing),
                Delta::Tool(name) => self.doing = format!("calling {name}"),
                Delta::Nothing => {}
            }
        }
    }

    /// Sends the new text, or without one what the call is doing.
    async fn flush(&mut self) {
        let silent = self.last.is_none_or(|last| last.elapsed() >= progress::HEARTBEAT);
        if self.fresh.trim().is_empty() && !silent {
            return;
        }
        let seconds = self.start.elapsed().as_secs_f64();
        let mut words = std::mem::take(&mut self.fresh);
        if words.trim().is_empty() {
            let doing = match self.waiting.position() {
                Some(position) => format!("queued, {}", position.words()),
                None => self.doing.clone(),
            };
            words = format!("{doing}, {seconds:.0} s");
        } else if words.len() > NOTE {
            shorten(&mut words, NOTE);
        }
        self.last = Some(Instant::now());
        progress::send(self.call, self.start, telemetry::display(&words, NOTE)).await;
    }
}

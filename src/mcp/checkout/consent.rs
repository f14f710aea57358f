//! Asking a person for consent to a price, in the way that the client's protocol revision has for it.
//!
//! Up to 2025-11-25 the server asks while the call waits. From 2026-07-28 on it answers that it needs input, and the
//! client calls again with the person's answer and the sealed question. The seal proves that this server asked the
//! question, and about exactly this call. Without a valid seal nothing in the question is trusted.

use std::sync::{Arc, Mutex, PoisonError};

use rmcp::model::{
    CancelledNotificationParam, ClientResult, ElicitRequest, ElicitRequestParams, ElicitResult,
    ElicitationAction, ElicitationSchema, InputRequest, InputRequests, InputRequiredResult, InputResponses,
    ProtocolVersion, RequestStateCodec, RequestStateError, SealOptions, ServerRequest,
};
use rmcp::service::{PeerRequestOptions, RequestContext};
use rmcp::{RoleServer, ServiceError};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::time::Instant;

use crate::config::Config;
use crate::facts::facts;
use crate::jobs::Jobs;
use crate::mcp::call_digest::CallDigest;
use crate::mcp::caller::Caller;
use crate::mcp::caller_key::account_of;
use crate::mcp::checkout::bill::Bill;
use crate::mcp::error::{OPERATOR, ToolError};
use crate::mcp::progress;
use crate::mcp::revision::{Feature, Revision};
use crate::money::Money;
use crate::result::job_view::ASK_USER;
use crate::telemetry;

/// The name of the question among the input requests of a call, and the name of the field with the answer.
const ASKED: &str = "confirm";
const FIELD: &str = "buy";

/// Why an answer of another shape than the specification's is no consent.
const UNREADABLE: &str = "the client's answer to the question about the price cannot be read; it must have the action \
                          accept, decline or cancel, and with accept a content";

/// The longest prompt in a question, in characters.
const PROMPT: usize = 80;

/// The answers that a call brought, and the consent that was given during it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Answers(Arc<Mutex<Dialogue>>);

#[derive(Debug, Default)]
struct Dialogue {
    responses: Option<InputResponses>,
    state: Option<String>,
    /// The question that the call returns instead of a result.
    question: Option<InputRequiredResult>,
    /// The consent that a person gave in this call.
    consent: Option<Given>,
}

#[derive(Debug, Clone)]
struct Given {
    /// The highest price that it covers.
    price: Option<Money>,
    name: Option<String>,
}

impl Answers {
    pub(crate) fn new(responses: Option<InputResponses>, state: Option<String>) -> Self {
        Self(Arc::new(Mutex::new(Dialogue { responses, state, ..Dialogue::default() })))
    }

    /// What the client has to ask before the call can go on.
    pub(crate) fn question(&self) -> Option<InputRequiredResult> {
        self.with(|told| told.question.take())
    }

    fn with<T>(&self, what: impl FnOnce(&mut Dialogue) -> T) -> T {
        what(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The sealed question, which the client returns with the answer.
#[derive(Debug, Serialize, Deserialize)]
struct SealedQuestion {
    /// The price that was asked about, in millionths of the account's currency.
    price: Option<i64>,
    /// Identifies the question, so that one consent buys once.
    name: String,
}

/// Whether consent to `agreed` covers `price`. Consent to an unknown price covers any.
fn covers(agreed: Option<Money>, price: Option<Money>) -> bool {
    match (agreed, price) {
        (None, _) => true,
        (Some(agreed), Some(price)) => price.is_within(agreed),
        (Some(_), None) => false,
    }
}

/// Asks for the consent of one caller.
#[derive(Debug, Clone)]
pub(crate) struct Consent {
    config: Arc<Config>,
    caller: Arc<Caller>,
    jobs: Jobs,
}

impl Consent {
    pub(crate) fn new(config: Arc<Config>, caller: Arc<Caller>, jobs: Jobs) -> Self {
        Self { config, caller, jobs }
    }

    /// Asks a person if the price is above the limit for that. Returns the name of the consent, if it has one.
    pub(crate) async fn obtain(
        &self,
        bill: &Bill<'_>,
        call: &RequestContext<RoleServer>,
    ) -> Result<Option<String>, ToolError> {
        let Some(free) = self.config.budgets.confirm_above else { return Ok(None) };
        let price = bill.cost.ceiling();
        if price.is_some_and(|price| price.is_within(free)) {
            return Ok(None);
        }
        let answers = call.extensions.get::<Answers>().cloned().unwrap_or_default();
        let given = answers.with(|told| told.consent.clone());
        if let Some(given) = given.filter(|given| covers(given.price, price)) {
            return Ok(given.name);
        }
        let able = call.client_capabilities().and_then(|can| can.elicitation);
        let able = able.filter(|_| Revision::of(call).knows(Feature::Elicitation));
        // A client that declares no kind of question supports forms.
        if !able.is_some_and(|able| able.form.is_some() || able.url.is_none()) {
            return Err(self.cannot_ask(bill));
        }
        let modern = call.protocol_version().is_some_and(|version| version >= ProtocolVersion::V_2026_07_28);
        let given = if modern {
            let sealed_question = self.read_answer(bill, &answers, call).await?;
            Given { price: self.price_of(&sealed_question), name: Some(sealed_question.name) }
        } else {
            self.ask(bill, call).await?;
            Given { price, name: None }
        };
        answers.with(|told| told.consent = Some(given.clone()));
        Ok(given.name)
    }

    /// Asks while the call waits.
    async fn ask(&self, bill: &Bill<'_>, call: &RequestContext<RoleServer>) -> Result<(), ToolError> {
        let within = self.config.confirm_within;
        let form = self.form(bill).await;
        let unanswered =
            |error: ServiceError| not_confirmed(&format!("the question was not answered ({error})"));
        let question = ServerRequest::ElicitRequest(ElicitRequest::new(form));
        let options = PeerRequestOptions::with_timeout(within);
        let asked = call.peer.send_cancellable_request(question, options).await.map_err(unanswered)?;
        let id = asked.id.clone();
        let asking = asked.await_response();
        tokio::pin!(asking);
        let start = Instant::now();
        let mut heartbeat = progress::heartbeat();
        let answer = loop {
            tokio::select! {
                answer = &mut asking => break answer.map_err(unanswered)?,
                () = call.ct.cancelled() => {
                    // Otherwise the question would stay on the person's screen, and a yes would do nothing.
                    let gone = CancelledNotificationParam::new(Some(id), Some("the call was cancelled".to_owned()));
                    let _ = call.peer.notify_cancelled(gone).await;
                    return Err(not_confirmed("the call was cancelled before anyone answered"));
                }
                _ = heartbeat.tick() => progress::note(call, start, "waiting for a person's answer about the price").await,
            }
        };
        match answer {
            ClientResult::ElicitResult(answer) => read(&answer),
            _ => Err(not_confirmed(UNREADABLE)),
        }
    }

    /// Reads the answer that the call brought. If there is none, makes the client ask.
    async fn read_answer(
        &self,
        bill: &Bill<'_>,
        answers: &Answers,
        call: &RequestContext<RoleServer>,
    ) -> Result<SealedQuestion, ToolError> {
        let (responses, state) = answers.with(|told| (told.responses.take(), told.state.take()));
        let bound = self.bound(call);
        let codec = RequestStateCodec::try_new(self.jobs.seal_key().await?);
        let codec = codec.map_err(|error| not_confirmed(&error.to_string()))?;
        if let Some(state) = state {
            let sealed_question: SealedQuestion =
                codec.open_json_with(&state, &bound).map_err(|error| unsealed(&error))?;
            // If the price has risen since then, the person is asked again.
            if covers(self.price_of(&sealed_question), bill.cost.ceiling()) {
                let answer = responses.and_then(|mut all| all.remove(ASKED)).unwrap_or_default();
                let answer: ElicitResult =
                    serde_json::from_value(answer).map_err(|_| not_confirmed(UNREADABLE))?;
                return read(&answer).map(|()| sealed_question);
            }
        }
        let price = bill.cost.ceiling().map(Money::millionths);
        let sealed_question = SealedQuestion { price, name: crate::jobs::random_id("yes") };
        let options = SealOptions::new().associated_data(&bound).ttl(self.config.confirm_within);
        let sealed = codec
            .seal_json_with(&sealed_question, &options)
            .map_err(|error| not_confirmed(&error.to_string()))?;
        let request = InputRequest::Elicitation(ElicitRequest::new(self.form(bill).await));
        let requests = InputRequests::from([(ASKED.to_owned(), request)]);
        answers.with(|told| told.question = Some(InputRequiredResult::new(Some(requests), Some(sealed))));
        Err(ToolError::Ask)
    }

    fn price_of(&self, question: &SealedQuestion) -> Option<Money> {
        question.price.map(|price| Money::from_millionths(price, self.config.currency()))
    }

    /// What a seal is bound to: principal, account, tool and arguments.
    fn bound(&self, call: &RequestContext<RoleServer>) -> Vec<u8> {
        let CallDigest(digest) = CallDigest::attached_to(call);
        [&self.caller.principal, &account_of(&self.config, self.config.keys().first), &digest]
            .map(String::as_str)
            .join("\n")
            .into_bytes()
    }

    async fn form(&self, bill: &Bill<'_>) -> ElicitRequestParams {
        let schema = ElicitationSchema::builder()
            .required_bool_with(FIELD, |field| field.title("Buy it").with_default(false))
            .build();
        let spent = self.spent().await;
        ElicitRequestParams::FormElicitationParams {
            meta: None,
            message: asks(bill, spent.as_deref()),
            requested_schema: schema
                .unwrap_or_else(|_| ElicitationSchema::new(std::collections::BTreeMap::new())),
        }
    }

    /// What was spent in 24 hours, in words; `None` if the records cannot be read.
    async fn spent(&self) -> Option<String> {
        let currency = self.config.currency();
        let (spent, limit) = if let Some(own) = self.caller.budget_day {
            (self.jobs.spent_by(&self.caller.principal, currency).await.ok()?, Some(own))
        } else {
            let all = self.jobs.spending(currency).await.ok()?;
            (all.first()?.day, self.config.budgets.day)
        };
        let of = limit.map(|limit| format!(" of {}", limit.sum_tag())).unwrap_or_default();
        Some(format!("spent today {}{of}", spent.total.sum_tag()))
    }

    fn cannot_ask(&self, bill: &Bill<'_>) -> ToolError {
        let free = self.config.budgets.confirm_above.unwrap_or(Money::zero(self.config.currency()));
        let price = match bill.cost.ceiling() {
            Some(price) => format!("costs {price} at most"),
            None => "has no known price".to_owned(),
        };
        let basis = bill.cost.basis.as_ref().map(|basis| format!(" ({})", telemetry::display(basis, 300)));
        ToolError::Money {
            message: format!(
                "this call of {} {price}{}, and above {free} a person must confirm (MINIMAX_CONFIRM_ABOVE). This client \
                 cannot ask one, so the call was refused before anything was sent",
                bill.tool,
                basis.unwrap_or_default()
            ),
            kind: OPERATOR,
            advice: "Nothing was billed. Ask the user to raise or unset MINIMAX_CONFIRM_ABOVE and to restart this \
                     server, or use a client that can ask (elicitation)."
                .to_owned(),
        }
    }
}

/// The question. The price comes first, so that no text of the call can hide it, and the call's own texts are short,
/// plain and in quotes.
fn asks(bill: &Bill<'_>, spent: Option<&str>) -> String {
    let price = match bill.cost.ceiling() {
        Some(price) => {
            let bound = if bill.cost.most.is_some() { "up to " } else { "" };
            format!(" for {bound}{}?", price.tag())
        }
        None => "? Its price is unknown.".to_owned(),
    };
    let prompt = telemetry::display(bill.prompt, PROMPT).replace('\'', "’");
    let prompt = (!prompt.is_empty()).then(|| format!("'{prompt}'"));
    let details = telemetry::display(bill.details, 2 * PROMPT);
    let what = [model_words(bill.model), details].into_iter().filter(|words| !words.is_empty());
    let what = Some(what.collect::<Vec<_>>().join(", ")).filter(|words| !words.is_empty());
    let parts = [prompt, what, spent.map(str::to_owned)].into_iter().flatten().collect::<Vec<_>>();
    if parts.is_empty() {
        return format!("{}{price}", bill.question);
    }
    format!("{}{price} {}.", bill.question, parts.join(" · "))
}

/// A model without its maker's name. A name that the tables do not know is the caller's text, so it is quoted.
fn model_words(model: &str) -> String {
    if model.is_empty() {
        String::new()
    } else if facts().knows(model) {
        model.strip_prefix("MiniMax-").unwrap_or(model).to_owned()
    } else {
        telemetry::quoted(model)
    }
}

fn read(answer: &ElicitResult) -> Result<(), ToolError> {
    let yes = answer.content.as_ref().and_then(|content| content.get(FIELD)).and_then(Value::as_bool);
    match (&answer.action, yes) {
        (ElicitationAction::Accept, Some(true)) => Ok(()),
        (ElicitationAction::Accept, None) => {
            Err(not_confirmed("the question was accepted without an answer to `Buy it` (true or false)"))
        }
        (ElicitationAction::Accept, Some(false)) => {
            Err(not_confirmed("the question was accepted, but `Buy it` was not chosen"))
        }
        (ElicitationAction::Decline, _) => Err(not_confirmed("the person has said no to the price")),
        _ => Err(not_confirmed("the person has not answered")),
    }
}

fn unsealed(error: &RequestStateError) -> ToolError {
    not_confirmed(match error {
        RequestStateError::Expired => "the answer came too late; the question has expired",
        _ => "the requestState that came with the call is not one that this server gave for these arguments",
    })
}

/// One consent buys once.
pub(crate) fn spent_already() -> ToolError {
    not_confirmed("the person's yes has bought something already")
}

fn not_confirmed(why: &str) -> ToolError {
    ToolError::Money {
        message: format!("not bought: {why}"),
        kind: ASK_USER,
        advice: "Nothing was sent or billed. Call again only if the user wants it; MINIMAX_CONFIRM_ABOVE sets the \
                 price above which this server asks."
            .to_owned(),
    }
}

//! Asking a person about a price, in whichever way the client's revision of the protocol has for it.
//!
//! Until 2025-11-25 the server asks while the call waits. From 2026-07-28 on it answers that it needs input, and the
//! client calls again with the person's answer and a sealed note of what was asked. Nothing that such a note says is
//! believed unless the seal is ours, and belongs to this very call.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rmcp::RoleServer;
use rmcp::model::{
    ElicitRequest, ElicitRequestParams, ElicitResult, ElicitationAction, ElicitationSchema, InputRequest,
    InputRequests, InputRequiredResult, InputResponses, ProtocolVersion, RequestStateCodec,
    RequestStateError, SealOptions,
};
use rmcp::service::RequestContext;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::mcp::checkout::budget::{OPERATOR, money};
use crate::mcp::{CallDigest, Server, ToolError, progress};

/// The name of our question among those of a call, and of the field that answers it.
const ASKED: &str = "confirm";
const FIELD: &str = "buy";

/// Clients cut a silent call off after a minute or less.
const HEARTBEAT: Duration = Duration::from_secs(4);

/// What a person is asked about.
pub(crate) struct Question<'a> {
    pub(crate) tool: &'a str,
    pub(crate) model: &'a str,
    /// Millionths, at most; `None` where nobody knows.
    pub(crate) price: Option<i64>,
    pub(crate) basis: Option<&'a str>,
}

/// What a call brought along of a person's answer, and what was answered while it ran.
#[derive(Debug, Clone, Default)]
pub(crate) struct Answers(Arc<Mutex<Told>>);

#[derive(Debug, Default)]
struct Told {
    responses: Option<InputResponses>,
    state: Option<String>,
    /// What the call is answered with instead of a result.
    question: Option<InputRequiredResult>,
    /// Up to which price a person has said yes in this call, and the name of the yes.
    yes: Option<Yes>,
}

#[derive(Debug, Clone)]
struct Yes {
    price: Option<i64>,
    name: Option<String>,
}

impl Answers {
    pub(crate) fn new(responses: Option<InputResponses>, state: Option<String>) -> Self {
        Self(Arc::new(Mutex::new(Told { responses, state, ..Told::default() })))
    }

    /// What the client has to ask before the call can go on.
    pub(crate) fn question(&self) -> Option<InputRequiredResult> {
        self.with(|told| told.question.take())
    }

    fn with<T>(&self, what: impl FnOnce(&mut Told) -> T) -> T {
        what(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What is sealed into the note that a client brings back.
#[derive(Debug, Serialize, Deserialize)]
struct Note {
    /// The price that was asked about.
    price: Option<i64>,
    /// Names the question, so that a yes to it buys once.
    name: String,
}

/// Whether a yes to `agreed` is one to `price`. Who agreed to an unknown price agreed to any.
fn covers(agreed: Option<i64>, price: Option<i64>) -> bool {
    match (agreed, price) {
        (None, _) => true,
        (Some(agreed), Some(price)) => price <= agreed,
        (Some(_), None) => false,
    }
}

impl Server {
    /// Asks a person if the price is above what needs no asking. Gives the name of the yes, if it has one.
    pub(crate) async fn consent(
        &self,
        question: &Question<'_>,
        call: &RequestContext<RoleServer>,
    ) -> Result<Option<String>, ToolError> {
        let Some(free) = self.config().budgets.confirm_above else { return Ok(None) };
        if question.price.is_some_and(|price| price <= free) {
            return Ok(None);
        }
        let answers = call.extensions.get::<Answers>().cloned().unwrap_or_default();
        let said = answers.with(|told| told.yes.clone());
        if let Some(yes) = said.filter(|yes| covers(yes.price, question.price)) {
            return Ok(yes.name);
        }
        let able = call.client_capabilities().and_then(|can| can.elicitation);
        // A client that names no kind of question takes forms.
        if !able.is_some_and(|able| able.form.is_some() || able.url.is_none()) {
            return Err(self.cannot_ask(question));
        }
        let modern = call.protocol_version().is_some_and(|version| version >= ProtocolVersion::V_2026_07_28);
        let yes = if modern {
            let note = self.read_answer(question, &answers, call).await?;
            Yes { price: note.price, name: Some(note.name) }
        } else {
            self.ask(question, call).await?;
            Yes { price: question.price, name: None }
        };
        answers.with(|told| told.yes = Some(yes.clone()));
        Ok(yes.name)
    }

    /// Asks while the call waits.
    async fn ask(&self, question: &Question<'_>, call: &RequestContext<RoleServer>) -> Result<(), ToolError> {
        let within = self.config().confirm_within;
        let asking = call.peer.create_elicitation_with_timeout(self.form(question), Some(within));
        tokio::pin!(asking);
        let start = Instant::now();
        let mut heartbeat = interval(HEARTBEAT);
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let answer = loop {
            tokio::select! {
                answer = &mut asking => break answer,
                () = call.ct.cancelled() => return Err(not_confirmed("the call was cancelled before anybody answered")),
                _ = heartbeat.tick() => progress::note(call, start, "waiting for a person's answer about the price").await,
            }
        };
        match answer {
            Ok(answer) => read(&answer),
            Err(error) => Err(not_confirmed(&format!("nobody was there to answer ({error})"))),
        }
    }

    /// Reads the answer that the call brought along, or has the client fetch one.
    async fn read_answer(
        &self,
        question: &Question<'_>,
        answers: &Answers,
        call: &RequestContext<RoleServer>,
    ) -> Result<Note, ToolError> {
        let (responses, state) = answers.with(|told| (told.responses.take(), told.state.take()));
        let bound = self.bound(call);
        let codec = RequestStateCodec::try_new(self.jobs().seal_key().await?);
        let codec = codec.map_err(|error| not_confirmed(&error.to_string()))?;
        if let Some(state) = state {
            let note: Note = codec.open_json_with(&state, &bound).map_err(|error| unsealed(&error))?;
            // What has become dearer since is asked about anew.
            if covers(note.price, question.price) {
                let answer = responses.and_then(|mut all| all.remove(ASKED)).unwrap_or_default();
                let answer: ElicitResult = serde_json::from_value(answer)
                    .map_err(|_| not_confirmed("the answer that came with the call cannot be read"))?;
                return read(&answer).map(|()| note);
            }
        }
        let note = Note { price: question.price, name: crate::jobs::random_id("yes") };
        let options = SealOptions::new().associated_data(&bound).ttl(self.config().confirm_within);
        let sealed =
            codec.seal_json_with(&note, &options).map_err(|error| not_confirmed(&error.to_string()))?;
        let request = InputRequest::Elicitation(ElicitRequest::new(self.form(question)));
        let requests = InputRequests::from([(ASKED.to_owned(), request)]);
        answers.with(|told| told.question = Some(InputRequiredResult::new(Some(requests), Some(sealed))));
        Err(ToolError::Ask)
    }

    /// What a note is good for: this principal, this account, this tool with these arguments.
    fn bound(&self, call: &RequestContext<RoleServer>) -> Vec<u8> {
        let digest = call.extensions.get::<CallDigest>().cloned().unwrap_or_default();
        [self.principal(), &crate::mcp::server::account(self.config()), &digest.0].join("\n").into_bytes()
    }

    fn form(&self, question: &Question<'_>) -> ElicitRequestParams {
        let schema = ElicitationSchema::builder()
            .required_bool_with(FIELD, |field| field.title("Buy it").with_default(false))
            .build();
        ElicitRequestParams::FormElicitationParams {
            meta: None,
            message: format!("{} Buy it?", self.asks(question)),
            requested_schema: schema
                .unwrap_or_else(|_| ElicitationSchema::new(std::collections::BTreeMap::new())),
        }
    }

    fn asks(&self, question: &Question<'_>) -> String {
        let currency = self.config().currency();
        let by = if question.model.is_empty() { String::new() } else { format!(" with {}", question.model) };
        let price = match question.price {
            Some(price) => format!("costs {} at most", money(price, currency)),
            None => "has no known price".to_owned(),
        };
        let basis = question.basis.map(|basis| format!(" ({basis})")).unwrap_or_default();
        let free = money(self.config().budgets.confirm_above.unwrap_or_default(), currency);
        format!(
            "{}{by} {price}{basis}; above {free} a person is asked (MINIMAX_CONFIRM_ABOVE).",
            question.tool
        )
    }

    fn cannot_ask(&self, question: &Question<'_>) -> ToolError {
        ToolError::Money {
            message: format!(
                "{} This client cannot ask one, so the call was refused before anything was sent",
                self.asks(question)
            ),
            turn: OPERATOR,
            advice: "Nothing was billed. Ask the user to raise or unset MINIMAX_CONFIRM_ABOVE and to restart this \
                     server, or use a client that can ask (elicitation)."
                .to_owned(),
        }
    }
}

fn read(answer: &ElicitResult) -> Result<(), ToolError> {
    let yes = answer.content.as_ref().and_then(|content| content.get(FIELD)).and_then(Value::as_bool);
    match (&answer.action, yes) {
        (ElicitationAction::Accept, Some(true)) => Ok(()),
        (ElicitationAction::Accept | ElicitationAction::Decline, _) => {
            Err(not_confirmed("the person has said no to the price"))
        }
        _ => Err(not_confirmed("the person has not answered")),
    }
}

fn unsealed(error: &RequestStateError) -> ToolError {
    not_confirmed(match error {
        RequestStateError::Expired => "the answer came too late; the question has expired",
        _ => "the requestState that came with the call is not one that this server gave for these arguments",
    })
}

/// A yes that has bought something buys nothing else.
pub(crate) fn spent_already() -> ToolError {
    not_confirmed("the person's yes has bought something already")
}

fn not_confirmed(why: &str) -> ToolError {
    ToolError::Money {
        message: format!("not bought: {why}"),
        turn: "ask the user",
        advice: "Nothing was sent or billed. Call again only if the user wants it; MINIMAX_CONFIRM_ABOVE sets the \
                 price above which this server asks."
            .to_owned(),
    }
}

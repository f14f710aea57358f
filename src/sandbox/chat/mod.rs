//! Text models in four protocols ("Text"). What is asked is read by the file of a protocol into a [`Question`];
//! [`Said::to`] makes up the answer; the file of the protocol words it, whole or as a [`Film`] of events.
//!
//! Words in the last message of the user's decide what comes of it: `#tool` calls the first function,
//! `#search` searches the web where that is offered, `#refuse-midway` is refused after half of the words, `#cut`
//! ends the connection there, `#fade` ends the answer there as if it were whole, `#slow` takes half a minute,
//! `#long` answers at length, `#filter` withholds the rest, `#tags` puts the thinking into the content whatever
//! was asked, `#system` repeats what the model was told, and `#sensitive` is refused.

mod anthropic;
mod film;
mod look;
mod openai;
mod responses;

use std::sync::Arc;

use axum::Router;
use axum::response::Response;
use axum::routing::post;
use serde_json::{Map, Value, json};

use self::film::Film;
use super::answer::Refusal;
use super::call::Call;
use super::check::decent;
use super::platform::Platform;
use super::store::Entry;

/// Models that answer ("Models"; those that were retired do not).
const MODELS: &[&str] = &[
    FLASH,
    "MiniMax-M3.1-Flash-Preview",
    M3,
    "MiniMax-M2.1",
    "MiniMax-M2.1-highspeed",
    "MiniMax-M2.1-lightning",
    "MiniMax-M2",
];
const FLASH: &str = "MiniMax-M3.1-Flash";
const M3: &str = "MiniMax-M3";

pub(super) fn routes() -> Router<Arc<Platform>> {
    Router::new()
        .route("/v1/chat/completions", post(openai::complete))
        .route("/v1/text/chatcompletion_v2", post(openai::complete_natively))
        .route("/anthropic/v1/messages", post(anthropic::message))
        .route("/anthropic/v1/messages/count_tokens", post(anthropic::count))
        .route("/v1/responses", post(responses::respond))
        .route("/v1/responses/input_tokens", post(responses::count))
}

/// What was asked, whatever the protocol.
#[derive(Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is one thing that was asked or not")]
struct Question {
    model: String,
    stream: bool,
    /// What the model was told beforehand.
    system: String,
    /// How many messages there are.
    messages: usize,
    /// The last words of the user's.
    last: String,
    /// What functions answered after the model's last words.
    results: Vec<String>,
    /// Whether the thinking before the calls came back.
    remembered: bool,
    thinks: bool,
    tools: Vec<String>,
    searches: bool,
    /// The pictures and films of the last message, in words.
    seen: Vec<String>,
    /// The longest answer, in tokens.
    most: Option<i64>,
    /// Tokens of the input, and how many of them are of the last message.
    input: usize,
    input_last: usize,
}

/// What is answered, whatever the protocol.
#[derive(Debug)]
struct Said {
    thoughts: String,
    text: String,
    call: Option<ToolCall>,
    search: bool,
    stop: Stop,
    fate: Fate,
}

#[derive(Debug)]
struct ToolCall {
    id: String,
    name: String,
    arguments: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stop {
    End,
    Length,
    Tool,
    Filter,
}

/// How a streamed answer ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Whole,
    Refused,
    Cut,
    Faded,
    Slow,
}

impl Said {
    fn to(question: &Question) -> Self {
        let has = |word: &str| question.last.contains(word);
        let answered = !question.results.is_empty();
        let call = question.tools.first().filter(|_| has("#tool") && !answered).map(|name| ToolCall {
            id: format!("call_function_{}_1", super::platform::new_token().get(..12).unwrap_or_default()),
            name: name.clone(),
            arguments: json!({"about": question.last.replace("#tool", "").trim()}).to_string(),
        });
        let search = question.searches && has("#search");
        let thoughts = if question.thinks {
            format!("The user says: {}. I look at it twice.", head(&question.last, 60))
        } else {
            String::new()
        };
        let mut text = words(question, call.is_some(), search);
        let mut stop = if call.is_some() { Stop::Tool } else { Stop::End };
        let most =
            question.most.and_then(|most| usize::try_from(most).ok()).map(|most| most.saturating_mul(4));
        if let Some(most) = most.filter(|most| text.len() + thoughts.len() > *most) {
            text = head(&text, most.saturating_sub(thoughts.len())).to_owned();
            stop = Stop::Length;
        }
        if has("#filter") {
            stop = Stop::Filter;
        }
        let fate = [
            ("#refuse-midway", Fate::Refused),
            ("#cut", Fate::Cut),
            ("#fade", Fate::Faded),
            ("#slow", Fate::Slow),
        ];
        let fate =
            fate.into_iter().find(|(word, _)| has(word) && !answered).map_or(Fate::Whole, |(_, fate)| fate);
        Self { thoughts, text, call, search, stop, fate }
    }

    /// Tokens of the output, and how many of them are thinking.
    fn output(&self) -> (usize, usize) {
        let arguments = self.call.as_ref().map_or(0, |call| call.arguments.len());
        ((self.thoughts.len() + self.text.len() + arguments) / 4 + 1, self.thoughts.len() / 4)
    }
}

fn words(question: &Question, calls: bool, search: bool) -> String {
    let has = |word: &str| question.last.contains(word);
    if !question.results.is_empty() {
        let kept = if question.remembered { "My thinking came back." } else { "My thinking was lost." };
        return format!("The function says: {}. {kept}", question.results.join(", "));
    }
    if calls {
        return "One moment.".to_owned();
    }
    if has("#long") {
        return "All work and no play makes a dull fox. ".repeat(1000);
    }
    if has("#slow") {
        return "Slowly, slowly goes the fox over the hill. ".repeat(10);
    }
    if has("#system") {
        return format!("I was told: {}", question.system);
    }
    let search = if search { "The web says it is so. " } else { "" };
    let seen = match question.seen.as_slice() {
        [] => String::new(),
        seen => format!("I see {}. ", seen.join(" and ")),
    };
    format!("{search}{seen}**You said:** {} (message {})", question.last, question.messages)
}

fn head(text: &str, most: usize) -> &str {
    let end = (0..=most.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    text.get(..end.unwrap_or_default()).unwrap_or_default()
}

impl Question {
    /// Tokens that were read from the cache: of long inputs, all before the last message ("Prompt caching").
    fn cached(&self) -> usize {
        if self.input >= 512 { self.input.saturating_sub(self.input_last) } else { 0 }
    }

    /// What the model refuses to be asked.
    fn check(&self) -> Result<(), Refusal> {
        if !MODELS.contains(&self.model.as_str()) {
            return Err(Refusal::no_model(format_args!("unknown model {:?}", self.model)));
        }
        decent(&self.last)
    }

    fn sees(&self) -> bool {
        self.model.starts_with("MiniMax-M3")
    }
}

/// Notes that an answer will be billed.
fn bill(platform: &Platform, call: &Call) -> Result<(), Refusal> {
    Ok(platform.store.add(&Entry::paid(call.bill(), None, None))?)
}

/// Roughly, the tokens of a piece of JSON; media in base64 count as one each.
fn tokens(value: &Value) -> usize {
    fn letters(value: &Value) -> usize {
        match value {
            Value::String(text) if text.len() > 4096 && !text.contains(' ') => 4,
            Value::String(text) => text.len() + 2,
            Value::Array(items) => items.iter().map(letters).sum::<usize>() + 2,
            Value::Object(fields) => fields.iter().map(|(name, value)| name.len() + letters(value)).sum(),
            other => other.to_string().len(),
        }
    }
    letters(value) / 4 + 1
}

/// A list of a checked body; empty when it is not there.
fn list<'a>(body: &'a Map<String, Value>, name: &str) -> &'a [Value] {
    body.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// A string field of a value; empty when it is not there.
fn word<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// What stands for a signature or for encrypted thinking: only the very same thinking has it.
fn seal(thoughts: &str) -> String {
    use sha2::{Digest, Sha256};
    data_encoding::HEXLOWER.encode(&Sha256::digest(thoughts.as_bytes()))
}

/// Seven bytes or a little more each, so that tags and words are cut anywhere.
fn pieces(text: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let end = (7..=rest.len()).find(|end| rest.is_char_boundary(*end)).unwrap_or(rest.len());
        let (piece, more) = rest.split_at(end);
        pieces.push(piece);
        rest = more;
    }
    pieces
}

/// Streams a film to the client.
fn shown(platform: &Arc<Platform>, film: Film, fate: Fate) -> Response {
    film.shown(Arc::clone(platform), fate)
}

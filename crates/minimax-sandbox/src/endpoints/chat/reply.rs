//! The sandbox's answer to a chat request, independent of its protocol.

use serde_json::json;

use crate::endpoints::chat::question::Question;
use crate::engine::ids::new_token;

/// An answer, independent of its protocol.
#[derive(Debug)]
pub(crate) struct Reply {
    pub thoughts: String,
    pub text: String,
    pub call: Option<ToolCall>,
    pub search: bool,
    pub stop: Stop,
    pub ending: Ending,
}

#[derive(Debug)]
pub(crate) struct ToolCall {
    pub id: String,
    pub name: String,
    pub arguments: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    End,
    Length,
    Tool,
    Filter,
}

/// How a streamed answer ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    Complete,
    /// An error after half of the text.
    Error,
    /// The connection closes after half of the text.
    Reset,
    /// The stream ends after half of the text, without its last events.
    Truncated,
    /// Complete, with pauses.
    Slow,
}

impl Reply {
    pub fn to(question: &Question) -> Self {
        let has = |word: &str| question.last.contains(word);
        let answered = !question.results.is_empty();
        let call = question.tools.first().filter(|_| has("#tool") && !answered).map(|name| ToolCall {
            id: format!("call_function_{}_1", new_token().get(..12).unwrap_or_default()),
            name: name.clone(),
            arguments: json!({"about": question.last.replace("#tool", "").trim()}).to_string(),
        });
        let search = question.searches && has("#search");
        let thoughts = if question.thinks {
            format!("The user says: {}. I look at it twice.", head(&question.last, 60))
        } else {
            String::new()
        };
        let mut text = reply_text(question, call.is_some(), search);
        let mut stop = if call.is_some() { Stop::Tool } else { Stop::End };
        let most = question
            .max_tokens
            .and_then(|tokens| usize::try_from(tokens).ok())
            .map(|tokens| tokens.saturating_mul(4));
        if let Some(most) = most.filter(|most| text.len() + thoughts.len() > *most) {
            text = head(&text, most.saturating_sub(thoughts.len())).to_owned();
            stop = Stop::Length;
        }
        if has("#filter") {
            stop = Stop::Filter;
        }
        let ending = [
            ("#refuse-midway", Ending::Error),
            ("#cut", Ending::Reset),
            ("#fade", Ending::Truncated),
            ("#slow", Ending::Slow),
        ];
        let ending = ending
            .into_iter()
            .find(|(word, _)| has(word) && !answered)
            .map_or(Ending::Complete, |(_, ending)| ending);
        Self { thoughts, text, call, search, stop, ending }
    }

    /// Output tokens, and how many of them are thinking.
    pub fn output_tokens(&self) -> (usize, usize) {
        let arguments = self.call.as_ref().map_or(0, |call| call.arguments.len());
        ((self.thoughts.len() + self.text.len() + arguments) / 4 + 1, self.thoughts.len() / 4)
    }
}

fn reply_text(question: &Question, calls: bool, search: bool) -> String {
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

//! Handles habits of the models: thinking inside the answer, raw tool calls in it, and pieces that repeat earlier text.

use super::turn::{Delta, Reply};

/// A model may open a block with one word and close it with the other.
const OPENS: [&str; 2] = ["<think>", "<thinking>"];
const CLOSES: [&str; 2] = ["</think>", "</thinking>"];

/// How raw tokens of a tool call begin.
const RAW_CALLS: [&str; 2] = ["]<]minimax[>[<tool_call>", "<minimax:tool_call>"];

/// Separates `<think>…</think>` from a streamed text, wherever the stream is cut.
///
/// Only blocks before the answer count, so an answer that mentions the tag is left alone.
#[derive(Debug, Default)]
pub struct Splitter {
    place: Place,
    /// Text that may become a tag, or the whitespace around one.
    held: String,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Place {
    #[default]
    Before,
    /// The text began without a tag. It is thinking if a closing tag follows soon.
    Unsure,
    /// After the opening tag. Whitespace here is dropped.
    Opened,
    Inside,
    /// After a block. Another block or the answer follows.
    Between,
    Answer,
}

/// How many bytes of a text without an opening tag are held back, because a closing tag may follow.
const UNSURE: usize = 1000;

/// A piece, split into thinking and answer.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Parts {
    /// Text of the thinking.
    pub reasoning: String,
    /// Text of the answer.
    pub text: String,
}

impl Splitter {
    /// Adds the next piece and returns the part that is certain by now.
    pub fn push(&mut self, piece: &str) -> Parts {
        self.held.push_str(piece);
        let mut parts = Parts::default();
        while self.step(&mut parts) {}
        parts
    }

    /// Separates a delta of text. Other deltas stay as they are.
    pub fn deltas(&mut self, delta: Delta) -> impl Iterator<Item = Delta> + use<> {
        let deltas = match delta {
            Delta::Text(piece) => {
                let Parts { reasoning, text } = self.push(&piece);
                vec![Delta::Reasoning(reasoning), Delta::Text(text)]
            }
            Delta::Reasoning(piece) => {
                // The thinking has a field of its own, so the text is only the answer.
                if self.place == Place::Before && !piece.is_empty() {
                    self.place = Place::Answer;
                }
                vec![Delta::Reasoning(piece)]
            }
            other => vec![other],
        };
        let empty =
            |delta: &Delta| matches!(delta, Delta::Text(text) | Delta::Reasoning(text) if text.is_empty());
        deltas.into_iter().filter(move |delta| !empty(delta))
    }

    /// Ends the text and returns what was held back.
    pub fn finish(&mut self) -> Parts {
        let held = std::mem::take(&mut self.held);
        match self.place {
            Place::Inside | Place::Opened => Parts { reasoning: held, text: String::new() },
            Place::Between if held.trim().is_empty() => Parts::default(),
            Place::Before | Place::Unsure | Place::Between | Place::Answer => {
                Parts { reasoning: String::new(), text: held }
            }
        }
    }

    /// Takes one step. Returns whether there may be more to do.
    fn step(&mut self, parts: &mut Parts) -> bool {
        match self.place {
            Place::Before | Place::Between => self.look_for_block(),
            Place::Unsure => self.look_for_close(parts),
            Place::Opened => {
                let start = self.held.len() - self.held.trim_start().len();
                self.held.drain(..start);
                let begun = !self.held.is_empty();
                if begun {
                    self.place = Place::Inside;
                }
                begun
            }
            Place::Inside => self.think(parts),
            Place::Answer => {
                parts.text.push_str(&std::mem::take(&mut self.held));
                false
            }
        }
    }

    fn look_for_block(&mut self) -> bool {
        let body = self.held.trim_start();
        if let Some(open) = OPENS.iter().find(|open| body.starts_with(*open)) {
            let gone = self.held.len() - body.len() + open.len();
            self.held.drain(..gone);
            self.place = Place::Opened;
            return true;
        }
        if OPENS.iter().any(|open| open.starts_with(body)) {
            return false;
        }
        if self.place == Place::Between {
            self.held = body.to_owned();
            self.place = Place::Answer;
        } else {
            self.place = Place::Unsure;
        }
        true
    }

    /// Decides whether a text without an opening tag is thinking. Only its first bytes are held back for that.
    fn look_for_close(&mut self, parts: &mut Parts) -> bool {
        let end = (0..=UNSURE.min(self.held.len())).rev().find(|end| self.held.is_char_boundary(*end));
        let start = self.held.get(..end.unwrap_or_default()).unwrap_or_default();
        if let Some((before, _)) = lone_close(start) {
            let (before, start) = (before.len(), start.len());
            let close = find_any(&self.held, &CLOSES).map_or(start, |(at, close)| at + close.len());
            let rest = self.held.split_off(close);
            self.held.truncate(before);
            parts.reasoning.push_str(&std::mem::replace(&mut self.held, rest));
            self.place = Place::Between;
            return true;
        }
        let decided = find_any(start, &CLOSES).is_some() || self.held.len() > UNSURE;
        if decided {
            self.place = Place::Answer;
        }
        decided
    }

    fn think(&mut self, parts: &mut Parts) -> bool {
        if let Some((end, close)) = find_any(&self.held, &CLOSES) {
            let rest = self.held.split_off(end);
            parts.reasoning.push_str(&std::mem::replace(
                &mut self.held,
                rest.strip_prefix(close).unwrap_or_default().to_owned(),
            ));
            self.place = Place::Between;
            return true;
        }
        // Hold back the end of the text if it may be the start of the closing tag.
        let longest = CLOSES.iter().map(|close| close.len()).max().unwrap_or_default();
        let most = longest.min(self.held.len());
        let kept = (0..=most).rev().find(|length| {
            let tail = self.held.get(self.held.len() - length..);
            tail.is_some_and(|tail| CLOSES.iter().any(|close| close.starts_with(tail)))
        });
        let rest = self.held.split_off(self.held.len() - kept.unwrap_or_default());
        parts.reasoning.push_str(&std::mem::replace(&mut self.held, rest));
        false
    }
}

/// The first of `words` in a text, and where it begins.
fn find_any<'a>(text: &str, words: &[&'a str]) -> Option<(usize, &'a str)> {
    words.iter().filter_map(|word| Some((text.find(word)?, *word))).min_by_key(|(at, _)| *at)
}

/// Separates a complete text.
fn separate(whole: &str) -> Parts {
    let mut splitter = Splitter::default();
    let (mut parts, rest) = (splitter.push(whole), splitter.finish());
    parts.reasoning.push_str(&rest.reasoning);
    parts.text.push_str(&rest.text);
    parts
}

/// Splits at a closing tag that nothing opened: before it is thinking, after it the answer. A tag in quotes
/// belongs to the answer.
fn lone_close(text: &str) -> Option<(&str, &str)> {
    let (at, close) = find_any(text, &CLOSES)?;
    let (before, after) = (text.get(..at)?, text.get(at + close.len()..)?);
    let quoted = before.ends_with(['`', '"', '\'', '“', '«']) || before.matches("```").count() % 2 == 1;
    let opened = find_any(before, &OPENS).is_some();
    (!quoted && !opened).then(|| (before, after.trim_start()))
}

/// Sets text and reasoning. If the thinking came `beside` the text, a block in tags belongs to the answer.
pub(super) fn fill(reply: &mut Reply, said: &str, beside: &str) {
    let Parts { mut reasoning, mut text } = if beside.is_empty() {
        separate(said)
    } else {
        Parts { reasoning: beside.to_owned(), text: said.to_owned() }
    };
    if let Some((before, after)) = lone_close(&text) {
        if !reasoning.is_empty() && !before.trim().is_empty() {
            reasoning.push('\n');
        }
        reasoning.push_str(before.trim());
        let start = text.len() - after.len();
        text.drain(..start);
    }
    reply.reasoning = if beside.is_empty() { reasoning.trim().to_owned() } else { reasoning };
    reply.text = text;
}

/// A note on tool calls that arrived as raw tokens.
pub(super) fn unparsed_call(reply: &Reply) -> Option<String> {
    let found = [&reply.text, &reply.reasoning].into_iter().any(|text| find_any(text, &RAW_CALLS).is_some());
    let note =
        "the answer has the raw tokens of a tool call that MiniMax did not parse; ask again to get the call";
    found.then(|| note.to_owned())
}

/// Assembles a text whose pieces may each repeat all earlier text, as those of `reasoning_details[].text` do.
#[derive(Debug, Default)]
pub struct Grown {
    /// The text so far.
    pub text: String,
    /// The last piece, while each piece has started with the one before.
    again: Option<String>,
    /// Whether a piece has repeated earlier text.
    pub repeats: bool,
}

/// The least length in bytes of a certain repetition. A shorter one may be a coincidence: `ha`, `ha`.
const SURE: usize = 8;

impl Grown {
    /// Adds a piece and returns the new part of it.
    pub fn push(&mut self, piece: &str) -> String {
        if piece.is_empty() {
            return String::new();
        }
        let known = match &self.again {
            Some(again) if again.len() >= SURE && piece.starts_with(again.as_str()) => Some(again.len()),
            _ if self.text.len() >= SURE && piece.starts_with(&self.text) => Some(self.text.len()),
            _ => None,
        };
        if let Some(known) = known {
            self.repeats = true;
            self.again = None;
            piece.clone_into(&mut self.text);
            return piece.get(known..).unwrap_or_default().to_owned();
        }
        self.again = match &self.again {
            None if self.text.is_empty() => Some(piece.to_owned()),
            Some(again) if piece.starts_with(again.as_str()) => Some(piece.to_owned()),
            _ => None,
        };
        self.text.push_str(piece);
        piece.to_owned()
    }
}

#[cfg(test)]
mod tests;

//! Requests that are too long to be read are answered all the same.
//!
//! The transport drops a line of more than 16 MiB, so that nobody can fill the memory; but whoever sent it would wait
//! for its answer for ever. Here such a line is followed by a short request with the same id, which is refused.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use rmcp::transport::async_rw::DEFAULT_MAX_LINE_LENGTH;
use serde::de::DeserializeOwned;
use serde_json::{Deserializer, Value, json};
use tokio::io::{AsyncBufRead as _, AsyncRead, BufReader, ReadBuf};

/// The id stands near one end of a request; so much of each end is kept.
const END: usize = 1024;

/// Input as it comes, with a line more after each that is too long.
#[derive(Debug)]
pub(super) struct Lines<R> {
    inner: BufReader<R>,
    line: Line,
    method: &'static str,
    /// What is still to be handed out before anything else is read.
    insertion: Vec<u8>,
}

/// What is known of the line that is being read.
#[derive(Debug, Default)]
struct Line {
    length: usize,
    head: Vec<u8>,
    tail: Vec<u8>,
}

impl<R: AsyncRead> Lines<R> {
    /// `method` is what the requests ask for that stand for those which were too long.
    pub(super) fn new(inner: R, method: &'static str) -> Self {
        let inner = BufReader::with_capacity(64 * 1024, inner);
        Self { inner, line: Line::default(), method, insertion: Vec::new() }
    }
}

impl<R: AsyncRead + Unpin> AsyncRead for Lines<R> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Self { inner, line, method, insertion } = self.get_mut();
        if !insertion.is_empty() {
            let rest = insertion.split_off(insertion.len().min(out.remaining()));
            out.put_slice(insertion);
            *insertion = rest;
            return Poll::Ready(Ok(()));
        }
        let mut inner = Pin::new(inner);
        let available = ready!(inner.as_mut().poll_fill_buf(cx))?;
        let available = available.get(..out.remaining()).unwrap_or(available);
        let end = available.iter().position(|byte| *byte == b'\n').map(|at| at + 1);
        let piece = available.get(..end.unwrap_or(available.len())).unwrap_or_default();
        out.put_slice(piece);
        line.add(piece);
        let length = piece.len();
        if end.is_some() {
            *insertion = std::mem::take(line).substitute(method).unwrap_or_default();
        }
        inner.consume(length);
        Poll::Ready(Ok(()))
    }
}

impl Line {
    fn add(&mut self, piece: &[u8]) {
        self.length = self.length.saturating_add(piece.len());
        let room = END.saturating_sub(self.head.len()).min(piece.len());
        self.head.extend_from_slice(piece.get(..room).unwrap_or_default());
        self.tail.extend_from_slice(piece.get(piece.len().saturating_sub(END)..).unwrap_or_default());
        self.tail.drain(..self.tail.len().saturating_sub(END));
    }

    /// The line that stands for this one, if it was a request and too long.
    fn substitute(self, method: &str) -> Option<Vec<u8>> {
        if self.length <= DEFAULT_MAX_LINE_LENGTH {
            return None;
        }
        let id = first_id(&self.head).or_else(|| last_id(&self.tail))?;
        let request = json!({ "jsonrpc": "2.0", "id": id, "method": method });
        Some(format!("{request}\n").into_bytes())
    }
}

/// The id among the first fields, as far as they are short.
fn first_id(head: &[u8]) -> Option<Value> {
    let mut rest = head.trim_ascii_start().strip_prefix(b"{")?;
    loop {
        let (name, value): (String, _) = one(rest)?;
        let (value, more): (Value, _) = one(value.trim_ascii_start().strip_prefix(b":")?)?;
        if name == "id" {
            return as_id(value);
        }
        rest = more.trim_ascii_start().strip_prefix(b",")?;
    }
}

/// The id as the last field.
fn last_id(tail: &[u8]) -> Option<Value> {
    const NAME: &[u8] = b",\"id\":";
    let tail = tail.trim_ascii_end().strip_suffix(b"}")?;
    let at = tail.windows(NAME.len()).rposition(|window| window == NAME)?;
    as_id(serde_json::from_slice(tail.get(at + NAME.len()..)?).ok()?)
}

fn as_id(value: Value) -> Option<Value> {
    (value.is_string() || value.is_number()).then_some(value)
}

/// The value that a text begins with, and what follows it.
fn one<T: DeserializeOwned>(text: &[u8]) -> Option<(T, &[u8])> {
    let mut values = Deserializer::from_slice(text).into_iter();
    let value = values.next()?.ok()?;
    Some((value, text.get(values.byte_offset()..)?))
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt as _;

    use super::*;

    async fn read(lines: &[String]) -> Vec<String> {
        let text = lines.concat().into_bytes();
        let mut all = String::new();
        Lines::new(text.as_slice(), "unread").read_to_string(&mut all).await.unwrap();
        all.lines().filter(|line| line.len() < 1000).map(str::to_owned).collect()
    }

    #[tokio::test]
    async fn a_line_that_is_too_long_is_followed_by_one_with_its_id() {
        let long = "x".repeat(DEFAULT_MAX_LINE_LENGTH);
        let short = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
        let stands_in = |id: &str| format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"unread"}}"#);
        for (line, id) in [
            (format!(r#"{{"jsonrpc":"2.0","id":7,"method":"a","params":{{"b":"{long}"}}}}"#), Some("7")),
            (format!(r#"{{ "id" : "s-1", "method":"a","params":{{"b":"{long}"}}}}"#), Some("\"s-1\"")),
            (format!(r#"{{"method":"a","params":{{"b":"{long}"}},"jsonrpc":"2.0","id":8}}"#), Some("8")),
            (format!(r#"{{"method":"a","params":{{"b":"{long}","id":8}}}}"#), None),
            (format!(r#"{{"jsonrpc":"2.0","method":"a","params":{{"id":9,"b":"{long}"}}}}"#), None),
            (long.clone(), None),
        ] {
            let seen = read(&[format!("{short}\n"), format!("{line}\r\n"), format!("{short}\n")]).await;
            let mut expected = vec![short.to_owned(), short.to_owned()];
            expected.splice(1..1, id.map(stands_in));
            assert_eq!(seen, expected);
        }
    }

    #[tokio::test]
    async fn what_is_short_enough_comes_as_it_is() {
        let fitting = format!("\"{}\"\n", "x".repeat(DEFAULT_MAX_LINE_LENGTH - 3));
        assert_eq!(fitting.len(), DEFAULT_MAX_LINE_LENGTH);
        let text = format!("{fitting}a\n\nb");
        let mut all = String::new();
        Lines::new(text.as_bytes(), "unread").read_to_string(&mut all).await.unwrap();
        assert!(all == text);
    }
}

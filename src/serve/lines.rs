//! Answers stdio requests that are too large to parse.
//!
//! A line of more than 16 MiB is dropped, and so is one that would take too much memory when parsed. Its client would
//! wait forever for a response. The line is therefore replaced by a short request with the same id, which is refused.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use rmcp::transport::async_rw::DEFAULT_MAX_LINE_LENGTH;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Deserializer, Value, json};
use tokio::io::{AsyncBufRead as _, AsyncRead, BufReader, ReadBuf};

use super::json::{self as size, Unfit};

/// The method of the substitute for a line that is too long.
pub(super) const TOO_LONG: &str = "minimax-mcp/too-long";

/// The method of the substitute for a line with too many values.
pub(super) const TOO_MANY: &str = "minimax-mcp/too-many";

/// The method of the substitute for a line that is nested too deeply.
pub(super) const TOO_DEEP: &str = "minimax-mcp/too-deep";

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// How much is kept of each end of a line that is too long, in bytes. The id is usually near one end.
const END: usize = 1024;

/// Reads lines, and replaces each line that is too large by a substitute.
#[derive(Debug)]
pub(super) struct Lines<R> {
    inner: BufReader<R>,
    line: Line,
    /// A checked line that the reader has not consumed yet.
    ready: Vec<u8>,
    /// How much of it was consumed.
    given: usize,
}

/// The line that is being read.
#[derive(Debug, Default)]
struct Line {
    length: usize,
    /// The line so far, or the start of one that is too long.
    head: Vec<u8>,
    /// The end of a line that is too long.
    tail: Vec<u8>,
}

impl<R: AsyncRead> Lines<R> {
    pub(super) fn new(inner: R) -> Self {
        let inner = BufReader::with_capacity(64 * 1024, inner);
        Self { inner, line: Line::default(), ready: Vec::new(), given: 0 }
    }
}

impl<R: AsyncRead + Unpin> AsyncRead for Lines<R> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Self { inner, line, ready, given } = self.get_mut();
        let mut inner = Pin::new(inner);
        loop {
            let rest = ready.get(*given..).unwrap_or_default();
            if !rest.is_empty() {
                let piece = rest.get(..out.remaining()).unwrap_or(rest);
                out.put_slice(piece);
                *given = given.saturating_add(piece.len());
                return Poll::Ready(Ok(()));
            }
            let available = ready!(inner.as_mut().poll_fill_buf(cx))?;
            let end = available.iter().position(|byte| *byte == b'\n').map(|at| at.saturating_add(1));
            let piece = available.get(..end.unwrap_or(available.len())).unwrap_or_default();
            let (length, over) = (piece.len(), piece.is_empty());
            line.add(piece);
            inner.as_mut().consume(length);
            if end.is_some() {
                (*ready, *given) = (std::mem::take(line).checked(), 0);
            } else if over {
                // The input ended. An unfinished line is dropped.
                (*ready, *given) = (std::mem::take(line).head, 0);
                if ready.is_empty() {
                    return Poll::Ready(Ok(()));
                }
            }
        }
    }
}

impl Line {
    fn is_too_long(&self) -> bool {
        self.length > DEFAULT_MAX_LINE_LENGTH
    }

    fn add(&mut self, piece: &[u8]) {
        self.length = self.length.saturating_add(piece.len());
        if !self.is_too_long() {
            self.head.extend_from_slice(piece);
            return;
        }
        if self.head.len() > END {
            let last = self.head.len().saturating_sub(END);
            self.tail = self.head.split_off(last.max(END));
            self.head.truncate(END);
            self.head.shrink_to_fit();
        }
        self.tail.extend_from_slice(piece.get(piece.len().saturating_sub(END)..).unwrap_or_default());
        self.tail.drain(..self.tail.len().saturating_sub(END));
    }

    /// The line, or its substitute.
    fn checked(self) -> Vec<u8> {
        if self.is_too_long() {
            let id = first_id(&self.head).or_else(|| last_id(&self.tail));
            return substitute(id, TOO_LONG);
        }
        // The parser after this one skips a byte order mark too.
        let text = self.head.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&self.head);
        match size::count(text) {
            Ok(_) => self.head,
            Err(Unfit::Values) => substitute(any_id(text), TOO_MANY),
            Err(Unfit::Depth) => substitute(any_id(text), TOO_DEEP),
        }
    }
}

/// The substitute for a request, which will be refused. Empty if the line has no readable id.
fn substitute(id: Option<Value>, method: &str) -> Vec<u8> {
    let Some(id) = id else {
        tracing::warn!(method, "a line without an id that can be read was dropped");
        return Vec::new();
    };
    format!("{}\n", json!({ "jsonrpc": "2.0", "id": id, "method": method })).into_bytes()
}

/// Parses only the id, wherever it is in the line.
fn any_id(line: &[u8]) -> Option<Value> {
    #[derive(Deserialize)]
    struct Request {
        #[serde(default)]
        id: Id,
    }
    serde_json::from_slice::<Request>(line).ok()?.id.0
}

/// A number or a string. Anything else counts as no id.
#[derive(Debug, Default)]
struct Id(Option<Value>);

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: serde::Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Number(i64),
            Text(String),
        }
        Ok(Self(Some(match Written::deserialize(reader)? {
            Written::Number(id) => id.into(),
            Written::Text(id) => id.into(),
        })))
    }
}

/// The id, if it is among the first short fields.
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

/// The id, if it is the last field.
fn last_id(tail: &[u8]) -> Option<Value> {
    const NAME: &[u8] = b",\"id\":";
    let tail = tail.trim_ascii_end().strip_suffix(b"}")?;
    let at = tail.windows(NAME.len()).rposition(|window| window == NAME)?;
    as_id(serde_json::from_slice(tail.get(at + NAME.len()..)?).ok()?)
}

fn as_id(value: Value) -> Option<Value> {
    (value.is_string() || value.is_number()).then_some(value)
}

/// The first JSON value of a text, and the rest of the text.
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
        Lines::new(text.as_slice()).read_to_string(&mut all).await.unwrap();
        all.lines().filter(|line| line.len() < 1000).map(str::to_owned).collect()
    }

    #[tokio::test]
    async fn in_the_place_of_a_line_that_is_too_long_comes_one_with_its_id() {
        let long = "x".repeat(DEFAULT_MAX_LINE_LENGTH);
        let short = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
        let stands_in = |id: &str| format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{TOO_LONG}"}}"#);
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
        Lines::new(text.as_bytes()).read_to_string(&mut all).await.unwrap();
        assert!(all == text);
    }

    #[tokio::test]
    async fn in_the_place_of_a_line_that_is_too_much_comes_one_with_its_id() {
        let many = format!("[{}0]", "0,".repeat(size::MOST_VALUES));
        let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
        let stands_in =
            |id: &str, method: &str| format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}"}}"#);
        for (inside, method) in [(&many, TOO_MANY), (&deep, TOO_DEEP)] {
            for (line, id) in [
                (format!(r#"{{"jsonrpc":"2.0","id":7,"method":"a","params":{{"b":{inside}}}}}"#), Some("7")),
                (format!(r#"{{"params":{{"id":9,"b":{inside}}},"id":"7","x":1}}"#), Some("\"7\"")),
                (format!(r#"{{"params":{inside}}}"#), None),
                (format!(r#"{{"id":[7],"params":{inside}}}"#), None),
                (inside.clone(), None),
                (format!("\u{feff}{{\"id\":8,\"params\":{inside}}}"), Some("8")),
            ] {
                let seen = read(&[format!("{line}\n"), "{}\n".to_owned()]).await;
                let expected: Vec<_> =
                    id.map(|id| stands_in(id, method)).into_iter().chain(["{}".into()]).collect();
                assert_eq!(seen, expected, "{line:.60}");
            }
        }
    }
}

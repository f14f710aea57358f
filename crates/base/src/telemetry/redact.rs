//! Removes secrets from the log.
//!
//! At their most verbose levels, libraries log messages with links. The signature of such a link is enough to open
//! it.

use std::io::{self, Write};

use super::display;

/// The value after one of these names and an equals sign is a secret.
const NAMES: &[&str] =
    &["signature", "token", "sessionid", "session_id", "api_key", "apikey", "security-token"];

/// A writer that redacts log lines.
pub struct Redacting<W>(W);

/// Stderr, with redaction.
pub fn stderr() -> Redacting<io::Stderr> {
    Redacting(io::stderr())
}

impl<W: Write> Write for Redacting<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        // Each call holds one whole event.
        self.0.write_all(masked(&display::line(&String::from_utf8_lossy(line))).as_bytes())?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

fn masked(line: &str) -> String {
    let mut shown = String::with_capacity(line.len());
    let mut rest = line;
    while let Some((before, after)) = rest.split_once('=') {
        shown.extend([before, "="]);
        rest = after;
        if NAMES.iter().any(|name| ends_with(before, name)) {
            let value = after.find(|c: char| !is_of_a_value(c)).unwrap_or(after.len());
            if value > 0 {
                shown.push_str("***");
            }
            rest = after.get(value..).unwrap_or_default();
        }
    }
    shown.push_str(rest);
    shown
}

fn ends_with(text: &str, name: &str) -> bool {
    let start = text.len().checked_sub(name.len());
    start.and_then(|start| text.get(start..)).is_some_and(|end| end.eq_ignore_ascii_case(name))
}

fn is_of_a_value(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-_.~%+/=".contains(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_masked_anywhere_in_a_line() {
        for (line, shown) in [
            ("nothing", "nothing"),
            ("a=b c=", "a=b c="),
            ("\"h/f?expires=17&signature=Ab-_9\" end", "\"h/f?expires=17&signature=***\" end"),
            ("x?Signature=a%2Bb%3D&Expires=1", "x?Signature=***&Expires=1"),
            ("X-Amz-Signature=0f, next", "X-Amz-Signature=***, next"),
            ("/messages?sessionId=0123 and access_token=ada", "/messages?sessionId=*** and access_token=***"),
            ("signature=", "signature="),
            ("é=ü&signature=é", "é=ü&signature=é"),
        ] {
            assert_eq!(masked(line), shown, "{line}");
        }
        let mut log = Redacting(Vec::new());
        log.write_all(b"\xff signature=abc\n").unwrap();
        assert_eq!(String::from_utf8(log.0).unwrap(), "\u{fffd} signature=***\n");
    }
}

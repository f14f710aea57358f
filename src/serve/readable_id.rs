//! Finds the id of a request that cannot be parsed, so that its client gets the error and does not wait forever.

use rmcp::model::RequestId;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// A text without its byte order mark, which JSON parsers may ignore (RFC 8259, section 8.1).
pub fn without_mark(text: &[u8]) -> &[u8] {
    text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text)
}

/// The id of a request. The text may be invalid JSON, or only the start of a message. An id at the very end of the text is
/// ignored, because it may be cut off. The id of a response is ignored too: it belongs to a request of this server.
pub fn readable_id(text: &[u8]) -> Option<RequestId> {
    let mut rest = without_mark(text).trim_ascii_start().strip_prefix(b"{")?;
    let mut found = None;
    while let Some((name, value, more)) = field(rest) {
        match name.as_str() {
            "id" if found.is_some() => return None,
            "id" => found = Some(serde_json::from_slice(value).ok()?),
            "result" | "error" => return None,
            _ => {}
        }
        let Some(next) = more.strip_prefix(b",") else { break };
        rest = next;
    }
    found
}

/// The next field: its name, its value, and the rest, which begins with the comma or bracket after the value.
fn field(text: &[u8]) -> Option<(String, &[u8], &[u8])> {
    let text = text.trim_ascii_start();
    let (name, rest) = text.split_at_checked(string_end(text)?)?;
    let rest = rest.trim_ascii_start().strip_prefix(b":")?;
    let (value, rest) = rest.split_at_checked(value_end(rest)?)?;
    Some((serde_json::from_slice(name).ok()?, value, rest))
}

/// The length of the string that a text begins with.
fn string_end(text: &[u8]) -> Option<usize> {
    let mut escaped = false;
    let mut letters = text.iter().enumerate();
    letters.next().filter(|(_, first)| **first == b'"')?;
    let (at, _) = letters.find(|(_, letter)| match letter {
        _ if escaped => {
            escaped = false;
            false
        }
        b'\\' => {
            escaped = true;
            false
        }
        letter => **letter == b'"',
    })?;
    at.checked_add(1)
}

/// The length of the value that a text begins with: up to the comma or bracket that ends it.
pub(super) fn value_end(text: &[u8]) -> Option<usize> {
    let (mut depth, mut at) = (0_usize, 0_usize);
    loop {
        let rest = text.get(at..)?;
        match rest.first()? {
            b'"' => {
                at = at.checked_add(string_end(rest)?)?;
                continue;
            }
            b',' | b'}' | b']' if depth == 0 => return Some(at),
            b'{' | b'[' => depth = depth.checked_add(1)?,
            b'}' | b']' => depth = depth.checked_sub(1)?,
            _ => {}
        }
        at = at.checked_add(1)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_found_anywhere_in_a_request_that_cannot_be_parsed() {
        for (text, id) in [
            (&br#"{"jsonrpc":"2.0","id":7,"method":"a","params":{"b":"\ud83d"}}"#[..], Some("7")),
            (
                br#"{"jsonrpc":"2.0","method":"a","params":{"id":8,"b":[NaN,{"c":1e400}]},"id": "s-1" }"#,
                Some("\"s-1\""),
            ),
            (b"{\"id\":7,\"method\":\"\xff\xfe\"}", Some("7")),
            (b"\xef\xbb\xbf {\r\n \"id\" : 7 , \"method\": tru", Some("7")),
            (br#"{"\u0069d":7,"a":"\"id\":9"}"#, Some("7")),
            (br#"{"id":7,"method":"a"}}"#, Some("7")),
            (br#"{"a":"}{,\\","id":-7,"#, Some("-7")),
            // Nothing else is an id.
            (br#"{"id":7"#, None),
            (br#"{"id":"7"#, None),
            (br#"{"id":7.5,"b":NaN}"#, None),
            (br#"{"id":null,"b":NaN}"#, None),
            (br#"{"id":[7],"b":NaN}"#, None),
            (br#"{"id":"\ud83d","b":1}"#, None),
            (br#"{"params":{"id":7,"b":NaN}}"#, None),
            (br#"[{"id":7,"b":NaN}]"#, None),
            (br#""id":7,"#, None),
            (b"Listening on {\"id\":7}", None),
            (b"{", None),
            (b"", None),
            // Neither of two ids is used, and a response is not a request.
            (br#"{"id":7,"id":8,"b":NaN}"#, None),
            (br#"{"id":7,"result":{"b":NaN}}"#, None),
        ] {
            let found = readable_id(text).map(|id| serde_json::to_string(&id).unwrap());
            assert_eq!(found.as_deref(), id, "{}", String::from_utf8_lossy(text));
        }
    }

    #[test]
    fn deep_nesting_does_not_use_the_stack() {
        let text = format!("{{\"params\":{}{},\"id\":7,", "[".repeat(1 << 20), "]".repeat(1 << 20));
        assert_eq!(readable_id(text.as_bytes()), Some(RequestId::Number(7)));
    }
}

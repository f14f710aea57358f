//! The error formats of MiniMax, of gateways and of proxies.

use serde::Deserialize;
use serde_json::Value;
use url::Url;

/// An error's code and message.
type Refusal = (Option<i64>, String);

/// The fields of both error formats. All are optional and untyped, so that any JSON object parses.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Envelope {
    #[serde(rename = "type")]
    kind: Option<Value>,
    error: Option<Value>,
    base_resp: Option<Value>,
    trace_id: Option<Value>,
    request_id: Option<Value>,
    id: Option<Value>,
}

impl Envelope {
    /// Code and message of an `error` that is a string. Such a field alone does not make a response an error: the status
    /// decides.
    pub(crate) fn bare(&self) -> Option<Refusal> {
        let (message, code) = trailing_code(self.error.as_ref()?.as_str()?);
        Some((code, message.to_owned()))
    }

    /// Returns the error's code and message, if it is an error, and the trace id.
    pub(crate) fn read(self, trace: Option<String>) -> (Option<Refusal>, Option<String>) {
        let ids = [self.trace_id, self.request_id, self.id];
        let trace = trace.or_else(|| ids.into_iter().flatten().find_map(|id| id.as_str().map(str::to_owned)));
        let is_error = self.kind.as_ref().is_some_and(|kind| kind == "error");
        let refusal = match (self.error, self.base_resp) {
            (Some(error), _) if is_error || error.get("message").is_some() => {
                let message = error.get("message").unwrap_or(&error).as_str().unwrap_or_default();
                let (message, code) = trailing_code(message);
                Some((code, message.to_owned()))
            }
            (_, Some(base)) => {
                let code = base.get("status_code").and_then(count).filter(|code| *code != 0);
                let message = base.get("status_msg").and_then(Value::as_str).unwrap_or_default();
                code.map(|code| (Some(code), message.to_owned()))
            }
            _ => None,
        };
        (refusal, trace)
    }
}

/// Splits `message (2013)` into the message and the code.
pub(crate) fn trailing_code(message: &str) -> (&str, Option<i64>) {
    let split = message.trim_end().strip_suffix(')').and_then(|rest| rest.rsplit_once('('));
    match split {
        Some((text, digits)) if (3..=5).contains(&digits.len()) => match digits.parse() {
            Ok(code) => (text.trim_end(), Some(code)),
            Err(_) => (message, None),
        },
        _ => (message, None),
    }
}

/// The beginning of a body that is in none of the formats.
pub(crate) fn plain_body(body: &[u8]) -> String {
    // This is more than will be shown, so that `clean` sees a key in full and can remove it.
    let head = body.get(..16_384).unwrap_or(body);
    if head.is_empty() { "an empty body".to_owned() } else { String::from_utf8_lossy(head).into_owned() }
}

/// A link to a result. `None` if it cannot be fetched, because it is empty, cut off or not a link. A result with such a
/// link counts as missing.
pub(crate) fn usable_link(text: &str) -> Option<String> {
    let text = text.trim();
    // U+FFFD takes the place of what is damaged.
    let url = Url::parse(text).ok().filter(|_| !text.contains('\u{fffd}'))?;
    let is_web = matches!(url.scheme(), "http" | "https") && url.has_host();
    is_web.then(|| text.replace(['\r', '\n', '\t'], ""))
}

/// Reads a number that MiniMax may send as a string.
pub(crate) fn count(value: &Value) -> Option<i64> {
    // Some gateways write whole numbers as `1008.0`.
    let whole = || value.as_f64().filter(|number| number.fract() == 0.0)?.to_string().parse().ok();
    value.as_i64().or_else(whole).or_else(|| value.as_str()?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_that_is_a_text_is_the_message() {
        for (body, expected) in [
            (r#"{"code":"x","error":"no such voice"}"#, (None, "no such voice")),
            (r#"{"error":"no money (1008)"}"#, (Some(1008), "no money")),
        ] {
            let envelope: Envelope = serde_json::from_str(body).unwrap();
            assert_eq!(envelope.bare(), Some((expected.0, expected.1.to_owned())));
            assert!(envelope.read(None).0.is_none(), "alone it does not make a success an error");
        }
        let typed: Envelope = serde_json::from_str(r#"{"type":"error","error":"busy"}"#).unwrap();
        assert_eq!(typed.read(None).0, Some((None, "busy".to_owned())));
    }
}

//! The list of all faults.

use std::collections::BTreeMap;

use minimax_mcp::sandbox::Act;
use serde_json::json;

/// Where a fault can occur.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum At {
    /// Anywhere.
    Any,
    /// On the API.
    Api,
    /// On a download link.
    Link,
}

/// A fault, and what can be known about MiniMax's side of it.
#[derive(Clone)]
pub struct Fault {
    pub name: &'static str,
    pub act: Act,
    pub at: At,
    /// How often it occurs; `None` for every time.
    pub times: Option<u32>,
    /// MiniMax states that it accepted nothing. Only then may a paid request be retried.
    pub refused: bool,
    /// MiniMax does not answer, so the request ends at our own time limit.
    pub silent: bool,
}

impl Fault {
    fn new(name: &'static str, at: At, act: Act) -> Self {
        Self { name, act, at, times: None, refused: false, silent: false }
    }

    fn refused(self) -> Self {
        Self { refused: true, ..self }
    }

    fn silent(self) -> Self {
        Self { silent: true, ..self }
    }

    fn twice(self) -> Self {
        Self { times: Some(2), ..self }
    }

    fn once(self) -> Self {
        Self { times: Some(1), ..self }
    }
}

fn headers(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn status(status: u16, body: &str, pairs: &[(&str, &str)]) -> Act {
    let content_type = body.starts_with('{').then(|| "application/json".to_owned());
    Act::Status { status, body: body.to_owned(), content_type, headers: headers(pairs) }
}

fn raw(body: impl ToString) -> Act {
    Act::Raw { body: body.to_string() }
}

fn bytes(base64: &str, pairs: &[(&str, &str)]) -> Act {
    Act::Bytes { status: 200, base64: base64.to_owned(), headers: headers(pairs) }
}

fn flood(head: &str, unit: &str, times: Option<u64>, tail: &str) -> Act {
    Act::Flood { head: head.to_owned(), unit: unit.to_owned(), times, tail: tail.to_owned() }
}

fn code(code: i64) -> Act {
    Act::Refuse { code, message: None, retry_after: None }
}

const HTML: &str = "<!DOCTYPE html><html><body>Bad gateway</body></html>";
const DENIED: &str = "<?xml version=\"1.0\"?>\n<Error><Code>AccessDenied</Code></Error>";

/// `{"base_resp":{"status_code":1008,"status_msg":"insufficient balance"}}` in gzip, and the first half of it.
const GZIP: &str = "H4sIAAAAAAACA6tWSkosTo0vSi0uULJSqFYqLkksKS2OT85PSQXyDQ0MLHQUYIK5xelAMaXMvOLStLTM5MzUvBKFpMScxLzkVKXaWgDmUptGSgAAAA==";
const HALF_GZIP: &str = "H4sIAAAAAAACA6tWSkosTo0vSi0uULJSqFYqLkksKS2OT85PSQXyDQ0M";

/// Faults of the connection.
pub fn of_the_way() -> Vec<Fault> {
    use At::Any;
    vec![
        Fault::new("reset, nothing read", Any, Act::ResetUnread),
        Fault::new("reset, all read", Any, Act::ResetBefore),
        Fault::new("reset, taken", Any, Act::ResetAfter),
        Fault::new("no answer", Any, Act::Stall).silent(),
        Fault::new("headers, then silence", Any, Act::Freeze { bytes: 0 }).silent(),
        Fault::new("30 bytes, then silence", Any, Act::Freeze { bytes: 30 }).silent(),
        Fault::new("30 bytes, then cut", Any, Act::Truncate { bytes: 30 }),
        Fault::new("chunks cut after 30 bytes", Any, Act::CutChunks { bytes: 30 }),
        Fault::new(
            "Content-Length too small",
            Any,
            Act::Relabel { headers: headers(&[("content-length", "30")]) },
        ),
        Fault::new("slow", Any, Act::Drip { bytes_per_second: 20_000 }),
        Fault::new("endless", Any, flood("{\"a\":\"", "x", None, "")),
    ]
}

/// Faulty response bodies.
pub fn of_bodies() -> Vec<Fault> {
    use At::{Any, Api};
    vec![
        Fault::new("200, empty", Any, raw("")),
        Fault::new("200, HTML", Any, raw(HTML)),
        Fault::new("200, plain text", Any, raw("upstream connect error")),
        Fault::new("200, no text at all", Any, bytes("gIGCg4SFhoeIiYqLjI2Oj5CRkpOUlZaXmJmam5ydnp+g", &[])),
        Fault::new("200, invalid UTF-8", Api, bytes("eyJhIjoi//7DKCJ9", &[])),
        Fault::new("200, JSON cut short", Api, Act::Splice { bytes: 30, tail: String::new() }),
        Fault::new("200, a number of 64 MB", Api, flood("{\"a\":", "9", Some(64 << 20), "}")),
        Fault::new(
            "200, 100,000 deep",
            Api,
            flood("{\"data\":", "[", Some(100_000), &format!("{}}}", "]".repeat(100_000))),
        ),
        Fault::new("200, gzip broken", Any, bytes(HALF_GZIP, &[("content-encoding", "gzip")])),
        Fault::new("200, {}", Api, raw("{}")),
        Fault::new("200, []", Api, raw("[]")),
        Fault::new("200, null", Api, raw("null")),
        Fault::new(
            "200, data null",
            Api,
            raw(json!({ "data": null, "base_resp": { "status_code": 0, "status_msg": "success" } })),
        ),
        Fault::new(
            "200, the key in the wrong place",
            Api,
            raw(json!({ "data": "sk-api-secret", "file": "sk-api-secret" })),
        ),
    ]
}

/// Refusals, by code and by status.
pub fn of_refusals() -> Vec<Fault> {
    use At::Api;
    let balance = json!({ "base_resp": { "status_code": 1008, "status_msg": "insufficient balance" } });
    vec![
        Fault::new("200, gzip of code 1008", Api, bytes(GZIP, &[("content-encoding", "gzip")])),
        Fault::new("200, code 1008 behind a BOM", Api, raw(format!("\u{feff}{balance}\r\n\r\n"))),
        Fault::new("code 1000", Api, code(1000)),
        Fault::new("code 1002", Api, code(1002)).refused(),
        Fault::new("code 1002, twice", Api, code(1002)).refused().twice(),
        Fault::new("code 1004", Api, code(1004)),
        Fault::new("code 1008", Api, code(1008)),
        Fault::new("code 1024", Api, code(1024)),
        Fault::new("code 1026", Api, code(1026)),
        Fault::new("code 1033", Api, code(1033)),
        Fault::new("code 1039", Api, code(1039)).refused(),
        Fault::new("code 2013", Api, code(2013)),
        Fault::new("code 2049", Api, code(2049)),
        Fault::new("code 9999", Api, code(9999)),
        Fault::new("HTTP 418", Api, status(418, "", &[])),
        Fault::new("HTTP 400, empty", Api, status(400, "", &[])),
        Fault::new("HTTP 401, HTML", Api, status(401, HTML, &[])),
        Fault::new("HTTP 404, text", Api, status(404, "404 page not found", &[])),
        Fault::new("HTTP 408", Api, status(408, "", &[])),
        Fault::new("HTTP 413, HTML", Api, status(413, HTML, &[])),
        Fault::new(
            "HTTP 500, envelope",
            Api,
            status(500, r#"{"type":"error","error":{"type":"api_error","message":"internal (1000)"}}"#, &[]),
        ),
        Fault::new("HTTP 500, code 1008", Api, status(500, &balance.to_string(), &[])),
        Fault::new("HTTP 529", Api, status(529, "", &[])),
    ]
}

/// Errors from a proxy, redirects, and requests to wait.
pub fn of_statuses() -> Vec<Fault> {
    use At::Any;
    let away = [("location", "/v1/elsewhere")];
    let wait = |seconds: &str| status(429, "", &[("retry-after", seconds)]);
    vec![
        Fault::new("HTTP 302", Any, status(302, "", &away)),
        Fault::new("HTTP 303", Any, status(303, "", &away)),
        Fault::new("HTTP 307", Any, status(307, "", &away)),
        Fault::new("HTTP 308", Any, status(308, "", &away)),
        Fault::new("HTTP 429", Any, wait("")).refused().twice(),
        Fault::new("HTTP 429, wait 7 s", Any, wait("7")).refused().twice(),
        Fault::new("HTTP 429, wait until a day long ago", Any, wait("Sun, 06 Nov 1994 08:49:37 GMT"))
            .refused()
            .twice(),
        Fault::new("HTTP 429, wait 30 years", Any, wait("1000000000")).refused().twice(),
        Fault::new("HTTP 429, wait -5 s", Any, wait("-5")).refused().twice(),
        Fault::new("HTTP 429, wait a while", Any, wait("a while")).refused().twice(),
        Fault::new("HTTP 502, HTML", Any, status(502, HTML, &[])),
        Fault::new("HTTP 503, empty", Any, status(503, "", &[])),
        Fault::new("HTTP 504, HTML", Any, status(504, HTML, &[])),
    ]
}

/// Faults that only a download link can have.
pub fn of_links() -> Vec<Fault> {
    use At::Link;
    vec![
        Fault::new("HTTP 403, once", Link, status(403, DENIED, &[])).once(),
        Fault::new("HTTP 403", Link, status(403, DENIED, &[])),
        Fault::new("HTTP 404", Link, status(404, "", &[])),
        Fault::new("HTTP 410", Link, status(410, "", &[])),
        Fault::new("HTTP 206, unasked", Link, status(206, "abc", &[])),
        Fault::new("200, XML AccessDenied, once", Link, raw(DENIED)).once(),
        Fault::new("200, XML AccessDenied", Link, raw(DENIED)),
        Fault::new("200, JSON", Link, raw(r#"{"error":"expired"}"#)),
        Fault::new(
            "a wrong Content-Type",
            Link,
            Act::Relabel { headers: headers(&[("content-type", "text/html")]) },
        ),
        Fault::new(
            "said to be gzip",
            Link,
            Act::Relabel { headers: headers(&[("content-encoding", "gzip")]) },
        ),
        Fault::new("Content-Length too large", Link, Act::Truncate { bytes: 5000 }).once(),
    ]
}

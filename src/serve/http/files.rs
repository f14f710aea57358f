//! `/files/{job}/{name}`: results for remote callers. The signed link itself is the permission.

use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Extension, Path, Query, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use http_range_header::parse_range_header;
use serde::Deserialize;

use super::admission::no_connection;
use super::connections::Place;
use super::held::holding;
use crate::mcp::{LinkProblem, Linked, Server};

/// The query of a signed link.
#[derive(Debug, Deserialize)]
pub struct Signed {
    expires: i64,
    signature: String,
}

/// The part of a file to send.
#[derive(Debug, PartialEq, Eq)]
enum Wanted {
    /// The complete file.
    Whole,
    /// A range of bytes: start, and end (exclusive).
    Part(u64, u64),
    /// Nothing, because the client has the current file.
    Nothing,
    /// A range outside the file.
    Missing,
}

/// `GET /files/{job}/{name}`: the file, or the requested range of it.
pub async fn file(
    State(server): State<Server>,
    Path((job, name)): Path<(String, String)>,
    query: Result<Query<Signed>, QueryRejection>,
    place: Option<Extension<Place>>,
    headers: HeaderMap,
) -> Response {
    let Ok(Query(Signed { expires, signature })) = query else {
        // The query is the signature: without it this is not a link at all.
        return (StatusCode::BAD_REQUEST, UNKNOWN).into_response();
    };
    match server.linked_file(&job, &name, expires, &signature).await {
        Ok(linked) => send(&linked, &name, &headers, place),
        Err(problem) => refused(problem),
    }
}

/// The response with a file, or with the requested range of it. The connection counts for the owner of the file,
/// even if another caller requests it.
pub fn send(linked: &Linked, name: &str, headers: &HeaderMap, place: Option<Extension<Place>>) -> Response {
    match place.map(|Extension(place)| place.claim(&linked.limited_as)).transpose() {
        Ok(claim) => holding(sent(linked, name, headers), claim, None),
        Err(short) => no_connection(short),
    }
}

const UNKNOWN: &str = "Unknown or expired link. get_job gives a fresh one.\n";

/// The response to an address that is not a signed link.
pub async fn unknown() -> Response {
    refused(LinkProblem::Foreign)
}

fn refused(problem: LinkProblem) -> Response {
    let (status, text) = match problem {
        LinkProblem::Foreign => (StatusCode::NOT_FOUND, UNKNOWN),
        LinkProblem::Ended => (StatusCode::GONE, UNKNOWN),
        LinkProblem::Gone => (
            StatusCode::GONE,
            "The file was removed or changed since it was made. get_job has MiniMax's link.\n",
        ),
        LinkProblem::Records => {
            (StatusCode::SERVICE_UNAVAILABLE, "The records cannot be read now; try again.\n")
        }
        LinkProblem::Bucket => {
            (StatusCode::SERVICE_UNAVAILABLE, "The bucket with the file cannot be read now; try again.\n")
        }
    };
    (status, [(header::CACHE_CONTROL, "no-store")], text).into_response()
}

fn sent(linked: &Linked, name: &str, asked: &HeaderMap) -> Response {
    let Linked { record, content, .. } = linked;
    let etag = format!("\"{}\"", record.sha256);
    let (status, start, end) = match wanted(asked, &etag, record.bytes) {
        Wanted::Whole => (StatusCode::OK, 0, record.bytes),
        Wanted::Part(start, end) => (StatusCode::PARTIAL_CONTENT, start, end),
        Wanted::Nothing => return (StatusCode::NOT_MODIFIED, [(header::ETAG, etag)]).into_response(),
        Wanted::Missing => {
            let range = format!("bytes */{}", record.bytes);
            return (StatusCode::RANGE_NOT_SATISFIABLE, [(header::CONTENT_RANGE, range)]).into_response();
        }
    };
    let mut response = Body::from_stream(content.part(start, end)).into_response();
    *response.status_mut() = status;
    let headers = response.headers_mut();
    let mut set = |name: HeaderName, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    };
    set(header::CONTENT_LENGTH, &end.saturating_sub(start).to_string());
    set(header::ACCEPT_RANGES, "bytes");
    set(header::ETAG, &etag);
    if status == StatusCode::PARTIAL_CONTENT {
        set(header::CONTENT_RANGE, &format!("bytes {start}-{}/{}", end.saturating_sub(1), record.bytes));
    }
    // The type was detected from the bytes when the file was written, not from its name.
    set(header::CONTENT_TYPE, &record.mime_type);
    let name = record.path.file_name().and_then(|name| name.to_str()).unwrap_or(name);
    set(header::CONTENT_DISPOSITION, &disposition(name));
    // Browsers must never treat a result as a web page.
    set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(header::CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox");
    set(header::CACHE_CONTROL, "private, max-age=3600");
    response
}

/// The part of the file that the headers request (RFC 9110, sections 13 and 14). An invalid `Range`, or one with
/// several parts, gets the complete file.
fn wanted(asked: &HeaderMap, etag: &str, bytes: u64) -> Wanted {
    let text = |name: HeaderName| asked.get(name).and_then(|value| value.to_str().ok());
    let tags = text(header::IF_NONE_MATCH).unwrap_or_default().split(',').map(str::trim);
    if tags.map(|tag| tag.strip_prefix("W/").unwrap_or(tag)).any(|tag| tag == etag || tag == "*") {
        return Wanted::Nothing;
    }
    // A download can only resume if the file is still the same.
    let same = text(header::IF_RANGE).is_none_or(|tag| tag == etag);
    let ranges = text(header::RANGE).filter(|_| same).and_then(|range| parse_range_header(range).ok());
    let Some(ranges) = ranges else { return Wanted::Whole };
    match ranges.validate(bytes).as_deref() {
        Ok([one]) => Wanted::Part(*one.start(), one.end().saturating_add(1)),
        Ok(_) => Wanted::Whole,
        Err(_) => Wanted::Missing,
    }
}

/// The `Content-Disposition` of a file that a browser may show.
pub fn disposition(name: &str) -> String {
    let plain: String = name.chars().filter(|c| c.is_ascii_alphanumeric() || "-_.".contains(*c)).collect();
    let whole = percent_encoding::utf8_percent_encode(name, percent_encoding::NON_ALPHANUMERIC);
    format!("inline; filename=\"{plain}\"; filename*=UTF-8''{whole}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_gets_a_part_of_the_same_file_or_the_complete_file() {
        let ask = |headers: &[(HeaderName, &'static str)]| {
            let headers =
                headers.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect();
            wanted(&headers, "\"a\"", 100)
        };
        for (range, is) in [
            ("bytes=0-9", Wanted::Part(0, 10)),
            ("bytes=90-", Wanted::Part(90, 100)),
            ("bytes=-5", Wanted::Part(95, 100)),
            ("bytes=50-5000", Wanted::Part(50, 100)),
            ("bytes=100-", Wanted::Missing),
            ("bytes=0-9,20-29", Wanted::Whole),
            ("bytes=9-x", Wanted::Whole),
            ("lines=0-9", Wanted::Whole),
            ("", Wanted::Whole),
        ] {
            assert_eq!(ask(&[(header::RANGE, range)]), is, "{range}");
        }
        let part = (header::RANGE, "bytes=0-9");
        assert_eq!(ask(&[part.clone(), (header::IF_RANGE, "\"a\"")]), Wanted::Part(0, 10));
        for other in ["\"b\"", "W/\"a\"", "Sat, 01 Aug 2026 00:00:00 GMT"] {
            assert_eq!(ask(&[part.clone(), (header::IF_RANGE, other)]), Wanted::Whole, "{other}");
        }
        assert_eq!(ask(&[(header::IF_NONE_MATCH, "\"b\", W/\"a\"")]), Wanted::Nothing);
        assert_eq!(ask(&[(header::IF_NONE_MATCH, "\"b\"")]), Wanted::Whole);
    }
}

//! `/cdn/*`: the media files behind download links, as an object store serves them.

use std::io;
use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use sha2::{Digest, Sha256};
use tokio::io::{AsyncReadExt, AsyncSeekExt, SeekFrom};
use tokio_util::io::ReaderStream;

use crate::engine::state::AppState;

pub(crate) fn routes() -> Router<Arc<AppState>> {
    Router::new().route("/cdn/{name}", get(fetch))
}

async fn fetch(State(state): State<Arc<AppState>>, request: Request) -> Response {
    let name = request.uri().path().trim_start_matches("/cdn/").to_owned();
    let headers = request.headers();
    // Object stores reject a request with two kinds of credentials. A client that is rejected here leaks its key.
    if headers.contains_key(header::AUTHORIZATION) || headers.contains_key("x-api-key") {
        return xml(
            StatusCode::BAD_REQUEST,
            "InvalidArgument",
            "Only one auth mechanism allowed; send no key here.",
        );
    }
    if let Some(problem) = state.links.problem(&name, request.uri().query().unwrap_or_default()) {
        return xml(StatusCode::FORBIDDEN, problem, "The link is invalid or has expired.");
    }
    let missing = || xml(StatusCode::NOT_FOUND, "NoSuchKey", "There is no such file.");
    let Some(path) = state.store.media(&name) else { return missing() };
    match send(&path, headers).await {
        Ok(response) => response,
        Err(failure) if failure.kind() == io::ErrorKind::NotFound => missing(),
        Err(failure) => xml(StatusCode::INTERNAL_SERVER_ERROR, "InternalError", &failure.to_string()),
    }
}

/// Streams a file, or the requested range of it.
async fn send(path: &Path, headers: &HeaderMap) -> io::Result<Response> {
    let mut file = tokio::fs::File::open(path).await?;
    let whole = file.metadata().await?.len();
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    // Files are written once and never change, so the name identifies the content.
    let hash = data_encoding::HEXLOWER.encode(&Sha256::digest(name.as_bytes()));
    let etag = format!("\"{}\"", hash.get(..32).unwrap_or_default());
    let same = headers.get(header::IF_RANGE).is_none_or(|known| known.as_bytes() == etag.as_bytes());
    let asked = headers.get(header::RANGE).filter(|_| same).and_then(|range| range.to_str().ok());
    let common = [
        (header::CONTENT_TYPE, mime(&name).to_owned()),
        (header::ACCEPT_RANGES, "bytes".to_owned()),
        (header::ETAG, etag),
    ];
    match asked.map(|text| requested_range(text, whole)) {
        Some(Some(range)) => {
            let (first, last) = (*range.start(), *range.end());
            let length = last - first + 1;
            file.seek(SeekFrom::Start(first)).await?;
            let part = [
                (header::CONTENT_LENGTH, length.to_string()),
                (header::CONTENT_RANGE, format!("bytes {first}-{last}/{whole}")),
            ];
            let body = Body::from_stream(ReaderStream::new(file.take(length)));
            Ok((StatusCode::PARTIAL_CONTENT, common, part, body).into_response())
        }
        Some(None) => {
            let range = [(header::CONTENT_RANGE, format!("bytes */{whole}"))];
            Ok((StatusCode::RANGE_NOT_SATISFIABLE, range).into_response())
        }
        None => {
            let length = [(header::CONTENT_LENGTH, whole.to_string())];
            Ok((common, length, Body::from_stream(ReaderStream::new(file))).into_response())
        }
    }
}

/// The range in a `Range` header: `bytes=0-99`, `bytes=100-` or `bytes=-100`. `None` if it cannot be satisfied.
fn requested_range(range: &str, whole: u64) -> Option<RangeInclusive<u64>> {
    let (first, last) = range.strip_prefix("bytes=")?.split_once('-')?;
    let end = whole.checked_sub(1)?;
    let (first, last) = match (first.parse::<u64>(), last.parse::<u64>()) {
        (Ok(first), Ok(last)) => (first, last.min(end)),
        (Ok(first), Err(_)) if last.is_empty() => (first, end),
        (Err(_), Ok(length)) if first.is_empty() && length > 0 => (whole.saturating_sub(length), end),
        _ => return None,
    };
    (first <= last).then_some(first..=last)
}

/// The media type of a file of the sandbox, by its extension.
pub(crate) fn mime(name: &str) -> &'static str {
    match name.rsplit('.').next().unwrap_or_default().to_ascii_lowercase().as_str() {
        "jpg" | "jpeg" => "image/jpeg",
        "png" => "image/png",
        "webp" => "image/webp",
        "mp4" => "video/mp4",
        "mov" => "video/quicktime",
        "mp3" => "audio/mpeg",
        "wav" => "audio/wav",
        "flac" => "audio/flac",
        "opus" => "audio/ogg",
        "m4a" => "audio/mp4",
        "json" => "application/json",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

fn xml(status: StatusCode, code: &str, message: &str) -> Response {
    let error = format!("<Error><Code>{code}</Code><Message>{message}</Message></Error>");
    let body = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{error}\n");
    (status, [(header::CONTENT_TYPE, "application/xml")], body).into_response()
}

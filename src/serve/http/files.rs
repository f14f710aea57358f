//! `/files/{job}/{name}`: results for those who sit elsewhere. The link itself is the permission.

use axum::extract::{Path, Query, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use tower_http::services::ServeFile;

use crate::tools::Server;

/// What stands behind the question mark.
#[derive(Debug, Deserialize)]
pub struct Signed {
    expires: i64,
    signature: String,
}

/// The file, or the part of it that was asked for.
pub async fn file(
    State(server): State<Server>,
    Path((job, name)): Path<(String, String)>,
    Query(Signed { expires, signature }): Query<Signed>,
    request: Request,
) -> Response {
    let Some(file) = server.linked_file(&job, &name, expires, &signature).await else {
        let text = "This link has ended, or its file is gone. get_job gives a fresh link.\n";
        return (StatusCode::NOT_FOUND, text).into_response();
    };
    let response = ServeFile::new(&file.path).try_call(request).await;
    let Ok(mut response) = response.map(IntoResponse::into_response) else {
        return (StatusCode::NOT_FOUND, "The file is gone.\n").into_response();
    };
    let found = response.status().is_success();
    let headers = response.headers_mut();
    // By the bytes, as it was found out when the file was written, and not by its name.
    if let Some(mime) = HeaderValue::from_str(&file.mime_type).ok().filter(|_| found) {
        headers.insert(header::CONTENT_TYPE, mime);
    }
    let name = file.path.file_name().and_then(|name| name.to_str()).unwrap_or(&name);
    if let Ok(disposition) = HeaderValue::from_str(&disposition(name)) {
        headers.insert(header::CONTENT_DISPOSITION, disposition);
    }
    // A result is never a page, whatever it says it is.
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; sandbox"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, max-age=3600"));
    response
}

fn disposition(name: &str) -> String {
    let plain: String = name.chars().filter(|c| c.is_ascii_alphanumeric() || "-_.".contains(*c)).collect();
    let whole = percent_encoding::utf8_percent_encode(name, percent_encoding::NON_ALPHANUMERIC);
    format!("inline; filename=\"{plain}\"; filename*=UTF-8''{whole}")
}

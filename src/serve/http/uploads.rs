//! `/uploads`: receives files from remote callers, for use as media inputs.
//!
//! The body is streamed to disk. The upload stops as soon as it is too large, of a wrong type, or too slow.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::multipart::Field;
use axum::extract::{DefaultBodyLimit, Extension, Path, Query, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, post};
use axum::{Json, Router};
use futures_util::{Stream, StreamExt as _, TryStreamExt as _};
use percent_encoding::percent_decode_str;
use serde::Deserialize;

use super::form::{self, Form};
use crate::mcp::{Caller, CallerKey, Handed, Server, Unfit, UploadProblem};
use crate::media::input::uploads::Incoming;

/// The time limit for one upload, enough for the largest file on a slow connection. A stalled upload ends much earlier.
const LONGEST: Duration = Duration::from_mins(60);

/// The routes; none if uploads are off.
pub fn routes(server: &Server) -> Router {
    let Some(largest) = server.uploads().largest() else { return Router::new() };
    // Allow more than the largest file with its form, so that `form` and `receive` can report what was too large.
    let most = usize::try_from(largest).unwrap_or(usize::MAX).saturating_add(form::AROUND.saturating_mul(2));
    Router::new()
        .route("/uploads", post(receive).fallback(async || not_allowed("POST")))
        .route("/uploads/{id}/{name}", delete(forget).fallback(async || not_allowed("DELETE")))
        .layer(DefaultBodyLimit::max(most))
        .with_state(server.clone())
}

/// Explains how to upload, for a GET request.
fn not_allowed(method: &'static str) -> Response {
    let text = "POST a file to /uploads?name=NAME: curl --data-binary @FILE, or curl -F file=@FILE. The response has the \
                URI to use it by, and DELETE /uploads/ID/NAME removes it.\n";
    (StatusCode::METHOD_NOT_ALLOWED, [(header::ALLOW, method)], text).into_response()
}

/// The query of an upload.
#[derive(Debug, Deserialize)]
pub struct Named {
    name: Option<String>,
}

/// Why an upload was refused.
enum Problem {
    Kept(UploadProblem),
    /// The body ended early or is not a form.
    Body(StatusCode, String),
    NoFile,
}

impl From<form::Unfit> for Problem {
    fn from((status, text): form::Unfit) -> Self {
        Self::Body(status, text)
    }
}

impl From<UploadProblem> for Problem {
    fn from(problem: UploadProblem) -> Self {
        Self::Kept(problem)
    }
}

/// `POST /uploads`: accepts a file as the body or as a form field.
async fn receive(
    State(server): State<Server>,
    Extension(caller): Extension<Caller>,
    Query(Named { name }): Query<Named>,
    request: Request,
) -> Response {
    let kind = request.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let is_form = kind.is_some_and(|kind| kind.to_ascii_lowercase().starts_with("multipart/form-data"));
    // Files belong to the key. Without a key, no call could use the file.
    if let Some(CallerKey::Missing) = request.extensions().get() {
        let text =
            "Also send the key that pays for your calls: X-MiniMax-Api-Key: KEY. Uploads belong to it.\n";
        return (StatusCode::UNAUTHORIZED, text).into_response();
    }
    let taking = async {
        if is_form {
            of_form(&server, &caller, name, request).await
        } else {
            raw(&server, &caller, name, request).await
        }
    };
    let taken = tokio::time::timeout(LONGEST, taking).await;
    let late = || {
        let minutes = LONGEST.as_secs() / 60;
        Err(Problem::Body(
            StatusCode::REQUEST_TIMEOUT,
            format!("the file took longer than {minutes} minutes"),
        ))
    };
    match taken.unwrap_or_else(|_| late()) {
        Ok(handed) => (StatusCode::CREATED, Json(handed)).into_response(),
        Err(problem) => refused(problem),
    }
}

async fn raw(
    server: &Server,
    caller: &Caller,
    name: Option<String>,
    request: Request,
) -> Result<Handed, Problem> {
    let announced = length(request.headers());
    let name = name.or_else(|| named_by(request.headers())).unwrap_or_default();
    let broken = |error: axum::Error| {
        Problem::Body(StatusCode::REQUEST_TIMEOUT, format!("the file was cut off: {error}"))
    };
    let pieces = Body::into_data_stream(request.into_body()).map_err(broken);
    let incoming = written(server, caller, announced, pieces).await?;
    Ok(server.uploads().keep(caller, incoming, &name).await?)
}

async fn of_form(
    server: &Server,
    caller: &Caller,
    name: Option<String>,
    request: Request,
) -> Result<Handed, Problem> {
    // This is the length of the form. The file is slightly smaller.
    let announced = length(request.headers()).zip(server.uploads().largest());
    let announced = announced.map(|(whole, largest)| {
        let fits = whole.saturating_sub(form::AROUND as u64) <= largest;
        if fits { whole.min(largest) } else { whole }
    });
    let mut form = Form::of(request).await?;
    let (reasons, mut taken) = (form.reasons(), None);
    while let Some(field) = form.part().await? {
        let Some(file_name) = field.file_name().map(str::to_owned) else { continue };
        if taken.is_some() {
            return Err(Problem::Body(
                StatusCode::BAD_REQUEST,
                "a form must have exactly one file".to_owned(),
            ));
        }
        let pieces = futures_util::stream::try_unfold(field, async |mut field: Field<'_>| {
            Ok(field.chunk().await?.map(|piece| (piece, field)))
        });
        let pieces = pieces.map_err(|error| reasons(error).into());
        taken = Some((written(server, caller, announced, pieces).await?, file_name));
    }
    let Some((incoming, file_name)) = taken else { return Err(Problem::NoFile) };
    // Check the rest of the form too, before the file is kept.
    form.end().await?;
    Ok(server.uploads().keep(caller, incoming, &name.unwrap_or(file_name)).await?)
}

async fn written(
    server: &Server,
    caller: &Caller,
    announced: Option<u64>,
    pieces: impl Stream<Item = Result<Bytes, Problem>>,
) -> Result<Incoming, Problem> {
    let mut incoming = server.uploads().receive(caller, announced).await?;
    let mut pieces = std::pin::pin!(pieces);
    while let Some(piece) = pieces.next().await {
        incoming.write(&piece?).await?;
    }
    Ok(incoming)
}

/// `DELETE /uploads/{id}/{name}`. Another caller's upload looks the same as an unknown one.
async fn forget(
    State(server): State<Server>,
    Extension(caller): Extension<Caller>,
    Path((id, name)): Path<(String, String)>,
) -> Response {
    if server.uploads().remove(&caller, &id, &name).await {
        return StatusCode::NO_CONTENT.into_response();
    }
    (StatusCode::NOT_FOUND, "There is no such upload.\n").into_response()
}

/// The declared length of the body.
fn length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// The name in `Content-Disposition: attachment; filename="…"; filename*=UTF-8''…` (RFC 6266).
fn named_by(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::CONTENT_DISPOSITION)?.to_str().ok()?;
    let field = |wanted: &str| {
        let found = value.split(';').find_map(|part| part.trim().strip_prefix(wanted)?.strip_prefix('='))?;
        Some(found.trim().trim_matches('"'))
    };
    let encoded = field("filename*").and_then(|encoded| encoded.rsplit('\'').next());
    let encoded = encoded.map(|encoded| percent_decode_str(encoded).decode_utf8_lossy().into_owned());
    encoded.or_else(|| field("filename").map(str::to_owned))
}

fn refused(problem: Problem) -> Response {
    let (status, text) = match problem {
        Problem::Body(status, text) => (status, format!("Nothing was kept: {text}.")),
        Problem::NoFile => {
            let text = "The form has no field with a file; curl -F file=@FILE makes one.".to_owned();
            (StatusCode::BAD_REQUEST, text)
        }
        Problem::Kept(problem) => {
            let status = match &problem {
                UploadProblem::Unfit(Unfit::TooLarge { .. }) => StatusCode::PAYLOAD_TOO_LARGE,
                UploadProblem::Unfit(Unfit::Type { .. } | Unfit::Secret { .. }) => {
                    StatusCode::UNSUPPORTED_MEDIA_TYPE
                }
                UploadProblem::Unfit(_) => StatusCode::BAD_REQUEST,
                UploadProblem::Quota { .. } => StatusCode::TOO_MANY_REQUESTS,
                UploadProblem::NoRoom => StatusCode::INSUFFICIENT_STORAGE,
                UploadProblem::Failed(_) => StatusCode::INTERNAL_SERVER_ERROR,
            };
            if status.is_server_error() {
                tracing::error!(%problem, source = ?std::error::Error::source(&problem), "an upload was not kept");
            }
            (status, format!("Nothing was kept: {problem}.{}", advice(&problem)))
        }
    };
    (status, format!("{text}\n")).into_response()
}

/// What to do next, if the problem does not say so itself.
fn advice(problem: &UploadProblem) -> &'static str {
    match problem {
        UploadProblem::Unfit(Unfit::TooLarge { .. }) => {
            " The operator of this server can raise MINIMAX_MCP_UPLOAD_MAX_MB; a link to the file needs no upload."
        }
        UploadProblem::Quota { .. } => {
            " DELETE /uploads/ID/NAME removes one, and each is deleted automatically after a while; the operator can \
             raise MINIMAX_MCP_UPLOAD_TOTAL_MB."
        }
        UploadProblem::NoRoom | UploadProblem::Failed(_) => " The server's log has details.",
        UploadProblem::Unfit(_) => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_read_from_a_content_disposition() {
        let name = |value: &'static str| {
            let headers = [(header::CONTENT_DISPOSITION, value.parse().unwrap())].into_iter().collect();
            named_by(&headers)
        };
        assert_eq!(name("attachment; filename=\"a b.jpg\"").as_deref(), Some("a b.jpg"));
        assert_eq!(name("inline;filename=a.jpg").as_deref(), Some("a.jpg"));
        let both = "attachment; filename=\"f.jpg\"; filename*=UTF-8''f%C3%BC%27chs.jpg";
        assert_eq!(name(both).as_deref(), Some("fü'chs.jpg"));
        assert_eq!(name("attachment"), None);
    }
}

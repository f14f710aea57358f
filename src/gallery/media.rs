//! The files of jobs: unchanged, as thumbnails, and subtitles for players.

use axum::extract::{Extension, Path, RawQuery};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};

use super::drawing;
use super::form::Form;
use super::shown::{Shown, shown};
use super::subtitles::vtt_of_srt;
use super::visitor::Visitor;
use crate::jobs::{Job, JobFile, OnDisk};
use crate::mcp::Linked;
use crate::media::SubtitleFormat;
use crate::media::subtitle::convert;
use crate::serve::http::connections;
use crate::serve::http::files::{disposition, send};

/// The largest subtitles that are converted for a player, in bytes.
const LARGEST_SUBTITLES: u64 = 4 * 1024 * 1024;

/// The saved file of that name of the visitor's job.
async fn saved(visitor: &Visitor, job: &str, name: &str) -> Option<(Job, JobFile, OnDisk)> {
    let job = visitor.server.jobs().get(visitor.principal(), job).await.ok()??;
    let file = job.files.iter().find(|file| file.name == name)?.clone();
    let saved = file.saved.clone()?;
    Some((job, file, saved))
}

fn gone() -> Response {
    (StatusCode::NOT_FOUND, "There is no such file.\n").into_response()
}

/// `GET /gallery/media/{job}/{name}`: the file, or a range of it. With `?download` the browser saves it.
pub(super) async fn file(
    Extension(visitor): Extension<Visitor>,
    Path((job, name)): Path<(String, String)>,
    RawQuery(query): RawQuery,
    place: Option<Extension<connections::Place>>,
    headers: HeaderMap,
) -> Response {
    let Some((_, file, record)) = saved(&visitor, &job, &name).await else { return gone() };
    // Only an unchanged file is sent.
    let Ok(content) = visitor.server.intact(&record).await else { return gone() };
    let is_download = Form::read(query.unwrap_or_default().as_bytes()).get("download").is_some();
    let is_media = matches!(shown(&file), Shown::Image | Shown::Audio | Shown::Video);
    let on_disk = record.path.file_name().and_then(|name| name.to_str()).unwrap_or(&name).to_owned();
    let limited_as = visitor.server.caller().limited_as().to_owned();
    let mut response = send(&Linked { record, content, limited_as }, &name, &headers, place);
    if is_download || !is_media {
        let kept = disposition(&on_disk).replacen("inline", "attachment", 1);
        if let Ok(value) = HeaderValue::from_str(&kept) {
            response.headers_mut().insert(header::CONTENT_DISPOSITION, value);
        }
    }
    response
}

/// `GET /gallery/thumbnails/{job}/{name}`: a small picture of a file.
pub(super) async fn thumbnail(
    Extension(visitor): Extension<Visitor>,
    Path((job, name)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    let Some((_, file, record)) = saved(&visitor, &job, &name).await else { return gone() };
    let Some(format) = drawing::format(&file) else { return gone() };
    let tag = format!("\"{}\"", record.sha256);
    let fixed = [
        (header::ETAG, tag.clone()),
        (header::CACHE_CONTROL, "private, max-age=86400".to_owned()),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox".to_owned()),
    ];
    if headers.get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == tag.as_bytes()) {
        return (StatusCode::NOT_MODIFIED, fixed).into_response();
    }
    // Boxed, because the future is large.
    let drawing = Box::pin(drawing::draw(&visitor, &file, &record));
    match visitor.gallery.0.thumbnails.of(&record.sha256, format, drawing).await {
        Some(picture) => ([(header::CONTENT_TYPE, format.mime())], fixed, picture).into_response(),
        None => gone(),
    }
}

/// `GET /gallery/subtitles/{job}/{name}`: subtitles as WebVTT.
pub(super) async fn subtitles(
    Extension(visitor): Extension<Visitor>,
    Path((job, name)): Path<(String, String)>,
) -> Response {
    let Some((_, file, record)) = saved(&visitor, &job, &name).await else { return gone() };
    if shown(&file) != Shown::Subtitles || record.bytes > LARGEST_SUBTITLES {
        return gone();
    }
    let Ok(source) = visitor.server.intact(&record).await else { return gone() };
    let Some(content) = drawing::part(&source, 0..record.bytes).await else { return gone() };
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
    let vtt = match SubtitleFormat::of(extension) {
        Some(SubtitleFormat::Json) => convert(&content, SubtitleFormat::Vtt),
        Some(SubtitleFormat::Srt) => Some(vtt_of_srt(&String::from_utf8_lossy(&content))),
        Some(SubtitleFormat::Vtt) => Some(String::from_utf8_lossy(&content).into_owned()),
        None => None,
    };
    match vtt {
        Some(vtt) => ([(header::CONTENT_TYPE, "text/vtt; charset=utf-8")], vtt).into_response(),
        None => gone(),
    }
}

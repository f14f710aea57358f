//! `/v1/files/*` ("File upload", "File list", "File retrieve", "File retrieve content", "File delete").

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

use crate::endpoints::cdn::mime;
use crate::engine::blocking::run_blocking;
use crate::engine::clock::{HOUR, now};
use crate::engine::errors::{ApiError, ErrorFormat, success};
use crate::engine::field_rules::{Field, Kind, check, int, required, text};
use crate::engine::ids::{new_id, new_token};
use crate::engine::journal::{Entry, StoredFile};
use crate::engine::media_input;
use crate::engine::request::{Call, Form, Part};
use crate::engine::routes::Routes;
use crate::engine::state::AppState;

const MEGABYTE: usize = 1 << 20;
/// The maximum size of an upload request: 512 MB for a video to understand ("File upload"), and some room for the form.
pub(crate) const UPLOAD_LIMIT: usize = 512 * MEGABYTE + 4096;
const VIDEO_INPUT: &str = "video_generation_input";

/// The rules for uploads with a purpose ("File upload > purpose").
struct Purpose {
    name: &'static str,
    endings: &'static [&'static str],
    largest: usize,
}

const SPOKEN: &[&str] = &["mp3", "m4a", "wav"];
const PURPOSES: &[Purpose] = &[
    Purpose { name: "voice_clone", endings: SPOKEN, largest: 20 * MEGABYTE },
    Purpose { name: "prompt_audio", endings: SPOKEN, largest: 20 * MEGABYTE },
    Purpose { name: "t2a_async_input", endings: &["txt", "zip"], largest: 20 * MEGABYTE },
    Purpose { name: "video_understanding", endings: &["mp4", "avi", "mov", "mkv"], largest: 512 * MEGABYTE },
    Purpose {
        name: VIDEO_INPUT,
        endings: &["jpg", "jpeg", "png", "webp", "heic", "heif", "mp4", "mov", "wav", "mp3"],
        largest: 50 * MEGABYTE,
    },
];

/// Further purposes for listing and deleting files. `t2a_async` is another name for `t2a_async_input`.
const OTHER_PURPOSES: &[&str] = &["video_generation", "t2a_async"];

/// "File delete > Request".
const DELETE_FIELDS: &[Field] = &[
    required("file_id", Kind::Int { min: 1, max: i64::MAX }),
    required(
        "purpose",
        Kind::OneOf(&["voice_clone", "prompt_audio", "t2a_async", "t2a_async_input", "video_generation"]),
    ),
];

pub(crate) fn routes() -> Routes {
    Routes::new()
        .post("/v1/files/upload", upload)
        .get("/v1/files/list", list)
        .get("/v1/files/retrieve", retrieve)
        .get("/v1/files/retrieve_content", content)
        .post("/v1/files/delete", delete)
}

async fn upload(State(state): State<Arc<AppState>>, call: Call) -> Result<Json<Value>, ApiError> {
    let form = call.form.ok_or_else(|| ApiError::invalid("Content-Type must be multipart/form-data"))?;
    let (purpose, part) = read(form)?;
    let view = run_blocking(move || {
        let filename = part.filename.unwrap_or_default();
        let ending = filename.rsplit('.').next().unwrap_or_default().to_ascii_lowercase();
        let media = format!("upload-{}.{ending}", new_token());
        state.store.keep(&media, &part.bytes)?;
        let file = StoredFile {
            id: new_id(18),
            bytes: part.bytes.len() as u64,
            created_at: now().as_secs(),
            filename,
            purpose: purpose.to_owned(),
            media,
            result: false,
        };
        let view = shown(&file);
        state.store.add(&Entry::Uploaded(file))?;
        Ok(view)
    })
    .await?;
    Ok(Json(json!({"file": view, "base_resp": success()})))
}

/// Extracts purpose and file from the form, and checks the file against its purpose.
fn read(form: Form) -> Result<(&'static str, Part), ApiError> {
    let mut purpose = None;
    let mut file = None;
    for part in form.0 {
        match part.name.as_str() {
            "purpose" if purpose.is_none() => purpose = Some(part),
            "file" if file.is_none() => file = Some(part),
            other => return Err(ApiError::invalid(format_args!("unknown or repeated form field {other}"))),
        }
    }
    let purpose = purpose.ok_or_else(|| ApiError::invalid("purpose is required"))?;
    let file = file.ok_or_else(|| ApiError::invalid("file is required"))?;
    let row = PURPOSES.iter().find(|row| row.name.as_bytes() == &*purpose.bytes);
    let row = row.ok_or_else(|| {
        let names: Vec<_> = PURPOSES.iter().map(|row| row.name).collect();
        ApiError::invalid(format_args!("purpose must be one of {}", names.join(", ")))
    })?;
    let name = file.filename.as_deref().ok_or_else(|| ApiError::invalid("file needs a file name"))?;
    let problem = row.problem(name, &file.bytes);
    match problem.map(|problem| ApiError::invalid(format_args!("file {problem}"))) {
        // The only purpose whose violations have HTTP status 400 ("File upload > video_generation_input").
        Some(error) if row.name == VIDEO_INPUT => Err(error.in_format(ErrorFormat::Envelope)),
        Some(error) => Err(error),
        None => Ok((row.name, file)),
    }
}

impl Purpose {
    /// Why a file is not allowed for this purpose; `None` if it is.
    fn problem(&self, name: &str, bytes: &[u8]) -> Option<String> {
        let ending = name.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase()).unwrap_or_default();
        if !self.endings.contains(&ending.as_str()) {
            return Some(format!("{name:?} must end in one of {}", self.endings.join(", ")));
        }
        if bytes.is_empty() {
            return Some("is empty".to_owned());
        }
        if bytes.len() > self.largest {
            return Some(format!("has {} bytes; the limit is {}", bytes.len(), self.largest));
        }
        if self.name != VIDEO_INPUT {
            return None;
        }
        let rules = match ending.as_str() {
            "mp4" | "mov" => &media_input::VIDEO_V2,
            "wav" | "mp3" => &media_input::AUDIO_V2,
            _ => &media_input::IMAGE_V2,
        };
        media_input::examine(bytes, rules).err()
    }
}

/// A file as the API shows it. Results have 0 bytes, as in the documentation.
fn shown(file: &StoredFile) -> Map<String, Value> {
    let fields = [
        ("file_id", json!(file.id)),
        ("bytes", json!(if file.result { 0 } else { file.bytes })),
        ("created_at", json!(file.created_at)),
        ("filename", json!(file.filename)),
        ("purpose", json!(file.purpose)),
    ];
    fields.map(|(name, value)| (name.to_owned(), value)).into_iter().collect()
}

fn same_purpose(file: &StoredFile, purpose: &str) -> bool {
    file.purpose == if purpose == "t2a_async" { "t2a_async_input" } else { purpose }
}

async fn list(State(state): State<Arc<AppState>>, call: Call) -> Result<Json<Value>, ApiError> {
    let purpose = call.only("purpose")?;
    if !PURPOSES.iter().any(|row| row.name == purpose) && !OTHER_PURPOSES.contains(&purpose) {
        return Err(ApiError::invalid(format_args!("purpose {purpose:?} is not known")));
    }
    let files = state.store.files();
    let views: Vec<_> = files.iter().filter(|file| same_purpose(file, purpose)).map(shown).collect();
    Ok(Json(json!({"files": views, "base_resp": success()})))
}

/// The file that the query names.
fn named(state: &AppState, call: &Call) -> Result<StoredFile, ApiError> {
    let id = call.only("file_id")?;
    let id: i64 =
        id.parse().map_err(|_| ApiError::invalid(format_args!("file_id {id:?} must be a number")))?;
    state.store.file(id).ok_or_else(|| missing(id))
}

fn missing(id: i64) -> ApiError {
    ApiError::invalid(format_args!("file_id {id} does not exist"))
}

async fn retrieve(State(state): State<Arc<AppState>>, call: Call) -> Result<Json<Value>, ApiError> {
    let file = named(&state, &call)?;
    let mut view = shown(&file);
    if file.result {
        // "T2A async > Result": nine hours; "Video generation > Download": one.
        let hours = if file.purpose == "t2a_async_input" { 9 } else { 1 };
        view.insert("download_url".into(), json!(state.link(&file.media, hours * HOUR)));
    }
    Ok(Json(json!({"file": view, "base_resp": success()})))
}

async fn content(State(state): State<Arc<AppState>>, call: Call) -> Result<Response, ApiError> {
    let file = named(&state, &call)?;
    let path = state.store.media(&file.media).unwrap_or_default();
    let bytes = tokio::fs::read(path).await?;
    Ok(([(header::CONTENT_TYPE, mime(&file.media))], bytes).into_response())
}

async fn delete(State(state): State<Arc<AppState>>, call: Call) -> Result<Json<Value>, ApiError> {
    let body: Map<String, Value> = call.json()?;
    check(&body, DELETE_FIELDS)?;
    let id = int(&body, "file_id", 0);
    let file = state.store.file(id).ok_or_else(|| missing(id))?;
    if !same_purpose(&file, text(&body, "purpose")) {
        return Err(ApiError::invalid(format_args!("purpose: file {id} is for {}", file.purpose)));
    }
    state.store.add(&Entry::FileDeleted(id))?;
    Ok(Json(json!({"file_id": id, "base_resp": success()})))
}

//! `POST /v1/t2a_async_v2` and its query ("T2A async").

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use serde_json::{Map, Value, json};

use crate::endpoints::speech::fields::{ANY_TEXTS, LANGUAGES, MODELS, MODIFY, VOICE, check_combinations};
use crate::endpoints::speech::synthesis::{extra_info, invisible_ratio, setting, subtitles, synthesize};
use crate::engine::blocking::run_blocking;
use crate::engine::clock::now;
use crate::engine::errors::{ApiError, INVISIBLE, success};
use crate::engine::field_rules::{Field, Kind, check, int, optional, reject_sensitive, required, text};
use crate::engine::ids::{new_id, new_token};
use crate::engine::journal::{Entry, StoredFile};
use crate::engine::lock::lock;
use crate::engine::request::Call;
use crate::engine::routes::Routes;
use crate::engine::state::AppState;
use crate::engine::tasks::{Kind as TaskKind, Outcome, Stage, Task};
use crate::media::sound::Format;

/// "T2A async > Request": like T2A v2, but some fields have other names.
const FIELDS: &[Field] = &[
    required("model", Kind::OneOf(MODELS)),
    optional("text", Kind::Text { min: 1, max: 50_000 }),
    optional("text_file_id", Kind::Int { min: 1, max: i64::MAX }),
    required("voice_setting", Kind::Object(VOICE)),
    optional("audio_setting", Kind::Object(AUDIO)),
    optional("pronunciation_dict", Kind::Object(&[optional("tone", ANY_TEXTS)])),
    optional("language_boost", Kind::OneOfOrNull(LANGUAGES)),
    optional("voice_modify", Kind::Object(MODIFY)),
    optional("aigc_watermark", Kind::Bool),
];
const AUDIO: &[Field] = &[
    optional(
        "audio_sample_rate",
        Kind::IntOf(&[8000, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000]),
    ),
    optional("bitrate", Kind::IntOf(&[32_000, 64_000, 128_000, 256_000])),
    optional("format", Kind::OneOf(&["mp3", "pcm", "flac", "wav", "pcmu_raw", "pcmu_wav", "opus"])),
    optional("channel", Kind::IntOf(&[1, 2])),
];
const OPUS_RATES: &[i64] = &[8000, 12_000, 16_000, 24_000, 48_000];
const ONLY_OPUS_RATES: &[i64] = &[12_000, 48_000];

/// The sound covers only this many characters, because hours of sound would take minutes to encode.
const LONGEST: usize = 600;
/// "T2A async > Query": queries per second.
const QUERIES: usize = 10;
/// An uploaded text must have fewer characters than this ("File upload > t2a_async_input").
const FILE_LIMIT: usize = 1_000_000;

pub(crate) fn routes() -> Routes {
    Routes::new().post("/v1/t2a_async_v2", submit).get("/v1/query/t2a_async_query_v2", query)
}

async fn submit(State(state): State<Arc<AppState>>, call: Call) -> Result<Json<Value>, ApiError> {
    let mut body = call.json()?;
    check(&body, FIELDS)?;
    let spoken = requested_text(&state, &body)?;
    body.insert("text".into(), json!(spoken));
    check_combinations(&body)?;
    rates(&body)?;
    reject_sensitive(&spoken)?;
    if invisible_ratio(&spoken) > 0.1 {
        return Err(ApiError::of(INVISIBLE));
    }
    let bill = call.bill();
    let answer = run_blocking(move || {
        let (id, file_id) = (new_id(14), new_id(14));
        let (outcome, file, characters) = make(&state, &body, file_id)?;
        let task = Task::new(id.to_string(), TaskKind::Speech, Map::new(), outcome);
        let entry = Entry::paid(bill, Some(task), file);
        state.store.add(&entry)?;
        Ok(json!({
            "task_id": id,
            "task_token": new_token(),
            "file_id": file_id,
            "usage_characters": characters,
            "base_resp": success(),
        }))
    })
    .await?;
    Ok(Json(answer))
}

/// The text, either from the body or from the uploaded file that it names.
fn requested_text(state: &AppState, body: &Map<String, Value>) -> Result<String, ApiError> {
    match (body.contains_key("text"), body.contains_key("text_file_id")) {
        (true, false) => return Ok(text(body, "text").to_owned()),
        (false, true) => {}
        _ => return Err(ApiError::invalid("exactly one of text and text_file_id is required")),
    }
    let id = int(body, "text_file_id", 0);
    let file = state.store.file(id).filter(|file| file.purpose == "t2a_async_input" && !file.result);
    let file = file.ok_or_else(|| {
        ApiError::invalid(format_args!("text_file_id {id} is not a file for t2a_async_input"))
    })?;
    let bytes = std::fs::read(state.store.media(&file.media).unwrap_or_default())?;
    if file.media.ends_with("zip") {
        return Ok(format!("The archive {} would be read here.", file.filename));
    }
    let text =
        String::from_utf8(bytes).map_err(|_| ApiError::invalid("text_file_id: the file is not UTF-8"))?;
    match text.chars().count() {
        1..FILE_LIMIT => Ok(text),
        count => Err(ApiError::invalid(format_args!("text_file_id: the file has {count} characters"))),
    }
}

/// "T2A async > audio_sample_rate": Opus supports different rates.
fn rates(body: &Map<String, Value>) -> Result<(), ApiError> {
    let empty = Map::new();
    let audio = body.get("audio_setting").and_then(Value::as_object).unwrap_or(&empty);
    let rate = int(audio, "audio_sample_rate", 32_000);
    let fits = match text(audio, "format") {
        "opus" => OPUS_RATES.contains(&rate),
        _ => !ONLY_OPUS_RATES.contains(&rate),
    };
    if fits {
        Ok(())
    } else {
        Err(ApiError::invalid("audio_setting.audio_sample_rate does not suit the format"))
    }
}

/// Makes the result: a tar file with the sound, its subtitles and its description.
fn make(
    state: &AppState,
    body: &Map<String, Value>,
    file_id: i64,
) -> Result<(Outcome, Option<StoredFile>, Value), ApiError> {
    let spoken = text(body, "text");
    let mut setting = setting(body);
    let empty = Map::new();
    let audio = body.get("audio_setting").and_then(Value::as_object).unwrap_or(&empty);
    setting.rate = u32::try_from(int(audio, "audio_sample_rate", 32_000)).unwrap_or(32_000);
    setting.channels = u16::try_from(int(audio, "channel", 2)).unwrap_or(2);
    let mut short = body.clone();
    short.insert("text".into(), json!(spoken.chars().take(LONGEST).collect::<String>()));
    let sound = synthesize(&short, setting)?;
    let extra = extra_info(body, setting, &sound);
    let characters = extra.get("usage_characters").cloned().unwrap_or_default();
    let failed = |message: &str| Outcome::Failed { code: 1000, message: message.to_owned() };
    if spoken.contains("#failtask") {
        return Ok((failed("Failed"), None, characters));
    }
    if spoken.contains("#expiretask") {
        return Ok((failed("Expired"), None, characters));
    }
    let ending = if setting.format == Format::Opus { "opus" } else { setting.format.ending() };
    let lines = subtitles(spoken, sound.milliseconds).to_string();
    let entries: [(&str, &[u8]); 3] =
        [(ending, &sound.bytes), ("titles", lines.as_bytes()), ("extra", &extra.to_string().into_bytes())];
    let bytes = packed(file_id, &entries)?;
    let media = format!("speech-{file_id}.tar");
    state.store.keep(&media, &bytes)?;
    let file = StoredFile {
        id: file_id,
        bytes: bytes.len() as u64,
        created_at: now().as_secs(),
        filename: format!("{file_id}.tar"),
        purpose: "t2a_async_input".to_owned(),
        media: media.clone(),
        result: true,
    };
    let outcome = Outcome::Made { media, file_id: Some(file_id), width: 0, height: 0 };
    Ok((outcome, Some(file), characters))
}

fn packed(id: i64, entries: &[(&str, &[u8])]) -> io::Result<Vec<u8>> {
    let mut archive = tar::Builder::new(Vec::new());
    for (ending, bytes) in entries {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        archive.append_data(&mut header, format!("{id}/{id}.{ending}"), *bytes)?;
    }
    archive.into_inner()
}

async fn query(State(state): State<Arc<AppState>>, call: Call) -> Result<Json<Value>, ApiError> {
    let id = call.only("task_id")?;
    if too_many(&state) {
        return Err(ApiError::of(1002));
    }
    let task = state.task(id, TaskKind::Speech).ok_or_else(ApiError::unknown_task)?;
    let (status, file_id) = match (state.poll(&task)?, &task.outcome) {
        (Stage::Waiting(_), _) => ("Processing", None),
        (_, Outcome::Failed { message, .. }) => (message.as_str(), None),
        (_, Outcome::Made { file_id, .. }) => ("Success", *file_id),
        // Speech tasks have no text results.
        (_, Outcome::Written { .. }) => ("Failed", None),
    };
    let number = id.parse::<i64>().unwrap_or_default();
    let mut answer = json!({"task_id": number, "status": status, "base_resp": success()});
    if let (Some(file_id), Some(fields)) = (file_id, answer.as_object_mut()) {
        fields.insert("file_id".into(), json!(file_id));
    }
    Ok(Json(answer))
}

fn too_many(state: &AppState) -> bool {
    let mut asked = lock(&state.speech_queries);
    let now = now();
    asked.retain(|at| now.saturating_sub(*at) < Duration::from_secs(1));
    asked.push(now);
    asked.len() > QUERIES
}

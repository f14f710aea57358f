//! `/v2/video_generation`, its queries and its deletion ("Video generation V2", "MiniMax-H3").

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use serde_json::{Map, Value, json};

use crate::endpoints::video::base_video;
use crate::endpoints::video::content::{Content, ITEM};
use crate::endpoints::video::render::VideoSpec;
use crate::endpoints::video::v2_tasks::{fields_of, find, frames, is_recent, record};
use crate::engine::blocking::run_blocking;
use crate::engine::clock::{HOUR, now};
use crate::engine::errors::ApiError;
use crate::engine::field_rules::{Field, Kind, TEXT, check, int, optional, reject_sensitive, required, text};
use crate::engine::ids::new_id;
use crate::engine::journal::Entry;
use crate::engine::request::Call;
use crate::engine::routes::Routes;
use crate::engine::state::AppState;
use crate::engine::tasks::{Kind as TaskKind, Outcome, Stage, Task};
use crate::engine::{media_input, request_log};

/// "Video generation V2 > Request".
const FIELDS: &[Field] = &[
    required("model", TEXT),
    required("content", Kind::List { min: 1, max: 13, item: &Kind::Object(ITEM) }),
    required("resolution", Kind::OneOf(&["480P", "768P", "2K"])),
    required("duration", Kind::Int { min: 1, max: 60 }),
    optional("ratio", Kind::OneOf(&["adaptive", "21:9", "16:9", "4:3", "1:1", "3:4", "9:16"])),
    optional("extra", Kind::Object(EXTRA)),
    optional("callback_url", TEXT),
    optional("aigc_watermark", Kind::Bool),
];
const EXTRA: &[Field] =
    &[optional("prompt_expansion_mode", Kind::OneOf(&["disabled", "balanced", "quality"]))];

/// The offer of a model ("MiniMax-H3").
struct Offer {
    model: &'static str,
    resolutions: &'static [&'static str],
    /// The minimum duration in seconds; see [`LONGEST`] for the maximum.
    shortest: i64,
    /// Whether `extra` is accepted.
    extra: bool,
    /// Whether the ratio may be adaptive with references.
    adaptive_references: bool,
}

const LONGEST: i64 = 15;
const OFFERS: &[Offer] = &[
    Offer {
        model: "MiniMax-H3",
        resolutions: &["768P", "2K"],
        shortest: 4,
        extra: false,
        adaptive_references: true,
    },
    Offer {
        model: "MiniMax-H3-Max",
        resolutions: &["480P", "768P"],
        shortest: 5,
        extra: true,
        adaptive_references: true,
    },
    Offer {
        model: "MiniMax-H3-Highspeed",
        resolutions: &["768P"],
        shortest: 4,
        extra: false,
        adaptive_references: true,
    },
    Offer {
        model: "MiniMax-H3-Lite",
        resolutions: &["480P", "768P"],
        shortest: 4,
        extra: false,
        adaptive_references: false,
    },
];

pub(crate) fn routes() -> Routes {
    Routes::new()
        .post("/v2/video_generation", submit)
        .delete("/v2/video_generation/{task_id}", remove)
        .get("/v2/query/video_generation", list)
        .get("/v2/query/video_generation/{task_id}", query)
}

async fn submit(State(state): State<Arc<AppState>>, call: Call) -> Result<Json<Value>, ApiError> {
    let body = call.json()?;
    check(&body, FIELDS)?;
    let content = Content::read(&body)?;
    check_combinations(&body, &content)?;
    reject_sensitive(&content.prompt)?;
    let bill = call.bill();
    let id = run_blocking(move || accept(&content, &state, &body, bill)).await?;
    Ok(Json(json!({"task_id": id})))
}

/// Checks the media, draws the video and records the task. Returns its id.
fn accept(
    content: &Content,
    state: &AppState,
    body: &Map<String, Value>,
    bill: request_log::Request,
) -> Result<String, ApiError> {
    let pictures = |field: &str, urls: &[String]| {
        let decoded: Result<Vec<_>, _> =
            urls.iter().map(|url| media_input::picture(state, field, url, &media_input::IMAGE_V2)).collect();
        decoded.map(|pictures| pictures.into_iter().flatten().next())
    };
    let first = pictures("content: first_frame", &content.first)?;
    let last = pictures("content: last_frame", &content.last)?;
    let reference = pictures("content: reference_image", &content.images)?;
    for url in &content.videos {
        media_input::media(state, "content: reference_video", url, &media_input::VIDEO_V2)?;
    }
    for url in &content.audios {
        media_input::media(state, "content: reference_audio", url, &media_input::AUDIO_V2)?;
    }
    let id = new_id(15).to_string();
    let ratio = if content.has_frames() { "adaptive" } else { text(body, "ratio") };
    let outcome = if content.prompt.contains("#failtask") {
        Outcome::sensitive_output()
    } else {
        let shape = first.as_ref().or(last.as_ref()).or(reference.as_ref());
        let size = size(text(body, "resolution"), ratio, shape.map(|shape| (shape.width(), shape.height())));
        let frames = frames(int(body, "duration", 5));
        let video = VideoSpec { size, prompt: &content.prompt, first, last, reference, frames, sound: true };
        let (media, _) = video.make(state, &format!("video-{id}.mp4"))?;
        Outcome::Made { media, file_id: None, width: size.0, height: size.1 }
    };
    let mut request = fields_of(body, &["model", "resolution", "duration", "ratio"]);
    request.insert(
        "input_image_count".into(),
        json!(content.first.len() + content.last.len() + content.images.len()),
    );
    request.insert("input_seconds".into(), json!(base_video::seconds(state, &content.videos)));
    record(state, bill, id, request, outcome)
}

/// Rules that the field table cannot express.
fn check_combinations(body: &Map<String, Value>, content: &Content) -> Result<(), ApiError> {
    let (model, resolution) = (text(body, "model"), text(body, "resolution"));
    let (duration, ratio) = (int(body, "duration", 0), text(body, "ratio"));
    let offer = OFFERS.iter().find(|offer| offer.model == model);
    let offer = offer.ok_or_else(|| ApiError::invalid(format_args!("model {model:?} is not known")))?;
    let open = matches!(ratio, "" | "adaptive");
    let problem = if !offer.resolutions.contains(&resolution) {
        format!("resolution must be one of {} for {model}", offer.resolutions.join(", "))
    } else if !(offer.shortest..=LONGEST).contains(&duration) {
        format!("duration must be {} to {LONGEST} for {model}", offer.shortest)
    } else if body.contains_key("extra") && !offer.extra {
        format!("extra is not for {model}")
    } else if content.has_frames() || !open {
        return Ok(());
    } else if !content.has_references() {
        "ratio is required without images, and must not be adaptive".to_owned()
    } else if offer.adaptive_references {
        return Ok(());
    } else {
        format!("ratio is required by {model} with references, and must not be adaptive")
    };
    Err(ApiError::invalid(problem))
}

/// The size of a video: the shorter side is nominal, and both are multiples of 32 ("Video regeneration").
fn size(resolution: &str, ratio: &str, shape: Option<(u32, u32)>) -> (u32, u32) {
    let short: u32 = match resolution {
        "480P" => 480,
        "2K" => 1440,
        _ => 768,
    };
    let named =
        ratio.split_once(':').and_then(|(width, height)| Some((width.parse().ok()?, height.parse().ok()?)));
    let (width, height): (u32, u32) = named.or(shape).unwrap_or((16, 9));
    let long = |side: u32, other: u32| (short * side / other.max(1) / 32 * 32).max(32);
    if width >= height { (long(width, height), short) } else { (short, long(height, width)) }
}

async fn query(
    State(state): State<Arc<AppState>>,
    Path(id): Path<String>,
    call: Call,
) -> Result<Json<Value>, ApiError> {
    call.query(&[])?;
    let task = find(&state, &id)?;
    let progress = state.poll(&task)?;
    Ok(Json(json!({"task": shown(&state, &task, progress)})))
}

fn status(task: &Task, progress: Stage) -> &'static str {
    match (progress, &task.outcome) {
        (Stage::Cancelled, _) => "cancelled",
        (Stage::Waiting(0), _) => "queued",
        (Stage::Waiting(_), _) => "running",
        (Stage::Done, Outcome::Failed { .. }) => "failed",
        (Stage::Done, Outcome::Made { .. } | Outcome::Written { .. }) => "succeeded",
    }
}

/// A task as the queries show it ("Query video generation V2 > task").
fn shown(state: &AppState, task: &Task, progress: Stage) -> Value {
    let mut view = Map::new();
    let mut put = |name: &str, value: Value| view.insert(name.to_owned(), value);
    let field = |name: &str| task.request.get(name).cloned().unwrap_or_default();
    put("id", json!(task.id));
    put("model", field("model"));
    put("status", json!(status(task, progress)));
    put("created_at", json!(task.created_ms / 1000));
    let updated =
        if matches!(progress, Stage::Waiting(0)) { task.created_ms / 1000 } else { now().as_secs() };
    put("updated_at", json!(updated));
    let mut usage = json!({});
    match (progress, &task.outcome) {
        (Stage::Done, Outcome::Failed { code, message }) => {
            put("error", json!({"code": code.to_string(), "message": message}));
        }
        (Stage::Done, Outcome::Made { media, .. }) => {
            put("content", json!({"url": state.link(media, 24 * HOUR)}));
            let seconds = |name: &str| field(name).as_u64().unwrap_or_default();
            let (input, output) = (seconds("input_seconds"), seconds("duration"));
            usage = json!({
                "total_seconds": input + output,
                "input_seconds": input,
                "output_seconds": output,
                "input_image_count": field("input_image_count"),
            });
        }
        (Stage::Done, Outcome::Written { text, prompt_tokens, completion_tokens }) => {
            put("content", json!({"prompt": text}));
            usage = json!({
                "total_tokens": prompt_tokens + completion_tokens,
                "prompt_tokens": prompt_tokens,
                "completion_tokens": completion_tokens,
            });
        }
        (Stage::Waiting(_) | Stage::Cancelled, _) => {}
    }
    // Text results have no resolution.
    if task.request.contains_key("resolution") {
        put("resolution", field("resolution"));
    }
    put("duration", field("duration"));
    put("usage", usage);
    // An adaptive ratio is shown as an empty string.
    let ratio = field("ratio");
    put("ratio", if ratio.is_null() || ratio == "adaptive" { json!("") } else { ratio });
    let kind = task_type(task);
    put("task_type", json!(kind));
    put("modality", json!(if kind == "h3_context_ir" { "text" } else { "video" }));
    Value::Object(view)
}

fn task_type(task: &Task) -> &str {
    match text(&task.request, "task_type") {
        "" => "generation",
        other => other,
    }
}

/// "List video generation V2".
async fn list(State(state): State<Arc<AppState>>, call: Call) -> Result<Json<Value>, ApiError> {
    let query = call.query(&[
        "page_num",
        "page_size",
        "filter.status",
        "filter.task_ids",
        "filter.model",
        "filter.task_type",
    ])?;
    let number = |name: &str, otherwise: usize| match query.iter().find(|(key, _)| key == name) {
        Some((_, value)) => value
            .parse()
            .ok()
            .filter(|number| *number > 0)
            .ok_or_else(|| ApiError::invalid(format_args!("{name} must be a number above 0"))),
        None => Ok(otherwise),
    };
    let (page, size) = (number("page_num", 1)?, number("page_size", 20)?);
    let passes = |name: &str, value: &str| {
        let mut wanted = query.iter().filter(|(key, _)| key == name).peekable();
        wanted.peek().is_none() || wanted.any(|(_, filter)| filter == value)
    };
    let mut found = Vec::new();
    for task in state.store.tasks().iter().filter(|task| task.kind == TaskKind::VideoV2 && is_recent(task)) {
        let progress = state.stage(task);
        let fits = passes("filter.status", status(task, progress))
            && passes("filter.task_ids", &task.id)
            && passes("filter.model", text(&task.request, "model"))
            && passes("filter.task_type", task_type(task));
        if fits {
            found.push(task.clone());
        }
    }
    let start = (page - 1).saturating_mul(size);
    let shown = found.iter().skip(start).take(size).map(|task| Ok(shown(&state, task, state.poll(task)?)));
    let items: Vec<Value> = shown.collect::<Result<_, ApiError>>()?;
    Ok(Json(json!({"items": items, "total": found.len()})))
}

/// "Cancel or delete video generation V2": a queued task is cancelled and a finished one deleted; anything else is an
/// error.
async fn remove(
    State(state): State<Arc<AppState>>,
    Path(id): Path<String>,
    call: Call,
) -> Result<Json<Value>, ApiError> {
    call.query(&[])?;
    let task = find(&state, &id)?;
    let progress = state.stage(&task);
    let (action, status, entry) = match progress {
        Stage::Waiting(0) => ("cancelled", "cancelled", Entry::Cancelled(id.clone())),
        Stage::Done => ("deleted", status(&task, progress), Entry::TaskDeleted(id.clone())),
        Stage::Waiting(_) | Stage::Cancelled => {
            let problem =
                format!("task is {}, it can be neither cancelled nor deleted", status(&task, progress));
            return Err(ApiError::invalid(problem));
        }
    };
    state.store.add(&entry)?;
    Ok(Json(json!({"task_id": id, "action": action, "status": status})))
}

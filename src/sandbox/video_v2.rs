//! `/v2/video_generation`, its queries and its deletion ("Video generation V2", "MiniMax-H3").

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use serde_json::{Map, Value, json};

use super::answer::{INVALID, Refusal};
use super::call::Call;
use super::check::{Field, Kind, TEXT, check, decent, int, optional, required, text};
use super::content::{Content, ITEM};
use super::input;
use super::link::HOUR;
use super::media::clip::FRAMES_PER_SECOND;
use super::platform::{Platform, aside, new_id, now};
use super::record;
use super::store::Entry;
use super::task::{Kind as TaskKind, Outcome, Stage, Task};
use super::video::{Film, failure, new_task};

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
/// What a model offers ("MiniMax-H3").
struct Offer {
    model: &'static str,
    resolutions: &'static [&'static str],
    /// The shortest film in seconds; the longest has 15.
    shortest: i64,
    /// Whether `extra` is understood.
    extra: bool,
    /// Whether references may leave the ratio open.
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

/// Tasks can be asked for this long, in milliseconds: seven days ("Query video generation V2").
const MEMORY_MS: u64 = 7 * 24 * 3600 * 1000;

pub(super) fn routes() -> Router<Arc<Platform>> {
    Router::new()
        .route("/v2/video_generation", post(submit))
        .route("/v2/video_generation/{task_id}", delete(remove))
        .route("/v2/query/video_generation", get(list))
        .route("/v2/query/video_generation/{task_id}", get(query))
}

async fn submit(State(platform): State<Arc<Platform>>, call: Call) -> Result<Json<Value>, Refusal> {
    let body = call.json()?;
    check(&body, FIELDS)?;
    let content = Content::read(&body)?;
    combine(&body, &content)?;
    decent(&content.prompt)?;
    let bill = call.bill();
    let id = aside(move || content.accept(&platform, &body, bill)).await?;
    Ok(Json(json!({"task_id": id})))
}

impl Content {
    /// Looks at the media, makes the film and writes the task down. Returns its id.
    fn accept(
        &self,
        platform: &Platform,
        body: &Map<String, Value>,
        bill: record::Request,
    ) -> Result<String, Refusal> {
        let pictures = |field: &str, urls: &[String]| {
            let decoded: Result<Vec<_>, _> =
                urls.iter().map(|url| input::picture(platform, field, url, &input::IMAGE_V2)).collect();
            decoded.map(|pictures| pictures.into_iter().flatten().next())
        };
        let first = pictures("content: first_frame", &self.first)?;
        let last = pictures("content: last_frame", &self.last)?;
        let reference = pictures("content: reference_image", &self.images)?;
        for url in &self.videos {
            input::media(platform, "content: reference_video", url, &input::VIDEO_V2)?;
        }
        for url in &self.audios {
            input::media(platform, "content: reference_audio", url, &input::AUDIO_V2)?;
        }
        let id = new_id(15).to_string();
        let ratio = if self.has_frames() { "adaptive" } else { text(body, "ratio") };
        let outcome = if self.prompt.contains("#failtask") {
            failure()
        } else {
            let shape = first.as_ref().or(last.as_ref()).or(reference.as_ref());
            let size =
                size(text(body, "resolution"), ratio, shape.map(|shape| (shape.width(), shape.height())));
            let frames = frames(int(body, "duration", 5));
            let film = Film { size, prompt: &self.prompt, first, last, reference, frames, sound: true };
            let (media, _) = film.make(platform, &format!("video-{id}.mp4"))?;
            Outcome::Made { media, file_id: None, width: size.0, height: size.1 }
        };
        let repeated = ["model", "resolution", "duration", "ratio"];
        let mut request: Map<String, Value> =
            repeated.iter().filter_map(|name| Some(((*name).to_owned(), body.get(*name)?.clone()))).collect();
        request.insert(
            "input_image_count".into(),
            json!(self.first.len() + self.last.len() + self.images.len()),
        );
        let task = new_task(id.clone(), TaskKind::VideoV2, request, outcome);
        let entry = Entry::paid(bill, Some(task), None);
        platform.store.add(&entry)?;
        Ok(id)
    }
}

/// What the field table cannot say.
fn combine(body: &Map<String, Value>, content: &Content) -> Result<(), Refusal> {
    let (model, resolution) = (text(body, "model"), text(body, "resolution"));
    let (duration, ratio) = (int(body, "duration", 0), text(body, "ratio"));
    let offer = OFFERS.iter().find(|offer| offer.model == model);
    let offer = offer.ok_or_else(|| Refusal::invalid(format_args!("model {model:?} is not known")))?;
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
    Err(Refusal::invalid(problem))
}

/// The size of a film: the short edge is nominal, and both sides are multiples of 32 ("Video regeneration").
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

/// How many frames a film of so many seconds really has: lengths lie on a grid of 17 n + 5 frames, so that 5
/// s become 5.167 s and only 8 s are 8 s.
pub(super) fn frames(seconds: i64) -> u32 {
    let wanted = u32::try_from(seconds).unwrap_or(5) * FRAMES_PER_SECOND;
    wanted.saturating_sub(5).div_ceil(17) * 17 + 5
}

/// A V2 task that is not older than seven days.
pub(super) fn find(platform: &Platform, id: &str) -> Result<Task, Refusal> {
    let task = platform.task(id, TaskKind::VideoV2).filter(recent);
    task.ok_or_else(|| Refusal::of(INVALID).saying("invalid task_id".to_owned()))
}

fn recent(task: &Task) -> bool {
    u64::try_from(now().as_millis()).unwrap_or(u64::MAX).saturating_sub(task.created_ms) < MEMORY_MS
}

async fn query(
    State(platform): State<Arc<Platform>>,
    Path(id): Path<String>,
    call: Call,
) -> Result<Json<Value>, Refusal> {
    call.query(&[])?;
    let task = find(&platform, &id)?;
    let stage = platform.poll(&task)?;
    Ok(Json(json!({"task": shown(&platform, &task, stage)})))
}

fn status(task: &Task, stage: Stage) -> &'static str {
    match (stage, &task.outcome) {
        (Stage::Cancelled, _) => "cancelled",
        (Stage::Waiting(0), _) => "queued",
        (Stage::Waiting(_), _) => "running",
        (Stage::Done, Outcome::Failed { .. }) => "failed",
        (Stage::Done, Outcome::Made { .. } | Outcome::Written { .. }) => "succeeded",
    }
}

/// A task as the queries show it ("Query video generation V2 > task").
fn shown(platform: &Platform, task: &Task, stage: Stage) -> Value {
    let mut view = Map::new();
    let mut put = |name: &str, value: Value| view.insert(name.to_owned(), value);
    let field = |name: &str| task.request.get(name).cloned().unwrap_or_default();
    put("id", json!(task.id));
    put("model", field("model"));
    put("status", json!(status(task, stage)));
    put("created_at", json!(task.created_ms / 1000));
    let updated = if matches!(stage, Stage::Waiting(0)) { task.created_ms / 1000 } else { now().as_secs() };
    put("updated_at", json!(updated));
    let mut usage = json!({});
    match (stage, &task.outcome) {
        (Stage::Done, Outcome::Failed { code, message }) => {
            put("error", json!({"code": code.to_string(), "message": message}));
        }
        (Stage::Done, Outcome::Made { media, .. }) => {
            put("content", json!({"url": platform.link(media, 24 * HOUR)}));
            let seconds = field("duration");
            usage = json!({
                "total_seconds": seconds,
                "input_seconds": 0,
                "output_seconds": seconds,
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
    // A text has no resolution.
    if task.request.contains_key("resolution") {
        put("resolution", field("resolution"));
    }
    put("duration", field("duration"));
    put("usage", usage);
    // A ratio that was left to MiniMax is an empty string.
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
async fn list(State(platform): State<Arc<Platform>>, call: Call) -> Result<Json<Value>, Refusal> {
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
            .ok_or_else(|| Refusal::invalid(format_args!("{name} must be a number above 0"))),
        None => Ok(otherwise),
    };
    let (page, size) = (number("page_num", 1)?, number("page_size", 20)?);
    let passes = |name: &str, value: &str| {
        let mut wanted = query.iter().filter(|(key, _)| key == name).peekable();
        wanted.peek().is_none() || wanted.any(|(_, filter)| filter == value)
    };
    let mut found = Vec::new();
    for task in platform.store.tasks().iter().filter(|task| task.kind == TaskKind::VideoV2 && recent(task)) {
        let stage = platform.stage(task);
        let fits = passes("filter.status", status(task, stage))
            && passes("filter.task_ids", &task.id)
            && passes("filter.model", text(&task.request, "model"))
            && passes("filter.task_type", task_type(task));
        if fits {
            found.push(task.clone());
        }
    }
    let start = (page - 1).saturating_mul(size);
    let shown =
        found.iter().skip(start).take(size).map(|task| Ok(shown(&platform, task, platform.poll(task)?)));
    let items: Vec<Value> = shown.collect::<Result<_, Refusal>>()?;
    Ok(Json(json!({"items": items, "total": found.len()})))
}

/// "Cancel or delete video generation V2": queued becomes cancelled, finished is deleted, the rest is an
/// error.
async fn remove(
    State(platform): State<Arc<Platform>>,
    Path(id): Path<String>,
    call: Call,
) -> Result<Json<Value>, Refusal> {
    call.query(&[])?;
    let task = find(&platform, &id)?;
    let stage = platform.stage(&task);
    let (action, status, entry) = match stage {
        Stage::Waiting(0) => ("cancelled", "cancelled", Entry::Cancelled(id.clone())),
        Stage::Done => ("deleted", status(&task, stage), Entry::TaskDeleted(id.clone())),
        Stage::Waiting(_) | Stage::Cancelled => {
            let problem =
                format!("task is {}, it can be neither cancelled nor deleted", status(&task, stage));
            return Err(Refusal::invalid(problem));
        }
    };
    platform.store.add(&entry)?;
    Ok(Json(json!({"task_id": id, "action": action, "status": status})))
}

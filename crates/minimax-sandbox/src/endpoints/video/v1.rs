//! `POST /v1/video_generation` and its query ("Video generation"): text, first frame, first and last frame,
//! subject.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use image::DynamicImage;
use serde_json::{Map, Value, json};

use crate::endpoints::video::render::VideoSpec;
use crate::engine::blocking::run_blocking;
use crate::engine::clock::now;
use crate::engine::errors::{ApiError, base_resp, success};
use crate::engine::field_rules::{Field, Kind, TEXT, check, int, optional, reject_sensitive, required, text};
use crate::engine::ids::new_id;
use crate::engine::journal::{Entry, StoredFile};
use crate::engine::media_input;
use crate::engine::request::Call;
use crate::engine::request_log::Request;
use crate::engine::routes::Routes;
use crate::engine::state::AppState;
use crate::engine::tasks::{Kind as TaskKind, Outcome, Stage, Task};
use crate::media::clip::FRAMES_PER_SECOND;

/// "Video generation > Request".
const FIELDS: &[Field] = &[
    required("model", TEXT),
    optional("prompt", Kind::Text { min: 0, max: 2000 }),
    optional("first_frame_image", TEXT),
    optional("last_frame_image", TEXT),
    optional("subject_reference", Kind::List { min: 1, max: 1, item: &Kind::Object(SUBJECT) }),
    optional("prompt_optimizer", Kind::Bool),
    optional("fast_pretreatment", Kind::Bool),
    optional("duration", Kind::Int { min: 1, max: 60 }),
    optional("resolution", Kind::OneOf(&["512P", "720P", "768P", "1080P"])),
    optional("callback_url", TEXT),
    optional("aigc_watermark", Kind::Bool),
];
const SUBJECT: &[Field] = &[
    required("type", Kind::OneOf(&["character"])),
    required("image", Kind::List { min: 1, max: 1, item: &TEXT }),
];

/// The four shapes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Text,
    FirstFrame,
    LastFrame,
    Subject,
}

/// The offer of models in a mode: resolutions, the default first, with their durations in seconds ("Video generation >
/// duration, resolution").
struct Offer {
    models: &'static [&'static str],
    modes: &'static [Mode],
    sizes: &'static [(&'static str, &'static [i64])],
}

const HD: &[(&str, &[i64])] = &[("768P", &[6, 10]), ("1080P", &[6])];
const OFFERS: &[Offer] = &[
    Offer { models: &["MiniMax-Hailuo-2.3"], modes: &[Mode::Text, Mode::FirstFrame], sizes: HD },
    Offer { models: &["MiniMax-Hailuo-2.3-Fast"], modes: &[Mode::FirstFrame], sizes: HD },
    Offer { models: &["MiniMax-Hailuo-02"], modes: &[Mode::Text, Mode::LastFrame], sizes: HD },
    Offer {
        models: &["MiniMax-Hailuo-02"],
        modes: &[Mode::FirstFrame],
        sizes: &[("768P", &[6, 10]), ("1080P", &[6]), ("512P", &[6, 10])],
    },
    Offer { models: &["T2V-01-Director", "T2V-01"], modes: &[Mode::Text], sizes: OLD },
    Offer { models: &["I2V-01-Director", "I2V-01-live", "I2V-01"], modes: &[Mode::FirstFrame], sizes: OLD },
    Offer { models: &["S2V-01"], modes: &[Mode::Subject], sizes: OLD },
];
const OLD: &[(&str, &[i64])] = &[("720P", &[6])];

pub(crate) fn routes() -> Routes {
    Routes::new().post("/v1/video_generation", submit).get("/v1/query/video_generation", query)
}

async fn submit(State(state): State<Arc<AppState>>, call: Call) -> Result<Json<Value>, ApiError> {
    let body = call.json()?;
    check(&body, FIELDS)?;
    let plan = Plan::read(&body)?;
    reject_sensitive(text(&body, "prompt"))?;
    let bill = call.bill();
    let id = run_blocking(move || plan.accept(&state, &body, bill)).await?;
    Ok(Json(json!({"task_id": id, "base_resp": success()})))
}

/// A request with its defaults filled in.
struct Plan {
    resolution: &'static str,
    seconds: u32,
}

impl Plan {
    fn read(body: &Map<String, Value>) -> Result<Self, ApiError> {
        let (model, mode) = (text(body, "model"), mode(body)?);
        let of_model = || OFFERS.iter().filter(|offer| offer.models.contains(&model));
        if of_model().next().is_none() {
            return Err(ApiError::invalid(format_args!("model {model:?} is not known")));
        }
        let offer = of_model().find(|offer| offer.modes.contains(&mode));
        let offer = offer.ok_or_else(|| ApiError::invalid(needs(model, mode)))?;
        if mode == Mode::Text && text(body, "prompt").trim().is_empty() {
            return Err(ApiError::invalid("prompt is required without an image"));
        }
        if body.contains_key("fast_pretreatment") && !model.starts_with("MiniMax-Hailuo") {
            return Err(ApiError::invalid(format_args!("fast_pretreatment is not for model {model}")));
        }
        let wanted = text(body, "resolution");
        let size = offer.sizes.iter().find(|(name, _)| wanted.is_empty() || *name == wanted);
        let (resolution, durations) = size.ok_or_else(|| {
            ApiError::invalid(format_args!("resolution {wanted} is not offered by {model} here"))
        })?;
        let seconds = int(body, "duration", 6);
        if !durations.contains(&seconds) {
            let problem = format!("duration {seconds} is not offered by {model} at {resolution}");
            return Err(ApiError::invalid(problem));
        }
        Ok(Self { resolution, seconds: u32::try_from(seconds).unwrap_or(6) })
    }

    /// Draws the video and records the task. Returns its id.
    fn accept(&self, state: &AppState, body: &Map<String, Value>, bill: Request) -> Result<String, ApiError> {
        let picture = |field: &str, url: Option<&Value>| match url.and_then(Value::as_str) {
            Some(url) => media_input::picture(state, field, url, &media_input::FRAME_V1),
            None => Ok(None),
        };
        let first = picture("first_frame_image", body.get("first_frame_image"))?;
        let last = picture("last_frame_image", body.get("last_frame_image"))?;
        let subject = body.get("subject_reference").and_then(|list| list.pointer("/0/image/0"));
        let subject = picture("subject_reference[0].image[0]", subject)?;
        let id = new_id(15).to_string();
        let prompt = text(body, "prompt");
        let mut result = None;
        let outcome = if prompt.contains("#failtask") {
            Outcome::sensitive_output()
        } else {
            let size = size(self.resolution, first.as_ref().or(last.as_ref()));
            let video = VideoSpec {
                size,
                prompt,
                first,
                last,
                reference: subject,
                frames: self.seconds * FRAMES_PER_SECOND,
                sound: false,
            };
            let made = video.make(state, &format!("video-{id}.mp4"))?;
            let row = result_file(&made.0, made.1);
            let file_id = Some(row.id);
            result = Some(row);
            Outcome::Made { media: made.0, file_id, width: size.0, height: size.1 }
        };
        let request = Map::from_iter([("model".to_owned(), json!(text(body, "model")))]);
        let task = Task::new(id.clone(), TaskKind::Video, request, outcome);
        let entry = Entry::paid(bill, Some(task), result);
        state.store.add(&entry)?;
        Ok(id)
    }
}

fn mode(body: &Map<String, Value>) -> Result<Mode, ApiError> {
    let has = |name| body.contains_key(name);
    match (has("subject_reference"), has("last_frame_image"), has("first_frame_image")) {
        (true, false, false) => Ok(Mode::Subject),
        (true, ..) => Err(ApiError::invalid(
            "subject_reference cannot be combined with first_frame_image or last_frame_image",
        )),
        (_, true, _) => Ok(Mode::LastFrame),
        (_, _, true) => Ok(Mode::FirstFrame),
        _ => Ok(Mode::Text),
    }
}

fn needs(model: &str, mode: Mode) -> String {
    let offered = OFFERS.iter().filter(|offer| offer.models.contains(&model)).flat_map(|offer| offer.modes);
    let field = |mode: &Mode| match mode {
        Mode::Text => "no image",
        Mode::FirstFrame => "first_frame_image",
        Mode::LastFrame => "last_frame_image",
        Mode::Subject => "subject_reference",
    };
    let wanted: Vec<_> = offered.map(field).collect();
    format!("model {model} needs {}, not {}", wanted.join(" or "), field(&mode))
}

/// The size of a video: 16:9, or the shape of its first image. Sides are even.
fn size(resolution: &str, picture: Option<&DynamicImage>) -> (u32, u32) {
    let (long, short) = match resolution {
        "512P" => (912, 512),
        "720P" => (1280, 720),
        "1080P" => (1920, 1080),
        _ => (1366, 768),
    };
    let Some(picture) = picture else { return (long, short) };
    let (width, height) = (picture.width().max(1), picture.height().max(1));
    let scaled = |side: u32, other: u32| (short * side / other).next_multiple_of(2);
    if width >= height { (scaled(width, height), short) } else { (short, scaled(height, width)) }
}

fn result_file(media: &str, bytes: u64) -> StoredFile {
    StoredFile {
        // MiniMax has ids of 17 and more digits, which do not fit into floating-point numbers.
        id: new_id(18),
        bytes,
        created_at: now().as_secs(),
        filename: "output_aigc.mp4".to_owned(),
        purpose: "video_generation".to_owned(),
        media: media.to_owned(),
        result: true,
    }
}

async fn query(State(state): State<Arc<AppState>>, call: Call) -> Result<Json<Value>, ApiError> {
    let id = call.only("task_id")?;
    let task = state.task(id, TaskKind::Video).ok_or_else(ApiError::unknown_task)?;
    let answer = |status: &str, outcome: Value| {
        json!({
            "task_id": id,
            "status": status,
            "file_id": "",
            "base_resp": outcome,
        })
    };
    Ok(Json(match (state.poll(&task)?, &task.outcome) {
        (Stage::Waiting(0), _) => answer("Preparing", success()),
        (Stage::Waiting(1), _) => answer("Queueing", success()),
        // Video tasks have no text results.
        (Stage::Waiting(_), _) | (_, Outcome::Written { .. }) => answer("Processing", success()),
        (_, Outcome::Failed { code, message }) => answer("Fail", base_resp(*code, message)),
        (_, Outcome::Made { file_id, width, height, .. }) => json!({
            "task_id": id,
            "status": "Success",
            "file_id": file_id.unwrap_or_default().to_string(),
            "video_width": width,
            "video_height": height,
            "base_resp": success(),
        }),
    }))
}

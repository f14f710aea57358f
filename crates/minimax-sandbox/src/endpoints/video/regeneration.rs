//! `POST /v2/video_regeneration` ("Video regeneration"): remakes a video in 2K. Its tasks are queried, listed and deleted
//! in `v2`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde_json::{Map, Value, json};

use crate::endpoints::video::base_video;
use crate::endpoints::video::base_video::Base;
use crate::endpoints::video::content::{Content, ORIGINAL};
use crate::endpoints::video::render::VideoSpec;
use crate::endpoints::video::v2_tasks::{find, frames, record};
use crate::engine::blocking::run_blocking;
use crate::engine::errors::ApiError;
use crate::engine::field_rules::{
    FILLED, Field, Kind, TEXT, check, int, optional, reject_sensitive, required, text,
};
use crate::engine::ids::new_id;
use crate::engine::request::Call;
use crate::engine::request_log;
use crate::engine::routes::Routes;
use crate::engine::state::AppState;
use crate::engine::tasks::{Outcome, Stage};

/// "Video regeneration > Request".
const REGENERATE: &[Field] = &[
    required("model", Kind::OneOf(&["MiniMax-H3"])),
    optional("source_task_id", FILLED),
    optional("content", Kind::List { min: 2, max: 14, item: &Kind::Object(ORIGINAL) }),
    required("resolution", Kind::OneOf(&["2K"])),
    optional("callback_url", TEXT),
    optional("aigc_watermark", Kind::Bool),
];

pub(crate) fn routes() -> Routes {
    Routes::new().post("/v2/video_regeneration", regenerate)
}

async fn regenerate(State(state): State<Arc<AppState>>, call: Call) -> Result<Json<Value>, ApiError> {
    let body = call.json()?;
    check(&body, REGENERATE)?;
    let by_task = body.contains_key("source_task_id");
    if by_task == body.contains_key("content") {
        return Err(ApiError::invalid("exactly one of source_task_id and content is required"));
    }
    let bill = call.bill();
    let id = if by_task {
        run_blocking(move || from_task(&state, &body, bill)).await?
    } else {
        let content = Content::read_with_base(&body)?;
        reject_sensitive(&content.prompt)?;
        run_blocking(move || from_content(&state, &content, bill)).await?
    };
    Ok(Json(json!({"task_id": id})))
}

/// Remakes the video of a task, which must have succeeded and still be known.
fn from_task(
    state: &AppState,
    body: &Map<String, Value>,
    bill: request_log::Request,
) -> Result<String, ApiError> {
    let source = find(state, text(body, "source_task_id"))?;
    let fits = matches!(source.outcome, Outcome::Made { .. })
        && state.stage(&source) == Stage::Done
        && text(&source.request, "task_type") != "regeneration"
        && text(&source.request, "model") == "MiniMax-H3"
        && text(&source.request, "resolution") == "768P";
    let Outcome::Made { width, height, .. } = source.outcome else {
        return Err(ApiError::invalid("source_task_id is not a succeeded video"));
    };
    if !fits {
        return Err(ApiError::invalid("source_task_id must be a succeeded 768P generation of MiniMax-H3"));
    }
    let seconds = int(&source.request, "duration", 5);
    let images = source.request.get("input_image_count").cloned().unwrap_or_else(|| json!(0));
    let input = source.request.get("input_seconds").cloned().unwrap_or_else(|| json!(0));
    let remake =
        Remake { prompt: "2K", size: (width, height), frames: frames(seconds), seconds, images, input };
    remake.accept(state, text(&source.request, "ratio"), bill)
}

/// Remakes a video from its inputs. The base video is measured if its bytes are available.
fn from_content(state: &AppState, content: &Content, bill: request_log::Request) -> Result<String, ApiError> {
    content.inspect(state)?;
    let base = content.base.first().map(String::as_str).unwrap_or_default();
    let measured = base_video::measure(state, "content: base_video", base)?;
    // A video on another host is assumed to be ordinary.
    let Base { size, frames } = measured.unwrap_or(Base { size: (1344, 768), frames: frames(5) });
    let images = content.first.len() + content.last.len() + content.images.len();
    let remake = Remake {
        prompt: &content.prompt,
        size,
        frames,
        seconds: i64::from(frames / 24),
        images: json!(images),
        input: json!(base_video::seconds(state, &content.videos)),
    };
    remake.accept(state, "", bill)
}

/// A video to be remade in 2K.
struct Remake<'a> {
    prompt: &'a str,
    /// The size of the original.
    size: (u32, u32),
    frames: u32,
    seconds: i64,
    images: Value,
    /// The seconds of reference videos.
    input: Value,
}

impl Remake<'_> {
    fn accept(&self, state: &AppState, ratio: &str, bill: request_log::Request) -> Result<String, ApiError> {
        let id = new_id(15).to_string();
        let (width, height) = self.size;
        let scaled = |side: u32| side.saturating_mul(1440) / width.min(height).max(1) / 32 * 32;
        let size = (scaled(width).max(32), scaled(height).max(32));
        let outcome = if self.prompt.contains("#failtask") {
            Outcome::sensitive_output()
        } else {
            let (prompt, frames) = (self.prompt, self.frames);
            let video =
                VideoSpec { size, prompt, first: None, last: None, reference: None, frames, sound: true };
            let (media, _) = video.make(state, &format!("video-{id}.mp4"))?;
            Outcome::Made { media, file_id: None, width: size.0, height: size.1 }
        };
        let request = [
            ("model", json!("MiniMax-H3")),
            ("resolution", json!("2K")),
            ("duration", json!(self.seconds)),
            ("ratio", json!(ratio)),
            ("input_image_count", self.images.clone()),
            ("input_seconds", self.input.clone()),
            ("task_type", json!("regeneration")),
        ];
        let request = request.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        record(state, bill, id, request, outcome)
    }
}

//! `POST /v2/h3_context_ir` and `POST /v2/video_regeneration` ("H3 Context-IR", "Video regeneration"). Their tasks
//! are asked for, listed and deleted in `video_v2`.

use std::sync::Arc;

use axum::extract::State;
use axum::routing::post;
use axum::{Json, Router};
use serde_json::{Map, Value, json};

use super::answer::Refusal;
use super::base_video::{self, Base};
use super::call::Call;
use super::check::{FILLED, Field, Kind, TEXT, check, decent, int, optional, required, text};
use super::content::{Content, ITEM, ORIGINAL};
use super::platform::{Platform, aside, new_id};
use super::record;
use super::store::Entry;
use super::task::{Kind as TaskKind, Outcome, Stage};
use super::video::{Film, failure, new_task};
use super::video_v2::{find, frames};

const MODEL: Kind = Kind::OneOf(&["MiniMax-H3"]);

/// "H3 Context-IR > Request".
const ENRICH: &[Field] = &[
    required("model", MODEL),
    required("content", Kind::List { min: 1, max: 13, item: &Kind::Object(ITEM) }),
    required("duration", Kind::Int { min: 4, max: 15 }),
    optional("ratio", Kind::OneOf(&["adaptive", "21:9", "16:9", "4:3", "1:1", "3:4", "9:16"])),
    optional("callback_url", TEXT),
];

/// "Video regeneration > Request".
const REGENERATE: &[Field] = &[
    required("model", MODEL),
    optional("source_task_id", FILLED),
    optional("content", Kind::List { min: 2, max: 14, item: &Kind::Object(ORIGINAL) }),
    required("resolution", Kind::OneOf(&["2K"])),
    optional("callback_url", TEXT),
    optional("aigc_watermark", Kind::Bool),
];

pub(super) fn routes() -> Router<Arc<Platform>> {
    Router::new().route("/v2/h3_context_ir", post(enrich)).route("/v2/video_regeneration", post(regenerate))
}

async fn enrich(State(platform): State<Arc<Platform>>, call: Call) -> Result<Json<Value>, Refusal> {
    let body = call.json()?;
    check(&body, ENRICH)?;
    let content = Content::read(&body)?;
    let open = matches!(text(&body, "ratio"), "" | "adaptive");
    if open && !content.has_frames() && !content.has_references() {
        return Err(Refusal::invalid("ratio is required without images, and must not be adaptive"));
    }
    decent(&content.prompt)?;
    let bill = call.bill();
    let id = aside(move || {
        content.inspect(&platform)?;
        let outcome =
            if content.prompt.contains("#failtask") { failure() } else { enriched(&content.prompt) };
        let mut request = kept(&body, &["model", "duration", "ratio"]);
        request.insert("task_type".into(), json!("h3_context_ir"));
        accept(&platform, bill, new_id(15).to_string(), request, outcome)
    })
    .await?;
    Ok(Json(json!({"task_id": id})))
}

/// A richer prompt in the three parts that the documentation shows, and the tokens it took.
fn enriched(prompt: &str) -> Outcome {
    let written = format!(
        "integrated_multimodal_description: [Shot 1] {prompt}, in soft morning light, the camera moving slowly \
         closer. [Shot 2] The same scene from afar.\n\
         overall_soundscape: Wind, and quiet steps.\n\
         non_diegetic_music: A single cello."
    );
    let tokens = |text: &str| text.chars().count().div_ceil(4) as u64;
    // Instructions of MiniMax's own are read along with every prompt.
    Outcome::Written {
        prompt_tokens: 5000 + tokens(prompt),
        completion_tokens: tokens(&written),
        text: written,
    }
}

async fn regenerate(State(platform): State<Arc<Platform>>, call: Call) -> Result<Json<Value>, Refusal> {
    let body = call.json()?;
    check(&body, REGENERATE)?;
    let by_task = body.contains_key("source_task_id");
    if by_task == body.contains_key("content") {
        return Err(Refusal::invalid("exactly one of source_task_id and content is required"));
    }
    let bill = call.bill();
    let id = if by_task {
        aside(move || again(&platform, &body, bill)).await?
    } else {
        let content = Content::read_with_base(&body)?;
        decent(&content.prompt)?;
        aside(move || from_content(&platform, &content, bill)).await?
    };
    Ok(Json(json!({"task_id": id})))
}

/// By the task: it must be a finished generation of ours that MiniMax still knows.
fn again(platform: &Platform, body: &Map<String, Value>, bill: record::Request) -> Result<String, Refusal> {
    let source = find(platform, text(body, "source_task_id"))?;
    let fits = matches!(source.outcome, Outcome::Made { .. })
        && platform.stage(&source) == Stage::Done
        && text(&source.request, "task_type") != "regeneration"
        && text(&source.request, "model") == "MiniMax-H3"
        && text(&source.request, "resolution") == "768P";
    let Outcome::Made { width, height, .. } = source.outcome else {
        return Err(Refusal::invalid("source_task_id is not a succeeded video"));
    };
    if !fits {
        return Err(Refusal::invalid("source_task_id must be a succeeded 768P generation of MiniMax-H3"));
    }
    let seconds = int(&source.request, "duration", 5);
    let images = source.request.get("input_image_count").cloned().unwrap_or_else(|| json!(0));
    let made = Larger { prompt: "2K", size: (width, height), frames: frames(seconds), seconds, images };
    made.accept(platform, text(&source.request, "ratio"), bill)
}

/// By the inputs: the base video is measured where its bytes are within reach.
fn from_content(platform: &Platform, content: &Content, bill: record::Request) -> Result<String, Refusal> {
    content.inspect(platform)?;
    let base = content.base.first().map(String::as_str).unwrap_or_default();
    let measured = base_video::measure(platform, "content: base_video", base)?;
    // What is elsewhere is taken to be an ordinary one.
    let Base { size, frames } = measured.unwrap_or(Base { size: (1344, 768), frames: frames(5) });
    let images = content.first.len() + content.last.len() + content.images.len();
    let made = Larger {
        prompt: &content.prompt,
        size,
        frames,
        seconds: i64::from(frames / 24),
        images: json!(images),
    };
    made.accept(platform, "", bill)
}

/// A video to be made again in 2K.
struct Larger<'a> {
    prompt: &'a str,
    /// Of the smaller one.
    size: (u32, u32),
    frames: u32,
    seconds: i64,
    images: Value,
}

impl Larger<'_> {
    fn accept(&self, platform: &Platform, ratio: &str, bill: record::Request) -> Result<String, Refusal> {
        let id = new_id(15).to_string();
        let (width, height) = self.size;
        let scaled = |side: u32| side.saturating_mul(1440) / width.min(height).max(1) / 32 * 32;
        let size = (scaled(width).max(32), scaled(height).max(32));
        let outcome = if self.prompt.contains("#failtask") {
            failure()
        } else {
            let (prompt, frames) = (self.prompt, self.frames);
            let film = Film { size, prompt, first: None, last: None, reference: None, frames, sound: true };
            let (media, _) = film.make(platform, &format!("video-{id}.mp4"))?;
            Outcome::Made { media, file_id: None, width: size.0, height: size.1 }
        };
        let request = [
            ("model", json!("MiniMax-H3")),
            ("resolution", json!("2K")),
            ("duration", json!(self.seconds)),
            ("ratio", json!(ratio)),
            ("input_image_count", self.images.clone()),
            ("task_type", json!("regeneration")),
        ];
        let request = request.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        accept(platform, bill, id, request, outcome)
    }
}

fn kept(body: &Map<String, Value>, names: &[&str]) -> Map<String, Value> {
    names.iter().filter_map(|name| Some(((*name).to_owned(), body.get(*name)?.clone()))).collect()
}

/// Writes the task down. Returns its id.
fn accept(
    platform: &Platform,
    bill: record::Request,
    id: String,
    request: Map<String, Value>,
    outcome: Outcome,
) -> Result<String, Refusal> {
    let task = new_task(id.clone(), TaskKind::VideoV2, request, outcome);
    let entry = Entry::paid(bill, Some(task), None);
    platform.store.add(&entry)?;
    Ok(id)
}

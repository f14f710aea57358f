//! `POST /v1/video_generation` and its query ("Video generation"): text, first frame, first and last frame,
//! subject.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::routing::{get, post};
use axum::{Json, Router};
use image::{DynamicImage, RgbImage};
use serde_json::{Map, Value, json};

use super::answer::{INVALID, Refusal, SENSITIVE_OUTPUT, base_resp, success};
use super::call::Call;
use super::check::{Field, Kind, TEXT, check, decent, int, optional, required, text};
use super::input;
use super::media::clip::{Clip, FRAMES_PER_SECOND};
use super::media::picture::Scene;
use super::platform::{Platform, aside, lock, new_id, now};
use super::store::{Entry, StoredFile};
use super::task::{Kind as TaskKind, Outcome, Stage, Task};

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

/// What the models offer in each mode: resolutions, the default first, with their durations in seconds
/// ("Video generation > duration, resolution").
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

pub(super) fn routes() -> Router<Arc<Platform>> {
    Router::new().route("/v1/video_generation", post(submit)).route("/v1/query/video_generation", get(query))
}

async fn submit(State(platform): State<Arc<Platform>>, call: Call) -> Result<Json<Value>, Refusal> {
    let body = call.json()?;
    check(&body, FIELDS)?;
    let order = Order::read(&body)?;
    decent(text(&body, "prompt"))?;
    let bill = call.bill();
    let id = aside(move || order.accept(&platform, &body, bill)).await?;
    Ok(Json(json!({"task_id": id, "base_resp": success()})))
}

/// What a request comes to once its defaults are filled in.
struct Order {
    resolution: &'static str,
    seconds: u32,
}

impl Order {
    fn read(body: &Map<String, Value>) -> Result<Self, Refusal> {
        let (model, mode) = (text(body, "model"), mode(body)?);
        let of_model = || OFFERS.iter().filter(|offer| offer.models.contains(&model));
        if of_model().next().is_none() {
            return Err(Refusal::invalid(format_args!("model {model:?} is not known")));
        }
        let offer = of_model().find(|offer| offer.modes.contains(&mode));
        let offer = offer.ok_or_else(|| Refusal::invalid(needs(model, mode)))?;
        if mode == Mode::Text && text(body, "prompt").trim().is_empty() {
            return Err(Refusal::invalid("prompt is required without an image"));
        }
        if body.contains_key("fast_pretreatment") && !model.starts_with("MiniMax-Hailuo") {
            return Err(Refusal::invalid(format_args!("fast_pretreatment is not for model {model}")));
        }
        let wanted = text(body, "resolution");
        let size = offer.sizes.iter().find(|(name, _)| wanted.is_empty() || *name == wanted);
        let (resolution, durations) = size.ok_or_else(|| {
            Refusal::invalid(format_args!("resolution {wanted} is not offered by {model} here"))
        })?;
        let seconds = int(body, "duration", 6);
        if !durations.contains(&seconds) {
            let problem = format!("duration {seconds} is not offered by {model} at {resolution}");
            return Err(Refusal::invalid(problem));
        }
        Ok(Self { resolution, seconds: u32::try_from(seconds).unwrap_or(6) })
    }

    /// Makes the film and writes the task down. Returns its id.
    fn accept(
        &self,
        platform: &Platform,
        body: &Map<String, Value>,
        bill: super::record::Request,
    ) -> Result<String, Refusal> {
        let picture = |field: &str, url: Option<&Value>| match url.and_then(Value::as_str) {
            Some(url) => input::picture(platform, field, url, &input::FRAME_V1),
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
            failure()
        } else {
            let size = size(self.resolution, first.as_ref().or(last.as_ref()));
            let film = Film {
                size,
                prompt,
                first,
                last,
                reference: subject,
                frames: self.seconds * FRAMES_PER_SECOND,
                sound: false,
            };
            let made = film.make(platform, &format!("video-{id}.mp4"))?;
            let row = result_file(&made.0, made.1);
            let file_id = Some(row.id);
            result = Some(row);
            Outcome::Made { media: made.0, file_id, width: size.0, height: size.1 }
        };
        let request = Map::from_iter([("model".to_owned(), json!(text(body, "model")))]);
        let task = new_task(id.clone(), TaskKind::Video, request, outcome);
        let entry = Entry::paid(bill, Some(task), result);
        platform.store.add(&entry)?;
        Ok(id)
    }
}

fn mode(body: &Map<String, Value>) -> Result<Mode, Refusal> {
    let has = |name| body.contains_key(name);
    match (has("subject_reference"), has("last_frame_image"), has("first_frame_image")) {
        (true, false, false) => Ok(Mode::Subject),
        (true, ..) => {
            Err(Refusal::invalid("subject_reference does not go with first_frame_image or last_frame_image"))
        }
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

/// The size of a film: 16:9, or the shape of the picture it starts from. Sides are even.
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

/// So many films are remembered.
const FILMS: usize = 4;

/// A film to be made. `video`, `template` and `video_v2` share it.
pub(super) struct Film<'a> {
    pub size: (u32, u32),
    pub prompt: &'a str,
    pub first: Option<DynamicImage>,
    pub last: Option<DynamicImage>,
    /// Shown in the picture that is drawn from the prompt.
    pub reference: Option<DynamicImage>,
    pub frames: u32,
    pub sound: bool,
}

impl Film<'_> {
    /// Makes the film. Returns its name in the media folder and its size in bytes.
    pub fn make(&self, platform: &Platform, name: &str) -> Result<(String, u64), Refusal> {
        let bytes = self.bytes(platform)?;
        platform.store.keep(name, &bytes)?;
        Ok((name.to_owned(), bytes.len() as u64))
    }

    /// A film of words alone is always the same, and drawn once as long as no others come between.
    fn bytes(&self, platform: &Platform) -> Result<Bytes, Refusal> {
        let words_alone = self.first.is_none() && self.last.is_none() && self.reference.is_none();
        let script = format!("{:?} {} {} {}", self.size, self.frames, self.sound, self.prompt);
        if !words_alone {
            return self.draw();
        }
        // Held while it draws: others that want the same film need not draw it too.
        let mut films = lock(&platform.films);
        if let Some((_, film)) = films.iter().find(|(known, _)| *known == script) {
            return Ok(film.clone());
        }
        let film = self.draw()?;
        films.push_back((script, film.clone()));
        if films.len() > FILMS {
            films.pop_front();
        }
        Ok(film)
    }

    fn draw(&self) -> Result<Bytes, Refusal> {
        let (width, height) = self.size;
        let scene = Scene { width, height, prompt: self.prompt, seed: 0, reference: self.reference.as_ref() };
        let first = self.first.as_ref().map_or_else(|| scene.draw(), |first| self.filling(first));
        let last = self.last.as_ref().map(|last| self.filling(last));
        let clip = Clip { first, last, frames: self.frames, sound: self.sound };
        clip.encode().map(Bytes::from).map_err(|failure| Refusal::internal(&failure))
    }

    fn filling(&self, picture: &DynamicImage) -> RgbImage {
        let (width, height) = self.size;
        picture.resize_to_fill(width, height, image::imageops::FilterType::Triangle).into_rgb8()
    }
}

/// How a task ends whose prompt holds `#failtask`.
pub(super) fn failure() -> Outcome {
    Outcome::Failed { code: SENSITIVE_OUTPUT, message: "output sensitive".to_owned() }
}

pub(super) fn new_task(id: String, kind: TaskKind, request: Map<String, Value>, outcome: Outcome) -> Task {
    let created_ms = u64::try_from(now().as_millis()).unwrap_or(u64::MAX);
    Task { id, kind, created_ms, request, outcome, done: false, cancelled: false }
}

fn result_file(media: &str, bytes: u64) -> StoredFile {
    StoredFile {
        // Ids of 17 and more digits are on record; floating point numbers lose their ends.
        id: new_id(18),
        bytes,
        created_at: now().as_secs(),
        filename: "output_aigc.mp4".to_owned(),
        purpose: "video_generation".to_owned(),
        media: media.to_owned(),
        result: true,
    }
}

async fn query(State(platform): State<Arc<Platform>>, call: Call) -> Result<Json<Value>, Refusal> {
    let id = call.only("task_id")?;
    let task = platform.task(id, TaskKind::Video).ok_or_else(unknown_task)?;
    let answer = |status: &str, outcome: Value| {
        json!({
            "task_id": id,
            "status": status,
            "file_id": "",
            "base_resp": outcome,
        })
    };
    Ok(Json(match (platform.poll(&task)?, &task.outcome) {
        (Stage::Waiting(0), _) => answer("Preparing", success()),
        (Stage::Waiting(1), _) => answer("Queueing", success()),
        // No film is written.
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

/// The answer to an id that is not there, or not of this endpoint.
pub(super) fn unknown_task() -> Refusal {
    Refusal::of(INVALID).saying("invalid params, invalid task_id".to_owned())
}

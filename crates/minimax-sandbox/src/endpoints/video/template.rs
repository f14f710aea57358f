//! `POST /v1/video_template_generation` and its query ("Video templates").

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde_json::{Map, Value, json};

use crate::endpoints::video::render::VideoSpec;
use crate::engine::blocking::run_blocking;
use crate::engine::clock::HOUR;
use crate::engine::errors::{ApiError, base_resp, success};
use crate::engine::field_rules::{
    FILLED, Field, Kind, TEXT, check, optional, reject_sensitive, required, text,
};
use crate::engine::ids::new_id;
use crate::engine::journal::Entry;
use crate::engine::media_input;
use crate::engine::request::Call;
use crate::engine::routes::Routes;
use crate::engine::state::AppState;
use crate::engine::tasks::{Kind as TaskKind, Outcome, Stage, Task};
use crate::media::clip::FRAMES_PER_SECOND;

/// "Video templates > Request".
const FIELDS: &[Field] = &[
    required("template_id", FILLED),
    optional("media_inputs", VALUES),
    optional("text_inputs", VALUES),
    optional("callback_url", TEXT),
];
const VALUES: Kind = Kind::List { min: 0, max: 10, item: &Kind::Object(&[required("value", FILLED)]) };

/// Id, name, and whether an image and a text are required ("Video templates > Templates"). The documentation does not
/// list all templates, so any other number is accepted too.
const TEMPLATES: &[(&str, &str, bool, bool)] = &[
    ("392753057216684038", "Diving", true, false),
    ("393881433990066176", "Rings", true, false),
    ("393769180141805569", "Run for life", true, true),
    ("394246956137422856", "Labubu", true, false),
    ("393879757702918151", "Pet courier", true, false),
    ("393766210733957121", "Tibetan portrait", true, false),
    ("394125185182695432", "Life of", false, true),
    ("393857704283172864", "Winter portrait", true, false),
    ("398574688191234048", "Four seasons", true, false),
    ("393866076583718914", "Female try-on", true, false),
    ("393876118804459526", "Male try-on", true, false),
];

/// The length and size of the videos.
const SECONDS: u32 = 6;
const SIZE: (u32, u32) = (1280, 720);

pub(crate) fn routes() -> Routes {
    Routes::new()
        .post("/v1/video_template_generation", submit)
        .get("/v1/query/video_template_generation", query)
}

async fn submit(State(state): State<Arc<AppState>>, call: Call) -> Result<Json<Value>, ApiError> {
    let body = call.json()?;
    check(&body, FIELDS)?;
    let template = template(&body)?;
    let words = values(&body, "text_inputs").join(" ");
    reject_sensitive(&words)?;
    let bill = call.bill();
    let id = run_blocking(move || {
        let pictures: Result<Vec<_>, _> = values(&body, "media_inputs")
            .into_iter()
            .enumerate()
            .map(|(at, url)| {
                media_input::picture(
                    &state,
                    &format!("media_inputs[{at}].value"),
                    url,
                    &media_input::TEMPLATE,
                )
            })
            .collect();
        let first = pictures?.into_iter().flatten().next();
        let id = new_id(18).to_string();
        let outcome = if words.contains("#failtask") {
            Outcome::sensitive_output()
        } else {
            let prompt = format!("{template} {words}");
            let frames = SECONDS * FRAMES_PER_SECOND;
            let video = VideoSpec {
                size: SIZE,
                prompt: &prompt,
                first,
                last: None,
                reference: None,
                frames,
                sound: false,
            };
            let (media, _) = video.make(&state, &format!("template-{id}.mp4"))?;
            Outcome::Made { media, file_id: None, width: SIZE.0, height: SIZE.1 }
        };
        let task = Task::new(id.clone(), TaskKind::Template, Map::new(), outcome);
        let entry = Entry::paid(bill, Some(task), None);
        state.store.add(&entry)?;
        Ok(id)
    })
    .await?;
    Ok(Json(json!({"task_id": id, "base_resp": success()})))
}

/// Checks that the template's required inputs are present. Returns its name.
fn template(body: &Map<String, Value>) -> Result<&'static str, ApiError> {
    let id = text(body, "template_id");
    if !id.bytes().all(|digit| digit.is_ascii_digit()) {
        return Err(ApiError::invalid("template_id must be a string of digits"));
    }
    let known = TEMPLATES.iter().find(|row| row.0 == id);
    let (_, name, picture, words) = known.copied().unwrap_or(("", "Template", false, false));
    for (needed, field) in [(picture, "media_inputs"), (words, "text_inputs")] {
        if needed && values(body, field).is_empty() {
            return Err(ApiError::invalid(format_args!("{field} is required by template {id} ({name})")));
        }
    }
    Ok(name)
}

fn values<'a>(body: &'a Map<String, Value>, name: &str) -> Vec<&'a str> {
    let items = body.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    items.iter().filter_map(|item| item.get("value")?.as_str()).collect()
}

async fn query(State(state): State<Arc<AppState>>, call: Call) -> Result<Json<Value>, ApiError> {
    let id = call.only("task_id")?;
    let task = state.task(id, TaskKind::Template).ok_or_else(ApiError::unknown_task)?;
    let (status, url, outcome) = match (state.poll(&task)?, &task.outcome) {
        (Stage::Waiting(0), _) => ("Preparing", String::new(), success()),
        // Template tasks have no text results.
        (Stage::Waiting(_), _) | (_, Outcome::Written { .. }) => ("Processing", String::new(), success()),
        (_, Outcome::Failed { code, message }) => ("Fail", String::new(), base_resp(*code, message)),
        (_, Outcome::Made { media, .. }) => ("Success", state.link(media, 9 * HOUR), success()),
    };
    Ok(Json(json!({"task_id": id, "status": status, "video_url": url, "base_resp": outcome})))
}

//! `POST /v1/image_generation` ("Image generation").

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde_json::{Map, Value, json};

use crate::engine::blocking::run_blocking;
use crate::engine::clock::HOUR;
use crate::engine::errors::{ApiError, success};
use crate::engine::field_rules::{
    Field, Kind, TEXT, check, flag, int, optional, reject_sensitive, required, text,
};
use crate::engine::ids::new_token;
use crate::engine::journal::Entry;
use crate::engine::media_input;
use crate::engine::request::Call;
use crate::engine::routes::Routes;
use crate::engine::state::AppState;
use crate::media::picture::{Scene, write_jpeg};

const LIVE: &str = "image-01-live";
const MODELS: &[&str] = &["image-01", LIVE];

/// "Image generation > Request".
const FIELDS: &[Field] = &[
    required("model", Kind::OneOf(MODELS)),
    required("prompt", Kind::Text { min: 1, max: 1500 }),
    optional("aspect_ratio", Kind::OneOf(&["1:1", "16:9", "4:3", "3:2", "2:3", "3:4", "9:16", "21:9"])),
    optional("width", SIDE),
    optional("height", SIDE),
    optional("response_format", Kind::OneOf(&["url", "base64"])),
    optional("seed", Kind::Int { min: i64::MIN, max: i64::MAX }),
    optional("n", Kind::Int { min: 1, max: 9 }),
    optional("prompt_optimizer", Kind::Bool),
    optional("aigc_watermark", Kind::Bool),
    optional("style", Kind::Object(STYLE)),
    optional("subject_reference", Kind::List { min: 1, max: 1, item: &Kind::Object(SUBJECT) }),
];
const SIDE: Kind = Kind::Int { min: 512, max: 2048 };
const STYLE: &[Field] = &[
    required("style_type", Kind::OneOf(&["漫画", "元气", "中世纪", "水彩"])),
    optional("style_weight", Kind::Positive { max: 1.0 }),
];
const SUBJECT: &[Field] = &[required("type", Kind::OneOf(&["character"])), required("image_file", TEXT)];

/// "Image generation > aspect_ratio".
const SIZES: &[(&str, (u32, u32))] = &[
    ("1:1", (1024, 1024)),
    ("16:9", (1280, 720)),
    ("4:3", (1152, 864)),
    ("3:2", (1248, 832)),
    ("2:3", (832, 1248)),
    ("3:4", (864, 1152)),
    ("9:16", (720, 1280)),
    ("21:9", (1344, 576)),
];

pub(crate) fn routes() -> Routes {
    Routes::new().post("/v1/image_generation", generate)
}

async fn generate(State(state): State<Arc<AppState>>, call: Call) -> Result<Json<Value>, ApiError> {
    let body = call.json()?;
    check(&body, FIELDS)?;
    check_combinations(&body)?;
    reject_sensitive(text(&body, "prompt"))?;
    let asked = int(&body, "n", 1);
    // A blocked image is not an error; there is only one link less.
    let failed = i64::from(asked > 1 && text(&body, "prompt").contains("#partial"));
    let base64 = text(&body, "response_format") == "base64";
    let maker = Arc::clone(&state);
    let bill = call.bill();
    let names = run_blocking(move || {
        let names = draw(&maker, &body, asked - failed)?;
        let entry = Entry::paid(bill, None, None);
        maker.store.add(&entry)?;
        Ok(names)
    })
    .await?;
    let data = if base64 {
        json!({"image_base64": run_blocking({
            let state = Arc::clone(&state);
            move || names.iter().map(|name| read_base64(&state, name)).collect::<Result<Vec<_>, _>>()
        }).await?})
    } else {
        json!({"image_urls": names.iter().map(|name| state.link(name, 24 * HOUR)).collect::<Vec<_>>()})
    };
    Ok(Json(json!({
        "id": call.trace,
        "data": data,
        // The documentation's sample has strings here, contrary to its schema.
        "metadata": {"failed_count": failed.to_string(), "success_count": (asked - failed).to_string()},
        "base_resp": success(),
    })))
}

/// Rules that the field table cannot express.
fn check_combinations(body: &Map<String, Value>) -> Result<(), ApiError> {
    let live = text(body, "model") == LIVE;
    let sides = [body.get("width"), body.get("height")].map(|side| side.and_then(Value::as_i64));
    if sides.iter().flatten().count() == 1 {
        return Err(ApiError::invalid("width and height must be set together"));
    }
    if sides.iter().flatten().any(|side| side % 8 != 0) {
        return Err(ApiError::invalid("width and height must be multiples of 8"));
    }
    if live && sides.iter().any(Option::is_some) {
        return Err(ApiError::invalid("width and height are only for image-01"));
    }
    if live && text(body, "aspect_ratio") == "21:9" {
        return Err(ApiError::invalid("aspect_ratio 21:9 is only for image-01"));
    }
    if !live && body.contains_key("style") {
        return Err(ApiError::invalid("style is only for image-01-live"));
    }
    Ok(())
}

/// The size of the images. `aspect_ratio` takes precedence over `width` and `height`.
fn size(body: &Map<String, Value>) -> (u32, u32) {
    let ratio = text(body, "aspect_ratio");
    let side = |name| u32::try_from(int(body, name, 1024)).unwrap_or(1024);
    let named = SIZES.iter().find(|(name, _)| *name == ratio).map(|(_, size)| *size);
    named.unwrap_or_else(|| (side("width"), side("height")))
}

/// Draws the images. Returns their names.
fn draw(state: &AppState, body: &Map<String, Value>, count: i64) -> Result<Vec<String>, ApiError> {
    let reference = match body.get("subject_reference").and_then(|list| list.pointer("/0/image_file")) {
        Some(url) => media_input::picture(
            state,
            "subject_reference[0].image_file",
            url.as_str().unwrap_or_default(),
            &media_input::SUBJECT,
        )?,
        None => None,
    };
    let (width, height) = size(body);
    let id = new_token();
    let mark = if flag(body, "aigc_watermark") { " (AIGC)" } else { "" };
    let prompt = format!("{}{mark}", text(body, "prompt"));
    let draw_one = |number: i64| {
        let seed = int(body, "seed", 0).wrapping_add(number);
        let scene = Scene { width, height, prompt: &prompt, seed, reference: reference.as_ref() };
        let name = format!("image-{id}-{number}.jpg");
        let path = state.store.media(&name).ok_or_else(|| ApiError::internal(&"no place for the picture"))?;
        write_jpeg(&scene.draw(), &path).map_err(|failure| ApiError::internal(&failure))?;
        Ok(name)
    };
    (0..count).map(draw_one).collect()
}

fn read_base64(state: &AppState, name: &str) -> Result<String, ApiError> {
    let path = state.store.media(name).unwrap_or_default();
    let bytes = std::fs::read(path)?;
    Ok(data_encoding::BASE64.encode(&bytes))
}

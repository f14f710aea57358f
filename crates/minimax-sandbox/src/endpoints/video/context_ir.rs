//! `POST /v2/h3_context_ir` ("H3 Context-IR"): enhances the prompt of a video. Its tasks are queried in `v2`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use crate::endpoints::video::content::{Content, ITEM};
use crate::endpoints::video::v2_tasks::{fields_of, record};
use crate::engine::blocking::run_blocking;
use crate::engine::errors::ApiError;
use crate::engine::field_rules::{Field, Kind, TEXT, check, optional, reject_sensitive, required, text};
use crate::engine::ids::new_id;
use crate::engine::request::Call;
use crate::engine::routes::Routes;
use crate::engine::state::AppState;
use crate::engine::tasks::Outcome;

/// "H3 Context-IR > Request".
const FIELDS: &[Field] = &[
    required("model", Kind::OneOf(&["MiniMax-H3"])),
    required("content", Kind::List { min: 1, max: 13, item: &Kind::Object(ITEM) }),
    required("duration", Kind::Int { min: 4, max: 15 }),
    optional("ratio", Kind::OneOf(&["adaptive", "21:9", "16:9", "4:3", "1:1", "3:4", "9:16"])),
    optional("callback_url", TEXT),
];

pub(crate) fn routes() -> Routes {
    Routes::new().post("/v2/h3_context_ir", enhance)
}

async fn enhance(State(state): State<Arc<AppState>>, call: Call) -> Result<Json<Value>, ApiError> {
    let body = call.json()?;
    check(&body, FIELDS)?;
    let content = Content::read(&body)?;
    let open = matches!(text(&body, "ratio"), "" | "adaptive");
    if open && !content.has_frames() && !content.has_references() {
        return Err(ApiError::invalid("ratio is required without images, and must not be adaptive"));
    }
    reject_sensitive(&content.prompt)?;
    let bill = call.bill();
    let id = run_blocking(move || {
        content.inspect(&state)?;
        let outcome = if content.prompt.contains("#failtask") {
            Outcome::sensitive_output()
        } else {
            enhanced(&content.prompt)
        };
        let mut request = fields_of(&body, &["model", "duration", "ratio"]);
        request.insert("task_type".into(), json!("h3_context_ir"));
        record(&state, bill, new_id(15).to_string(), request, outcome)
    })
    .await?;
    Ok(Json(json!({"task_id": id})))
}

/// An enhanced prompt in the three parts that the documentation shows, and its token counts.
fn enhanced(prompt: &str) -> Outcome {
    let written = format!(
        "integrated_multimodal_description: [Shot 1] {prompt}, in soft morning light, the camera moving slowly \
         closer. [Shot 2] The same scene from afar.\n\
         overall_soundscape: Wind, and quiet steps.\n\
         non_diegetic_music: A single cello."
    );
    let tokens = |text: &str| text.chars().count().div_ceil(4) as u64;
    // MiniMax adds its own instructions to every prompt.
    Outcome::Written {
        prompt_tokens: 5000 + tokens(prompt),
        completion_tokens: tokens(&written),
        text: written,
    }
}

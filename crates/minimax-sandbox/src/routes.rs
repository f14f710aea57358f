//! All endpoints, and the response to requests for others.

use std::sync::{Arc, LazyLock};

use axum::Router;
use axum::http::{Method, StatusCode, Uri};
use axum::response::IntoResponse;

use crate::endpoints::chat::{anthropic, openai, responses};
use crate::endpoints::speech::{t2a, t2a_async, t2a_websocket};
use crate::endpoints::video::{context_ir, regeneration, template, v1, v2};
use crate::endpoints::{
    account, cdn, control, embeddings, files, image, models, music, search, transcription, vision, voice,
};
use crate::engine::routes::Routes;
use crate::engine::state::AppState;

/// The endpoints of MiniMax's API, as `GET /v1/files/list`.
pub(crate) static ENDPOINTS: LazyLock<Vec<String>> = LazyLock::new(|| api().into_endpoints());

/// The API, the files behind download links, and the control endpoints.
pub(crate) fn router(state: Arc<AppState>) -> Router {
    api()
        .into_router()
        .merge(cdn::routes())
        .merge(control::routes())
        .fallback(not_found)
        .method_not_allowed_fallback(not_found)
        .with_state(state)
}

fn api() -> Routes {
    Routes::new()
        .merge(image::routes())
        .merge(t2a::routes())
        .merge(music::routes())
        .merge(t2a_websocket::routes())
        .merge(t2a_async::routes())
        .merge(openai::routes())
        .merge(responses::routes())
        .merge(anthropic::routes())
        .merge(v1::routes())
        .merge(template::routes())
        .merge(v2::routes())
        .merge(context_ir::routes())
        .merge(regeneration::routes())
        .merge(files::routes())
        .merge(voice::routes())
        .merge(transcription::routes())
        .merge(models::routes())
        .merge(search::routes())
        .merge(vision::routes())
        .merge(account::routes())
        .merge(embeddings::routes())
}

/// Names the endpoint that is most similar to the requested one.
async fn not_found(method: Method, uri: Uri) -> impl IntoResponse {
    let wanted = format!("{method} {}", uri.path());
    let similarity = |known: &&String| {
        let prefix = known.chars().zip(wanted.chars()).take_while(|(a, b)| a == b).count();
        let suffix = known.chars().rev().zip(wanted.chars().rev()).take_while(|(a, b)| a == b).count();
        prefix + suffix
    };
    let closest = ENDPOINTS.iter().max_by_key(similarity).map_or("none", String::as_str);
    (StatusCode::NOT_FOUND, format!("The sandbox has no {wanted}. The closest it has is {closest}.\n"))
}

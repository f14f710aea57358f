//! All endpoints, and the response to requests for others.

use std::sync::{Arc, LazyLock};

use axum::Router;
use axum::http::{Method, StatusCode, Uri};
use axum::response::IntoResponse;

use crate::endpoints::{self, cdn, control};
use crate::engine::routes::Routes;
use crate::engine::state::AppState;

/// The endpoints of MiniMax's API, in the form `GET /v1/files/list`.
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
    let all = [
        // Routes: `just modules` writes these lines.
        endpoints::account::routes(),
        endpoints::chat::anthropic::routes(),
        endpoints::chat::openai::routes(),
        endpoints::chat::responses::routes(),
        endpoints::embeddings::routes(),
        endpoints::files::routes(),
        endpoints::image::routes(),
        endpoints::models::routes(),
        endpoints::music::routes(),
        endpoints::search::routes(),
        endpoints::speech::t2a::routes(),
        endpoints::speech::t2a_async::routes(),
        endpoints::speech::t2a_websocket::routes(),
        endpoints::transcription::routes(),
        endpoints::video::context_ir::routes(),
        endpoints::video::regeneration::routes(),
        endpoints::video::template::routes(),
        endpoints::video::v1::routes(),
        endpoints::video::v2::routes(),
        endpoints::vision::routes(),
        endpoints::voice::routes(),
        // End of the routes.
    ];
    all.into_iter().fold(Routes::new(), Routes::merge)
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

//! A small picture in the results of image jobs, for hosts whose models can see (`MINIMAX_IMAGE_PREVIEW`).

use bytes::BytesMut;
use data_encoding::BASE64;
use futures_util::TryStreamExt as _;
use rmcp::model::{CallToolResult, ContentBlock};
use serde_json::Value;

use crate::jobs::Kind;
use crate::mcp::inputs::work_permits;
use crate::mcp::server::Server;
use crate::media;

const LARGEST_SIDE: u32 = 512;
/// Base64 adds a third, and the whole result must stay below [`LARGEST_RESULT`].
const LARGEST_JPEG: usize = 30_000;
const LARGEST_RESULT: usize = 64 * 1024;
/// The largest file that is read for a preview, in bytes.
const LARGEST_FILE: u64 = 64 * 1024 * 1024;

/// Puts a small JPEG of the first picture before the texts of a result that is an image job. A result without a
/// picture that can be shown stays as it is: the preview is an addition, and the job succeeded.
pub(crate) async fn add(server: &Server, result: &mut CallToolResult) {
    let Some(picture) = picture_of(server, result).await else { return };
    let so_far = serde_json::to_string(&*result).map_or(LARGEST_RESULT, |text| text.len());
    let picture = BASE64.encode(&picture);
    if so_far.saturating_add(picture.len()) < LARGEST_RESULT {
        result.content.insert(0, ContentBlock::image(picture, "image/jpeg"));
    }
}

async fn picture_of(server: &Server, result: &CallToolResult) -> Option<Vec<u8>> {
    let view = result.structured_content.as_ref()?;
    let text = |name: &str| view.get(name).and_then(Value::as_str);
    let is_made = matches!(text("status"), Some("succeeded" | "partial"));
    if text("kind") != Some(Kind::Image.word()) || !is_made {
        return None;
    }
    let job = server.jobs().get(server.principal(), text("job_id")?).await.ok()??;
    let saved = job.files.iter().find_map(|file| file.saved.as_ref())?;
    if saved.bytes > LARGEST_FILE {
        return None;
    }
    let place = server.inputs.work.picture_place().ok()?;
    let chunks = server.intact(saved).await.ok()?.chunks();
    let read = chunks.try_fold(BytesMut::new(), async |mut all, chunk| {
        all.extend_from_slice(&chunk);
        Ok(all)
    });
    let bytes = read.await.ok()?.freeze();
    let draw = move || media::preview(&bytes, LARGEST_SIDE, LARGEST_JPEG);
    match work_permits::run(place.permit().await, draw).await? {
        Ok(preview) => Some(preview.jpeg),
        Err(problem) => {
            tracing::info!(job = job.id, problem, "the result has no preview");
            None
        }
    }
}

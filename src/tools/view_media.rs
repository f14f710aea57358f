//! `view_media`: the only tool that sends image content to a model.

use std::path::Path;

use data_encoding::BASE64;
use rmcp::ErrorData;
use rmcp::handler::server::tool::IntoCallToolResult;
use rmcp::handler::server::wrapper::Parameters;
use rmcp::model::{CallToolResponse, ContentBlock};
use rmcp::{tool, tool_router};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use crate::arguments::lengths::is_data_uri;
use crate::config::Toolset;
use crate::jobs::{Filter, JobFile};
use crate::mcp::ToolSpec;
use crate::mcp::inputs::resolver::{ResolvedInput, in_time, link_extension};
use crate::mcp::inputs::work_permits::{self, Place};
use crate::mcp::{Server, ToolError};
use crate::media::{self, Blob, Kind, Limits, Preview, Reference};
use crate::result::Report;

pub(crate) const TOOLS: &[ToolSpec] = &[ToolSpec::free("view_media", Toolset::Jobs)];

const LARGEST_SIDE: u32 = 1024;
/// How many jobs are searched for the address of a file.
const LAST_JOBS: u32 = 50;
/// Base64 adds a third, and clients cut off results of a megabyte.
const LARGEST_JPEG: usize = 500_000;
/// The size may exceed what any endpoint takes, because the image is only shown.
const IMAGES: Limits = Limits::new(&["image/jpeg", "image/png", "image/webp"], 64 * 1024 * 1024);
const VIDEOS: Limits = Limits::new(
    &["video/mp4", "video/quicktime", "video/webm", "video/x-matroska", "video/x-msvideo"],
    u64::MAX,
);

#[derive(Debug, Deserialize, JsonSchema)]
struct ViewInput {
    /// minimax:// uri of a job's file, or a path; no web link.
    uri: String,
    /// Longest side in pixels, 64-1024, default 1024.
    #[serde(default = "largest")]
    #[schemars(range(min = 64, max = 1024))]
    max_side: u32,
}

fn largest() -> u32 {
    LARGEST_SIDE
}

/// An image, or a sentence that says why there is none.
#[derive(Debug)]
enum View {
    Image(Preview, String),
    Words(String),
}

#[tool_router(router = view_tools, vis = "pub(crate)")]
impl Server {
    /// Show you an image, or a video's first frame where possible. If you cannot see images, understand_image
    /// answers in words. Free.
    #[tool(
        title = "View media",
        annotations(
            read_only_hint = true,
            destructive_hint = false,
            idempotent_hint = true,
            open_world_hint = true
        )
    )]
    async fn view_media(
        &self,
        Parameters(input): Parameters<ViewInput>,
    ) -> Result<CallToolResponse, ErrorData> {
        match look(self, &input.uri, input.max_side.clamp(64, LARGEST_SIDE)).await {
            Ok(view) => view.into_call_tool_result(),
            Err(error) => Ok(error.into_response()),
        }
    }
}

async fn look(server: &Server, uri: &str, max_side: u32) -> Result<View, ToolError> {
    let place = server.inputs.work.picture_place()?;
    let source = server.inputs.resolver.find("uri", uri).await?;
    let named = named(server, uri, &source).await;
    let view = seen(server, uri, source, max_side, place).await?;
    Ok(match view {
        View::Image(preview, words) => View::Image(preview, format!("{words}{named}")),
        View::Words(words) => View::Words(format!("{words}{named}")),
    })
}

/// The path and the address of the viewed file. Some hosts drop the image, and then only this text remains.
async fn named(server: &Server, uri: &str, source: &ResolvedInput) -> String {
    let given = Some(uri.trim()).filter(|uri| uri.starts_with("minimax://")).map(str::to_owned);
    let (path, address) = match source {
        // A path on this machine means nothing to a remote caller, and a copy of an object is removed soon.
        ResolvedInput::Path(path) if server.caller().remote || server.inputs.resolver.is_copy(path) => {
            (None, given)
        }
        ResolvedInput::Path(path) if given.is_none() => (Some(path), address_of(server, path).await),
        ResolvedInput::Path(path) => (Some(path), given),
        _ => (None, given),
    };
    let path = path.map(|path| format!("\nFile: {}", path.display()));
    let address = address.map(|address| format!("\nAddress: {address}"));
    path.into_iter().chain(address).collect()
}

/// The address of a file that one of the caller's last jobs saved at this path.
async fn address_of(server: &Server, path: &Path) -> Option<String> {
    let filter = Filter { limit: LAST_JOBS, ..Filter::default() };
    let page = server.jobs().list(server.principal(), &filter).await.ok()?;
    page.jobs.iter().find_map(|job| {
        let is_here = |file: &&JobFile| file.saved.as_ref().is_some_and(|saved| saved.path == path);
        job.files.iter().find(is_here).map(|file| format!("minimax://files/{}/{}", job.id, file.name))
    })
}

/// What to give in place of a file that is not here.
fn elsewhere(server: &Server) -> &'static str {
    if server.policy.offers("download_file") {
        "download_file saves it, then give the path"
    } else {
        "give the minimax:// uri of a job's file or of an upload"
    }
}

async fn seen(
    server: &Server,
    uri: &str,
    source: ResolvedInput,
    max_side: u32,
    place: Place,
) -> Result<View, ToolError> {
    let source = match source {
        ResolvedInput::Link(_) => {
            let problem = format!("is a link; {}", elsewhere(server));
            return Err(ToolError::argument("uri", problem));
        }
        ResolvedInput::Uploaded(_) => {
            let problem = format!("is at MiniMax; {}", elsewhere(server));
            return Err(ToolError::argument("uri", problem));
        }
        source => source,
    };
    let video = match &source {
        ResolvedInput::Data(blob) => blob.kind == Kind::Video,
        ResolvedInput::Path(path) => {
            server.inputs.resolver.opened("uri", path.clone(), &VIDEOS).await.is_ok()
        }
        ResolvedInput::Link(link) | ResolvedInput::Made(link) => {
            matches!(link_extension(link), "mp4" | "mov" | "webm")
        }
        ResolvedInput::Uploaded(_) => false,
    };
    if video {
        return frame_of_video(server, uri, max_side, place).await;
    }
    let blob = server.inputs.resolver.content("uri", source, &IMAGES).await?;
    shown(place, blob, max_side, String::new()).await
}

/// Videos are not decoded here. For a job whose first frame was given as a link, that frame is shown.
async fn frame_of_video(server: &Server, uri: &str, max_side: u32, place: Place) -> Result<View, ToolError> {
    if let Some(link) = first_frame(server, uri).await? {
        let fetching = server.inputs.work.link_permit().await?;
        let secured = server.inputs.resolver.secured(&link);
        let fetched = in_time(server.jobs().input_fetcher().fetch(&secured, &IMAGES)).await;
        drop(fetching);
        if let Ok(blob) = fetched {
            let words = "This is the first frame as it was given to MiniMax, not a frame of the video. ";
            return shown(place, blob, max_side, words.to_owned()).await;
        }
    }
    Ok(View::Words(
        "This is a video, and this server has no decoder for videos, so no frame of it can be shown here. Its \
         size and length are in the job view (get_job). Let the user watch it by its path or link."
            .to_owned(),
    ))
}

async fn first_frame(server: &Server, uri: &str) -> Result<Option<String>, ToolError> {
    // Decoding the bytes of a data: URI would be wasted work.
    let named = Some(uri).filter(|uri| !is_data_uri(uri));
    let Some(Ok(Reference::Made { job, .. })) = named.map(|uri| media::parse(uri, None)) else {
        return Ok(None);
    };
    let Some(job) = server.jobs().get(server.principal(), &job).await? else { return Ok(None) };
    let frame = |item: &&Value| item.get("role").and_then(Value::as_str) == Some("first_frame");
    let v1 = job.request.get("first_frame_image");
    let content = job.request.get("content").and_then(Value::as_array);
    let v2 = content.and_then(|items| items.iter().find(frame)?.pointer("/image_url/url"));
    let link = v1.or(v2).and_then(Value::as_str).filter(|link| link.starts_with("http"));
    Ok(link.map(str::to_owned))
}

async fn shown(place: Place, blob: Blob, max_side: u32, words: String) -> Result<View, ToolError> {
    let draw = move || media::preview(&blob.bytes, max_side, LARGEST_JPEG);
    let drawn = work_permits::run(place.permit().await, draw).await;
    let drawn = drawn.unwrap_or_else(|| Err("could not be shown".to_owned()));
    let preview = drawn.map_err(|problem| ToolError::argument("uri", problem))?;
    let (width, height) = preview.size;
    let (original_width, original_height) = preview.original;
    let words = if preview.size == preview.original {
        format!("{words}Shown in its size, {width}x{height} pixels.")
    } else {
        format!(
            "{words}Shown with {width}x{height} pixels; the original has {original_width}x{original_height}."
        )
    };
    Ok(View::Image(preview, words))
}

impl IntoCallToolResult for View {
    fn into_call_tool_result(self) -> Result<CallToolResponse, ErrorData> {
        let (image, words) = match self {
            Self::Words(words) => (None, words),
            Self::Image(preview, words) => {
                (Some(ContentBlock::image(BASE64.encode(&preview.jpeg), "image/jpeg")), words)
            }
        };
        let mut result = Report::default().next(words).plain();
        result.content.splice(..0, image);
        Ok(result.into())
    }
}

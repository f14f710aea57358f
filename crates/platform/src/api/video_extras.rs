//! The other endpoints of the H3 family: enriching prompts, regenerating videos, listing tasks (platform docs > H3
//! Context-IR, Video Regeneration, List Video Generation V2).

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::task::unwrapped;
use super::video_v2::{Content, path_segment};
use super::{ApiError, Client, Endpoint, lenient};

const ENRICH: Endpoint = Endpoint::post("/v2/h3_context_ir", 60);
const REGENERATE: Endpoint = Endpoint::post("/v2/video_regeneration", 60);
const TASKS: Endpoint = Endpoint::get("/v2/query/video_generation");

/// The body of `POST /v2/h3_context_ir`: that of a video request without the fields about the file.
#[derive(Debug, Clone, Serialize)]
pub struct Enrich {
    /// `MiniMax-H3`.
    pub model: String,
    /// One text, with frames or references.
    pub content: Vec<Content>,
    /// The planned length of the video, in seconds.
    pub duration: u32,
    /// The planned aspect ratio.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ratio: Option<String>,
    /// A webhook for the task's progress. It must answer MiniMax's challenge.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub callback_url: Option<String>,
}

/// The body of `POST /v2/video_regeneration`.
#[derive(Debug, Clone, Serialize)]
pub struct Regenerate {
    /// `MiniMax-H3`.
    pub model: String,
    /// The video to regenerate.
    #[serde(flatten)]
    pub source: Source,
    /// Always `2K`.
    pub resolution: &'static str,
}

/// The source of a regeneration. The variant's name is the field's name on the wire.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// A task of this account.
    SourceTaskId(String),
    /// The original inputs, and the video as `base_video`.
    Content(Vec<Content>),
}

/// A page of the account's tasks.
#[derive(Debug, Deserialize)]
pub struct TaskPage {
    /// Newest first.
    #[serde(default)]
    pub items: Vec<CloudTask>,
    /// The number of tasks on all pages.
    #[serde(default)]
    pub total: u64,
}

/// A V2 task as MiniMax reports it. Missing fields are empty.
#[derive(Debug, Clone, Deserialize)]
#[expect(missing_docs, reason = "the fields are those on the wire")]
pub struct CloudTask {
    #[serde(deserialize_with = "lenient")]
    pub id: String,
    #[serde(default)]
    pub model: String,
    /// `queued`, `running`, `succeeded`, `failed`, `cancelled`, `expired`.
    #[serde(default)]
    pub status: String,
    /// `generation`, `h3_context_ir`, `regeneration`.
    #[serde(default)]
    pub task_type: String,
    /// Unix seconds.
    #[serde(default)]
    pub created_at: i64,
    pub resolution: Option<String>,
    pub duration: Option<u32>,
    pub ratio: Option<String>,
    pub content: Option<CloudContent>,
    pub error: Option<CloudError>,
    pub usage: Option<Value>,
}

/// The result of a task.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct CloudContent {
    /// A link to a video.
    pub url: Option<String>,
    /// An enriched prompt.
    pub prompt: Option<String>,
}

/// Why a task failed.
#[derive(Debug, Clone, Deserialize)]
pub struct CloudError {
    /// MiniMax's error code.
    #[serde(default, deserialize_with = "lenient")]
    pub code: String,
    /// MiniMax's message.
    #[serde(default)]
    pub message: String,
}

impl Client {
    /// Submits a prompt to be enriched and returns the task id.
    pub async fn submit_enrich(&self, submit: &Enrich) -> Result<String, ApiError> {
        self.submit_task(&ENRICH, submit).await
    }

    /// Submits a video to be regenerated in 2K and returns the task id.
    pub async fn submit_regenerate(&self, submit: &Regenerate) -> Result<String, ApiError> {
        self.submit_task(&REGENERATE, submit).await
    }

    /// Lists a page of the account's V2 tasks from the last seven days. `page` counts from 1.
    pub async fn video_tasks(
        &self,
        page: u32,
        size: u32,
        status: Option<&str>,
        model: Option<&str>,
    ) -> Result<TaskPage, ApiError> {
        let (page, size) = (page.to_string(), size.to_string());
        let mut query = vec![("page_num", page.as_str()), ("page_size", size.as_str())];
        query.extend(status.map(|status| ("filter.status", status)));
        query.extend(model.map(|model| ("filter.model", model)));
        self.get(&TASKS, &query).await
    }

    /// Gets all details of one V2 task from the last seven days.
    pub async fn video_task(&self, task_id: &str) -> Result<CloudTask, ApiError> {
        let path = format!("{}/{}", TASKS.path, path_segment(task_id));
        let (answer, trace_id): (Value, _) = self.send_traced(&TASKS, &path, |request| request).await?;
        let task = unwrapped(&answer).unwrap_or(&answer).to_string();
        self.parse(TASKS.path, trace_id, task.as_bytes())
    }
}

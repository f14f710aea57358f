//! What the H3 family can do besides making a video (platform docs > H3 Context-IR, Video Regeneration, List
//! Video Generation V2).

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::video::task;
use super::video_v2::{Content, path_segment};
use super::{ApiError, Client, Endpoint, lenient};

const ENRICH: Endpoint = Endpoint::post("/v2/h3_context_ir", 60);
const REGENERATE: Endpoint = Endpoint::post("/v2/video_regeneration", 60);
const TASKS: Endpoint = Endpoint::get("/v2/query/video_generation");

/// The body of `POST /v2/h3_context_ir`: as that of a video, less what concerns the file.
#[derive(Debug, Clone, Serialize)]
pub struct Enrich {
    /// `MiniMax-H3`.
    pub model: String,
    /// One text, and frames or references.
    pub content: Vec<Content>,
    /// Seconds that the video is to have.
    pub duration: u32,
    /// The shape that it is to have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ratio: Option<String>,
    /// Told about the task's progress; must answer a challenge.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub callback_url: Option<String>,
}

/// The body of `POST /v2/video_regeneration`.
#[derive(Debug, Clone, Serialize)]
pub struct Regenerate {
    /// `MiniMax-H3`.
    pub model: String,
    /// What is made again.
    #[serde(flatten)]
    pub source: Source,
    /// Always `2K`.
    pub resolution: &'static str,
}

/// What a regeneration starts from; the field on the wire has the variant's name.
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
    /// Tasks on all pages.
    #[serde(default)]
    pub total: u64,
}

/// A V2 task as MiniMax shows it. What MiniMax left out is empty.
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

/// What a task has made.
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
    /// As in the code table.
    #[serde(default, deserialize_with = "lenient")]
    pub code: String,
    /// In MiniMax's words.
    #[serde(default)]
    pub message: String,
}

impl Client {
    /// Hands a prompt in to be enriched; the answer is its task id.
    pub async fn submit_enrich(&self, submit: &Enrich) -> Result<String, ApiError> {
        self.submit_extra(&ENRICH, submit).await
    }

    /// Hands a video in to be made again in 2K; the answer is its task id.
    pub async fn submit_regenerate(&self, submit: &Regenerate) -> Result<String, ApiError> {
        self.submit_extra(&REGENERATE, submit).await
    }

    async fn submit_extra(&self, endpoint: &Endpoint, submit: &impl Serialize) -> Result<String, ApiError> {
        #[derive(Deserialize)]
        struct Answer {
            #[serde(default, deserialize_with = "lenient")]
            task_id: String,
        }
        let Answer { task_id } = self.post(endpoint, submit).await?;
        task(endpoint.path, task_id)
    }

    /// A page of the account's V2 tasks of the last seven days. `page` counts from 1.
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

    /// One V2 task of the last seven days, with all that MiniMax says of it.
    pub async fn video_task(&self, task_id: &str) -> Result<CloudTask, ApiError> {
        #[derive(Deserialize)]
        struct Answer {
            task: CloudTask,
        }
        let path = format!("{}/{}", TASKS.path, path_segment(task_id));
        let Answer { task } = self.send(&TASKS, &path, |request| request).await?;
        Ok(task)
    }
}

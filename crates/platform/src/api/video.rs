//! Video V1: Hailuo, the 01 series and templates (platform docs > Video Generation, Video Agent).

use serde::Serialize;

use super::task::{Ending, Polled, Progress, Ready, ending, file_id, unwrapped, word};
use super::{ApiError, Client, Endpoint, group, lenient};
use crate::response::envelope::usable_link;

const SUBMIT: Endpoint = Endpoint::post("/v1/video_generation", 60);
const QUERY: Endpoint = Endpoint::get("/v1/query/video_generation").polled_in(group::POLLS);
const QUERY_TEMPLATE: Endpoint = Endpoint::get("/v1/query/video_template_generation").polled_in(group::POLLS);

/// The body of `POST /v1/video_generation`, for all four modes.
#[derive(Debug, Clone, Serialize)]
pub struct VideoSubmit {
    /// A video model, such as `MiniMax-Hailuo-2.3`.
    pub model: String,
    /// At most 2000 characters, with camera commands in square brackets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompt: Option<String>,
    /// A URL or a data URL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_frame_image: Option<String>,
    /// A URL or a data URL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_frame_image: Option<String>,
    /// S2V-01 only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject_reference: Option<Vec<SubjectReference>>,
    /// Lets MiniMax rewrite the prompt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompt_optimizer: Option<bool>,
    /// Shortens the rewriting of the prompt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fast_pretreatment: Option<bool>,
    /// Seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration: Option<u32>,
    /// A resolution, such as `768P`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resolution: Option<String>,
    /// A webhook for the task's progress. It must answer MiniMax's challenge.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub callback_url: Option<String>,
    /// Marks the video as AI-generated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aigc_watermark: Option<bool>,
}

/// A face to show in the video.
#[derive(Debug, Clone, Serialize)]
pub struct SubjectReference {
    /// Always `character`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// Exactly one URL or data URL.
    pub image: Vec<String>,
}

impl Client {
    /// Submits a video and returns its task id.
    pub async fn submit_video(&self, submit: &VideoSubmit) -> Result<String, ApiError> {
        self.submit_task(&SUBMIT, submit).await
    }

    /// Polls a V1 task.
    pub async fn query_video(&self, task_id: &str) -> Result<Progress, ApiError> {
        self.query_v1(&QUERY, task_id).await
    }

    /// Polls a template task.
    pub async fn query_template(&self, task_id: &str) -> Result<Progress, ApiError> {
        self.query_v1(&QUERY_TEMPLATE, task_id).await
    }

    async fn query_v1(&self, endpoint: &Endpoint, task_id: &str) -> Result<Progress, ApiError> {
        let Polled { answer, trace_id } =
            match self.poll(endpoint, endpoint.path, &[("task_id", task_id)]).await {
                Ok(polled) => polled,
                // A failed task may give its reason in `base_resp`, which looks like an error of the query itself.
                Err(ApiError::Refused { code: code @ Some(1026 | 1027), message, .. }) => {
                    return Ok(Progress::Failed { code, message });
                }
                Err(error) => return Err(error),
            };
        let task = unwrapped(&answer).unwrap_or(&answer);
        let text = |name: &str| task.get(name).and_then(|value| lenient(value).ok()).unwrap_or_default();
        Ok(match ending(word(task)) {
            None => Progress::Pending(self.clean(word(task))),
            // The documentation says `Fail` and callbacks say `failed`; accept any spelling.
            Some(Ending::Failed) => self.failed(&answer, task),
            Some(Ending::Expired) => Progress::Failed { code: None, message: "the task expired".to_owned() },
            Some(Ending::Cancelled) => Progress::Cancelled,
            Some(Ending::Succeeded) => {
                let file_id = file_id(text("file_id"));
                let url =
                    ["video_url", "download_url", "url"].iter().find_map(|name| usable_link(&text(name)));
                if url.is_none() && file_id.is_none() {
                    return Ok(Progress::Empty { trace_id });
                }
                Progress::Ready(Box::new(Ready {
                    file_id,
                    url,
                    width: text("video_width").parse().ok(),
                    height: text("video_height").parse().ok(),
                    ..Ready::default()
                }))
            }
        })
    }
}

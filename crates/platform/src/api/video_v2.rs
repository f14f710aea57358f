//! Video V2: the H3 family (platform docs > Video Generation V2).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::task::{Ending, Polled, Progress, Ready, ending, unwrapped, word};
use super::{ApiError, Client, Endpoint, group};
use crate::response::envelope::usable_link;

const SUBMIT: Endpoint = Endpoint::post("/v2/video_generation", 60);
const QUERY: Endpoint = Endpoint::get("/v2/query/video_generation").polled_in(group::POLLS);

/// The body of `POST /v2/video_generation`.
#[derive(Debug, Clone, Serialize)]
pub struct VideoV2Submit {
    /// A video model, such as `MiniMax-H3`.
    pub model: String,
    /// One text, with frames or references.
    pub content: Vec<Content>,
    /// `480P`, `768P` or `2K`, depending on the model.
    pub resolution: String,
    /// In seconds. The range depends on the model.
    pub duration: u32,
    /// An aspect ratio, such as `16:9`, or `adaptive`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ratio: Option<String>,
    /// H3-Max only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extra: Option<Extra>,
    /// A webhook for the task's progress. It must answer MiniMax's challenge.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub callback_url: Option<String>,
    /// Marks the video as AI-generated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aigc_watermark: Option<bool>,
}

/// An item of `content`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[expect(missing_docs, reason = "the fields are those on the wire")]
pub enum Content {
    Text { text: String },
    ImageUrl { image_url: MediaUrl, role: Role },
    VideoUrl { video_url: MediaUrl, role: Role },
    AudioUrl { audio_url: MediaUrl, role: Role },
}

/// A public URL, `mm_file://ID` or a data URL.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MediaUrl {
    /// The URL.
    pub url: String,
}

/// The role of a media input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the variants are the values on the wire")]
pub enum Role {
    FirstFrame,
    LastFrame,
    ReferenceImage,
    ReferenceVideo,
    ReferenceAudio,
    BaseVideo,
}

/// Options of H3-Max.
#[derive(Debug, Clone, Serialize)]
pub struct Extra {
    /// How much MiniMax rewrites the prompt.
    pub prompt_expansion_mode: Expansion,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the variants are the values on the wire")]
pub enum Expansion {
    Disabled,
    Balanced,
    Quality,
}

impl Client {
    /// Submits a video and returns its task id.
    pub async fn submit_video_v2(&self, submit: &VideoV2Submit) -> Result<String, ApiError> {
        self.submit_task(&SUBMIT, submit).await
    }

    /// Polls a V2 task from the last seven days. Each poll returns a new link.
    pub async fn query_video_v2(&self, task_id: &str) -> Result<Progress, ApiError> {
        let path = format!("{}/{}", QUERY.path, path_segment(task_id));
        let Polled { answer, trace_id } = self.poll(&QUERY, &path, &[]).await?;
        let task = unwrapped(&answer).unwrap_or(&answer);
        let some =
            |place: &str| task.pointer(place)?.as_str().map(str::to_owned).filter(|text| !text.is_empty());
        // Any value but a string means that the task ended without a file.
        let places =
            ["/content/url", "/content/video_url", "/content/0/url", "/content", "/video_url", "/url"];
        let url = places.iter().find_map(|place| usable_link(task.pointer(place)?.as_str()?));
        let text = some("/content/prompt").or_else(|| some("/prompt"));
        Ok(match ending(word(task)) {
            Some(Ending::Succeeded) if url.is_some() || text.is_some() => {
                let (model, usage) =
                    (some("/model"), task.get("usage").filter(|usage| !usage.is_null()).cloned());
                Progress::Ready(Box::new(Ready { url, text, usage, model, ..Ready::default() }))
            }
            Some(Ending::Succeeded) => Progress::Empty { trace_id },
            Some(Ending::Expired) if task.get("error").is_none_or(Value::is_null) => {
                Progress::Failed { code: None, message: "the task expired".to_owned() }
            }
            Some(Ending::Failed | Ending::Expired) => self.failed(&answer, task),
            Some(Ending::Cancelled) => Progress::Cancelled,
            None => Progress::Pending(self.clean(word(task))),
        })
    }

    /// Cancels a queued V2 task. MiniMax refuses to cancel a running one.
    pub async fn cancel_video_v2(&self, task_id: &str) -> Result<(), ApiError> {
        const DELETE: Endpoint = Endpoint::delete("/v2/video_generation");
        #[derive(Deserialize)]
        struct Answer {
            action: String,
        }
        let path = format!("{}/{}", DELETE.path, path_segment(task_id));
        let Answer { action } = self.send(&DELETE, &path, |request| request).await?;
        if action == "cancelled" {
            return Ok(());
        }
        let why = format!("the answer to the cancellation has the action `{}`", self.clean(&action));
        Err(ApiError::Shape { at: self.at(DELETE.path), why, trace_id: None, answer: None })
    }
}

/// Escapes an id for a path. Ids also come from callers, who must not reach another path.
pub(super) fn path_segment(id: &str) -> String {
    url::form_urlencoded::byte_serialize(id.as_bytes()).collect()
}

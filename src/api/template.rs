//! Video templates (platform docs > Video Agent). Their queries are in `video`.

use serde::{Deserialize, Serialize};

use super::video::task;
use super::{ApiError, Client, Endpoint, lenient};

const SUBMIT: Endpoint = Endpoint::post("/v1/video_template_generation", 60);

/// The body of `POST /v1/video_template_generation`.
#[derive(Debug, Clone, Serialize)]
pub struct Submit {
    /// Digits, as text.
    pub template_id: String,
    /// URLs or data URLs of images.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub media_inputs: Vec<TemplateInput>,
    /// Texts, such as the name of an animal.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub text_inputs: Vec<TemplateInput>,
}

/// One thing that a template asks for.
#[derive(Debug, Clone, Serialize)]
pub struct TemplateInput {
    /// A URL, a data URL or a text.
    pub value: String,
}

impl Client {
    /// Hands a template in; the answer is its task id.
    pub async fn submit_template(&self, submit: &Submit) -> Result<String, ApiError> {
        #[derive(Deserialize)]
        struct Answer {
            #[serde(default, deserialize_with = "lenient")]
            task_id: String,
        }
        let Answer { task_id } = self.post(&SUBMIT, submit).await?;
        task(SUBMIT.path, task_id)
    }
}

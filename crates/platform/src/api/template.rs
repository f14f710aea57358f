//! Video templates (platform docs > Video Agent). Their queries are in `video`.

use serde::Serialize;

use super::{ApiError, Client, Endpoint};

const SUBMIT: Endpoint = Endpoint::post("/v1/video_template_generation", 60);

/// The body of `POST /v1/video_template_generation`.
#[derive(Debug, Clone, Serialize)]
pub struct TemplateSubmit {
    /// Digits, as a string.
    pub template_id: String,
    /// Images, as URLs or data URLs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub media_inputs: Vec<TemplateInput>,
    /// Texts, such as the name of an animal.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub text_inputs: Vec<TemplateInput>,
}

/// One input of a template.
#[derive(Debug, Clone, Serialize)]
pub struct TemplateInput {
    /// A URL, data URL or text.
    pub value: String,
}

impl Client {
    /// Submits a template and returns its task id.
    pub async fn submit_template(&self, submit: &TemplateSubmit) -> Result<String, ApiError> {
        self.submit_task(&SUBMIT, submit).await
    }
}

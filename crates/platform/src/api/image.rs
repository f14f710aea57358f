//! Images (platform docs > Image Generation).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::envelope::{count, usable_link};
use super::{ApiError, Client, Endpoint};

const GENERATE: Endpoint = Endpoint::post("/v1/image_generation", 180);

/// The body of `POST /v1/image_generation`.
#[derive(Debug, Clone, Serialize)]
pub struct ImageSubmit {
    /// `image-01`, `image-01-live`, or a newer model.
    pub model: String,
    /// At most 1500 characters.
    pub prompt: String,
    /// An aspect ratio, such as `16:9`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aspect_ratio: Option<String>,
    /// In pixels; needs `height`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub width: Option<u32>,
    /// In pixels; needs `width`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub height: Option<u32>,
    /// Always `url`. After a crash of this server a link still works, while bytes in a response would be lost.
    pub response_format: &'static str,
    /// The same seed and prompt make the same image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<i64>,
    /// 1 to 9.
    pub n: u32,
    /// Lets MiniMax rewrite the prompt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompt_optimizer: Option<bool>,
    /// Marks the image as AI-generated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aigc_watermark: Option<bool>,
    /// `image-01-live` only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub style: Option<Style>,
    /// For image to image, with exactly one entry.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject_reference: Option<Vec<Subject>>,
}

/// The drawing style of `image-01-live`.
#[derive(Debug, Clone, Serialize)]
pub struct Style {
    /// The style.
    pub style_type: StyleType,
    /// Above 0, at most 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub style_weight: Option<f64>,
}

// Callers write English words; MiniMax expects the Chinese ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[expect(missing_docs, reason = "the variants are the values on the wire")]
pub enum StyleType {
    #[serde(rename(serialize = "漫画", deserialize = "comic"))]
    Comic,
    #[serde(rename(serialize = "元气", deserialize = "lively"))]
    Lively,
    #[serde(rename(serialize = "中世纪", deserialize = "medieval"))]
    Medieval,
    #[serde(rename(serialize = "水彩", deserialize = "watercolour"))]
    Watercolour,
}

/// A person whose appearance the images keep.
#[derive(Debug, Clone, Serialize)]
pub struct Subject {
    /// Always `character`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// A URL or a data URL; JPEG or PNG below 10 MB.
    pub image_file: String,
}

/// The result of one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Images {
    /// Links, valid for 24 hours.
    pub urls: Vec<String>,
    /// Images that MiniMax withheld for content safety.
    pub failed: u32,
    /// Images whose links cannot be fetched.
    pub unusable: u32,
    /// The trace id, which MiniMax's support asks for.
    pub trace_id: Option<String>,
    /// `metadata`, unchanged.
    pub usage: Option<Value>,
}

impl Client {
    /// Makes images and waits for them, typically 10 to 40 seconds.
    pub async fn generate_images(&self, submit: &ImageSubmit) -> Result<Images, ApiError> {
        #[derive(Deserialize)]
        struct Answer {
            // Untyped, so that an odd value elsewhere cannot lose the paid links.
            data: Option<Value>,
            metadata: Option<Value>,
        }
        let sent = self.send_traced(&GENERATE, GENERATE.path, |request| request.json(submit)).await?;
        let (Answer { data, metadata }, trace_id) = sent;
        let links = match data.as_ref().and_then(|data| data.get("image_urls")) {
            Some(Value::Array(links)) => links.as_slice(),
            // A single link instead of a list.
            Some(link) => std::slice::from_ref(link),
            None => &[],
        };
        let links: Vec<_> = links.iter().filter_map(Value::as_str).collect();
        let urls: Vec<_> = links.iter().copied().filter_map(usable_link).collect();
        let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        let unusable = number(links.len().saturating_sub(urls.len()));
        // The documented example has a string, the schema a number.
        let failed = metadata.as_ref().and_then(|counts| count(counts.get("failed_count")?));
        if links.is_empty() && failed.is_none_or(|failed| failed == 0) {
            let why = "a success with neither images nor a count of those withheld".to_owned();
            return Err(ApiError::Shape { at: self.at(GENERATE.path), why, trace_id });
        }
        let missing = submit.n.saturating_sub(number(links.len()));
        let failed = failed.and_then(|failed| u32::try_from(failed).ok()).unwrap_or(0);
        Ok(Images { urls, failed: failed.max(missing), unusable, trace_id, usage: metadata })
    }
}

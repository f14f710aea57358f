//! Images (platform docs > Image Generation).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{ApiError, Client, Endpoint, lenient};

const GENERATE: Endpoint = Endpoint::post("/v1/image_generation", 180);

/// The body of `POST /v1/image_generation`.
#[derive(Debug, Clone, Serialize)]
pub struct Submit {
    /// `image-01`, `image-01-live`, or one that does not exist yet.
    pub model: String,
    /// At most 1500 characters.
    pub prompt: String,
    /// `16:9` and the like.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aspect_ratio: Option<String>,
    /// Pixels, with `height`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub width: Option<u32>,
    /// Pixels, with `width`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub height: Option<u32>,
    /// Always `url`: a link outlives a crash of ours, bytes in an answer do not.
    pub response_format: &'static str,
    /// The same seed and prompt make the same image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<i64>,
    /// 1 to 9.
    pub n: u32,
    /// Lets MiniMax rewrite the prompt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompt_optimizer: Option<bool>,
    /// Marks the image as machine-made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aigc_watermark: Option<bool>,
    /// `image-01-live` only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub style: Option<Style>,
    /// Image to image: exactly one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject_reference: Option<Vec<Subject>>,
}

/// How `image-01-live` draws.
#[derive(Debug, Clone, Serialize)]
pub struct Style {
    /// The manner.
    pub style_type: StyleType,
    /// Above 0, at most 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub style_weight: Option<f64>,
}

// The wire wants the Chinese words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[expect(missing_docs, reason = "the variants are the values on the wire")]
pub enum StyleType {
    #[serde(rename = "漫画")]
    Comic,
    #[serde(rename = "元气")]
    Lively,
    #[serde(rename = "中世纪")]
    Medieval,
    #[serde(rename = "水彩")]
    Watercolour,
}

/// A person whose looks the images keep.
#[derive(Debug, Clone, Serialize)]
pub struct Subject {
    /// Always `character`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// A URL or a data URL; JPEG or PNG below 10 MB.
    pub image_file: String,
}

/// What one request made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Images {
    /// Links, valid for 24 hours.
    pub urls: Vec<String>,
    /// Images that MiniMax withheld, by content safety.
    pub failed: u32,
    /// MiniMax's id of the request.
    pub id: Option<String>,
    /// `metadata` as it came.
    pub usage: Option<Value>,
}

impl Client {
    /// Makes images and waits for them: typically 10 to 40 seconds.
    pub async fn generate_images(&self, submit: &Submit) -> Result<Images, ApiError> {
        #[derive(Deserialize)]
        struct Answer {
            id: Option<String>,
            data: Option<Data>,
            metadata: Option<Value>,
        }
        #[derive(Deserialize)]
        struct Data {
            #[serde(default)]
            image_urls: Vec<String>,
        }
        #[derive(Deserialize)]
        struct Counts {
            // A string in the documented sample, a number in the schema.
            #[serde(default, deserialize_with = "lenient")]
            failed_count: String,
        }
        let Answer { id, data, metadata } = self.post(&GENERATE, submit).await?;
        let urls = data.map(|data| data.image_urls).unwrap_or_default();
        let counted = metadata.clone().and_then(|counts| serde_json::from_value::<Counts>(counts).ok());
        let failed = counted.and_then(|counts| counts.failed_count.parse().ok());
        let missing = submit.n.saturating_sub(u32::try_from(urls.len()).unwrap_or(u32::MAX));
        Ok(Images { urls, failed: failed.unwrap_or(0).max(missing), id, usage: metadata })
    }
}

//! Images (platform docs > Image Generation).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::exchange::Beside;
use super::{ApiError, Client, Endpoint};
use crate::response::clip::{self, Clip};
use crate::response::envelope::{count, usable_link};

const GENERATE: Endpoint = Endpoint::post("/v1/image_generation", 180).with_media(64 * 1024 * 1024);

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
    /// Links, valid for 24 hours, or the bytes if MiniMax sends them although links were requested.
    pub images: Vec<Clip>,
    /// Images that MiniMax withheld for content safety.
    pub failed: u32,
    /// Images whose links cannot be fetched.
    pub unusable: u32,
    /// What is in the place of their links.
    pub odd: Vec<String>,
    /// The trace id, which MiniMax's support asks for.
    pub trace_id: Option<String>,
    /// `metadata`, unchanged.
    pub usage: Option<Value>,
}

impl Client {
    /// Makes images and waits for them, typically 10 to 40 seconds.
    pub async fn generate_images(&self, submit: &ImageSubmit) -> Result<Images, ApiError> {
        let read = |answer: Value, beside: &mut Beside| {
            // MiniMax documents `data`.
            let inner = ["data", "result", "output"].iter().find_map(|name| answer.get(name));
            let mut texts = Vec::new();
            gather(inner.unwrap_or(&answer), 0, &mut texts);
            let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
            let (mut images, mut odd) = (Vec::new(), Vec::new());
            for text in &texts {
                match image(text) {
                    Some(image) => images.push(image),
                    None => odd.push((*text).to_owned()),
                }
            }
            let metadata = answer.get("metadata").filter(|metadata| !metadata.is_null());
            // The documented example has a string, the schema a number.
            let failed = metadata.and_then(|counts| count(counts.get("failed_count")?));
            if texts.is_empty() && failed.is_none_or(|failed| failed == 0) {
                return Err("a success with neither images nor a count of those withheld".to_owned());
            }
            let missing = submit.n.saturating_sub(number(texts.len()));
            let failed = failed.and_then(|failed| u32::try_from(failed).ok()).unwrap_or(0);
            // What an answer that ends in the middle does not name was made all the same.
            let (failed, lost) = if beside.is_cut {
                (failed, missing.saturating_sub(failed))
            } else {
                (failed.max(missing), 0)
            };
            let unusable = number(odd.len()).saturating_add(lost);
            let (trace_id, usage) = (beside.trace_id.clone(), metadata.cloned());
            Ok(Images { images, failed, unusable, odd, trace_id, usage })
        };
        self.buy(&GENERATE, |request| request.json(submit), read).await
    }
}

/// The fields that may have images, or one. MiniMax documents the first two.
const IMAGES: &[&str] =
    &["image_urls", "image_base64", "image_url", "images", "urls", "url", "b64_json", "base64", "image"];

/// The texts that stand for images.
fn gather<'a>(value: &'a Value, depth: u8, texts: &mut Vec<&'a str>) {
    match value {
        Value::String(text) if depth > 0 => texts.push(text),
        Value::Array(items) => items.iter().for_each(|item| gather(item, depth.max(1), texts)),
        Value::Object(fields) if depth < 4 => {
            for name in IMAGES {
                let before = texts.len();
                fields.get(*name).into_iter().for_each(|inner| gather(inner, depth + 1, texts));
                // Another field has the same images in another form.
                if texts.iter().skip(before).any(|text| !text.is_empty()) {
                    return;
                }
                if IMAGES.last() != Some(name) && texts.len() > before && has_more(fields, name) {
                    texts.truncate(before);
                }
            }
        }
        _ => {}
    }
}

/// Whether a field after `name` may have the images.
fn has_more(fields: &serde_json::Map<String, Value>, name: &str) -> bool {
    let after = IMAGES.iter().skip_while(|known| **known != name).skip(1);
    after.into_iter().any(|name| fields.contains_key(*name))
}

/// A link, or the bytes of an image in base64 or hex.
fn image(text: &str) -> Option<Clip> {
    if let Some(link) = usable_link(text) {
        return Some(Clip::Link(link));
    }
    let is_image = |bytes: &Vec<u8>| infer::is_image(bytes);
    let decoded = [Some(clip::hex(text).0), clip::base64(text).map(|(bytes, _)| bytes)];
    decoded.into_iter().flatten().find(is_image).map(Clip::Bytes)
}

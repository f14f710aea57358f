//! The `content` list of V2 videos: the roles of its items, and their allowed combinations.

use serde_json::{Map, Value};

use crate::engine::errors::ApiError;
use crate::engine::field_rules::{Field, Kind, TEXT, optional, required, text};
use crate::engine::media_input;
use crate::engine::state::AppState;

/// "Video generation V2 > content".
pub(crate) const ITEM: &[Field] = &[
    required("type", TYPE),
    optional("text", Kind::Text { min: 0, max: 7000 }),
    optional("image_url", URL),
    optional("video_url", URL),
    optional("audio_url", URL),
    optional(
        "role",
        Kind::OneOf(&["first_frame", "last_frame", REFERENCE_IMAGE, "reference_video", "reference_audio"]),
    ),
];
/// "Video regeneration > content": allows a longer text, and the base video.
pub(crate) const ORIGINAL: &[Field] = &[
    required("type", TYPE),
    optional("text", Kind::Text { min: 0, max: 40_000 }),
    optional("image_url", URL),
    optional("video_url", URL),
    optional("audio_url", URL),
    optional(
        "role",
        Kind::OneOf(&[
            "first_frame",
            "last_frame",
            REFERENCE_IMAGE,
            "reference_video",
            "reference_audio",
            BASE_VIDEO,
        ]),
    ),
];
const TYPE: Kind = Kind::OneOf(&["text", "image_url", "video_url", "audio_url"]);
const BASE_VIDEO: &str = "base_video";
const URL: Kind = Kind::Object(&[required("url", TEXT)]);
const REFERENCE_IMAGE: &str = "reference_image";

/// The `content` list, grouped by role.
#[derive(Debug, Default)]
pub(crate) struct Content {
    pub prompt: String,
    /// The number of text items.
    texts: usize,
    pub first: Vec<String>,
    pub last: Vec<String>,
    pub images: Vec<String>,
    pub videos: Vec<String>,
    pub audios: Vec<String>,
    /// The base video of a regeneration.
    pub base: Vec<String>,
}

impl Content {
    pub fn read(body: &Map<String, Value>) -> Result<Self, ApiError> {
        let items = body.get("content").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let pictures =
            items.iter().filter(|item| item.get("type").is_some_and(|kind| kind == "image_url")).count();
        let mut content = Self::default();
        for (at, item) in items.iter().filter_map(Value::as_object).enumerate() {
            content.add(at, item, pictures)?;
        }
        content.count()?;
        Ok(content)
    }

    /// Reads the content of a regeneration, which requires the base video.
    pub fn read_with_base(body: &Map<String, Value>) -> Result<Self, ApiError> {
        let content = Self::read(body)?;
        if content.base.len() == 1 {
            return Ok(content);
        }
        Err(ApiError::invalid("content must include exactly one base_video"))
    }

    /// Checks the media whose bytes are available.
    pub fn inspect(&self, state: &AppState) -> Result<(), ApiError> {
        let pictures = [
            ("content: first_frame", &self.first),
            ("content: last_frame", &self.last),
            ("content: reference_image", &self.images),
        ];
        for (field, urls) in pictures {
            for url in urls {
                media_input::picture(state, field, url, &media_input::IMAGE_V2)?;
            }
        }
        for url in &self.videos {
            media_input::media(state, "content: reference_video", url, &media_input::VIDEO_V2)?;
        }
        for url in &self.audios {
            media_input::media(state, "content: reference_audio", url, &media_input::AUDIO_V2)?;
        }
        Ok(())
    }

    fn add(&mut self, at: usize, item: &Map<String, Value>, pictures: usize) -> Result<(), ApiError> {
        let (kind, role) = (text(item, "type"), text(item, "role"));
        let stray = item.keys().find(|name| !matches!(name.as_str(), "type" | "role") && *name != kind);
        if let Some(name) = stray {
            return Err(ApiError::invalid(format_args!(
                "content[{at}].{name} is not allowed for type {kind}"
            )));
        }
        if kind == "text" {
            if !role.is_empty() {
                return Err(ApiError::invalid(format_args!("content[{at}].role is not for text")));
            }
            self.texts += 1;
            text(item, "text").clone_into(&mut self.prompt);
            return Ok(());
        }
        let url = item.get(kind).and_then(|part| part.get("url")?.as_str());
        let url =
            url.ok_or_else(|| ApiError::invalid(format_args!("content[{at}].{kind}.url is required")))?;
        let list = match (kind, role) {
            ("image_url", "first_frame") => &mut self.first,
            ("image_url", "") if pictures == 1 => &mut self.first,
            ("image_url", "last_frame") => &mut self.last,
            ("image_url", REFERENCE_IMAGE) => &mut self.images,
            ("video_url", "reference_video") => &mut self.videos,
            ("audio_url", "reference_audio") => &mut self.audios,
            ("video_url", BASE_VIDEO) => &mut self.base,
            (_, "") => return Err(ApiError::invalid(format_args!("content[{at}].role is required"))),
            _ => {
                return Err(ApiError::invalid(format_args!(
                    "content[{at}].role {role} is not allowed for {kind}"
                )));
            }
        };
        list.push(url.to_owned());
        Ok(())
    }

    /// Checks the number of items and their combinations.
    fn count(&self) -> Result<(), ApiError> {
        let references = self.images.len() + self.videos.len() + self.audios.len();
        let rules = [
            (
                self.prompt.trim().is_empty(),
                "content must include a non-empty text item (prompt is required)",
            ),
            (self.texts > 1, "content: at most one text item"),
            (self.first.len() > 1, "content: at most one first_frame"),
            (self.last.len() > 1, "content: at most one last_frame"),
            (self.images.len() > 9, "content: at most 9 reference_image"),
            (self.videos.len() > 3, "content: at most 3 reference_video"),
            (self.audios.len() > 3, "content: at most 3 reference_audio"),
            (references > 12, "content: at most 12 references"),
            (references > 0 && self.has_frames(), "content: frames and references cannot be combined"),
            (
                references > 0 && references == self.audios.len(),
                "content: reference_audio needs a reference_image or reference_video",
            ),
        ];
        match rules.iter().find(|(broken, _)| *broken) {
            Some((_, rule)) => Err(ApiError::invalid(rule)),
            None => Ok(()),
        }
    }

    pub fn has_frames(&self) -> bool {
        !self.first.is_empty() || !self.last.is_empty()
    }

    pub fn has_references(&self) -> bool {
        !self.images.is_empty() || !self.videos.is_empty()
    }
}

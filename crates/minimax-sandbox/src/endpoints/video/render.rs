//! Draws the videos of all video endpoints.

use axum::body::Bytes;
use image::{DynamicImage, RgbImage};

use crate::engine::errors::ApiError;
use crate::engine::lock::lock;
use crate::engine::state::AppState;
use crate::media::clip::Clip;
use crate::media::picture::Scene;

/// How many videos are cached.
const CACHED: usize = 4;

/// A video to be drawn.
pub(crate) struct VideoSpec<'a> {
    pub size: (u32, u32),
    pub prompt: &'a str,
    pub first: Option<DynamicImage>,
    pub last: Option<DynamicImage>,
    /// Shown inside the image that is drawn from the prompt.
    pub reference: Option<DynamicImage>,
    pub frames: u32,
    pub sound: bool,
}

impl VideoSpec<'_> {
    /// Draws and stores the video. Returns its name in the media folder and its size in bytes.
    pub fn make(&self, state: &AppState, name: &str) -> Result<(String, u64), ApiError> {
        let bytes = self.bytes(state)?;
        state.store.keep(name, &bytes)?;
        Ok((name.to_owned(), bytes.len() as u64))
    }

    /// The video as MP4. Videos without input images depend only on their text and are cached.
    fn bytes(&self, state: &AppState) -> Result<Bytes, ApiError> {
        let text_only = self.first.is_none() && self.last.is_none() && self.reference.is_none();
        let cache_key = format!("{:?} {} {} {}", self.size, self.frames, self.sound, self.prompt);
        if !text_only {
            return self.draw();
        }
        // Held while drawing, so that concurrent requests for the same video draw it once.
        let mut cache = lock(&state.video_cache);
        if let Some((_, video)) = cache.iter().find(|(known, _)| *known == cache_key) {
            return Ok(video.clone());
        }
        let video = self.draw()?;
        cache.push_back((cache_key, video.clone()));
        if cache.len() > CACHED {
            cache.pop_front();
        }
        Ok(video)
    }

    fn draw(&self) -> Result<Bytes, ApiError> {
        let (width, height) = self.size;
        let scene = Scene { width, height, prompt: self.prompt, seed: 0, reference: self.reference.as_ref() };
        let first = self.first.as_ref().map_or_else(|| scene.draw(), |first| self.filling(first));
        let last = self.last.as_ref().map(|last| self.filling(last));
        let clip = Clip { first, last, frames: self.frames, sound: self.sound };
        clip.encode().map(Bytes::from).map_err(|failure| ApiError::internal(&failure))
    }

    fn filling(&self, picture: &DynamicImage) -> RgbImage {
        let (width, height) = self.size;
        picture.resize_to_fill(width, height, image::imageops::FilterType::Triangle).into_rgb8()
    }
}

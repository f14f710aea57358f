//! Music models, and what MiniMax has closed.

use serde::Deserialize;

use super::{Facts, Price};

/// A music model (Music Generation > model).
#[derive(Debug, Deserialize)]
pub struct MusicModel {
    /// The id on the wire.
    pub model: String,
    /// Whether it makes covers, and nothing else.
    #[serde(default)]
    pub cover: bool,
    /// Whether `is_instrumental` and `lyrics_optimizer` may be given.
    #[serde(default)]
    pub optional_lyrics: bool,
    /// Characters of `prompt`, at least and at most.
    pub prompt: (usize, usize),
    /// Characters of `lyrics`, at least and at most.
    pub lyrics: (usize, usize),
    /// MiniMax has stopped it, but may answer for it still.
    #[serde(default)]
    pub stopped: bool,
    /// Per piece of up to five minutes.
    #[serde(default)]
    pub each: Price,
}

/// Endpoints that some accounts may no longer use.
#[derive(Debug, Deserialize)]
pub struct Closing {
    paths: Vec<String>,
    /// What the endpoints answer then, among other occasions.
    codes: Vec<i64>,
    /// What a caller should know who gets one of the codes.
    pub note: String,
}

impl Facts {
    /// A music model by id.
    pub fn music(&self, model: &str) -> Option<&MusicModel> {
        self.music.iter().find(|row| row.model == model)
    }

    /// The models that make covers, or those that make songs of their own, and that MiniMax still offers.
    pub fn music_models(&self, cover: bool) -> impl Iterator<Item = &str> {
        let offered = self.music.iter().filter(move |row| row.cover == cover && !row.stopped);
        offered.map(|row| row.model.as_str())
    }

    /// Per call of the lyrics endpoint.
    pub fn lyrics_price(&self) -> Price {
        self.lyrics_each
    }

    /// What may be behind a refusal of an endpoint that is closed to some accounts.
    pub fn closing(&self, path: &str, code: i64) -> Option<&Closing> {
        self.closings
            .iter()
            .find(|row| row.paths.iter().any(|known| known == path) && row.codes.contains(&code))
    }
}

//! Music models, and the endpoints that MiniMax has closed to some accounts.

use serde::Deserialize;

use super::{Facts, Price};

/// A music model (Music Generation > model).
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MusicModel {
    /// The id on the wire.
    pub model: String,
    /// If true, the model only makes covers.
    #[serde(default)]
    pub cover: bool,
    /// If true, the model accepts `is_instrumental` and `lyrics_optimizer`.
    #[serde(default)]
    pub optional_lyrics: bool,
    /// The least and the greatest number of characters of `prompt`.
    pub prompt: (usize, usize),
    /// The least and the greatest number of characters of `lyrics`.
    pub lyrics: (usize, usize),
    /// MiniMax has withdrawn the model.
    #[serde(default)]
    pub stopped: bool,
    /// The price of a piece of up to five minutes.
    #[serde(default)]
    pub each: Price,
}

/// Endpoints that are closed to some accounts.
#[derive(Debug, Deserialize)]
pub struct Closing {
    paths: Vec<String>,
    /// The codes that a closed endpoint returns. They also occur for other reasons.
    codes: Vec<i64>,
    /// What to tell a caller who receives one of the codes.
    pub note: String,
}

impl Facts {
    /// A music model by id.
    pub fn music(&self, model: &str) -> Option<&MusicModel> {
        let id = self.canonical(model);
        self.music.iter().find(|row| row.model == id)
    }

    /// Every row of the music table.
    pub fn music_rows(&self) -> &[MusicModel] {
        &self.music
    }

    /// The ids of the cover models, or of the song models, that MiniMax still offers.
    pub fn music_models(&self, cover: bool) -> impl Iterator<Item = &str> {
        let offered = self.music.iter().filter(move |row| row.cover == cover && !row.stopped);
        offered.map(|row| row.model.as_str())
    }

    /// The price of one call of the lyrics endpoint.
    pub fn lyrics_price(&self) -> Price {
        self.lyrics_each
    }

    /// The possible explanation of this refusal, if the endpoint is closed to some accounts.
    pub fn closing(&self, path: &str, code: i64) -> Option<&Closing> {
        self.closings
            .iter()
            .find(|row| row.paths.iter().any(|known| known == path) && row.codes.contains(&code))
    }
}

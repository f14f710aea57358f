//! Music and lyrics (platform docs > Music Generation, Music Cover Preprocess, Lyrics Generation).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::exchange::{Beside, CUT};
use super::{ApiError, Client, Endpoint, or_default};
use crate::response::clip::{self, Clip};
use crate::response::envelope::count;

const MUSIC: Endpoint = Endpoint::post("/v1/music_generation", 600).with_audio(96 * 1024 * 1024);
const PREPROCESS: Endpoint = Endpoint::post("/v1/music_cover_preprocess", 300);
const LYRICS: Endpoint = Endpoint::post("/v1/lyrics_generation", 180);

/// The body of `POST /v1/music_generation`, not streamed.
#[derive(Debug, Clone, Serialize)]
pub struct MusicSubmit {
    /// A music model, such as `music-3.0`.
    pub model: String,
    /// The style. The length limit depends on the model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompt: Option<String>,
    /// The lyrics, with section tags such as `[Verse]` on their own lines.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lyrics: Option<String>,
    /// Always `url`. After a crash of this server a link still works, while bytes in a response would be lost.
    pub output_format: &'static str,
    /// The audio format.
    pub audio_setting: MusicSetting,
    /// Lets MiniMax write the lyrics.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lyrics_optimizer: Option<bool>,
    /// Music without vocals.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is_instrumental: Option<bool>,
    /// The original song of a cover.
    #[serde(flatten)]
    pub reference: Option<CoverReference>,
    /// Marks the music as AI-generated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aigc_watermark: Option<bool>,
}

/// The original song of a cover. The variant's name is the field's name on the wire.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CoverReference {
    /// A public link.
    AudioUrl(String),
    /// The audio itself.
    AudioBase64(String),
    /// The id from a preprocess, valid for 24 hours.
    CoverFeatureId(String),
}

/// The audio format (Music Generation > audio_setting).
#[derive(Debug, Clone, Serialize)]
pub struct MusicSetting {
    /// In Hz.
    pub sample_rate: u32,
    /// In bits per second. Absent for formats with a fixed rate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bitrate: Option<u32>,
    /// Codec and container.
    pub format: MusicFormat,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the variants are the values on the wire")]
pub enum MusicFormat {
    #[default]
    Mp3,
    Wav,
    Pcm,
}

impl MusicFormat {
    /// The extension of the file's name, and the MIME type.
    pub fn file(self) -> (&'static str, &'static str) {
        match self {
            Self::Mp3 => ("mp3", "audio/mpeg"),
            Self::Wav => ("wav", "audio/wav"),
            Self::Pcm => ("pcm", "audio/pcm"),
        }
    }
}

/// The result of one request.
#[derive(Debug, Clone, PartialEq)]
pub struct Song {
    /// A link, valid for 24 hours, or the bytes if MiniMax sends them although a link was requested.
    pub audio: Clip,
    /// In milliseconds.
    pub length_ms: Option<u64>,
    /// `extra_info`, unchanged.
    pub usage: Option<Value>,
    /// Why the audio may not be complete.
    pub cut: Option<&'static str>,
}

/// The body of `POST /v1/lyrics_generation`.
#[derive(Debug, Clone, Serialize)]
pub struct LyricsOrder {
    /// Whether to write or to edit.
    pub mode: LyricsMode,
    /// A theme, or the changes to make.
    pub prompt: String,
    /// The lyrics to edit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lyrics: Option<String>,
    /// The song's title, which MiniMax then keeps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the variants are the values on the wire")]
pub enum LyricsMode {
    WriteFullSong,
    Edit,
}

/// Lyrics as MiniMax wrote them.
#[derive(Debug, Clone, Default, Deserialize)]
#[expect(missing_docs, reason = "the fields are those on the wire")]
pub struct Lyrics {
    #[serde(default, deserialize_with = "or_default")]
    pub song_title: String,
    #[serde(default, deserialize_with = "or_default")]
    pub style_tags: String,
    pub lyrics: String,
}

impl Client {
    /// Makes a piece of music and waits for it, which takes minutes.
    pub async fn make_music(&self, submit: &MusicSubmit) -> Result<Song, ApiError> {
        let read = |answer: Value, beside: &mut Beside| {
            let found = clip::sound(&answer);
            let cut = clip::cut(clip::status(&answer), found.as_ref());
            let none = clip::none(found.as_ref());
            let audio = found.and_then(|found| found.clip(&mut beside.lifted)).ok_or(none)?;
            let usage = answer.get("extra_info").filter(|extra| !extra.is_null()).cloned();
            let length = usage.as_ref().and_then(|extra| count(extra.get("music_duration")?));
            let length_ms = length.and_then(|length| length.try_into().ok());
            Ok(Song { audio, length_ms, usage, cut })
        };
        self.buy(&MUSIC, |request| request.json(submit), read).await
    }

    /// Analyzes a song for a cover with new lyrics, and returns the id of the analysis.
    pub async fn preprocess_cover(&self, model: &str, audio: &CoverReference) -> Result<String, ApiError> {
        #[derive(Serialize)]
        struct Order<'a> {
            model: &'a str,
            #[serde(flatten)]
            audio: &'a CoverReference,
        }
        #[derive(Deserialize)]
        struct Answer {
            cover_feature_id: String,
        }
        let Answer { cover_feature_id } = self.post(&PREPROCESS, &Order { model, audio }).await?;
        Ok(cover_feature_id)
    }

    /// Writes or edits lyrics and waits for them.
    pub async fn write_lyrics(&self, order: &LyricsOrder) -> Result<Lyrics, ApiError> {
        let read = |lyrics: Lyrics, beside: &mut Beside| match lyrics.lyrics.trim() {
            _ if beside.is_cut => Err(CUT.to_owned()),
            "" => Err("a success without lyrics".to_owned()),
            _ => Ok(lyrics),
        };
        self.buy(&LYRICS, |request| request.json(order), read).await
    }
}
